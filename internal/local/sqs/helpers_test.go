package sqs

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// clock stands still until a test moves it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// endpoint is a server over HTTP with an unmodified SDK client for it.
type endpoint struct {
	*awssqs.Client

	server *Server
	url    string
	clock  *clock
}

func start(t testing.TB) *endpoint {
	t.Helper()
	c := newClock()
	return startAt(t, filepath.Join(t.TempDir(), "sqs.db"), c)
}

func startAt(t testing.TB, path string, c *clock) *endpoint {
	t.Helper()
	s, err := Open(path, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	e := serve(t, s)
	e.clock = c
	return e
}

func serve(t testing.TB, s *Server) *endpoint {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.CloseClientConnections()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		web.Close()
	})
	return &endpoint{Client: newClient(web.URL), server: s, url: web.URL}
}

func newClient(url string) *awssqs.Client {
	return awssqs.New(awssqs.Options{
		BaseEndpoint: aws.String(url),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer:      aws.NopRetryer{},
	})
}

// create makes a queue, with attributes given as name, value, name, value.
func (e *endpoint) create(t testing.TB, name string, attrs ...string) string {
	t.Helper()
	in := &awssqs.CreateQueueInput{QueueName: &name, Attributes: pairs(attrs)}
	out, err := e.CreateQueue(t.Context(), in)
	if err != nil {
		t.Fatalf("create queue %s: %v", name, err)
	}
	return *out.QueueUrl
}

func pairs(kv []string) map[string]string {
	m := make(map[string]string)
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

// createWithDLQ makes "<name>-dlq" and "<name>", which sends its dead letters there.
func (e *endpoint) createWithDLQ(t testing.TB, name string, maxReceives string, attrs ...string) (queue, dlq string) {
	t.Helper()
	dlq = e.create(t, name+"-dlq")
	policy := `{"deadLetterTargetArn":"` + arn(name+"-dlq") + `","maxReceiveCount":"` + maxReceives + `"}`
	return e.create(t, name, append(attrs, "RedrivePolicy", policy)...), dlq
}

func arn(name string) string { return "arn:aws:sqs:us-east-1:000000000000:" + name }

func (e *endpoint) put(t testing.TB, url, body string) string {
	t.Helper()
	out, err := e.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return *out.MessageId
}

// take receives once, without waiting, with every system attribute.
func (e *endpoint) take(t testing.TB, url string) []types.Message {
	t.Helper()
	out, err := e.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	})
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return out.Messages
}

// takeOne fails the test unless exactly one message is there.
func (e *endpoint) takeOne(t testing.TB, url string) types.Message {
	t.Helper()
	got := e.take(t, url)
	if len(got) != 1 {
		t.Fatalf("received %d messages, want 1", len(got))
	}
	return got[0]
}

func (e *endpoint) wantNone(t testing.TB, url, why string) {
	t.Helper()
	if got := e.take(t, url); len(got) > 0 {
		t.Fatalf("%s: received %q, want nothing", why, *got[0].Body)
	}
}

func (e *endpoint) remove(t testing.TB, url string, handle *string) {
	t.Helper()
	_, err := e.DeleteMessage(t.Context(), &awssqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: handle})
	if err != nil {
		t.Fatalf("delete: %v", err)
	}
}

func (e *endpoint) hide(ctx context.Context, url string, handle *string, seconds int32) error {
	_, err := e.ChangeMessageVisibility(ctx, &awssqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: seconds,
	})
	return err
}

func (e *endpoint) attributes(t testing.TB, url string) map[string]string {
	t.Helper()
	out, err := e.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"},
	})
	if err != nil {
		t.Fatalf("attributes: %v", err)
	}
	return out.Attributes
}

// wantCode checks the error code as callers of the SDK see it, which is the query
// protocol's.
func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("error %v, want code %s", err, code)
	}
	if api.ErrorCode() != code {
		t.Fatalf("error code %s (%s), want %s", api.ErrorCode(), api.ErrorMessage(), code)
	}
}
