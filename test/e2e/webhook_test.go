package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fotograma/fotograma/pkg/client"
)

// hook is a program of a person's that takes messages, and does not take the first.
type hook struct {
	*httptest.Server
	verified chan string // bodies of messages whose signature holds
}

func newHook(t *testing.T, secret *string) *hook {
	t.Helper()
	h := &hook{verified: make(chan string, 10)}
	refused := false
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !refused {
			refused = true
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		verifier, err := standardwebhooks.NewWebhook(*secret)
		if err != nil {
			t.Error(err)
			return
		}
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Error(err)
		}
		h.verified <- string(body)
	}))
	t.Cleanup(h.Close)
	return h
}

func TestAWebhookIsToldAndItsSignatureHolds(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	var secret string
	h := newHook(t, &secret)
	wanted, err := p.ChangeNotificationPreferences(t.Context(), client.PreferenceChanges{Webhook: &client.WebhookChange{URL: h.URL}})
	if err != nil {
		t.Fatal(err)
	}
	secret = wanted.Webhook.Secret
	p.failing()
	if body := <-h.verified; !strings.Contains(body, `"type":"video.failed"`) || strings.Contains(body, "notes.mp4") {
		t.Errorf("it was told %s", body)
	}
	until(t, "the log tells of two tries", func() bool {
		page, err := p.WebhookDeliveries(t.Context(), "", 0)
		return err == nil && len(page.Deliveries) == 1 && page.Deliveries[0].State == "delivered" &&
			len(page.Deliveries[0].Tries) == 2 && page.Deliveries[0].Tries[0].Status == http.StatusServiceUnavailable
	})

	id, err := p.TestWebhook(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if body := <-h.verified; !strings.Contains(body, `"type":"webhook.test"`) {
		t.Errorf("the trial said %s", body)
	}
	until(t, "the log has the trial", func() bool {
		page, err := p.WebhookDeliveries(t.Context(), "", 1)
		return err == nil && len(page.Deliveries) == 1 && page.Deliveries[0].ID == id && page.Deliveries[0].State == "delivered"
	})
}
