package local

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReference(t *testing.T) {
	contract := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := os.WriteFile(contract, []byte("openapi: 3.1.0"), 0o600); err != nil {
		t.Fatal(err)
	}
	docs := reference(contract)
	for _, c := range []struct{ path, media, body string }{
		{"/docs/", "text/html", `<div id="swagger-ui">`},
		{"/docs/openapi.yaml", "application/yaml", "openapi: 3.1.0"},
		{"/docs/swagger-ui-bundle.js", "javascript", "SwaggerUIBundle"},
		{"/docs/swagger-ui.css", "text/css", ".swagger-ui"},
	} {
		w := httptest.NewRecorder()
		docs.ServeHTTP(w, httptest.NewRequest(http.MethodGet, c.path, nil))
		if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), c.media) || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s: %d %s, without %q", c.path, w.Code, w.Header().Get("Content-Type"), c.body)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src 'self' 'unsafe") {
			t.Errorf("%s: policy %q", c.path, policy)
		}
		if c.path != "/docs/" {
			continue
		}
		if strings.Contains(w.Body.String(), "https://") && strings.Contains(w.Body.String(), "cdn") {
			t.Error("the page loads something from elsewhere")
		}
		for _, script := range strings.Split(w.Body.String(), "<script>")[1:] {
			script, _, _ = strings.Cut(script, "</script>")
			sum := sha256.Sum256([]byte(script))
			if !strings.Contains(policy, base64.StdEncoding.EncodeToString(sum[:])) {
				t.Error("a script of the page may not run")
			}
		}
	}
}

func TestReferenceWithoutAContract(t *testing.T) {
	w := httptest.NewRecorder()
	reference(filepath.Join(t.TempDir(), "openapi.yaml")).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/docs/openapi.yaml", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}
