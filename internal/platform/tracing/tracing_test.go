package tracing_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent  = "00-" + traceID + "-00f067aa0ba902b7-01"
)

// exporting has spans exported to memory, until the test ends.
func exporting(t *testing.T, ratio float64) *tracetest.InMemoryExporter {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	use(t, exporter, ratio)
	return exporter
}

func use(t *testing.T, exporter sdktrace.SpanExporter, ratio float64) {
	t.Helper()
	tracing.Use(exporter, tracing.Config{Ratio: ratio}, "test")
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
}

func TestThereIsAnIDWithoutExport(t *testing.T) {
	ctx, span := tracing.Request(t.Context(), http.MethodGet, "")
	span.End()
	made := tracing.ID(ctx)
	if len(made) != len(traceID) {
		t.Fatalf("ID %q", made)
	}
	if other, _ := tracing.Request(t.Context(), http.MethodGet, ""); tracing.ID(other) == made {
		t.Error("two requests have one ID")
	}
	ctx, _ = tracing.Request(t.Context(), http.MethodGet, parent)
	if got := tracing.ID(ctx); got != traceID {
		t.Errorf("ID %q, not the one that was named", got)
	}
	if next := tracing.ID(tracing.Continue(t.Context(), tracing.Parent(ctx))); next != traceID {
		t.Errorf("whoever goes on has %q", next)
	}
}

func TestWhatIsNoTraceparentIsPassedOver(t *testing.T) {
	exporting(t, 1)
	for _, forged := range []string{
		"", "x", "00-" + traceID, "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-" + traceID + "-0000000000000000-01", "ff-" + traceID + "-00f067aa0ba902b7-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-" + traceID + "-00f067aa0ba902b7-01-more",
		parent + "\r\nX-Other: 1", parent + ", " + parent,
	} {
		ctx, span := tracing.Request(t.Context(), http.MethodGet, forged)
		if id := tracing.ID(ctx); id == traceID || len(id) != len(traceID) {
			t.Errorf("%q gave the ID %q", forged, id)
		}
		span.End()
	}
}

// A stranger can neither have spans exported that the ratio leaves out, nor keep
// those from it that it takes.
func TestAStrangerDoesNotSayWhatIsExported(t *testing.T) {
	for name, c := range map[string]struct {
		ratio  float64
		parent string
		want   int
	}{
		"wants export where there is none": {0, parent, 0},
		"wants none where there is export": {1, "00-" + traceID + "-00f067aa0ba902b7-00", 2},
		"names nothing":                    {1, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			exporter := exporting(t, c.ratio)
			ctx, request := tracing.Request(t.Context(), http.MethodGet, c.parent)
			_, below := tracing.Stage(ctx, "below")
			tracing.End(below, nil)
			request.End()
			tracing.Flush(ctx)
			if got := len(exporter.GetSpans()); got != c.want {
				t.Errorf("%d spans, want %d", got, c.want)
			}
		})
	}
}

func TestAMessageIsBelowItsSending(t *testing.T) {
	exporter := exporting(t, 1)
	ctx, request := tracing.Request(t.Context(), http.MethodPost, parent)
	sending, sent := tracing.Sending(ctx, "http://sqs/000000000000/fotograma-status", "fotograma.video.deleted.v1")
	carried := tracing.Parent(sending)
	tracing.End(sent, nil)
	request.End()

	m := events.SQSMessage{
		MessageId: "m", EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:fotograma-status",
		Body:              `{"type":"fotograma.video.deleted.v1","data":{"video_id":"v"},"traceparent":"` + tracing.Parent(ctx) + `"}`,
		MessageAttributes: map[string]events.SQSMessageAttribute{tracing.Name: {StringValue: &carried, DataType: "String"}},
	}
	byAttribute, span := tracing.Message(t.Context(), m)
	span.End()
	m.MessageAttributes = nil
	byBody, span := tracing.Message(t.Context(), m)
	span.End()
	if tracing.ID(byAttribute) != traceID || tracing.ID(byBody) != traceID {
		t.Errorf("traces %s and %s", tracing.ID(byAttribute), tracing.ID(byBody))
	}
	tracing.Flush(ctx)
	spans := exporter.GetSpans()
	if len(spans) != 4 {
		t.Fatalf("%d spans", len(spans))
	}
	send, post, attribute, body := spans[0], spans[1], spans[2], spans[3]
	if send.Name != "send fotograma-status" || send.SpanKind != trace.SpanKindProducer {
		t.Errorf("sent as %q, %v", send.Name, send.SpanKind)
	}
	for _, received := range []tracetest.SpanStub{attribute, body} {
		if received.Name != "process fotograma-status" || received.SpanKind != trace.SpanKindConsumer {
			t.Errorf("received as %q, %v", received.Name, received.SpanKind)
		}
	}
	if attribute.Parent.SpanID() != send.SpanContext.SpanID() || body.Parent.SpanID() != post.SpanContext.SpanID() {
		t.Error("a message is not below what it came of")
	}
}

func TestANotificationIsBelowWhatTheObjectNames(t *testing.T) {
	exporter := exporting(t, 1)
	m := events.SQSMessage{Body: `{"Records":[{}]}`, EventSourceARN: "arn:aws:sqs:us-east-1:0:processing"}
	ctx, none := tracing.Message(t.Context(), m)
	if tracing.ID(ctx) == "" || none.IsRecording() {
		t.Errorf("before the object is known: ID %q, recording %v", tracing.ID(ctx), none.IsRecording())
	}
	ctx, span := tracing.Notification(ctx, m, parent)
	span.End()
	tracing.Flush(ctx)
	if spans := exporter.GetSpans(); len(spans) != 1 || spans[0].Parent.SpanID().String() != "00f067aa0ba902b7" {
		t.Errorf("spans %+v", spans)
	}
}

func TestAnEventKeepsTheTraceThatMadeIt(t *testing.T) {
	e, err := event.New("/video", "1", time.Unix(0, 0), event.VideoDeleted{VideoRef: event.VideoRef{VideoID: "v", OwnerID: "o"}})
	if err != nil {
		t.Fatal(err)
	}
	tracing.Mark(tracing.Continue(t.Context(), parent), &e)
	tracing.Mark(tracing.WithID(t.Context()), &e) // a sweep sends it later
	if got := tracing.ParentOf(e); got != parent {
		t.Errorf("it carries %q", got)
	}
}

func TestAnErrorIsToldByItsKindAlone(t *testing.T) {
	exporter := exporting(t, 1)
	ctx, span := tracing.Stage(t.Context(), "stage")
	tracing.End(span, errors.New("no mail for ana@example.com"))
	tracing.Flush(ctx)
	got := exporter.GetSpans()[0].Status
	if got.Code != codes.Error || got.Description != "_OTHER" {
		t.Errorf("status %+v", got)
	}
}

func TestCallsOfAWSAreSpansOfWhatMadeThem(t *testing.T) {
	exporter := exporting(t, 1)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
	tracing.Attach(&cfg)
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	in := &s3.HeadObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")}
	ctx, span := tracing.Request(t.Context(), http.MethodGet, "")
	if _, err := client.HeadObject(ctx, in); err == nil {
		t.Fatal("the object is there")
	}
	if _, err := s3.NewPresignClient(client).PresignHeadObject(ctx, in); err != nil { // which is no call
		t.Fatal(err)
	}
	_, _ = client.HeadObject(t.Context(), in) // of nothing: not worth a trace
	span.End()
	tracing.Flush(ctx)
	spans := exporter.GetSpans()
	if len(spans) != 2 || spans[0].Name != "S3/HeadObject" || spans[0].Parent.SpanID() != spans[1].SpanContext.SpanID() {
		t.Fatalf("spans %+v", spans)
	}
	if spans[0].Status.Code != codes.Unset {
		t.Errorf("that nothing is there is %+v", spans[0].Status)
	}
}

// hanging is a collector that takes nothing until the caller gives up.
type hanging struct{ exports int }

func (h *hanging) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	h.exports++
	<-ctx.Done()
	return ctx.Err()
}

func (h *hanging) Shutdown(context.Context) error { return nil }

func TestACollectorThatHangsIsWaitedForOnce(t *testing.T) {
	collector := &hanging{}
	use(t, collector, 1)
	began := time.Now()
	for range 5 {
		ctx, span := tracing.Request(t.Context(), http.MethodGet, "")
		span.End()
		tracing.Flush(ctx)
	}
	if took := time.Since(began); took < tracing.Patience || took > 3*tracing.Patience {
		t.Errorf("five requests waited for %v", took)
	}
	if collector.exports != 1 {
		t.Errorf("it was tried %d times", collector.exports)
	}
}
