package notification

import (
	"context"
	"log/slog"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/export"
)

// erase removes everything of a person but for the tombstone: no mail goes to them
// any more, and nothing that comes later makes them known again.
func (s *Service) erase(ctx context.Context, userID string) error {
	if err := s.Store.People.Bury(ctx, userID); err != nil {
		return err
	}
	slog.InfoContext(ctx, "person erased")
	return s.Store.People.Clear(ctx, userID)
}

// told says which attributes of which kinds of rows people get to see of
// themselves.
var told = export.Kinds{
	"contact":     {"email", "name", "locale", "verified"},
	"mail":        {"kind", "video_id", "sent_at", "refused", "digest"},
	"digest":      {"ends_at", "alone"},
	"collected":   {"kind", "video_id", "filename", "frames", "size", "expires_at", "notices"},
	"preferences": {string(kindCompleted), string(kindFailed), string(kindExpiring), string(kindDigest)},
	"suppressed":  {"reason", "at", "lifted"},
	"webhook":     {"url", "since"},
	"delivery":    {"type", "video_id", "body", "state", "at", "tries"},
}

// export writes down what this service keeps of a person.
func (s *Service) export(ctx context.Context, request event.ExportRequested) error {
	kinds, err := told.Tell(ctx, s.Store.People, request.UserID)
	if err != nil {
		return err
	}
	return s.Exports.Write(ctx, request, export.Notification, kinds)
}
