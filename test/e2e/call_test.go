package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// answer is what the API answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem reads the answer as RFC 9457 problem details.
func (a answer) problem(t testing.TB) (p struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
},
) {
	t.Helper()
	if media := a.header.Get("Content-Type"); media != "application/problem+json" {
		t.Errorf("content type %q", media)
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Errorf("problem: %v: %s", err, a.body)
	}
	if p.Status != a.status || p.Title == "" || p.Detail == "" || p.RequestID == "" {
		t.Errorf("problem %s of a %d", a.body, a.status)
	}
	return p
}

// refused checks that the answer is a problem of a status and a code.
func (a answer) refused(t testing.TB, status int, code string) {
	t.Helper()
	if p := a.problem(t); a.status != status || p.Code != code {
		t.Errorf("%d %s, want %d %s: %s", a.status, p.Code, status, code, a.body)
	}
}

// into reads the answer of a request that must have worked.
func (a answer) into(t testing.TB, status int, v any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// call makes a request as somebody might without our client. Headers are
// written "Name: value".
func (s *stack) call(t testing.TB, method, path string, body any, headers ...string) answer {
	t.Helper()
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.web+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return a
}

// tokens are a session's.
type tokens struct {
	Access    string `json:"access_token"`
	Refresh   string `json:"refresh_token"`
	Type      string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"`
}

// login begins another session.
func (p *person) login() tokens {
	p.t.Helper()
	var session tokens
	p.stack.call(p.t, "POST", "/v1/auth/login", map[string]string{"email": p.email, "password": p.password}).into(p.t, 200, &session)
	return session
}

// call makes a request in the person's name, without our client.
func (p *person) call(method, path string, body any, headers ...string) answer {
	p.t.Helper()
	if p.token == "" {
		p.token = p.login().Access
	}
	return p.stack.call(p.t, method, path, body, append(headers, "Authorization: Bearer "+p.token)...)
}
