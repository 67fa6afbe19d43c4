package local

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestWebApp(t *testing.T) {
	app := webApp(fstest.MapFS{
		"index.html": {Data: []byte("the app")}, "icon.svg": {Data: []byte("picture")}, "assets/app-1a2b.js": {Data: []byte("code")},
		"docs/index.html": {Data: []byte("the reference")}, "docs/openapi.yaml": {Data: []byte("the contract")},
	}, map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY"})
	for _, c := range []struct {
		name, url, body string
		status          int
		location, cache string
		media           string
	}{
		{name: "the page", url: "http://127.0.0.1:8080/", status: 200, body: "the app", cache: "no-cache"},
		{name: "a file", url: "http://127.0.0.1:8080/icon.svg", status: 200, body: "picture", cache: "no-cache"},
		{name: "a file with a hash", url: "http://127.0.0.1:8080/assets/app-1a2b.js", status: 200, body: "code", cache: "public, max-age=31536000, immutable"},
		{name: "an address within the app", url: "http://127.0.0.1:8080/videos/0198", status: 200, body: "the app"},
		{name: "the reference", url: "http://127.0.0.1:8080/docs", status: 200, body: "the reference", cache: "no-cache", media: "text/html"},
		{name: "the reference as a folder", url: "http://127.0.0.1:8080/docs/", status: 200, body: "the reference", cache: "no-cache"},
		{name: "the contract", url: "http://127.0.0.1:8080/docs/openapi.yaml", status: 200, body: "the contract", cache: "no-cache", media: "application/yaml"},
		{name: "an address below the reference", url: "http://127.0.0.1:8080/docs/other", status: 200, body: "the app"},
		{name: "a folder without a page", url: "http://127.0.0.1:8080/assets/", status: 200, body: "the app"},
		{name: "a file that is not there", url: "http://127.0.0.1:8080/assets/other.js", status: 404},
		{name: "localhost", url: "http://localhost:8080/videos/1?a=b", status: 307, location: "http://127.0.0.1:8080/videos/1?a=b"},
		{name: "a name that begins so", url: "http://localhost.example:8080/", status: 200, body: "the app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			app.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.url, nil))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) || w.Header().Get("Location") != c.location {
				t.Errorf("%d %s %s", w.Code, w.Header().Get("Location"), w.Body)
			}
			if got := w.Header().Get("Cache-Control"); c.cache != "" && got != c.cache {
				t.Errorf("Cache-Control %q", got)
			}
			if got := w.Header().Get("Content-Type"); !strings.Contains(got, c.media) {
				t.Errorf("Content-Type %q", got)
			}
			if got := w.Header().Get("Content-Security-Policy"); c.location == "" && got != "default-src 'none'" {
				t.Errorf("Content-Security-Policy %q", got)
			}
		})
	}
}
