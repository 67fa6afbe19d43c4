package notification_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
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

// world is the handler of events and the settings over local AWS.
type world struct {
	t       *testing.T
	cloud   *localtest.AWS
	service *notification.Service
	handler http.Handler
	asked   *notification.Settings // what the handler asks
	post    *post
	now     time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud := localtest.Start(t)
	w := &world{t: t, cloud: cloud, post: &post{}, now: noon}
	now := w.clock
	env := cloud.Env(t, "NotifyFunction")
	w.service = &notification.Service{
		Store: w.store(env),
		Templates: &notification.Templates{
			Store: w.store(env), Metrics: metrics.New(io.Discard, "Test", now), Now: now,
		},
		Exports: export.Writer{S3: s3.NewFromConfig(cloud.Config), Bucket: env["ARCHIVES_BUCKET"]},
		Codes:   &mailcode.Keys{Secrets: secretsmanager.NewFromConfig(cloud.Config), Secret: env["MAIL_CODE_SECRET"]},
		Unsubscribes: &notification.Unsubscribes{
			Keys:      &mailcode.Keys{Secrets: secretsmanager.NewFromConfig(cloud.Config), Secret: env["UNSUBSCRIBE_SECRET"]},
			WebOrigin: "https://app.example",
		},
		Webhooks: w.webhooks(env),
		Sender:   w.post, UnverifiedMails: 3, WebOrigin: "https://app.example", Metrics: metrics.New(io.Discard, "Test", now), Now: now,
	}
	api := httpapi.New(httpapi.Config{Now: now, NewID: func() string { return "r" }, Metrics: metrics.New(io.Discard, "Test", now)})
	w.asked = w.settings(cloud.Env(t, "NotificationsFunction"))
	notification.Register(api, w.asked)
	w.handler = api.Handler()
	return w
}

func (w *world) store(env map[string]string) *notification.Store {
	return notification.NewStore(dynamodb.NewFromConfig(w.cloud.Config), env["NOTIFICATION_TABLE"], w.clock)
}

func (w *world) clock() time.Time { return w.now }

func (w *world) webhooks(env map[string]string) *notification.Webhooks {
	return &notification.Webhooks{
		Store: w.store(env), Queue: notification.Queue{SQS: sqs.NewFromConfig(w.cloud.Config), URL: env["WEBHOOK_QUEUE_URL"]}, Now: w.clock,
	}
}

func (w *world) secrets(env map[string]string) *notification.WebhookSecrets {
	return &notification.WebhookSecrets{Keys: &mailcode.Keys{Secrets: secretsmanager.NewFromConfig(w.cloud.Config), Secret: env["WEBHOOK_SECRET"]}}
}

// settings are those of another process than the service's.
func (w *world) settings(env map[string]string) *notification.Settings {
	ids := 0
	return &notification.Settings{
		Store: w.store(env), Secrets: w.secrets(env), Webhooks: w.webhooks(env), Now: w.clock,
		NewID: func() string { ids++; return fmt.Sprintf("test-%d", ids) },
		Unsubscribes: &notification.Unsubscribes{
			Keys:      &mailcode.Keys{Secrets: secretsmanager.NewFromConfig(w.cloud.Config), Secret: env["UNSUBSCRIBE_SECRET"]},
			WebOrigin: "https://app.example",
		},
	}
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

func verified(locale string) event.ContactChanged {
	return event.ContactChanged{UserID: "ana", Email: "ana@example.com", Name: "Ana", Locale: locale, Verified: true, Version: 2}
}

func completed() event.ProcessingCompleted {
	return event.ProcessingCompleted{
		VideoRef: event.VideoRef{VideoID: "v1", OwnerID: "ana", Run: 1}, Filename: "<b>férias</b>.mp4",
		Archive:  event.Archive{Frames: 1234, Size: 5_600_000, ExpiresAt: noon.AddDate(0, 0, 7)},
		Warnings: []string{"truncated"},
	}
}

func expiring() event.ArchiveExpiring {
	return event.ArchiveExpiring{VideoRef: completed().VideoRef, Filename: completed().Filename, Archive: completed().Archive}
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
		{"en", expiring(), "Your frames will be deleted soon: <b>férias</b>.mp4",
			[]string{"1,234 frames", "1 December 2026, 12:00 UTC", "https://app.example/videos/v1"}},
		{"pt-BR", expiring(), "Seus quadros serão apagados em breve: <b>férias</b>.mp4",
			[]string{"1.234 quadros", "serão apagados", "01/12/2026, 12:00 UTC", "https://app.example/videos/v1"}},
		{"en", event.NewLogin{UserID: "ana", Device: "Firefox, Linux", Network: "203.0.113.7", At: noon}, "New login to your account",
			[]string{"24 November 2026, 12:00 UTC", "Firefox, Linux, from 203.0.113.7", "https://app.example/settings"}},
		{"pt-BR", event.NewLogin{UserID: "ana", Network: "203.0.113.7", At: noon}, "Novo acesso à sua conta",
			[]string{"24/11/2026, 12:00 UTC", "de 203.0.113.7", "https://app.example/settings"}},
	} {
		t.Run(c.locale+" "+c.data.EventType(), func(t *testing.T) {
			w := newWorld(t)
			w.must("registered", person(c.locale))
			w.must("verified", verified(c.locale))
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

func TestNobodyIsToldThatFramesWillBeDeletedWhenTheyAre(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("verified", verified("en"))
	w.now = expiring().Archive.ExpiresAt
	w.must("late", expiring())
	w.wantMails(0)
}

func TestASizeIsInTheUnitThatSuitsIt(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("verified", verified("en"))
	for size, want := range map[int64]string{0: "0.0 kB", 41_300: "41.3 kB", 999_960: "1.0 MB", 56_700_000: "56.7 MB", 2_345_000_000: "2.3 GB", 3e15: "3,000.0 TB"} {
		data := completed()
		data.Archive.Size = size
		w.must(want, data)
		if m := w.post.mails[len(w.post.mails)-1]; !strings.Contains(m.Text, "The ZIP has "+want+".") {
			t.Errorf("%d bytes:\n%s", size, m.Text)
		}
	}
}

func TestNamesInMailsShowWhatTheyAre(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("ended", event.ProcessingFailed{VideoRef: completed().VideoRef, Filename: "a\u202e4pm\u2028.exe", Code: "stalled"})
	if got, want := w.post.mails[0].Subject, "We could not process a4pm.exe"; got != want {
		t.Errorf("subject %q, want %q", got, want)
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
	if _, postponed := errors.AsType[*batch.PostponedError](w.handle("e1", completed())); !postponed {
		t.Error("two workers send one mail")
	}
	w.now = noon.Add(3 * time.Minute)
	w.must("e1", completed())
	if n := len(w.post.mails); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

// SES has taken the mail, and nobody is left to say so. Within the moment that SES leaves
// open, once more is the least; nothing makes it more than that.
func TestAMailWhoseWorkerDiedAfterSESTookItGoesOutOnceMore(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	name := w.service.Store.Table
	w.post.during = func() { w.service.Store.Table = "gone" } // the row cannot be written any more
	if err := w.handle("e1", completed()); err == nil {
		t.Error("nobody was told that the row is not written")
	}
	w.service.Store.Table, w.post.during = name, nil
	if err := w.handle("e1", completed()); err == nil {
		t.Error("it goes out again while its worker may live")
	}
	w.wantMails(1)
	w.now = noon.Add(3 * time.Minute)
	w.must("e1", completed())
	w.must("e1", completed())
	w.now = noon.Add(time.Hour)
	w.must("e1", completed())
	w.wantMails(2)
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

// requested asks for a code to be mailed, and gives the code.
func (w *world) requested(purpose, locale string) (event.CodeRequested, string) {
	w.t.Helper()
	keyID, key, err := w.service.Codes.Current(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	r := event.CodeRequested{
		UserID: "ana", Email: "ana.souza@example.com", Name: "Ana <i>", Locale: locale, Purpose: purpose, Nonce: "n", KeyID: keyID,
		ExpiresAt: noon.Add(30 * time.Minute),
	}
	return r, mailcode.Code(key, r)
}

func TestACodeIsMailedToWhereItWasAsked(t *testing.T) {
	w := newWorld(t) // in which nobody is known yet
	for i, c := range []struct{ purpose, locale, text, page string }{
		{event.PurposeVerifyEmail, "en", "confirm your e-mail address", "verify-email"},
		{event.PurposeVerifyEmail, "pt-BR", "Confirme o seu e-mail", "verify-email"},
		{event.PurposeResetPassword, "en", "set a new password", "reset-password"},
		{event.PurposeResetPassword, "pt-BR", "definir uma nova senha", "reset-password"},
		{event.PurposeChangeEmail, "en", "takes this e-mail address", "confirm-email"},
		{event.PurposeChangeEmail, "pt-BR", "passa a usar este e-mail", "confirm-email"},
	} {
		t.Run(c.purpose+" "+c.locale, func(t *testing.T) {
			w.post.to, w.post.mails = nil, nil
			data, code := w.requested(c.purpose, c.locale)
			id := fmt.Sprintf("e%d", i)
			w.must(id, data)
			w.must(id, data)
			if len(w.post.mails) != 1 || w.post.to[0] != "ana.souza@example.com" {
				t.Fatalf("%d mails to %v", len(w.post.mails), w.post.to)
			}
			m := w.post.mails[0]
			for part, text := range map[string]string{"subject": m.Subject, "text": m.Text, "HTML": m.HTML} {
				if !strings.Contains(text, code) {
					t.Errorf("the code is not in the %s:\n%s", part, text)
				}
			}
			for _, want := range []string{c.text, "12:30 UTC"} {
				if !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, want) {
					t.Errorf("no %q in\n%s\n%s", want, m.Text, m.HTML)
				}
			}
			// In the fragment, which goes to no server.
			link := "https://app.example/" + c.page + "#code=" + code + "&email=ana.souza%40example.com"
			if !strings.Contains(m.Text, link) || !strings.Contains(html.UnescapeString(m.HTML), `href="`+link+`"`) {
				t.Errorf("no link %s in\n%s\n%s", link, m.Text, m.HTML)
			}
			if strings.Contains(m.HTML, "<i>") || !strings.Contains(m.HTML, `lang="`+c.locale+`"`) {
				t.Errorf("the HTML is\n%s", m.HTML)
			}
		})
	}
}

func TestACodeThatIsGoodForNothingIsNotMailed(t *testing.T) {
	w := newWorld(t)
	silent, _ := w.requested(event.PurposeResetPassword, "en")
	silent.Email = ""
	w.must("e1", silent)
	late, _ := w.requested(event.PurposeResetPassword, "en")
	w.now = late.ExpiresAt
	w.must("e2", late)
	if n := len(w.post.mails); n != 0 {
		t.Errorf("%d mails, want none", n)
	}
	w.now = noon
	odd, _ := w.requested("something_else", "en")
	if err := w.handle("e3", odd); !errors.Is(err, event.ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
}

func TestPeopleAreToldWhatWasChanged(t *testing.T) {
	for locale, texts := range map[string][2]string{
		"en":    {"Your password was changed", "Your account has another e-mail address"},
		"pt-BR": {"A sua senha foi alterada", "A sua conta tem outro e-mail"},
	} {
		t.Run(locale, func(t *testing.T) {
			w := newWorld(t)
			w.must("registered", person(locale))
			w.must("verified", verified(locale))
			w.must("e1", event.PasswordChanged{UserID: "ana"})
			w.must("e2", event.EmailChanged{UserID: "ana", Email: "before@example.com", Name: "Ana", Locale: locale})
			if len(w.post.mails) != 2 || w.post.to[0] != "ana@example.com" || w.post.to[1] != "before@example.com" {
				t.Fatalf("%d mails to %v", len(w.post.mails), w.post.to)
			}
			for i, want := range texts {
				if m := w.post.mails[i]; m.Subject != want || !strings.Contains(m.Text, "Ana") || !strings.Contains(m.HTML, "Ana") {
					t.Errorf("mail %+v, want %q", m, want)
				}
			}
		})
	}
}

func contact(version int, email string) event.ContactChanged {
	return event.ContactChanged{UserID: "ana", Email: email, Name: "Ana", Locale: "en", Verified: true, Version: version}
}

// Events come twice and out of order: the newest contact stays.
func TestAnOlderContactNeverWins(t *testing.T) {
	w := newWorld(t)
	for i, step := range []struct {
		data event.Data
		to   string
	}{
		{contact(2, "second@example.com"), "second@example.com"},
		{person("en"), "second@example.com"},
		{contact(4, "fourth@example.com"), "fourth@example.com"},
		{contact(3, "third@example.com"), "fourth@example.com"},
		{contact(4, "fourth@example.com"), "fourth@example.com"},
	} {
		w.must(fmt.Sprintf("contact-%d", i), step.data)
		w.must(fmt.Sprintf("video-%d", i), completed())
		if got := w.post.to[len(w.post.to)-1]; got != step.to {
			t.Errorf("after step %d the mail went to %s, want %s", i, got, step.to)
		}
	}
}

// It may be a stranger's, and the name an advertisement.
func TestAnAddressThatIsNotVerifiedIsNotCalledByName(t *testing.T) {
	w := newWorld(t)
	offer := person("en")
	offer.Name = "Cheap at https://spam.example"
	w.must("registered", offer)
	w.must("e1", completed())
	w.must("e2", event.PasswordChanged{UserID: "ana"})
	if len(w.post.mails) != 2 {
		t.Fatalf("%d mails, want 2", len(w.post.mails))
	}
	for _, m := range w.post.mails {
		if strings.Contains(m.Text, "spam.example") || strings.Contains(m.HTML, "spam.example") {
			t.Errorf("it got\n%s", m.Text)
		}
	}
}

func TestAnAddressThatIsNotVerifiedGetsFewMails(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	mails := func(want int) {
		t.Helper()
		if n := len(w.post.mails); n != want {
			t.Fatalf("%d mails, want %d", n, want)
		}
	}
	w.post.fail = errors.New("throttled")
	for range 5 { // deliveries of one event, which counts once
		_ = w.handle("e0", completed())
	}
	w.post.fail = nil
	w.must("e0", completed())
	w.must("e1", completed())
	w.must("e2", event.PasswordChanged{UserID: "ana"})
	mails(3)
	w.must("e3", completed())
	w.must("renamed", event.ContactChanged{UserID: "ana", Email: "ana@example.com", Name: "Anna", Locale: "en", Version: 2})
	w.must("e4", completed())
	mails(3)

	code, _ := w.requested(event.PurposeVerifyEmail, "en")
	w.must("code", code)
	mails(4)
	w.must("verified", contact(3, "ana@example.com"))
	for i := range 5 {
		w.must(fmt.Sprintf("later-%d", i), completed())
	}
	mails(9)
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
