package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// problems is how template.yaml has gateway responses: problem details.
func problems() sam.API {
	headers := map[string]string{
		"Access-Control-Allow-Origin": "'http://127.0.0.1:8080'", "Content-Type": "'application/problem+json'", "Cache-Control": "'no-store'",
	}
	body := func(text string) map[string]string { return map[string]string{"application/json": text} }
	api := videos()
	api.GatewayResponses = map[string]sam.GatewayResponse{
		"UNAUTHORIZED":                 {StatusCode: 401, Headers: headers, Templates: body(`{"code":"unauthorized","request_id":"$context.requestId"}`)},
		"MISSING_AUTHENTICATION_TOKEN": {StatusCode: 404, Headers: headers, Templates: body(`{"code":"route_not_found"}`)},
		"REQUEST_TOO_LARGE":            {StatusCode: 413, Headers: headers, Templates: body(`{"code":"request_too_large"}`)},
		"DEFAULT_4XX":                  {Headers: headers, Templates: body(`{"code":"bad_request","type":"$context.error.responseType"}`)},
		"DEFAULT_5XX":                  {Headers: headers, Templates: body(`{"code":"internal","type":"$context.error.responseType"}`)},
	}
	return api
}

func TestGatewayResponsesOfTemplate(t *testing.T) {
	header := map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "http://127.0.0.1:8080",
		"X-Amzn-Requestid": "request-1",
	}
	runExchanges(t, problems(), map[string]function{"Echo": fails("boom"), "Video": answers("null")}, []exchangeCase{
		{name: "its own", request: "GET /v1/videos", status: 401, header: header, body: `{"code":"unauthorized","request_id":"request-1"}`},
		{name: "with another status", request: "GET /nowhere", status: 404, header: header, body: `{"code":"route_not_found"}`},
		{
			name: "a type that falls back to DEFAULT_5XX", request: "POST /v1/echo", status: 502, header: header,
			body: `{"code":"internal","type":"INTEGRATION_FAILURE"}`,
		},
		{
			name: "DEFAULT_5XX itself", request: "POST /v1/videos\nAuthorization: Bearer abc", status: 502, header: header,
			body: `{"code":"internal","type":"DEFAULT_5XX"}`,
		},
	})
	runExchanges(t, problems(), map[string]function{
		"Authorizer": answers(`{"principalId":"u","policyDocument":{"Statement":[{"Action":"*","Effect":"Deny","Resource":"*"}]}}`),
	}, []exchangeCase{{
		name: "a type that falls back to DEFAULT_4XX", request: "GET /v1/videos\nAuthorization: Bearer abc", status: 403, header: header,
		body: `{"code":"bad_request","type":"ACCESS_DENIED"}`,
	}})
}

func TestGatewayResponseVariables(t *testing.T) {
	for _, tc := range []struct{ name, template, want string }{
		{"the message", "$context.error.message", "Internal server error"},
		{"the message as JSON", `{"m":$context.error.messageString}`, `{"m":"Internal server error"}`},
		{"the type", "$context.error.responseType", "INTEGRATION_FAILURE"},
		{"IDs", "$context.requestId $context.apiId $context.accountId", "request-1 Api 000000000000"},
		{"the request", "$context.httpMethod $context.path $context.protocol $context.domainName", "POST /v1/videos HTTP/1.1 api.example.test:8080"},
		{"the resource", "$context.resourcePath $context.resourceId", "/v1/videos " + resourceID("/v1/videos")},
		{"the caller", "$context.identity.sourceIp $context.identity.userAgent", "203.0.113.7 test/1"},
		{"the time", "$context.requestTime $context.requestTimeEpoch", "04/Mar/2026:19:15:17 +0000 1772651717135"},
		{"the stage", "$context.stage $stageVariables.colour", "local blue"},
		{"a header", "$method.request.header.user-agent", "test/1"},
		{"a query parameter", "$method.request.querystring.q", "2"},
		{"a path parameter that is not there", "<$method.request.path.id>", "<>"},
		{"the authorizer", "$context.authorizer.principalId,$context.authorizer.session,$context.authorizer.moon.", "user-1,s-9,."},
		{"a dollar that is none", "5$ $5 $", "5$ $5 $"},
		{"a dot behind", "$context.stage.", "local."},
		{"nothing", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api := videos()
			api.GatewayResponses = map[string]sam.GatewayResponse{"INTEGRATION_FAILURE": {Templates: map[string]string{"text/plain": tc.template}}}
			l := newLambda()
			l.functions["Video"] = fails("boom")
			g := newGateway(t, api, l, newClock(), func(c *Config) { c.StageVariables = map[string]string{"colour": "blue"} })
			resp := do(t, g, "POST /v1/videos?q=1&q=2\nUser-Agent: test/1\nAuthorization: Bearer abc")
			checkAnswer(t, resp, exchangeCase{status: 502, body: tc.want, header: map[string]string{"Content-Type": "text/plain"}})
		})
	}
}

func TestGatewayResponseBeforeTheRoute(t *testing.T) {
	api := videos()
	api.GatewayResponses = map[string]sam.GatewayResponse{"DEFAULT_4XX": {
		StatusCode: 418,
		Headers: map[string]string{
			"X-Agent": "method.request.header.User-Agent", "X-Id": "context.requestId", "X-Colour": "stageVariables.colour",
			"X-None": "method.request.header.None",
		},
		Templates: map[string]string{
			"application/json": "json",
			"text/html":        "<$context.resourcePath$context.resourceId$context.authorizer.principalId>",
		},
	}}
	g := newGateway(t, api, newLambda(), newClock(), func(c *Config) { c.StageVariables = map[string]string{"colour": "blue"} })
	header := map[string]string{"X-Agent": "test/1", "X-Id": "request-1", "X-Colour": "blue", "X-None": "", "Content-Type": "text/html"}
	checkAnswer(t, do(t, g, "GET /nowhere\nUser-Agent: test/1\nAccept: text/html;q=1, */*"),
		exchangeCase{status: 418, body: "<>", header: header})
	checkAnswer(t, do(t, g, "GET /nowhere\nAccept: image/png"),
		exchangeCase{status: 418, body: "json", header: map[string]string{"Content-Type": "application/json", "X-Id": "request-2"}})
}

// A gateway response with headers only keeps API Gateway's own text.
func TestGatewayResponseWithoutTemplate(t *testing.T) {
	api := videos()
	api.GatewayResponses = map[string]sam.GatewayResponse{"DEFAULT_4XX": {Headers: map[string]string{"Access-Control-Allow-Origin": "'*'"}}}
	runExchanges(t, api, nil, []exchangeCase{{
		name: "headers only", request: "GET /v1/videos", status: 401, body: unauthorized,
		header: map[string]string{"Access-Control-Allow-Origin": "*", "Content-Type": "application/json"},
	}})
}

func TestCORS(t *testing.T) {
	api := problems()
	api.Routes = append(api.Routes, sam.Route{Method: "OPTIONS", Path: "/v1/own", Function: "Echo"})
	api.CORS = &sam.CORS{AllowOrigin: "http://127.0.0.1:8080", AllowHeaders: "Authorization,Content-Type", AllowMethods: "GET,POST", MaxAge: "600"}
	set := map[string]string{
		"Access-Control-Allow-Origin": "http://127.0.0.1:8080", "Access-Control-Allow-Headers": "Authorization,Content-Type",
		"Access-Control-Allow-Methods": "GET,POST", "Access-Control-Max-Age": "600", "Access-Control-Allow-Credentials": "",
		"Content-Type": "application/json",
	}
	runExchanges(t, api, nil, []exchangeCase{
		{name: "a preflight needs no token", request: "OPTIONS /v1/videos\nOrigin: http://127.0.0.1:8080", status: 200, header: set, body: "{}\n", called: []string{}},
		{name: "of a path with a variable", request: "OPTIONS /v1/videos/7", status: 200, header: set, body: "{}\n", called: []string{}},
		{name: "of an unknown path", request: "OPTIONS /v1/nothing", status: 404, body: `{"code":"route_not_found"}`, called: []string{}},
		{name: "the template's own OPTIONS", request: "OPTIONS /v1/own", status: 200, body: "echo", called: []string{"Echo"}},
		{name: "before ANY", request: "OPTIONS /v1/any/x", status: 200, header: set, body: "{}\n", called: []string{}},
		{name: "an answer gets none", request: "GET /v1/health", status: 200, body: "status", header: map[string]string{"Access-Control-Allow-Origin": ""}},
	})

	api = videos()
	api.CORS = &sam.CORS{AllowCredentials: true}
	runExchanges(t, api, nil, []exchangeCase{
		{name: "SAM's defaults", request: "OPTIONS /v1/videos", status: 200, body: "{}\n", header: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET,OPTIONS,POST", "Access-Control-Allow-Headers": "",
			"Access-Control-Allow-Credentials": "true",
		}},
		{name: "SAM's defaults of ANY", request: "OPTIONS /v1/any/x", status: 200, body: "{}\n", header: map[string]string{
			"Access-Control-Allow-Methods": "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT",
		}},
	})
}

// A preflight's answer must not leave anything behind for the next.
func TestPreflightsAreApart(t *testing.T) {
	api := videos()
	api.CORS = &sam.CORS{AllowOrigin: "*"}
	g := newGateway(t, api, newLambda(), newClock())
	res, _ := g.routes.find("/v1/videos")
	before := res.methods[http.MethodOptions].preflight.Clone()
	do(t, g, "OPTIONS /v1/videos")
	if diff := cmp.Diff(before, res.methods[http.MethodOptions].preflight); diff != "" {
		t.Errorf("the preflight's header (-before +after):\n%s", diff)
	}
}

func TestThrottling(t *testing.T) {
	api := videos()
	api.MethodSettings = []sam.MethodSetting{
		{ResourcePath: "/*", HTTPMethod: "*", Throttled: true, RateLimit: 2, BurstLimit: 3},
		{ResourcePath: "/v1/videos", HTTPMethod: "POST", Throttled: true, RateLimit: 1, BurstLimit: 1},
		{ResourcePath: "/~1v1~1any~1{proxy+}", HTTPMethod: "*", Throttled: true, RateLimit: 0, BurstLimit: 0},
		{ResourcePath: "/v1/videos/{id}", HTTPMethod: "GET"},
	}
	l, c := newLambda(), newClock()
	g := newGateway(t, api, l, c)
	pass := func(what, request string, want ...int) {
		t.Helper()
		for i, status := range want {
			if resp := do(t, g, request); resp.StatusCode != status {
				t.Errorf("%s: request %d got %d, want %d", what, i+1, resp.StatusCode, status)
			}
		}
	}
	const token = "\nAuthorization: Bearer abc"
	pass("the default", "GET /v1/health", 200, 200, 200, 429)
	pass("another method has a bucket of its own", "GET /v1/videos"+token, 200, 200, 200, 429)
	pass("the method's own setting", "POST /v1/videos"+token, 201, 429)
	pass("a setting of all methods of a path, closed", "PATCH /v1/any/x", 429)
	pass("a setting without throttling leaves the default", "GET /v1/videos/7"+token, 200, 200, 200, 429)
	pass("two paths of one resource share a bucket", "GET /v1/videos/8"+token, 429)
	calls := len(l.called())
	resp := do(t, g, "GET /v1/health")
	checkAnswer(t, resp, exchangeCase{
		status: 429, body: `{"message":"Too Many Requests"}`, header: map[string]string{"X-Amzn-Errortype": "TooManyRequestsException"},
	})
	if len(l.called()) != calls {
		t.Error("a throttled request reached a function")
	}
	c.advance(time.Second)
	pass("two more after a second", "GET /v1/health", 200, 200, 429)
	c.advance(time.Hour)
	pass("never more than the burst", "GET /v1/health", 200, 200, 200, 429)
}

func TestAccountThrottling(t *testing.T) {
	g := newGateway(t, videos(), newLambda(), newClock())
	g.account.SetBurst(1)
	for i, want := range []int{403, 429} {
		if resp := do(t, g, "GET /nowhere"); resp.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i+1, resp.StatusCode, want)
		}
	}
}
