package local

import (
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// webApp serves the web app's files. At the address of a folder is its page, such as
// the API's reference at /docs, and at every other that is not a file's the app,
// which has addresses of its own. Every answer has the headers.
func webApp(files fs.FS, headers map[string]string) http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, port, _ := net.SplitHostPort(r.Host); host == "localhost" { // the origin that CORS lets in is spelled 127.0.0.1
			url := url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", port), Path: r.URL.Path, RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, url.String(), http.StatusTemporaryRedirect)
			return
		}
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		w.Header().Set("Cache-Control", cacheControl(files, name))
		switch path.Ext(name) {
		case "":
			r = r.Clone(r.Context())
			r.URL.Path = pageAt(files, name)
		case ".yaml":
			w.Header().Set("Content-Type", "application/yaml") // RFC 9512
		}
		server.ServeHTTP(w, r)
	})
}

// pageAt is the address of the page that is at a path without an extension.
func pageAt(files fs.FS, name string) string {
	if _, err := fs.Stat(files, path.Join(name, "index.html")); err != nil {
		return "/"
	}
	return "/" + strings.TrimPrefix(name+"/", "/")
}

// cacheControl is how long a file may be kept: those in assets have a hash of their
// contents in their names and never change, all others may at any time.
func cacheControl(files fs.FS, name string) string {
	if _, err := fs.Stat(files, name); err != nil || !strings.HasPrefix(name, "assets/") {
		return "no-cache"
	}
	return "public, max-age=31536000, immutable"
}
