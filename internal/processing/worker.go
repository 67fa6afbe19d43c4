package processing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/outbox"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// source is the CloudEvents source of this service's events.
const source = "/processing"

// Routes tells which queues each event of this service goes to.
func Routes(cfg Config) map[string][]string {
	status, notification := cfg.StatusQueueURL, cfg.NotificationQueueURL
	return map[string][]string{
		event.ProcessingStarted{}.EventType():    {status},
		event.ProcessingProgressed{}.EventType(): {status},
		event.ProcessingCompleted{}.EventType():  {status, notification},
		event.ProcessingFailed{}.EventType():     {status, notification},
		event.ProcessingCancelled{}.EventType():  {status},
		event.ArchiveExpired{}.EventType():       {status},
	}
}

// Worker takes the frames out of videos.
type Worker struct {
	Store         *Store
	Objects       *Objects
	Engine        *frames.Engine
	Queue         *Queue
	Outbox        *outbox.Outbox
	Lease         time.Duration
	RetentionDays int
	Metrics       *metrics.Recorder
	Now           func() time.Time
	NewID         func() string
}

// HandleMessage does what one message of the processing queue asks for. An
// error means that it is worth trying again; what is wrong with the video
// itself ends its run as failed, and is no error.
func (w *Worker) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	// From the queue's own long visibility timeout to the lease: should this
	// worker die from here on, the message comes again as soon as that is over.
	if err := w.Queue.Extend(ctx, m.ReceiptHandle, w.Lease); err != nil {
		return err
	}
	tasks, err := ParseTasks(m.Body)
	failures := []error{err}
	for _, task := range tasks {
		ctx := logging.With(ctx, slog.String("video_id", task.Ref.VideoID), slog.Int("run", task.Ref.Run))
		failures = append(failures, w.do(ctx, m, task))
	}
	return errors.Join(failures...)
}

func (w *Worker) do(ctx context.Context, m events.SQSMessage, task Task) error {
	started, err := w.event(event.ProcessingStarted{VideoRef: task.Ref})
	if err != nil {
		return err
	}
	now := w.Now()
	lease := Lease{Ref: task.Ref, MessageID: m.MessageId, Token: w.NewID(), Now: now, Until: now.Add(w.Lease)}
	before, err := w.Store.Claim(ctx, lease, started)
	if errors.Is(err, errDeleted) {
		slog.InfoContext(ctx, "upload of a deleted video removed")
		return w.Objects.RemoveUpload(ctx, task.Key())
	}
	if errors.Is(err, errDone) || errors.Is(err, errElsewhere) {
		slog.InfoContext(ctx, "message forgotten", "reason", err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	j := &running{Worker: w, task: task, token: lease.Token, previous: before, receipt: m.ReceiptHandle, started: now}
	return j.finish(ctx, j.extract(ctx))
}

// running is a job in the hands of a worker.
type running struct {
	*Worker
	task     Task
	token    string
	previous *Job // the row after the claim: it knows an earlier run's archive
	receipt  string
	started  time.Time

	upload    event.Upload
	completed event.ProcessingCompleted
}

// outcome is how the work on a job ended. At most one of its members is set;
// none when the archive is there.
type outcome struct {
	failed problem.Code // the video cannot be processed
	lost   bool         // the job is somebody else's, or nobody's
	err    error        // something on our side, worth trying again
}

// extract does the work, under a lease that is renewed all the while and within
// the time that the function has.
func (j *running) extract(ctx context.Context) outcome {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline.Add(-margin), errTimeUp)
		defer cancel()
	}
	ctx, stop := context.WithCancelCause(ctx)
	hold := j.hold(ctx, stop)
	err := j.work(ctx, hold)
	cause := context.Cause(ctx)
	stop(nil)
	hold.wait()
	return judge(err, cause)
}

// errTimeUp tells that the function's own time limit is near.
var errTimeUp = errors.New("time is up")

// judge tells how a job ended from what the work gave, and from why it was
// stopped if it was.
func judge(err, cause error) outcome {
	var extraction *frames.Error
	var known *problem.Error
	switch {
	case err == nil:
		return outcome{}
	case errors.Is(cause, errLost):
		return outcome{lost: true}
	case errors.Is(cause, errTimeUp):
		return outcome{failed: problem.TimeLimit}
	case errors.Is(err, errGone):
		return outcome{failed: problem.SourceGone}
	case errors.Is(err, event.ErrMalformed):
		return outcome{failed: problem.UploadUnsigned}
	case errors.As(err, &extraction) && extraction.Code != frames.CodeEngineFailed:
		return outcome{failed: problem.Code(extraction.Code)}
	case errors.As(err, &known):
		return outcome{failed: known.Code}
	}
	return outcome{err: err}
}

// work makes the archive and its manifest out of the upload.
func (j *running) work(ctx context.Context, hold *hold) error {
	src, err := j.Objects.Find(ctx, j.task.Key())
	if err != nil {
		return err
	}
	if j.upload, err = src.Upload(); err != nil {
		return err
	}
	extraction, err := j.extraction()
	if err != nil {
		return err
	}
	archiveKey, manifestKey := archiveKeys(j.task.Ref)
	result, err := j.stream(ctx, src, extraction, archiveKey, hold)
	if err != nil {
		return err
	}
	if err := j.putManifest(ctx, manifestKey, result.Manifest); err != nil {
		return err
	}
	j.completed = event.ProcessingCompleted{
		VideoRef: j.task.Ref,
		Filename: j.upload.Filename,
		Media:    mediaOf(result.Media),
		Archive: event.Archive{
			Key: archiveKey, ManifestKey: manifestKey, Frames: result.Frames, Size: result.Size, SHA256: result.SHA256,
			ExpiresAt: expiry(j.Now(), j.RetentionDays),
		},
		Warnings: codes(result.Warnings),
	}
	return nil
}

// extraction gives what is to be extracted: what the retry says, else what was
// signed with the upload.
func (j *running) extraction() (frames.Extraction, error) {
	raw := j.task.Extraction
	if raw == nil {
		raw = j.upload.Extraction
	}
	var x frames.Extraction
	if err := json.Unmarshal(raw, &x); err != nil {
		return x, fmt.Errorf("%w: extraction: %w", event.ErrMalformed, err)
	}
	x = x.WithDefaults()
	if err := x.Validate(); err != nil {
		return x, fmt.Errorf("%w: extraction: %w", event.ErrMalformed, err)
	}
	return x, nil
}

// stream extracts and uploads at the same time, so that neither the archive nor
// the video is ever held as a whole, and checks the file's hash beside it.
func (j *running) stream(ctx context.Context, src *Source, x frames.Extraction, key string, hold *hold) (frames.Result, error) {
	var result frames.Result
	group, ctx := errgroup.WithContext(ctx)
	src = src.bound(ctx)
	pipe, sink := io.Pipe()
	hash := newFuture(src.SHA256)

	group.Go(func() error {
		err := j.Objects.Put(ctx, key, "application/zip", pipe)
		pipe.CloseWithError(err) // an extraction that goes on must not wait for a reader
		return err
	})
	group.Go(func() error {
		sum, err := hash.get(ctx)
		if err == nil && j.upload.SHA256 != "" && sum != j.upload.SHA256 {
			return problem.New(problem.ChecksumMismatch)
		}
		return err
	})
	var extractErr error
	group.Go(func() error {
		result, extractErr = j.Engine.Extract(ctx, src, x, frames.ExtractOptions{
			Filename:     j.upload.Filename,
			SourceSHA256: func() (string, error) { return hash.get(ctx) },
			Progress:     hold.progress,
		}, sink)
		sink.CloseWithError(extractErr) // nil closes the archive
		return extractErr
	})
	err := group.Wait()
	if failed, ok := errors.AsType[*frames.Error](extractErr); ok {
		return result, failed // the upload, cut short by it, may have ended first
	}
	return result, err
}

func (j *running) putManifest(ctx context.Context, key string, m frames.Manifest) error {
	pipe, sink := io.Pipe()
	go func() { sink.CloseWithError(json.NewEncoder(sink).Encode(m)) }()
	err := j.Objects.Put(ctx, key, "application/json", pipe)
	pipe.CloseWithError(err)
	return err
}

// finish writes down how the job ended.
func (j *running) finish(ctx context.Context, o outcome) error {
	// The function may be near its end; what is to be said must still be said.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin)
	defer cancel()
	switch {
	case o.err != nil:
		return o.err
	case o.lost:
		return j.giveUp(ctx)
	case o.failed != "":
		return j.fail(ctx, o.failed)
	}
	return j.complete(ctx)
}

func (j *running) complete(ctx context.Context) error {
	e, err := j.event(j.completed)
	if err != nil {
		return err
	}
	err = j.Store.Complete(ctx, j.task.Ref, j.token, j.completed.Archive, e)
	if errors.Is(err, errLost) {
		return j.giveUp(ctx)
	}
	if err != nil {
		return err
	}
	j.account("completed")
	slog.InfoContext(ctx, "job completed", "frames", j.completed.Archive.Frames, "bytes", j.completed.Archive.Size)
	if j.previous.ArchiveKey != j.completed.Archive.Key {
		return j.Objects.Remove(ctx, j.previous.ArchiveKey, j.previous.ManifestKey)
	}
	return nil
}

func (j *running) fail(ctx context.Context, code problem.Code) error {
	e, err := j.event(event.ProcessingFailed{
		VideoRef: j.task.Ref, Code: string(code),
		Filename: cmp.Or(j.upload.Filename, j.task.Ref.VideoID), // a file without metadata has no name
	})
	if err != nil {
		return err
	}
	err = j.Store.Fail(ctx, j.task.Ref, j.token, e)
	if errors.Is(err, errLost) {
		return j.giveUp(ctx)
	}
	if err != nil {
		return err
	}
	j.account(string(code))
	slog.InfoContext(ctx, "job failed", "code", string(code))
	return nil
}

// giveUp leaves a job that is no longer this worker's. What it has written goes,
// unless another worker of the same run writes the same.
func (j *running) giveUp(ctx context.Context) error {
	now, err := j.Store.Get(ctx, j.task.Ref.VideoID)
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "job given up")
	if now != nil && now.State != Deleted && now.State != Cancelled && now.Ref.Run == j.task.Ref.Run {
		return nil
	}
	archive, manifest := archiveKeys(j.task.Ref)
	return j.Objects.Remove(ctx, archive, manifest)
}

func (j *running) account(result string) {
	j.Metrics.Record(map[string]string{"Result": result},
		metrics.Value{Name: "JobDuration", Unit: metrics.Seconds, Value: j.Now().Sub(j.started).Seconds()},
		metrics.Value{Name: "Jobs", Unit: metrics.Count, Value: 1},
		metrics.Value{Name: "FramesExtracted", Unit: metrics.Count, Value: float64(j.completed.Archive.Frames)},
		metrics.Value{Name: "ArchiveSize", Unit: metrics.Bytes, Value: float64(j.completed.Archive.Size)})
}

func (w *Worker) event(data event.Data) (event.Event, error) {
	return newEvent(w.NewID(), w.Now(), data)
}

// newEvent makes an event of this service.
func newEvent(id string, at time.Time, data event.Data) (event.Event, error) {
	e, err := event.New(source, id, at, data)
	if err != nil {
		return event.Event{}, fmt.Errorf("tell of job: %w", err)
	}
	return e, nil
}

func mediaOf(m frames.Media) event.Media {
	return event.Media{
		Duration: m.Duration, Width: m.Width, Height: m.Height,
		FrameRate: m.FrameRate, Codec: m.Codec, Rotation: m.Rotation,
	}
}

func codes(warnings []frames.Warning) []string {
	codes := make([]string, len(warnings))
	for i, w := range warnings {
		codes[i] = w.Code
	}
	return codes
}
