package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// How long an asynchronous event that was throttled waits for its next try, and
// how old it may become.
const (
	minBackoff  = time.Second
	maxBackoff  = 5 * time.Minute
	maxEventAge = 6 * time.Hour
)

// InvokeAsync takes an event for a function and returns at once. The function is
// tried three times if it fails, and for six hours while it is throttled; nobody
// gets its result. The errors are [ErrNotFound], [ErrTooLarge] and [ErrClosed].
func (h *Host) InvokeAsync(function string, payload []byte) error {
	fn, ok := h.functions[function]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNotFound, function)
	}
	return h.invokeAsync(fn, request{id: h.cfg.NewID(), payload: payload})
}

func (h *Host) invokeAsync(fn *function, req request) error {
	if len(req.payload) > maxEvent {
		return fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, len(req.payload), maxEvent)
	}
	if !h.spawn(func() { h.tryEvent(fn, req) }) {
		return ErrClosed
	}
	return nil
}

func (h *Host) tryEvent(fn *function, req request) {
	arrived := h.cfg.Now()
	retries := h.cfg.RetryDelays
	backoff := minBackoff
	for {
		result, err := h.invoke(context.Background(), fn, req)
		var wait time.Duration
		switch {
		case errors.Is(err, ErrClosed):
			return
		case errors.Is(err, ErrThrottled) && h.cfg.Now().Sub(arrived) < maxEventAge:
			wait = backoff
			backoff = min(2*backoff, maxBackoff)
		case err == nil && result.FunctionError == "":
			return
		case len(retries) == 0:
			h.say(fn, slog.LevelError, "Event given up after all tries, RequestId: "+req.id+reason(err))
			return
		default:
			wait, retries = retries[0], retries[1:]
		}
		if !h.sleep(wait) {
			return
		}
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// sleep waits, and tells whether it did: the end of the host cuts it off.
func (h *Host) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.closing:
		return false
	}
}
