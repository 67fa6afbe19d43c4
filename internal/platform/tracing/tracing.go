// Package tracing follows one piece of work through all functions: spans of
// OpenTelemetry, and the trace's ID, which every request and every message has
// whether spans are exported or not.
//
// The context travels as W3C Trace Context has it ("traceparent"): in a header of
// requests, in the metadata of uploads, in events (the CloudEvents extension for
// distributed tracing) and in attributes of messages. It is no secret and tells
// nothing of a person. What a stranger says in it decides over nothing but the
// trace's ID: see [FromStranger].
package tracing

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Name is what the context is called wherever it travels: a header, a member of
// an object's metadata, a message's attribute, an extension of an event.
const Name = "traceparent"

// scope names what makes the spans.
const scope = "github.com/fotograma/fotograma"

// VideoID says which video a span is about.
func VideoID(id string) attribute.KeyValue { return attribute.String("fotograma.video.id", id) }

// ProblemCode says which problem a request was answered with, or a video has ended
// with.
func ProblemCode(code string) attribute.KeyValue {
	return attribute.String("fotograma.problem.code", code)
}

// Begin begins a span below the one of ctx. The context that it gives has a trace
// ID in any case, one that is made up if there was none. [End] must follow.
func Begin(ctx context.Context, name string, kind trace.SpanKind, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	ctx, span := otel.Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	if !span.SpanContext().IsValid() {
		ctx = WithID(ctx)
	}
	return ctx, span
}

// Stage begins a span for a part of what this process does.
func Stage(ctx context.Context, name string) (context.Context, trace.Span) {
	return Begin(ctx, name, trace.SpanKindInternal)
}

// End ends a span, as failed if there is an error. Of that it says the kind and not
// the text, in which there may be anything.
func End(span trace.Span, err error) {
	if err != nil {
		Fail(span, kindOf(err))
	}
	span.End()
}

// Fail says that what a span is about failed, and the stable code of how.
func Fail(span trace.Span, code string) {
	span.SetStatus(codes.Error, code)
	span.SetAttributes(semconv.ErrorTypeKey.String(code))
}

// Failed is Fail for the span of ctx.
func Failed(ctx context.Context, code string) { Fail(trace.SpanFromContext(ctx), code) }

// kindOf names an error: by its code if it has one, an API's, or by its type.
func kindOf(err error) string {
	var coded interface{ ErrorCode() string }
	switch {
	case errors.As(err, &coded) && coded.ErrorCode() != "":
		return coded.ErrorCode()
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return semconv.ErrorTypeOther.Value.AsString()
}

// Note adds attributes to the span of ctx.
func Note(ctx context.Context, attrs ...attribute.KeyValue) {
	trace.SpanFromContext(ctx).SetAttributes(attrs...)
}

// ID gives the trace ID of ctx, 32 hexadecimal digits; empty if it has none.
func ID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	return ""
}

// WithID gives ctx a trace of its own, of which nothing is exported.
func WithID(ctx context.Context) context.Context {
	var traceID trace.TraceID
	var spanID trace.SpanID
	_, _ = rand.Read(traceID[:]) // never fails
	_, _ = rand.Read(spanID[:])
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID}))
}

// Parent writes the context down for others to go on with; empty if there is none.
func Parent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[Name]
}

// Continue goes on with what Parent has written. What is no traceparent changes
// nothing.
func Continue(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Name: parent})
}

// stranger marks the context of what was sent by somebody who is not one of our
// functions.
type stranger struct{}

// FromStranger goes on with the trace that a stranger names, if that is a
// traceparent. Its trace ID is taken over. Whether spans are exported is for the
// configured ratio to say, not for the stranger.
func FromStranger(ctx context.Context, parent string) context.Context {
	ctx = context.WithValue(ctx, stranger{}, true)
	ctx = Continue(ctx, strings.TrimSpace(parent))
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, sc.WithTraceFlags(0))
	}
	return ctx
}
