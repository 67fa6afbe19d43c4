package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const testQueue = "arn:aws:sqs:us-east-1:000000000000:processing"

// message is one call of Notify.
type message struct{ queue, body string }

// events are the records in a message, none in a test message.
func (m message) events(t *testing.T) []eventRecord {
	t.Helper()
	var body eventMessage
	if err := json.Unmarshal([]byte(m.body), &body); err != nil {
		t.Fatalf("message %q: %v", m.body, err)
	}
	return body.Records
}

// queues is a fake SQS: it remembers what it was sent, and can be told to fail.
type queues struct {
	mu       sync.Mutex
	received []message
	fail     func(message) error
}

func (q *queues) notify(_ context.Context, queue, body string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := message{queue, body}
	if q.fail != nil {
		if err := q.fail(m); err != nil {
			return err
		}
	}
	q.received = append(q.received, m)
	return nil
}

func (q *queues) failWith(fail func(message) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fail = fail
}

func (q *queues) messages() []message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.received)
}

// records waits until n event records have come and returns all that have.
func (q *queues) records(t *testing.T, n int) []eventRecord {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		var records []eventRecord
		for _, m := range q.messages() {
			records = append(records, m.events(t)...)
		}
		if len(records) >= n {
			return records
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events came, want %d: %+v", len(records), n, records)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// clock is a settable time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// fixture is a running server with everything a test talks to it with.
type fixture struct {
	*Server

	dir    string
	url    string
	http   *httptest.Server
	client *awss3.Client
	queues *queues
	clock  *clock
}

// start opens a server on a new directory with one bucket, "uploads".
func start(t testing.TB) *fixture {
	t.Helper()
	f := startIn(t, t.TempDir(), &queues{})
	if _, err := f.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("uploads")}); err != nil {
		t.Fatal(err)
	}
	return f
}

// startIn opens a server on a directory that may have been used before.
func startIn(t testing.TB, dir string, q *queues) *fixture {
	t.Helper()
	c := &clock{now: time.Now()}
	server, err := Open(dir, Options{Notify: q.notify, Now: c.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	f := &fixture{Server: server, dir: dir, url: front.URL, http: front, client: newClient(front.URL, "test", "test"), queues: q, clock: c}
	t.Cleanup(f.stopServing)
	return f
}

// stopServing closes the server, as at the end of the process.
func (f *fixture) stopServing() {
	f.http.CloseClientConnections()
	f.http.Close()
	if err := f.Close(); err != nil {
		panic(err)
	}
}

func newClient(url, accessKey, secretKey string) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		Retryer:     aws.NopRetryer{},
	})
}

// put stores an object in uploads.
func (f *fixture) put(t testing.TB, key, content string) *awss3.PutObjectOutput {
	t.Helper()
	out, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("uploads"), Key: &key, Body: bytes.NewReader([]byte(content))})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return out
}

// content returns an object of uploads, or "" and false if there is none.
func (f *fixture) content(t testing.TB, key string) (string, bool) {
	t.Helper()
	out, err := f.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("uploads"), Key: &key})
	if code(err) == "NoSuchKey" {
		return "", false
	}
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return string(body), true
}

// notifyQueue makes uploads send the events to the test queue.
func (f *fixture) notifyQueue(t testing.TB, filters []types.FilterRule, events ...types.Event) {
	t.Helper()
	rule := types.QueueConfiguration{QueueArn: aws.String(testQueue), Events: events}
	if len(filters) > 0 {
		rule.Filter = &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: filters}}
	}
	_, err := f.client.PutBucketNotificationConfiguration(t.Context(), &awss3.PutBucketNotificationConfigurationInput{
		Bucket:                    aws.String("uploads"),
		NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{rule}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// code is the S3 error code of an SDK error, "" for none.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// exchange sends a request and returns the answer with its body read.
func exchange(t testing.TB, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return resp, string(body)
}

// errorCode is the code in an error document.
func errorCode(body string) string {
	var document struct {
		Code string `xml:"Code"`
	}
	if err := xml.Unmarshal([]byte(body), &document); err != nil {
		return fmt.Sprintf("not an error document: %q", body)
	}
	return document.Code
}

func request(t testing.TB, method, url string, body []byte, headers map[string]string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return r
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		runChild(dir)
		return
	}
	os.Exit(m.Run())
}
