package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// templates runs a command about the templates of mails as an operator does, and gives
// what it prints.
func (s *stack) templates(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := s.fotograma(t, s.templatesArgs(args)...)
	if code != 0 {
		t.Fatalf("templates %v: exit %d: %s", args, code, stderr)
	}
	return stdout
}

func (s *stack) templatesArgs(args []string) []string {
	return append(append([]string{"templates"}, args...), "--aws-addr", s.aws)
}

// edited gives a file with a template as it is in use, and something in place of something.
func (s *stack) edited(t *testing.T, before, after string, show ...string) string {
	t.Helper()
	source := s.templates(t, append([]string{"show"}, show...)...)
	if !strings.Contains(source, before) {
		t.Fatalf("%v has no %q:\n%s", show, before, source)
	}
	file := filepath.Join(t.TempDir(), "template")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(source, before, after)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// codeMail gives the mail that somebody gets who has just registered.
func (s *stack) codeMail(t *testing.T, locale string) mail {
	t.Helper()
	p := s.newcomer(t, locale)
	p.waitCode(1)
	return p.inbox(p.email)[0]
}

// A deployment is new functions over the same data.
func (s *stack) deploy(t *testing.T) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func TestAnEditedMailStaysSoWhenANewReleaseIsDeployed(t *testing.T) {
	t.Parallel()
	const shipped, ours = "Confirme o seu e-mail", "Diga-nos que este e-mail é seu"
	s := ownStack(t)
	says := func(when, want, not string) {
		t.Helper()
		if m := s.codeMail(t, "pt-BR"); !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, want) || strings.Contains(m.Text+m.HTML, not) {
			t.Errorf("%s the mail says\n%s\n%s\nwant %q", when, m.Text, m.HTML, want)
		}
	}
	of := []string{"verify_email", "--locale", "pt-BR"}
	text := s.edited(t, shipped, ours, of...)
	html := s.edited(t, shipped, ours, append(of, "--html")...)
	s.templates(t, append([]string{"set", "--text", text, "--html", html}, of...)...)
	says("edited,", ours, shipped)
	if m := s.codeMail(t, "en"); !strings.Contains(m.Text, "please confirm your e-mail address") {
		t.Errorf("in another language it says\n%s", m.Text)
	}

	s.deploy(t)
	says("after a deployment", ours, shipped)

	s.templates(t, append([]string{"reset"}, of...)...)
	s.deploy(t) // which sees it before the minute is over
	says("reset,", shipped, ours)
	if history := s.templates(t, append([]string{"history", "--json"}, of...)...); !strings.Contains(history, `"version":1,`) || strings.Contains(history, `"in_use":true`) {
		t.Errorf("the history is %s", history)
	}
}

func TestEveryMailCanBeLookedAtBeforeItIsSent(t *testing.T) {
	t.Parallel()
	var list struct {
		Templates []struct {
			Kind   string `json:"kind"`
			Locale string `json:"locale"`
		} `json:"templates"`
	}
	if err := json.Unmarshal([]byte(shared.templates(t, "list", "--json")), &list); err != nil || len(list.Templates) < 17 {
		t.Fatalf("%d templates, %v", len(list.Templates), err)
	}
	for _, template := range list.Templates {
		args := []string{"preview", template.Kind, "--json"}
		if template.Locale != "" {
			args = append(args, "--locale", template.Locale)
		}
		page := filepath.Join(t.TempDir(), "preview.html")
		var m mail
		if err := json.Unmarshal([]byte(shared.templates(t, append(args, "-o", page)...)), &m); err != nil {
			t.Fatal(err)
		}
		if m.Subject == "" || !strings.Contains(m.Text, "Ana") || !strings.Contains(m.HTML, "Ana") || strings.Contains(m.Text+m.HTML, "{{") {
			t.Errorf("%s in %s is %+v", template.Kind, template.Locale, m)
		}
		if string(read(t, page)) != m.HTML {
			t.Errorf("the file of %s in %s has other HTML", template.Kind, template.Locale)
		}
	}
}

func TestWhatIsWrongWithATemplateIsTold(t *testing.T) {
	t.Parallel()
	broken := shared.edited(t, "{{.Link}}", "{{.Lnk}}", "completed")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a field that there is not":    {[]string{"set", "completed", "--locale", "en", "--text", broken}, 2, "text:6:15: executing"},
		"the same, only looked at":     {[]string{"preview", "completed", "--text", broken}, 2, "text:6:15: executing"},
		"no file":                      {[]string{"set", "completed", "--locale", "en"}, 2, "--text FILE"},
		"a file that there is not":     {[]string{"set", "completed", "--locale", "en", "--text", "nothing.txt"}, 2, "nothing.txt"},
		"no language":                  {[]string{"reset", "completed"}, 2, "say in which language"},
		"no such mail":                 {[]string{"show", "welcome"}, 2, "no kind of mail"},
		"a version that there is not":  {[]string{"use", "completed", "7", "--locale", "en"}, 4, "no version 7"},
		"edited by somebody else":      {[]string{"set", "completed", "--locale", "en", "--text", broken, "--based-on", "7"}, 8, "changed meanwhile"},
		"a stack that there is not":    {[]string{"list", "--stack", "nowhere"}, 4, "nowhere-notification"},
		"a layout of another language": {[]string{"history", "layout", "--locale", "en"}, 2, "one for all languages"},
	} {
		code, stdout, stderr := shared.fotograma(t, shared.templatesArgs(c.args)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, stdout %s, stderr %s", name, code, stdout, stderr)
		}
	}
}
