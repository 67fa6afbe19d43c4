package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/export"
)

// personPrefix is what all keys of a person's archives begin with.
func personPrefix(ownerID string) string { return ownerID + "/" }

// Videos lists the IDs of a person's videos of which there is a row, more or less:
// the index runs behind the table.
func (s *Store) Videos(ctx context.Context, ownerID string) ([]string, error) {
	keys, err := dynamo.QueryAll[dynamo.Key](ctx, s.DB, &dynamodb.QueryInput{
		TableName: &s.Table, IndexName: aws.String("by_owner"), KeyConditionExpression: aws.String("owner_id = :owner"),
		ExpressionAttributeValues: dynamo.Item{":owner": dynamo.S(ownerID)},
	})
	if err != nil {
		return nil, fmt.Errorf("list a person's videos: %w", err)
	}
	var ids []string
	for _, key := range keys {
		id := strings.TrimPrefix(key.PK, "video#")
		if len(ids) == 0 || ids[len(ids)-1] != id { // a video's rows follow each other
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// eraseAccount erases a person: from now on no job of theirs begins, workers lose
// those that they have, and the sweep repeats the rest for a while.
func (c *Control) eraseAccount(ctx context.Context, userID string) error {
	if err := c.Store.People.Schedule(ctx, userID); err != nil {
		return err
	}
	slog.InfoContext(ctx, "person erased")
	return c.erase(ctx, userID)
}

// erase removes everything of a person but for the tombstone. Rows go first: a
// worker that has lost its row clears what it writes thereafter.
func (c *Control) erase(ctx context.Context, userID string) error {
	videos, err := c.Store.Videos(ctx, userID)
	failures := []error{err}
	for _, id := range videos {
		failures = append(failures, c.eraseVideo(ctx, id))
	}
	return errors.Join(append(failures,
		c.Objects.Clear(ctx, personPrefix(userID)),
		c.Outbox.Forget(ctx, userID),
		c.Store.People.Clear(ctx, userID),
	)...)
}

func (c *Control) eraseVideo(ctx context.Context, id string) error {
	job, err := c.Store.Get(ctx, id)
	if err != nil {
		return err
	}
	if job != nil {
		if err := c.abort(ctx, job); err != nil {
			return err
		}
	}
	return c.Store.People.ClearPartition(ctx, jobKey(id).PK)
}

// told is what people get to see of a job.
type told struct {
	VideoID          string     `json:"video_id"`
	Run              int        `json:"run"`
	State            State      `json:"state"`
	Segments         int        `json:"segments,omitempty"`
	ArchiveExpiresAt *time.Time `json:"archive_expires_at,omitempty"`
}

// export writes down what this service keeps of a person.
func (c *Control) export(ctx context.Context, request event.ExportRequested) error {
	videos, err := c.Store.Videos(ctx, request.UserID)
	if err != nil {
		return err
	}
	found := make([]*Job, len(videos))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for i, id := range videos {
		group.Go(func() (err error) {
			found[i], err = c.Store.Get(reading, id)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	jobs := []told{}
	for _, job := range found {
		if job == nil { // the index runs behind
			continue
		}
		shown := told{VideoID: job.Ref.VideoID, Run: job.Ref.Run, State: job.State}
		if job.Spread != nil {
			shown.Segments = job.Spread.Segments
		}
		if job.ArchiveKey != "" {
			expires := job.ArchiveExpiresAt.UTC()
			shown.ArchiveExpiresAt = &expires
		}
		jobs = append(jobs, shown)
	}
	w := export.Writer{S3: c.Objects.S3, Bucket: c.Objects.Archives}
	return w.Write(ctx, request, export.Processing, map[string]any{"jobs": jobs})
}
