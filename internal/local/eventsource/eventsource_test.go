package eventsource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/eventsource"
	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/sam"
	"github.com/fotograma/fotograma/internal/local/sqs"
)

const queueARN = "arn:aws:sqs:us-east-1:000000000000:jobs"

// queue is the local SQS with one queue, "jobs", and a client for it.
type queue struct {
	*awssqs.Client

	tb  testing.TB
	url string

	// refuse is how many ReceiveMessage calls are answered with an error.
	refuse atomic.Int32

	// deaf is for an SQS that does not see when a caller has gone.
	deaf atomic.Bool
}

// newQueue starts SQS; the queue "jobs" hides messages for an hour.
func newQueue(tb testing.TB) *queue {
	tb.Helper()
	q := newEndpoint(tb)
	q.create(map[string]string{"VisibilityTimeout": "3600"})
	return q
}

func newEndpoint(tb testing.TB) *queue {
	tb.Helper()
	server, err := sqs.Open(filepath.Join(tb.TempDir(), "sqs.db"), sqs.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	q := &queue{tb: tb}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ReceiveMessage") && q.refuse.Add(-1) >= 0 {
			http.Error(w, `{"__type":"com.amazonaws.sqs#OverLimit","message":"too many"}`, http.StatusBadRequest)
			return
		}
		if q.deaf.Load() {
			r = r.WithContext(context.WithoutCancel(r.Context()))
		}
		server.ServeHTTP(w, r)
	}))
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
		web.Close()
	})
	q.Client = awssqs.New(awssqs.Options{
		BaseEndpoint: &web.URL, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	return q
}

func (q *queue) create(attributes map[string]string) {
	q.tb.Helper()
	out, err := q.CreateQueue(q.tb.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("jobs"), Attributes: attributes})
	if err != nil {
		q.tb.Fatal(err)
	}
	q.url = *out.QueueUrl
}

func (q *queue) send(bodies ...string) {
	q.tb.Helper()
	for _, body := range bodies {
		if _, err := q.SendMessage(q.tb.Context(), &awssqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
			q.tb.Fatal(err)
		}
	}
}

// counts says how many messages are visible, and how many in flight.
func (q *queue) counts() (visible, inFlight int) {
	q.tb.Helper()
	out, err := q.GetQueueAttributes(context.WithoutCancel(q.tb.Context()), &awssqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		q.tb.Fatal(err)
	}
	for name, n := range map[string]*int{"ApproximateNumberOfMessages": &visible, "ApproximateNumberOfMessagesNotVisible": &inFlight} {
		if *n, err = strconv.Atoi(out.Attributes[name]); err != nil {
			q.tb.Fatal(err)
		}
	}
	return visible, inFlight
}

func (q *queue) wantCounts(visible, inFlight int) {
	q.tb.Helper()
	eventually(q.tb, "the right number of messages", func() bool {
		v, f := q.counts()
		return v == visible && f == inFlight
	})
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within 10 s: %s", what)
		}
	}
}

// function is a Lambda function that the test writes.
type function func(ctx context.Context, event events.SQSEvent) (response string, err error)

// errFunction is for a function that fails.
var errFunction = errors.New("function failed")

// fakeLambda is an Invoker of one function, "Fn".
type fakeLambda struct {
	tb          testing.TB
	do          function
	concurrency int

	mu      sync.Mutex
	raw     []string
	batches [][]string // bodies
	running int
	most    int
}

func (l *fakeLambda) Concurrency(name string) int {
	if name != "Fn" {
		return 0
	}
	return l.concurrency
}

func (l *fakeLambda) Invoke(ctx context.Context, name string, payload []byte) (lambda.Result, error) {
	var event events.SQSEvent
	if err := json.Unmarshal(payload, &event); err != nil || name != "Fn" {
		l.tb.Errorf("invocation of %s with %s: %v", name, payload, err)
	}
	var bodies []string
	for _, record := range event.Records {
		bodies = append(bodies, record.Body)
	}
	l.mu.Lock()
	l.raw = append(l.raw, string(payload))
	l.batches = append(l.batches, bodies)
	l.running++
	l.most = max(l.most, l.running)
	l.mu.Unlock()

	response, err := l.do(ctx, event)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	if errors.Is(err, errFunction) {
		return lambda.Result{FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"no"}`)}, nil
	}
	return lambda.Result{Payload: []byte(response)}, err
}

func (l *fakeLambda) calls() [][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([][]string(nil), l.batches...)
}

func source(change ...func(*sam.EventSource)) sam.EventSource {
	s := sam.EventSource{LogicalID: "Jobs", Function: "Fn", QueueARN: queueARN, BatchSize: 10, ReportBatchItemFailures: true, Enabled: true}
	for _, c := range change {
		c(&s)
	}
	return s
}

// run runs a mapping until the test ends or stop is called, which waits for it.
func run(q *queue, l *fakeLambda, s sam.EventSource, change ...func(*eventsource.Config)) (stop func()) {
	q.tb.Helper()
	cfg := eventsource.Config{Sources: []sam.EventSource{s}, SQS: q.Client, Invoker: l}
	for _, c := range change {
		c(&cfg)
	}
	runner, err := eventsource.New(cfg)
	if err != nil {
		q.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(q.tb.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		runner.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	q.tb.Cleanup(stop)
	return stop
}

func newLambda(tb testing.TB, do function) *fakeLambda {
	return &fakeLambda{tb: tb, do: do, concurrency: 8}
}

func succeed(context.Context, events.SQSEvent) (string, error) { return "null", nil }

func TestEventIsLambdas(t *testing.T) {
	q := newQueue(t)
	sent, err := q.SendMessage(t.Context(), &awssqs.SendMessageInput{
		QueueUrl: &q.url, MessageBody: aws.String(`{"video":"<1>"}`),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"kind": {DataType: aws.String("String"), StringValue: aws.String("upload")},
			"raw":  {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := newLambda(t, succeed)
	run(q, l, source())
	q.wantCounts(0, 0)

	var got struct {
		Records []map[string]any `json:"Records"`
	}
	if err := json.Unmarshal([]byte(l.raw[0]), &got); err != nil {
		t.Fatal(err)
	}
	record := got.Records[0]
	attributes, _ := record["attributes"].(map[string]any)
	for name, value := range map[string]any{"ApproximateReceiveCount": "1", "SenderId": nil, "SentTimestamp": nil, "ApproximateFirstReceiveTimestamp": nil} {
		if attributes[name] == nil || (value != nil && attributes[name] != value) {
			t.Errorf("attribute %s: %v", name, attributes[name])
		}
	}
	if handle, _ := record["receiptHandle"].(string); handle == "" {
		t.Error("no receipt handle")
	}
	delete(record, "attributes")
	delete(record, "receiptHandle")
	none := []any{}
	want := map[string]any{
		"messageId": *sent.MessageId, "body": `{"video":"<1>"}`, "md5OfBody": *sent.MD5OfMessageBody,
		"md5OfMessageAttributes": *sent.MD5OfMessageAttributes,
		"messageAttributes": map[string]any{
			"kind": map[string]any{"dataType": "String", "stringValue": "upload", "stringListValues": none, "binaryListValues": none},
			"raw":  map[string]any{"dataType": "Binary", "binaryValue": "AQI=", "stringListValues": none, "binaryListValues": none},
		},
		"eventSource": "aws:sqs", "eventSourceARN": queueARN, "awsRegion": "us-east-1",
	}
	if diff := cmp.Diff(want, record); diff != "" {
		t.Error(diff)
	}
}

func TestMessageOfFailedFunctionIsDeliveredAgainWhenVisible(t *testing.T) {
	q := newQueue(t)
	q.send("a")
	tries := make(chan events.SQSMessage, 10)
	l := newLambda(t, func(_ context.Context, e events.SQSEvent) (string, error) {
		tries <- e.Records[0]
		if len(tries) > 1 {
			return "null", nil
		}
		return "", errFunction
	})
	run(q, l, source())
	eventually(t, "the first try", func() bool { return len(tries) == 1 })
	q.wantCounts(0, 1) // the mapping leaves it to its visibility timeout
	first := <-tries
	tries <- first
	if _, err := q.ChangeMessageVisibility(t.Context(), &awssqs.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: &first.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	q.wantCounts(0, 0)
	<-tries
	if second := <-tries; second.Attributes["ApproximateReceiveCount"] != "2" || second.MessageId != first.MessageId {
		t.Errorf("second try: %+v", second)
	}
}

func TestOnlyFailedMessagesStay(t *testing.T) {
	q := newQueue(t)
	q.send("good 1", "bad", "good 2")
	do := func(_ context.Context, e events.SQSEvent) (string, error) {
		response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
		for _, record := range e.Records {
			if record.Body == "bad" {
				response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
			}
		}
		data, err := json.Marshal(response)
		return string(data), err
	}
	stop := run(q, newLambda(t, do), source())
	q.wantCounts(0, 1)
	stop()

	q.send("bad too")
	run(q, newLambda(t, do), source(func(s *sam.EventSource) { s.ReportBatchItemFailures = false }))
	q.wantCounts(0, 1) // the report was not asked for, so it is not read
}

func TestResponseThatCannotBeReadKeepsTheBatch(t *testing.T) {
	q := newQueue(t)
	q.send("a", "b")
	run(q, newLambda(t, func(context.Context, events.SQSEvent) (string, error) {
		return `{"batchItemFailures":[{"itemIdentifier":""}]}`, nil
	}), source())
	q.wantCounts(0, 2)
}

func TestConcurrencyIsLimited(t *testing.T) {
	for name, limits := range map[string]struct{ mapping, host int }{"by the mapping": {3, 8}, "by the host": {20, 3}} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t)
			for i := range 12 {
				q.send(strconv.Itoa(i))
			}
			var overdrawn atomic.Int32
			l := newLambda(t, func(context.Context, events.SQSEvent) (string, error) {
				if _, inFlight := q.counts(); inFlight > 3 {
					overdrawn.Store(int32(inFlight))
				}
				time.Sleep(20 * time.Millisecond)
				return "null", nil
			})
			l.concurrency = limits.host
			run(q, l, source(func(s *sam.EventSource) { s.BatchSize, s.MaximumConcurrency = 1, limits.mapping }))
			q.wantCounts(0, 0)
			if got := len(l.calls()); got != 12 {
				t.Errorf("%d invocations for 12 messages", got)
			}
			if l.most != 3 {
				t.Errorf("%d at the same time, want 3", l.most)
			}
			if n := overdrawn.Load(); n > 0 {
				t.Errorf("%d messages were taken off the queue while 3 could be worked on", n)
			}
		})
	}
}

func TestPollersScaleUpToTheLimit(t *testing.T) {
	q := newQueue(t)
	all := make(chan struct{})
	var here atomic.Int32
	l := newLambda(t, func(ctx context.Context, _ events.SQSEvent) (string, error) {
		if here.Add(1) == 8 {
			close(all)
		}
		select {
		case <-all:
			return "null", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	run(q, l, source(func(s *sam.EventSource) { s.BatchSize = 1 }))
	for i := range 8 {
		q.send(strconv.Itoa(i))
	}
	select {
	case <-all:
	case <-time.After(5 * time.Second):
		t.Fatalf("%d of 8 messages are worked on at the same time", here.Load())
	}
	q.wantCounts(0, 0)
}

func TestThrottledBatchIsOfferedAgain(t *testing.T) {
	q := newQueue(t)
	q.send("a")
	var tries atomic.Int32
	l := newLambda(t, func(context.Context, events.SQSEvent) (string, error) {
		if tries.Add(1) < 3 {
			return "", lambda.ErrThrottled
		}
		return "null", nil
	})
	run(q, l, source())
	q.wantCounts(0, 0)
	if diff := cmp.Diff([][]string{{"a"}, {"a"}, {"a"}}, l.calls()); diff != "" {
		t.Error(diff)
	}
}

func TestThrottledBatchIsGivenUpWhenItsMessagesAreVisibleAgain(t *testing.T) {
	q := newEndpoint(t)
	q.create(map[string]string{"VisibilityTimeout": "1"})
	q.send("a")
	var counts sync.Map
	l := newLambda(t, func(_ context.Context, e events.SQSEvent) (string, error) {
		received := e.Records[0].Attributes["ApproximateReceiveCount"]
		counts.Store(received, true)
		if received == "1" {
			return "", lambda.ErrThrottled
		}
		return "null", nil
	})
	run(q, l, source())
	q.wantCounts(0, 0)
	if _, ok := counts.Load("2"); !ok {
		t.Error("the message was never received again")
	}
}

func TestStop(t *testing.T) {
	fast := func(c *eventsource.Config) { c.Grace = 300 * time.Millisecond }
	tests := []struct {
		name    string
		do      function
		visible int // messages left
	}{
		{"an invocation that ends within the grace is settled", func(context.Context, events.SQSEvent) (string, error) {
			time.Sleep(100 * time.Millisecond)
			return "null", nil
		}, 0},
		{"messages of one that does not are visible at once", func(ctx context.Context, _ events.SQSEvent) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}, 1},
		{"so are those of a closed host", func(context.Context, events.SQSEvent) (string, error) {
			time.Sleep(50 * time.Millisecond)
			return "", lambda.ErrClosed
		}, 1},
		{"and throttled ones", func(context.Context, events.SQSEvent) (string, error) { return "", lambda.ErrThrottled }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(t)
			l := newLambda(t, tt.do)
			stop := run(q, l, source(), fast)
			q.send("a")
			eventually(t, "an invocation", func() bool { return len(l.calls()) > 0 })
			began := time.Now()
			stop()
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("stopping took %v", took)
			}
			if visible, inFlight := q.counts(); visible != tt.visible || inFlight != 0 {
				t.Errorf("%d visible, %d in flight; want %d and 0", visible, inFlight, tt.visible)
			}
		})
	}
}

// LocalStack and moto give messages to calls that nobody waits for any more.
func TestStopLeavesNothingWithAnSQSThatDoesNotSeeIt(t *testing.T) {
	q := newQueue(t)
	q.deaf.Store(true)
	l := newLambda(t, func(ctx context.Context, _ events.SQSEvent) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	stop := run(q, l, source(), func(c *eventsource.Config) { c.Poll = time.Second })
	q.send("a")
	eventually(t, "an invocation", func() bool { return len(l.calls()) > 0 })
	time.Sleep(50 * time.Millisecond) // another poller waits, most likely
	stop()
	q.send("b")
	time.Sleep(1500 * time.Millisecond)
	if visible, inFlight := q.counts(); visible != 2 || inFlight != 0 {
		t.Errorf("%d visible, %d in flight; want 2 and 0", visible, inFlight)
	}
}

func TestIdleMappingStopsAtOnce(t *testing.T) {
	q := newQueue(t)
	stop := run(q, newLambda(t, succeed), source())
	time.Sleep(50 * time.Millisecond) // it is in a long poll, most likely
	began := time.Now()
	stop()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

func TestBatchingWindowCollects(t *testing.T) {
	q := newQueue(t)
	l := newLambda(t, succeed)
	run(q, l, source(func(s *sam.EventSource) { s.BatchSize, s.BatchingWindow = 100, time.Second }))
	for i := range 12 {
		q.send(strconv.Itoa(i))
		time.Sleep(10 * time.Millisecond)
	}
	q.wantCounts(0, 0)
	if got := l.calls(); len(got) != 1 || len(got[0]) != 12 {
		t.Errorf("batches %v", got)
	}
}

func TestFullBatchDoesNotWaitForTheWindow(t *testing.T) {
	q := newQueue(t)
	q.send("a", "b")
	l := newLambda(t, succeed)
	began := time.Now()
	run(q, l, source(func(s *sam.EventSource) { s.BatchSize, s.BatchingWindow = 2, 300*time.Second }))
	q.wantCounts(0, 0)
	if got := l.calls(); len(got) != 1 || time.Since(began) > 3*time.Second {
		t.Errorf("batches %v after %v", got, time.Since(began))
	}
}

func TestQueueThatComesLater(t *testing.T) {
	q := newEndpoint(t)
	l := newLambda(t, succeed)
	var log lockedBuffer
	run(q, l, source(), func(c *eventsource.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	eventually(t, "word of the missing queue", func() bool { return strings.Contains(log.String(), "will try again: find the queue") })
	q.create(nil)
	q.send("a")
	q.wantCounts(0, 0)
	eventually(t, "an invocation", func() bool { return len(l.calls()) == 1 })
}

func TestEndpointThatFailsForAWhile(t *testing.T) {
	q := newQueue(t)
	q.refuse.Store(2)
	q.send("a")
	run(q, newLambda(t, succeed), source())
	q.wantCounts(0, 0)
}

func TestFunctionThatCannotBeInvokedKeepsItsMessages(t *testing.T) {
	q := newQueue(t)
	q.send("a")
	run(q, newLambda(t, func(context.Context, events.SQSEvent) (string, error) { return "", io.ErrUnexpectedEOF }), source())
	q.wantCounts(0, 1)
}

func TestMappingThatIsNotEnabledDoesNothing(t *testing.T) {
	q := newQueue(t)
	q.send("a")
	l := newLambda(t, succeed)
	run(q, l, source(func(s *sam.EventSource) { s.Enabled = false }))()
	if visible, _ := q.counts(); visible != 1 || len(l.calls()) != 0 {
		t.Errorf("%d visible after %d calls", visible, len(l.calls()))
	}
}

func TestSettingsThatLambdaRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*sam.EventSource)
		want   string
	}{
		{"batch too large", func(s *sam.EventSource) { s.BatchSize = 10_001 }, "BatchSize"},
		{"negative batch", func(s *sam.EventSource) { s.BatchSize = -1 }, "BatchSize"},
		{"large batch without a window", func(s *sam.EventSource) { s.BatchSize = 11 }, "MaximumBatchingWindowInSeconds"},
		{"window too long", func(s *sam.EventSource) { s.BatchingWindow = 301 * time.Second }, "MaximumBatchingWindowInSeconds"},
		{"concurrency of one", func(s *sam.EventSource) { s.MaximumConcurrency = 1 }, "MaximumConcurrency"},
		{"concurrency too high", func(s *sam.EventSource) { s.MaximumConcurrency = 1001 }, "MaximumConcurrency"},
		{"unknown function", func(s *sam.EventSource) { s.Function = "Other" }, "no such function"},
		{"no queue", func(s *sam.EventSource) { s.QueueARN = "arn:aws:s3:::bucket" }, "not the ARN of a queue"},
		{"FIFO queue", func(s *sam.EventSource) { s.QueueARN += ".fifo" }, "FIFO"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := eventsource.New(eventsource.Config{Sources: []sam.EventSource{source(tt.change)}, Invoker: newLambda(t, succeed)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one about %s", err, tt.want)
			}
		})
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// BenchmarkLatency is from the start of SendMessage to the function's start.
func BenchmarkLatency(b *testing.B) {
	q := newQueue(b)
	reached := make(chan struct{})
	run(q, newLambda(b, func(context.Context, events.SQSEvent) (string, error) {
		reached <- struct{}{}
		return "null", nil
	}), source())
	time.Sleep(50 * time.Millisecond)
	for b.Loop() {
		q.send("a")
		<-reached
	}
}

// BenchmarkThroughput is one message, sent beforehand, through a function that
// does nothing.
func BenchmarkThroughput(b *testing.B) {
	q := newQueue(b)
	reached := make(chan int, 100)
	for range b.N {
		q.send("a")
	}
	b.ResetTimer()
	run(q, newLambda(b, func(_ context.Context, e events.SQSEvent) (string, error) {
		reached <- len(e.Records)
		return "null", nil
	}), source())
	for n := 0; n < b.N; {
		n += <-reached
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
