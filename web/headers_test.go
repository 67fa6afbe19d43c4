package web

import (
	"io/fs"
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

// What the policy forbids, browsers leave out without a word to the person.
func TestTheFilesKeepToThePolicy(t *testing.T) {
	forbidden := map[string][]*regexp.Regexp{
		".html": {
			regexp.MustCompile(`(?i)<style`), regexp.MustCompile(`(?i)\sstyle=`), regexp.MustCompile(`(?i)\son[a-z]+=`),
			regexp.MustCompile(`(?i)javascript:`), regexp.MustCompile(`(?i)<script[^>]*>[^<]`), regexp.MustCompile(`(?i)(src|href)="(https?:)?//`),
		},
		".css": {regexp.MustCompile(`(?i)url\(\s*["']?(https?:)?//`), regexp.MustCompile(`(?i)@import`)},
		".js": {
			regexp.MustCompile(`\beval\(`), regexp.MustCompile(`new Function\(`), regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write`),
			regexp.MustCompile(`setAttribute\(["']style`), regexp.MustCompile(`document\.cookie`),
		},
	}
	read := 0
	err := fs.WalkDir(Files(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(Files(), name)
		for _, pattern := range forbidden[path.Ext(name)] {
			read++
			if found := pattern.Find(text); found != nil {
				t.Errorf("%s has %q", name, found)
			}
		}
		return err
	})
	if err != nil || read < 10 {
		t.Errorf("%d checks, %v", read, err)
	}
}
