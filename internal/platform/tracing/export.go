package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fotograma/fotograma/internal/platform/breaker"
)

// Config is what the environment says of tracing: the standard variables of
// OpenTelemetry.
type Config struct {
	// Endpoint is where spans are sent, by OTLP over HTTP; empty for nowhere.
	Endpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`

	// Headers are sent with spans, "name=value,name=value", each percent-encoded: by
	// some a collector knows who sends them.
	Headers string `env:"OTEL_EXPORTER_OTLP_HEADERS"`

	// Ratio is how many of the traces are exported, 0 to 1.
	Ratio float64 `env:"OTEL_TRACES_SAMPLER_ARG" envDefault:"1"`

	// Stage is the deployment's.
	Stage string `env:"STAGE"`
}

const (
	// Patience is how long an invocation may wait at most for its spans to be
	// taken.
	Patience = 500 * time.Millisecond

	// rest is for how long a collector is left alone that did not take them.
	// Spans of that time are lost.
	rest = 30 * time.Second
)

// Setup begins to export the spans of a function, if the configuration says where
// to.
func Setup(ctx context.Context, cfg Config, function string) error {
	if cfg.Endpoint == "" {
		return nil
	}
	client, err := newClient(cfg)
	if err != nil {
		return err
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return fmt.Errorf("make the exporter of traces: %w", err)
	}
	Use(exporter, cfg, function)
	return nil
}

// Use has all spans go to an exporter.
func Use(exporter sdktrace.SpanExporter, cfg Config, function string) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { slog.Debug("spans lost", "error", err) }))
	otel.SetTracerProvider(sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(careful(exporter), sdktrace.WithExportTimeout(Patience)),
		sdktrace.WithSampler(newSampler(cfg.Ratio)),
		sdktrace.WithResource(resource.NewWithAttributes(semconv.SchemaURL,
			semconv.ServiceName(function),
			semconv.ServiceNamespace("fotograma"),
			semconv.FaaSName(function),
			semconv.CloudRegion(os.Getenv("AWS_REGION")),
			semconv.DeploymentEnvironmentNameKey.String(cfg.Stage),
		)),
	))
}

// Flush sends what has been recorded: a function is frozen as soon as it has
// answered. It takes Patience at most, and never fails: what a collector does not
// take is lost.
func Flush(ctx context.Context) {
	provider, ok := otel.GetTracerProvider().(interface {
		ForceFlush(ctx context.Context) error
	})
	if !ok {
		return // nothing is exported
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Patience)
	defer cancel()
	if err := provider.ForceFlush(ctx); err != nil {
		otel.Handle(err)
	}
}

// carefulExporter leaves a collector alone that does not take spans.
type carefulExporter struct {
	sdktrace.SpanExporter
	breaker *gobreaker.CircuitBreaker[any]
}

func careful(exporter sdktrace.SpanExporter) carefulExporter {
	return carefulExporter{exporter, breaker.New("traces", 1, rest,
		"traces not exported: the collector fails or is slow", "traces exported again")}
}

// ExportSpans implements sdktrace.SpanExporter.
func (c carefulExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	_, err := c.breaker.Execute(func() (any, error) {
		return nil, c.SpanExporter.ExportSpans(ctx, spans)
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil
	}
	return err //nolint:wrapcheck // transparent
}

// sampler says which spans are exported: those of a share of the traces, with all
// that our functions make of them.
type sampler struct{ share, inherited sdktrace.Sampler }

func newSampler(ratio float64) sampler {
	share := sdktrace.TraceIDRatioBased(ratio)
	return sampler{share, sdktrace.ParentBased(share)}
}

// ShouldSample implements sdktrace.Sampler. Calls of AWS that belong to nothing
// are not worth a trace.
func (s sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	switch {
	case !parent.IsValid() && p.Kind == trace.SpanKindClient:
		return sdktrace.NeverSample().ShouldSample(p)
	case parent.IsRemote() && p.ParentContext.Value(stranger{}) != nil:
		return s.share.ShouldSample(p)
	}
	return s.inherited.ShouldSample(p)
}

// Description implements sdktrace.Sampler.
func (s sampler) Description() string { return "Fotograma{" + s.share.Description() + "}" }

// warm tells that the function has had its first invocation.
var warm atomic.Bool

// cold tells once for each process that it has just begun.
func cold() bool { return !warm.Swap(true) }
