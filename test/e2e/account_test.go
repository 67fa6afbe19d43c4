package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "pt-BR")
	post := func(path string, body map[string]string) answer { return shared.call(t, "POST", "/v1/auth"+path, body) }

	post("/register", map[string]string{"email": strings.ToUpper(p.email), "password": p.password}).refused(t, 409, "email_taken")
	post("/register", map[string]string{"email": "x" + p.email, "password": "1234567890"}).refused(t, 422, "weak_password")
	post("/register", map[string]string{"email": "nobody", "password": p.password}).refused(t, 422, "invalid_request")
	post("/login", map[string]string{"email": p.email, "password": "another " + p.password}).refused(t, 401, "invalid_credentials")
	post("/login", map[string]string{"email": "x" + p.email, "password": p.password}).refused(t, 401, "invalid_credentials")

	session := p.login()
	if session.Type != "Bearer" || session.ExpiresIn < 60 {
		t.Errorf("the session is %+v", session)
	}
	p.token = session.Access
	var me client.User
	p.call("GET", "/v1/auth/me", nil).into(t, 200, &me)
	if me.ID != p.id || me.Email != p.email || me.Name != "Ana" || me.Locale != "pt-BR" {
		t.Errorf("me is %+v", me)
	}

	var renewed tokens
	post("/refresh", map[string]string{"refresh_token": session.Refresh}).into(t, 200, &renewed)
	p.token = renewed.Access
	p.call("GET", "/v1/auth/me", nil).into(t, 200, &me)
	// A spent token that comes again was stolen, or the new one was: both end.
	post("/refresh", map[string]string{"refresh_token": session.Refresh}).refused(t, 401, "session_revoked")
	post("/refresh", map[string]string{"refresh_token": renewed.Refresh}).refused(t, 401, "session_revoked")
	post("/refresh", map[string]string{"refresh_token": "nonsense"}).refused(t, 401, "session_revoked")
}

func TestAnAccountGoesByItsMails(t *testing.T) {
	t.Parallel()
	p := shared.newcomer(t, "pt-BR")
	post := func(path string, body map[string]string) answer { return shared.call(t, "POST", "/v1/auth"+path, body) }
	done := func(a answer, status int) {
		t.Helper()
		if a.status != status {
			t.Fatalf("%d, want %d: %s", a.status, status, a.body)
		}
	}
	me := func() (u client.User) {
		t.Helper()
		p.call("GET", "/v1/auth/me", nil).into(t, 200, &u)
		return u
	}
	if me().EmailVerified {
		t.Error("the address is verified before the code came back")
	}
	code := p.waitCode(1)
	post("/email/verify", map[string]string{"email": "x" + p.email, "code": code}).refused(t, 422, "invalid_code")
	done(post("/email/verify", map[string]string{"email": p.email, "code": code}), 204)
	if !me().EmailVerified {
		t.Error("the address is not verified")
	}

	// Forgotten: a mail, a new password, no session from before.
	session := p.login()
	done(post("/password/forgot", map[string]string{"email": "x" + p.email}), 202)
	done(post("/password/forgot", map[string]string{"email": p.email}), 202)
	next := "another " + p.password
	reset := map[string]string{"email": p.email, "code": p.waitCode(2), "password": next}
	done(post("/password/reset", reset), 204)
	post("/password/reset", reset).refused(t, 422, "invalid_code")
	post("/refresh", map[string]string{"refresh_token": session.Refresh}).refused(t, 401, "session_revoked")
	post("/login", map[string]string{"email": p.email, "password": p.password}).refused(t, 401, "invalid_credentials")
	p.password, p.token = next, ""
	if told := p.waitMails(1)[0]; told.Subject != "A sua senha foi alterada" {
		t.Errorf("the person was told %q", told.Subject)
	}

	// Another address, and the one before is told.
	moved := "moved-" + p.email
	done(p.call("POST", "/v1/auth/email", map[string]string{"email": moved, "password": p.password}), 202)
	var user client.User
	p.call("POST", "/v1/auth/email/confirm", map[string]string{"code": p.waitCodeAt(moved, 1)}).into(t, 200, &user)
	if user.Email != moved || !user.EmailVerified {
		t.Errorf("the account is %+v", user)
	}
	if told := p.waitMails(2)[0]; told.Subject != "A sua conta tem outro e-mail" {
		t.Errorf("the address before was told %q", told.Subject)
	}
	p.email = moved

	var log struct {
		Entries []struct{ Action, Network string }
	}
	p.call("GET", "/v1/auth/audit", nil).into(t, 200, &log)
	if len(log.Entries) == 0 || log.Entries[0].Action != "email_changed" || log.Entries[0].Network != "127.0.0.1" {
		t.Errorf("the audit log is %+v", log.Entries)
	}
	if inbox := p.inbox("x" + p.email); len(inbox) != 0 {
		t.Errorf("mails went to an address without an account: %+v", inbox)
	}
}

func TestSomebodyElsesMailboxIsNotFlooded(t *testing.T) {
	t.Parallel()
	p := shared.newcomer(t, "en")
	p.waitCode(1)
	p.withoutDigests()
	for range 7 {
		p.wait(p.upload("notes.mp4", []byte("not a video"), "").ID)
	}
	p.waitMails(5) // UnverifiedMails of the template
	done := p.call("POST", "/v1/auth/email/verification", nil)
	if done.status != 202 {
		t.Fatalf("another code: %d %s", done.status, done.body)
	}
	if err := p.VerifyEmail(t.Context(), p.email, p.waitCode(2)); err != nil {
		t.Fatal(err)
	}
	until(t, "mails come again", func() bool { // notification hears of it a moment later
		p.wait(p.upload("notes.mp4", []byte("not a video"), "").ID)
		return len(p.mails()) > 5
	})
}

func TestTooManyLoginsAreHeldBack(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	wrong := map[string]string{"email": p.email, "password": "not " + p.password}
	for range 10 {
		shared.call(t, "POST", "/v1/auth/login", wrong).refused(t, 401, "invalid_credentials")
	}
	held := shared.call(t, "POST", "/v1/auth/login", map[string]string{"email": p.email, "password": p.password})
	held.refused(t, 429, "too_many_attempts")
	if held.header.Get("Retry-After") == "" {
		t.Error("it does not say how long to wait")
	}
}

func TestLogoutEndsTheAccessToken(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	session := p.login()
	p.token = session.Access
	p.call("GET", "/v1/auth/me", nil).into(t, 200, &struct{}{})
	loggedOut := time.Now()
	if a := p.call("POST", "/v1/auth/logout", nil); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	shared.call(t, "POST", "/v1/auth/refresh", map[string]string{"refresh_token": session.Refresh}).refused(t, 401, "session_revoked")
	until(t, "the token is refused", func() bool { return p.call("GET", "/v1/auth/me", nil).status == 401 })
	// ReauthorizeEvery of the template, and a second for the calls.
	if took := time.Since(loggedOut); took > 31*time.Second {
		t.Errorf("the token was good for another %s", took)
	}
	p.call("GET", "/v1/auth/me", nil).refused(t, 401, "unauthorized")
}

func TestRefusalsAreProblems(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	login := "Authorization: Bearer " + p.login().Access
	video := func(more map[string]any) map[string]any {
		body := map[string]any{"filename": "a.mp4", "size": 1, "content_type": "video/mp4"}
		maps.Copy(body, more)
		return body
	}
	for _, c := range []struct {
		name, method, path string
		body               any
		headers            []string
		status             int
		code               string
	}{
		{"no token", "GET", "/v1/videos", nil, nil, 401, "unauthorized"},
		{"no token in the header", "GET", "/v1/videos", nil, []string{"Authorization: Basic eDp5"}, 401, "unauthorized"},
		{"a token of nobody", "GET", "/v1/videos", nil, []string{"Authorization: Bearer a.b.c"}, 401, "unauthorized"},
		{"a token with another signature", "GET", "/v1/videos", nil, []string{login[:len(login)-4] + "AAAA"}, 401, "unauthorized"},
		{"no such address", "GET", "/v1/nothing", nil, nil, 404, "route_not_found"},
		{"no such method", "PUT", "/v1/auth/login", map[string]any{}, nil, 404, "route_not_found"},
		{"no such method, logged in", "DELETE", "/v1/videos", nil, []string{login}, 404, "route_not_found"},
		{"no such video", "GET", "/v1/videos/01a20b9b-9ea3-724a-a376-52573ffc072b", nil, []string{login}, 404, "not_found"},
		{"not JSON", "POST", "/v1/auth/login", "x", []string{"Content-Type: text/plain"}, 415, "not_json"},
		{"JSON of another shape", "POST", "/v1/auth/login", []int{1}, nil, 422, "invalid_request"},
		{"a body of more than 10 MB", "POST", "/v1/auth/login", strings.Repeat("x", 11<<20), nil, 413, "request_too_large"},
		{"options that do not fit", "POST", "/v1/videos", video(map[string]any{"extraction": map[string]any{"mode": "fps", "interval": 2}}),
			[]string{login}, 422, "invalid_extraction"},
		{"a document", "POST", "/v1/videos", video(map[string]any{"content_type": "application/pdf"}), []string{login}, 415, "unsupported_media"},
		{"a name with a folder", "POST", "/v1/videos", video(map[string]any{"filename": "../a.mp4"}), []string{login}, 422, "invalid_request"},
		{"a video of a terabyte", "POST", "/v1/videos", video(map[string]any{"size": 1 << 40}), []string{login}, 413, "too_large"},
		{"a cursor of nowhere", "GET", "/v1/videos?cursor=x", nil, []string{login}, 422, "invalid_request"},
		{"a limit of a thousand", "GET", "/v1/videos?limit=1000", nil, []string{login}, 422, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := shared.call(t, c.method, c.path, c.body, append([]string{"Origin: http://" + shared.web}, c.headers...)...)
			a.refused(t, c.status, c.code)
			if id := a.problem(t).RequestID; id != a.header.Get("X-Amzn-Requestid") {
				t.Errorf("request id %s, in the header %s", id, a.header.Get("X-Amzn-Requestid"))
			}
			// Or the web app could not read it.
			if origin := a.header.Get("Access-Control-Allow-Origin"); origin != "http://"+shared.web {
				t.Errorf("origin %q may read it", origin)
			}
		})
	}
	portuguese := p.call("GET", "/v1/videos/x", nil, "Accept-Language: pt-BR,pt;q=0.9").problem(t)
	if portuguese.Title != "Não encontrado" {
		t.Errorf("in Portuguese it is %q", portuguese.Title)
	}
}

func TestCORSLetsTheWebAppInAndNobodyElse(t *testing.T) {
	notWith(t, "moto", "it lets everybody in, whatever a bucket's rules say")
	t.Parallel()
	p := shared.person(t, "en")
	file := read(t, bottles)
	video := p.create("bottles.mp4", file)
	own, other := "http://"+shared.web, "http://evil.example"
	preflight := func(address, origin, method, headers string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "OPTIONS", address, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", method)
		if headers != "" {
			req.Header.Set("Access-Control-Request-Headers", headers)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	// lets tells whether a browser would go on.
	lets := func(resp *http.Response, origin, method, headers string) bool {
		allowed := resp.Header.Get("Access-Control-Allow-Origin")
		listed := func(name, value string) bool {
			return value == "" || slices.ContainsFunc(strings.Split(resp.Header.Get(name), ","), func(s string) bool {
				return strings.EqualFold(strings.TrimSpace(s), value)
			})
		}
		return resp.StatusCode/100 == 2 && (allowed == origin || allowed == "*") &&
			listed("Access-Control-Allow-Methods", method) && listed("Access-Control-Allow-Headers", headers)
	}
	for _, c := range []struct{ name, address, method, headers string }{
		{"API, create", own + "/v1/videos", "POST", "authorization"},
		{"API, delete", own + "/v1/videos/x", "DELETE", "authorization"},
		{"S3, upload", video.Upload.URL, "POST", ""},
	} {
		if !lets(preflight(c.address, own, c.method, c.headers), own, c.method, c.headers) {
			t.Errorf("%s: the web app is refused", c.name)
		}
		if lets(preflight(c.address, other, c.method, c.headers), other, c.method, c.headers) {
			t.Errorf("%s: another site is let in", c.name)
		}
	}

	if resp := video.post(t, file, "Origin: "+own); resp.StatusCode != 201 || resp.Header.Get("Access-Control-Allow-Origin") != own {
		t.Errorf("upload: %s, for %q", resp.Status, resp.Header.Get("Access-Control-Allow-Origin"))
	}
	p.completed(video.Video.ID)
	download, err := p.SignDownload(t.Context(), video.Video.ID)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]string{own: own, other: ""} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", download.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", origin)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != 200 || got != want {
			t.Errorf("download from %s: %s, for %q", origin, resp.Status, got)
		}
	}
}
