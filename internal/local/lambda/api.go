package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// invokePath is Lambda's Invoke call, as SDKs and awscli make it. The function is
// a name, a partial ARN or an ARN, with or without a qualifier.
//
// Source: "Invoke" of the AWS Lambda API reference.
const invokePath = "POST /2015-03-31/functions/{function}/invocations"

// apiError is an error as Lambda's API answers it.
type apiError struct {
	status  int
	code    string
	message string
	reason  string // only throttling has one
}

// ServeHTTP answers Lambda's Invoke call.
func (h *Host) ServeHTTP(rw http.ResponseWriter, r *http.Request) { h.api.ServeHTTP(rw, r) }

func (h *Host) invokeAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(invokePath, h.serveInvoke)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		refuse(rw, &apiError{status: http.StatusNotFound, code: "UnknownOperationException",
			message: "The local Lambda knows only Invoke, not " + r.Method + " " + r.URL.Path})
	})
	return mux
}

func (h *Host) serveInvoke(rw http.ResponseWriter, r *http.Request) {
	id := h.cfg.NewID()
	rw.Header().Set("X-Amzn-Requestid", id)
	if err := h.serve(rw, r, id); err != nil {
		refuse(rw, err)
	}
}

func (h *Host) serve(rw http.ResponseWriter, r *http.Request, id string) *apiError {
	fn, refused := h.find(r.PathValue("function"), r.URL.Query().Get("Qualifier"))
	if refused != nil {
		return refused
	}
	req, refused := readRequest(r, id)
	if refused != nil {
		return refused
	}
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
		result, err := h.invoke(r.Context(), fn, req)
		if err != nil {
			return invokeError(err)
		}
		writeResult(rw, result)
	case "Event":
		if len(req.payload) > maxEvent {
			return requestTooLarge(maxEvent)
		}
		if err := h.invokeAsync(fn, req); err != nil {
			return invokeError(err)
		}
		rw.WriteHeader(http.StatusAccepted)
	case "DryRun":
		rw.WriteHeader(http.StatusNoContent)
	default:
		return &apiError{status: http.StatusBadRequest, code: "InvalidParameterValueException", message: "Unknown invocation type " + kind}
	}
	return nil
}

// find looks a function up as a caller of the API names it.
func (h *Host) find(name, qualifier string) (*function, *apiError) {
	parts := strings.Split(name, ":")
	for i, part := range parts { // arn:aws:lambda:region:account:function:name, account:function:name
		if part == "function" {
			parts = parts[i+1:]
			break
		}
	}
	if len(parts) > 1 {
		qualifier = parts[1]
	}
	fn, ok := h.functions[parts[0]]
	if !ok || (qualifier != "" && qualifier != version) {
		return nil, &apiError{status: http.StatusNotFound, code: "ResourceNotFoundException",
			message: fmt.Sprintf("Function not found: arn:aws:lambda:%s:%s:function:%s", h.cfg.Region, h.cfg.AccountID, name)}
	}
	return fn, nil
}

func readRequest(r *http.Request, id string) (request, *apiError) {
	req := request{id: id, traceID: r.Header.Get("X-Amzn-Trace-Id"), tail: r.Header.Get("X-Amz-Log-Type") == "Tail"}
	clientContext, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Amz-Client-Context"))
	if err != nil {
		return req, &apiError{status: http.StatusBadRequest, code: "InvalidRequestContentException", message: "Client context must be base64-encoded JSON."}
	}
	req.clientContext = string(clientContext)

	req.payload, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, maxRequest))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return req, requestTooLarge(maxRequest)
	case err != nil:
		return req, &apiError{status: http.StatusBadRequest, code: "InvalidRequestContentException", message: "Could not read the request: " + err.Error()}
	case len(req.payload) == 0:
		req.payload = []byte("{}")
	case !json.Valid(req.payload):
		return req, &apiError{status: http.StatusBadRequest, code: "InvalidRequestContentException", message: "Could not parse request body into json."}
	}
	return req, nil
}

// invokeError is how the API says what [Host.Invoke] returns.
func invokeError(err error) *apiError {
	switch {
	case errors.Is(err, ErrThrottled):
		return &apiError{status: http.StatusTooManyRequests, code: "TooManyRequestsException", message: "Rate Exceeded.",
			reason: "ReservedFunctionConcurrentInvocationLimitExceeded"}
	case errors.Is(err, ErrClosed):
		return &apiError{status: http.StatusServiceUnavailable, code: "ServiceException", message: err.Error()}
	default:
		return &apiError{status: http.StatusBadGateway, code: "InvalidRuntimeException", message: err.Error()}
	}
}

func requestTooLarge(limit int) *apiError {
	return &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestTooLargeException",
		message: fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", limit)}
}

func writeResult(rw http.ResponseWriter, result Result) {
	header := rw.Header()
	header.Set("X-Amz-Executed-Version", version)
	if result.FunctionError != "" {
		header.Set("X-Amz-Function-Error", result.FunctionError)
	}
	if result.LogTail != nil {
		header.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(result.LogTail))
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(result.Payload)))
	_, _ = rw.Write(result.Payload) // whoever asked is gone
}

func refuse(rw http.ResponseWriter, e *apiError) {
	rw.Header().Set("X-Amzn-Errortype", e.code)
	body := map[string]string{"Type": "User", "Message": e.message}
	if e.reason != "" {
		body["Reason"] = e.reason
	}
	writeJSON(rw, e.status, body)
}
