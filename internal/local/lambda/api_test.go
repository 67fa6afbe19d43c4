package lambda_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/sam"
)

// call makes a call of the Invoke API to the host.
func (h *host) call(function string, body []byte, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/"+url.PathEscape(function)+"/invocations", bytes.NewReader(body))
	for name, text := range header {
		r.Header.Set(name, text)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestInvokeAPI(t *testing.T) {
	h := newHost(t, nil)
	echo := event{Do: "echo", Value: "x"}.json()
	type headers = map[string]string
	tests := []struct {
		name     string
		function string
		body     []byte
		header   headers
		status   int
		want     string // a part of the body
		headers  headers
	}{
		{"by name", "test-Fn", echo, nil, 200, `"x"`, headers{"X-Amz-Executed-Version": "$LATEST", "X-Amz-Function-Error": ""}},
		{"by logical ID", "Fn", echo, nil, 200, `"x"`, nil},
		{"by ARN", "arn:aws:lambda:us-east-1:000000000000:function:test-Fn", echo, nil, 200, `"x"`, nil},
		{"by ARN with a qualifier", "arn:aws:lambda:us-east-1:000000000000:function:test-Fn:$LATEST", echo, nil, 200, `"x"`, nil},
		{"by partial ARN", "000000000000:function:test-Fn", echo, nil, 200, `"x"`, nil},
		{"explicitly synchronous", "Fn", echo, headers{"X-Amz-Invocation-Type": "RequestResponse"}, 200, `"x"`, nil},
		{
			"function error", "Fn", event{Do: "error", Value: "no"}.json(), nil, 200, `"errorMessage":"no"`,
			headers{"X-Amz-Function-Error": "Unhandled"},
		},
		{"without an event", "Fn", nil, nil, 200, "unknown action", headers{"X-Amz-Function-Error": "Unhandled"}},
		{
			"client context", "Fn", event{Do: "context"}.json(),
			headers{"X-Amz-Client-Context": base64.StdEncoding.EncodeToString([]byte(`{"custom":{"a":"b"}}`))}, 200, `"custom":{"a":"b"}`, nil,
		},
		{
			"trace given", "Fn", event{Do: "context"}.json(), headers{"X-Amzn-Trace-Id": "Root=1-0-1;Sampled=1"},
			200, `"trace":"Root=1-0-1;Sampled=1"`, nil,
		},
		{"asynchronous", "Fn", echo, headers{"X-Amz-Invocation-Type": "Event"}, 202, "", nil},
		{"dry run", "Fn", echo, headers{"X-Amz-Invocation-Type": "DryRun"}, 204, "", nil},
		{"unknown type", "Fn", echo, headers{"X-Amz-Invocation-Type": "Maybe"}, 400, "Maybe", headers{"X-Amzn-Errortype": "InvalidParameterValueException"}},
		{"unknown function", "Other", echo, nil, 404, "Function not found: arn:aws:lambda:us-east-1:000000000000:function:Other", headers{"X-Amzn-Errortype": "ResourceNotFoundException"}},
		{"unknown version", "Fn:7", echo, nil, 404, "Function not found", nil},
		{"no JSON", "Fn", []byte("{"), nil, 400, "json", headers{"X-Amzn-Errortype": "InvalidRequestContentException"}},
		{"bad client context", "Fn", echo, headers{"X-Amz-Client-Context": "%"}, 400, "base64", nil},
		{"too large", "Fn", make([]byte, 6<<20+1), nil, 413, "smaller than 6291456 bytes", headers{"X-Amzn-Errortype": "RequestTooLargeException"}},
		{
			"too large for an event", "Fn", []byte(`"` + strings.Repeat("x", 1<<20) + `"`), headers{"X-Amz-Invocation-Type": "Event"},
			413, "smaller than 1048576 bytes", nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := h.call(tt.function, tt.body, tt.header)
			if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.want) {
				t.Errorf("status %d, body %s", rec.Code, rec.Body)
			}
			if rec.Header().Get("X-Amzn-Requestid") == "" {
				t.Error("no request ID")
			}
			for name, want := range tt.headers {
				if got := rec.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestInvokeAPIGivesTheEndOfTheLog(t *testing.T) {
	h := newHost(t, nil)
	for range 20 {
		rec := h.call("Fn", event{Do: "log", Value: "look"}.json(), map[string]string{"X-Amz-Log-Type": "Tail"})
		log, err := base64.StdEncoding.DecodeString(rec.Header().Get("X-Amz-Log-Result"))
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, part := range []string{"START RequestId: " + rec.Header().Get("X-Amzn-Requestid"), "look", "END RequestId", "REPORT RequestId"} {
			i := strings.Index(string(log)[at:], part)
			if i < 0 {
				t.Fatalf("%q is not there, or in the wrong place:\n%s", part, log)
			}
			at += i
		}
	}
}

func TestInvokeAPIThrottles(t *testing.T) {
	h := newHost(t, func(f *sam.Function, _ *lambda.Config) { f.ReservedConcurrency = 1 })
	var wg sync.WaitGroup
	wg.Go(func() { h.invoke(event{Do: "sleep", Ms: 200}) })
	eventually(t, "a running invocation", func() bool { return h.counted("started") == 1 })
	rec := h.call("Fn", []byte("{}"), nil)
	if rec.Code != http.StatusTooManyRequests || rec.Header().Get("X-Amzn-Errortype") != "TooManyRequestsException" ||
		!strings.Contains(rec.Body.String(), "ReservedFunctionConcurrentInvocationLimitExceeded") {
		t.Errorf("status %d, body %s", rec.Code, rec.Body)
	}
	wg.Wait()
}

func TestInvokeAPISaysWhyAFunctionCannotStart(t *testing.T) {
	h := newHost(t, func(_ *sam.Function, c *lambda.Config) {
		c.Command = func(sam.Function) ([]string, error) {
			return nil, errors.New("functions/video is not built: make build")
		}
	})
	rec := h.call("Fn", []byte("{}"), nil)
	if rec.Code != http.StatusBadGateway || !strings.Contains(rec.Body.String(), "make build") {
		t.Errorf("status %d, body %s", rec.Code, rec.Body)
	}
}

func TestOtherCallsOfLambda(t *testing.T) {
	h := newHost(t, nil)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/2015-03-31/functions/", nil))
	if rec.Code != http.StatusNotFound || !strings.Contains(rec.Body.String(), "knows only Invoke") {
		t.Errorf("status %d, body %s", rec.Code, rec.Body)
	}
}
