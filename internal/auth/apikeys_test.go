package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/sam"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

const someKey = "019ca96a-0000-7000-8000-0000000000cc"

func someAPIKey(t testing.TB) apiKeySecret {
	t.Helper()
	key, err := newAPIKeySecret(someUser, someKey, bytes.NewReader(bytes.Repeat([]byte{0xa5}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAPIKeysAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	key := someAPIKey(t)
	written := key.encode()
	if len(written) != 101 || !strings.HasPrefix(written, "fotograma_") {
		t.Errorf("the key is %s, of %d characters", written, len(written))
	}
	got, err := parseAPIKey(written)
	if err != nil || got != key {
		t.Errorf("read as %+v, %v; want %+v", got, err, key)
	}
	other := key
	other.secret[31] ^= 1
	if !key.fits(key.hash()) || key.fits(other.hash()) || key.fits("") || strings.Contains(key.hash(), "a5a5a5") {
		t.Errorf("hashes are %s and %s", key.hash(), other.hash())
	}
}

func TestAPIKeysNeedTheirParts(t *testing.T) {
	t.Parallel()
	full := func() *bytes.Reader { return bytes.NewReader(make([]byte, 32)) }
	if _, err := newAPIKeySecret("ana", someKey, full()); err == nil {
		t.Error("a user ID that is no UUID is taken")
	}
	if _, err := newAPIKeySecret(someUser, "", full()); err == nil {
		t.Error("an ID that is no UUID is taken")
	}
	if _, err := newAPIKeySecret(someUser, someKey, bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("31 random bytes are enough")
	}
}

func TestParseAPIKeyRefuses(t *testing.T) {
	t.Parallel()
	good := someAPIKey(t).encode()
	raw, err := base64.RawURLEncoding.DecodeString(good[len(apiKeyPrefix):])
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"nothing":           "",
		"the prefix":        apiKeyPrefix,
		"no prefix":         good[len(apiKeyPrefix):],
		"another prefix":    "Fotograma_" + good[len(apiKeyPrefix):],
		"two prefixes":      apiKeyPrefix + good,
		"a character less":  good[:100],
		"a character more":  good + "A",
		"padding":           good + "=",
		"a line break":      good[:40] + "\n" + good[40:],
		"a space":           good + " ",
		"stray bits at end": good[:100] + string(good[100]+1),
		"a refresh token":   someRefreshToken(t).encode(),
		"no checksum":       apiKeyPrefix + base64.RawURLEncoding.EncodeToString(raw[:64]),
	}
	for at := len(apiKeyPrefix); at < len(good); at++ { // a typo anywhere
		wrong := []byte(good)
		if wrong[at]++; wrong[at] == 'Z'+1 || wrong[at] == 'z'+1 || wrong[at] == '9'+1 || wrong[at] == '_'+1 || wrong[at] == '-'+1 {
			wrong[at] = 'A'
		}
		tests[fmt.Sprintf("a typo at %d", at)] = string(wrong)
	}
	for name, s := range tests {
		if _, err := parseAPIKey(s); !errors.Is(err, errBadAPIKey) {
			t.Errorf("%s: %q gives %v", name, s, err)
		}
	}
}

func FuzzParseAPIKey(f *testing.F) {
	good := someAPIKey(f).encode()
	f.Add(good)
	f.Add(good[:100])
	f.Add(good[:50] + "\n" + good[51:])
	f.Add(apiKeyPrefix)
	f.Add(apiKeyPrefix + strings.Repeat("A", 91))
	f.Add(strings.Repeat("_", 101))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		key, err := parseAPIKey(s)
		if err != nil {
			if !errors.Is(err, errBadAPIKey) || key != (apiKeySecret{}) {
				t.Errorf("%q gives %+v, %v", s, key, err)
			}
			return
		}
		if key.encode() != s {
			t.Errorf("%q is also written %q", s, key.encode())
		}
		if token, ok := parseBearer("Bearer " + s); !ok || token != s {
			t.Errorf("%q cannot be sent as a bearer token", s)
		}
	})
}

// createKey makes an API key in a session and gives the answer.
func (w *world) createKey(session string, body string) answer {
	w.t.Helper()
	return w.call(http.MethodPost, "/v1/auth/keys", body, session)
}

// mustKey makes an API key with scopes, and gives its ID and its secret.
func (w *world) mustKey(session string, scopes ...httpapi.Scope) (id, secret string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"name": "a key", "scopes": scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.createKey(session, string(body))
	if a.status != http.StatusCreated {
		w.t.Fatalf("create key: %d %s", a.status, a.raw)
	}
	return a.body["key"].(map[string]any)["id"].(string), a.body["secret"].(string)
}

func TestAnAPIKeyIsShownOnceAndListedWithoutItsSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	session := w.loginAna().access()
	a := w.createKey(session, `{"name": "  nightly export ", "scopes": ["videos:write", "videos:read", "videos:read"], "expires_in_days": 90}`)
	secret, _ := a.body["secret"].(string)
	key, _ := a.body["key"].(map[string]any)
	want := map[string]any{
		"id": key["id"], "name": "nightly export", "scopes": []any{"videos:read", "videos:write"},
		"hint": secret[len(secret)-4:], "created_at": "2026-03-01T12:00:00Z", "expires_at": "2026-05-30T12:00:00Z",
	}
	if diff := cmp.Diff(want, key); a.status != http.StatusCreated || diff != "" {
		t.Fatalf("status %d, key (-want +got):\n%s", a.status, diff)
	}
	forever := w.createKey(session, `{"name": "for ever", "scopes": ["account:read"]}`)
	list := w.call(http.MethodGet, "/v1/auth/keys", "", session)
	if diff := cmp.Diff([]any{a.body["key"], forever.body["key"]}, list.body["keys"]); list.status != http.StatusOK || diff != "" {
		t.Errorf("status %d, list (-want +got):\n%s", list.status, diff)
	}
	rows, err := json.Marshal(w.rows())
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"list": list.raw, "table": string(rows)} {
		if strings.Contains(text, secret) || strings.Contains(text, secret[56:90]) {
			t.Errorf("the secret is in the %s", place)
		}
	}
}

func TestCreateAPIKeyRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	session := w.loginAna().access()
	for name, body := range map[string]string{
		"no name":            `{"scopes": ["videos:read"]}`,
		"an empty name":      `{"name": " ", "scopes": ["videos:read"]}`,
		"a long name":        `{"name": "` + strings.Repeat("x", 101) + `", "scopes": ["videos:read"]}`,
		"a name of two rows": `{"name": "a\nb", "scopes": ["videos:read"]}`,
		"no scopes":          `{"name": "a"}`,
		"an empty list":      `{"name": "a", "scopes": []}`,
		"null":               `{"name": "a", "scopes": null}`,
		"an unknown scope":   `{"name": "a", "scopes": ["videos:read", "account:write"]}`,
		"everything":         `{"name": "a", "scopes": ["*"]}`,
		"no days":            `{"name": "a", "scopes": ["videos:read"], "expires_in_days": 0}`,
		"days that are over": `{"name": "a", "scopes": ["videos:read"], "expires_in_days": -1}`,
		"too many days":      `{"name": "a", "scopes": ["videos:read"], "expires_in_days": 3651}`,
		"a secret of theirs": `{"name": "a", "scopes": ["videos:read"], "secret": "x"}`,
	} {
		t.Run(name, func(*testing.T) {
			w.wants(w.createKey(session, body), http.StatusUnprocessableEntity, "invalid_request")
		})
	}
	if list := w.call(http.MethodGet, "/v1/auth/keys", "", session); list.raw != "{\"keys\":[]}\n" {
		t.Errorf("there are keys: %s", list.raw)
	}
}

func TestAnAPIKeyActsForItsOwnerWithinItsScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.registerAna()
	session := w.loginAna().access()
	id, secret := w.mustKey(session, httpapi.VideosRead, httpapi.AccountRead)
	caller, err := w.authorize(secret)
	want := httpapi.Caller{UserID: user, KeyID: id, Scopes: []httpapi.Scope{httpapi.VideosRead, httpapi.AccountRead}}
	if diff := cmp.Diff(want, caller); err != nil || diff != "" {
		t.Errorf("%v, caller (-want +got):\n%s", err, diff)
	}
	if me := w.call(http.MethodGet, "/v1/auth/me", "", secret); me.status != http.StatusOK || me.body["id"] != user {
		t.Errorf("me: %d %s", me.status, me.raw)
	}
	_, other := w.mustKey(session, httpapi.VideosRead)
	w.wants(w.call(http.MethodGet, "/v1/auth/me", "", other), http.StatusForbidden, "insufficient_scope")
}

func TestNoAPIKeyManagesTheAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	id, secret := w.mustKey(w.loginAna().access(), httpapi.Scopes()...)
	for _, a := range []answer{
		w.createKey(secret, `{"name": "another", "scopes": ["videos:read"]}`),
		w.call(http.MethodGet, "/v1/auth/keys", "", secret),
		w.call(http.MethodDelete, "/v1/auth/keys/"+id, "", secret),
		w.call(http.MethodPost, "/v1/auth/logout", "", secret),
	} {
		w.wants(a, http.StatusForbidden, "insufficient_scope")
	}
	if _, err := w.authorize(secret); err != nil {
		t.Errorf("the key is gone: %v", err)
	}
}

func TestAnAPIKeyEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.service.Access.Lifetime = 365 * 24 * time.Hour
	w.service.Limits.SessionLifetime = 365 * 24 * time.Hour
	session := w.loginAna().access()
	id, secret := w.mustKey(session, httpapi.VideosRead)
	_, other := w.mustKey(session, httpapi.VideosRead)
	brief := w.createKey(session, `{"name": "brief", "scopes": ["videos:read"], "expires_in_days": 1}`).body["secret"].(string)

	if a := w.call(http.MethodDelete, "/v1/auth/keys/"+id, "", session); a.status != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", a.status, a.raw)
	}
	if _, err := w.authorize(secret); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("a revoked key: %v", err)
	}
	w.wants(w.call(http.MethodDelete, "/v1/auth/keys/"+id, "", session), http.StatusNotFound, "not_found")

	w.clock.advance(24*time.Hour - time.Millisecond)
	if _, err := w.authorize(brief); err != nil {
		t.Errorf("just before it expires: %v", err)
	}
	w.clock.advance(time.Millisecond)
	if _, err := w.authorize(brief); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("as it expires: %v", err)
	}
	if _, err := w.authorize(other); err != nil {
		t.Errorf("the other key: %v", err)
	}
}

func TestNobodyGuessesAnAPIKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	session := w.loginAna().access()
	_, secret := w.mustKey(session, httpapi.VideosRead)
	good, err := parseAPIKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*apiKeySecret)) string {
		k := good
		f(&k)
		return k.encode()
	}
	for name, token := range map[string]string{
		"another secret":         change(func(k *apiKeySecret) { k.secret[0] ^= 1 }),
		"another ID":             change(func(k *apiKeySecret) { k.id[15] ^= 1 }),
		"another person":         change(func(k *apiKeySecret) { k.user[15] ^= 1 }),
		"cut off":                secret[:len(secret)-1],
		"a refresh token's name": apiKeyPrefix + someRefreshToken(t).encode(),
	} {
		if caller, err := w.authorize(token); !errors.Is(err, ErrUnauthorized) || caller.UserID != "" {
			t.Errorf("%s: %+v, %v", name, caller, err)
		}
	}
	typo := secret[:len(secret)-1] + "!"
	if calls := w.wire.during(func() { _, _ = w.authorize(typo) }); len(calls) != 0 {
		t.Errorf("a mistyped key is looked up: %v", calls)
	}
}

func TestAPIKeysOfOthersAreNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	id, secret := w.mustKey(w.loginAna().access(), httpapi.VideosRead)
	w.post("/v1/auth/register", map[string]string{"email": "bia@example.com", "password": anaPassword})
	bia := w.login("bia@example.com", anaPassword).access()
	for _, ref := range []string{id, "x", "..%2f" + id, someKey} {
		w.wants(w.call(http.MethodDelete, "/v1/auth/keys/"+ref, "", bia), http.StatusNotFound, "not_found")
	}
	if list := w.call(http.MethodGet, "/v1/auth/keys", "", bia); list.raw != "{\"keys\":[]}\n" {
		t.Errorf("she sees %s", list.raw)
	}
	if _, err := w.authorize(secret); err != nil {
		t.Errorf("the key is gone: %v", err)
	}
}

func TestOfAnyNumberOfAPIKeysNoMoreAreMadeThanAreAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	session := w.loginAna().access()
	w.mustKey(session, httpapi.VideosRead)
	answers := make([]answer, 12)
	together(len(answers), func(i int) { answers[i] = w.createKey(session, `{"name": "one of many", "scopes": ["videos:read"]}`) })
	if diff := cmp.Diff(map[string]int{"201": 4, "409 too_many_keys": 8}, tally(answers)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	keys, err := w.service.APIKeys(t.Context(), mustCaller(t, w, session).UserID)
	if err != nil || len(keys) != 5 {
		t.Fatalf("%d keys, %v; want 5", len(keys), err)
	}

	// Of two that revoke the same key, one does, and it makes room for one.
	revoked := make([]answer, 2)
	together(len(revoked), func(i int) { revoked[i] = w.call(http.MethodDelete, "/v1/auth/keys/"+keys[0].ID, "", session) })
	if diff := cmp.Diff(map[string]int{"204": 1, "404 not_found": 1}, tally(revoked)); diff != "" {
		t.Errorf("revocations (-want +got):\n%s", diff)
	}
	w.mustKey(session, httpapi.VideosRead)
	w.wants(w.createKey(session, `{"name": "one more", "scopes": ["videos:read"]}`), http.StatusConflict, "too_many_keys")
}

func mustCaller(t *testing.T, w *world, token string) httpapi.Caller {
	t.Helper()
	caller, err := w.authorize(token)
	if err != nil {
		t.Fatal(err)
	}
	return caller
}

func TestNoAPIKeyIsMadeInASessionThatHasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.registerAna()
	session := w.loginAna().access()
	caller, err := w.authorize(session)
	if err != nil {
		t.Fatal(err)
	}
	w.remove(sessionKey(user, caller.SessionID))
	_, _, err = w.service.CreateAPIKey(t.Context(), caller, NewAPIKey{Name: "a", Scopes: httpapi.Scopes()})
	if !problem.Is(err, problem.Unauthorized) {
		t.Errorf("error %v, want unauthorized", err)
	}
	if keys, err := w.service.APIKeys(t.Context(), user); err != nil || len(keys) != 0 {
		t.Errorf("keys: %v, %v", keys, err)
	}
}

func TestNoAPIKeyIsMadeForAnAccountThatHasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := w.registerAna()
	session := w.loginAna().access()
	w.remove(profileKey(user))
	w.wants(w.createKey(session, `{"name": "a", "scopes": ["videos:read"]}`), http.StatusUnauthorized, "unauthorized")
	if keys, err := w.service.APIKeys(t.Context(), user); err != nil || len(keys) != 0 {
		t.Errorf("keys: %v, %v", keys, err)
	}
}

func TestWhenAnAPIKeyWasUsedIsNotedNowAndThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	user := mustCaller(t, w, w.loginAna().access()).UserID
	session := w.loginAna().access()
	_, secret := w.mustKey(session, httpapi.VideosRead)
	lastUsed := func() string {
		keys, err := w.service.APIKeys(t.Context(), user)
		if err != nil || len(keys) != 1 {
			t.Fatalf("keys: %v, %v", keys, err)
		}
		if keys[0].LastUsedAt.IsZero() {
			return "never"
		}
		return keys[0].LastUsedAt.UTC().Format(time.TimeOnly)
	}
	writes := func() int {
		calls := w.wire.during(func() { mustCaller(t, w, secret) })
		return len(slices.DeleteFunc(calls, func(c string) bool { return !strings.HasSuffix(c, ".UpdateItem") }))
	}
	if got := lastUsed(); got != "never" {
		t.Errorf("before it is used: %s", got)
	}
	for _, step := range []struct {
		after  time.Duration
		writes int
		want   string
	}{
		{time.Minute, 1, "12:01:00"},
		{4 * time.Minute, 0, "12:01:00"},
		{time.Minute, 1, "12:06:00"},
		{0, 0, "12:06:00"},
	} {
		w.clock.advance(step.after)
		if n := writes(); n != step.writes || lastUsed() != step.want {
			t.Errorf("after %s: %d writes, last used %s; want %d, %s", step.after, n, lastUsed(), step.writes, step.want)
		}
	}

	// That it cannot be written down is no reason to refuse the request.
	w.clock.advance(time.Hour)
	w.wire.before = func(target string) int {
		if strings.HasSuffix(target, ".UpdateItem") {
			return http.StatusBadRequest
		}
		return 0
	}
	mustCaller(t, w, secret)
	w.wire.before = nil
	if got := lastUsed(); got != "12:06:00" {
		t.Errorf("last used %s though it could not be written", got)
	}
}

// A key that is revoked while its use is noted must not come back.
func TestNotingItsUseDoesNotBringAKeyBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	session := w.loginAna().access()
	id, secret := w.mustKey(session, httpapi.VideosRead)
	var once sync.Once
	w.wire.before = func(target string) int {
		if strings.HasSuffix(target, ".UpdateItem") {
			once.Do(func() {
				w.remove(apiKeyKey(mustCaller(t, w, session).UserID, id))
			})
		}
		return 0
	}
	mustCaller(t, w, secret)
	w.wire.before = nil
	if _, err := w.authorize(secret); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("the key came back: %v", err)
	}
}

func TestTheAuditLogTellsOfAPIKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	session := w.loginAna().access()
	caller := mustCaller(t, w, session)
	id, _ := w.mustKey(session, httpapi.VideosRead)
	w.clock.advance(time.Minute)
	w.call(http.MethodDelete, "/v1/auth/keys/"+id, "", session)
	w.call(http.MethodDelete, "/v1/auth/keys/"+id, "", session) // does nothing
	entries, _, err := w.service.auditLog(t.Context(), caller.UserID, "", 2)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i, want := range []action{actionAPIKeyRevoked, actionAPIKeyCreated} { // newest first
		if e := entries[i]; e.action != want || e.result != succeeded || e.detail != id || e.sessionID != caller.SessionID {
			t.Errorf("entry %d is %+v, want %s of %s", i, e, want, id)
		}
	}
}

// API Gateway refuses what does not fit its expression before anybody is asked.
func TestAPIGatewayLetsAPIKeysThrough(t *testing.T) {
	t.Parallel()
	template, err := sam.Load(sam.Config{Path: "../../template.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for _, authorizer := range template.APIs[0].Authorizers {
		fits := regexp.MustCompile(`\A(?:` + authorizer.ValidationExpression + `)\z`)
		if header := "Bearer " + someAPIKey(t).encode(); !fits.MatchString(header) {
			t.Errorf("%q does not fit %s", header, fits)
		}
		if authorizer.TTL > 30*time.Second || authorizer.TTL <= 0 {
			t.Errorf("what the authorizer said is kept for %s, want at most half a minute", authorizer.TTL)
		}
	}
}

func TestNoAPIKeyIsLogged(t *testing.T) {
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
	session := w.loginAna().access()
	id, secret := w.mustKey(session, httpapi.VideosRead)
	w.call(http.MethodGet, "/v1/auth/keys", "", session)
	w.wire.before = func(target string) int {
		if strings.HasSuffix(target, ".UpdateItem") {
			return http.StatusBadRequest
		}
		return 0
	}
	w.call(http.MethodGet, "/v1/auth/me", "", secret)
	w.wire.before = nil
	w.call(http.MethodDelete, "/v1/auth/keys/"+id, "", session)
	_, _ = w.authorize(secret)

	mu.Lock()
	defer mu.Unlock()
	for _, event := range []string{"API key created", "use of an API key not noted", "API key revoked", "bad API key"} {
		if !strings.Contains(log.String(), event) {
			t.Errorf("the log does not tell of %q: what else is not logged?", event)
		}
	}
	if strings.Contains(log.String(), secret[20:60]) || strings.Contains(log.String(), secret[60:]) {
		t.Errorf("the key is in the log:\n%s", log.String())
	}
}
