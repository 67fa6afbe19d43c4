package processing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// segmentWork is what a worker has made of a segment.
type segmentWork struct {
	Head  int    `json:"head"`  // bytes in the head's object, which is there if there are any
	Parts []Part `json:"parts"` // after the head

	Run frames.Run `json:"run"`
}

func headKey(s *Spread, segment int, token string) string {
	return fmt.Sprintf("%s%04d-%s.head", s.Work, segment, token)
}

func segmentWorkKey(s *Spread, segment int, token string) string {
	return fmt.Sprintf("%s%04d-%s.json", s.Work, segment, token)
}

// unit is a part of a job in the hands of a worker.
type unit struct {
	*Worker
	task    Task
	job     *Job
	key     dynamo.Key
	token   string
	hold    *hold
	started time.Time

	planned *planned
	frames  int
	next    []event.Data // what can be done when this is
}

func (w *Worker) extractSegment(ctx context.Context, m message, task Task) error {
	ctx = logging.With(ctx, slog.Int("segment", task.Segment))
	return w.unit(ctx, m, task, segmentKey(task.Ref, task.Segment), (*unit).extract)
}

// check holds the uploaded file against the hash that was announced for it.
func (w *Worker) check(ctx context.Context, m message, task Task) error {
	return w.unit(ctx, m, task, checkKey(task.Ref), func(u *unit, ctx context.Context) error {
		return inStage(ctx, "verify", func(ctx context.Context) error { return verify(u.source(ctx), u.planned.Upload) })
	})
}

// unit claims a unit and has it done.
func (w *Worker) unit(ctx context.Context, m message, task Task, key dynamo.Key, work func(*unit, context.Context) error) error {
	job, err := w.Store.Get(ctx, task.Ref.VideoID)
	if err != nil {
		return err
	}
	if !job.goesOn(task.Ref) || job.Spread == nil || task.Segment < 0 || task.Segment >= job.Spread.Segments {
		return errDone
	}
	lease := w.lease(m, task)
	before, err := w.Store.ClaimUnit(ctx, key, lease)
	if err != nil {
		return err
	}
	u := &unit{Worker: w, task: task, job: job, key: key, token: lease.Token, started: lease.Now}
	u.hold = u.keep(m)
	u.hold.progress(before.part, before.frames) // people see no progress go back
	defer func() { u.measureCost(u.stage(), u.started) }()
	return u.finish(ctx, u.hold.during(ctx, func(ctx context.Context) error {
		if u.planned, err = w.plan(ctx, job.Spread); err != nil {
			return err
		}
		return work(u, ctx)
	}))
}

// keep makes the hold of the unit. It sees whether the run goes on, and every so
// often sums up how far that is: the more workers there are, the less often each.
func (u *unit) keep(m message) *hold {
	segments := u.job.Spread.Segments
	ticks, every := 0, max(segments/tellers, 1)
	return &hold{
		Worker: u.Worker, message: m, ref: u.task.Ref,
		renew: func(ctx context.Context, until time.Time, own progress) error {
			if err := u.Store.RenewUnit(ctx, u.key, u.token, until, own); err != nil {
				return err
			}
			job, err := u.Store.Get(ctx, u.task.Ref.VideoID)
			if err == nil && !job.goesOn(u.task.Ref) {
				return errLost
			}
			return err
		},
		overall: func(ctx context.Context, _ progress) (progress, error) {
			if ticks++; ticks%every != 0 {
				return progress{}, nil
			}
			sum, err := u.Store.Progress(ctx, u.task.Ref)
			sum.part /= float64(segments)
			return sum, err
		},
	}
}

// source is the file that was planned.
func (u *unit) source(ctx context.Context) *Source {
	return &Source{ctx: ctx, objects: u.Objects, key: u.task.Key(), etag: u.planned.ETag, size: u.planned.Size}
}

// extract makes a segment's run of entries.
func (u *unit) extract(ctx context.Context) error {
	s, segment := u.job.Spread, u.task.Segment
	state, err := u.state(ctx)
	if err != nil {
		return err
	}
	archive, _ := archiveKeys(u.task.Ref)
	out := &run{parts: newParts(ctx, u.planned.numbers(segment), minPart,
		func(ctx context.Context, number int32, data []byte) (Part, error) {
			return u.Objects.putPart(ctx, archive, s.UploadID, number, data)
		})}
	var done segmentWork
	opts := options(u.planned.Upload, u.hold.progress)
	begin, end := stages(ctx)
	opts.Stage = begin
	done.Run, err = u.Engine.ExtractSegment(ctx, u.source(ctx), u.planned.Plan, segment, state, opts, out)
	end(err)
	if err != nil {
		_ = out.parts.wait() // for nothing to be written when others take over
		return err
	}
	err = inStage(ctx, "upload", func(context.Context) error {
		done.Parts, err = out.parts.close()
		return err
	})
	if err != nil {
		return err
	}
	done.Head = len(out.head)
	if done.Head > 0 {
		if err := u.Objects.put(ctx, headKey(s, segment, u.token), "application/octet-stream", out.head); err != nil {
			return err
		}
	}
	if err := u.Objects.putJSON(ctx, segmentWorkKey(s, segment, u.token), done); err != nil {
		return err
	}
	u.frames = len(done.Run.Frames)
	if u.planned.Plan.Chained && segment+1 < s.Segments {
		u.next = append(u.next, event.SegmentRequested{VideoRef: u.task.Ref, Segment: segment + 1})
	}
	return nil
}

// state is what the segment before has left for this one, if each needs that.
func (u *unit) state(ctx context.Context) (json.RawMessage, error) {
	if !u.planned.Plan.Chained || u.task.Segment == 0 {
		return nil, nil
	}
	before, err := u.Store.Workers(ctx, u.task.Ref)
	if err != nil {
		return nil, err
	}
	previous := u.task.Segment - 1
	var work segmentWork
	key := segmentWorkKey(u.job.Spread, previous, before[segmentKey(u.task.Ref, previous)])
	if err := u.Objects.getJSON(ctx, key, &work); err != nil {
		return nil, err
	}
	return work.Run.State, nil
}

// finish writes down how the work on the unit ended.
func (u *unit) finish(ctx context.Context, o outcome) error {
	ctx, cancel := saying(ctx)
	defer cancel()
	switch {
	case o.err != nil || o.lost:
		return u.leave(ctx, u.task.Ref, o.err)
	case o.failed != "":
		var upload event.Upload
		if u.planned != nil {
			upload = u.planned.Upload
		}
		ended, err := u.end(ctx, u.task.Ref, Failed, failure(u.task.Ref, upload, o.failed))
		if ended {
			u.countFailure(o.failed)
		}
		tracing.Failed(ctx, string(o.failed))
		return err
	}
	err := u.complete(ctx)
	if errors.Is(err, errLost) {
		return u.leave(ctx, u.task.Ref, nil)
	}
	return err
}

func (u *unit) complete(ctx context.Context) error {
	var next []event.Event
	for _, data := range u.next {
		e, err := u.event(data)
		if err != nil {
			return err
		}
		next = append(next, e)
	}
	last, err := u.event(event.AssemblyRequested{VideoRef: u.task.Ref})
	if err != nil {
		return err
	}
	if err := u.Store.FinishUnit(ctx, u.task.Ref, u.key, u.token, u.frames, next, last); err != nil {
		return err
	}
	took := u.measureStage(u.stage(), u.started)
	if u.task.Step == Extract {
		u.measureRate(u.frames, took)
	}
	slog.InfoContext(ctx, "unit done", "frames", u.frames, "seconds", took.Seconds())
	return nil
}
