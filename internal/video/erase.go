package video

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/export"
)

// eraseAccount erases a person: from now on nothing of theirs is written, and the
// sweep repeats the rest for a while.
func (s *Service) eraseAccount(ctx context.Context, userID string) error {
	if err := s.Store.People.Schedule(ctx, userID); err != nil {
		return err
	}
	slog.InfoContext(ctx, "person erased")
	return s.erase(ctx, userID)
}

// erase removes everything of a person but for the tombstone. An upload whose
// signature is still good may come later: processing removes it.
func (s *Service) erase(ctx context.Context, userID string) error {
	return errors.Join(
		s.Uploads.Clear(ctx, userID),
		s.Outbox.Forget(ctx, userID),
		s.Store.People.Clear(ctx, userID),
	)
}

// told is what people get to see of a video's row.
type told struct {
	ID             string    `json:"id"`
	Filename       string    `json:"filename"`
	Size           int64     `json:"size"` // bytes
	ContentType    string    `json:"content_type"`
	SHA256         string    `json:"sha256,omitempty"`
	Extraction     any       `json:"extraction"`
	State          State     `json:"state"`
	Run            int       `json:"run"`
	BytesStored    int64     `json:"bytes_stored"`
	CreatedAt      time.Time `json:"created_at"`
	UploadDeadline time.Time `json:"upload_deadline"`
	ExpiresAt      time.Time `json:"expires_at"`
}

// export writes down what this service keeps of a person.
func (l *Listener) export(ctx context.Context, r event.ExportRequested) error {
	videos := []told{}
	err := l.Store.People.Rows(ctx, r.UserID, func(items []dynamo.Item) error {
		for _, item := range items {
			row, err := dynamo.Unmarshal[videoRow](item)
			if err != nil {
				return err
			}
			if row.ID == "" { // keys of idempotency, and counters: see the quotas
				continue
			}
			v, err := row.video()
			if err != nil {
				return err
			}
			videos = append(videos, told{
				ID: v.ID, Filename: v.Filename, Size: v.Size, ContentType: v.ContentType, SHA256: v.SHA256,
				Extraction: v.Extraction, State: v.State, Run: v.Run, BytesStored: v.Usage.File + v.Usage.Archive,
				CreatedAt: v.CreatedAt.UTC(), UploadDeadline: v.UploadDeadline.UTC(), ExpiresAt: v.ExpiresAt.UTC(),
			})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("export videos: %w", err)
	}
	now := l.Now()
	u, err := l.Store.Spent(ctx, r.UserID, now)
	if err != nil {
		return err
	}
	return l.Exports.Write(ctx, r, export.Video, map[string]any{
		"videos": videos, "quotas": u.quotas(l.Limits, now),
	})
}
