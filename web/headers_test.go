package web

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestThePolicyNamesWhatIsAllowed(t *testing.T) {
	policy := Headers("https://storage.example")["Content-Security-Policy"]
	directives := map[string]string{}
	for part := range strings.SplitSeq(policy, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		directives[name] = value
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self' https://storage.example",
		"img-src": "'self' blob: data:", "media-src": "blob:",
		"base-uri": "'none'", "form-action": "'self'", "frame-ancestors": "'none'",
	} {
		if directives[name] != want {
			t.Errorf("%s is %q, want %q", name, directives[name], want)
		}
	}
	if strings.Contains(policy, "unsafe-") || strings.Contains(policy, "*") {
		t.Errorf("the policy is not strict: %s", policy)
	}
}

// What the policy forbids, browsers leave out without a word to the person. The
// sources are the app's own; what was built has libraries too, which know ways that
// the app does not take.
func TestTheFilesKeepToThePolicy(t *testing.T) {
	const code = `\beval\(|new Function\(`
	page := `(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script[^>]*>[^<]|(src|href)="(https?:)?//`
	style := `(?i)url\(\s*["']?(https?:)?//|@import`
	own := code + `|innerHTML|outerHTML|InnerHTML|insertAdjacentHTML|document\.write|setAttribute\(["']style|document\.cookie`
	for _, c := range []struct {
		name      string
		files     fs.FS
		forbidden map[string]string
	}{
		{"sources", os.DirFS("app/src"), map[string]string{".ts": own, ".tsx": own, ".css": style}},
		{"page", os.DirFS("unbuilt"), map[string]string{".html": page}},
		{"built", Files(), map[string]string{".html": page, ".css": style, ".js": code}},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := 0
			err := fs.WalkDir(c.files, ".", func(name string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() || c.forbidden[path.Ext(name)] == "" {
					return err
				}
				text, err := fs.ReadFile(c.files, name)
				read++
				if found := regexp.MustCompile(c.forbidden[path.Ext(name)]).Find(text); found != nil {
					t.Errorf("%s has %q", name, found)
				}
				return err
			})
			if err != nil || read == 0 {
				t.Errorf("%d files, %v", read, err)
			}
		})
	}
}

// CloudFront's headers are written in the template, and are to be the same; TLS is
// its own.
func TestCloudFrontHasTheSameHeaders(t *testing.T) {
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]yaml.Node `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Properties struct {
			Config struct {
				Security map[string]map[string]string `yaml:"SecurityHeadersConfig"`
				Custom   struct {
					Items []map[string]string `yaml:"Items"`
				} `yaml:"CustomHeadersConfig"`
			} `yaml:"ResponseHeadersPolicyConfig"`
		} `yaml:"Properties"`
	}
	node := template.Resources["WebHeaders"]
	if err := node.Decode(&policy); err != nil {
		t.Fatal(err)
	}
	security := policy.Properties.Config.Security
	got := map[string]string{
		"Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
		"Referrer-Policy":         security["ReferrerPolicy"]["ReferrerPolicy"],
		"X-Frame-Options":         security["FrameOptions"]["FrameOption"],
	}
	if security["ContentTypeOptions"]["Override"] == "true" {
		got["X-Content-Type-Options"] = "nosniff" // the only value there is
	}
	for _, item := range policy.Properties.Config.Custom.Items {
		got[item["Header"]] = item["Value"]
	}
	want := Headers("https://${UploadsBucket.RegionalDomainName} https://${ArchivesBucket.RegionalDomainName}")
	if !maps.Equal(got, want) {
		t.Errorf("the template has %v, web.Headers %v", got, want)
	}
}
