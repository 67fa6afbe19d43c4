package web

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
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
