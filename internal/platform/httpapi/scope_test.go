package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
)

func nothing(context.Context, *struct{}) (*struct{}, error) { return new(struct{}), nil }

func register(api *httpapi.API, id string, security []map[string][]string) {
	huma.Register(api, huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: "/v1/" + id, Security: security, Errors: []int{http.StatusUnauthorized},
	}, nothing)
}

func TestWhoMayUseARoute(t *testing.T) {
	api, _ := newAPI(t)
	register(api, "anybody", nil)
	register(api, "readers", httpapi.Login(httpapi.VideosRead))
	register(api, "people", httpapi.Session())

	session := map[string]any{"user_id": "u1", "session_id": "s1"}
	key := func(scopes string) map[string]any {
		return map[string]any{"user_id": "u1", "key_id": "k1", "scopes": scopes}
	}
	for _, c := range []struct {
		name    string
		claims  map[string]any
		route   string
		status  int
		problem string
	}{
		{"nobody, where anybody may", nil, "anybody", 204, ""},
		{"nobody", nil, "readers", 401, `"code":"unauthorized"`},
		{"nobody, where a session may", nil, "people", 401, `"code":"unauthorized"`},
		{"a session", session, "readers", 204, ""},
		{"a session, where it alone may", session, "people", 204, ""},
		{"a key with the scope", key("account:read videos:read"), "readers", 204, ""},
		{"a key without", key("videos:write account:read"), "readers", 403, `must have the scope videos:read`},
		{"a key whose scope begins so", key("videos:readers"), "readers", 403, `"code":"insufficient_scope"`},
		{"a key without any", key(""), "readers", 403, `"code":"insufficient_scope"`},
		{"a key, where a session may", key(httpapi.JoinScopes(httpapi.Scopes())), "people", 403, `"code":"insufficient_scope"`},
		{"neither session nor key", map[string]any{"user_id": "u1"}, "readers", 403, `"code":"insufficient_scope"`},
		{"a session of nobody", map[string]any{"session_id": "s1"}, "readers", 401, `"code":"unauthorized"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := api.Lambda()(t.Context(), events.APIGatewayProxyRequest{
				HTTPMethod: "GET", Path: "/v1/" + c.route,
				RequestContext: events.APIGatewayProxyRequestContext{Authorizer: c.claims},
			})
			if err != nil || got.StatusCode != c.status || !strings.Contains(got.Body, c.problem) {
				t.Errorf("%d %s, %v; want %d with %s", got.StatusCode, got.Body, err, c.status, c.problem)
			}
		})
	}
}

func TestARouteThatNeedsALoginSaysWhichScope(t *testing.T) {
	for i, security := range [][]map[string][]string{
		{{"access_token": {}}, {"api_key": {}}},
		{{"access_token": {}}, {"api_key": {"videos:all"}}},
		{{"access_token": {}}, {"api_key": {"videos:read", "videos:write"}}},
		{{"access_token": {}}, {}},
		{{"access_token": {"videos:read"}}},
		{{"api_key": {"videos:read"}}},
		{{}},
		{{}, {"access_token": {}}},
		{{"something": {}}},
	} {
		for _, hidden := range []bool{false, true} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("a route with the security %v is registered", security)
					}
				}()
				api, _ := newAPI(t)
				huma.Register(api, huma.Operation{
					OperationID: fmt.Sprint("r", i), Method: http.MethodGet, Path: "/v1/r", Security: security, Hidden: hidden,
				}, nothing)
			}()
		}
	}
}

func TestTheContractSaysWhoMayUseARoute(t *testing.T) {
	api, _ := newAPI(t)
	register(api, "readers", httpapi.Login(httpapi.VideosRead))
	register(api, "people", httpapi.Session())
	for route, want := range map[string][]map[string][]string{
		"/v1/readers": {{"access_token": {}}, {"api_key": {"videos:read"}}},
		"/v1/people":  {{"access_token": {}}},
	} {
		op := api.OpenAPI().Paths[route].Get
		if diff := cmp.Diff(want, op.Security); diff != "" {
			t.Errorf("%s (-want +got):\n%s", route, diff)
		}
		if op.Responses["403"] == nil {
			t.Errorf("%s: that it may be refused is not documented", route)
		}
	}
}

func TestAnAuthorizersContextIsReadAsItWasWritten(t *testing.T) {
	for name, caller := range map[string]httpapi.Caller{
		"a session":             {UserID: "u1", SessionID: "s1"},
		"a key":                 {UserID: "u1", KeyID: "k1", Scopes: []httpapi.Scope{httpapi.VideosRead, httpapi.AccountRead}},
		"a key that may do nil": {UserID: "u1", KeyID: "k1"},
		"nobody":                {},
	} {
		if diff := cmp.Diff(caller, httpapi.CallerOf(caller.Claims())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatComesFromTheAppsOwnPage(t *testing.T) {
	api, _ := newAPI(t)
	var own bool
	huma.Register(api, huma.Operation{OperationID: "whence", Method: http.MethodPost, Path: "/v1/whence"},
		func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			own = httpapi.FromOwnPage(ctx)
			return nothing(ctx, nil)
		})
	const page = "https://app.example"
	for _, c := range []struct {
		name    string
		origins []string
		site    string
		want    bool
	}{
		{"our page", []string{page}, "", true},
		{"our page, as it says twice", []string{page}, "same-origin", true},
		{"our page, and the API on a sibling host", []string{page}, "same-site", true},
		{"no origin", nil, "", false},
		{"no origin, but the site", nil, "same-origin", false},
		{"a page without origin", []string{"null"}, "", false},
		{"another site", []string{"https://evil.example"}, "cross-site", false},
		{"another site that claims ours", []string{page}, "cross-site", false},
		{"a bookmark", []string{page}, "none", false},
		{"a sibling host", []string{"https://blog.app.example"}, "same-site", false},
		{"a host that begins so", []string{"https://app.example.evil.example"}, "", false},
		{"another port", []string{"https://app.example:8443"}, "", false},
		{"another scheme", []string{"http://app.example"}, "", false},
		{"other letters", []string{"https://APP.example"}, "", false},
		{"two origins", []string{page, "https://evil.example"}, "", false},
		{"a list", []string{page + " https://evil.example"}, "", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/whence", nil)
		r.Header["Origin"] = c.origins
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		own = !c.want
		api.Handler().ServeHTTP(httptest.NewRecorder(), r)
		if own != c.want {
			t.Errorf("%s: taken for our own: %v", c.name, own)
		}
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	api, _ := newAPI(t)
	for _, path := range []string{"/v1/open", "/v1/closed", "/v1/known", "/v1/panics", "/v1/nowhere"} {
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		for name, want := range httpapi.SecurityHeaders() {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if got := w.Header().Get("Access-Control-Allow-Credentials"); got != "" {
			t.Errorf("%s: other origins may use cookies: %q", path, got)
		}
	}
}
