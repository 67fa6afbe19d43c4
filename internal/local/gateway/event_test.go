package gateway

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

const clientTrace = "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1"

// fullRequest has everything that an event can have.
var fullRequest = strings.Join([]string{
	"GET /v1/videos/a%2Fb/?status=queued&tag=x&tag=y+z&empty;bad=%zz",
	"Authorization: Bearer abc",
	"Accept: text/html",
	"Accept: application/json",
	"Connection: keep-alive",
	"TE: trailers",
	"User-Agent: test/1",
	"X-Forwarded-For: 198.51.100.1, 198.51.100.2",
	"X-Forwarded-Proto: https",
	"X-Amzn-Trace-Id: " + clientTrace,
}, "\n")

// fullEvent sends fullRequest and gives what the function and the client got.
func fullEvent(t *testing.T) (event map[string]any, resp *http.Response) {
	t.Helper()
	l := newLambda()
	l.functions["Authorizer"] = answers(strings.ReplaceAll(allowAll, ":Api/", ":abcdef1234/"))
	g := newGateway(t, videos(), l, newClock(), func(c *Config) {
		c.APIID = "abcdef1234"
		c.StageVariables = map[string]string{"colour": "blue"}
	})
	resp = do(t, g, fullRequest)
	return l.event(t, "Status"), resp
}

func TestEvent(t *testing.T) {
	event, resp := fullEvent(t)
	want := map[string]any{
		"resource":   "/v1/videos/{id}",
		"path":       "/v1/videos/a%2Fb/",
		"httpMethod": "GET",
		"headers": map[string]any{
			"Accept": "application/json", "Authorization": "Bearer abc", "Host": "api.example.test:8080",
			"User-Agent": "test/1", "X-Amzn-Trace-Id": clientTrace, "X-Forwarded-Port": "8080", "X-Forwarded-Proto": "http",
			"X-Forwarded-For": "198.51.100.1, 198.51.100.2, 203.0.113.7",
		},
		"multiValueHeaders": map[string]any{
			"Accept": []any{"text/html", "application/json"}, "Authorization": []any{"Bearer abc"},
			"Host": []any{"api.example.test:8080"}, "User-Agent": []any{"test/1"}, "X-Amzn-Trace-Id": []any{clientTrace},
			"X-Forwarded-Port": []any{"8080"}, "X-Forwarded-Proto": []any{"http"},
			"X-Forwarded-For": []any{"198.51.100.1, 198.51.100.2, 203.0.113.7"},
		},
		"queryStringParameters": map[string]any{"status": "queued", "tag": "y z", "empty": "", "bad": "%zz"},
		"multiValueQueryStringParameters": map[string]any{
			"status": []any{"queued"}, "tag": []any{"x", "y z"}, "empty": []any{""}, "bad": []any{"%zz"},
		},
		"pathParameters": map[string]any{"id": "a%2Fb"},
		"stageVariables": map[string]any{"colour": "blue"},
		"requestContext": map[string]any{
			"resourceId": resourceID("/v1/videos/{id}"), "resourcePath": "/v1/videos/{id}", "httpMethod": "GET",
			"extendedRequestId": resp.Header.Get("X-Amz-Apigw-Id"), "requestTime": "04/Mar/2026:19:15:17 +0000",
			"path": "/v1/videos/a%2Fb/", "accountId": "000000000000", "protocol": "HTTP/1.1", "stage": "local",
			"domainPrefix": "api", "requestTimeEpoch": 1772651717135.0, "requestId": "request-1",
			"domainName": "api.example.test:8080", "apiId": "abcdef1234",
			"authorizer": map[string]any{
				"principalId": "user-1", "session": "s-9", "admin": "false", "level": "3", "integrationLatency": 0.0,
			},
			"identity": map[string]any{
				"cognitoIdentityPoolId": nil, "accountId": nil, "cognitoIdentityId": nil, "caller": nil,
				"sourceIp": "203.0.113.7", "principalOrgId": nil, "accessKey": nil, "cognitoAuthenticationType": nil,
				"cognitoAuthenticationProvider": nil, "userArn": nil, "userAgent": "test/1", "user": nil,
			},
		},
		"body":            nil,
		"isBase64Encoded": false,
	}
	if diff := cmp.Diff(want, event); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9+/]{15}=$`).MatchString(resp.Header.Get("X-Amz-Apigw-Id")) {
		t.Errorf("extended request ID %q", resp.Header.Get("X-Amz-Apigw-Id"))
	}
	if got := resp.Header.Get("X-Amzn-Trace-Id"); got != clientTrace {
		t.Errorf("trace of the answer %q", got)
	}
}

// What is null in an event of a request that has nothing.
func TestEventOfBareRequest(t *testing.T) {
	l := newLambda()
	do(t, newGateway(t, videos(), l, newClock()), "GET /v1/health")
	event := l.event(t, "Status")
	for _, name := range []string{
		"queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body",
	} {
		if value, there := event[name]; !there || value != nil {
			t.Errorf("%s: %v, want null", name, value)
		}
	}
	described := event["requestContext"].(map[string]any)
	if value, there := described["authorizer"]; there {
		t.Errorf("an authorizer without there being one: %v", value)
	}
	if agent := described["identity"].(map[string]any)["userAgent"]; agent != nil {
		t.Errorf("user agent %v, want null", agent)
	}
}

// An event and aws-lambda-go's type for it must agree: reading it as that type
// and writing it again loses nothing but nulls and what the type lacks.
func TestEventFitsLambdaGo(t *testing.T) {
	event, _ := fullEvent(t)
	data, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var typed events.APIGatewayProxyRequest
	if err := json.Unmarshal(data, &typed); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(typed)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(again, &got); err != nil {
		t.Fatal(err)
	}
	described := event["requestContext"].(map[string]any)
	identity := described["identity"].(map[string]any)
	for name, value := range identity {
		if value == nil {
			delete(identity, name)
		}
	}
	delete(event, "isBase64Encoded") // false is left out
	event["body"] = ""
	if diff := cmp.Diff(event, got); diff != "" {
		t.Errorf("the event by way of aws-lambda-go (-ours +theirs):\n%s", diff)
	}
}

func TestEventBody(t *testing.T) {
	for _, tc := range []struct {
		name, contentType, body string
		binary                  []string
		want                    any
		base64                  bool
	}{
		{"text", "application/json", `{"a":"é"}`, nil, `{"a":"é"}`, false},
		{"bytes that are not UTF-8 are lost", "image/png", "\x89PNG", nil, "\uFFFDPNG", false},
		{"a binary media type", "image/png", "\x89PNG", []string{"image/png"}, base64.StdEncoding.EncodeToString([]byte("\x89PNG")), true},
		{"CloudFormation's spelling", "image/png", "\x89PNG", []string{"image~1png"}, base64.StdEncoding.EncodeToString([]byte("\x89PNG")), true},
		{"parameters do not count", "Image/PNG; a=b", "x", []string{"image/png"}, "eA==", true},
		{"a family of types", "image/webp", "x", []string{"image/*"}, "eA==", true},
		{"all types", "", "x", []string{"*/*"}, "eA==", true},
		{"another type", "text/plain", "x", []string{"image/*", "video/mp4"}, "x", false},
		{"no type", "", "x", []string{"image/*"}, "x", false},
		{"no body", "image/png", "", []string{"image/png"}, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, api := newLambda(), videos()
			api.BinaryMediaTypes = tc.binary
			request := "POST /v1/echo"
			if tc.contentType != "" {
				request += "\nContent-Type: " + tc.contentType
			}
			do(t, newGateway(t, api, l, newClock()), request+"\n\n"+tc.body)
			event := l.event(t, "Echo")
			if event["body"] != tc.want || event["isBase64Encoded"] != tc.base64 {
				t.Errorf("body %q, base64 %v; want %q, %v", event["body"], event["isBase64Encoded"], tc.want, tc.base64)
			}
		})
	}
}

func TestRequestHeaders(t *testing.T) {
	l := newLambda()
	g := newGateway(t, videos(), l, newClock())
	do(t, g, strings.Join([]string{
		"POST /v1/echo", "Connection: keep-alive", "Content-MD5: x", "Expect: 100-continue", "Max-Forwards: 3",
		"Proxy-Authenticate: x", "Server: x", "TE: trailers", "Upgrade: h2c", "WWW-Authenticate: x",
		"Authorization: AWS4-HMAC-SHA256 Credential=x", "Via: 1.1 proxy", "Referer: here", "Cookie: a=b", "", "body",
	}, "\n"))
	got := l.event(t, "Echo")["headers"].(map[string]any)
	trace, _ := got["X-Amzn-Trace-Id"].(string)
	if !regexp.MustCompile(`^Root=1-69a884c5-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`).MatchString(trace) {
		t.Errorf("trace %q", trace)
	}
	delete(got, "X-Amzn-Trace-Id")
	want := map[string]any{
		"Via": "1.1 proxy", "Referer": "here", "Cookie": "a=b", "Host": "api.example.test:8080",
		"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Port": "8080", "X-Forwarded-Proto": "http",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestForwardedOverTLS(t *testing.T) {
	l := newLambda()
	g := newGateway(t, videos(), l, newClock())
	r := httptest.NewRequest(http.MethodGet, "https://api.example.test/v1/health", http.NoBody)
	r.TLS = &tls.ConnectionState{}
	g.ServeHTTP(httptest.NewRecorder(), r)
	got := l.event(t, "Status")["headers"].(map[string]any)
	if got["X-Forwarded-Proto"] != "https" || got["X-Forwarded-Port"] != "443" {
		t.Errorf("%v %v, want https 443", got["X-Forwarded-Proto"], got["X-Forwarded-Port"])
	}
}
