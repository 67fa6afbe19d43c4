package auth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listed gives what the API lists under a name.
func listed(t testing.TB, a answer, name string) []map[string]any {
	t.Helper()
	raw, ok := a.body[name].([]any)
	if a.status != http.StatusOK || !ok {
		t.Fatalf("list: %d %s", a.status, a.raw)
	}
	all := make([]map[string]any, len(raw))
	for i, one := range raw {
		all[i] = one.(map[string]any)
	}
	return all
}

func (w *world) sessions(bearer string) []map[string]any {
	w.t.Helper()
	return listed(w.t, w.call(http.MethodGet, "/v1/auth/sessions", "", bearer), "sessions")
}

func TestSessionsAreListedWithWhereTheyWereUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	login := `{"email": "ana@example.com", "password": "a horse of many staples"}`
	first := w.call(http.MethodPost, "/v1/auth/login", login, "", "User-Agent", "phone/1")
	w.clock.advance(time.Hour)
	w.network = "2001:db8::7"
	second := w.call(http.MethodPost, "/v1/auth/login", login, "", "User-Agent", strings.Repeat("x", 300))
	w.clock.advance(time.Hour)
	w.network = "198.51.100.4"
	first = w.call(http.MethodPost, "/v1/auth/refresh", fmt.Sprintf(`{"refresh_token": %q}`, first.refresh()), "", "User-Agent", "phone/2",
		"X-Forwarded-For", "192.0.2.99") // which anybody can say
	sessions := w.sessions(first.access())
	if len(sessions) != 2 {
		t.Fatalf("%d sessions: %v", len(sessions), sessions)
	}
	ids := []any{sessions[0]["id"], sessions[1]["id"]}
	want := []map[string]any{
		{
			"id": ids[0], "created_at": "2026-03-01T13:00:00Z", "last_used_at": "2026-03-01T13:00:00Z", "expires_at": "2026-03-31T13:00:00Z",
			"network": "2001:db8::7", "user_agent": strings.Repeat("x", 256), "current": false,
		},
		{
			"id": ids[1], "created_at": "2026-03-01T12:00:00Z", "last_used_at": "2026-03-01T14:00:00Z", "expires_at": "2026-03-31T14:00:00Z",
			"network": "198.51.100.4", "user_agent": "phone/2", "current": true,
		},
	}
	if diff := cmp.Diff(want, sessions); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}

	w.clock.advance(30*24*time.Hour - 30*time.Minute) // the second's time is over, not its row
	first = w.refresh(first.refresh())
	if got := w.sessions(first.access()); len(got) != 1 || got[0]["current"] != true {
		t.Errorf("sessions: %v, want the current one", got)
	}
	w.wants(w.refresh(second.refresh()), http.StatusUnauthorized, "session_revoked")
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.post("/v1/auth/register", map[string]string{"email": "bia@example.com", "password": newPassword})
	bia := w.login("bia@example.com", newPassword)
	here, there, elsewhere := w.loginAna(), w.loginAna(), w.loginAna()
	who, err := w.authorize(there.access())
	if err != nil {
		t.Fatal(err)
	}
	end := func(bearer, id string) answer {
		return w.call(http.MethodDelete, "/v1/auth/sessions/"+id, "", bearer)
	}
	w.wants(end(bia.access(), who.SessionID), http.StatusNotFound, "not_found")
	w.wants(end(here.access(), "x"), http.StatusNotFound, "not_found")
	w.wants(end(here.access(), who.SessionID), http.StatusNoContent, nil)
	w.wants(end(here.access(), who.SessionID), http.StatusNotFound, "not_found")
	w.wants(w.refresh(there.refresh()), http.StatusUnauthorized, "session_revoked")

	w.wants(w.call(http.MethodDelete, "/v1/auth/sessions", "", here.access()), http.StatusNoContent, nil)
	w.wants(w.refresh(elsewhere.refresh()), http.StatusUnauthorized, "session_revoked")
	if got := w.sessions(here.access()); len(got) != 1 || got[0]["current"] != true {
		t.Errorf("sessions: %v, want the current one", got)
	}
	if a := w.refresh(bia.refresh()); a.status != http.StatusOK {
		t.Errorf("somebody else's session: %d", a.status)
	}
}

// actions gives what an audit log tells of, the oldest first.
func actions(entries []map[string]any) []string {
	all := make([]string, len(entries))
	for i, e := range entries {
		all[len(entries)-1-i] = fmt.Sprint(e["action"], " ", e["result"])
	}
	return all
}

func (w *world) auditLog(bearer, query string) answer {
	w.t.Helper()
	return w.call(http.MethodGet, "/v1/auth/audit"+query, "", bearer)
}

func TestTheAuditLogTellsWhatWasDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	code := w.mailed("verify_email", anaEmail)
	step := func() { w.clock.advance(time.Second) }
	for _, do := range []func(){
		func() { w.login(anaEmail, "not the password") },
		func() { w.verify(anaEmail, wrong(code)) },
		func() { w.verify(anaEmail, code) },
		func() { w.forgot(anaEmail) },
	} {
		step()
		do()
	}
	code = w.mailed("reset_password", anaEmail)
	step()
	w.reset(anaEmail, code, newPassword)
	step()
	w.network = "198.51.100.4"
	tokens := w.login(anaEmail, newPassword)
	for _, do := range []func(){
		func() {
			w.as(tokens.access(), http.MethodPost, "/v1/auth/password", changePassword(anaPassword, anaPassword))
		},
		func() {
			w.as(tokens.access(), http.MethodPost, "/v1/auth/password", changePassword(newPassword, anaPassword))
		},
		func() { w.call(http.MethodPatch, "/v1/auth/me", `{"name": "Anna"}`, tokens.access()) },
		func() { w.changeEmail(tokens.access(), "anna@example.com") },
	} {
		step()
		do()
	}
	code = w.mailed("change_email", "anna@example.com")
	for _, do := range []func(){
		func() { w.confirm(tokens.access(), wrong(code)) },
		func() { w.confirm(tokens.access(), code) },
		func() { w.call(http.MethodDelete, "/v1/auth/sessions", "", tokens.access()) },
		func() {
			other := w.login("anna@example.com", anaPassword)
			step()
			w.refresh(other.refresh())
			w.refresh(other.refresh())
			w.refresh(other.refresh()) // is known by now
		},
		func() {
			w.call(http.MethodPost, "/v1/auth/logout", "", w.login("anna@example.com", anaPassword).access())
		},
	} {
		step()
		do()
	}

	a := w.auditLog(tokens.access(), "?limit=100")
	entries := listed(t, a, "entries")
	want := []string{
		"registered success", "login_failed failure", "email_verified failure", "email_verified success",
		"password_reset_requested success", "password_reset success", "logged_in success",
		"password_changed failure", "password_changed success", "profile_changed success",
		"email_change_requested success", "email_changed failure", "email_changed success", "sessions_ended success",
		"logged_in success", "refresh_token_reused failure", "logged_in success", "logged_out success",
	}
	if diff := cmp.Diff(want, actions(entries)); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
	slices.Reverse(entries)
	failedLogin, changed := entries[1], entries[8]
	for member, want := range map[string]any{
		"at": "2026-03-01T12:00:01Z", "network": "203.0.113.7", "detail": "invalid_credentials", "session_id": nil,
	} {
		if failedLogin[member] != want {
			t.Errorf("%s of the failed login is %v, want %v", member, failedLogin[member], want)
		}
	}
	who, err := w.authorize(tokens.access())
	if err != nil {
		t.Fatal(err)
	}
	if changed["network"] != "198.51.100.4" || changed["session_id"] != who.SessionID || entries[6]["session_id"] != who.SessionID {
		t.Errorf("the change and its session's login are %v and %v", changed, entries[6])
	}
	for what, secret := range map[string]string{
		"address": "@example", "password": anaPassword, "name": "Anna", "code": code, "token": tokens.refresh(),
	} {
		if strings.Contains(a.raw, secret) {
			t.Errorf("the %s is in the audit log", what)
		}
	}
}

func TestTheAuditLogIsReadInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	token := w.loginAna().access()
	for range 5 {
		w.call(http.MethodPatch, "/v1/auth/me", `{}`, token) // all at one moment
	}
	seen := map[any]bool{}
	pages := 0
	for cursor := ""; ; pages++ {
		a := w.auditLog(token, "?limit=3&cursor="+cursor)
		for _, e := range listed(t, a, "entries") {
			if seen[e["id"]] {
				t.Errorf("%v came twice", e)
			}
			seen[e["id"]] = true
		}
		next, more := a.body["next_cursor"].(string)
		if !more {
			break
		}
		cursor = next
	}
	if len(seen) != 7 || pages != 2 {
		t.Errorf("%d entries on %d pages, want 7 on 3", len(seen), pages+1)
	}
	for _, query := range []string{"?cursor=x", "?cursor=djE6cHJvZmlsZQ", "?limit=0", "?limit=101"} {
		w.wants(w.auditLog(token, query), http.StatusUnprocessableEntity, "invalid_request")
	}
}

func TestTheAuditLogForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.clock.advance(365 * 24 * time.Hour)
	w.loginAna()
	w.clock.advance(time.Second)
	token := w.loginAna().access()
	got := actions(listed(t, w.auditLog(token, ""), "entries"))
	if diff := cmp.Diff([]string{"logged_in success", "logged_in success"}, got); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}

// What is tried many times from one network is refused there, whatever address it
// is tried on, and goes on elsewhere.
func TestANetworkHasLimits(t *testing.T) {
	t.Parallel()
	mail := func(i int) string { return fmt.Sprintf("p%d@example.com", i) }
	for name, test := range map[string]struct {
		limit   func(l *Limits) *int
		refused int // status while it is not too much
		try     func(w *world, i int) answer
		wait    string
	}{
		"logins": {
			func(l *Limits) *int { return &l.LoginsPerNetwork }, http.StatusUnauthorized,
			func(w *world, i int) answer { return w.login(mail(i), "not the password") }, "900",
		},
		"registrations": {
			func(l *Limits) *int { return &l.RegistrationsPerNetwork }, http.StatusCreated,
			func(w *world, i int) answer {
				return w.post("/v1/auth/register", map[string]string{"email": mail(i), "password": anaPassword})
			}, "3600",
		},
		"codes": {
			func(l *Limits) *int { return &l.CodesPerNetwork }, http.StatusAccepted,
			func(w *world, i int) answer {
				return w.post("/v1/auth/password/forgot", map[string]string{"email": mail(i)})
			}, "10800",
		},
		"guesses at verifications": {
			func(l *Limits) *int { return &l.GuessesPerNetwork }, http.StatusUnprocessableEntity,
			func(w *world, i int) answer { return w.verify(mail(i), "0000-0000") }, "3600",
		},
		"guesses at resets": {
			func(l *Limits) *int { return &l.GuessesPerNetwork }, http.StatusUnprocessableEntity,
			func(w *world, i int) answer { return w.reset(mail(i), "0000-0000", newPassword) }, "3600",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			*test.limit(&w.service.Limits) = 3
			w.network = "2001:db8:1:2::1"
			for i := range 3 {
				if a := test.try(w, i); a.status != test.refused {
					t.Fatalf("attempt %d: %d %s", i, a.status, a.raw)
				}
			}
			w.network = "2001:db8:1:2:ffff::9" // the same /64
			a := test.try(w, 3)
			w.wants(a, http.StatusTooManyRequests, "too_many_attempts")
			if got := a.header.Get("Retry-After"); got != test.wait {
				t.Errorf("Retry-After: %s, want %s seconds", got, test.wait)
			}
			w.network = "2001:db8:1:3::1"
			if a := test.try(w, 3); a.status != test.refused {
				t.Errorf("from another network: %d %s", a.status, a.raw)
			}
		})
	}
}

func TestAnAddressHasLimits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limit   func(l *Limits) *int
		refused int
		try     func(w *world) answer
	}{
		"registrations": {
			func(l *Limits) *int { return &l.RegistrationsPerAddress }, http.StatusConflict,
			func(w *world) answer {
				return w.post("/v1/auth/register", map[string]string{"email": anaEmail, "password": anaPassword})
			},
		},
		"codes": {
			func(l *Limits) *int { return &l.CodesPerAddress }, http.StatusAccepted,
			func(w *world) answer {
				return w.post("/v1/auth/password/forgot", map[string]string{"email": anaEmail})
			},
		},
		"guesses": {
			func(l *Limits) *int { return &l.GuessesPerAddress }, http.StatusUnprocessableEntity,
			func(w *world) answer { return w.verify(anaEmail, "0000-0000") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.registerAna()
			w.service.Limits.RegistrationsPerAddress = 50
			allowed := 3
			if name == "registrations" {
				allowed = 2 // the account's own was one
			}
			*test.limit(&w.service.Limits) = 3
			for i := range allowed {
				w.network = fmt.Sprintf("198.51.100.%d", i)
				if a := test.try(w); a.status != test.refused {
					t.Fatalf("attempt %d: %d %s", i, a.status, a.raw)
				}
			}
			w.network = "198.51.100.9"
			w.wants(test.try(w), http.StatusTooManyRequests, "too_many_attempts")
		})
	}
}

// One good password must not buy a network guesses at others.
func TestALoginDoesNotForgetTheNetworksAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.service.Limits.LoginsPerNetwork = 4
	for i := range 3 {
		w.wants(w.login(fmt.Sprintf("p%d@example.com", i), "not the password"), http.StatusUnauthorized, "invalid_credentials")
	}
	w.loginAna()
	w.wants(w.login(anaEmail, anaPassword), http.StatusTooManyRequests, "too_many_attempts")
}
