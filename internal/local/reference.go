package local

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// referencePath is where the API's reference is served.
const referencePath = "/docs/"

// legible gives Swagger UI's pale texts the contrast that WCAG 2 asks for.
const legible = `<style>
.swagger-ui .opblock .opblock-summary .opblock-summary-method, .swagger-ui .info .title small, .swagger-ui .info .title small.version-stamp { background: #3b4151 }
.swagger-ui .info a .url { color: #1d4ed8 }
.swagger-ui .btn.authorize { border-color: #166534; color: #166534 }
</style>`

// reference serves the API's reference: Swagger UI, which is built in, on the
// contract that lies at a path, itself at /docs/openapi.yaml. The page may run its
// own scripts only, and calls nobody but its own host.
func reference(contract string) http.Handler {
	page := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: "Fotograma's API", SwaggerJSON: referencePath + "openapi.yaml", BasePath: referencePath,
		SettingsUI: map[string]string{"tryItOutEnabled": "false", "docExpansion": `"list"`, "persistAuthorization": "false"},
		AppendHead: legible,
	})
	headers := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'" + inlineScripts(page) +
			"; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Referrer-Policy":            "no-referrer",
		"X-Content-Type-Options":     "nosniff",
		"Cache-Control":              "no-cache",
	}
	mux := http.NewServeMux()
	mux.Handle(referencePath, page)
	mux.HandleFunc(referencePath+"openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		document, err := os.ReadFile(contract)
		if err != nil {
			http.Error(w, "The contract is not there: "+contract, http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/yaml") // RFC 9512
		_, _ = w.Write(document)                           // who has gone needs no answer
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		mux.ServeHTTP(w, r)
	})
}

// aScript finds the scripts that stand in a page.
var aScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// inlineScripts gives the sources of a Content-Security-Policy for the scripts that
// stand in a page: their hashes (CSP level 3, section 6.7.2).
func inlineScripts(page http.Handler) string {
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, referencePath, nil))
	var sources strings.Builder
	for _, script := range aScript.FindAllSubmatch(w.Body.Bytes(), -1) {
		sum := sha256.Sum256(script[1])
		sources.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
	}
	return sources.String()
}
