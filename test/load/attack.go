package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// The kinds of requests, as tables name them.
const (
	listing  = "list with ETag"
	showing  = "show with ETag"
	creating = "create a video"
	renewing = "refresh"
	entering = "log in"
)

// shares is how many of a hundred requests of an attack are of a kind.
var shares = []struct {
	kind  string
	share int
}{{listing, 45}, {showing, 45}, {creating, 5}, {renewing, 3}, {entering, 2}}

const (
	// answerWithin is how long an answer is waited for.
	answerWithin = 30 * time.Second

	// atOnce is how many requests may be under way at once.
	atOnce = 2000
)

// attacked is what came of an attack.
type attacked struct {
	attack
	kinds map[string]*vegeta.Metrics
	all   vegeta.Metrics
}

// attack attacks the stack at an address until the attack's time or the context ends.
func (l *load) attack(ctx context.Context, web string, a attack) *attacked {
	m := &mix{ctx: ctx, web: web, people: l.people, sessions: make(chan string, atOnce)}
	attacker := vegeta.NewAttacker(vegeta.Client(caller()), vegeta.MaxWorkers(atOnce))
	out := &attacked{attack: a, kinds: map[string]*vegeta.Metrics{}}
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	for result := range attacker.Attack(m.next, vegeta.Rate{Freq: a.rate, Per: time.Second}, a.length, a.name) {
		kind := kindOf(result.Method, result.URL)
		m.keep(kind, result)
		if out.kinds[kind] == nil {
			out.kinds[kind] = &vegeta.Metrics{}
		}
		out.kinds[kind].Add(result)
		out.all.Add(result)
	}
	for _, metrics := range out.kinds {
		metrics.Close()
	}
	out.all.Close()
	return out
}

// kindOf tells what kind of request one was.
func kindOf(method, url string) string {
	switch {
	case strings.HasSuffix(url, "/auth/login"):
		return entering
	case strings.HasSuffix(url, "/auth/refresh"):
		return renewing
	case method == http.MethodPost:
		return creating
	case strings.Contains(url, "/v1/videos/"):
		return showing
	}
	return listing
}

// mix makes the requests of an attack.
type mix struct {
	ctx      context.Context //nolint:containedctx // vegeta hands none on
	web      string
	people   []*person
	sessions chan string // refresh tokens that are good, each once
}

// next makes the next request. Where there is none of a kind to make, it is a list.
func (m *mix) next(t *vegeta.Target) error {
	p := m.people[mathrand.IntN(len(m.people))] //nolint:gosec // G404: a load is no secret
	kind := draw(mathrand.IntN(100))            //nolint:gosec // G404
	switch kind {
	case entering:
		return m.post(t, "/v1/auth/login", "", map[string]any{"email": p.email, "password": p.password})
	case renewing:
		select {
		case token := <-m.sessions:
			return m.post(t, "/v1/auth/refresh", "", map[string]any{"refresh_token": token})
		default: // nobody has logged in yet
		}
	}
	token, err := p.token(m.ctx)
	if err != nil {
		return err
	}
	if kind == creating {
		return m.post(t, "/v1/videos", token, map[string]any{"filename": "load.mp4", "size": 1000, "content_type": "video/mp4"})
	}
	t.Method, t.URL, t.Header = http.MethodGet, m.web+firstPage, bearer(token)
	if id := p.some(mathrand.IntN(5)); kind == showing && id != "" { //nolint:gosec // G404
		t.URL = m.web + "/v1/videos/" + id
	}
	return nil
}

// draw gives the kind of the n-th of a hundred requests.
func draw(n int) string {
	for _, s := range shares {
		if n -= s.share; n < 0 {
			return s.kind
		}
	}
	return listing
}

func (m *mix) post(t *vegeta.Target, path, token string, body any) (err error) {
	t.Method, t.URL, t.Header = http.MethodPost, m.web+path, http.Header{}
	if token != "" {
		t.Header = bearer(token)
		t.Header.Set("Idempotency-Key", rand.Text())
	}
	t.Header.Set("Content-Type", "application/json")
	t.Body, err = json.Marshal(body)
	return err
}

// keep keeps the session that an answer began or renewed, so that it can be renewed.
func (m *mix) keep(kind string, result *vegeta.Result) {
	if kind != entering && kind != renewing || result.Code != http.StatusOK {
		return
	}
	var tokens struct {
		RefreshToken string `json:"refresh_token"`
	}
	if json.NewDecoder(bytes.NewReader(result.Body)).Decode(&tokens) != nil {
		return
	}
	select {
	case m.sessions <- tokens.RefreshToken:
	default: // there are enough
	}
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// caller makes an HTTP client that is many people's: it sends what each knows of an
// answer, and so gets 304 where nothing has changed.
func caller() *http.Client {
	return &http.Client{
		Timeout:   answerWithin,
		Transport: &tagging{next: &http.Transport{MaxIdleConnsPerHost: atOnce}},
	}
}

// tagging makes GETs conditional upon the last answer to the same person.
type tagging struct {
	next http.RoundTripper
	tags sync.Map // by person and URL
}

// RoundTrip implements http.RoundTripper.
func (t *tagging) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return t.next.RoundTrip(r)
	}
	key := r.Header.Get("Authorization") + r.URL.Path
	if tag, ok := t.tags.Load(key); ok {
		r = r.Clone(r.Context())
		r.Header.Set("If-None-Match", fmt.Sprint(tag))
	}
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		if tag := resp.Header.Get("ETag"); tag != "" {
			t.tags.Store(key, tag)
		}
	}
	return resp, err
}

// answered tells of requests that were answered 5xx or not at all.
func (l *load) answered() error {
	errs := make([]error, 0, 1+len(l.attacks)+len(l.views))
	errs = append(errs, failures("browsers under the steady load", &l.onlookers))
	for _, a := range l.attacks {
		errs = append(errs, failures(a.name, &a.all))
	}
	for _, v := range l.views {
		errs = append(errs, failures(v.name, &v.metrics))
	}
	return errors.Join(errs...)
}

func failures(name string, m *vegeta.Metrics) error {
	bad := 0
	for code, n := range m.StatusCodes {
		if code == "0" || strings.HasPrefix(code, "5") {
			bad += n
		}
	}
	if bad == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d requests failed: %s %q", name, bad, codes(m), m.Errors)
}
