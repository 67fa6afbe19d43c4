package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const internalError = `{"message":"Internal server error"}`

// What API Gateway makes of a function's result. Most of these were recorded
// from AWS by LocalStack's tests.
func TestResult(t *testing.T) {
	for _, tc := range []struct {
		name, result string
		status       int
		body         string
		header       map[string]string
	}{
		{"only a status", `{"statusCode":204}`, 204, "", map[string]string{"Content-Length": ""}},
		{"only headers", `{"headers":{"Test":"value"}}`, 200, "", map[string]string{"Test": "value", "Content-Type": "application/json"}},
		{"nothing", `{}`, 200, "", map[string]string{"Content-Type": "application/json"}},
		{"nulls", `{"statusCode":200,"headers":null,"multiValueHeaders":null,"body":null}`, 200, "", nil},
		{"a status in quotes", `{"statusCode":"201"}`, 201, "", nil},
		{"a boolean header", `{"statusCode":200,"headers":{"Test":true}}`, 200, "", map[string]string{"Test": "true"}},
		{
			"its own content type", `{"statusCode":200,"headers":{"content-type":"text/plain"},"body":"x"}`, 200, "x",
			map[string]string{"Content-Type": "text/plain", "Content-Length": "1"},
		},
		{
			"many values", `{"statusCode":200,"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]}}`, 200, "",
			map[string]string{"Set-Cookie": "a=1 | b=2"},
		},
		{
			"both kinds of headers", `{"statusCode":200,"multiValueHeaders":{"tesT-Multi":["multi"]},"headers":{"test-multi":"solo"}}`, 200, "",
			map[string]string{"Test-Multi": "multi | solo"},
		},
		{
			"the same value in both", `{"statusCode":200,"multiValueHeaders":{"A":["x","y"]},"headers":{"a":"x"}}`, 200, "",
			map[string]string{"A": "x | y"},
		},
		{"a field that is none", `{"statusCode":200,"wrong":"value"}`, 502, internalError, map[string]string{"X-Amzn-Errortype": "InternalServerErrorException"}},
		{"null", `null`, 502, internalError, nil},
		{"a string", `"text"`, 502, internalError, nil},
		{"a list", `[]`, 502, internalError, nil},
		{"nothing at all", ``, 502, internalError, nil},
		{"two values", `{} {}`, 502, internalError, nil},
		{"a status that is none", `{"statusCode":"test"}`, 502, internalError, nil},
		{"an informational status", `{"statusCode":101}`, 502, internalError, nil},
		{"a status out of range", `{"statusCode":600}`, 502, internalError, nil},
		{"one value among many", `{"multiValueHeaders":{"A":"x"}}`, 502, internalError, nil},
		{"a header that is null", `{"headers":{"A":null}}`, 502, internalError, nil},
		{"a header that is a number", `{"headers":{"A":1}}`, 502, internalError, nil},
		{"a body that is an object", `{"statusCode":200,"body":{}}`, 502, internalError, nil},
		{"an answer over 6 MB", `{"body":"` + strings.Repeat("x", maxLambdaPayload) + `"}`, 502, internalError, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLambda()
			l.functions["Echo"] = answers(tc.result)
			resp := do(t, newGateway(t, videos(), l, newClock()), "POST /v1/echo")
			checkAnswer(t, resp, exchangeCase{status: tc.status, body: tc.body, header: tc.header})
			if resp.Header.Get("X-Amzn-Requestid") != "request-1" {
				t.Error("no request ID")
			}
		})
	}
}

func TestBinaryResult(t *testing.T) {
	for _, tc := range []struct {
		name, accept, result string
		status               int
		body                 string
	}{
		{"the client accepts it", "image/png, */*", `{"body":"iVBORw==","isBase64Encoded":true}`, 200, "\x89PNG"},
		{"the client accepts it second", "text/html, image/png", `{"body":"iVBORw==","isBase64Encoded":true}`, 200, "iVBORw=="},
		{"the client does not say", "", `{"body":"iVBORw==","isBase64Encoded":true}`, 200, "iVBORw=="},
		{"the function says it is text", "image/png", `{"body":"iVBORw==","isBase64Encoded":false}`, 200, "iVBORw=="},
		{"it is not base64", "image/png", `{"body":"%","isBase64Encoded":true}`, 500, internalError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, api := newLambda(), videos()
			api.BinaryMediaTypes = []string{"image/png"}
			l.functions["Echo"] = answers(tc.result)
			request := "POST /v1/echo"
			if tc.accept != "" {
				request += "\nAccept: " + tc.accept
			}
			checkAnswer(t, do(t, newGateway(t, api, l, newClock()), request), exchangeCase{status: tc.status, body: tc.body})
		})
	}
}

// Headers as they are on the wire, by a real server and client.
func TestResultHeadersOnTheWire(t *testing.T) {
	l := newLambda()
	l.functions["Echo"] = answers(`{"statusCode":401,"body":"no","headers":{
		"Authorization":"a","Connection":"close","Content-Length":"99","Content-MD5":"m","Date":"then","Max-Forwards":"1",
		"Server":"s","User-Agent":"u","WWW-Authenticate":"Bearer","x-amzn-requestid":"mine",
		"Expect":"e","Host":"h","Proxy-Authenticate":"p","TE":"t","Trailer":"T","Transfer-Encoding":"chunked","Upgrade":"w","Via":"v",
		"Age":"1","Content-Encoding":"identity","ETag":"\"e\"","Pragma":"p","X-Own":"o"}}`)
	server := httptest.NewServer(newGateway(t, videos(), l, newClock()))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/echo", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := resp.Header.Clone()
	for _, name := range []string{"Date", "X-Amz-Apigw-Id", "X-Amzn-Trace-Id"} {
		if got.Get(name) == "" || got.Get(name) == "then" {
			t.Errorf("%s: %q", name, got.Get(name))
		}
		got.Del(name)
	}
	want := http.Header{
		"X-Amzn-Remapped-Authorization": {"a"}, "X-Amzn-Remapped-Connection": {"close"}, "X-Amzn-Remapped-Content-Length": {"99"},
		"X-Amzn-Remapped-Content-Md5": {"m"}, "X-Amzn-Remapped-Date": {"then"}, "X-Amzn-Remapped-Max-Forwards": {"1"},
		"X-Amzn-Remapped-Server": {"s"}, "X-Amzn-Remapped-User-Agent": {"u"}, "X-Amzn-Remapped-Www-Authenticate": {"Bearer"},
		"X-Amzn-Remapped-X-Amzn-Requestid": {"mine"}, "X-Amzn-Requestid": {"request-1"},
		"Age": {"1"}, "Content-Encoding": {"identity"}, "Etag": {`"e"`}, "Pragma": {"p"}, "X-Own": {"o"},
		"Content-Type": {"application/json"}, "Content-Length": {"2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if body := bodyOf(t, resp); body != "no" {
		t.Errorf("body %q", body)
	}
}

func TestFailedFunction(t *testing.T) {
	runExchanges(t, videos(), map[string]function{
		"Echo":   fails("boom"),
		"Status": func(context.Context, []byte) ([]byte, string, error) { return nil, "", errors.New("throttled") },
	}, []exchangeCase{
		{name: "an error", request: "POST /v1/echo", status: 502, body: internalError, header: map[string]string{"X-Amzn-Errortype": "InternalServerErrorException"}},
		{name: "no invocation", request: "GET /v1/health", status: 500, body: internalError, header: map[string]string{"X-Amzn-Errortype": "InternalServerErrorException"}},
	})
}

// blocked is a function that waits to be released, and tells when it began and
// how its context was at the end.
type blocked struct {
	began    chan struct{}
	release  chan struct{}
	finished chan error
}

func newBlocked() *blocked {
	return &blocked{began: make(chan struct{}, 1), release: make(chan struct{}), finished: make(chan error, 1)}
}

func (b *blocked) run(ctx context.Context, _ []byte) ([]byte, string, error) {
	b.began <- struct{}{}
	<-b.release
	b.finished <- ctx.Err()
	return []byte(allowAll), "", nil
}

func (b *blocked) checkFinished(t *testing.T) {
	t.Helper()
	close(b.release)
	select {
	case err := <-b.finished:
		if err != nil {
			t.Errorf("the function's context ended: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the function did not go on")
	}
}

func TestTimeouts(t *testing.T) {
	for _, tc := range []struct {
		name, function, request string
		want                    exchangeCase
	}{
		{
			"of the integration", "Echo", "POST /v1/echo",
			exchangeCase{status: 504, body: `{"message":"Endpoint request timed out"}`},
		},
		{
			"of the authorizer", "Authorizer", "GET /v1/videos\nAuthorization: Bearer x",
			exchangeCase{status: 500, body: `{"message":null}`, header: map[string]string{"X-Amzn-Errortype": "AuthorizerFailureException"}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			slow, l := newBlocked(), newLambda()
			l.functions[tc.function] = slow.run
			g := newGateway(t, videos(), l, newClock(), func(c *Config) { c.IntegrationTimeout = minIntegrationTimeout })
			checkAnswer(t, do(t, g, tc.request), tc.want)
			slow.checkFinished(t)
		})
	}
}

func TestClientThatGoesAwayStopsNothing(t *testing.T) {
	slow, l := newBlocked(), newLambda()
	l.functions["Echo"] = slow.run
	g := newGateway(t, videos(), l, newClock())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/echo", http.NoBody)
		g.ServeHTTP(httptest.NewRecorder(), r)
	}()
	<-slow.began
	cancel()
	slow.checkFinished(t)
	<-done
}

// goneWriter is a client that has hung up.
type goneWriter struct{ http.ResponseWriter }

func (goneWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestClientThatReadsNothing(t *testing.T) {
	g := newGateway(t, videos(), newLambda(), newClock())
	w := httptest.NewRecorder()
	g.ServeHTTP(goneWriter{w}, httptest.NewRequest(http.MethodGet, "/v1/health", http.NoBody))
	if w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
}

// A body that a client sends in chunks, over the wire.
func TestChunkedBody(t *testing.T) {
	l := newLambda()
	server := httptest.NewServer(newGateway(t, videos(), l, newClock()))
	defer server.Close()
	body := io.MultiReader(strings.NewReader("one "), strings.NewReader("two"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/echo", io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	event := l.event(t, "Echo")
	if event["body"] != "one two" {
		t.Errorf("body %v", event["body"])
	}
	headers := event["headers"].(map[string]any)
	if headers["Transfer-Encoding"] != nil || fmt.Sprint(headers["X-Forwarded-For"]) != "127.0.0.1" {
		t.Errorf("headers %v", headers)
	}
}
