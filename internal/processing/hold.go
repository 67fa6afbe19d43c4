package processing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fotograma/fotograma/internal/event"
)

// hold keeps a job, or a unit of one, in a worker's hands: it renews the lease on
// the row and on the message, tells how far the run is, and stops the work when
// it was taken from the worker.
type hold struct {
	*Worker
	message message
	ref     event.VideoRef

	// renew prolongs the lease on the row, and gives errLost if there is none.
	renew func(ctx context.Context, until time.Time, own progress) error

	// overall tells how far the run is, when the worker itself is so far.
	overall func(ctx context.Context, own progress) (progress, error)

	mu  sync.Mutex
	own progress
}

// during does work while a hold is kept, within the time that the function has,
// and tells how it ended.
func (h *hold) during(ctx context.Context, work func(context.Context) error) outcome {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline.Add(-margin), errTimeUp)
		defer cancel()
	}
	ctx, stop := context.WithCancelCause(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { h.keep(ctx, stop) })
	err := work(ctx)
	cause := context.Cause(ctx)
	stop(nil)
	keeping.Wait()
	return judge(err, cause)
}

// progress is told by the engine.
func (h *hold) progress(part float64, frames int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.own = progress{max(h.own.part, part), max(h.own.frames, frames)}
}

func (h *hold) keep(ctx context.Context, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	extended, told := h.Now(), 0.0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		h.mu.Lock()
		own := h.own
		h.mu.Unlock()
		now := h.Now()
		if err := h.renew(ctx, now.Add(h.Lease), own); errors.Is(err, errLost) {
			stop(errLost)
			return
		} else if err != nil {
			slog.WarnContext(ctx, "lease not renewed", "error", err) // the next tick may succeed
		}
		if now.Sub(extended) >= h.Lease/3 {
			if err := h.message.extend(ctx, h.Lease); err != nil {
				slog.WarnContext(ctx, "message not extended", "error", err)
			} else {
				extended = now
			}
		}
		told = h.tell(ctx, own, told)
	}
}

// tell publishes the progress if there is any, and gives what was told last.
func (h *hold) tell(ctx context.Context, own progress, told float64) float64 {
	p, err := h.overall(ctx, own)
	if err == nil && p.part <= told {
		return told
	}
	var e event.Event
	if err == nil {
		e, err = h.event(event.ProcessingProgressed{VideoRef: h.ref, Progress: p.part, Frames: p.frames})
	}
	if err == nil {
		err = h.Outbox.Send(ctx, e)
	}
	if err != nil {
		slog.WarnContext(ctx, "progress not told", "error", err)
	}
	return max(p.part, told)
}
