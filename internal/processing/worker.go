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
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/cost"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// source is the CloudEvents source of this service's events.
const source = "/processing"

// Routes tells which queues each event of this service goes to.
func Routes(cfg Config) map[string][]string {
	status, notification, segments := cfg.StatusQueueURL, cfg.NotificationQueueURL, cfg.SegmentsQueueURL
	video := cfg.VideoEventsQueueURL
	return map[string][]string{
		event.ProcessingStarted{}.EventType():    {status},
		event.ProcessingProgressed{}.EventType(): {status},
		event.ProcessingCompleted{}.EventType():  {status, notification, video},
		event.ProcessingFailed{}.EventType():     {status, notification, video},
		event.ProcessingCancelled{}.EventType():  {status, video},
		event.ArchiveExpiring{}.EventType():      {notification},
		event.ArchiveExpired{}.EventType():       {status, video},
		event.SegmentRequested{}.EventType():     {segments},
		event.CheckRequested{}.EventType():       {segments},
		event.AssemblyRequested{}.EventType():    {segments},
	}
}

// Engine takes frames out of videos: [frames.Engine], which says what these do.
type Engine interface {
	Plan(ctx context.Context, src frames.Source, x frames.Extraction, o frames.PlanOptions) (frames.Plan, error)
	Extract(ctx context.Context, src frames.Source, x frames.Extraction, opts frames.ExtractOptions, w io.Writer) (frames.Result, error)
	ExtractSegment(ctx context.Context, src frames.Source, p frames.Plan, segment int, state json.RawMessage, opts frames.ExtractOptions, w io.Writer) (frames.Run, error)
	Finish(p frames.Plan, runs []frames.Run, opts frames.ExtractOptions, w io.Writer) (frames.Result, error)
}

// Worker takes the frames out of videos.
type Worker struct {
	base
	Engine        Engine
	Plan          frames.PlanOptions
	Processing    *batch.Queue // of what begins a run
	Segments      *batch.Queue // of the other steps
	Lease         time.Duration
	RetentionDays int
	ExpiryNotice  time.Duration // see WorkerConfig

	// What the work costs: prices, the function's memory in MB, and the calls
	// that it makes.
	Prices cost.Prices
	Memory int64
	Calls  *cost.Meter
}

// message is a message in a worker's hands.
type message struct {
	id, receipt string
	queue       *batch.Queue
}

func (m message) extend(ctx context.Context, d time.Duration) error {
	return m.queue.Hide(ctx, m.receipt, d)
}

// HandleMessage does what one message of the processing or the segments queue asks
// for. An error means that it is worth trying again; what is wrong with the video
// itself ends its run as failed, and is no error.
func (w *Worker) HandleMessage(ctx context.Context, received events.SQSMessage) error {
	tasks, err := ParseTasks(received.Body)
	failures := append(make([]error, 0, 1+len(tasks)), err)
	m := message{received.MessageId, received.ReceiptHandle, w.Processing}
	if len(tasks) > 0 && tasks[0].Step != Begin {
		m.queue = w.Segments
	}
	// From the queue's own long visibility timeout to the lease: should this
	// worker die from here on, the message comes again as soon as that is over.
	// Without it the work goes on all the same, since the row decides who works.
	notYet := m.extend(ctx, w.Lease)
	if notYet != nil {
		slog.WarnContext(ctx, "message not extended", "error", notYet)
	}
	if m.queue == w.Processing {
		w.measureWait(received)
	}
	for _, task := range tasks {
		ctx, span, src := w.follow(ctx, received, task)
		err := w.do(ctx, m, task, src)
		tracing.End(span, err)
		failures = append(failures, err)
	}
	failure := errors.Join(failures...)
	if failure != nil && notYet != nil { // so that it does not stay hidden for as long as the queue says
		return errors.Join(failure, m.extend(ctx, w.Lease))
	}
	return failure
}

// do does the step, with the file if that was found. Reasons to forget the message are
// no errors.
func (w *Worker) do(ctx context.Context, m message, task Task, src *Source) error {
	var err error
	switch task.Step {
	case Extract:
		err = w.extractSegment(ctx, m, task)
	case Check:
		err = w.check(ctx, m, task)
	case Assemble:
		err = w.assemble(ctx, m, task)
	default:
		err = w.begin(ctx, m, task, src)
	}
	switch {
	case errors.Is(err, errDeleted):
		slog.InfoContext(ctx, "upload of a deleted video removed")
		return errors.Join(w.Objects.RemoveUpload(ctx, task.Key()), w.clear(ctx, task.Ref))
	case errors.Is(err, errDone):
		slog.InfoContext(ctx, "message forgotten", "reason", err.Error())
		return w.clear(ctx, task.Ref) // whoever ended the job may have died of it
	case errors.Is(err, errElsewhere):
		slog.InfoContext(ctx, "message forgotten", "reason", err.Error())
		return nil
	}
	return err
}

// lease is a claim that begins now.
func (w *Worker) lease(m message, task Task) Lease {
	now := w.Now()
	return Lease{Ref: task.Ref, MessageID: m.id, Token: w.NewID(), Now: now, Until: now.Add(w.Lease)}
}

func (w *Worker) begin(ctx context.Context, m message, task Task, src *Source) error {
	started, err := w.event(event.ProcessingStarted{VideoRef: task.Ref})
	if err != nil {
		return err
	}
	lease := w.lease(m, task)
	job, err := w.Store.Claim(ctx, lease, started)
	if err != nil {
		return err
	}
	j := &running{Worker: w, task: task, token: lease.Token, job: job, found: src, claimed: lease.Now, started: lease.Now}
	j.hold = j.keep(m)
	defer func() { j.measureCost(j.stage(), j.claimed) }()
	return j.finish(ctx, j.hold.during(ctx, j.work))
}

// running is a job in the hands of a worker.
type running struct {
	*Worker
	task    Task
	token   string
	job     *Job // the row after the claim: it knows an earlier run's archive
	hold    *hold
	found   *Source   // before the claim; nil if it was not looked for
	claimed time.Time // by this worker
	started time.Time // by the first one of the run

	size      int64 // of the upload, in bytes
	upload    event.Upload
	shared    bool // out: others do the work
	completed event.ProcessingCompleted
}

// keep makes the hold of the job.
func (j *running) keep(m message) *hold {
	return &hold{
		Worker: j.Worker, message: m, ref: j.task.Ref,
		renew: func(ctx context.Context, until time.Time, _ progress) error {
			return j.Store.Renew(ctx, j.task.Ref, j.token, until)
		},
		overall: func(_ context.Context, own progress) (progress, error) { return own, nil },
	}
}

// outcome is how the work on a job or a unit ended. At most one of its members is
// set; none when the work is done.
type outcome struct {
	failed problem.Code // the video cannot be processed
	lost   bool         // the job is somebody else's, or nobody's
	err    error        // something on our side, worth trying again
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
	case errors.Is(cause, errLost), errors.Is(err, errLost):
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

// work makes the archive and its manifest out of the upload, or shares that out.
func (j *running) work(ctx context.Context) error {
	if j.job.Spread != nil { // by a worker that died before all had been asked
		return j.send(ctx, j.job.Spread)
	}
	if err := j.discard(ctx); err != nil {
		return err
	}
	src, err := j.find(ctx)
	if err != nil {
		return err
	}
	j.size = src.size
	if j.upload, err = src.Upload(); err != nil {
		return err
	}
	extraction, err := j.extraction()
	if err != nil {
		return err
	}
	result, err := j.extract(ctx, src, extraction, j.Plan.Work)
	if errors.Is(err, frames.ErrTooMuch) {
		var plan frames.Plan
		err = inStage(ctx, "plan", func(ctx context.Context) error {
			plan, err = j.Engine.Plan(ctx, src, extraction, j.Plan)
			return err
		})
		if err != nil {
			return err
		}
		if len(plan.Segments) > 1 {
			return j.share(ctx, src, plan)
		}
		result, err = j.extract(ctx, src, extraction, 0) // it cannot be divided
	}
	if err != nil {
		return err
	}
	return j.conclude(ctx, result)
}

// find gives the file, bound to ctx.
func (j *running) find(ctx context.Context) (*Source, error) {
	if j.found != nil {
		return j.found.bound(ctx), nil
	}
	return j.Objects.Find(ctx, j.task.Key())
}

// discard aborts the uploads that earlier workers of this run have left
// unfinished.
func (j *running) discard(ctx context.Context) error {
	left, err := j.Objects.unfinished(ctx, runPrefix(j.task.Ref))
	if err != nil || len(left) == 0 {
		return err
	}
	// Those were listed while the job was ours if it still is: none of them can be
	// a later worker's.
	if err := j.Store.Renew(ctx, j.task.Ref, j.token, j.Now().Add(j.Lease)); err != nil {
		return err
	}
	for _, upload := range left {
		if err := j.Objects.abort(ctx, *upload.Key, *upload.UploadId); err != nil {
			return err
		}
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

// extract writes the archive while it reads the video, so that neither is ever
// held as a whole, and checks the file's hash beside it. It gives
// frames.ErrTooMuch if that is more work than most, 0 for any amount.
func (j *running) extract(ctx context.Context, src *Source, x frames.Extraction, most int64) (frames.Result, error) {
	key, _ := archiveKeys(j.task.Ref)
	archive := j.Objects.Create(ctx, key, "application/zip")
	var result frames.Result
	var extractErr error
	opts := options(j.upload, j.hold.progress)
	opts.MaxWork = most
	begin, end := stages(ctx)
	opts.Stage = begin
	group, within := errgroup.WithContext(ctx)
	src = src.bound(within)
	group.Go(func() error {
		result, extractErr = j.Engine.Extract(within, src, x, opts, archive)
		return extractErr
	})
	group.Go(func() error { return verify(src, j.upload) })
	err := group.Wait()
	if failed, ok := errors.AsType[*frames.Error](extractErr); ok {
		err = failed // what else went wrong may have come of it
	}
	end(err)
	if err != nil {
		archive.Abandon()
		return result, err
	}
	return result, inStage(ctx, "upload", func(context.Context) error { return archive.Close() })
}

// options are what the engine may know of an upload. The hash that was announced
// is believed: nothing comes of a run whose file does not have it.
func options(u event.Upload, tell func(part float64, frames int)) frames.ExtractOptions {
	opts := frames.ExtractOptions{Filename: u.Filename, Progress: tell}
	if u.SHA256 != "" {
		opts.SourceSHA256 = func() (string, error) { return u.SHA256, nil }
	}
	return opts
}

// verify reads the whole file if a hash was announced for it.
func verify(src *Source, u event.Upload) error {
	if u.SHA256 == "" {
		return nil
	}
	sum, err := src.SHA256()
	if err == nil && sum != u.SHA256 {
		return problem.New(problem.ChecksumMismatch)
	}
	return err
}

// conclude writes the manifest of an archive that is there.
func (j *running) conclude(ctx context.Context, result frames.Result) error {
	archiveKey, manifestKey := archiveKeys(j.task.Ref)
	if err := j.Objects.putJSON(ctx, manifestKey, result.Manifest); err != nil {
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

// warnAt is when the owner is to be told that the archive will expire; zero if it is
// kept for so short a time that the mail which tells of it is still fresh then.
func (j *running) warnAt() time.Time {
	kept := time.Duration(j.RetentionDays) * 24 * time.Hour
	if j.ExpiryNotice == 0 || kept < 2*j.ExpiryNotice {
		return time.Time{}
	}
	return j.completed.Archive.ExpiresAt.Add(-j.ExpiryNotice)
}

// saying gives the time to say how work ended: the function may be near its end,
// and what is to be said must still be said.
func saying(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), margin)
}

// finish writes down how the worker's part of the job ended.
func (j *running) finish(ctx context.Context, o outcome) error {
	ctx, cancel := saying(ctx)
	defer cancel()
	switch {
	case o.err != nil || o.lost:
		return j.leave(ctx, j.task.Ref, o.err)
	case o.failed != "":
		return j.fail(ctx, o.failed)
	case j.shared:
		j.measureStage(metrics.Share, j.claimed)
		return nil
	}
	return j.complete(ctx)
}

func (j *running) complete(ctx context.Context) error {
	e, err := j.event(j.completed)
	if err != nil {
		return err
	}
	err = j.Store.Complete(ctx, j.task.Ref, j.token, j.completed.Archive, j.warnAt(), e)
	if errors.Is(err, errLost) {
		return j.leave(ctx, j.task.Ref, nil)
	}
	if err != nil {
		return err
	}
	j.measure()
	slog.InfoContext(ctx, "job completed", "frames", j.completed.Archive.Frames, "bytes", j.completed.Archive.Size)
	if j.job.ArchiveKey != "" || j.job.Spread != nil {
		return j.clear(ctx, j.task.Ref)
	}
	return nil
}

func (j *running) fail(ctx context.Context, code problem.Code) error {
	e, err := j.event(failure(j.task.Ref, j.upload, code))
	if err != nil {
		return err
	}
	err = j.Store.Fail(ctx, j.task.Ref, j.token, e)
	if errors.Is(err, errLost) {
		return j.leave(ctx, j.task.Ref, nil)
	}
	if err != nil {
		return err
	}
	j.countFailure(code)
	tracing.Failed(ctx, string(code))
	slog.InfoContext(ctx, "job failed", "code", string(code))
	return j.clear(ctx, j.task.Ref)
}

func failure(ref event.VideoRef, upload event.Upload, code problem.Code) event.ProcessingFailed {
	return event.ProcessingFailed{
		VideoRef: ref, Code: string(code),
		Filename: cmp.Or(upload.Filename, ref.VideoID), // a file without metadata has no name
	}
}

// leave leaves a run in which a worker has no part any more, or none for now
// because of err. If the run has ended, that is why, and what was written goes.
func (w *Worker) leave(ctx context.Context, ref event.VideoRef, err error) error {
	job, getErr := w.Store.Get(ctx, ref.VideoID)
	if getErr != nil {
		return errors.Join(err, getErr)
	}
	if job.goesOn(ref) {
		return err // nil if another worker has it
	}
	slog.InfoContext(ctx, "job given up", "error", err)
	return w.clear(ctx, ref)
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
