package notification_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// receiver is a person's program that takes messages.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	status  int // that it answers with; 0 for 204
	headers []http.Header
	bodies  []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.headers, r.bodies = append(r.headers, req.Header), append(r.bodies, string(body))
		if r.status == 0 {
			r.status = http.StatusNoContent
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

// preferences are what the settings answer.
type preferences struct {
	Webhook *struct {
		URL    string    `json:"url"`
		Secret string    `json:"secret"`
		Since  time.Time `json:"since"`
	} `json:"webhook"`
}

// hook sets Ana's webhook, and gives what the settings say of it.
func (w *world) hook(change string) preferences {
	w.t.Helper()
	w.asked.Loopback = true
	a := w.request("PUT", "/v1/notifications/preferences", `{"webhook":`+change+`}`)
	var p preferences
	if err := json.Unmarshal(a.Body.Bytes(), &p); a.Code != 200 || err != nil {
		w.t.Fatalf("%d %s", a.Code, a.Body)
	}
	return p
}

// hookedTo makes a world in which Ana has a webhook, and gives its secret.
func hookedTo(t *testing.T, url string) (w *world, secret string) {
	t.Helper()
	w = newWorld(t)
	w.must("registered", person("en"))
	w.must("verified", verified("en"))
	return w, w.hook(`{"url":"` + url + `"}`).Webhook.Secret
}

// queued gives the messages that wait for the deliverer.
func (w *world) queued() []string {
	w.t.Helper()
	return localtest.Drain(w.t, w.service.Webhooks.Queue.SQS, w.service.Webhooks.Queue.URL)
}

// deliver hands one message to the deliverer.
func (w *world) deliver(body string, client *http.Client) error {
	w.t.Helper()
	env := w.cloud.Env(w.t, "WebhookFunction")
	deliverer := &notification.Deliverer{
		Store: w.store(env), Secrets: w.secrets(env), Client: client, Metrics: metrics.New(io.Discard, "Test", w.clock), Now: w.clock,
	}
	return deliverer.HandleMessage(context.Background(), events.SQSMessage{Body: body})
}

// one gives the only message in the queue.
func (w *world) one() string {
	w.t.Helper()
	all := w.queued()
	if len(all) != 1 {
		w.t.Fatalf("%d messages in the queue, want 1", len(all))
	}
	return all[0]
}

// told is one delivery as a person sees it.
type told struct {
	ID      string     `json:"id"`
	Type    string     `json:"type"`
	VideoID string     `json:"video_id"`
	State   string     `json:"state"`
	NextAt  *time.Time `json:"next_at"`
	Tries   []struct {
		Status int    `json:"status"`
		Fault  string `json:"fault"`
	} `json:"tries"`
}

func (w *world) deliveries(query string) (all []told, next string) {
	w.t.Helper()
	a := w.request("GET", "/v1/notifications/webhook/deliveries"+query, "")
	var page struct {
		Deliveries []told `json:"deliveries"`
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal(a.Body.Bytes(), &page); a.Code != 200 || err != nil {
		w.t.Fatalf("%d %s", a.Code, a.Body)
	}
	return page.Deliveries, page.NextCursor
}

func TestAWebhookIsToldHowAVideoEnded(t *testing.T) {
	for name, c := range map[string]struct {
		data  event.Data
		parts []string
	}{
		"completed": {completed(), []string{
			`"type":"video.completed"`, `"timestamp":"2026-11-24T12:00:00Z"`, `"video_id":"v1"`, `"frames":1234`, `"size":5600000`, `"warnings":["truncated"]`,
		}},
		"failed":   {failed(), []string{`"type":"video.failed"`, `"video_id":"v1"`, `"error":{"code":"stalled"}`}},
		"expiring": {expiring(), []string{`"type":"video.expiring"`, `"video_id":"v1"`, `"frames":1234`, `"expires_at":"2026-12-01T12:00:00Z"`}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			w, secret := hookedTo(t, r.URL)
			w.must("e1", c.data)
			if err := w.deliver(w.one(), notification.NewWebhookClient(true)); err != nil {
				t.Fatal(err)
			}
			if len(r.bodies) != 1 || r.headers[0].Get("Webhook-Id") != "e1" || r.headers[0].Get("Content-Type") != "application/json" {
				t.Fatalf("%d messages, %v", len(r.bodies), r.headers)
			}
			for _, part := range c.parts {
				if !strings.Contains(r.bodies[0], part) {
					t.Errorf("no %s in %s", part, r.bodies[0])
				}
			}
			for _, private := range []string{"férias", "a.mp4", "Ana", "ana@example.com", ".zip"} {
				if strings.Contains(r.bodies[0], private) {
					t.Errorf("%q travels in %s", private, r.bodies[0])
				}
			}
			verifier, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			// The clock of this world stands at another time than the library's.
			if err := verifier.VerifyIgnoringTimestamp([]byte(r.bodies[0]), r.headers[0]); err != nil {
				t.Error(err)
			}
			if got := r.headers[0].Get("Webhook-Timestamp"); got != fmt.Sprint(noon.Unix()) {
				t.Errorf("timestamp %s", got)
			}
			if all, _ := w.deliveries(""); len(all) != 1 || all[0].State != "delivered" || all[0].VideoID != "v1" || all[0].Tries[0].Status != 204 {
				t.Errorf("the log has %+v", all)
			}
		})
	}
}

func TestAWebhooksSecretIsShownOnce(t *testing.T) {
	w := newWorld(t)
	first := w.hook(`{"url":"https://hooks.example/a"}`).Webhook
	if !strings.HasPrefix(first.Secret, "whsec_") || len(first.Secret) != len("whsec_")+44 || !first.Since.Equal(noon) {
		t.Fatalf("%+v", first)
	}
	if a := w.request("GET", "/v1/notifications/preferences", ""); strings.Contains(a.Body.String(), "whsec_") || !strings.Contains(a.Body.String(), "https://hooks.example/a") {
		t.Errorf("%s", a.Body)
	}
	if moved := w.hook(`{"url":"https://hooks.example/b"}`).Webhook; moved.Secret != "" || moved.URL != "https://hooks.example/b" {
		t.Errorf("at another address: %+v", moved)
	}
	second := w.hook(`{"url":"https://hooks.example/b","new_secret":true}`).Webhook.Secret
	if second == first.Secret || second == "" {
		t.Errorf("the new secret is %q", second)
	}
	if gone := w.hook(`{"url":""}`).Webhook; gone != nil {
		t.Errorf("removed it is %+v", gone)
	}
	if third := w.hook(`{"url":"https://hooks.example/b"}`).Webhook.Secret; third == second || third == "" {
		t.Error("a webhook that was removed and set again has the secret of before")
	}
}

func TestASecretIsNowhereInTheTable(t *testing.T) {
	w, secret := hookedTo(t, "https://hooks.example/a")
	w.must("e1", completed())
	for _, row := range w.items("ana") {
		if text := fmt.Sprint(row); strings.Contains(text, strings.TrimPrefix(secret, "whsec_")) {
			t.Errorf("it is in %s", text)
		}
	}
}

func TestAddressesThatAreNoWebhooksAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, url := range []string{
		"http://hooks.example/", "ftp://hooks.example/", "https://", "hooks.example", "https:hooks.example", "javascript:alert(1)",
		"https://user:word@hooks.example/", "https://hooks.example/#x", "https://127.0.0.1/", "https://localhost/", "https://[::1]/",
		"https://169.254.169.254/latest/", "https://10.0.0.1/", "https://[::ffff:10.0.0.1]/", "http://127.0.0.1:9001/",
		"https://hooks.example/" + strings.Repeat("x", 2000),
	} {
		body, err := json.Marshal(map[string]any{"webhook": map[string]string{"url": url}, "email": map[string]bool{"completed": false}})
		if err != nil {
			t.Fatal(err)
		}
		a := w.request("PUT", "/v1/notifications/preferences", string(body))
		if a.Code != 422 || !strings.Contains(a.Body.String(), "body.webhook.url") {
			t.Errorf("%s: %d %s", url, a.Code, a.Body)
		}
	}
	w.wantPreferences(true, true, true) // nor is anything else of such a request done
}

// What a name leads to is only known when it is called.
func TestWebhooksReachNothingButTheInternet(t *testing.T) {
	client := notification.NewWebhookClient(false)
	for _, address := range []string{
		"127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "169.254.170.2",
		"192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
		"[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[fd00:ec2::254]", "[fc00::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]",
		"[2002:7f00:1::]", "[2001::1]", "[100::1]", "localhost",
	} {
		t.Run(address, func(t *testing.T) {
			for _, port := range []string{"443", "9001"} {
				if got := notification.Reach(t.Context(), client, "https://"+net.JoinHostPort(strings.Trim(address, "[]"), port)); got != "forbidden_host" {
					t.Errorf("port %s: %q", port, got)
				}
			}
		})
	}
}

func TestWhatAWebhookDoesWrongIsTold(t *testing.T) {
	elsewhere := newReceiver(t)
	release := make(chan struct{})
	servers := map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"timeout": func(http.ResponseWriter, *http.Request) { <-release },
		"connection": func(_ http.ResponseWriter, _ *http.Request) {
			panic(http.ErrAbortHandler) // which closes the connection
		},
		"": func(w http.ResponseWriter, _ *http.Request) { // an answer without end
			for r := http.NewResponseController(w); ; {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
				_ = r.Flush()
			}
		},
	}
	for want, handler := range servers {
		t.Run("fault "+want, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			client := notification.NewWebhookClient(true)
			if want == "timeout" {
				client.Timeout = 50 * time.Millisecond
				defer close(release)
			}
			if got := notification.Reach(t.Context(), client, server.URL); got != want {
				t.Errorf("%q", got)
			}
		})
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	if got := notification.Reach(t.Context(), notification.NewWebhookClient(true), secure.URL); got != "tls" {
		t.Errorf("with a certificate of its own: %q", got)
	}
	if got := notification.Reach(t.Context(), notification.NewWebhookClient(true), "https://nowhere.invalid/"); got != "no_host" {
		t.Errorf("of a name that leads nowhere: %q", got)
	}
	if len(elsewhere.bodies) != 0 {
		t.Error("a redirect was followed")
	}
}

func TestAWebhookIsTriedAgainForADay(t *testing.T) {
	r := newReceiver(t)
	r.status = 503
	w, _ := hookedTo(t, r.URL)
	w.must("e1", completed())
	message, began := w.one(), w.now
	tries := 1
	for ; ; tries++ {
		err := w.deliver(message, notification.NewWebhookClient(true))
		if err == nil {
			break
		}
		postponed, ok := errors.AsType[*batch.PostponedError](err)
		if !ok || postponed.By > 12*time.Hour || strings.Contains(err.Error(), "127.0.0.1") {
			t.Fatal(err)
		}
		all, _ := w.deliveries("")
		if all[0].State != "waiting" || len(all[0].Tries) != tries || !all[0].NextAt.Equal(w.now.Add(postponed.By)) {
			t.Fatalf("after %d tries the log has %+v", tries, all[0])
		}
		w.now = w.now.Add(postponed.By)
	}
	if took := w.now.Sub(began); tries != 9 || len(r.bodies) != 9 || took < 24*time.Hour || took > 30*time.Hour {
		t.Errorf("%d tries in %v", tries, took)
	}
	all, _ := w.deliveries("")
	if all[0].State != "failed" || all[0].NextAt != nil || all[0].Tries[8].Status != 503 || all[0].Tries[8].Fault != "status" {
		t.Errorf("the log has %+v", all[0])
	}
	if len(slices.Compact(slices.Clone(r.bodies))) != 1 {
		t.Errorf("the tries say different things: %q", r.bodies)
	}
	if err := w.deliver(message, notification.NewWebhookClient(true)); err != nil || len(r.bodies) != 9 {
		t.Errorf("what was given up was tried again: %v", err)
	}
}

func TestWhatWillNeverBeTakenIsGivenUpAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *world, r *receiver)
		fault string
	}{
		"it is gone":              {func(_ *world, r *receiver) { r.status = 410 }, "status"},
		"the webhook was removed": {func(w *world, _ *receiver) { w.hook(`{"url":""}`) }, "webhook_removed"},
		"its name leads into a private network": {func(w *world, _ *receiver) {
			w.hook(`{"url":"https://localhost:1/"}`)
		}, "forbidden_host"},
		"the key of its secret is lost": {func(w *world, _ *receiver) { w.loseWebhookKey() }, "secret_lost"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			w, _ := hookedTo(t, r.URL)
			w.must("e1", completed())
			c.spoil(w, r)
			client := notification.NewWebhookClient(c.fault != "forbidden_host")
			if err := w.deliver(w.one(), client); err != nil {
				t.Fatal(err)
			}
			if all, _ := w.deliveries(""); all[0].State != "failed" || len(all[0].Tries) != 1 || all[0].Tries[0].Fault != c.fault {
				t.Errorf("the log has %+v", all[0])
			}
		})
	}
}

// loseWebhookKey makes Ana's webhook one whose secret was made with a key that Secrets
// Manager does not keep any more.
func (w *world) loseWebhookKey() {
	w.t.Helper()
	_, err := w.service.Store.DB.UpdateItem(w.t.Context(), &dynamodb.UpdateItemInput{
		TableName: &w.service.Store.Table, Key: dynamo.Key{PK: "user#ana", SK: "webhook"}.Item(),
		UpdateExpression:          aws.String("SET key_id = :gone"),
		ExpressionAttributeValues: dynamo.Item{":gone": dynamo.S("00000000-0000-4000-8000-000000000000")},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestAnEventThatComesTwiceIsDeliveredOnce(t *testing.T) {
	r := newReceiver(t)
	w, _ := hookedTo(t, r.URL)
	for range 2 {
		w.must("e1", completed())
	}
	for _, message := range w.queued() { // the first may not have come to the queue
		if err := w.deliver(message, notification.NewWebhookClient(true)); err != nil {
			t.Fatal(err)
		}
	}
	w.must("e1", completed())
	if left := w.queued(); len(r.bodies) != 1 || len(left) != 0 {
		t.Errorf("%d messages, and %d wait", len(r.bodies), len(left))
	}
}

func TestAMessageThatComesEarlyWaits(t *testing.T) {
	r := newReceiver(t)
	r.status = 500
	w, _ := hookedTo(t, r.URL)
	w.must("e1", completed())
	message := w.one()
	for range 3 {
		postponed, ok := errors.AsType[*batch.PostponedError](w.deliver(message, notification.NewWebhookClient(true)))
		if !ok || postponed.By != 5*time.Second {
			t.Errorf("%+v", postponed)
		}
	}
	if len(r.bodies) != 1 {
		t.Errorf("%d tries, want 1", len(r.bodies))
	}
}

func TestWhoHasNoWebhookIsToldByMailAlone(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("e1", completed())
	w.wantMails(1)
	if all := w.queued(); len(all) != 0 {
		t.Errorf("%q", all)
	}
}

func TestAWebhookCanBeTried(t *testing.T) {
	r := newReceiver(t)
	w := newWorld(t)
	w.must("registered", person("en"))
	if a := w.request("POST", "/v1/notifications/webhook/test", ""); a.Code != 409 || !strings.Contains(a.Body.String(), `"no_webhook"`) {
		t.Errorf("without a webhook: %d %s", a.Code, a.Body)
	}
	w.hook(`{"url":"` + r.URL + `"}`)
	if a := w.request("POST", "/v1/notifications/webhook/test", ""); a.Code != 202 || !strings.Contains(a.Body.String(), `"id":"test-1"`) {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	if a := w.request("POST", "/v1/notifications/webhook/test", ""); a.Code != 429 || a.Header().Get("Retry-After") != "5" {
		t.Errorf("at once again: %d, retry after %s", a.Code, a.Header().Get("Retry-After"))
	}
	r.status = 404
	if err := w.deliver(w.one(), notification.NewWebhookClient(true)); err != nil {
		t.Errorf("a trial is tried again: %v", err)
	}
	if all, _ := w.deliveries(""); len(all) != 1 || all[0].Type != "webhook.test" || all[0].State != "failed" || all[0].Tries[0].Status != 404 {
		t.Errorf("the log has %+v", all)
	}
	if len(r.bodies) != 1 || !strings.Contains(r.bodies[0], `"type":"webhook.test"`) {
		t.Errorf("%q", r.bodies)
	}
}

func TestDeliveriesComeInPages(t *testing.T) {
	w, _ := hookedTo(t, "https://hooks.example/")
	for i := range 5 {
		w.must(fmt.Sprint("e", i), completed())
	}
	var ids []string
	query := "?limit=2"
	for pages := 1; ; pages++ {
		all, next := w.deliveries(query)
		for _, d := range all {
			ids = append(ids, d.ID)
		}
		if next == "" {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		query = "?limit=2&cursor=" + next
	}
	if want := []string{"e4", "e3", "e2", "e1", "e0"}; !slices.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
}

func TestAnErasedPersonsWebhookIsNotCalled(t *testing.T) {
	r := newReceiver(t)
	w, _ := hookedTo(t, r.URL)
	w.must("e1", completed())
	message := w.one()
	w.must("erased", event.AccountErased{UserID: "ana"})
	if err := w.deliver(message, notification.NewWebhookClient(true)); err != nil || len(r.bodies) != 0 {
		t.Errorf("%d messages, %v", len(r.bodies), err)
	}
	for _, ask := range [][2]string{{"PUT", "/v1/notifications/preferences"}, {"POST", "/v1/notifications/webhook/test"}} {
		if a := w.request(ask[0], ask[1], `{"webhook":{"url":"https://hooks.example/"}}`); a.Code != 401 && a.Code != 409 {
			t.Errorf("%v: %d %s", ask, a.Code, a.Body)
		}
	}
	w.wantErased()
}

func TestWebhooksOnThisMachineAreForItAlone(t *testing.T) {
	for _, c := range []struct {
		reach notification.WebhookReach
		want  bool
	}{
		{notification.WebhookReach{Stage: "local", LoopbackAllowed: true}, true},
		{notification.WebhookReach{Stage: "local"}, false},
		{notification.WebhookReach{Stage: "production", LoopbackAllowed: true}, false},
		{notification.WebhookReach{LoopbackAllowed: true}, false},
	} {
		if got := c.reach.Loopback(); got != c.want {
			t.Errorf("%+v: %v", c.reach, got)
		}
	}
}
