package notification_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/batch"
)

// answers has SES answer with an error, as it spells them.
func (w *world) answers(code, message string) (asked *int) {
	w.t.Helper()
	asked = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		*asked++
		rw.Header().Set("Content-Type", "text/xml")
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(rw, `<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, message)
	}))
	w.t.Cleanup(server.Close)
	w.service.Sender = &notification.SES{
		From: "Fotograma <No-Reply@fotograma.example>",
		Client: ses.NewFromConfig(w.cloud.Config, func(o *ses.Options) {
			o.BaseEndpoint, o.RetryMaxAttempts = aws.String(server.URL), 1
		}),
	}
	return asked
}

// received hands the service an event that was received so often.
func (w *world) received(times int, id string, data event.Data) error {
	w.t.Helper()
	e, err := event.New("/test", id, noon, data)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.service.HandleMessage(context.Background(), events.SQSMessage{
		Body: string(body), Attributes: map[string]string{"ApproximateReceiveCount": fmt.Sprint(times)},
	})
}

func TestAMailWaitsWhileSESIsBusy(t *testing.T) {
	for name, c := range map[string]struct{ code, message string }{
		"too many in a second": {"Throttling", "Maximum sending rate exceeded."},
		"too many in a day":    {"Throttling", "Daily message quota exceeded."},
		"sending is paused":    {"AccountSendingPausedException", "Sending is paused."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must("registered", person("en"))
			w.answers(c.code, c.message)
			last, total := time.Duration(0), time.Duration(0)
			for times := 1; times < 16; times++ { // as often as the queue gives it but for the last
				err := w.received(times, "e1", completed())
				postponed, ok := errors.AsType[*batch.PostponedError](err)
				if !ok || postponed.By < last || postponed.By > 12*time.Hour {
					t.Fatalf("received %d times: %v", times, err)
				}
				last, total = postponed.By, total+postponed.By
			}
			if total < 24*time.Hour {
				t.Errorf("it is tried for %v, which SES' quota outlasts", total)
			}
			w.service.Sender = w.post
			if err := w.received(16, "e1", completed()); err != nil {
				t.Fatal(err)
			}
			w.wantMails(1)
		})
	}
}

func TestAMailThatSESRefusesIsNotTriedAgain(t *testing.T) {
	for name, c := range map[string]struct{ message, reason string }{
		"in the sandbox":  {"Email address is not verified. The following identities failed the check in region US-EAST-1: ana@example.com", "sandbox"},
		"for its content": {"Message contains a virus.", "rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must("registered", person("en"))
			asked := w.answers("MessageRejected", c.message)
			for range 3 {
				w.must("e1", completed())
			}
			if *asked != 1 {
				t.Errorf("SES was asked %d times", *asked)
			}
			if rows := fmt.Sprint(w.items("ana")); !strings.Contains(rows, "refused") {
				t.Errorf("the row does not tell: %s", rows)
			}
			if kinds, _ := w.list(""); len(kinds) != 0 {
				t.Errorf("it counts as sent: %v", kinds)
			}
		})
	}
}

// Somebody verifies it, and moves the dead letters back.
func TestAMailWaitsForAMissingSender(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.answers("MessageRejected", "Email address is not verified. The following identities failed the check in region US-EAST-1: no-reply@fotograma.example")
	err := w.handle("e1", completed())
	if _, postponed := errors.AsType[*batch.PostponedError](err); err == nil || postponed {
		t.Errorf("%v", err)
	}
	w.service.Sender = w.post
	w.must("e1", completed())
	w.wantMails(1)
}
