package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

func TestOnlyOurOwnDistributionSaysWhoSentARequest(t *testing.T) {
	const gateway, viewer = "203.0.113.9", "198.51.100.4"
	for name, c := range map[string]struct {
		secret  string // that the function has
		headers map[string]string
		want    string
	}{
		"by way of it":             {"s3cret", map[string]string{"X-Fotograma-Viewer": viewer, "X-Fotograma-Edge": "s3cret"}, viewer},
		"directly":                 {"s3cret", nil, gateway},
		"with a guess":             {"s3cret", map[string]string{"X-Fotograma-Viewer": viewer, "X-Fotograma-Edge": "secret"}, gateway},
		"without the secret":       {"s3cret", map[string]string{"X-Fotograma-Viewer": viewer}, gateway},
		"where there is none":      {"", map[string]string{"X-Fotograma-Viewer": viewer, "X-Fotograma-Edge": ""}, gateway},
		"with what proxies say":    {"s3cret", map[string]string{"X-Forwarded-For": viewer, "X-Real-Ip": viewer}, gateway},
		"by way of it, with no ip": {"s3cret", map[string]string{"X-Fotograma-Edge": "s3cret"}, gateway},
	} {
		t.Run(name, func(t *testing.T) {
			api := httpapi.New(httpapi.Config{
				EdgeSecret: c.secret, Metrics: metrics.New(io.Discard, "Test", time.Now), Now: time.Now, NewID: func() string { return "r" },
			})
			var got string
			huma.Register(api, huma.Operation{OperationID: "open", Method: http.MethodGet, Path: "/v1/open"},
				func(ctx context.Context, _ *struct{}) (*struct{}, error) {
					got, _ = httpapi.SourceFrom(ctx)
					return &struct{}{}, nil
				})
			r := httptest.NewRequest(http.MethodGet, "/v1/open", nil)
			r.RemoteAddr = gateway
			for name, value := range c.headers {
				r.Header.Set(name, value)
			}
			api.Handler().ServeHTTP(httptest.NewRecorder(), r)
			if got != c.want {
				t.Errorf("from %q, want %q", got, c.want)
			}
		})
	}
}
