package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/sam"
)

const (
	unauthorized  = `{"message":"Unauthorized"}`
	denied        = `{"Message":"User is not authorized to access this resource"}`
	configuration = "AuthorizerConfigurationException"
)

func TestTokenAuthorizer(t *testing.T) {
	both := []string{"Authorizer", "Status"}
	asked := []string{"Authorizer"}
	statement := func(effect, resource string) string {
		return `{"Action":"execute-api:Invoke","Effect":"` + effect + `","Resource":"` + resource + `"}`
	}
	policyOf := func(statements ...string) function {
		return answers(`{"principalId":"u","policyDocument":{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}}`)
	}
	const arn = "arn:aws:execute-api:us-east-1:000000000000:Api/local/"
	const request = "GET /v1/videos/7/\nAuthorization: Bearer abc"
	for _, tc := range []struct {
		authorizer function
		want       exchangeCase
	}{
		{answers(allowAll), exchangeCase{name: "allowed", request: request, status: 200, body: "status", called: both}},
		{
			answers(allowAll),
			exchangeCase{
				name: "no token", request: "GET /v1/videos", status: 401, body: unauthorized, called: []string{},
				header: map[string]string{"X-Amzn-Errortype": "UnauthorizedException", "Content-Type": "application/json"},
			},
		},
		{answers(allowAll), exchangeCase{name: "an empty token", request: "GET /v1/videos\nAuthorization:", status: 401, body: unauthorized, called: []string{}}},
		{answers(allowAll), exchangeCase{name: "a token that does not look like one", request: "GET /v1/videos\nAuthorization: Basic abc", status: 401, body: unauthorized, called: []string{}}},
		{answers(allowAll), exchangeCase{name: "a token with more behind it", request: "GET /v1/videos\nAuthorization: Bearer abc def", status: 401, body: unauthorized, called: []string{}}},
		{fails("Unauthorized"), exchangeCase{name: "the function says Unauthorized", request: request, status: 401, body: unauthorized, called: asked}},
		{
			fails("unauthorized"),
			exchangeCase{
				name: "the function says something else", request: request, status: 500, body: `{"message":null}`, called: asked,
				header: map[string]string{"X-Amzn-Errortype": configuration},
			},
		},
		{
			func(context.Context, []byte) ([]byte, string, error) { return []byte("gone"), "Unhandled", nil },
			exchangeCase{name: "the function fails without JSON", request: request, status: 500, body: `{"message":null}`, called: asked},
		},
		{
			func(context.Context, []byte) ([]byte, string, error) { return nil, "", errors.New("throttled") },
			exchangeCase{name: "the function cannot run", request: request, status: 500, body: `{"message":null}`, called: asked},
		},
		{policyOf(statement("Allow", arn+"GET/v1/videos/7")), exchangeCase{name: "just this path", request: request, status: 200, body: "status", called: both}},
		{policyOf(statement("Allow", arn+"GET/v1/videos/*")), exchangeCase{name: "this path and others", request: request, status: 200, body: "status", called: both}},
		{policyOf(statement("Allow", arn+"GET/v1/videos/?")), exchangeCase{name: "any one character", request: request, status: 200, body: "status", called: both}},
		{policyOf(statement("Allow", "*")), exchangeCase{name: "anything", request: request, status: 200, body: "status", called: both}},
		{
			policyOf(statement("Allow", arn+"GET/v1/videos/{id}")),
			exchangeCase{
				name: "the resource is not the path", request: request, status: 403, body: denied, called: asked,
				header: map[string]string{"X-Amzn-Errortype": "AccessDeniedException"},
			},
		},
		{policyOf(statement("Allow", arn+"POST/*")), exchangeCase{name: "another method", request: request, status: 403, body: denied, called: asked}},
		{policyOf(`{"Action":"s3:*","Effect":"Allow","Resource":"*"}`), exchangeCase{name: "another action", request: request, status: 403, body: denied, called: asked}},
		{policyOf(`{"Action":["s3:*","EXECUTE-API:*"],"Effect":"Allow","Resource":["a","*"]}`), exchangeCase{name: "actions have no case", request: request, status: 200, body: "status", called: both}},
		{
			policyOf(statement("Deny", arn+"GET/*"), statement("Allow", "*")),
			exchangeCase{name: "a Deny wins", request: request, status: 403, called: asked, body: `{"Message":"User is not authorized to access this resource with an explicit deny"}`},
		},
		{policyOf(statement("Deny", arn+"POST/*"), statement("Allow", "*")), exchangeCase{name: "a Deny of something else", request: request, status: 200, body: "status", called: both}},
		{
			answers(`{"principalId":"u","policyDocument":{"Statement":` + statement("Allow", "*") + `}}`),
			exchangeCase{name: "one statement without a list", request: request, status: 200, body: "status", called: both},
		},
		{answers(`null`), misconfigured("null")},
		{answers(`"Allow"`), misconfigured("a string")},
		{answers(`{"principalId":"u"}`), misconfigured("no policy")},
		{answers(`{"principalId":"u","policyDocument":null}`), misconfigured("a null policy")},
		{answers(`{"principalId":"u","policyDocument":{}}`), misconfigured("no statement")},
		{policyOf(`{"Effect":"Allow","Resource":"*"}`), misconfigured("no action")},
		{policyOf(`{"Action":"*","Effect":"Allow"}`), misconfigured("no resource")},
		{policyOf(statement("Maybe", "*")), misconfigured("no effect")},
		{policyOf(`{"Action":"*","Effect":"Allow","Resource":"*","Condition":{}}`), misconfigured("a condition")},
		{policyOf(statement("Allow", strings.Repeat("*", 513))), misconfigured("a resource that is too long")},
		{answers(strings.Replace(allowAll, `"principalId":"user-1",`, "", 1)), misconfigured("no principal")},
		{answers(strings.Replace(allowAll, `"level":3`, `"level":[3]`, 1)), misconfigured("a list in the context")},
		{answers(strings.Replace(allowAll, `"level":3`, `"level":null`, 1)), misconfigured("null in the context")},
		{
			answers(allowAll),
			exchangeCase{
				name: "an ARN that is too long", request: "GET /v1/videos/" + strings.Repeat("x", maxMethodARN) + "\nAuthorization: Bearer abc",
				status: 414, body: `{"message":"Request URI too long"}`, called: []string{},
			},
		},
	} {
		runExchanges(t, videos(), map[string]function{"Authorizer": tc.authorizer}, []exchangeCase{tc.want})
	}
}

// misconfigured is the case of an authorizer with an answer that is none.
func misconfigured(name string) exchangeCase {
	return exchangeCase{
		name: "an answer that is none: " + name, request: "GET /v1/videos/7\nAuthorization: Bearer abc", status: 500,
		body: `{"message":null}`, called: []string{"Authorizer"}, header: map[string]string{"X-Amzn-Errortype": configuration},
	}
}

func TestTokenEvent(t *testing.T) {
	l := newLambda()
	do(t, newGateway(t, videos(), l, newClock()), "GET /v1/videos/7?x=y\nAuthorization: Bearer abc")
	want := map[string]any{
		"type": "TOKEN", "authorizationToken": "Bearer abc",
		"methodArn": "arn:aws:execute-api:us-east-1:000000000000:Api/local/GET/v1/videos/7",
	}
	if diff := cmp.Diff(want, l.event(t, "Authorizer")); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// The answer that aws-lambda-go writes is one that is understood.
func TestAnswerOfLambdaGo(t *testing.T) {
	answer, err := json.Marshal(events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: "u",
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
			Version:   "2012-10-17",
			Statement: []events.IAMPolicyStatement{{Action: []string{"execute-api:Invoke"}, Effect: "Allow", Resource: []string{"*"}}},
		},
		Context: map[string]any{"n": 1.5, "b": true, "s": ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := newLambda()
	l.functions["Authorizer"] = answers(string(answer))
	resp := do(t, newGateway(t, videos(), l, newClock()), "GET /v1/videos\nAuthorization: Bearer abc")
	if resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	got := l.event(t, "Status")["requestContext"].(map[string]any)["authorizer"]
	want := map[string]any{"principalId": "u", "n": "1.5", "b": "true", "s": "", "integrationLatency": 0.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("authorizer (-want +got):\n%s", diff)
	}
}

func TestAuthorizerCache(t *testing.T) {
	l, c := newLambda(), newClock()
	l.functions["Authorizer"] = func(context.Context, []byte) ([]byte, string, error) {
		c.advance(250 * time.Millisecond)
		return []byte(allowAll), "", nil
	}
	g := newGateway(t, videos(), l, c)
	asked := func() int { return strings.Count(fmt.Sprint(l.called()), "Authorizer") }
	step := func(what, request string, wantAsked int, wantLatency float64) {
		t.Helper()
		if resp := do(t, g, request); resp.StatusCode >= 300 {
			t.Fatalf("%s: status %d", what, resp.StatusCode)
		}
		if got := asked(); got != wantAsked {
			t.Fatalf("%s: the authorizer was asked %d times, want %d", what, got, wantAsked)
		}
		name := l.called()[len(l.called())-1]
		got := l.event(t, name)["requestContext"].(map[string]any)["authorizer"].(map[string]any)["integrationLatency"]
		if got != wantLatency {
			t.Errorf("%s: latency %v, want %v", what, got, wantLatency)
		}
	}
	step("first", "GET /v1/videos\nAuthorization: Bearer abc", 1, 250)
	step("the same token", "GET /v1/videos\nAuthorization: Bearer abc", 1, 0)
	step("the same token on another route", "POST /v1/videos\nAuthorization: Bearer abc", 1, 0)
	step("another token", "GET /v1/videos\nAuthorization: Bearer abd", 2, 250)
	c.advance(30*time.Second - 2*250*time.Millisecond - 1)
	step("within the time to live, which began with the question", "GET /v1/videos\nAuthorization: Bearer abc", 2, 0)
	c.advance(1)
	step("after it", "GET /v1/videos\nAuthorization: Bearer abc", 3, 250)
}

// The whole token must fit the expression, whether or not it says so.
func TestValidationExpressionIsOfTheWholeToken(t *testing.T) {
	api := videos()
	configured := api.Authorizers["AccessToken"]
	configured.ValidationExpression = "key-[0-9]|a"
	api.Authorizers["AccessToken"] = configured
	for token, want := range map[string]int{"key-1": 200, "a": 200, "key-12": 401, "xkey-1": 401, "ab": 401} {
		resp := do(t, newGateway(t, api, newLambda(), newClock()), "GET /v1/videos\nAuthorization: "+token)
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", token, resp.StatusCode, want)
		}
	}
}

// A cached policy is for all methods: one that names only the first request's
// ARN locks the next one out, as in AWS.
func TestCachedPolicyIsForAllMethods(t *testing.T) {
	l := newLambda()
	l.functions["Authorizer"] = func(_ context.Context, payload []byte) ([]byte, string, error) {
		var event tokenEvent
		if err := json.Unmarshal(payload, &event); err != nil {
			return nil, "", err
		}
		return []byte(strings.Replace(allowAll, "arn:aws:execute-api:us-east-1:000000000000:Api/local/*", event.MethodARN, 1)), "", nil
	}
	g := newGateway(t, videos(), l, newClock())
	for _, step := range []struct {
		request string
		status  int
	}{
		{"GET /v1/videos\nAuthorization: Bearer abc", 200},
		{"GET /v1/videos/7\nAuthorization: Bearer abc", 403},
		{"GET /v1/videos/7\nAuthorization: Bearer other", 200},
	} {
		if resp := do(t, g, step.request); resp.StatusCode != step.status {
			t.Errorf("%s: status %d, want %d", step.request, resp.StatusCode, step.status)
		}
	}
}

func TestWhatIsNotCached(t *testing.T) {
	for name, tc := range map[string]struct {
		ttl   time.Duration
		first function
	}{
		"a result without time to live": {0, answers(allowAll)},
		"Unauthorized":                  {time.Minute, fails("Unauthorized")},
		"a failure":                     {time.Minute, fails("boom")},
		"an answer that is none":        {time.Minute, answers(`{}`)},
	} {
		t.Run(name, func(t *testing.T) {
			api, l := videos(), newLambda()
			configured := api.Authorizers["AccessToken"]
			configured.TTL = tc.ttl
			api.Authorizers["AccessToken"] = configured
			g := newGateway(t, api, l, newClock())
			l.functions["Authorizer"] = tc.first
			do(t, g, "GET /v1/videos\nAuthorization: Bearer abc")
			res, _ := g.routes.find("/v1/videos")
			if kept := res.methods["GET"].authorizer.cache.Len(); kept != 0 {
				t.Errorf("%d results are kept", kept)
			}
			l.functions["Authorizer"] = answers(allowAll)
			if resp := do(t, g, "GET /v1/videos\nAuthorization: Bearer abc"); resp.StatusCode != 200 {
				t.Errorf("status %d", resp.StatusCode)
			}
			if got := strings.Count(fmt.Sprint(l.called()), "Authorizer"); got != 2 {
				t.Errorf("the authorizer was asked %d times, want 2", got)
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	l := newLambda()
	g := newGateway(t, videos(), l, newClock())
	res, _ := g.routes.find("/v1/videos")
	cache := res.methods["GET"].authorizer.cache
	for i := range authorizerCacheSize + 10 {
		cache.Add(hashIdentity([]string{fmt.Sprint(i)}), &verdict{})
	}
	if got := cache.Len(); got != authorizerCacheSize {
		t.Errorf("%d results are kept, want %d", got, authorizerCacheSize)
	}
}

// requestAPI has a REQUEST authorizer with every kind of identity source.
func requestAPI(ttl time.Duration) sam.API {
	api := videos()
	api.Authorizers["AccessToken"] = sam.Authorizer{
		Name: "AccessToken", Function: "Authorizer", Type: "REQUEST", TTL: ttl, Headers: []string{"x-key"},
		QueryStrings: []string{"k"}, Context: []string{"identity.sourceIp", "httpMethod"}, StageVariables: []string{"colour"},
	}
	return api
}

func TestRequestAuthorizer(t *testing.T) {
	withColour := func(c *Config) { c.StageVariables = map[string]string{"colour": "blue"} }
	for _, tc := range []struct {
		name    string
		ttl     time.Duration
		request string
		status  int
		called  int
	}{
		{"all there", time.Minute, "GET /v1/videos?k=a\nX-Key: b", 200, 2},
		{"no header", time.Minute, "GET /v1/videos?k=a", 401, 0},
		{"an empty header", time.Minute, "GET /v1/videos?k=a\nX-Key:", 401, 0},
		{"no query", time.Minute, "GET /v1/videos\nX-Key: b", 401, 0},
		{"missing without a cache", 0, "GET /v1/videos", 401, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLambda()
			resp := do(t, newGateway(t, requestAPI(tc.ttl), l, newClock(), withColour), tc.request)
			if resp.StatusCode != tc.status || len(l.called()) != tc.called {
				t.Errorf("status %d, %d calls; want %d, %d", resp.StatusCode, len(l.called()), tc.status, tc.called)
			}
		})
	}

	t.Run("the cache's key is of all sources", func(t *testing.T) {
		l := newLambda()
		g := newGateway(t, requestAPI(time.Minute), l, newClock(), withColour)
		for _, request := range []string{
			"GET /v1/videos?k=a\nX-Key: bc", "GET /v1/videos?k=a\nX-Key: bc", "GET /v1/videos?k=ca\nX-Key: b", "POST /v1/videos?k=a\nX-Key: bc",
		} {
			do(t, g, request)
		}
		if got := strings.Count(fmt.Sprint(l.called()), "Authorizer"); got != 3 {
			t.Errorf("the authorizer was asked %d times, want 3", got)
		}
	})
}

func TestRequestEvent(t *testing.T) {
	api := videos()
	api.Authorizers["AccessToken"] = sam.Authorizer{Name: "AccessToken", Function: "Authorizer", Type: "REQUEST"}
	l := newLambda()
	do(t, newGateway(t, api, l, newClock()), "POST /v1/videos\nX-Key: b\n\nsecret body")
	event := l.event(t, "Authorizer")
	for name, want := range map[string]any{
		"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:000000000000:Api/local/POST/v1/videos",
		"resource": "/v1/videos", "path": "/v1/videos", "httpMethod": "POST", "queryStringParameters": map[string]any{},
		"multiValueQueryStringParameters": map[string]any{}, "pathParameters": map[string]any{}, "stageVariables": map[string]any{},
	} {
		if diff := cmp.Diff(want, event[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, there := event["body"]; there {
		t.Error("an authorizer gets no body")
	}
	data, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var typed events.APIGatewayCustomAuthorizerRequestTypeRequest
	if err := json.Unmarshal(data, &typed); err != nil {
		t.Fatal(err)
	}
	if typed.Headers["X-Key"] != "b" || typed.RequestContext.Identity.SourceIP != "203.0.113.7" || typed.RequestContext.APIID != "Api" {
		t.Errorf("by way of aws-lambda-go: %+v", typed)
	}
}

func TestGlob(t *testing.T) {
	same := func(a, b string) bool { return a == b }
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "a/b:c", true}, {"a*", "a", true}, {"a*c", "abbc", true},
		{"a*c", "abcb", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*a*b*", "xxaxxbxx", true}, {"*a*b*", "xxbxxa", false},
		{"**", "x", true}, {"a", "A", false}, {"*ab", "aab", true}, {"a**", "ab", true}, {"?", "", false},
	} {
		if got := glob(tc.pattern, tc.text, same); got != tc.want {
			t.Errorf("glob(%q, %q) is %v", tc.pattern, tc.text, got)
		}
	}
	// Would take ages if it went back to every star.
	if glob(strings.Repeat("a*", 250)+"b", strings.Repeat("a", 1600), same) {
		t.Error("there is no b")
	}
}
