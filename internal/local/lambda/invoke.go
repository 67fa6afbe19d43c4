package lambda

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// version is the only one that a function has here.
	version = "$LATEST"

	// deliveries is how many workers an invocation is offered to.
	deliveries = 3

	// unhandled is what Lambda says of every function that failed.
	unhandled = "Unhandled"
)

// Result is what came of an invocation.
type Result struct {
	RequestID string

	// Payload is the JSON that the function returned, or that of its error, with
	// errorType and errorMessage. FunctionError is empty or "Unhandled".
	Payload       []byte
	FunctionError string

	// Duration is how long the function worked, InitDuration how long its worker
	// took to be ready if it was started for this. BilledDuration is what AWS
	// would charge: both, in whole milliseconds.
	Duration, InitDuration, BilledDuration time.Duration

	// LogTail is the last 4 KB of the log, if it was asked for.
	LogTail []byte
}

// request is an invocation as it comes in.
type request struct {
	id            string
	payload       []byte
	traceID       string
	clientContext string
	tail          bool
}

// Invoke runs a function, named by its logical ID or its name, and waits for it.
//
// A function that failed is a [Result] with FunctionError. The errors are
// [ErrNotFound], [ErrThrottled], [ErrTooLarge], [ErrClosed], what prevented the
// start of a worker, and the context's. When the context ends, an invocation that
// waits for a worker is given up; one that runs goes on, as on AWS.
func (h *Host) Invoke(ctx context.Context, function string, payload []byte) (Result, error) {
	fn, ok := h.functions[function]
	if !ok {
		return Result{}, fmt.Errorf("%w: %s", ErrNotFound, function)
	}
	if len(payload) > maxRequest {
		return Result{}, fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, len(payload), maxRequest)
	}
	return h.invoke(ctx, fn, request{id: h.cfg.NewID(), payload: payload})
}

func (h *Host) invoke(ctx context.Context, fn *function, req request) (Result, error) {
	if err := fn.pool.enter(ctx); err != nil {
		if errors.Is(err, ErrThrottled) {
			h.cfg.Observer.InvocationThrottled(fn.LogicalID)
		}
		return Result{}, err
	}
	var result Result
	var err error
	done := make(chan struct{})
	started := h.spawn(func() {
		result, err = h.run(fn, req)
		close(done)
	})
	if !started {
		fn.pool.leave()
		return Result{}, ErrClosed
	}
	select {
	case <-done:
		return result, err
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
}

// spawn runs f in a goroutine that Close waits for. It is false, and f not run,
// if Close was called.
func (h *Host) spawn(f func()) bool {
	h.starting.RLock()
	defer h.starting.RUnlock()
	if h.isClosing() {
		return false
	}
	h.running.Go(f)
	return true
}

// run handles an invocation that has a place, and leaves it.
func (h *Host) run(fn *function, req request) (Result, error) {
	h.cfg.Observer.InvocationStarted(fn.LogicalID)
	if req.traceID == "" {
		req.traceID = newTraceID(h.cfg.Now())
	}
	result := Result{RequestID: req.id}
	j := &job{id: req.id, traceID: req.traceID, clientContext: req.clientContext, payload: req.payload, done: make(chan outcome, 1)}
	if req.tail {
		j.tail = &tail{}
		j.tail.add(fmt.Appendf(nil, "START RequestId: %s Version: %s", req.id, version))
	}
	out, err := h.deliver(fn, j, &result)
	if err == nil {
		h.report(fn, j, out, &result)
	}
	fn.pool.leave()
	h.cfg.Observer.InvocationEnded(fn.LogicalID, result.Duration, result.InitDuration, err != nil || out.failed)
	return result, err
}

// deliver finds a worker that takes the invocation and waits for what comes of it.
// It fills in how long that took.
func (h *Host) deliver(fn *function, j *job, result *Result) (*outcome, error) {
	for range deliveries {
		w := fn.pool.get()
		if w == nil {
			began := h.cfg.Now()
			var failed *outcome
			var err error
			w, failed, err = h.newWorker(fn, j.id)
			result.InitDuration = h.cfg.Now().Sub(began)
			if err != nil || failed != nil {
				return failed, err
			}
		}
		began := h.cfg.Now()
		out, err := w.execute(j)
		if errors.Is(err, errUndelivered) {
			continue
		}
		result.Duration = h.cfg.Now().Sub(began)
		if h.isClosing() && w.isGone() && out.failed {
			return nil, ErrClosed
		}
		fn.pool.put(w, h.cfg.IdleTimeout)
		return out, nil
	}
	return failure("Runtime.ExitError", j.id, "Runtime exited before it took the invocation"), nil
}

// newWorker starts a worker and waits until it is ready. As on Lambda, an init that
// failed is done once more, within the function's own timeout; what that one ends
// with is the outcome of the invocation.
func (h *Host) newWorker(fn *function, requestID string) (*worker, *outcome, error) {
	var failed *outcome
	for _, limit := range []time.Duration{h.cfg.InitTimeout, fn.Timeout} {
		w, err := h.launch(fn)
		if err != nil {
			return nil, nil, err
		}
		failed = w.await(requestID, limit)
		if failed == nil {
			return w, nil, nil
		}
		if h.isClosing() {
			return nil, nil, ErrClosed
		}
	}
	return nil, failed, nil
}

// report completes the result and says how it went.
func (h *Host) report(fn *function, j *job, out *outcome, result *Result) {
	result.Payload = out.payload
	result.BilledDuration = (result.Duration + result.InitDuration + time.Millisecond - 1).Truncate(time.Millisecond)
	if out.failed {
		result.FunctionError = unhandled
		if message, ours := platformError(out.payload); ours {
			h.say(fn, slog.LevelError, message)
			j.tail.add([]byte(message))
		}
	}
	line := fmt.Sprintf("REPORT RequestId: %s Duration: %.2f ms Billed Duration: %d ms Memory Size: %d MB",
		result.RequestID, milliseconds(result.Duration), result.BilledDuration.Milliseconds(), fn.MemorySize)
	if result.InitDuration > 0 {
		line += fmt.Sprintf(" Init Duration: %.2f ms", milliseconds(result.InitDuration))
	}
	h.say(fn, slog.LevelDebug, line)
	j.tail.add([]byte("END RequestId: " + result.RequestID))
	j.tail.add([]byte(line))
	result.LogTail = j.tail.bytes()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// say writes a line of the host's own about a function.
func (h *Host) say(fn *function, level slog.Level, message string) {
	h.cfg.Log(Entry{Time: h.cfg.Now(), Function: fn.LogicalID, Text: message, Platform: true, Level: level})
}

// functionError is the JSON of a function's error.
type functionError struct {
	ErrorType    string `json:"errorType"`
	ErrorMessage string `json:"errorMessage"`
}

// failure is an error that Lambda gives in a function's place.
func failure(errorType, requestID, message string) *outcome {
	if requestID != "" {
		message = "RequestId: " + requestID + " Error: " + message
	}
	payload, err := json.Marshal(functionError{errorType, message})
	if err != nil {
		panic(err) // two strings can always be written
	}
	return &outcome{payload: payload, failed: true}
}

// platformError is the message of an error which the function itself could not
// write to its log, because it is Lambda's.
func platformError(payload []byte) (message string, ours bool) {
	var e functionError
	if err := json.Unmarshal(payload, &e); err != nil {
		return "", false
	}
	switch e.ErrorType {
	case "Sandbox.Timedout", "Runtime.ExitError", "Function.ResponseSizeTooLarge":
		return e.ErrorMessage, true
	default:
		return "", false
	}
}

// newTraceID makes an X-Ray trace header of a request that is not sampled.
func newTraceID(now time.Time) string {
	var random [20]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0",
		uint32(now.Unix()), hex.EncodeToString(random[:12]), hex.EncodeToString(random[12:]))
}
