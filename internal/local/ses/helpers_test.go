package ses

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsses "github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"
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

// endpoint is a server over HTTP, mounted as the stack does it, with an unmodified
// SDK client for it.
type endpoint struct {
	*awsses.Client

	server *Server
	url    string
	clock  *clock
}

func start(t testing.TB) *endpoint {
	t.Helper()
	c := newClock()
	e := startAt(t, filepath.Join(t.TempDir(), "ses.db"), Options{Now: c.now})
	e.clock = c
	return e
}

func startAt(t testing.TB, path string, opts Options) *endpoint {
	t.Helper()
	s, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.Handle(InboxPath, s.Inbox())
	mux.Handle(LocalStackPath, s.Inbox())
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	client := awsses.New(awsses.Options{
		BaseEndpoint: aws.String(web.URL),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer:      aws.NopRetryer{},
	})
	return &endpoint{Client: client, server: s, url: web.URL}
}

// sender is verified by startVerified.
const sender = "no-reply@fotograma.test"

func startVerified(t testing.TB) *endpoint {
	t.Helper()
	e := start(t)
	e.verify(t, sender)
	return e
}

func (e *endpoint) verify(t testing.TB, address string) {
	t.Helper()
	if _, err := e.VerifyEmailIdentity(t.Context(), &awsses.VerifyEmailIdentityInput{EmailAddress: &address}); err != nil {
		t.Fatal(err)
	}
}

func text(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }

// send sends a small mail and gives its id.
func (e *endpoint) send(t testing.TB, to, subject string, body types.Body) string {
	t.Helper()
	out, err := e.SendEmail(t.Context(), &awsses.SendEmailInput{
		Source: aws.String(sender), Destination: &types.Destination{ToAddresses: []string{to}},
		Message: &types.Message{Subject: text(subject), Body: &body},
	})
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return *out.MessageId
}

func (e *endpoint) sendRaw(ctx context.Context, raw string, destinations ...string) (string, error) {
	out, err := e.SendRawEmail(ctx, &awsses.SendRawEmailInput{RawMessage: &types.RawMessage{Data: []byte(raw)}, Destinations: destinations})
	if err != nil {
		return "", err
	}
	return *out.MessageId, nil
}

// get asks the inbox.
func (e *endpoint) get(t testing.TB, path string) (*http.Response, string) {
	t.Helper()
	return e.do(t, http.MethodGet, path, "")
}

// post sends a form as it travels.
func (e *endpoint) post(t testing.TB, form string) (*http.Response, string) {
	t.Helper()
	return e.do(t, http.MethodPost, "/", form)
}

func (e *endpoint) do(t testing.TB, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, e.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res, string(out)
}

func (e *endpoint) message(t testing.TB, id string) mailView {
	t.Helper()
	res, body := e.get(t, InboxPath+"messages/"+id)
	var m mailView
	if err := json.Unmarshal([]byte(body), &m); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	return m
}

func (e *endpoint) messages(t testing.TB, query string) []mailView {
	t.Helper()
	res, body := e.get(t, InboxPath+"messages"+query)
	var out struct {
		Messages []mailView `json:"messages"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	return out.Messages
}

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
