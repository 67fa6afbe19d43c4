package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// costly are the routes that make a hash, begin work of minutes, sign what moves
// gigabytes or have every service do something: each is held to less than the stage.
var costly = []string{
	"POST /v1/auth/register", "POST /v1/auth/login", "POST /v1/auth/refresh", "DELETE /v1/auth/me", "POST /v1/auth/exports",
	"POST /v1/auth/password/forgot", "POST /v1/auth/password/reset", "POST /v1/auth/password",
	"POST /v1/auth/email/verify", "POST /v1/auth/email/verification", "POST /v1/auth/email", "POST /v1/auth/email/confirm",
	"POST /v1/videos", "POST /v1/videos/{id}/parts", "POST /v1/videos/{id}/complete", "POST /v1/videos/{id}/retry",
	"GET /v1/videos/{id}/download", "GET /v1/videos/{id}/manifest",
}

// The gateway holds every route of template.yaml to the figures that are written
// there for it, or else for its stage.
func TestTheTemplatesFiguresAreEnforced(t *testing.T) {
	template, err := sam.Load(sam.Config{Path: "../../../template.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	api := template.APIs[0]
	figures := map[string]sam.MethodSetting{}
	for _, setting := range api.MethodSettings {
		figures[setting.HTTPMethod+" "+setting.ResourcePath] = setting
	}
	stage, ok := figures["* /*"]
	if !ok || !stage.Throttled || stage.RateLimit < 1 || stage.BurstLimit < 1 {
		t.Fatalf("the stage has no figures: %+v", stage)
	}
	for _, route := range costly {
		if own, ok := figures[route]; !ok || own.RateLimit >= stage.RateLimit || own.BurstLimit >= stage.BurstLimit {
			t.Errorf("%s has %+v, the stage %+v", route, own, stage)
		}
	}
	l := newLambda()
	for _, f := range template.Functions {
		l.functions[f.LogicalID] = answers(`{"statusCode":200,"body":""}`)
	}
	for _, route := range api.Routes {
		name := route.Method + " " + route.Path
		t.Run(name, func(t *testing.T) {
			want, own := figures[name]
			if !own {
				want = stage
				if slices.Contains(costly, name) {
					t.Error("it has no figures of its own")
				}
			}
			c := newClock()
			g := newGateway(t, api, l, c)
			request := route.Method + " " + strings.ReplaceAll(route.Path, "{id}", "an-id")
			if passed := passing(t, g, request); passed != want.BurstLimit {
				t.Errorf("%d requests passed at one moment, want %d", passed, want.BurstLimit)
			}
			c.advance(time.Second)
			if passed := passing(t, g, request); passed != min(int(want.RateLimit), want.BurstLimit) {
				t.Errorf("%d requests passed after a second, want %g", passed, want.RateLimit)
			}
			resp := do(t, g, request)
			if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" ||
				resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(bodyOf(t, resp), `"code":"throttled"`) {
				t.Errorf("refused by %d %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

func TestEveryThrottledRequestIsTold(t *testing.T) {
	told := 0
	l := newLambda()
	l.functions["F"] = answers(`{"statusCode":429,"body":""}`)
	api := sam.API{
		LogicalID: "Api", Routes: []sam.Route{{Method: "GET", Path: "/a", Function: "F"}},
		MethodSettings: []sam.MethodSetting{{ResourcePath: "/*", HTTPMethod: "*", Throttled: true, RateLimit: 1, BurstLimit: 2}},
	}
	g := newGateway(t, api, l, newClock(), func(cfg *Config) { cfg.Throttled = func() { told++ } })
	for range 5 {
		do(t, g, "GET /a") // the function's own 429 is no throttle
	}
	if told != 3 {
		t.Errorf("%d told, want 3 of 5", told)
	}
}

// passing sends requests until one is throttled, and tells how many were not.
func passing(t *testing.T, g *Gateway, request string) int {
	t.Helper()
	for n := 0; ; n++ {
		if do(t, g, request).StatusCode == http.StatusTooManyRequests {
			return n
		}
	}
}
