package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

const someMethod = "arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/local/GET/v1/videos/7"

func TestTheAuthorizerLetsTheCallerUseTheStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	a := w.loginAna()
	session, err := parseRefreshToken(a.refresh())
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.authorizer.Handle(t.Context(), events.APIGatewayCustomAuthorizerRequest{
		Type: "TOKEN", AuthorizationToken: "Bearer " + a.access(), MethodArn: someMethod,
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"principalId": id,
		"policyDocument": map[string]any{
			"Version": "2012-10-17",
			"Statement": []any{map[string]any{
				"Effect": "Allow", "Action": []any{"execute-api:Invoke"},
				"Resource": []any{"arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/local/*"},
			}},
		},
		"context": map[string]any{"user_id": id, "session_id": session.session.String()},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestTheAuthorizerRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	good := w.loginAna().access()
	unknown, err := w.service.Access.issue(t.Context(), identity{userID: id, sessionID: someSession})
	if err != nil {
		t.Fatal(err)
	}
	mixed, err := w.service.Access.issue(t.Context(), identity{userID: someUser, sessionID: someSession})
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]string{
		"no header":                      "",
		"no scheme":                      good,
		"another scheme":                 "Basic " + good,
		"a bad token":                    "Bearer " + good[:len(good)-4] + "AAAA",
		"a session that never was":       "Bearer " + unknown,
		"a session of a person that not": "Bearer " + mixed,
	} {
		t.Run(name, func(t *testing.T) {
			out, err := w.authorizer.Handle(t.Context(), events.APIGatewayCustomAuthorizerRequest{
				Type: "TOKEN", AuthorizationToken: header, MethodArn: someMethod,
			})
			// API Gateway compares the text.
			if err == nil || err.Error() != "Unauthorized" || out.PrincipalID != "" || out.Context != nil {
				t.Errorf("answer is %+v, error %q", out, err)
			}
		})
	}
}

func TestASessionEndsForTheAuthorizerToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.service.Access.Lifetime = 60 * 24 * time.Hour // outlives the session
	token := w.loginAna().access()
	w.clock.advance(30*24*time.Hour - time.Second)
	if _, err := w.authorize(token); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	w.clock.advance(time.Second) // the row is still there: TTL deletes late
	if _, err := w.authorize(token); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("at the end: %v", err)
	}
}

// API Gateway answers 500 then, not 401: nobody has to log in again.
func TestATroubleIsNotUnauthorized(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	token := w.loginAna().access()
	w.wire.before = func(string) int { return http.StatusBadRequest }
	if _, err := w.authorize(token); err == nil || errors.Is(err, ErrUnauthorized) {
		t.Errorf("with the table away: %v", err)
	}
}

func TestEveryRoute(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		someMethod: "arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/local/*",
		"arn:aws:execute-api:sa-east-1:123456789012:x/production/POST/": "arn:aws:execute-api:sa-east-1:123456789012:x/production/*",
		"arn:aws-cn:execute-api:cn-north-1:1:x/s/GET/a/b/c":             "arn:aws-cn:execute-api:cn-north-1:1:x/s/*",
		"arn:aws:execute-api:us-east-1:1:x/s":                           "",
		"arn:aws:execute-api:us-east-1:1:x//GET/":                       "",
		"x/s/GET/a": "",
		"":          "",
	} {
		got, err := everyRoute(method)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("everyRoute(%q) gives %q, %v; want %q", method, got, err, want)
		}
	}
}

// sample reads one of the events that are kept for trying functions out.
func sample[T any](t *testing.T, name string) T {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var e T
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestTheSampleEventsWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lambda := w.api.Lambda()
	for _, step := range []struct {
		event  string
		status int
	}{{"auth-login", 401}, {"auth-register", 201}, {"auth-register", 409}, {"auth-login", 200}} {
		out, err := lambda(t.Context(), sample[events.APIGatewayProxyRequest](t, step.event))
		if err != nil || out.StatusCode != step.status {
			t.Errorf("%s: %d %s, %v; want %d", step.event, out.StatusCode, out.Body, err, step.status)
		}
	}
	published := w.published()
	if len(published) != 2 {
		t.Errorf("%d events were published, want the registration and the code", len(published))
	}
	// Nobody can keep a token in a file that is good for ever.
	_, err := w.authorizer.Handle(t.Context(), sample[events.APIGatewayCustomAuthorizerRequest](t, "authorizer"))
	if !errors.Is(err, ErrUnauthorized) {
		t.Errorf("authorizer: %v", err)
	}
	if e := sample[events.CloudWatchEvent](t, "authsweep"); e.DetailType != "Scheduled Event" {
		t.Errorf("authsweep is a %q", e.DetailType)
	}
	if err := Sweep(w.service.Eraser)(t.Context()); err != nil {
		t.Errorf("authsweep: %v", err)
	}
}
