// Package logging writes what happens as JSON lines on stdout, where Lambda
// takes them to CloudWatch Logs. Attributes put into a context with [With]
// stand on every line that is logged with it: request id, video id, user id; and so
// does the ID of the context's trace, if it has one.
// Names and e-mail addresses never do.
package logging

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

type ctxKey struct{}

// With adds attributes to every line that is logged with the context.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	before, _ := ctx.Value(ctxKey{}).([]slog.Attr)
	return context.WithValue(ctx, ctxKey{}, append(slices.Clip(before), attrs...))
}

// New makes a logger that writes JSON lines of the level and above, and names
// the Lambda function if it runs in one.
func New(w io.Writer, level slog.Level) *slog.Logger {
	logger := slog.New(handler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
	if name := os.Getenv("AWS_LAMBDA_FUNCTION_NAME"); name != "" {
		logger = logger.With("function", name)
	}
	return logger
}

// handler adds the context's attributes, and its trace's ID.
type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if attrs, ok := ctx.Value(ctxKey{}).([]slog.Attr); ok {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r) //nolint:wrapcheck // a handler passes its next one's error on
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name)}
}
