package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// errTimeout is when a function takes longer than the integration may.
var errTimeout = errors.New("the function did not answer in time")

// response is what goes back to the client.
type response struct {
	status int
	header http.Header
	body   []byte
}

// write sends the answer to a request of that method.
func (a response) write(w http.ResponseWriter, method string) error {
	maps.Copy(w.Header(), a.header)
	bodyAllowed := a.status != http.StatusNoContent && a.status != http.StatusNotModified
	if bodyAllowed {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if !bodyAllowed || method == http.MethodHead {
		return nil
	}
	_, err := w.Write(a.body)
	return err
}

// integrate hands x to its function and gives back the function's answer.
func (g *Gateway) integrate(w http.ResponseWriter, x *exchange) (response, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, x.r.Body, maxRequestBody))
	if err != nil {
		return response{}, bodyFault(err)
	}
	event, err := json.Marshal(g.newProxyEvent(x, body))
	if err != nil {
		return response{}, internalFault(fmt.Errorf("write the event: %w", err))
	}
	if len(event) > maxLambdaPayload {
		return response{}, newFault(typeRequestTooLarge)
	}
	result, functionError, err := g.invoke(x, x.method.function, event)
	switch {
	case errors.Is(err, errTimeout):
		return response{}, newFault(typeIntegrationTimeout)
	case err != nil:
		return response{}, integrationFault(http.StatusInternalServerError, err)
	case functionError != "":
		return response{}, integrationFault(http.StatusBadGateway, fmt.Errorf("the function failed: %s", functionError))
	case len(result) > maxLambdaPayload:
		return response{}, integrationFault(http.StatusBadGateway, fmt.Errorf("the answer has %d bytes", len(result)))
	}
	answer, err := g.parseResult(x, result)
	if err != nil {
		return response{}, err
	}
	answer.header.Set("X-Amzn-Trace-Id", x.trace)
	return answer, nil
}

// bodyFault says why a request's body could not be read.
func bodyFault(err error) *fault {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return newFault(typeRequestTooLarge)
	}
	refused := newFault(typeBadRequestBody)
	refused.cause = fmt.Errorf("read the body: %w", err)
	return refused
}

// invoke runs a function and waits for it as long as an integration may take.
// The function goes on when that is over or the client goes away.
func (g *Gateway) invoke(x *exchange, function string, event []byte) (result []byte, functionError string, err error) {
	type outcome struct {
		result        []byte
		functionError string
		err           error
	}
	ctx := context.WithoutCancel(x.r.Context())
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		o.result, o.functionError, o.err = g.invoker.Invoke(ctx, function, event)
		done <- o
	}()
	timer := time.NewTimer(g.timeout)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.result, o.functionError, o.err
	case <-timer.C:
		return nil, "", errTimeout
	}
}

// proxyResult is what a function answers: nothing is required, and nothing else
// is allowed.
type proxyResult struct {
	StatusCode        *statusCode              `json:"statusCode"`
	Headers           map[string]headerValue   `json:"headers"`
	MultiValueHeaders map[string][]headerValue `json:"multiValueHeaders"`
	Body              *string                  `json:"body"`
	IsBase64Encoded   bool                     `json:"isBase64Encoded"`
}

// statusCode is a number, or a string of one.
type statusCode int

func (s *statusCode) UnmarshalJSON(data []byte) error {
	text := string(data)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	code, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("the status code is not a number: %s", data)
	}
	if code < http.StatusOK || code > 599 {
		return fmt.Errorf("no status code of an answer: %d", code)
	}
	*s = statusCode(code)
	return nil
}

// headerValue is a string, or true or false, which become strings.
type headerValue string

func (h *headerValue) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "true", "false":
		*h = headerValue(data)
		return nil
	case "null":
		return errors.New("a header is null")
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*h = headerValue(text)
	return nil
}

// parseResult reads what a function answered.
func (g *Gateway) parseResult(x *exchange, data []byte) (response, error) {
	var result *proxyResult
	if err := unmarshalStrict(data, &result); err != nil {
		return response{}, malformedFault(err)
	}
	if result == nil {
		return response{}, malformedFault(errors.New("it is null"))
	}
	answer := response{status: http.StatusOK, header: result.header()}
	if result.StatusCode != nil {
		answer.status = int(*result.StatusCode)
	}
	if result.Body == nil {
		return answer, nil
	}
	answer.body = []byte(*result.Body)
	if result.IsBase64Encoded && binaryMedia(g.api.BinaryMediaTypes, x.headers.Get("Accept")) {
		decoded, err := base64.StdEncoding.DecodeString(*result.Body)
		if err != nil {
			refused := newFault(typeAPIConfigurationError)
			refused.cause = fmt.Errorf("the body is not base64: %w", err)
			return response{}, refused
		}
		answer.body = decoded
	}
	return answer, nil
}

// header merges single and multi-value headers: those of multiValueHeaders come
// first, and a value that stands in both counts once.
func (p *proxyResult) header() http.Header {
	merged := http.Header{}
	for name, values := range p.MultiValueHeaders {
		key := http.CanonicalHeaderKey(name)
		for _, value := range values {
			merged[key] = append(merged[key], string(value))
		}
	}
	for name, value := range p.Headers {
		key := http.CanonicalHeaderKey(name)
		if !slices.Contains(merged[key], string(value)) {
			merged[key] = append(merged[key], string(value))
		}
	}
	out := make(http.Header, len(merged)+4)
	for name, values := range merged {
		if !responseDropped(name) {
			out[responseName(name)] = values
		}
	}
	if out.Get("Content-Type") == "" {
		out.Set("Content-Type", "application/json")
	}
	return out
}
