package client_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
)

// zeroTime has no Last-Modified sent.
var zeroTime time.Time

type answers = map[string]func(http.ResponseWriter, *http.Request, int)

// An upload that was broken off sends only what is missing, and completes with all
// parts in order.
func TestAnUploadGoesOnWithTheMissingParts(t *testing.T) {
	film := []byte("aaaabbbbccccdd")
	var mu sync.Mutex
	put := map[string]string{}
	var server *api
	part := func(w http.ResponseWriter, r *http.Request, _ int) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		put[r.URL.Path] = string(body)
		w.Header().Set("ETag", `"new"`)
	}
	server = serve(t, answers{
		"POST /v1/videos": func(w http.ResponseWriter, r *http.Request, _ int) {
			if r.Header.Get("Idempotency-Key") != "the same" {
				t.Error("without the key that finds the upload")
			}
			reply(w, 201, `{"video":{"id":"v1","status":"awaiting_upload"},"upload":{"method":"MULTIPART","part_size":4}}`)
		},
		"GET /v1/videos/v1/parts": func(w http.ResponseWriter, _ *http.Request, _ int) {
			reply(w, 200, `{"parts":[{"part_number":1,"etag":"a","size":4},{"part_number":3,"etag":"c","size":2}]}`) // 3 is not whole
		},
		"POST /v1/videos/v1/parts": func(w http.ResponseWriter, r *http.Request, _ int) {
			var n int
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Sscanf(string(body), `{"part_numbers":[%d]}`, &n)
			reply(w, 200, fmt.Sprintf(`{"parts":[{"part_number":%d,"url":"%s/put/%d"}]}`, n, server.URL, n))
		},
		"PUT /put/2": part, "PUT /put/3": part, "PUT /put/4": part,
		"POST /v1/videos/v1/complete": func(w http.ResponseWriter, r *http.Request, _ int) {
			body, _ := io.ReadAll(r.Body)
			want := `{"parts":[{"part_number":1,"etag":"a"},{"part_number":2,"etag":"\"new\""},{"part_number":3,"etag":"\"new\""},{"part_number":4,"etag":"\"new\""}]}`
			if string(body) != want {
				t.Errorf("completed with %s", body)
			}
			reply(w, 202, `{}`)
		},
	})
	var sent, stored atomic.Int64
	_, err := client.New(server.URL).Upload(t.Context(), bytes.NewReader(film),
		client.NewVideo{Filename: "a.mp4", Size: int64(len(film)), IdempotencyKey: "the same"},
		&client.UploadOptions{Sent: func(n int) { sent.Add(int64(n)) }, Stored: stored.Store})
	if err != nil || sent.Load() != 10 || stored.Load() != 4 {
		t.Errorf("%v, %d bytes sent, %d stored before", err, sent.Load(), stored.Load())
	}
	if got := fmt.Sprint(put); got != "map[/put/2:bbbb /put/3:cccc /put/4:dd]" {
		t.Errorf("sent %s", got)
	}
}

// A part that S3 did not take is sent again, and counted once.
func TestAPartIsSentAgainWhenS3Fails(t *testing.T) {
	var server *api
	server = serve(t, answers{
		"POST /v1/videos": func(w http.ResponseWriter, _ *http.Request, _ int) {
			reply(w, 201, `{"video":{"id":"v1","status":"awaiting_upload"},"upload":{"method":"MULTIPART","part_size":4}}`)
		},
		"GET /v1/videos/v1/parts": func(w http.ResponseWriter, _ *http.Request, _ int) { reply(w, 200, `{"parts":[]}`) },
		"POST /v1/videos/v1/parts": func(w http.ResponseWriter, _ *http.Request, _ int) {
			reply(w, 200, fmt.Sprintf(`{"parts":[{"part_number":1,"url":"%s/put"}]}`, server.URL))
		},
		"PUT /put": func(w http.ResponseWriter, r *http.Request, before int) {
			if body, _ := io.ReadAll(r.Body); string(body) != "film" {
				t.Errorf("sent %q", body)
			}
			if before == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		},
		"POST /v1/videos/v1/complete": func(w http.ResponseWriter, _ *http.Request, _ int) { reply(w, 202, `{}`) },
	})
	var sent atomic.Int64
	_, err := client.New(server.URL).Upload(t.Context(), strings.NewReader("film"), client.NewVideo{Size: 4},
		&client.UploadOptions{Sent: func(n int) { sent.Add(int64(n)) }})
	if err != nil || sent.Load() != 4 || server.count("PUT /put") != 2 {
		t.Errorf("%v, %d bytes, sent %d times", err, sent.Load(), server.count("PUT /put"))
	}
}

// store serves a ZIP of one ETag, by ranges, and breaks off the first answer.
func store(t *testing.T, zip, etag string, breakAt int) *api {
	var server *api
	server = serve(t, answers{
		"GET /v1/videos/v1/download": func(w http.ResponseWriter, _ *http.Request, _ int) {
			reply(w, 200, fmt.Sprintf(`{"url":"%s/zip","size":%d}`, server.URL, len(zip)))
		},
		"GET /zip": func(w http.ResponseWriter, r *http.Request, before int) {
			w.Header().Set("ETag", `"`+etag+`"`)
			if before == 0 && breakAt > 0 {
				w.Header().Set("Content-Length", fmt.Sprint(len(zip)))
				_, _ = io.WriteString(w, zip[:breakAt])
				return
			}
			http.ServeContent(w, r, "", zeroTime, strings.NewReader(zip))
		},
	})
	return server
}

func TestADownloadGoesOnWhereItWasBrokenOff(t *testing.T) {
	for _, c := range []struct {
		name, left string // what an earlier download left, as ETAG:CONTENT
		breakAt    int
		received   int
	}{
		{name: "in one go", received: 10},
		{name: "broken off", breakAt: 4, received: 10},
		{name: "by another process", left: "e1:0123", received: 10},
		{name: "of another ZIP", left: "e0:XXXX", received: 10},
		{name: "of another ZIP as large", left: "e0:XXXXXXXXXX", received: 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			const zip = "0123456789"
			server := store(t, zip, "e1", c.breakAt)
			name := filepath.Join(t.TempDir(), "a.zip")
			if etag, content, ok := strings.Cut(c.left, ":"); ok {
				if err := os.WriteFile(name+"."+etag+".part", []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			received := 0
			_, err := client.New(server.URL).DownloadFile(t.Context(), "v1", name, func(n int) { received += n })
			got, _ := os.ReadFile(name)
			if err != nil || string(got) != zip || received != c.received {
				t.Errorf("%v, got %q, told of %d bytes", err, got, received)
			}
			if left, _ := filepath.Glob(name + ".*"); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}
