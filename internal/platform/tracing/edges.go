package tracing

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fotograma/fotograma/internal/event"
)

// Request begins the span of an HTTP request, whose header may name a trace.
func Request(ctx context.Context, method, traceparent string) (context.Context, trace.Span) {
	return Begin(FromStranger(ctx, traceparent), method, trace.SpanKindServer,
		semconv.HTTPRequestMethodKey.String(method), semconv.FaaSTriggerHTTP, semconv.FaaSColdstart(cold()))
}

// Answered names the span of a request once its route is known, and says how it
// was answered: with a problem, or an empty code.
func Answered(span trace.Span, method, route string, status int, code string) {
	if route != "" {
		span.SetName(method + " " + route)
		span.SetAttributes(semconv.HTTPRoute(route))
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if code != "" {
		span.SetAttributes(ProblemCode(code))
	}
	const serverError = 500
	if status >= serverError {
		Fail(span, code)
	}
}

// envelope is what a message's body may say of its trace.
type envelope struct {
	Type        string `json:"type"`
	TraceParent string `json:"traceparent"`
	Data        struct {
		VideoID string `json:"video_id"`
	} `json:"data"`
	Records []json.RawMessage `json:"Records"`
}

// Message begins the span of a message of a queue: below the one that sent it, or,
// where an event came another way, below the one that made the event.
//
// S3's notifications name no trace: the metadata of the object does, which their
// consumer reads. For them no span is begun, but for the ID there is a trace.
func Message(ctx context.Context, m events.SQSMessage) (context.Context, trace.Span) {
	var body envelope
	_ = json.Unmarshal([]byte(m.Body), &body) // what is none says nothing
	if len(body.Records) > 0 {
		return WithID(ctx), trace.SpanFromContext(ctx)
	}
	parent := body.TraceParent
	if sent, ok := m.MessageAttributes[Name]; ok && sent.StringValue != nil {
		parent = *sent.StringValue
	}
	ctx, span := received(Continue(ctx, parent), m)
	if body.Type != "" {
		span.SetAttributes(semconv.CloudEventsEventType(body.Type))
	}
	if body.Data.VideoID != "" {
		span.SetAttributes(VideoID(body.Data.VideoID))
	}
	return ctx, span
}

// Notification begins the span of a message in which S3 tells of an object, whose
// metadata has named a trace. Where it has not, there is an ID and nothing is exported.
func Notification(ctx context.Context, m events.SQSMessage, parent string) (context.Context, trace.Span) {
	return received(Continue(ctx, parent), m)
}

func received(ctx context.Context, m events.SQSMessage) (context.Context, trace.Span) {
	queue := m.EventSourceARN[strings.LastIndexByte(m.EventSourceARN, ':')+1:]
	return Begin(ctx, strings.TrimSpace("process "+queue), trace.SpanKindConsumer,
		semconv.MessagingSystemAWSSQS, semconv.MessagingOperationTypeProcess, semconv.MessagingOperationName("process"),
		semconv.MessagingDestinationName(queue), semconv.MessagingMessageID(m.MessageId),
		semconv.FaaSTriggerPubSub, semconv.FaaSColdstart(cold()))
}

// Sending begins the span of a message that is sent to the queue at a URL.
func Sending(ctx context.Context, queueURL, eventType string) (context.Context, trace.Span) {
	queue := queueURL[strings.LastIndexByte(queueURL, '/')+1:]
	return Begin(ctx, "send "+queue, trace.SpanKindProducer,
		semconv.MessagingSystemAWSSQS, semconv.MessagingOperationTypeSend, semconv.MessagingOperationName("send"),
		semconv.MessagingDestinationName(queue), semconv.CloudEventsEventType(eventType))
}

// Timer makes a handler of which each invocation has a trace, for functions that a
// schedule invokes.
func Timer(name string, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, span := Begin(ctx, name, trace.SpanKindServer, semconv.FaaSTriggerTimer, semconv.FaaSColdstart(cold()))
		err := do(ctx)
		End(span, err)
		Flush(ctx)
		return err
	}
}

// Mark has an event carry the trace of ctx, if it does not carry one already.
func Mark(ctx context.Context, e *event.Event) {
	if parent := Parent(ctx); parent != "" && e.Extensions()[Name] == nil {
		e.SetExtension(Name, parent)
	}
}

// ParentOf gives what an event carries.
func ParentOf(e event.Event) string {
	parent, _ := e.Extensions()[Name].(string)
	return parent
}

// Attach has the clients that are made of a configuration make a span of each
// attempt of a call.
func Attach(cfg *aws.Config) {
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		// Around each attempt. What is signed for others has no such step.
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("Trace", call), middleware.Before)
	})
}

// ordinary are codes with which AWS says no to what asks whether something is so.
var ordinary = map[string]bool{"NotFound": true, "ConditionalCheckFailedException": true, "TransactionCanceledException": true}

func call(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	method := awsmiddleware.GetServiceID(ctx) + "/" + awsmiddleware.GetOperationName(ctx)
	ctx, span := Begin(ctx, method, trace.SpanKindClient,
		semconv.RPCSystemNameKey.String("aws-api"), semconv.RPCMethod(method))
	out, metadata, err := next.HandleDeserialize(ctx, in)
	if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok {
		span.SetAttributes(semconv.AWSRequestID(id))
	}
	if err != nil && ordinary[kindOf(err)] {
		span.SetAttributes(semconv.ErrorTypeKey.String(kindOf(err)))
		span.End()
		return out, metadata, err
	}
	End(span, err)
	return out, metadata, err
}
