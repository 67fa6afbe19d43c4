package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/logging"
)

func TestRegisterOpensAnAccountAndTellsNotification(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.post("/v1/auth/register", map[string]string{
		"email": "  Ana@Example.COM ", "password": anaPassword, "name": " Ana Souza ", "locale": "pt-BR",
	})
	id, _ := a.body["user"].(map[string]any)["id"].(string)
	want := map[string]any{"user": map[string]any{
		"id": id, "email": anaEmail, "name": "Ana Souza", "locale": "pt-BR", "created_at": "2026-03-01T12:00:00Z",
		"email_verified": false,
	}}
	if diff := cmp.Diff(want, a.body); a.status != http.StatusCreated || diff != "" {
		t.Fatalf("status %d, body (-want +got):\n%s", a.status, diff)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be cached")
	}

	published := w.published()
	if len(published) != 2 || published[1].Type() != (event.CodeRequested{}).EventType() {
		t.Fatalf("published: %v, want the registration and the code", published)
	}
	got, err := event.As[event.UserRegistered](published[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(event.UserRegistered{UserID: id, Email: anaEmail, Name: "Ana Souza", Locale: "pt-BR"}, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if rows := w.rowsBut("attempts#"); len(rows) != 4 {
		t.Errorf("the table holds %d rows, want the address, the profile, the code and an entry of the audit log", len(rows))
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := map[string]struct {
		body   string
		status int
		code   string
		member string
	}{
		"no e-mail":           {`{"password": "a horse of many staples"}`, 422, "invalid_request", "body"},
		"no password":         {`{"email": "ana@example.com"}`, 422, "invalid_request", "body"},
		"not an address":      {`{"email": "ana", "password": "a horse of many staples"}`, 422, "invalid_request", "body.email"},
		"a display name":      {`{"email": "Ana <ana@example.com>", "password": "a horse of many staples"}`, 422, "invalid_request", "body.email"},
		"a short password":    {`{"email": "ana@example.com", "password": "9 bytes !"}`, 422, "weak_password", "body.password"},
		"a common password":   {`{"email": "ana@example.com", "password": "Password1234"}`, 422, "weak_password", "body.password"},
		"the e-mail as one":   {`{"email": "ana@example.com", "password": "Ana@Example.com"}`, 422, "weak_password", "body.password"},
		"too many characters": {`{"email": "ana@example.com", "password": "` + strings.Repeat("xy", 501) + `"}`, 422, "invalid_request", "body.password"},
		"too many bytes":      {`{"email": "ana@example.com", "password": "` + strings.Repeat("äöüß", 126) + `"}`, 422, "invalid_request", "body.password"},
		"a long name":         {`{"email": "ana@example.com", "password": "a horse of many staples", "name": "` + strings.Repeat("é", 201) + `"}`, 422, "invalid_request", "body.name"},
		"a name of two lines": {`{"email": "ana@example.com", "password": "a horse of many staples", "name": "Ana\r\nBcc: x"}`, 422, "invalid_request", "body.name"},
		"an unknown language": {`{"email": "ana@example.com", "password": "a horse of many staples", "locale": "fr"}`, 422, "invalid_request", "body.locale"},
		"an unknown member":   {`{"email": "ana@example.com", "password": "a horse of many staples", "admin": true}`, 422, "invalid_request", "body.admin"},
		"something else":      {`"ana"`, 422, "invalid_request", "body"},
		"half a body":         {`{"email": `, 400, "bad_request", "body"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := w.call(http.MethodPost, "/v1/auth/register", test.body, "")
			w.wants(a, test.status, test.code)
			errors, _ := a.body["errors"].([]any)
			if len(errors) == 0 || errors[0].(map[string]any)["location"] != test.member {
				t.Errorf("errors are %v, want one at %s", errors, test.member)
			}
			if strings.Contains(a.raw, "horse of many") || strings.Contains(a.raw, "9 bytes") {
				t.Errorf("the password is repeated in %s", a.raw)
			}
		})
	}
	if rows := w.rowsBut("attempts#"); len(rows) != 0 {
		t.Errorf("%d rows were written", len(rows))
	}
	longest := strings.Repeat("é", 200)
	w.wants(w.post("/v1/auth/register", map[string]string{"email": anaEmail, "password": anaPassword, "name": longest}), 201, nil)
}

func TestRegisterTakesTheLanguageOfTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, test := range []struct{ header, want string }{
		{"pt-BR,pt;q=0.9", "pt-BR"}, {"pt", "pt-BR"}, {"de, en;q=0.5", "en"}, {"", "en"},
	} {
		body := fmt.Sprintf(`{"email": "ana%d@example.com", "password": %q}`, i, anaPassword)
		a := w.call(http.MethodPost, "/v1/auth/register", body, "", "Accept-Language", test.header)
		if got := a.body["user"].(map[string]any)["locale"]; got != test.want {
			t.Errorf("for %q the locale is %v, want %s", test.header, got, test.want)
		}
	}
}

func TestAnAddressHasOneAccountHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	again := w.post("/v1/auth/register", map[string]string{"email": "ANA@example.com", "password": "another long password"})
	w.wants(again, http.StatusConflict, "email_taken")
	if a := w.login("Ana@EXAMPLE.com", anaPassword); a.status != http.StatusOK {
		t.Errorf("login in other letters: %d %s", a.status, a.raw)
	}
	w.wants(w.login(anaEmail, "another long password"), http.StatusUnauthorized, "invalid_credentials")
}

// together runs f n times at the same moment.
func together(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			f(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// tally counts answers by status and code.
func tally(answers []answer) map[string]int {
	n := map[string]int{}
	for _, a := range answers {
		code, _ := a.code().(string)
		n[strings.TrimSpace(strconv.Itoa(a.status)+" "+code)]++
	}
	return n
}

func TestOfParallelRegistrationsOfOneAddressExactlyOneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answers := make([]answer, 20)
	together(len(answers), func(i int) {
		answers[i] = w.post("/v1/auth/register", map[string]string{
			"email": anaEmail, "password": fmt.Sprintf("the long password of %d", i),
		})
	})
	if diff := cmp.Diff(map[string]int{"201": 1, "409 email_taken": 19}, tally(answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if n := len(w.published()); n != 2 {
		t.Errorf("%d events were published, want the registration and the code", n)
	}
	for i, a := range answers {
		login := w.login(anaEmail, fmt.Sprintf("the long password of %d", i))
		if (login.status == http.StatusOK) != (a.status == http.StatusCreated) {
			t.Errorf("registration %d: %d, but login %d", i, a.status, login.status)
		}
		w.clock.advance(time.Hour) // past the window of attempts
	}
}

func TestARegistrationOutlivesItsQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wire.before = func(target string) int {
		if target == "AmazonSQS.SendMessage" {
			return http.StatusBadRequest
		}
		return 0
	}
	id := w.registerAna()
	w.wire.before = nil
	if n := len(w.published()); n != 0 {
		t.Fatalf("%d events were published though the queue is away", n)
	}

	sweep := Sweep(w.service.Eraser)
	if err := sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.published()); n != 0 {
		t.Error("the sweep took an event whose own publication may be under way")
	}
	w.clock.advance(time.Minute)
	for range 2 { // the second finds nothing any more
		if err := sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	published := w.published()
	if len(published) != 2 || published[0].Subject() != id || published[1].Subject() != id {
		t.Errorf("published: %v, want the two of %s", published, id)
	}
}

func TestLoginGivesTokensThatOpenTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	a := w.loginAna()
	if a.body["token_type"] != "Bearer" || a.body["expires_in"] != float64(900) || len(a.body) != 4 {
		t.Errorf("body: %v", a.body)
	}
	me := w.call(http.MethodGet, "/v1/auth/me", "", a.access())
	want := map[string]any{
		"id": id, "email": anaEmail, "name": "Ana", "locale": "en", "created_at": "2026-03-01T12:00:00Z",
		"email_verified": false,
	}
	if diff := cmp.Diff(want, me.body); me.status != http.StatusOK || diff != "" {
		t.Errorf("status %d, body (-want +got):\n%s", me.status, diff)
	}
	w.wants(w.call(http.MethodGet, "/v1/auth/me", "", ""), http.StatusUnauthorized, "unauthorized")
}

func TestMeOfAnAccountThatHasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	token := w.loginAna().access()
	w.remove(profileKey(id))
	w.wants(w.call(http.MethodGet, "/v1/auth/me", "", token), http.StatusUnauthorized, "unauthorized")
}

func TestALoginTellsNothingOfTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.login("carla@example.com", "x") // begins the network's window
	var known, unknown answer
	knownCalls := w.wire.during(func() { known = w.login(anaEmail, "not the password") })
	unknownCalls := w.wire.during(func() { unknown = w.login("bia@example.com", "not the password") })
	w.wants(known, http.StatusUnauthorized, "invalid_credentials")
	delete(known.body, "request_id")
	delete(known.body, "trace_id")
	delete(unknown.body, "request_id")
	delete(unknown.body, "trace_id")
	if diff := cmp.Diff(known.body, unknown.body); diff != "" || known.status != unknown.status {
		t.Errorf("answers differ (-known +unknown):\n%s", diff)
	}
	if diff := cmp.Diff(knownCalls, unknownCalls); diff != "" {
		t.Errorf("work differs (-known +unknown):\n%s", diff)
	}
	for _, email := range []string{"", "no address", strings.Repeat("a", 300) + "@example.com"} {
		w.wants(w.login(email, "not the password"), http.StatusUnauthorized, "invalid_credentials")
	}
}

func TestTooManyFailedLogins(t *testing.T) {
	t.Parallel()
	for name, email := range map[string]string{"of an account": anaEmail, "of an unknown address": "bia@example.com"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.registerAna()
			for range 10 {
				w.wants(w.login(email, "not the password"), http.StatusUnauthorized, "invalid_credentials")
				w.clock.advance(30 * time.Second)
			}
			// Five minutes after the first one. The right password is refused too.
			a := w.login(email, anaPassword)
			w.wants(a, http.StatusTooManyRequests, "too_many_attempts")
			if got := a.header.Get("Retry-After"); got != "600" {
				t.Errorf("Retry-After: %s, want 600 seconds", got)
			}
			w.clock.advance(10*time.Minute - time.Second)
			w.wants(w.login(email, anaPassword), http.StatusTooManyRequests, "too_many_attempts")
			w.clock.advance(time.Second)
			w.wants(w.login(email, "not the password"), http.StatusUnauthorized, "invalid_credentials")
			if a := w.login("carla@example.com", "x"); a.status != http.StatusUnauthorized {
				t.Error("another account is locked as well")
			}
		})
	}
}

func TestALoginForgetsTheFailedOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	for range 3 {
		for range 9 {
			w.wants(w.login(anaEmail, "not the password"), http.StatusUnauthorized, "invalid_credentials")
		}
		w.loginAna()
	}
}

func TestNoMoreThanTheAllowedPasswordsAreTriedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	answers := make([]answer, 30)
	together(len(answers), func(i int) { answers[i] = w.login(anaEmail, fmt.Sprintf("not the password %d", i)) })
	want := map[string]int{"401 invalid_credentials": 10, "429 too_many_attempts": 20}
	if diff := cmp.Diff(want, tally(answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestALoginBringsThePasswordHashUpToDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	hash := func() string {
		row, err := w.service.Store.profile(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return row.PasswordHash
	}
	before := hash()
	w.loginAna()
	if hash() != before {
		t.Error("a hash of today's parameters was made anew")
	}

	limits := testLimits()
	limits.PasswordMemory, limits.PasswordIterations = 128, 2
	w.service.Passwords = NewPasswords(limits)
	w.wants(w.login(anaEmail, "not the password"), http.StatusUnauthorized, "invalid_credentials")
	if hash() != before {
		t.Error("a failed login changed the hash")
	}
	w.loginAna()
	if after := hash(); !strings.Contains(after, "$m=128,t=2,p=1$") {
		t.Errorf("hash is %s, want the new parameters", after)
	}
	w.loginAna()
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	tokens := w.loginAna()
	seen := map[string]bool{tokens.refresh(): true}
	for range 3 {
		w.clock.advance(20 * time.Minute) // the access token has expired
		if _, err := w.authorize(tokens.access()); err == nil {
			t.Fatal("an expired access token is accepted")
		}
		tokens = w.refresh(tokens.refresh())
		if tokens.status != http.StatusOK || tokens.body["token_type"] != "Bearer" || tokens.body["expires_in"] != float64(900) {
			t.Fatalf("refresh: %d %s", tokens.status, tokens.raw)
		}
		if seen[tokens.refresh()] {
			t.Error("a refresh token came twice")
		}
		seen[tokens.refresh()] = true
		if _, err := w.authorize(tokens.access()); err != nil {
			t.Errorf("the new access token: %v", err)
		}
	}
}

func TestASpentRefreshTokenEndsItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	other := w.loginAna()
	first := w.loginAna()
	second := w.refresh(first.refresh())
	third := w.refresh(second.refresh())
	if third.status != http.StatusOK {
		t.Fatalf("refresh: %d %s", third.status, third.raw)
	}

	w.wants(w.refresh(first.refresh()), http.StatusUnauthorized, "session_revoked")
	w.wants(w.refresh(third.refresh()), http.StatusUnauthorized, "session_revoked")
	for name, a := range map[string]answer{"first": first, "newest": third} {
		if _, err := w.authorize(a.access()); err == nil {
			t.Errorf("the %s access token is still accepted", name)
		}
	}
	if _, err := w.authorize(other.access()); err != nil {
		t.Errorf("the other session: %v", err)
	}
	if a := w.refresh(other.refresh()); a.status != http.StatusOK {
		t.Errorf("the other session's refresh: %d", a.status)
	}
}

func TestARefreshTokenThatWasNeverIssuedHarmsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	tokens := w.loginAna()
	forged, err := parseRefreshToken(tokens.refresh())
	if err != nil {
		t.Fatal(err)
	}
	forged.secret[0] ^= 1
	for name, token := range map[string]string{
		"another secret": forged.encode(), "an access token": tokens.access(), "anything": "x",
	} {
		t.Run(name, func(*testing.T) {
			w.wants(w.refresh(token), http.StatusUnauthorized, "session_revoked")
		})
	}
	w.wants(w.refresh(""), http.StatusUnprocessableEntity, "invalid_request")
	if a := w.refresh(tokens.refresh()); a.status != http.StatusOK {
		t.Errorf("the real one: %d %s", a.status, a.raw)
	}
}

func TestOfOverlappingRefreshesOneWinsAndItsTokensWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	tokens := w.loginAna()

	// No request gets past its read before all have read the token unspent.
	const n = 5
	var read sync.WaitGroup
	read.Add(n)
	w.wire.after = func(target string) {
		if target == "DynamoDB_20120810.GetItem" {
			read.Done()
			read.Wait()
		}
	}
	answers := make([]answer, n)
	together(n, func(i int) { answers[i] = w.refresh(tokens.refresh()) })
	w.wire.after = nil

	if diff := cmp.Diff(map[string]int{"200": 1, "401 session_revoked": n - 1}, tally(answers)); diff != "" {
		t.Fatalf("answers (-want +got):\n%s", diff)
	}
	for _, a := range answers {
		if a.status != http.StatusOK {
			continue
		}
		if _, err := w.authorize(a.access()); err != nil {
			t.Errorf("the winner's access token: %v", err)
		}
		if next := w.refresh(a.refresh()); next.status != http.StatusOK {
			t.Errorf("the winner's refresh token: %d", next.status)
		}
	}
}

func TestOfARushOfRefreshesExactlyOneWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	tokens := w.loginAna()
	answers := make([]answer, 25)
	together(len(answers), func(i int) { answers[i] = w.refresh(tokens.refresh()) })
	if diff := cmp.Diff(map[string]int{"200": 1, "401 session_revoked": 24}, tally(answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestASessionLastsAsLongAsItIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	tokens := w.loginAna()
	for range 3 {
		w.clock.advance(30*24*time.Hour - time.Second)
		if tokens = w.refresh(tokens.refresh()); tokens.status != http.StatusOK {
			t.Fatalf("within 30 days: %d %s", tokens.status, tokens.raw)
		}
	}
	w.clock.advance(30 * 24 * time.Hour)
	w.wants(w.refresh(tokens.refresh()), http.StatusUnauthorized, "session_revoked")
}

func TestLogoutEndsOneSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	here, there := w.loginAna(), w.loginAna()
	if a := w.call(http.MethodPost, "/v1/auth/logout", "", here.access()); a.status != http.StatusNoContent || a.raw != "" {
		t.Fatalf("logout: %d %q", a.status, a.raw)
	}
	if _, err := w.authorize(here.access()); err == nil {
		t.Error("the access token is still accepted")
	}
	w.wants(w.refresh(here.refresh()), http.StatusUnauthorized, "session_revoked")
	if a := w.call(http.MethodGet, "/v1/auth/me", "", there.access()); a.status != http.StatusOK {
		t.Errorf("the other session: %d", a.status)
	}
	w.wants(w.call(http.MethodPost, "/v1/auth/logout", "", ""), http.StatusUnauthorized, "unauthorized")
}

func TestARotatedSigningKeyInterruptsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	before := w.loginAna()
	w.secrets.rotate("version-2", secondSecret)
	w.clock.advance(11 * time.Minute) // long enough for both functions to see it
	after := w.loginAna()
	for name, token := range map[string]string{"old": before.access(), "new": after.access()} {
		if _, err := w.authorize(token); err != nil {
			t.Errorf("the %s key's token: %v", name, err)
		}
	}
}

// secrets must not be logged, in whatever way a request goes.
func TestNothingSecretIsLogged(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	previous := slog.Default()
	slog.SetDefault(logging.New(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), slog.LevelDebug))
	defer slog.SetDefault(previous)

	w := newWorld(t)
	w.registerAna()
	w.registerTwice()
	tokens := w.loginAna()
	next := w.refresh(tokens.refresh())
	w.refresh(tokens.refresh())
	w.refresh(next.refresh())
	w.call(http.MethodGet, "/v1/auth/me", "", tokens.access())
	w.published()
	w.forgot(anaEmail)
	code := w.mailed(event.PurposeResetPassword, anaEmail)
	w.reset(anaEmail, wrong(code), newPassword)
	w.reset(anaEmail, code, newPassword)
	w.verify("bia@example.com", code)
	w.changeEmail(w.login(anaEmail, newPassword).access(), "carla@example.com")
	for range 11 {
		w.login(anaEmail, "not the password")
	}
	w.secrets.fail(fmt.Errorf("secrets are away"))
	w.clock.advance(time.Hour)
	w.login(anaEmail, newPassword)

	mu.Lock()
	defer mu.Unlock()
	for _, event := range []string{"person registered", "session started", "spent refresh token", "access refused", "signing keys not read"} {
		if !strings.Contains(log.String(), event) {
			t.Errorf("the log does not tell of %q: what else is not logged?", event)
		}
	}
	for what, secret := range map[string]string{
		"e-mail": "ana@", "domain": "example.com", "name": `Ana`, "password": anaPassword, "wrong password": "not the password",
		"access token": tokens.access(), "signature": tokens.access()[strings.LastIndexByte(tokens.access(), '.')+1:],
		"refresh token": tokens.refresh(), "secret": tokens.refresh()[50:], "signing secret": firstSecret, "hash": "argon2id",
		"code": code, "new password": newPassword, "key of codes": mailCodeKey, "unknown person": nobody("bia@example.com"),
	} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the %s is in the log:\n%s", what, log.String())
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// registerTwice tries to open Ana's account again.
func (w *world) registerTwice() {
	w.wants(w.post("/v1/auth/register", map[string]string{"email": anaEmail, "password": anaPassword}), http.StatusConflict, "email_taken")
}

// remove deletes a row.
func (w *world) remove(k dynamo.Key) {
	w.t.Helper()
	if _, err := w.db.DeleteItem(w.t.Context(), deletion(k)); err != nil {
		w.t.Fatal(err)
	}
}

func TestNothingSecretIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	tokens := w.loginAna()
	next := w.refresh(tokens.refresh())
	w.requested()
	w.forgot(anaEmail)
	code := w.mailed(event.PurposeResetPassword, anaEmail)
	raw, err := json.Marshal(w.rows())
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string]string{
		"password": anaPassword, "refresh token": tokens.refresh()[43:], "next refresh token": next.refresh()[43:],
		"access token": tokens.access(), "code": code, "bare code": strings.ReplaceAll(code, "-", ""),
	} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("the %s is in the table", what)
		}
	}
}
