package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/fotograma/fotograma/pkg/client"
)

// api is a server that answers calls as a test says, and counts them.
type api struct {
	*httptest.Server

	mu    sync.Mutex
	calls map[string]int
}

// serve starts an api; answers are by method and path, and told how often the
// call came before.
func serve(t *testing.T, answers map[string]func(w http.ResponseWriter, r *http.Request, before int)) *api {
	t.Helper()
	a := &api{calls: map[string]int{}}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := r.Method + " " + r.URL.Path
		a.mu.Lock()
		before := a.calls[call]
		a.calls[call]++
		a.mu.Unlock()
		answer, ok := answers[call]
		if !ok {
			t.Errorf("unexpected %s", call)
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answer(w, r, before)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) count(call string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[call]
}

func reply(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	reply(w, status, fmt.Sprintf(`{"status":%d,"code":%q,"detail":"No.","request_id":"r1"}`, status, code))
}

func login(w http.ResponseWriter, _ *http.Request, _ int) {
	reply(w, http.StatusOK, `{"access_token":"old","refresh_token":"spend me"}`)
}

// However many goroutines find the token expired, it is renewed once: the second
// use of a refresh token would end the session.
func TestAnExpiredTokenIsRenewedOnce(t *testing.T) {
	server := serve(t, map[string]func(http.ResponseWriter, *http.Request, int){
		"POST /v1/auth/login": login,
		"POST /v1/auth/refresh": func(w http.ResponseWriter, r *http.Request, _ int) {
			var body map[string]string
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body["refresh_token"] != "spend me" {
				t.Errorf("refresh with %v, %v", body, err)
			}
			reply(w, http.StatusOK, `{"access_token":"new","refresh_token":"another"}`)
		},
		"GET /v1/videos/v1": func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("Authorization") != "Bearer new" {
				refuse(w, http.StatusUnauthorized, "unauthorized")
				return
			}
			reply(w, http.StatusOK, `{"id":"v1"}`)
		},
	})
	c := client.New(server.URL)
	if err := c.Login(t.Context(), "ana@example.com", "secret"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if v, err := c.Video(t.Context(), "v1"); err != nil || v.ID != "v1" {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
	wg.Wait()
	if n := server.count("POST /v1/auth/refresh"); n != 1 {
		t.Errorf("renewed %d times", n)
	}
}

func TestOnlyWhatIsSafeIsRepeated(t *testing.T) {
	failsOnce := func(w http.ResponseWriter, _ *http.Request, before int) {
		if before == 0 {
			refuse(w, http.StatusServiceUnavailable, "internal")
			return
		}
		reply(w, http.StatusOK, `{}`)
	}
	server := serve(t, map[string]func(http.ResponseWriter, *http.Request, int){
		"GET /v1/videos/v1":        failsOnce,
		"POST /v1/videos/v1/retry": failsOnce,
	})
	c := client.New(server.URL)
	if _, err := c.Video(t.Context(), "v1"); err != nil {
		t.Errorf("a read is not repeated: %v", err)
	}
	err := c.Retry(t.Context(), "v1", nil)
	if n := server.count("POST /v1/videos/v1/retry"); n != 1 || !client.IsCode(err, "internal") {
		t.Errorf("a retry was asked for %d times: %v", n, err)
	}
}

func TestCallsAreRepeatedAsOftenAsIsAskedFor(t *testing.T) {
	for retries := range 2 {
		server := serve(t, map[string]func(http.ResponseWriter, *http.Request, int){
			"GET /v1/videos/v1": func(w http.ResponseWriter, _ *http.Request, _ int) {
				refuse(w, http.StatusServiceUnavailable, "internal")
			},
		})
		_, err := client.New(server.URL, client.WithRetries(retries)).Video(t.Context(), "v1")
		if n := server.count("GET /v1/videos/v1"); n != 1+retries || !client.IsCode(err, "internal") {
			t.Errorf("with %d retries asked %d times: %v", retries, n, err)
		}
	}
}

func TestALongRetryAfterIsLeftToTheCaller(t *testing.T) {
	server := serve(t, map[string]func(http.ResponseWriter, *http.Request, int){
		"GET /v1/videos/day": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", "86400")
			refuse(w, http.StatusTooManyRequests, "quota_exceeded")
		},
		"GET /v1/videos/moment": func(w http.ResponseWriter, _ *http.Request, before int) {
			if before == 0 {
				w.Header().Set("Retry-After", "1")
				refuse(w, http.StatusTooManyRequests, "throttled")
				return
			}
			reply(w, http.StatusOK, `{}`)
		},
	})
	c := client.New(server.URL)
	if _, err := c.Video(t.Context(), "day"); !client.IsCode(err, "quota_exceeded") || server.count("GET /v1/videos/day") != 1 {
		t.Errorf("%v, asked %d times", err, server.count("GET /v1/videos/day"))
	}
	if _, err := c.Video(t.Context(), "moment"); err != nil {
		t.Errorf("a short wait is not waited for: %v", err)
	}
}

func TestAProblemTellsWhatIsWrong(t *testing.T) {
	server := serve(t, map[string]func(http.ResponseWriter, *http.Request, int){
		"GET /v1/videos/ours": func(w http.ResponseWriter, _ *http.Request, _ int) { refuse(w, http.StatusNotFound, "not_found") },
		"GET /v1/videos/foreign": func(w http.ResponseWriter, _ *http.Request, _ int) {
			reply(w, http.StatusTeapot, "<html>a proxy's page</html>")
		},
	})
	c := client.New(server.URL)
	if _, err := c.Video(t.Context(), "ours"); !client.IsCode(err, "not_found") || !strings.Contains(err.Error(), "r1") {
		t.Errorf("%v", err)
	}
	_, err := c.Video(t.Context(), "foreign")
	if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != http.StatusTeapot {
		t.Errorf("%v", err)
	}
	if !client.IsStatus(fmt.Errorf("show: %w", err), http.StatusTeapot) || client.IsStatus(err, http.StatusNotFound) || client.IsStatus(errors.New("no network"), http.StatusTeapot) {
		t.Errorf("the status of %v is not told", err)
	}
}

func TestADownloadIsCheckedAgainstItsSizeAndHash(t *testing.T) {
	const abc = `,"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"` // FIPS 180-4
	for _, c := range []struct {
		name, body, hash string
		right            bool
	}{
		{"as promised", "abc", abc, true},
		{"another", "abd", abc, false},
		{"cut off", "ab", abc, false},
		{"without a hash", "abc", "", true},
		{"cut off, without a hash", "ab", "", false},
	} {
		var server *api
		server = serve(t, map[string]func(http.ResponseWriter, *http.Request, int){
			"GET /v1/videos/v1/download": func(w http.ResponseWriter, _ *http.Request, _ int) {
				reply(w, http.StatusOK, fmt.Sprintf(`{"url":"%s/zip","size":3%s}`, server.URL, c.hash))
			},
			"GET /zip": func(w http.ResponseWriter, r *http.Request, _ int) {
				if r.Header.Get("Authorization") != "" {
					t.Error("S3 was shown the access token")
				}
				reply(w, http.StatusOK, c.body)
			},
		})
		var zip strings.Builder
		if _, err := client.New(server.URL).Download(t.Context(), "v1", &zip); (err == nil) != c.right || zip.String() != c.body {
			t.Errorf("%s: %v, got %q", c.name, err, zip.String())
		}
	}
}

// There is nothing to renew an API key with.
func TestAnAPIKeyThatIsRefusedIsNotRenewed(t *testing.T) {
	server := serve(t, map[string]func(http.ResponseWriter, *http.Request, int){
		"GET /v1/videos/v1": func(w http.ResponseWriter, r *http.Request, _ int) {
			if got := r.Header.Get("Authorization"); got != "Bearer fotograma_key" {
				t.Errorf("Authorization: %q", got)
			}
			refuse(w, http.StatusUnauthorized, "unauthorized")
		},
	})
	c := client.New(server.URL)
	c.UseAPIKey("fotograma_key")
	if _, err := c.Video(t.Context(), "v1"); !client.IsCode(err, "unauthorized") {
		t.Errorf("error is %v", err)
	}
	if n := server.count("GET /v1/videos/v1"); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}
