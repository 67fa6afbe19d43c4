package batch_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// stepsOfAVideo is about how many spans the worker makes of a short video.
const stepsOfAVideo = 40

// BenchmarkMessage is what one message takes beside the work itself, without spans
// and with as many as the worker makes, exported to a collector of this machine.
func BenchmarkMessage(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer collector.Close()
	handle := batch.Handle(func(ctx context.Context, _ events.SQSMessage) error {
		for range stepsOfAVideo {
			_, span := tracing.Stage(ctx, "step")
			tracing.End(span, nil)
		}
		return nil
	})
	e := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: `{"type":"t","data":{"video_id":"v"}}`}}}
	b.Run("off", func(b *testing.B) {
		for b.Loop() {
			_, _ = handle(b.Context(), e)
		}
	})
	b.Run("on", func(b *testing.B) {
		if err := tracing.Setup(b.Context(), tracing.Config{Endpoint: collector.URL, Ratio: 1}, "test"); err != nil {
			b.Fatal(err)
		}
		defer otel.SetTracerProvider(noop.NewTracerProvider())
		for b.Loop() {
			_, _ = handle(b.Context(), e)
		}
	})
}
