package processing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
)

// Queue is the processing queue as a worker sees it.
//
// IAM: sqs:ChangeMessageVisibility on the queue.
type Queue struct {
	SQS *sqs.Client
	URL string
}

// Extend hides a received message from others for so long from now.
func (q *Queue) Extend(ctx context.Context, receipt string, d time.Duration) error {
	_, err := q.SQS.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.URL, ReceiptHandle: &receipt, VisibilityTimeout: int32(d.Seconds()),
	})
	if err != nil {
		return fmt.Errorf("extend visibility: %w", err)
	}
	return nil
}

// hold keeps a job in a worker's hands: it renews the lease on the row and on
// the message, tells how far the worker is, and stops the work when the job was
// taken from it.
type hold struct {
	job  *running
	stop context.CancelCauseFunc
	done sync.WaitGroup

	mu     sync.Mutex
	part   float64 // 0 to 1
	frames int
}

func (j *running) hold(ctx context.Context, stop context.CancelCauseFunc) *hold {
	h := &hold{job: j, stop: stop}
	h.done.Go(func() { h.keep(ctx) })
	return h
}

// wait returns when the hold has ended, which it does with its context.
func (h *hold) wait() { h.done.Wait() }

// progress is told by the engine.
func (h *hold) progress(part float64, frames int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.part, h.frames = part, frames
}

func (h *hold) keep(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	extended, told := h.job.started, 0.0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := h.job.Now()
		if err := h.job.Store.Renew(ctx, h.job.task.Ref, h.job.token, now.Add(h.job.Lease)); errors.Is(err, errLost) {
			h.stop(errLost)
			return
		} else if err != nil {
			slog.WarnContext(ctx, "lease not renewed", "error", err) // the next tick may succeed
		}
		if now.Sub(extended) >= h.job.Lease/3 {
			if err := h.job.Queue.Extend(ctx, h.job.receipt, h.job.Lease); err != nil {
				slog.WarnContext(ctx, "message not extended", "error", err)
			} else {
				extended = now
			}
		}
		told = h.tell(ctx, told)
	}
}

// tell publishes the progress if there is any, and gives what was told last.
func (h *hold) tell(ctx context.Context, told float64) float64 {
	h.mu.Lock()
	part, frames := h.part, h.frames
	h.mu.Unlock()
	if part <= told {
		return told
	}
	e, err := h.job.event(event.ProcessingProgressed{VideoRef: h.job.task.Ref, Progress: part, Frames: frames})
	if err == nil {
		err = h.job.Outbox.Send(ctx, e)
	}
	if err != nil {
		slog.WarnContext(ctx, "progress not told", "error", err)
	}
	return part
}

// future is a value that is worked out once, beside the rest.
type future struct {
	done  chan struct{}
	value string
	err   error
}

func newFuture(work func() (string, error)) *future {
	f := &future{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.value, f.err = work()
	}()
	return f
}

// get waits for the value, at most as long as ctx lasts.
func (f *future) get(ctx context.Context) (string, error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
