package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// lambda is a fake Invoker: functions by logical ID.
type lambda struct {
	mu        sync.Mutex
	functions map[string]function
	calls     []call
}

type function func(ctx context.Context, payload []byte) (result []byte, functionError string, err error)

type call struct {
	function string
	payload  []byte
}

func (l *lambda) Invoke(ctx context.Context, name string, payload []byte) ([]byte, string, error) {
	l.mu.Lock()
	l.calls = append(l.calls, call{name, payload})
	f := l.functions[name]
	l.mu.Unlock()
	if f == nil {
		return nil, "", fmt.Errorf("no function %s", name)
	}
	return f(ctx, payload)
}

// called gives the functions that ran, in order.
func (l *lambda) called() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := []string{}
	for _, c := range l.calls {
		names = append(names, c.function)
	}
	return names
}

// event gives what the last call of a function got.
func (l *lambda) event(t *testing.T, name string) map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range slices.Backward(l.calls) {
		if c.function != name {
			continue
		}
		var event map[string]any
		if err := json.Unmarshal(c.payload, &event); err != nil {
			t.Fatalf("the event of %s is not JSON: %v", name, err)
		}
		return event
	}
	t.Fatalf("%s was not called", name)
	return nil
}

// answers is a function that always gives that result.
func answers(result string) function {
	return func(context.Context, []byte) ([]byte, string, error) { return []byte(result), "", nil }
}

// fails is a function that always fails with that error message.
func fails(message string) function {
	return func(context.Context, []byte) ([]byte, string, error) {
		result, err := json.Marshal(map[string]string{"errorMessage": message, "errorType": "errorString"})
		return result, "Unhandled", err
	}
}

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	// Not UTC, which events must be in.
	return &clock{now: time.Date(2026, time.March, 4, 16, 15, 17, 135e6, time.FixedZone("BRT", -3*60*60))}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// videos is the API that most tests use.
func videos() sam.API {
	return sam.API{
		LogicalID: "Api",
		Stage:     "local",
		Routes: []sam.Route{
			{Method: "GET", Path: "/v1/health", Function: "Status"},
			{Method: "GET", Path: "/v1/videos", Function: "Status", Authorizer: "AccessToken"},
			{Method: "POST", Path: "/v1/videos", Function: "Video", Authorizer: "AccessToken"},
			{Method: "GET", Path: "/v1/videos/{id}", Function: "Status", Authorizer: "AccessToken"},
			{Method: "POST", Path: "/v1/echo", Function: "Echo"},
			{Method: "ANY", Path: "/v1/any/{proxy+}", Function: "Echo"},
		},
		Authorizers: map[string]sam.Authorizer{
			"AccessToken": {
				Name: "AccessToken", Function: "Authorizer", Type: "TOKEN", Header: "Authorization",
				ValidationExpression: "^[Bb]earer [-._~+/A-Za-z0-9]+=*$", TTL: 30 * time.Second,
			},
		},
	}
}

const allowAll = `{"principalId":"user-1","policyDocument":{"Version":"2012-10-17","Statement":[` +
	`{"Action":["execute-api:Invoke"],"Effect":"Allow","Resource":["arn:aws:execute-api:us-east-1:000000000000:Api/local/*"]}]},` +
	`"context":{"session":"s-9","admin":false,"level":3}}`

func newLambda() *lambda {
	return &lambda{functions: map[string]function{
		"Status":     answers(`{"statusCode":200,"body":"status"}`),
		"Video":      answers(`{"statusCode":201,"body":"made"}`),
		"Echo":       answers(`{"statusCode":200,"body":"echo"}`),
		"Authorizer": answers(allowAll),
	}}
}

// newGateway makes a gateway with a fixed clock and request IDs that count up.
func newGateway(t testing.TB, api sam.API, l *lambda, c *clock, change ...func(*Config)) *Gateway {
	t.Helper()
	var mu sync.Mutex
	ids := 0
	cfg := Config{
		API: api, Invoker: l, Region: "us-east-1", AccountID: "000000000000", Now: c.Now,
		NewID: func() string {
			mu.Lock()
			defer mu.Unlock()
			ids++
			return fmt.Sprintf("request-%d", ids)
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// do sends a request written as on the wire, without a Host line or HTTP/1.1.
func do(t testing.TB, h http.Handler, request string) *http.Response {
	t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	line, fields, _ := strings.Cut(head, "\n")
	text := line + " HTTP/1.1\r\nHost: api.example.test:8080\r\n"
	if fields != "" {
		text += strings.ReplaceAll(fields, "\n", "\r\n") + "\r\n"
	}
	if body != "" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text + "\r\n" + body)))
	if err != nil {
		t.Fatalf("bad request in the test: %v", err)
	}
	r.RemoteAddr = "203.0.113.7:51234"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t testing.TB, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// exchangeCase is a request and the answer it must get.
type exchangeCase struct {
	name    string
	request string
	status  int
	header  map[string]string // those that matter; "" for absent
	body    string
	called  []string // functions that ran; nil: not checked
}

func runExchanges(t *testing.T, api sam.API, functions map[string]function, cases []exchangeCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			l := newLambda()
			maps.Copy(l.functions, functions)
			checkAnswer(t, do(t, newGateway(t, api, l, newClock()), tc.request), tc)
			if tc.called != nil {
				if diff := cmp.Diff(tc.called, l.called()); diff != "" {
					t.Errorf("functions that ran (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func checkAnswer(t *testing.T, resp *http.Response, want exchangeCase) {
	t.Helper()
	if resp.StatusCode != want.status {
		t.Errorf("status %d, want %d", resp.StatusCode, want.status)
	}
	for name, value := range want.header {
		if got := strings.Join(resp.Header.Values(name), " | "); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if got := bodyOf(t, resp); got != want.body {
		t.Errorf("body %q, want %q", got, want.body)
	}
}

func TestRouting(t *testing.T) {
	missing := func(name, request string) exchangeCase {
		return exchangeCase{
			name: name, request: request, status: 403,
			header: map[string]string{
				"Content-Type":     "application/json",
				"X-Amzn-Errortype": "MissingAuthenticationTokenException",
				"X-Amzn-Requestid": "request-1",
				"X-Amzn-Trace-Id":  "",
			},
			body: `{"message":"Missing Authentication Token"}`, called: []string{},
		}
	}
	status := func(name, request string) exchangeCase {
		return exchangeCase{
			name: name, request: request, status: 200, body: "status", called: []string{"Status"},
			header: map[string]string{"X-Amzn-Requestid": "request-1", "Content-Type": "application/json", "X-Amzn-Errortype": ""},
		}
	}
	echo := func(name, request string) exchangeCase {
		return exchangeCase{name: name, request: request, status: 200, body: "echo", called: []string{"Echo"}}
	}
	runExchanges(t, videos(), nil, []exchangeCase{
		status("a route without an authorizer", "GET /v1/health"),
		status("a slash at the end does not count", "GET /v1/health/"),
		status("slashes in front do not count", "GET //v1/health"),
		status("the query is not of the path", "GET /v1/health?x=/v1/videos"),
		missing("an unknown path", "GET /v1/nothing"),
		missing("the root", "GET /"),
		missing("a path that only leads to routes", "GET /v1"),
		missing("another method on a known path", "DELETE /v1/health"),
		{name: "HEAD is not GET", request: "HEAD /v1/health", status: 403, called: []string{}},
		missing("OPTIONS without CORS", "OPTIONS /v1/health"),
		missing("a path is case-sensitive", "GET /V1/health"),
		missing("a greedy variable needs a segment", "GET /v1/any"),
		echo("ANY takes any method", "PATCH /v1/any/a/b"),
		missing("ANY takes only the methods that API Gateway knows", "PROPFIND /v1/any/a"),
		{name: "HEAD by ANY has no body", request: "HEAD /v1/any/x", status: 200, called: []string{"Echo"}, header: map[string]string{"Content-Length": "4"}},
	})
}

func TestHandles(t *testing.T) {
	g := newGateway(t, videos(), newLambda(), newClock())
	for path, want := range map[string]bool{
		"/v1/health": true, "/v1/nothing": true, "/v1": true, "/v1/": true, "/": false, "/index.html": false, "/v1x/health": false,
	} {
		if got := g.Handles(httptest.NewRequest(http.MethodGet, path, nil)); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	greedy := newGateway(t, sam.API{Routes: []sam.Route{{Method: "ANY", Path: "/{proxy+}", Function: "Echo"}}}, newLambda(), newClock())
	if !greedy.Handles(httptest.NewRequest(http.MethodGet, "/index.html", nil)) {
		t.Error("/{proxy+} takes everything")
	}
	if greedy.Handles(httptest.NewRequest(http.MethodGet, "/", nil)) {
		t.Error("/{proxy+} does not take the root")
	}
}

func TestLimits(t *testing.T) {
	big := strings.Repeat("x", maxRequestBody)
	tooLong := `{"message":"Request Too Long"}`
	runExchanges(t, videos(), nil, []exchangeCase{
		{
			name: "a declared body over 10 MB is refused before the authorizer", request: "POST /v1/videos\n\n" + big + "x",
			status: 413, body: tooLong, header: map[string]string{"X-Amzn-Errortype": "RequestTooLargeException"}, called: []string{},
		},
		{name: "a body that Lambda cannot take", request: "POST /v1/echo\n\n" + big, status: 413, body: tooLong, called: []string{}},
		{name: "a body of 6 MB", request: "POST /v1/echo\n\n" + big[:6_000_000], status: 200, body: "echo", called: []string{"Echo"}},
		{
			name: "headers over 10,240 bytes", request: "POST /v1/echo\nA: " + strings.Repeat("a", 10_000) + "\nB: " + strings.Repeat("b", 241),
			status: 431, body: `{"message":"HTTP header is larger than 10240 bytes."}`, called: []string{},
		},
		{
			name: "headers of 10,240 bytes", request: "POST /v1/echo\nA: " + strings.Repeat("a", 10_000) + "\nB: " + strings.Repeat("b", 240),
			status: 200, body: "echo", called: []string{"Echo"},
		},
		{
			name: "a URL over 10,240 bytes", request: "POST /v1/echo?" + strings.Repeat("a", 10_240),
			status: 414, body: `{"message":"Request URI too long"}`, called: []string{},
		},
	})
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestBodyOfUnknownLength(t *testing.T) {
	g := newGateway(t, videos(), newLambda(), newClock())
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/echo", io.NopCloser(endless{})))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", w.Code)
	}

	w = httptest.NewRecorder()
	broken := io.MultiReader(strings.NewReader("abc"), errorReader{errors.New("connection reset")})
	g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/echo", broken))
	if w.Code != http.StatusBadRequest {
		t.Errorf("status %d for a body that breaks off, want 400", w.Code)
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

func TestNewRefuses(t *testing.T) {
	route := func(method, path string) func(*Config) {
		return func(c *Config) {
			c.API.Routes = append(c.API.Routes, sam.Route{Method: method, Path: path, Function: "Echo"})
		}
	}
	authorizer := func(a sam.Authorizer) func(*Config) {
		return func(c *Config) { c.API.Authorizers = map[string]sam.Authorizer{"AccessToken": a} }
	}
	answer := func(kind string, r sam.GatewayResponse) func(*Config) {
		return func(c *Config) { c.API.GatewayResponses = map[string]sam.GatewayResponse{kind: r} }
	}
	template := func(text string) func(*Config) {
		return answer("UNAUTHORIZED", sam.GatewayResponse{Templates: map[string]string{"application/json": text}})
	}
	header := func(mapping string) func(*Config) {
		return answer("UNAUTHORIZED", sam.GatewayResponse{Headers: map[string]string{"X": mapping}})
	}
	setting := func(path, method string) func(*Config) {
		return func(c *Config) {
			c.API.MethodSettings = append(c.API.MethodSettings, sam.MethodSetting{ResourcePath: path, HTTPMethod: method})
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no invoker", func(c *Config) { c.Invoker = nil }, "no invoker"},
		{"a timeout over 29 s", func(c *Config) { c.IntegrationTimeout = 30 * time.Second }, "integration timeout 30s"},
		{"a timeout under 50 ms", func(c *Config) { c.IntegrationTimeout = time.Millisecond }, "integration timeout 1ms"},
		{"a route twice", route("GET", "/v1/health"), "twice"},
		{"an unknown method", route("FETCH", "/v1/x"), `no method "FETCH"`},
		{"a path without a slash", route("GET", "v1/x"), "begin with a slash"},
		{"an empty segment", route("GET", "/v1//x"), "empty segment"},
		{"two variables side by side", route("GET", "/v1/videos/{video}"), "sibling"},
		{"a greedy variable beside another", route("GET", "/v1/videos/{id+}"), "sibling"},
		{"something after a greedy variable", route("GET", "/v1/any/{proxy+}/x"), "nothing can follow"},
		{"a variable that is part of a segment", route("GET", "/v1/a{x}"), "whole segment"},
		{"a variable without a name", route("GET", "/v1/{}"), "whole segment"},
		{"an authorizer that is not there", func(c *Config) { c.API.Authorizers = nil }, `no authorizer "AccessToken"`},
		{"an authorizer of another type", authorizer(sam.Authorizer{Type: "JWT"}), "neither TOKEN nor REQUEST"},
		{"a token without a header", authorizer(sam.Authorizer{Type: "TOKEN"}), "no header"},
		{"a validation expression that is none", authorizer(sam.Authorizer{Type: "TOKEN", Header: "A", ValidationExpression: "("}), "missing closing"},
		{"a result that is kept too long", authorizer(sam.Authorizer{Type: "TOKEN", Header: "A", TTL: 2 * time.Hour}), "2h0m0s"},
		{"a cache without an identity source", authorizer(sam.Authorizer{Type: "REQUEST", TTL: time.Minute}), "ReauthorizeEvery"},
		{"an unknown context variable as identity", authorizer(sam.Authorizer{Type: "REQUEST", Context: []string{"moon"}}), "context.moon"},
		{"an unknown stage variable as identity", authorizer(sam.Authorizer{Type: "REQUEST", StageVariables: []string{"v"}}), "no such variable"},
		{"an unknown response type", answer("TEAPOT", sam.GatewayResponse{}), "no such response type"},
		{"a status that is none", answer("UNAUTHORIZED", sam.GatewayResponse{StatusCode: 99}), "99"},
		{"an unknown variable", template("$context.moon"), "$context.moon"},
		{"a variable of mapping templates", template("$input.json('$')"), "$input.json"},
		{"a variable in braces", template("${context.requestId}"), "${context"},
		{"an unknown stage variable", template("$stageVariables.v"), "no such variable"},
		{"an unknown place of the request", template("$method.request.body.x"), "$method.request.body.x"},
		{"a header without quotes", header("no-store"), "single quotes"},
		{"a header from an unknown variable", header("context.moon"), "context.moon"},
		{"a setting for no path", setting("/v1/none", "GET"), "no such method"},
		{"a setting for no method", setting("/v1/health", "POST"), "no such method"},
		{"a setting twice", func(c *Config) { setting("/*", "*")(c); setting("/*", "*")(c) }, "twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Config{API: videos(), Invoker: newLambda()}
			tc.change(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestAccessLogHasNoSecrets(t *testing.T) {
	var access, log bytes.Buffer
	l := newLambda()
	l.functions["Video"] = fails("password=hunter2")
	g := newGateway(t, videos(), l, newClock(), func(c *Config) {
		c.AccessLog = slog.New(slog.NewJSONHandler(&access, nil))
		c.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	})
	do(t, g, "POST /v1/videos?secret=hunter2\nAuthorization: Bearer hunter2\nCookie: hunter2\n\n{\"password\":\"hunter2\"}")
	do(t, g, "GET /v1/nothing?secret=hunter2\nAuthorization: Bearer hunter2")

	if strings.Contains(access.String()+log.String(), "hunter2") {
		t.Errorf("a secret is in the logs:\n%s%s", access.String(), log.String())
	}
	var lines []map[string]any
	decoder := json.NewDecoder(&access)
	for decoder.More() {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
		delete(line, "time")
		lines = append(lines, line)
	}
	want := []map[string]any{
		{
			"level": "INFO", "msg": "request", "request_id": "request-1", "method": "POST", "status": 502.0, "latency_ms": 0.0,
			"response_bytes": 35.0, "source_ip": "203.0.113.7", "resource": "/v1/videos", "function": "Video",
			"principal": "user-1", "error": "INTEGRATION_FAILURE",
		},
		{
			"level": "INFO", "msg": "request", "request_id": "request-2", "method": "GET", "status": 403.0, "latency_ms": 0.0,
			"response_bytes": 42.0, "source_ip": "203.0.113.7", "path": "/v1/nothing", "error": "MISSING_AUTHENTICATION_TOKEN",
		},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("access log (-want +got):\n%s", diff)
	}
	if !strings.Contains(log.String(), `"request_id":"request-1"`) {
		t.Errorf("the failure is not in the log: %s", log.String())
	}
}

func TestParallelRequests(t *testing.T) {
	l := newLambda()
	g := newGateway(t, videos(), l, newClock())
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			resp := do(t, g, fmt.Sprintf("GET /v1/videos/%d\nAuthorization: Bearer token-%d", i, i%4))
			if resp.StatusCode != http.StatusOK {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
	wg.Wait()
}

func BenchmarkRequest(b *testing.B) {
	l := invokerFunc(func(_ context.Context, function string, _ []byte) ([]byte, string, error) {
		if function == "Authorizer" {
			return []byte(allowAll), "", nil
		}
		return []byte(`{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{}"}`), "", nil
	})
	for _, bc := range []struct{ name, path string }{
		{"open", "/v1/health"},
		{"authorized from the cache", "/v1/videos/01JNXW4F2M"},
	} {
		b.Run(bc.name, func(b *testing.B) {
			api := videos()
			g, err := New(Config{API: api, Invoker: l, Region: "us-east-1", AccountID: "000000000000"})
			if err != nil {
				b.Fatal(err)
			}
			g.account.SetLimit(1e12)
			r := httptest.NewRequest(http.MethodGet, bc.path, http.NoBody)
			r.Header.Set("Authorization", "Bearer abcdefghijklmnopqrstuvwxyz0123456789")
			r.Header.Set("User-Agent", "benchmark")
			r.Header.Set("Accept", "application/json")
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				g.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatalf("status %d: %s", w.Code, w.Body)
				}
			}
		})
	}
}

// invokerFunc is a function as an Invoker.
type invokerFunc func(ctx context.Context, function string, payload []byte) ([]byte, string, error)

func (f invokerFunc) Invoke(ctx context.Context, function string, payload []byte) ([]byte, string, error) {
	return f(ctx, function, payload)
}
