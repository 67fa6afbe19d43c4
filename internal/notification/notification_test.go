package notification_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// post is a Sender that keeps what it sends, and fails when it is told to.
type post struct {
	mu     sync.Mutex
	fail   error
	during func() // what happens while it sends
	to     []string
	mails  []notification.Mail
}

func (p *post) Send(_ context.Context, to string, m notification.Mail) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.during != nil {
		p.during()
	}
	if p.fail != nil {
		return "", p.fail
	}
	p.to, p.mails = append(p.to, to), append(p.mails, m)
	return fmt.Sprintf("ses-%d", len(p.mails)), nil
}

type world struct {
	t       *testing.T
	service *notification.Service
	post    *post
	now     time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud := localtest.Start(t)
	w := &world{t: t, post: &post{}, now: noon}
	now := func() time.Time { return w.now }
	env := cloud.Env(t, "NotifyFunction")
	w.service = &notification.Service{
		Store:   notification.NewStore(dynamodb.NewFromConfig(cloud.Config), env["NOTIFICATION_TABLE"], now),
		Exports: export.Writer{S3: s3.NewFromConfig(cloud.Config), Bucket: env["ARCHIVES_BUCKET"]},
		Sender:  w.post, WebOrigin: "https://app.example", Metrics: metrics.New(io.Discard, "Test", now), Now: now,
	}
	return w
}

func (w *world) handle(id string, data event.Data) error {
	w.t.Helper()
	e, err := event.New("/test", id, noon, data)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.service.HandleMessage(context.Background(), events.SQSMessage{Body: string(body)})
}

func (w *world) must(id string, data event.Data) {
	w.t.Helper()
	if err := w.handle(id, data); err != nil {
		w.t.Fatal(err)
	}
}

func person(locale string) event.UserRegistered {
	return event.UserRegistered{UserID: "ana", Email: "ana@example.com", Name: "Ana", Locale: locale}
}

func completed() event.ProcessingCompleted {
	return event.ProcessingCompleted{
		VideoRef: event.VideoRef{VideoID: "v1", OwnerID: "ana", Run: 1}, Filename: "<b>férias</b>.mp4",
		Archive:  event.Archive{Frames: 1234, Size: 5_600_000, ExpiresAt: noon.AddDate(0, 0, 7)},
		Warnings: []string{"truncated"},
	}
}

func TestAMailTellsHowAVideoEnded(t *testing.T) {
	for _, c := range []struct {
		locale  string
		data    event.Data
		subject string
		text    []string
	}{
		{"en", completed(), "Your frames are ready: <b>férias</b>.mp4",
			[]string{"Hello Ana,", "1,234 frames", "5.6 MB", "https://app.example/videos/v1", "1 December 2026", "ends before its video"}},
		{"pt-BR", completed(), "Seus quadros estão prontos: <b>férias</b>.mp4",
			[]string{"Olá, Ana!", "1.234 quadros", "5,6 MB", "https://app.example/videos/v1", "01/12/2026", "termina antes do vídeo"}},
		{"en", event.ProcessingFailed{VideoRef: completed().VideoRef, Filename: "a.mp4", Code: "no_video_stream"},
			"We could not process a.mp4", []string{"sound but no video", "https://app.example/videos/v1"}},
		{"pt-BR", event.ProcessingFailed{VideoRef: completed().VideoRef, Filename: "a.mp4", Code: "no_video_stream"},
			"Não conseguimos processar a.mp4", []string{"tem som, mas não tem vídeo", "https://app.example/videos/v1"}},
	} {
		t.Run(c.locale+" "+c.data.EventType(), func(t *testing.T) {
			w := newWorld(t)
			w.must("registered", person(c.locale))
			w.must("ended", c.data)
			if len(w.post.mails) != 1 || w.post.to[0] != "ana@example.com" {
				t.Fatalf("%d mails to %v", len(w.post.mails), w.post.to)
			}
			m := w.post.mails[0]
			if m.Subject != c.subject {
				t.Errorf("subject %q, want %q", m.Subject, c.subject)
			}
			for _, want := range c.text {
				if !strings.Contains(m.Text, want) {
					t.Errorf("text has no %q:\n%s", want, m.Text)
				}
				if !strings.Contains(m.HTML, want) {
					t.Errorf("HTML has no %q:\n%s", want, m.HTML)
				}
			}
			if strings.Contains(m.HTML, "<b>férias") {
				t.Error("the file name is HTML in the mail")
			}
			if !strings.Contains(m.HTML, `lang="`+c.locale+`"`) {
				t.Error("the HTML does not name its language")
			}
		})
	}
}

func TestAMailIsSentOncePerEvent(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { _ = w.handle("e1", completed()) }) // those that come while it is sent, fail and come again
	}
	wg.Wait()
	w.must("e1", completed())
	if n := len(w.post.mails); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
	w.must("e2", completed())
	if n := len(w.post.mails); n != 2 {
		t.Errorf("%d mails after another event, want 2", n)
	}
}

func TestAMailThatWasNotSentIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.post.fail = errors.New("throttled")
	if err := w.handle("e1", completed()); err == nil {
		t.Error("the failure was not told")
	}
	w.post.fail = nil
	w.must("e1", completed())
	if n := len(w.post.mails); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

// A worker that dies between taking a mail and saying that it was sent holds it
// for a while only.
func TestAMailOfAWorkerThatDiedIsSent(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	if err := w.service.Store.Claim(t.Context(), notification.Claim{UserID: "ana", EventID: "e1", At: noon}); err != nil {
		t.Fatal(err)
	}
	if err := w.handle("e1", completed()); err == nil {
		t.Error("two workers send one mail")
	}
	w.now = noon.Add(3 * time.Minute)
	w.must("e1", completed())
	if n := len(w.post.mails); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

func TestAnEventThatComesBeforeItsPersonComesAgain(t *testing.T) {
	w := newWorld(t)
	if err := w.handle("e1", completed()); err == nil {
		t.Error("an event for nobody was handled")
	}
	w.must("registered", person("en"))
	w.must("e1", completed())
	if n := len(w.post.mails); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

func TestWhatNobodyCanReadFails(t *testing.T) {
	w := newWorld(t)
	if err := w.service.HandleMessage(t.Context(), events.SQSMessage{Body: "{}"}); !errors.Is(err, event.ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
	if err := w.handle("e1", event.VideoDeleted{VideoRef: completed().VideoRef}); !errors.Is(err, event.ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
}
