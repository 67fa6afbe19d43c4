package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

type input struct {
	Body struct {
		Name     string `json:"name" minLength:"2"`
		Password string `json:"password,omitempty" maxLength:"3"`
		More     struct {
			Kind string `json:"kind,omitempty" enum:"a,b"`
			Size int64  `json:"size,omitempty" minimum:"1"`
		} `json:"more,omitzero"`
	}
}

type output struct {
	Body struct {
		Name string `json:"name"`
		User string `json:"user"`
		Kind string `json:"kind,omitempty"`
		Size int64  `json:"size,omitempty"`
	}
}

// newAPI has routes that do what their names say.
func newAPI(t *testing.T) (*httpapi.API, *bytes.Buffer) {
	t.Helper()
	var measured bytes.Buffer
	api := httpapi.New(httpapi.Config{
		Origin: "https://app.example", Now: time.Now, NewID: func() string { return "made-id" },
		Metrics: metrics.New(&measured, "Test", time.Now),
	})
	echo := func(ctx context.Context, in *input) (*output, error) {
		var out output
		caller, _ := httpapi.CallerFrom(ctx)
		out.Body.Name, out.Body.User = in.Body.Name, caller.UserID
		out.Body.Kind, out.Body.Size = in.Body.More.Kind, in.Body.More.Size
		return &out, nil
	}
	huma.Register(api, huma.Operation{OperationID: "open", Method: http.MethodPost, Path: "/v1/open"}, echo)
	huma.Register(api, huma.Operation{OperationID: "closed", Method: http.MethodPost, Path: "/v1/closed", Security: httpapi.Login(httpapi.VideosRead)}, echo)
	fail := func(id string, err func() error) {
		huma.Register(api, huma.Operation{OperationID: id, Method: http.MethodGet, Path: "/v1/" + id},
			func(context.Context, *struct{}) (*struct{}, error) { return nil, err() })
	}
	fail("known", func() error { return problem.New(problem.NotFound) })
	fail("member", func() error { return problem.In(problem.InvalidExtraction, "body.fps", "must be positive") })
	fail("later", func() error {
		return &problem.Error{Code: problem.QuotaExceeded, RetryAfter: 1500 * time.Millisecond}
	})
	fail("broken", func() error { return errors.New("password is hunter2") })
	fail("panics", func() error { panic("out of paper") })
	return api, &measured
}

type answer struct {
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
}

func TestExchanges(t *testing.T) {
	api, _ := newAPI(t)
	handler := api.Handler()
	for _, c := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
		want                     string // in the body
		wantHeader               map[string]string
	}{
		{name: "an answer", method: "POST", path: "/v1/open", body: `{"name":"ana"}`, status: 200, want: `"name":"ana"`,
			wantHeader: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Request-Id": "made-id", "X-Content-Type-Options": "nosniff"}},
		{name: "no login where one is needed", method: "POST", path: "/v1/closed", body: `{"name":"ana"}`, status: 401, want: `"code":"unauthorized"`},
		{name: "a member that is wrong", method: "POST", path: "/v1/open", body: `{"name":"x"}`, status: 422, want: `"location":"body.name"`},
		{name: "a member that is unknown", method: "POST", path: "/v1/open", body: `{"name":"ana","nme":1}`, status: 422, want: `"location":"body.nme"`},
		{name: "a member in other letters", method: "POST", path: "/v1/open", body: `{"name":"ana","Name":"x"}`, status: 422, want: `"location":"body.Name"`},
		{name: "only in other letters", method: "POST", path: "/v1/open", body: `{"NAME":"ana"}`, status: 422, want: `"location":"body"`},
		{name: "a member of a member in other letters", method: "POST", path: "/v1/open", body: `{"name":"ana","more":{"size":1,"SIZE":-1}}`, status: 422, want: `"location":"body.more.SIZE"`},
		{name: "a member twice", method: "POST", path: "/v1/open", body: `{"name":"ana","more":{"kind":"z"},"more":{"size":3}}`, status: 200, want: `{"name":"ana","user":"","size":3}`},
		{name: "a large integer", method: "POST", path: "/v1/open", body: `{"name":"ana","more":{"size":9007199254740993}}`, status: 200, want: `"size":9007199254740993`},
		{name: "what is not JSON", method: "POST", path: "/v1/open", body: `{`, status: 400, want: `"code":"bad_request"`},
		{name: "no body", method: "POST", path: "/v1/open", status: 400, want: `"code":"bad_request"`},
		{name: "another media type", method: "POST", path: "/v1/open", body: `a`, header: map[string]string{"Content-Type": "text/plain"}, status: 415, want: `"code":"not_json"`},
		{name: "a body that is too large", method: "POST", path: "/v1/open", body: `{"name":"` + strings.Repeat("a", 2<<20) + `"}`, status: 413, want: `"code":"request_too_large"`},
		{name: "an unknown path", method: "GET", path: "/v1/nowhere", status: 404, want: `"code":"route_not_found"`},
		{name: "another method", method: "DELETE", path: "/v1/open", status: 404, want: `"code":"route_not_found"`},
		{name: "a problem", method: "GET", path: "/v1/known", status: 404, want: `"code":"not_found"`,
			wantHeader: map[string]string{"Content-Type": "application/problem+json"}},
		{name: "a path with a dot for a name", method: "GET", path: "/v1/known/.", status: 404, want: `"code":"route_not_found"`,
			wantHeader: map[string]string{"Location": ""}},
		{name: "a path that leads out", method: "POST", path: "/v1/known/..", status: 404, want: `"code":"route_not_found"`},
		{name: "in Portuguese", method: "GET", path: "/v1/known", header: map[string]string{"Accept-Language": "pt-BR"}, status: 404, want: `Não encontrado`},
		{name: "about a member", method: "GET", path: "/v1/member", status: 422, want: `"errors":[{"message":"must be positive","location":"body.fps"}]`},
		{name: "to be tried later", method: "GET", path: "/v1/later", status: 429, want: `"code":"quota_exceeded"`, wantHeader: map[string]string{"Retry-After": "2"}},
		{name: "our own origin", method: "GET", path: "/v1/known", header: map[string]string{"Origin": "https://app.example"}, status: 404, want: "",
			wantHeader: map[string]string{"Access-Control-Allow-Origin": "https://app.example"}},
		{name: "another origin", method: "GET", path: "/v1/known", header: map[string]string{"Origin": "https://evil.example"}, status: 404, want: "",
			wantHeader: map[string]string{"Access-Control-Allow-Origin": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			if c.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s\nwant %d with %s", w.Code, w.Body, c.status, c.want)
			}
			for name, want := range c.wantHeader {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestWhatIsOurFaultIsLoggedAndNotTold(t *testing.T) {
	var logged bytes.Buffer
	before := slog.Default()
	slog.SetDefault(logging.New(&logged, slog.LevelInfo))
	t.Cleanup(func() { slog.SetDefault(before) })
	api, measured := newAPI(t)

	for path, cause := range map[string]string{"/v1/broken": "hunter2", "/v1/panics": "out of paper"} {
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		var got answer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w.Code != 500 || got.Code != "internal" || got.RequestID != "made-id" {
			t.Errorf("%s: %d %+v", path, w.Code, got)
		}
		if strings.Contains(w.Body.String(), cause) {
			t.Errorf("%s tells its cause: %s", path, w.Body)
		}
		if !strings.Contains(logged.String(), cause) {
			t.Errorf("%s: the cause was not logged:\n%s", path, &logged)
		}
	}
	if !strings.Contains(measured.String(), `"Code":"internal"`) {
		t.Errorf("the problem was not counted:\n%s", measured)
	}
}

func TestRequestsAreMeasuredByRouteAndStatus(t *testing.T) {
	api, measured := newAPI(t)
	for _, c := range []struct{ method, path, route, status string }{
		{"GET", "/v1/known", "GET /v1/known", "4xx"},
		{"GET", "/v1/broken", "GET /v1/broken", "5xx"},
		{"GET", "/v1/somebody@example.com", "unmatched", "4xx"},
		{"SOMEBODY", "/v1/known", "unmatched", "4xx"},
	} {
		measured.Reset()
		api.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(c.method, c.path, nil))
		if got := measured.String(); !strings.Contains(got, `"Route":"`+c.route+`","Status":"`+c.status+`"`) || strings.Contains(strings.ToLower(got), "somebody") {
			t.Errorf("%s %s: %s", c.method, c.path, got)
		}
	}
}

func TestARefusedPasswordIsNotEchoed(t *testing.T) {
	api, _ := newAPI(t)
	r := httptest.NewRequest(http.MethodPost, "/v1/open", strings.NewReader(`{"name":"ana","password":"hunter2"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	api.Handler().ServeHTTP(w, r)
	if w.Code != 422 || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestALambdaEventIsAnsweredLikeARequest(t *testing.T) {
	api, _ := newAPI(t)
	got, err := api.Lambda()(t.Context(), events.APIGatewayProxyRequest{
		HTTPMethod: "POST", Path: "/v1/closed", Body: `{"name":"ana"}`,
		MultiValueHeaders: map[string][]string{"Content-Type": {"application/json"}},
		RequestContext: events.APIGatewayProxyRequestContext{
			RequestID: "gateway-id", Authorizer: map[string]any{httpapi.ClaimUser: "u1", httpapi.ClaimSession: "s1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.StatusCode != 200 || strings.TrimSpace(got.Body) != `{"name":"ana","user":"u1"}` {
		t.Errorf("%d %s", got.StatusCode, got.Body)
	}
	if diff := cmp.Diff([]string{"gateway-id"}, got.MultiValueHeaders["X-Request-Id"]); diff != "" {
		t.Errorf("request id (-want +got):\n%s", diff)
	}
}

func TestAPathThatNetHTTPCannotTakeIsABadRequest(t *testing.T) {
	api, _ := newAPI(t)
	got, err := api.Lambda()(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: "GET", Path: "/v1/%zz"})
	if err != nil || got.StatusCode != 400 || !strings.Contains(got.Body, `"code":"bad_request"`) {
		t.Errorf("%+v, %v", got, err)
	}
}
