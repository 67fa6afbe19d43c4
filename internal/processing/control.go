package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/rebuild"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Control is what happens to jobs from outside their workers: people cancel, delete
// and go, archives expire, of which people are told before, and messages end in the
// dead-letter queue.
type Control struct {
	base
	Walk *rebuild.Walk

	// StatusQueueURL is where the read model is told of all jobs.
	StatusQueueURL string
}

// HandleCommand does what one message of the control queue asks for.
func (c *Control) HandleCommand(ctx context.Context, m events.SQSMessage) error {
	return c.Store.People.Receive(ctx, m.Body, c.eraseAccount, c.handle)
}

func (c *Control) handle(ctx context.Context, e event.Event) error {
	switch e.Type() {
	case event.ExportRequested{}.EventType():
		return event.With(e, func(d event.ExportRequested) error { return c.export(ctx, d) })
	case event.RebuildRequested{}.EventType():
		return event.With(e, func(d event.RebuildRequested) error { return c.retell(ctx, d) })
	}
	ctx = logging.With(ctx, slog.String("video_id", e.Subject()))
	switch e.Type() {
	case event.CancelRequested{}.EventType():
		return event.With(e, func(d event.CancelRequested) error { return c.cancel(ctx, d) })
	case event.VideoDeleted{}.EventType():
		return event.With(e, func(d event.VideoDeleted) error { return c.delete(ctx, d) })
	default:
		return fmt.Errorf("%w: no command %s", event.ErrMalformed, e.Type())
	}
}

func (c *Control) cancel(ctx context.Context, data event.CancelRequested) error {
	_, err := c.end(ctx, data.VideoRef, Cancelled, event.ProcessingCancelled(data))
	return err
}

// delete removes all that is kept of a video, and sees to it that nothing comes
// after: an upload whose signature is still valid would otherwise begin a job.
func (c *Control) delete(ctx context.Context, data event.VideoDeleted) error {
	job, err := c.Store.Bury(ctx, data.VideoRef, c.Now())
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "job deleted", "had_begun", job != nil)
	var failures []error
	if job != nil {
		failures = append(failures, c.abort(ctx, job))
	}
	return errors.Join(append(failures,
		c.Objects.Clear(ctx, videoPrefix(data.VideoRef)), // of every run: a worker may have died between writing and saying so
		c.Objects.RemoveUpload(ctx, event.UploadKey(data.OwnerID, data.VideoID)),
	)...)
}

// HandleDeadLetter ends as failed what a message of the dead-letter queue asked
// for. A message that names no video stays in the queue, where an alarm finds
// it.
func (c *Control) HandleDeadLetter(ctx context.Context, m events.SQSMessage) error {
	tasks, err := ParseTasks(m.Body)
	failures := make([]error, 0, 1+len(tasks))
	failures = append(failures, err)
	for _, task := range tasks {
		ctx, span, src := c.follow(ctx, m, task)
		err := c.giveUp(ctx, task, src)
		tracing.End(span, err)
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func (c *Control) giveUp(ctx context.Context, task Task, src *Source) error {
	slog.ErrorContext(ctx, "no worker could finish the job")
	tracing.Failed(ctx, string(problem.ProcessingFailed))
	ended, err := c.end(ctx, task.Ref, Failed, event.ProcessingFailed{
		VideoRef: task.Ref, Filename: c.filename(ctx, task, src), Code: string(problem.ProcessingFailed),
	})
	if ended {
		c.countFailure(problem.ProcessingFailed)
	}
	return err
}

// filename gives the name under which the person knows the file, or the video's
// ID where that cannot be found out.
func (c *Control) filename(ctx context.Context, task Task, src *Source) string {
	var err error
	if src == nil {
		src, err = c.Objects.Find(ctx, task.Key())
	}
	if err == nil {
		var upload event.Upload
		if upload, err = src.Upload(); err == nil {
			return upload.Filename
		}
	}
	slog.WarnContext(ctx, "file name not found", "error", err)
	return task.Ref.VideoID
}

// sweepAtOnce is how many archives that expire, or will soon, one sweep looks at.
const sweepAtOnce = 100

// Sweep publishes what is left in the outbox, tells of archives whose time is nearly
// over, deletes those whose time is, and goes on with erasures.
func (c *Control) Sweep(ctx context.Context) error {
	published, outboxErr := c.Outbox.Sweep(ctx)
	erasing, eraseErr := c.Store.People.Repeat(ctx, c.erase)
	warned, warnErr := each(ctx, c.Store.Expiring, c.Now(), c.warn)
	expired, expireErr := each(ctx, c.Store.Expired, c.Now(), c.expire)
	slog.InfoContext(ctx, "swept", "published", published, "warned", warned, "expired", expired, "erasing", erasing)
	return errors.Join(outboxErr, eraseErr, warnErr, expireErr)
}

// each does something with each job that a list has, and gives how many these were.
func each(
	ctx context.Context, list func(context.Context, time.Time, int32) ([]*Job, error), now time.Time, do func(context.Context, *Job) error,
) (int, error) {
	jobs, err := list(ctx, now, sweepAtOnce)
	failures := []error{err}
	for _, job := range jobs {
		if err := do(ctx, job); err != nil {
			failures = append(failures, fmt.Errorf("video %s: %w", job.Ref.VideoID, err))
		}
	}
	return len(jobs), errors.Join(failures...)
}

// warn tells of an archive that will expire. Nobody is told of one whose time is over,
// as it may be after the stack has stood still, nor of one whose place a later run has
// taken in what people see.
func (c *Control) warn(ctx context.Context, job *Job) error {
	if job.State != Completed || !job.ArchiveExpiresAt.After(c.Now()) {
		return c.Store.Warn(ctx, job, nil)
	}
	told, err := event.Parse([]byte(job.Result))
	if err != nil {
		return fmt.Errorf("read the result: %w", err)
	}
	return event.With(told, func(d event.ProcessingCompleted) error {
		e, err := c.event(event.ArchiveExpiring{VideoRef: d.VideoRef, Filename: d.Filename, Archive: d.Archive})
		if err != nil {
			return err
		}
		return c.Store.Warn(ctx, job, &e)
	})
}

func (c *Control) expire(ctx context.Context, job *Job) error {
	var tell *event.Event
	if job.State == Completed { // else a later run has taken the archive's place in what people see
		e, err := c.event(event.ArchiveExpired{VideoRef: job.Ref})
		if err != nil {
			return err
		}
		tell = &e
	}
	if err := c.Objects.Remove(ctx, job.ArchiveKey, job.ManifestKey); err != nil {
		return err
	}
	_, err := c.Store.Expire(ctx, job, tell)
	return err
}
