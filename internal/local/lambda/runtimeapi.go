package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
)

// maxDiscard is how much of an answer that is too large is read, so that the
// worker gets to see why it was refused.
const maxDiscard = 256 << 20

// runtimeAPI is what workers talk to.
//
// Sources: "Using the Lambda runtime API for custom runtimes", and, for the
// extension that aws-lambda-go registers to be told of SIGTERM, "Using the Lambda
// Extensions API".
func (h *Host) runtimeAPI() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, handler func(*worker, http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			w := h.lookUp(r.PathValue("token"))
			if w == nil {
				answer(rw, http.StatusForbidden, "UnknownWorker", "no worker has this address")
				return
			}
			handler(w, rw, r)
		})
	}
	handle("GET /{token}/2018-06-01/runtime/invocation/next", (*worker).handleNext)
	handle("POST /{token}/2018-06-01/runtime/invocation/{id}/response", (*worker).handleResponse)
	handle("POST /{token}/2018-06-01/runtime/invocation/{id}/error", (*worker).handleError)
	handle("POST /{token}/2018-06-01/runtime/init/error", (*worker).handleInitError)
	handle("POST /{token}/2020-01-01/extension/register", (*worker).handleRegister)
	handle("GET /{token}/2020-01-01/extension/event/next", (*worker).handleExtensionEvent)
	return mux
}

func (h *Host) register(w *worker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.workers[w.token] = w
}

func (h *Host) unregister(w *worker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.workers, w.token)
}

func (h *Host) lookUp(token string) *worker {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.workers[token]
}

// handleNext holds the worker's call until there is an invocation for it.
func (w *worker) handleNext(rw http.ResponseWriter, r *http.Request) {
	w.readyOnce.Do(func() { close(w.ready) })
	select {
	case j := <-w.jobs:
		w.hand(rw, j)
	case <-r.Context().Done():
	case <-w.gone:
	}
}

func (w *worker) hand(rw http.ResponseWriter, j *job) {
	w.mu.Lock()
	w.current = j
	w.mu.Unlock()

	header := rw.Header()
	header.Set("Lambda-Runtime-Aws-Request-Id", j.id)
	header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(w.host.cfg.Now().Add(w.fn.Timeout).UnixMilli(), 10))
	header.Set("Lambda-Runtime-Invoked-Function-Arn", w.fn.arn)
	header.Set("Lambda-Runtime-Trace-Id", j.traceID)
	if j.clientContext != "" {
		header.Set("Lambda-Runtime-Client-Context", j.clientContext)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(j.payload)))
	_, _ = rw.Write(j.payload) // a worker that cannot be written to is about to be gone
}

// handleResponse takes what a function returned.
func (w *worker) handleResponse(rw http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxResponse))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		_, _ = io.CopyN(io.Discard, r.Body, maxDiscard) // its end is not worth a word
		out := failure("Function.ResponseSizeTooLarge", "",
			"Response payload size exceeded maximum allowed payload size ("+strconv.Itoa(maxResponse)+" bytes).")
		if w.finish(rw, id, *out) {
			answer(rw, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the response is too large")
		}
		return
	case err != nil: // the worker is gone, which says more than this
		return
	}
	if w.finish(rw, id, streamOutcome(body, r.Trailer)) {
		accepted(rw)
	}
}

// streamOutcome is a response, unless its end says that the function failed while
// it was being written.
func streamOutcome(body []byte, trailer http.Header) outcome {
	if trailer.Get("Lambda-Runtime-Function-Error-Type") == "" {
		return outcome{payload: body}
	}
	said, err := base64.StdEncoding.DecodeString(trailer.Get("Lambda-Runtime-Function-Error-Body"))
	if err != nil || !json.Valid(said) {
		return *failure(trailer.Get("Lambda-Runtime-Function-Error-Type"), "", "the function failed while it wrote its response")
	}
	return outcome{payload: said, failed: true}
}

// handleError takes the error that a function returned.
func (w *worker) handleError(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxResponse))
	if err != nil {
		answer(rw, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the error is too large")
		return
	}
	if w.finish(rw, r.PathValue("id"), outcome{payload: body, failed: true}) {
		accepted(rw)
	}
}

// finish ends the invocation with that ID. If the worker does not have it, it says
// so to the worker and returns false.
func (w *worker) finish(rw http.ResponseWriter, id string, out outcome) bool {
	for _, o := range w.outputs {
		o.drain()
	}
	j := w.take(id)
	if j == nil {
		answer(rw, http.StatusBadRequest, "InvalidRequestID", "this worker does not handle that invocation")
		return false
	}
	j.done <- out
	return true
}

// handleInitError takes the reason why a worker cannot handle anything.
func (w *worker) handleInitError(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxResponse))
	if err != nil {
		answer(rw, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the error is too large")
		return
	}
	w.mu.Lock()
	w.initFailure = body
	w.mu.Unlock()
	accepted(rw)
	w.kill()
}

// handleRegister takes an extension. All that it gets is SIGTERM before the end,
// as every worker does.
func (w *worker) handleRegister(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Lambda-Extension-Identifier", w.host.cfg.NewID())
	rw.Header().Set("Content-Type", "application/json")
	writeJSON(rw, http.StatusOK, map[string]string{
		"functionName": w.fn.Name, "functionVersion": version, "handler": w.fn.Handler,
	})
}

// handleExtensionEvent holds the call until the worker ends.
func (w *worker) handleExtensionEvent(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-w.gone:
	}
}

func accepted(rw http.ResponseWriter) {
	writeJSON(rw, http.StatusAccepted, map[string]string{"status": "OK"})
}

func answer(rw http.ResponseWriter, status int, errorType, message string) {
	writeJSON(rw, status, map[string]string{"errorType": errorType, "errorMessage": message})
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	if err := json.NewEncoder(rw).Encode(v); err != nil {
		slog.Debug("answer not written", "error", err)
	}
}
