package notification_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// hear hands what SES says to what hears it.
func (w *world) hear(body string) error {
	w.t.Helper()
	f := &notification.Feedback{Store: w.store(w.cloud.Env(w.t, "MailFeedbackFunction")), Metrics: metrics.New(io.Discard, "Test", w.clock)}
	return f.HandleMessage(w.t.Context(), events.SQSMessage{Body: body})
}

// said is what SES says of a mail to Ana.
func said(kind, how, email string, at time.Time) string {
	event := map[string]any{
		"eventType": kind, "mail": map[string]any{"messageId": "m", "tags": map[string]any{"user": []string{"ana"}}},
		"bounce":    map[string]any{"bounceType": how, "timestamp": at, "bouncedRecipients": []any{map[string]string{"emailAddress": email}}},
		"complaint": map[string]any{"complaintFeedbackType": how, "timestamp": at, "complainedRecipients": []any{map[string]string{"emailAddress": email}}},
	}
	raw, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// suppressed gives what Ana's settings say of her address.
func (w *world) suppressed() (found struct {
	Reason   string `json:"reason"`
	Liftable bool   `json:"liftable"`
}) {
	w.t.Helper()
	var out struct {
		Suppressed any `json:"suppressed"`
	}
	out.Suppressed = &found
	a := w.request("GET", "/v1/notifications/preferences", "")
	if err := json.Unmarshal(a.Body.Bytes(), &out); a.Code != 200 || err != nil {
		w.t.Fatalf("%d %s", a.Code, a.Body)
	}
	return found
}

// What the simulator's addresses do goes all the way: SES, topic, queue.
func TestABouncedAddressGetsNoMails(t *testing.T) {
	for address, reason := range map[string]string{
		"bounce+ana@simulator.amazonses.com": "bounce", "complaint@simulator.amazonses.com": "complaint",
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t)
			env := w.cloud.Env(t, "NotifyFunction")
			w.service.Sender = &notification.SES{
				Client: ses.NewFromConfig(w.cloud.Config), From: env["MAIL_FROM"], Set: env["MAIL_CONFIGURATION_SET"],
			}
			w.must("registered", event.UserRegistered{UserID: "ana", Email: address, Locale: "en"})
			w.must("e1", completed())
			queue := ""
			for _, q := range w.cloud.Template.Queues {
				if q.LogicalID == "MailFeedbackQueue" {
					queue = q.URL
				}
			}
			bodies := localtest.Drain(t, sqs.NewFromConfig(w.cloud.Config), queue)
			if len(bodies) != 1 {
				t.Fatalf("SES said %q", bodies)
			}
			for range 2 { // it comes twice
				if err := w.hear(bodies[0]); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.suppressed(); got.Reason != reason || got.Liftable != (reason == "bounce") {
				t.Errorf("the settings say %+v", got)
			}
			w.service.Sender = w.post
			w.must("e2", completed())
			w.must("e3", event.PasswordChanged{UserID: "ana"})
			w.wantMails(0)
			w.must("moved", event.ContactChanged{UserID: "ana", Email: "other@example.com", Locale: "en", Version: 2})
			w.must("e4", completed())
			w.wantMails(1)
			if got := w.suppressed(); got.Reason != "" {
				t.Errorf("of another address the settings say %+v", got)
			}
		})
	}
}

func TestWhatBouncesForNowOrIsNoSpamSuppressesNothing(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	for _, body := range []string{
		said("Bounce", "Transient", "ana@example.com", noon), said("Bounce", "Undetermined", "ana@example.com", noon),
		said("Complaint", "not-spam", "ana@example.com", noon), said("Bounce", "Permanent", "somebody@example.com", noon),
		"Successfully validated SNS topic for Amazon SES event publishing.", `{"eventType":"Bounce","mail":{"messageId":"m"}}`,
	} {
		if err := w.hear(body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	w.must("e1", completed())
	w.wantMails(1)
	for _, body := range []string{"hello", `{"eventType":"Open","mail":{"tags":{"user":["ana"]}}}`} {
		if err := w.hear(body); err == nil {
			t.Errorf("%q was understood", body)
		}
	}
}

func TestAPersonHasMailsSentAgainThreeTimes(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	for i := range 3 {
		if err := w.hear(said("Bounce", "Permanent", "Ana@example.com", noon.Add(time.Duration(i)*time.Hour))); err != nil {
			t.Fatal(err)
		}
		if got := w.suppressed(); !got.Liftable {
			t.Fatalf("after %d times: %+v", i, got)
		}
		for range 2 { // the second time there is nothing to lift
			if a := w.request("DELETE", "/v1/notifications/suppression", ""); a.Code != 204 {
				t.Fatalf("%d %s", a.Code, a.Body)
			}
		}
		if err := w.hear(said("Bounce", "Permanent", "ana@example.com", noon)); err != nil { // of before, late
			t.Fatal(err)
		}
		if got := w.suppressed(); got.Reason != "" {
			t.Errorf("lifted it is %+v", got)
		}
	}
	if err := w.hear(said("Bounce", "Permanent", "ana@example.com", noon.Add(9*time.Hour))); err != nil {
		t.Fatal(err)
	}
	a := w.request("DELETE", "/v1/notifications/suppression", "")
	if got := w.suppressed(); got.Liftable || a.Code != 409 || !strings.Contains(a.Body.String(), "suppression_stays") {
		t.Errorf("%+v, %d %s", got, a.Code, a.Body)
	}
}

func TestACodeGoesToABouncedAddressAndVerifyingItLifts(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	if err := w.hear(said("Bounce", "Permanent", "ana@example.com", noon.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	code, _ := w.requested(event.PurposeVerifyEmail, "en")
	code.Email = "ana@example.com"
	w.must("code", code)
	w.wantMails(1)
	w.must("e1", completed())
	w.wantMails(1)
	w.must("verified", verified("en"))
	w.must("e2", completed())
	w.wantMails(2)

	if err := w.hear(said("Complaint", "abuse", "ana@example.com", noon)); err != nil {
		t.Fatal(err)
	}
	w.must("code again", code)
	w.must("verified again", verified("en"))
	w.must("e3", completed())
	w.wantMails(2)
	if a := w.request("DELETE", "/v1/notifications/suppression", ""); a.Code != 409 {
		t.Errorf("a complaint is lifted: %d", a.Code)
	}
}

func TestWhatSESSaysOfAnErasedPersonIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	if err := w.hear(said("Bounce", "Permanent", "ana@example.com", noon)); err != nil {
		t.Fatal(err)
	}
	w.must("erased", event.AccountErased{UserID: "ana"})
	w.wantErased()
	if err := w.hear(said("Complaint", "abuse", "ana@example.com", noon)); err != nil {
		t.Fatal(err)
	}
	w.wantErased()
}
