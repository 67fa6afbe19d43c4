package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fromPage are the headers of a request that the web app's page sends.
func fromPage(cookie string) []string {
	headers := []string{"Origin", ownOrigin, "Sec-Fetch-Site", "same-origin"}
	if cookie != "" {
		headers = append(headers, "Cookie", refreshCookieName+"="+cookie)
	}
	return headers
}

// cookieOf gives the cookie that an answer sets, nil if none.
func cookieOf(t testing.TB, a answer) *http.Cookie {
	t.Helper()
	set := (&http.Response{Header: a.header}).Cookies()
	if len(set) > 1 {
		t.Errorf("%d cookies are set", len(set))
	}
	if len(set) == 0 {
		return nil
	}
	return set[0]
}

// loginWithCookie begins a session as the web app does, and gives its refresh
// token.
func (w *world) loginWithCookie() string {
	w.t.Helper()
	a := w.call(http.MethodPost, "/v1/auth/login", `{"email": "`+anaEmail+`", "password": "`+anaPassword+`", "cookie": true}`, "", fromPage("")...)
	cookie := cookieOf(w.t, a)
	if a.status != http.StatusOK || cookie == nil {
		w.t.Fatalf("login: %d %s", a.status, a.raw)
	}
	return cookie.Value
}

func TestALoginWithCookieKeepsTheRefreshTokenFromScripts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	a := w.call(http.MethodPost, "/v1/auth/login", `{"email": "ana@example.com", "password": "a horse of many staples", "cookie": true}`, "", fromPage("")...)
	cookie := cookieOf(t, a)
	if a.status != http.StatusOK || cookie == nil {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if _, ok := a.body["refresh_token"]; ok || strings.Contains(a.raw, cookie.Value) || a.body["access_token"] == "" {
		t.Errorf("the body is %s", a.raw)
	}
	want := "__Host-fotograma_refresh=" + cookie.Value + "; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Strict"
	if diff := cmp.Diff([]string{want}, a.header["Set-Cookie"]); diff != "" {
		t.Errorf("Set-Cookie (-want +got):\n%s", diff)
	}
	if plain := w.loginAna(); cookieOf(t, plain) != nil || plain.refresh() == "" {
		t.Error("a login without gets a cookie")
	}
}

func TestTheCookieRotates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	first := w.loginWithCookie()
	token := first
	for _, body := range []string{"", "{}", ""} {
		a := w.call(http.MethodPost, "/v1/auth/refresh", body, "", fromPage(token)...)
		cookie := cookieOf(t, a)
		if a.status != http.StatusOK || cookie == nil || cookie.Value == token || a.body["refresh_token"] != nil {
			t.Fatalf("refresh: %d %s, cookie %v", a.status, a.raw, cookie)
		}
		if _, err := w.authorize(a.access()); err != nil {
			t.Errorf("the access token: %v", err)
		}
		token = cookie.Value
		w.clock.advance(time.Hour)
	}
	w.wants(w.call(http.MethodPost, "/v1/auth/refresh", "", "", fromPage(first)...), http.StatusUnauthorized, "session_revoked")
	w.wants(w.call(http.MethodPost, "/v1/auth/refresh", "", "", fromPage(token)...), http.StatusUnauthorized, "session_revoked")
	w.wants(w.call(http.MethodPost, "/v1/auth/refresh", "", "", fromPage("")...), http.StatusUnauthorized, "session_revoked")
}

// Who sends a token in the body has it: whatever cookie comes along is not asked.
func TestATokenInTheBodyCountsBeforeTheCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	token, cookie := w.loginAna().refresh(), w.loginWithCookie()
	a := w.call(http.MethodPost, "/v1/auth/refresh", `{"refresh_token": "`+token+`"}`, "", "Cookie", refreshCookieName+"="+cookie)
	if a.status != http.StatusOK || cookieOf(t, a) != nil || a.refresh() == "" {
		t.Errorf("%d %s", a.status, a.raw)
	}
	if again := w.call(http.MethodPost, "/v1/auth/refresh", "", "", fromPage(cookie)...); again.status != http.StatusOK {
		t.Errorf("the cookie was spent: %d %s", again.status, again.raw)
	}
}

func TestTheCookieCountsOnTheAppsOwnPageOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	cookie := w.loginWithCookie()
	access := w.loginAna().access()
	with := func(headers ...string) []string { return append(headers, "Cookie", refreshCookieName+"="+cookie) }
	for name, headers := range map[string][]string{
		"no origin":           with(),
		"another site":        with("Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"),
		"a sibling":           with("Origin", "https://blog.app.example", "Sec-Fetch-Site", "same-site"),
		"a page with none":    with("Origin", "null"),
		"an origin that lies": with("Origin", ownOrigin, "Sec-Fetch-Site", "cross-site"),
	} {
		t.Run(name, func(*testing.T) {
			w.wants(w.call(http.MethodPost, "/v1/auth/refresh", "", "", headers...), http.StatusForbidden, "cross_site")
			w.wants(w.call(http.MethodPost, "/v1/auth/refresh", "{}", "", headers...), http.StatusForbidden, "cross_site")
			login := `{"email": "ana@example.com", "password": "a horse of many staples", "cookie": true}`
			w.wants(w.call(http.MethodPost, "/v1/auth/login", login, "", headers...), http.StatusForbidden, "cross_site")
		})
	}
	w.wants(w.call(http.MethodPost, "/v1/auth/logout", "", access, with()...), http.StatusForbidden, "cross_site")
	// Nothing of it has spent the token or ended the session.
	if a := w.call(http.MethodPost, "/v1/auth/refresh", "", "", fromPage(cookie)...); a.status != http.StatusOK {
		t.Errorf("the app's own page: %d %s", a.status, a.raw)
	}
}

func TestLogoutTakesTheCookieAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	cookie := w.loginWithCookie()
	renewed := w.call(http.MethodPost, "/v1/auth/refresh", "", "", fromPage(cookie)...)
	cookie = cookieOf(t, renewed).Value
	a := w.call(http.MethodPost, "/v1/auth/logout", "", renewed.access(), fromPage(cookie)...)
	want := "__Host-fotograma_refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
	if diff := cmp.Diff([]string{want}, a.header["Set-Cookie"]); a.status != http.StatusNoContent || diff != "" {
		t.Errorf("%d, Set-Cookie (-want +got):\n%s", a.status, diff)
	}
	w.wants(w.call(http.MethodPost, "/v1/auth/refresh", "", "", fromPage(cookie)...), http.StatusUnauthorized, "session_revoked")
}

// The cookie may be of a later login than the page's access token.
func TestLogoutEndsTheCookiesSessionToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	page, cookie, other := w.loginAna(), w.loginWithCookie(), w.loginAna()
	forged, err := parseRefreshToken(other.refresh())
	if err != nil {
		t.Fatal(err)
	}
	forged.secret[0] ^= 1
	for _, token := range []string{cookie, forged.encode(), "nonsense"} {
		a := w.call(http.MethodPost, "/v1/auth/logout", "", page.access(), fromPage(token)...)
		if a.status != http.StatusNoContent {
			t.Errorf("logout: %d %s", a.status, a.raw)
		}
		page = w.loginAna()
	}
	w.wants(w.call(http.MethodPost, "/v1/auth/refresh", "", "", fromPage(cookie)...), http.StatusUnauthorized, "session_revoked")
	if a := w.refresh(other.refresh()); a.status != http.StatusOK {
		t.Errorf("a forged cookie ended a session: %d %s", a.status, a.raw)
	}
}

// Whatever a browser or anything else sends as cookies, it is no session, and no
// trouble.
func FuzzRefreshCookie(f *testing.F) {
	w := newWorld(f)
	handler := w.handler
	good := someRefreshToken(f).encode()
	for _, seed := range []string{
		"", refreshCookieName, refreshCookieName + "=", refreshCookieName + "=" + good, refreshCookieName + `="` + good + `"`,
		"a=b; " + refreshCookieName + "=" + good + "; c=d", refreshCookieName + "=x; " + refreshCookieName + "=" + good,
		strings.ToUpper(refreshCookieName) + "=" + good, refreshCookieName + "=" + strings.Repeat("A", 1001), ";;=;", "\x00", "a=\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodPost, "/v1/auth/refresh", nil)
		r.Header.Set("Origin", ownOrigin)
		r.Header.Set("Cookie", header)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		tooLong := rec.Code == http.StatusUnprocessableEntity && len(header) > 1000
		if rec.Code != http.StatusUnauthorized && !tooLong {
			t.Errorf("%q: %d %s", header, rec.Code, rec.Body)
		}
		if set := rec.Header()["Set-Cookie"]; set != nil {
			t.Errorf("%q: a cookie is set: %q", header, set)
		}
	})
}
