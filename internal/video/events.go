package video

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/rebuild"
)

// Listener learns from the other services what videos count for, and does what is
// asked of people's data.
type Listener struct {
	*Service
	Exports export.Writer
	Walk    *rebuild.Walk

	// StatusQueueURL is where the read model is told of all videos.
	StatusQueueURL string
}

// NewListener wires the listener.
func NewListener(cfg ListenerConfig, db *dynamodb.Client, queues *sqs.Client, objects *s3.Client, m *metrics.Recorder, now func() time.Time, newID func() string) *Listener {
	return &Listener{
		Service: New(cfg.Config, db, queues, objects, m, now, newID),
		Exports: export.Writer{S3: objects, Bucket: cfg.ArchivesBucket},
		Walk: &rebuild.Walk{
			DB: db, SQS: queues, Table: cfg.Table, QueueURL: cfg.QueueURL, Source: source,
			Segments: rebuild.TellSegments, Now: now, NewID: newID,
		},
		StatusQueueURL: cfg.StatusQueueURL,
	}
}

// HandleMessage handles the event of one message of the video events queue.
func (l *Listener) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	return l.Store.People.Receive(ctx, m.Body, l.eraseAccount, l.handle)
}

func (l *Listener) handle(ctx context.Context, e event.Event) error {
	switch e.Type() {
	case event.ProcessingCompleted{}.EventType():
		return event.With(e, func(d event.ProcessingCompleted) error {
			return l.learn(ctx, d.VideoRef, e.Time(), func(v *Video) (Usage, float64) { return completed(v, d) })
		})
	case event.ProcessingFailed{}.EventType():
		return event.With(e, func(d event.ProcessingFailed) error { return l.learn(ctx, d.VideoRef, e.Time(), ended(d.VideoRef)) })
	case event.ProcessingCancelled{}.EventType():
		return event.With(e, func(d event.ProcessingCancelled) error { return l.learn(ctx, d.VideoRef, e.Time(), ended(d.VideoRef)) })
	case event.ArchiveExpired{}.EventType():
		return event.With(e, func(d event.ArchiveExpired) error { return l.learn(ctx, d.VideoRef, e.Time(), expired(d.VideoRef)) })
	case event.ExportRequested{}.EventType():
		return event.With(e, func(d event.ExportRequested) error { return l.export(ctx, d) })
	case event.RebuildRequested{}.EventType():
		return event.With(e, func(d event.RebuildRequested) error { return l.retell(ctx, d) })
	default:
		return fmt.Errorf("%w: nothing to learn from %s", event.ErrMalformed, e.Type())
	}
}

// completed tells what a video counts for when a run has completed, and how many
// seconds of it are to be counted.
func completed(v *Video, d event.ProcessingCompleted) (Usage, float64) {
	u, _ := ended(d.VideoRef)(v)
	if d.Run > u.ArchiveRun {
		u.Archive, u.ArchiveRun = d.Archive.Size, d.Run
	}
	if slices.Contains(u.Runs, d.Run) {
		return u, 0
	}
	u.Runs = append(slices.Clip(u.Runs), d.Run)
	return u, d.Media.Duration
}

func ended(ref event.VideoRef) func(*Video) (Usage, float64) {
	return func(v *Video) (Usage, float64) {
		u := v.Usage
		u.Active = u.Active && ref.Run < v.Run // a later run goes on
		return u, 0
	}
}

func expired(ref event.VideoRef) func(*Video) (Usage, float64) {
	return func(v *Video) (Usage, float64) {
		u := v.Usage
		if ref.Run >= u.ArchiveRun {
			u.Archive, u.ArchiveRun = 0, ref.Run
		}
		return u, 0
	}
}

// learn changes what a video counts for. Of a video that was deleted there is
// nothing to learn.
func (l *Listener) learn(ctx context.Context, ref event.VideoRef, at time.Time, usage func(*Video) (Usage, float64)) error {
	for {
		v, err := l.Store.Get(ctx, ref.OwnerID, ref.VideoID)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		after := *v
		var seconds float64
		if after.Usage, seconds = usage(v); after.Usage.equal(v.Usage) {
			return nil
		}
		counted := l.Store.tally(v, &after)
		if seconds > 0 {
			counted = append(counted, l.Store.addSeconds(ref.OwnerID, at, seconds))
		}
		if err := l.Store.update(ctx, v, &after, counted); !errors.Is(err, errChanged) {
			return err
		}
	}
}
