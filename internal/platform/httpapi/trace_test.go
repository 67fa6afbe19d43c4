package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// logged has log lines go to a buffer, until the test ends.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(logging.New(&log, slog.LevelInfo))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

func TestAProblemAndItsLogLinesNameOneTrace(t *testing.T) {
	log := logged(t)
	api, _ := newAPI(t)
	for name, parent := range map[string]string{
		"one that was named": "00-" + traceID + "-00f067aa0ba902b7-01", "its own": "", "its own, for what is none": "00-forged",
	} {
		for _, path := range []string{"/v1/broken", "/v1/panics", "/v1/nowhere"} {
			log.Reset()
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Traceparent", parent)
			w := httptest.NewRecorder()
			api.Handler().ServeHTTP(w, r)
			var answer struct {
				TraceID string `json:"trace_id"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			if len(answer.TraceID) != len(traceID) || (answer.TraceID == traceID) != (name == "one that was named") {
				t.Errorf("%s: %s answers with %q", name, path, answer.TraceID)
			}
			for line := range strings.Lines(log.String()) {
				if !strings.Contains(line, `"trace_id":"`+answer.TraceID+`"`) {
					t.Errorf("%s: %s logs %s", name, path, line)
				}
			}
		}
	}
}

func TestARequestIsASpanThatIsNamedByItsRoute(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	tracing.Use(exporter, tracing.Config{Ratio: 1}, "test")
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	logged(t)
	api, _ := newAPI(t)
	huma.Register(api, huma.Operation{OperationID: "video", Method: http.MethodGet, Path: "/v1/videos/{id}"},
		func(context.Context, *struct {
			ID string `path:"id"`
		},
		) (*struct{}, error) {
			return &struct{}{}, nil
		})
	for _, c := range []struct {
		path, name string
		status     codes.Code
	}{
		{"/v1/videos/v1", "GET /v1/videos/{id}", codes.Unset},
		{"/v1/known", "GET /v1/known", codes.Unset},
		{"/v1/broken", "GET /v1/broken", codes.Error},
		{"/v1/nowhere", "GET", codes.Unset},
	} {
		exporter.Reset()
		_, err := api.Lambda()(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: http.MethodGet, Path: c.path})
		if err != nil {
			t.Fatal(err)
		}
		spans := exporter.GetSpans() // flushed before the answer
		if len(spans) != 1 || spans[0].Name != c.name || spans[0].Status.Code != c.status {
			t.Errorf("%s gave %+v", c.path, spans)
		}
	}
}

// BenchmarkRequest is what one request takes at the edge, without spans and with
// them exported to a collector of this machine.
func BenchmarkRequest(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer collector.Close()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	api := httpapi.New(httpapi.Config{Now: time.Now, NewID: func() string { return "id" }})
	huma.Register(api, huma.Operation{OperationID: "open", Method: http.MethodGet, Path: "/v1/open"},
		func(context.Context, *struct{}) (*struct{}, error) { return &struct{}{}, nil })
	handle := api.Lambda()
	request := events.APIGatewayProxyRequest{HTTPMethod: http.MethodGet, Path: "/v1/open"}
	b.Run("off", func(b *testing.B) {
		for b.Loop() {
			_, _ = handle(b.Context(), request)
		}
	})
	b.Run("on", func(b *testing.B) {
		if err := tracing.Setup(b.Context(), tracing.Config{Endpoint: collector.URL, Ratio: 1}, "test"); err != nil {
			b.Fatal(err)
		}
		defer otel.SetTracerProvider(noop.NewTracerProvider())
		for b.Loop() {
			_, _ = handle(b.Context(), request)
		}
	})
}
