package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/golang-jwt/jwt/v5"
	"go.yaml.in/yaml/v3"
)

// operation is one of the contract's.
type operation struct {
	method, path string

	Security []map[string][]string `yaml:"security"`
	Body     *struct {
		Required bool `yaml:"required"`
	} `yaml:"requestBody"`
	Responses map[string]any `yaml:"responses"`
}

func (o operation) String() string { return o.method + " " + o.path }

func (o operation) open() bool { return len(o.Security) == 0 }

// scope is the one that an API key needs; empty if none may.
func (o operation) scope() string {
	for _, way := range o.Security {
		if scopes := way["api_key"]; len(scopes) == 1 {
			return scopes[0]
		}
	}
	return ""
}

// named tells whether the operation is about one thing of a person's.
func (o operation) named() bool { return strings.Contains(o.path, "{") }

// contract reads all operations of api/openapi.yaml.
func contract(t testing.TB) []operation {
	t.Helper()
	var document struct {
		Paths map[string]map[string]operation `yaml:"paths"`
	}
	if err := yaml.Unmarshal(read(t, root+"/api/openapi.yaml"), &document); err != nil {
		t.Fatal(err)
	}
	var all []operation
	for path, methods := range document.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			all = append(all, o)
		}
	}
	if len(all) < 20 {
		t.Fatalf("the contract has %d operations", len(all))
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// asking is how an operation is asked for that needs more than its path.
type asking struct {
	thing func(p *person) string // makes a thing of a person's, and gives its ID
	body  func(p *person) any    // what such a person may send
}

// askings has all operations that need a login and name a thing, or want a body.
var askings = map[string]asking{
	"POST /v1/auth/keys":        {body: always(map[string]any{"name": "another", "scopes": []string{"videos:read"}})},
	"DELETE /v1/auth/keys/{id}": {thing: someKeyOf},
	"DELETE /v1/auth/me":        {body: func(p *person) any { return map[string]string{"password": p.password} }},
	"GET /v1/auth/exports/{id}": {thing: someExportOf},
	"PATCH /v1/auth/me":         {body: always(map[string]any{"name": "Bia"})},
	"POST /v1/auth/password": {body: func(p *person) any {
		return map[string]string{"current_password": p.password, "new_password": rand.Text()}
	}},
	"POST /v1/auth/email":           {body: func(p *person) any { return p.moving() }},
	"POST /v1/auth/email/confirm":   {body: func(p *person) any { return map[string]string{"code": p.codeToMove()} }},
	"DELETE /v1/auth/sessions/{id}": {thing: func(p *person) string { return claimsOf(p.t, p.login().Access)["sid"].(string) }},
	"POST /v1/videos":               {body: always(map[string]any{"filename": "a.mp4", "size": 1000, "content_type": "video/mp4"})},
	"GET /v1/videos/{id}":           {thing: someVideoOf},
	"DELETE /v1/videos/{id}":        {thing: someVideoOf},
	"POST /v1/videos/{id}/cancel":   {thing: someVideoOf},
	"POST /v1/videos/{id}/complete": {thing: someVideoOf},
	"GET /v1/videos/{id}/download":  {thing: someVideoOf},
	"GET /v1/videos/{id}/manifest":  {thing: someVideoOf},
	"GET /v1/videos/{id}/parts":     {thing: someLargeVideoOf},
	"POST /v1/videos/{id}/parts":    {thing: someLargeVideoOf, body: always(map[string]any{"part_numbers": []int{1}})},
	"POST /v1/videos/{id}/retry":    {thing: someVideoOf},

	"PUT /v1/notifications/preferences": {body: always(map[string]any{"email": map[string]bool{"completed": false}})},
}

// moving is what a person says to get another address.
func (p *person) moving() map[string]string {
	return map[string]string{"email": "new-" + p.email, "password": p.password}
}

// codeToMove asks to get another address, and gives the code that came there.
func (p *person) codeToMove() string {
	p.t.Helper()
	if a := p.call("POST", "/v1/auth/email", p.moving()); a.status != 202 {
		p.t.Fatalf("%d %s", a.status, a.body)
	}
	return p.waitCodeAt(p.moving()["email"], 1)
}

func always(body any) func(*person) any { return func(*person) any { return body } }

func someVideoOf(p *person) string { return p.announced(1000) }

// someLargeVideoOf is uploaded in parts.
func someLargeVideoOf(p *person) string { return p.announced(200 << 20) }

// announced registers a video of a size, waits until it shows, and gives its ID.
func (p *person) announced(size int) string {
	p.t.Helper()
	var made created
	p.call("POST", "/v1/videos", map[string]any{"filename": "a.mp4", "size": size, "content_type": "video/mp4"}).into(p.t, 201, &made)
	until(p.t, "the video shows", func() bool { return p.call("GET", "/v1/videos/"+made.Video.ID, nil).status == 200 })
	return made.Video.ID
}

// apiKey is one that somebody has.
type apiKey struct {
	Key struct {
		ID string `json:"id"`
	} `json:"key"`
	Secret string `json:"secret"`
}

func (p *person) key(scopes ...string) apiKey {
	p.t.Helper()
	var made apiKey
	p.call("POST", "/v1/auth/keys", map[string]any{"name": "a key", "scopes": scopes}).into(p.t, 201, &made)
	return made
}

// someExportOf gives the only export that a person may have in a day.
func someExportOf(p *person) string {
	p.t.Helper()
	if p.export == "" {
		var asked struct {
			Export struct {
				ID string `json:"id"`
			} `json:"export"`
		}
		p.call("POST", "/v1/auth/exports", nil).into(p.t, 202, &asked)
		p.export = asked.Export.ID
	}
	return p.export
}

func someKeyOf(p *person) string { return p.key("videos:read").Key.ID }

// scopesOf gives all scopes that the contract's operations ask for, and so all that
// matter.
func scopesOf(all []operation) []string {
	found := map[string]bool{}
	for _, o := range all {
		if scope := o.scope(); scope != "" {
			found[scope] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// The matrix: every operation of the contract, with every credential that there
// is. What must come of it follows from the security that the contract states.
func TestEveryRouteAsksForWhatTheContractSays(t *testing.T) {
	t.Parallel()
	all := contract(t)
	byName := map[string]operation{}
	for _, o := range all {
		byName[o.String()] = o
	}
	for name := range askings {
		if _, ok := byName[name]; !ok {
			t.Errorf("%s is in the table and not in the contract", name)
		}
	}
	scopes := scopesOf(all)
	for _, o := range all {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			_, told := askings[o.String()]
			wants := !o.open() && (o.named() || o.Body != nil && o.Body.Required)
			if wants != told {
				t.Fatalf("in askings: %v, want %v: a route that needs a login and names a thing, or wants a body, must be there", told, wants)
			}
			m := matrix{operation: o, asking: askings[o.String()], scopes: scopes, owner: shared.person(t, "en")}
			if o.open() {
				m.checkOpen(t)
				return
			}
			m.checkRefused(t)
			m.checkScopes(t)
			m.checkServed(t)
		})
	}
}

// matrix is the row of one operation.
type matrix struct {
	operation
	asking

	scopes []string // that there are
	owner  *person  // who has the things
}

// nothing is the ID of no thing.
const nothing = "01a20b9b-9ea3-724a-a376-52573ffc072b"

// ask sends the operation about nothing, with a credential.
func (m matrix) ask(t testing.TB, authorization string) answer {
	t.Helper()
	var body any
	if m.Body != nil {
		body = map[string]any{}
	}
	return m.send(t, nothing, body, authorization)
}

// askProperly sends the operation as the owner would, about a thing of theirs.
func (m matrix) askProperly(t testing.TB, authorization string) answer {
	t.Helper()
	id := nothing
	if m.thing != nil {
		id = m.thing(m.owner)
	}
	var body any
	switch {
	case m.body != nil:
		body = m.body(m.owner)
	case m.Body != nil:
		body = map[string]any{}
	}
	return m.send(t, id, body, authorization)
}

// send sends it again, a second later, where the route has had too many at once: some
// take fewer than there are credentials to try.
func (m matrix) send(t testing.TB, id string, body any, authorization string) answer {
	t.Helper()
	var headers []string
	if authorization != "" {
		headers = []string{"Authorization: " + authorization}
	}
	// Some routes take fewer requests at once than there are bad credentials.
	for {
		a := shared.call(t, m.method, strings.ReplaceAll(m.path, "{id}", id), body, headers...)
		if a.status != http.StatusTooManyRequests || !strings.Contains(string(a.body), `"code":"throttled"`) {
			return a
		}
		time.Sleep(time.Second) // as Retry-After says
	}
}

// checkOpen: nobody is asked who they are, and what they say does not matter.
func (m matrix) checkOpen(t *testing.T) {
	anonymous := m.ask(t, "")
	for name, authorization := range m.bad(t) {
		if a := m.ask(t, authorization); a.status != anonymous.status || strings.Contains(string(a.body), `"code":"unauthorized"`) {
			t.Errorf("with %s: %d, without: %d %s", name, a.status, anonymous.status, a.body)
		}
	}
}

// checkRefused: whoever has no good credential is not let in.
func (m matrix) checkRefused(t *testing.T) {
	for name, authorization := range m.bad(t) {
		t.Run(name, func(t *testing.T) { m.ask(t, authorization).refused(t, 401, "unauthorized") })
	}
}

// checkScopes: an API key does what its scopes name.
func (m matrix) checkScopes(t *testing.T) {
	rest := slices.DeleteFunc(slices.Clone(m.scopes), func(s string) bool { return s == m.scope() })
	t.Run("an API key without the scope", func(t *testing.T) {
		m.ask(t, "Bearer "+m.owner.key(rest...).Secret).refused(t, 403, "insufficient_scope")
	})
	if m.scope() == "" {
		return
	}
	t.Run("an API key with the scope alone", func(t *testing.T) {
		m.served(t, m.askProperly(t, "Bearer "+m.owner.key(m.scope()).Secret))
	})
}

// checkServed: a session does everything with its own things, and nothing with
// somebody else's. It comes last, since the operation may end it.
func (m matrix) checkServed(t *testing.T) {
	if m.named() {
		stranger := shared.person(t, "en")
		t.Run("somebody else's session", func(t *testing.T) {
			m.askProperly(t, "Bearer "+stranger.login().Access).refused(t, 404, "not_found")
		})
		if m.scope() != "" {
			t.Run("somebody else's API key", func(t *testing.T) {
				m.askProperly(t, "Bearer "+stranger.key(m.scope()).Secret).refused(t, 404, "not_found")
			})
		}
	}
	t.Run("a session", func(t *testing.T) { m.served(t, m.askProperly(t, "Bearer "+m.owner.login().Access)) })
}

// served checks that a request came through to what it asked for: it was done, or
// conflicts with how far the thing is.
func (m matrix) served(t *testing.T, a answer) {
	t.Helper()
	if a.status >= 400 && a.status != http.StatusConflict {
		t.Errorf("%d %s", a.status, a.body)
	}
	if _, documented := m.Responses[strconv.Itoa(a.status)]; !documented {
		t.Errorf("%d is not in the contract", a.status)
	}
}

// bad gives Authorization headers that are good for nothing.
func (m matrix) bad(t *testing.T) map[string]string {
	t.Helper()
	current := shared.signingKey(t)
	now := time.Now()
	session := m.owner.login()
	sid := claimsOf(t, session.Access)["sid"]
	sound := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{
			"iss": "fotograma", "aud": []string{"fotograma-api"}, "sub": m.owner.id, "sid": sid,
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}
		change(c)
		return c
	}
	as := func(jwt.MapClaims) {}
	hs256 := func(kid string, secret []byte, c jwt.MapClaims) string {
		return "Bearer " + signed(t, jwt.SigningMethodHS256, kid, secret, c)
	}
	revoked := m.owner.key(m.scopes...)
	if a := m.owner.call("DELETE", "/v1/auth/keys/"+revoked.Key.ID, nil); a.status != 204 {
		t.Fatalf("revoke the key: %d %s", a.status, a.body)
	}
	good := session.Access
	return map[string]string{
		"nothing":                    "",
		"garbage":                    "Bearer abc",
		"no scheme":                  good,
		"another scheme":             "Basic " + good,
		"two tokens":                 "Bearer " + good + " " + good,
		"an expired token":           hs256(current.id, current.secret, sound(func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Minute).Unix() })),
		"a token of tomorrow":        hs256(current.id, current.secret, sound(func(c jwt.MapClaims) { c["nbf"] = now.Add(time.Hour).Unix() })),
		"a token that never expires": hs256(current.id, current.secret, sound(func(c jwt.MapClaims) { delete(c, "exp") })),
		"another issuer's":           hs256(current.id, current.secret, sound(func(c jwt.MapClaims) { c["iss"] = "somebody" })),
		"another audience's":         hs256(current.id, current.secret, sound(func(c jwt.MapClaims) { c["aud"] = "somebody" })),
		"another signature":          good[:len(good)-6] + "AAAAAA",
		"another key's signature":    hs256(current.id, []byte(strings.Repeat("k", 64)), sound(as)),
		"a key nobody knows":         hs256("0123456789ab", current.secret, sound(as)),
		"no algorithm":               "Bearer " + signed(t, jwt.SigningMethodNone, current.id, jwt.UnsafeAllowNoneSignatureType, sound(as)),
		"another algorithm":          "Bearer " + signed(t, jwt.SigningMethodHS512, current.id, current.secret, sound(as)),
		"a session that never was":   hs256(current.id, current.secret, sound(func(c jwt.MapClaims) { c["sid"] = nothing })),
		"a session of another's":     hs256(current.id, current.secret, sound(func(c jwt.MapClaims) { c["sub"] = nothing })),
		"an ended session":           "Bearer " + m.endedSession(t),
		"a refresh token":            "Bearer " + session.Refresh,
		"a revoked API key":          "Bearer " + revoked.Secret,
		"a mistyped API key":         "Bearer " + revoked.Secret[:len(revoked.Secret)-1],
	}
}

// endedSession gives the access token of a session that ended before it was ever
// used, so that no cache knows it.
func (m matrix) endedSession(t *testing.T) string {
	t.Helper()
	session := m.owner.login()
	spend := func() answer {
		return shared.call(t, "POST", "/v1/auth/refresh", map[string]string{"refresh_token": session.Refresh})
	}
	spend().into(t, 200, &tokens{})
	spend().refused(t, 401, "session_revoked")
	return session.Access
}

// signingKey is a version of the secret that signs access tokens.
type signingKey struct {
	id     string
	secret []byte
}

func (s *stack) signingKey(t testing.TB) signingKey {
	t.Helper()
	out, err := secretsmanager.NewFromConfig(s.awsConfig()).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("fotograma/signing")})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(*out.VersionId))
	return signingKey{hex.EncodeToString(sum[:6]), []byte(*out.SecretString)}
}

func signed(t testing.TB, method jwt.SigningMethod, kid string, key any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"] = kid
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// claimsOf reads what a token says, without checking it.
func claimsOf(t testing.TB, token string) jwt.MapClaims {
	t.Helper()
	c := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// kidOf gives the key ID that a token names.
func kidOf(t testing.TB, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := parsed.Header["kid"].(string)
	return id
}

func TestARevokedAPIKeyEndsWithinTheAuthorizersCache(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	key := p.key("account:read")
	use := func() answer { return shared.call(t, "GET", "/v1/auth/me", nil, "Authorization: Bearer "+key.Secret) }
	use().into(t, 200, &struct{}{})
	if a := p.call("DELETE", "/v1/auth/keys/"+key.Key.ID, nil); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	revoked := time.Now()
	until(t, "the key is refused", func() bool { return use().status == 401 })
	// ReauthorizeEvery of the template, and a second for the calls.
	if took := time.Since(revoked); took > 31*time.Second {
		t.Errorf("the key was good for another %s", took)
	}
}

// What a script does with a key is what somebody does who is logged in.
func TestAnAPIKeyUploadsAndDownloads(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	script := shared.client()
	script.UseAPIKey(p.key("videos:read", "videos:write").Secret)
	p.Client = script
	video := p.upload("bottles.mp4", read(t, bottles), `{"mode":"count","count":3}`)
	p.completed(video.ID)
	if a := p.download(video.ID); len(a.manifest.Frames) != 3 {
		t.Errorf("%d frames", len(a.manifest.Frames))
	}
}

// A browser keeps the refresh token in a cookie, which goes through the gateway in
// both directions.
func TestTheWebAppsSession(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	page := "Origin: http://" + shared.web
	cookieOf := func(a answer) string {
		t.Helper()
		set := a.header.Values("Set-Cookie")
		if len(set) != 1 || !strings.HasSuffix(set[0], "; HttpOnly; Secure; SameSite=Strict") {
			t.Fatalf("%d %s, Set-Cookie %q", a.status, a.body, set)
		}
		cookie, _, _ := strings.Cut(set[0], ";")
		return "Cookie: " + cookie
	}
	a := shared.call(t, "POST", "/v1/auth/login", map[string]any{"email": p.email, "password": p.password, "cookie": true}, page)
	first := cookieOf(a)
	if bytes.Contains(a.body, []byte("refresh_token")) {
		t.Errorf("the token is in the body: %s", a.body)
	}
	shared.call(t, "POST", "/v1/auth/refresh", nil, first).refused(t, 403, "cross_site")
	shared.call(t, "POST", "/v1/auth/refresh", nil, first, "Origin: https://evil.example").refused(t, 403, "cross_site")
	a = shared.call(t, "POST", "/v1/auth/refresh", nil, first, page)
	second := cookieOf(a)
	var renewed tokens
	a.into(t, 200, &renewed)
	a = shared.call(t, "POST", "/v1/auth/logout", nil, second, page, "Authorization: Bearer "+renewed.Access)
	if gone := cookieOf(a); a.status != 204 || gone != "Cookie: __Host-fotograma_refresh=" {
		t.Errorf("logout: %d, %s", a.status, gone)
	}
	shared.call(t, "POST", "/v1/auth/refresh", nil, second, page).refused(t, 401, "session_revoked")
}

// The command of docs/operations.md, while somebody goes on with what they have.
func TestRotatingTheSigningSecretInterruptsNobody(t *testing.T) {
	t.Parallel()
	s := ownStack(t)
	p := s.person(t, "en")
	session := p.login()
	p.token = session.Access
	before := s.signingKey(t)
	me := func() { p.call("GET", "/v1/auth/me", nil).into(t, 200, &struct{}{}) }
	me()
	rotate := func() {
		cmd := command(t, s, "infra/rotate-signing-secret", "fotograma")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		} else if bytes.Contains(out, s.signingKey(t).secret) {
			t.Error("it prints the secret")
		}
	}
	rotate()
	after := s.signingKey(t)
	if after.id == before.id || len(after.secret) < 64 {
		t.Fatalf("the key is %s after %s, of %d bytes", after.id, before.id, len(after.secret))
	}
	for range 3 { // in functions that run, and in others that start
		me()
		p.login()
		var renewed tokens
		s.call(t, "POST", "/v1/auth/refresh", map[string]string{"refresh_token": session.Refresh}).into(t, 200, &renewed)
		if kid := kidOf(t, renewed.Access); kid != before.id {
			t.Errorf("the key that not every function knows signs already: %s", kid)
		}
		session, p.token = renewed, renewed.Access
		me()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	// What it will sign in ten minutes is taken already, and what the first key
	// signed still is.
	c := claimsOf(t, session.Access)
	for name, key := range map[string]signingKey{"old": before, "new": after} {
		token := signed(t, jwt.SigningMethodHS256, key.id, key.secret, c)
		if a := s.call(t, "GET", "/v1/auth/me", nil, "Authorization: Bearer "+token); a.status != 200 {
			t.Errorf("the %s key's token: %d %s", name, a.status, a.body)
		}
	}
	rotate()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	token := signed(t, jwt.SigningMethodHS256, before.id, before.secret, c)
	s.call(t, "GET", "/v1/auth/me", nil, "Authorization: Bearer "+token).refused(t, 401, "unauthorized")
}
