package notification_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
)

// request sends one as Ana.
func (w *world) request(method, path, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return w.serve(r.WithContext(httpapi.WithCaller(r.Context(), httpapi.Caller{UserID: "ana", SessionID: "s1"})))
}

func (w *world) serve(r *http.Request) *httptest.ResponseRecorder {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// click sends what a mail program does for the one click of RFC 8058.
func (w *world) click(address string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, strings.TrimPrefix(address, "https://app.example"), strings.NewReader("List-Unsubscribe=One-Click"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.serve(r)
}

// prefer changes Ana's preferences.
func (w *world) prefer(changes string) {
	w.t.Helper()
	if a := w.request("PUT", "/v1/notifications/preferences", changes); a.Code != 200 {
		w.t.Fatalf("%d %s", a.Code, a.Body)
	}
}

func (w *world) wantPreferences(completed, failed, expiring bool) {
	w.t.Helper()
	want := fmt.Sprintf(`{"email":{"completed":%v,"failed":%v,"expiring":%v,"digest":true}}`, completed, failed, expiring)
	if a := w.request("GET", "/v1/notifications/preferences", ""); a.Code != 200 || strings.TrimSpace(a.Body.String()) != want {
		w.t.Errorf("%d %s, want %s", a.Code, a.Body, want)
	}
}

func (w *world) wantMails(n int) {
	w.t.Helper()
	if got := len(w.post.mails); got != n {
		w.t.Errorf("%d mails, want %d", got, n)
	}
}

func failed() event.ProcessingFailed {
	return event.ProcessingFailed{VideoRef: completed().VideoRef, Filename: "a.mp4", Code: "stalled"}
}

func TestWhatIsSwitchedOffIsNotSent(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("verified", verified("en"))
	w.wantPreferences(true, true, true)

	w.prefer(`{"email":{"completed":false}}`)
	w.wantPreferences(false, true, true)
	w.must("e1", completed())
	w.wantMails(0)
	w.must("e2", failed())
	w.wantMails(1)

	w.prefer(`{"email":{"failed":false}}`) // the other stays
	w.wantPreferences(false, false, true)
	w.must("e3", failed())
	w.wantMails(1)

	w.prefer(`{"email":{"completed":true,"failed":true}}`)
	w.must("e4", completed())
	w.must("e5", failed())
	w.wantMails(3)
}

func TestMailsBeforeFramesAreDeletedCanBeSwitchedOffAlone(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("verified", verified("en"))
	w.must("e1", expiring())
	w.click(w.post.mails[0].Unsubscribe)
	w.must("e2", expiring())
	w.must("e3", completed())
	w.wantMails(2)
}

func TestMailsAboutTheSafetyOfTheAccountAlwaysCome(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("verified", verified("en"))
	w.prefer(`{"email":{"completed":false,"failed":false}}`)
	code, _ := w.requested(event.PurposeResetPassword, "en")
	w.must("e1", code)
	w.must("e2", event.PasswordChanged{UserID: "ana"})
	w.must("e3", event.EmailChanged{UserID: "ana", Email: "before@example.com", Locale: "en"})
	w.must("e4", event.NewLogin{UserID: "ana", Device: "Firefox, Linux", Network: "203.0.113.7", At: noon})
	w.wantMails(4)
	for _, m := range w.post.mails {
		if m.Unsubscribe != "" || strings.Contains(m.Text, "unsubscribe") {
			t.Errorf("%q can be switched off", m.Subject)
		}
	}
}

// It counts neither as sent nor among the few that an address gets before it is verified.
func TestWhatIsSwitchedOffCountsForNothing(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.prefer(`{"email":{"completed":false}}`)
	for i := range 5 {
		w.must(fmt.Sprint(i), completed())
	}
	w.wantMails(0)
	w.must("failed", failed())
	w.wantMails(1)
}

func TestWhatIsSwitchedOffWhileItWaitsToBeTriedAgainIsNotSent(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.post.fail = errors.New("throttled")
	if err := w.handle("e1", completed()); err == nil {
		t.Error("the failure was not told")
	}
	w.post.fail = nil
	w.prefer(`{"email":{"completed":false}}`)
	w.must("e1", completed())
	w.wantMails(0)
}

func TestPreferencesThatAreNoneAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{`{}`, `{"email":{"completed":"no"}}`, `{"email":{"password_changed":false}}`, `[]`} {
		if a := w.request("PUT", "/v1/notifications/preferences", body); a.Code != 422 {
			t.Errorf("%s: %d %s", body, a.Code, a.Body)
		}
	}
	w.wantPreferences(true, true, true)
}

// At whatever moment of an erasure somebody changes preferences, in the settings or by a
// link, nothing of it stays.
func TestChangesAndAnErasureAtOnceLeaveNothing(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.must("registered", person("en"))
		w.must("e1", completed())
		address := w.post.mails[len(w.post.mails)-1].Unsubscribe
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { w.request("PUT", "/v1/notifications/preferences", `{"email":{"failed":false}}`) })
			all.Go(func() { w.click(address) })
		}
		w.must("erased", event.AccountErased{UserID: "ana"})
		all.Wait()
		w.wantErased()
		w.deleteTombstone() // for the next round
	}
}

// list gives the kinds of mails on a page, and the cursor of the next.
func (w *world) list(query string) (kinds []string, next string) {
	w.t.Helper()
	a := w.request("GET", "/v1/notifications"+query, "")
	var page struct {
		Notifications []struct {
			Kind    string `json:"kind"`
			Channel string `json:"channel"`
		} `json:"notifications"`
		NextCursor string `json:"next_cursor"`
	}
	if err := json.Unmarshal(a.Body.Bytes(), &page); a.Code != 200 || err != nil {
		w.t.Fatalf("%d %s", a.Code, a.Body)
	}
	for _, n := range page.Notifications {
		if n.Channel != "email" {
			w.t.Errorf("sent by %q", n.Channel)
		}
		kinds = append(kinds, n.Kind)
	}
	return kinds, page.NextCursor
}

func TestAPersonSeesWhatWasSent(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("verified", verified("en"))
	w.must("e1", completed())
	w.must("e2", failed())
	w.must("e3", event.PasswordChanged{UserID: "ana"})
	w.post.fail = errors.New("throttled")
	_ = w.handle("e4", completed()) // not sent
	w.post.fail = nil

	a := w.request("GET", "/v1/notifications?limit=1", "")
	want := `{"notifications":[{"id":"e3","kind":"password_changed","channel":"email","sent_at":"2026-11-24T12:00:00Z"}],"next_cursor":"`
	if !strings.HasPrefix(a.Body.String(), want) {
		t.Errorf("%s, want %s", a.Body, want)
	}
	first, cursor := w.list("?limit=2")
	second, end := w.list("?limit=2&cursor=" + cursor)
	if diff := cmp.Diff([][]string{{"password_changed", "failed"}, {"completed"}}, [][]string{first, second}); diff != "" || end != "" {
		t.Errorf("pages (-want +got):\n%s\nand then %q", diff, end)
	}
	if a := w.request("GET", "/v1/notifications", ""); !strings.Contains(a.Body.String(), `"video_id":"v1"`) {
		t.Errorf("no video in %s", a.Body)
	}
	if a := w.request("GET", "/v1/notifications?cursor=x", ""); a.Code != 422 {
		t.Errorf("a cursor of nowhere: %d %s", a.Code, a.Body)
	}
}

func TestMailsBeingSentAreNotInTheList(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.post.during = func() {
		if kinds, _ := w.list(""); len(kinds) != 0 {
			t.Errorf("sent: %v", kinds)
		}
	}
	w.must("e1", completed())
	if kinds, _ := w.list(""); len(kinds) != 1 {
		t.Errorf("sent: %v", kinds)
	}
}

func TestOneClickSwitchesMailsOfAKindOff(t *testing.T) {
	for locale, words := range map[string]string{"en": "You do not want a mail when", "pt-BR": "Não quer receber um e-mail quando"} {
		t.Run(locale, func(t *testing.T) {
			w := newWorld(t)
			w.must("registered", person(locale))
			w.must("verified", verified(locale))
			w.must("e1", completed())
			w.must("e2", failed())
			if len(w.post.mails) != 2 {
				t.Fatalf("%d mails", len(w.post.mails))
			}
			for _, m := range w.post.mails {
				token, found := strings.CutPrefix(m.Unsubscribe, "https://app.example/v1/notifications/unsubscribe?token=")
				page := "https://app.example/unsubscribe#token=" + token
				if !found || !strings.Contains(m.Text, words) || !strings.Contains(m.Text, page) ||
					!strings.Contains(html.UnescapeString(m.HTML), `href="`+page+`"`) {
					t.Errorf("no way out in\n%s\n%s\n%s", m.Unsubscribe, m.Text, m.HTML)
				}
			}
			for range 2 {
				if a := w.click(w.post.mails[0].Unsubscribe); a.Code != 204 {
					t.Errorf("%d %s", a.Code, a.Body)
				}
				w.wantPreferences(false, true, true)
			}
			w.must("e3", completed())
			w.wantMails(2)
		})
	}
}

// Programs that look into mails follow the links in them.
func TestFollowingTheLinkSwitchesNothingOff(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("e1", completed())
	address := strings.TrimPrefix(w.post.mails[0].Unsubscribe, "https://app.example")
	_, token, _ := strings.Cut(address, "=")
	a := w.serve(httptest.NewRequest(http.MethodGet, address, nil))
	if want := "https://app.example/unsubscribe#token=" + token; a.Code != 303 || a.Header().Get("Location") != want {
		t.Errorf("%d to %s, want %s", a.Code, a.Header().Get("Location"), want)
	}
	w.wantPreferences(true, true, true)

	// Whatever it is given, it leads to the page and nowhere else.
	a = w.serve(httptest.NewRequest(http.MethodGet, "/v1/notifications/unsubscribe?token="+url.QueryEscape("\r\nx@evil.example/#&a=b"), nil))
	if want := "https://app.example/unsubscribe#token=%0D%0Ax%40evil.example%2F%23%26a%3Db"; a.Header().Get("Location") != want {
		t.Errorf("it leads to %s", a.Header().Get("Location"))
	}
}

func TestATokenThatNobodyMadeSwitchesNothingOff(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("e1", completed())
	address, token, _ := strings.Cut(w.post.mails[0].Unsubscribe, "=")
	parts := strings.Split(token, ".")
	with := func(i int, value string) string {
		changed := append([]string{}, parts...)
		changed[i] = value
		return strings.Join(changed, ".")
	}
	for name, token := range map[string]string{
		"another person's":           with(1, "bob"),
		"of another kind":            with(2, "failed"),
		"of a kind that must come":   with(2, "password_changed"),
		"with another MAC":           with(3, strings.Repeat("A", 43)),
		"without a MAC":              with(3, ""),
		"of a key that there is not": with(0, "00000000-0000-4000-8000-000000000000"),
		"of a key without a name":    with(0, ""),
		"of three parts":             strings.Join(parts[:3], "."),
		"nonsense":                   "x",
		"nothing":                    "",
	} {
		a := w.click(address + "=" + token)
		if a.Code != 422 || name != "nothing" && !strings.Contains(a.Body.String(), `"code":"invalid_link"`) {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
	w.wantPreferences(true, true, true)
}

// A mail is kept for years: its link must outlive the key that it was made with.
func TestALinkIsGoodAfterAnotherKeyWasMade(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("e1", completed())
	secret := w.cloud.Env(t, "NotifyFunction")["UNSUBSCRIBE_SECRET"]
	if _, err := secretsmanager.NewFromConfig(w.cloud.Config).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &secret, SecretString: aws.String(strings.Repeat("another key ", 4)),
	}); err != nil {
		t.Fatal(err)
	}
	if a := w.click(w.post.mails[0].Unsubscribe); a.Code != 204 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	w.wantPreferences(false, true, true)
}

// Nothing of an erased person comes back, and the answer does not tell of it: not while
// there is a tombstone, and not after.
func TestALinkOfAnErasedPersonLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("e1", completed())
	w.prefer(`{"email":{"failed":false}}`)
	w.must("erased", event.AccountErased{UserID: "ana"})
	w.wantErased()
	if a := w.click(w.post.mails[0].Unsubscribe); a.Code != 204 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if a := w.request("PUT", "/v1/notifications/preferences", `{"email":{"failed":false}}`); a.Code != 401 {
		t.Errorf("a session that is not over yet: %d %s", a.Code, a.Body)
	}
	w.wantErased()

	w.deleteTombstone()
	if a := w.click(w.post.mails[0].Unsubscribe); a.Code != 204 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	if rows := w.rows("ana"); len(rows) != 0 {
		t.Errorf("of Ana there is %q again", rows)
	}
}
