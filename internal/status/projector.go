package status

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/cache"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/rebuild"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// source is the CloudEvents source of this service's events.
const source = "/status"

// Projector writes the read model.
type Projector struct {
	Store   *Store
	Exports export.Writer
	Walk    *rebuild.Walk
	Cache   *cache.Shared // nil for none that could be told

	// Owners are the URLs of the queues of the services that own the videos.
	Owners []string
}

// NewProjector wires the projector.
func NewProjector(
	cfg ProjectorConfig, db *dynamodb.Client, queues *sqs.Client, objects *s3.Client, kept *cache.Shared, now func() time.Time, newID func() string,
) *Projector {
	return &Projector{
		Store: &Store{
			DB: db, Table: cfg.Table, People: &erasure.Table{DB: db, Name: cfg.Table, Now: now},
		},
		Exports: export.Writer{S3: objects, Bucket: cfg.ArchivesBucket},
		Walk: &rebuild.Walk{
			DB: db, SQS: queues, Table: cfg.Table, QueueURL: cfg.StatusQueueURL, Source: source,
			Segments: 1, // so that its end is the end of all
			Now:      now, NewID: newID,
		},
		Cache:  kept,
		Owners: []string{cfg.VideoEventsQueueURL, cfg.ControlQueueURL},
	}
}

// HandleMessage projects the event of one message of the status queue, or does what
// it asks of a person's data.
func (p *Projector) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	e, err := event.Parse([]byte(m.Body))
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	person, err := event.Person(e)
	if err != nil { // then nobody's cache needs to know
		_, err := p.receive(ctx, e)
		return err
	}
	return p.Cache.Write(ctx, person, p.Walk.Now, func(ctx context.Context) (cache.Fresh, error) { return p.receive(ctx, e) })
}

// receive has an event handled, and gives the video that it made for the cache.
func (p *Projector) receive(ctx context.Context, e event.Event) (cache.Fresh, error) {
	var made *Video
	stands, err := p.Store.People.ReceiveEvent(ctx, e, p.erase, func(ctx context.Context, e event.Event) (err error) {
		made, err = p.handle(ctx, e)
		return err
	})
	if made == nil || !stands {
		return cache.Fresh{}, err
	}
	return cache.Fresh{Name: videoEntry(made.ID), Value: made}, err
}

// handle does what an event asks for. It gives the video that it is about, as it then
// is; nil if there is none.
func (p *Projector) handle(ctx context.Context, e event.Event) (*Video, error) {
	switch e.Type() {
	case event.ExportRequested{}.EventType():
		return nil, event.With(e, func(d event.ExportRequested) error { return p.export(ctx, d) })
	case event.RebuildRequested{}.EventType():
		return nil, event.With(e, func(d event.RebuildRequested) error { return p.rebuild(ctx, e, d) })
	}
	return p.project(logging.With(ctx, slog.String("video_id", e.Subject())), e)
}

func (p *Projector) project(ctx context.Context, e event.Event) (*Video, error) {
	at := e.Time()
	switch e.Type() {
	case event.VideoRegistered{}.EventType():
		return merge(ctx, p, e, func(d event.VideoRegistered, r *row) {
			r.describe(d)
			r.ask(d.Run, d.Extraction, d.ExpiresAt)
			r.advance(d.Run, at, step{status: rest.AwaitingUpload})
		})
	case event.VideoSnapshot{}.EventType():
		return merge(ctx, p, e, func(d event.VideoSnapshot, r *row) { r.take(d, at) })
	case event.VideoUploaded{}.EventType():
		return merge(ctx, p, e, func(d event.VideoUploaded, r *row) { r.advance(d.Run, at, step{status: rest.Queued}) })
	case event.RetryRequested{}.EventType():
		return merge(ctx, p, e, func(d event.RetryRequested, r *row) {
			r.ask(d.Run, d.Extraction, d.ExpiresAt)
			r.advance(d.Run, at, step{status: rest.Queued})
		})
	case event.ProcessingStarted{}.EventType():
		return merge(ctx, p, e, func(d event.ProcessingStarted, r *row) { r.advance(d.Run, at, step{status: rest.Processing}) })
	case event.ProcessingProgressed{}.EventType():
		return merge(ctx, p, e, func(d event.ProcessingProgressed, r *row) {
			r.advance(d.Run, at, step{status: rest.Processing, progress: d.Progress})
		})
	case event.ProcessingCompleted{}.EventType():
		return merge(ctx, p, e, func(d event.ProcessingCompleted, r *row) {
			r.learn(d)
			r.advance(d.Run, at, step{status: rest.Completed, progress: 1})
		})
	case event.ProcessingFailed{}.EventType():
		return merge(ctx, p, e, func(d event.ProcessingFailed, r *row) {
			r.advance(d.Run, at, step{status: rest.Failed, code: d.Code})
		})
	case event.UploadAbandoned{}.EventType():
		return merge(ctx, p, e, func(d event.UploadAbandoned, r *row) { r.advance(d.Run, at, abandoned) })
	case event.ProcessingCancelled{}.EventType():
		return merge(ctx, p, e, func(d event.ProcessingCancelled, r *row) { r.advance(d.Run, at, step{status: rest.Cancelled}) })
	case event.ArchiveExpired{}.EventType():
		return merge(ctx, p, e, func(d event.ArchiveExpired, r *row) {
			r.advance(d.Run, at, step{status: rest.Expired, progress: 1})
		})
	case event.VideoDeleted{}.EventType():
		return merge(ctx, p, e, func(_ event.VideoDeleted, r *row) { r.Deleted = &at })
	default:
		return nil, fmt.Errorf("%w: no projection of %s", event.ErrMalformed, e.Type())
	}
}

// aboutVideo is the data of an event that is about one video.
type aboutVideo interface {
	event.Data
	Video() event.VideoRef
}

// merge projects an event of one video.
func merge[T aboutVideo](ctx context.Context, p *Projector, e event.Event, say func(T, *row)) (made *Video, err error) {
	err = event.With(e, func(data T) (err error) {
		made, err = p.Store.Merge(ctx, data.Video(), func(r *row) { say(data, r) })
		return err
	})
	return made, err
}

// take says all that a snapshot does.
func (r *row) take(s event.VideoSnapshot, at time.Time) {
	r.describe(event.VideoRegistered{
		VideoRef: s.VideoRef, Filename: s.Filename, Size: s.Size, ContentType: s.ContentType, CreatedAt: s.CreatedAt,
	})
	r.ask(s.Run, s.Extraction, s.ExpiresAt)
	switch s.Upload {
	case event.UploadArrived:
		r.advance(s.Run, at, step{status: rest.Queued})
	case event.UploadGivenUp:
		r.advance(s.Run, at, abandoned)
	default:
		r.advance(s.Run, at, step{status: rest.AwaitingUpload})
	}
}
