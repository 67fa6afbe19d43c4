//go:build oracle

package local

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"
)

// On AWS a function of CloudFront says which file of the bucket is at an address, as
// webApp does here. Node runs it: nothing else here understands it.
func TestCloudFrontServesTheSamePages(t *testing.T) {
	files := fstest.MapFS{}
	for _, name := range []string{"index.html", "icon.svg", "assets/app-1a2b.js", "docs/index.html", "docs/openapi.yaml"} {
		files[name] = &fstest.MapFile{Data: []byte(name)}
	}
	app := webApp(files, nil)
	addresses := []string{
		"/", "/videos", "/videos/0198", "/videos/", "/icon.svg", "/assets/app-1a2b.js", "/assets/other.js",
		"/docs", "/docs/", "/docs/openapi.yaml", "/docs/other", "/docsother", "/videos/docs",
	}
	for i, file := range routed(t, addresses) {
		want := files[strings.TrimPrefix(file, "/")]
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest(http.MethodGet, addresses[i], nil))
		if want == nil && w.Code != http.StatusNotFound || want != nil && w.Body.String() != string(want.Data) {
			t.Errorf("at %s CloudFront has %s, and we answer %d %s", addresses[i], file, w.Code, w.Body)
		}
	}
}

// routed gives the files to which WebRoutes of the template leads addresses.
func routed(t *testing.T, addresses []string) []string {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources struct {
			WebRoutes struct {
				Properties struct {
					FunctionCode string `yaml:"FunctionCode"`
				} `yaml:"Properties"`
			} `yaml:"WebRoutes"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	given, err := json.Marshal(addresses)
	if err != nil {
		t.Fatal(err)
	}
	program := template.Resources.WebRoutes.Properties.FunctionCode +
		`console.log(JSON.stringify(` + string(given) + `.map(uri => handler({ request: { uri } }).uri)))`
	out, err := exec.CommandContext(t.Context(), "node", "-e", program).Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var files []string
	if err := json.Unmarshal(out, &files); err != nil || len(files) != len(addresses) {
		t.Fatalf("%v: %s", err, out)
	}
	return files
}
