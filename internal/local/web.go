package local

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// webApp serves the web app's files: one page at every address that is not a
// file's, since the app has addresses of its own. awsURL is where the app
// uploads to and downloads from.
func webApp(files fs.FS, awsURL string) http.Handler {
	policy := "default-src 'self'; connect-src 'self' " + awsURL + "; img-src 'self' data: " + awsURL +
		"; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The origin that CORS lets in is spelled 127.0.0.1.
		if port, ok := strings.CutPrefix(r.Host, "localhost"); ok {
			http.Redirect(w, r, "http://127.0.0.1"+port+r.URL.RequestURI(), http.StatusTemporaryRedirect)
			return
		}
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cache-Control", "no-cache")
		if name := strings.TrimPrefix(path.Clean(r.URL.Path), "/"); name != "" && path.Ext(name) == "" {
			r = r.Clone(r.Context())
			r.URL.Path = "/"
		}
		server.ServeHTTP(w, r)
	})
}
