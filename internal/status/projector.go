package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// Projector writes the read model.
type Projector struct {
	Store   *Store
	Exports export.Writer
}

// NewProjector wires the projector.
func NewProjector(cfg ProjectorConfig, db *dynamodb.Client, objects *s3.Client, now func() time.Time) *Projector {
	return &Projector{
		Store: &Store{
			DB: db, Table: cfg.Table, People: &erasure.Table{DB: db, Name: cfg.Table, Now: now},
		},
		Exports: export.Writer{S3: objects, Bucket: cfg.ArchivesBucket},
	}
}

// HandleMessage projects the event of one message of the status queue, or does what
// it asks of a person's data.
func (p *Projector) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	return p.Store.People.Receive(ctx, m.Body, p.erase, p.handle)
}

func (p *Projector) handle(ctx context.Context, e event.Event) error {
	if e.Type() == (event.ExportRequested{}).EventType() {
		return event.With(e, func(d event.ExportRequested) error { return p.export(ctx, d) })
	}
	return p.project(logging.With(ctx, slog.String("video_id", e.Subject())), e)
}

func (p *Projector) project(ctx context.Context, e event.Event) error {
	switch e.Type() {
	case event.VideoRegistered{}.EventType():
		return event.With(e, func(d event.VideoRegistered) error { return p.Store.Describe(ctx, e.Time(), d) })
	case event.VideoUploaded{}.EventType():
		return advance(ctx, p, e, func(d event.VideoUploaded) Change {
			return Change{Ref: d.VideoRef, Status: rest.Queued}
		})
	case event.RetryRequested{}.EventType():
		return event.With(e, func(d event.RetryRequested) error {
			return errors.Join(
				p.Store.Extract(ctx, d.VideoRef, d.Extraction),
				p.Store.Advance(ctx, Change{Ref: d.VideoRef, At: e.Time(), Status: rest.Queued}))
		})
	case event.ProcessingStarted{}.EventType():
		return advance(ctx, p, e, func(d event.ProcessingStarted) Change {
			return Change{Ref: d.VideoRef, Status: rest.Processing}
		})
	case event.ProcessingProgressed{}.EventType():
		return event.With(e, func(d event.ProcessingProgressed) error {
			return p.Store.Progress(ctx, Change{Ref: d.VideoRef, At: e.Time(), Status: rest.Processing, Progress: d.Progress})
		})
	case event.ProcessingCompleted{}.EventType():
		return advance(ctx, p, e, completed)
	case event.ProcessingFailed{}.EventType():
		return advance(ctx, p, e, func(d event.ProcessingFailed) Change {
			return Change{Ref: d.VideoRef, Status: rest.Failed, Set: map[string]any{"error_code": d.Code}}
		})
	case event.UploadAbandoned{}.EventType():
		return advance(ctx, p, e, abandoned)
	case event.ProcessingCancelled{}.EventType():
		return advance(ctx, p, e, func(d event.ProcessingCancelled) Change {
			return Change{Ref: d.VideoRef, Status: rest.Cancelled}
		})
	case event.ArchiveExpired{}.EventType():
		return advance(ctx, p, e, func(d event.ArchiveExpired) Change {
			return Change{Ref: d.VideoRef, Status: rest.Expired, Progress: 1}
		})
	case event.VideoDeleted{}.EventType():
		return event.With(e, func(d event.VideoDeleted) error { return p.Store.Bury(ctx, d.VideoRef, e.Time()) })
	default:
		return fmt.Errorf("%w: no projection of %s", event.ErrMalformed, e.Type())
	}
}

// advance projects an event that is a step of a video.
func advance[T event.Data](ctx context.Context, p *Projector, e event.Event, change func(T) Change) error {
	return event.With(e, func(data T) error {
		c := change(data)
		c.At = e.Time()
		return p.Store.Advance(ctx, c)
	})
}

func completed(d event.ProcessingCompleted) Change {
	c := Change{
		Ref: d.VideoRef, Status: rest.Completed, Progress: 1,
		Set: map[string]any{
			"media": d.Media, "archive": d.Archive,
			"expires_at": d.Archive.ExpiresAt, "ttl": d.Archive.ExpiresAt.Add(keep).Unix(),
		},
	}
	if len(d.Warnings) > 0 {
		c.Set["warnings"] = d.Warnings
	}
	return c
}

func abandoned(d event.UploadAbandoned) Change {
	return Change{
		Ref: d.VideoRef, Status: rest.Failed,
		Set: map[string]any{"error_code": "upload_abandoned"},
	}
}
