package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/pkg/client"
)

// shell is where somebody gives commands: a folder for configuration of their own,
// and a stack.
type shell struct {
	t     testing.TB
	stack *stack
	env   []string
}

func newShell(t testing.TB, s *stack) *shell {
	return &shell{t: t, stack: s, env: []string{"XDG_CONFIG_HOME=" + t.TempDir(), "HOME=" + t.TempDir(), "FOTOGRAMA_SERVER=http://" + s.web, "LANG=C.UTF-8"}}
}

func (s *shell) command(args ...string) *exec.Cmd {
	program, err := filepath.Abs(root + "/bin/fotograma")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), program, args...)
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// result is what a command came to.
type result struct {
	code           int
	stdout, stderr string
}

func (s *shell) run(stdin string, args ...string) result {
	s.t.Helper()
	cmd := s.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command that must work, say nothing on standard error, and print
// JSON, a document on each line.
func must[T any](s *shell, args ...string) []T {
	s.t.Helper()
	r := s.run("", append(args, "--json")...)
	if r.code != 0 || r.stderr != "" {
		s.t.Fatalf("%v: exit %d, %s%s", args, r.code, r.stderr, r.stdout)
	}
	return lines[T](s.t, r.stdout)
}

func lines[T any](t testing.TB, text string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		var one T
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, one)
	}
	return all
}

func (s *shell) login(p *person) {
	s.t.Helper()
	if r := s.run(p.password+"\n", "login", p.email, "--password-stdin"); r.code != 0 || !strings.Contains(r.stdout, p.email) {
		s.t.Fatalf("exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
}

// uploaded is a line of upload --json.
type uploaded struct {
	File    string                          `json:"file"`
	Video   *client.Video                   `json:"video"`
	Sent    int64                           `json:"bytes_sent"`
	Archive string                          `json:"archive"`
	Error   *struct{ Code, Message string } `json:"error"`
}

// What the service gives is what extracting here gives, byte for byte.
func TestUploadGivesWhatExtractGives(t *testing.T) {
	t.Parallel()
	sh, p := newShell(t, shared), shared.person(t, "en")
	sh.login(p)
	dir, out, here := t.TempDir(), t.TempDir(), t.TempDir()
	for name, from := range map[string]string{"one.mp4": bottles, "two.mp4": bunny, "folder/three.mp4": bottles, "folder/below/one.mp4": bottles, "folder/text.txt": root + "/README.md"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750), os.WriteFile(filepath.Join(dir, name), read(t, from), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	options := []string{"--interval", "4", "--format", "png", "--width", "320"}
	all := must[uploaded](sh, append([]string{"upload", filepath.Join(dir, "one.mp4"), filepath.Join(dir, "two.mp4"), filepath.Join(dir, "folder"), "--download", out, "--limit-rate", "5MB/s"}, options...)...)
	var zips []string
	for _, u := range all {
		rest, _ := filepath.Rel(out, u.Archive)
		zips = append(zips, rest)
		local := filepath.Join(here, rest)
		must[map[string]any](sh, append([]string{"extract", u.File, "-o", local}, options...)...)
		if u.Video.Status != client.Completed || !bytes.Equal(read(t, u.Archive), read(t, local)) {
			t.Errorf("%s is %s, and its ZIP is not what extract gives", u.File, u.Video.Status)
		}
	}
	slices.Sort(zips)
	if diff := cmp.Diff([]string{"below/one.zip", "one.zip", "three.zip", "two.zip"}, zips); diff != "" {
		t.Error(diff)
	}

	listed := must[client.Page](sh, "list")[0].Videos
	if len(listed) != 4 {
		t.Errorf("%d videos are listed", len(listed))
	}
	id := all[0].Video.ID
	if shown := must[client.Video](sh, "show", id)[0]; shown.ID != id || shown.Archive == nil {
		t.Errorf("show gives %+v", shown)
	}
	again := t.TempDir()
	must[map[string]any](sh, "download", id, "-o", again)
	if !bytes.Equal(read(t, filepath.Join(again, filepath.Base(all[0].Archive))), read(t, all[0].Archive)) {
		t.Error("download gives another ZIP than upload --download")
	}
	must[map[string]string](sh, "retry", id, "--count", "2")
	if v := p.completed(id); v.Archive.Frames != 2 {
		t.Errorf("a retry gives %d frames", v.Archive.Frames)
	}
	if q := must[client.Quotas](sh, "usage")[0]; q.VideosPerDay.Used != 5 { // a retry counts
		t.Errorf("%d videos are counted", q.VideosPerDay.Used)
	}
	must[map[string]string](sh, "delete", id)
	if r := sh.run("", "show", id); r.code != 4 {
		t.Errorf("a deleted video is shown with exit %d", r.code)
	}
	must[map[string]string](sh, "logout")
	if r := sh.run("", "list"); r.code != 3 {
		t.Errorf("after logging out: exit %d", r.code)
	}
}

func TestAKilledUploadGoesOn(t *testing.T) {
	t.Parallel()
	sh, p := newShell(t, shared), shared.person(t, "en")
	sh.login(p)
	path := filepath.Join(t.TempDir(), "large.mp4")
	if err := os.WriteFile(path, large(read(t, bottles)), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	first := sh.command("upload", path, "--limit-rate", "30MB")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	var id string
	until(t, "two parts have arrived", func() bool {
		page, err := p.Videos(t.Context(), "", "", 0)
		if err != nil || len(page.Videos) == 0 {
			return false
		}
		id = page.Videos[0].ID
		parts, err := p.Parts(t.Context(), id)
		return err == nil && len(parts) >= 2
	})
	_ = first.Process.Kill()
	_ = first.Wait()
	parts, err := p.Parts(t.Context(), id)
	if err != nil {
		t.Fatalf("the upload ended before it was killed: %v", err)
	}
	var stored int64
	for _, part := range parts {
		stored += part.Size
	}
	got := must[uploaded](sh, "upload", path, "--wait")[0]
	if got.Video.ID != id || got.Video.Status != client.Completed || got.Sent != info.Size()-stored {
		t.Errorf("video %s, not %s, is %s; %d of %d bytes were sent though %d were there", got.Video.ID, id, got.Video.Status, got.Sent, info.Size(), stored)
	}
	if other := must[uploaded](sh, "upload", path)[0]; other.Video.ID == id {
		t.Error("the same command makes no other video once the upload has ended")
	}
}

// However many processes find the token expired, the refresh token is spent once:
// spent twice, it would end the session.
func TestProcessesShareASession(t *testing.T) {
	t.Parallel()
	sh, p := newShell(t, shared), shared.person(t, "en")
	sh.login(p)
	path := filepath.Join(strings.TrimPrefix(sh.env[0], "XDG_CONFIG_HOME="), "fotograma", "credentials.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the session is kept as %v, %v", info, err)
	}
	for range 2 {
		var kept map[string]struct {
			Email  string        `json:"email"`
			Tokens client.Tokens `json:"tokens"`
		}
		if err := json.Unmarshal(read(t, path), &kept); err != nil {
			t.Fatal(err)
		}
		for server, s := range kept {
			s.Tokens.AccessToken = "expired"
			kept[server] = s
		}
		raw, _ := json.Marshal(kept)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if r := sh.run("", "list"); r.code != 0 {
					t.Errorf("exit %d, %s", r.code, r.stderr)
				}
			})
		}
		wg.Wait()
	}
}

func TestAnAPIKeyNeedsNoSession(t *testing.T) {
	t.Parallel()
	sh, p := newShell(t, shared), shared.person(t, "en")
	sh.login(p)
	key := must[client.CreatedAPIKey](sh, "keys", "create", "reader", "--scope", "videos:read")[0]
	other := newShell(t, shared)
	other.env = append(other.env, "FOTOGRAMA_API_KEY="+key.Secret)
	must[client.Page](other, "list")
	if r := other.run("", "upload", bottles, "--json"); r.code != 1 || !strings.Contains(r.stdout, `"code":"insufficient_scope"`) {
		t.Errorf("uploading with a key that may only read: exit %d, %s", r.code, r.stdout)
	}
	must[map[string]string](sh, "keys", "revoke", key.Key.ID)
	if keys := must[map[string][]client.APIKey](sh, "keys", "list")[0]["keys"]; len(keys) != 0 {
		t.Errorf("%d keys are left", len(keys))
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	in, out := newShell(t, shared), newShell(t, shared)
	in.login(shared.person(t, "en"))
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	text := filepath.Join(t.TempDir(), "text.mp4")
	if err := os.WriteFile(text, []byte("no video"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		shell *shell
		args  string
		code  int
		want  string // on standard error
	}{
		"no such command":                 {out, "nonsense", 2, "nonsense"},
		"no such flag":                    {out, "list --nonsense", 2, "--nonsense"},
		"too few arguments":               {out, "show", 2, "1 arg"},
		"options that do not go together": {out, "extract a.mp4 --fps 1 --count 2", 2, "does not go with"},
		"two modes":                       {out, "extract a.mp4 --scenes --keyframes", 2, "does not go with"},
		"nothing a second":                {out, "extract a.mp4 --fps 0", 2, "more than 0"},
		"no size":                         {out, "extract a.mp4 --max-memory much", 2, "much"},
		"standard input to nowhere":       {out, "extract -", 2, "--output"},
		"no such file":                    {out, "extract nothing.mp4", 1, "nothing.mp4"},
		"not a video":                     {out, "extract " + text, 5, "not_a_video"},
		"not logged in":                   {out, "list", 3, "fotograma login"},
		"no such command of another":      {out, "keys nonsense", 2, "nonsense"},
		"not a number":                    {out, "extract a.mp4 --start soon", 2, "not a number"},
		"a device to write to":            {out, "extract " + bottles + " --force -o /dev/full", 1, "/dev/full"},
		"no address":                      {out, "list --server 127.0.0.1:8080", 2, "--server"},
		"no Fotograma":                    {out, "login a@example.com --password-stdin --server " + elsewhere.URL, 7, "no Fotograma"},
		"a password that is too weak":     {out, "register weak@example.com --password-stdin", 2, "at least 10 characters"},
		"no address of mail":              {out, "register nobody --password-stdin", 2, "email must be"},
		"a code that is not good":         {in, "verify 00000000", 2, "code is wrong"},
		"wrong password":                  {out, "login nobody@example.com --password-stdin", 3, "do not belong together"},
		"not a terminal to ask":           {out, "login nobody@example.com", 2, "--password-stdin"},
		"nobody answers":                  {out, "login a@example.com --password-stdin --server http://127.0.0.1:1", 7, "fotograma up"},
		"no such video":                   {in, "show 0198c2b8-0000-7000-8000-000000000000", 4, "no such thing"},
		"a video that fails":              {in, "upload --wait " + text, 5, "not a video"},
		"a size that cannot be":           {in, "upload " + bottles + " --width 100000", 2, "width"},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.shell.run("wrong", strings.Fields(c.args)...)
			if r.code != c.code || r.stdout != "" || !strings.Contains(r.stderr, c.want) {
				t.Errorf("exit %d, want %d; stdout %q; stderr %q, want %q", r.code, c.code, r.stdout, r.stderr, c.want)
			}
		})
	}
	key := newShell(t, shared)
	key.env = append(key.env, "FOTOGRAMA_API_KEY=fg_nonsense")
	if r := key.run("", "list"); r.code != 3 || !strings.Contains(r.stderr, "FOTOGRAMA_API_KEY") {
		t.Errorf("with a key that is not good: exit %d, %s", r.code, r.stderr)
	}
	portuguese := newShell(t, shared)
	portuguese.env = append(portuguese.env, "LC_ALL=pt_BR.UTF-8")
	if r := portuguese.run("wrong", "login", "nobody@example.com", "--password-stdin"); !strings.Contains(r.stderr, "não combinam") {
		t.Errorf("in Portuguese: %s", r.stderr)
	}
	if r := out.run("", "list", "--json"); r.stdout != "" || fmt.Sprint(lines[map[string]map[string]string](t, r.stderr)[0]["error"]["code"]) == "" {
		t.Errorf("an error as JSON: %s%s", r.stdout, r.stderr)
	}
}

func TestRegisterAndVerify(t *testing.T) {
	t.Parallel()
	sh := newShell(t, shared)
	sh.env = append(sh.env, "LANG=pt_BR.UTF-8")
	p := &person{Client: shared.client(), t: t, stack: shared, email: strings.ToLower(rand.Text()) + "@example.com", password: rand.Text()}
	r := sh.run(p.password+"\n", "register", p.email, "--name", "Ana", "--password-stdin")
	if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, "fotograma verify") {
		t.Fatalf("exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
	first := p.waitCode(1)
	if r := sh.run("", "verify", "--json"); r.code != 0 || !strings.Contains(r.stdout, p.email) {
		t.Errorf("another code: exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
	second := p.waitCode(2)
	other := newShell(t, shared)
	if r := other.run("", "verify", first, "--email", p.email); r.code != 2 { // only the newest is good
		t.Errorf("the first of two codes: exit %d, %s", r.code, r.stderr)
	}
	if r := other.run("", "verify", second); r.code != 3 {
		t.Errorf("nobody's code: exit %d, %s", r.code, r.stderr)
	}
	if r := sh.run("", "verify", second); r.code != 0 || !strings.Contains(r.stdout, p.email) {
		t.Errorf("exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
	if err := p.Login(t.Context(), p.email, p.password); err != nil {
		t.Fatal(err)
	}
	if u, err := p.Account(t.Context()); err != nil || !u.EmailVerified || u.Name != "Ana" || u.Locale != "pt-BR" {
		t.Errorf("%+v, %v", u, err)
	}
	if r := sh.run("", "verify"); r.code != 0 || !strings.Contains(r.stdout, "already") {
		t.Errorf("once it is verified: exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
	if r := sh.run(p.password, "register", p.email, "--password-stdin"); r.code != 8 {
		t.Errorf("the same address again: exit %d, %s", r.code, r.stderr)
	}
}

// What the shells' completions ask for, whichever shell it is.
func TestCompletions(t *testing.T) {
	t.Parallel()
	sh := newShell(t, shared)
	sh.login(shared.person(t, "en"))
	video := must[uploaded](sh, "upload", bottles, "--wait", "--count", "1")[0].Video
	key := must[client.CreatedAPIKey](sh, "keys", "create", "nightly")[0].Key
	const files, folders, nothing = ":0\n", ":16\n", ":4\n"
	for _, c := range []struct{ args, want string }{
		{"ext", "extract\tTake frames"},
		{"extract --fo", "--format\t"},
		{"extract --format ", "jpeg\npng\nwebp\n" + nothing},
		{"upload --fit ", "contain\ncover\nfill\nscale-down\n" + nothing},
		{"list --status ", "processing\n"},
		{"show ", video.ID + "\tbottle-detection.mp4, completed\n" + nothing},
		{"show " + video.ID + " ", nothing},
		{"delete " + video.ID + " ", video.ID},
		{"keys revoke ", key.ID + "\tnightly\n" + nothing},
		{"login ", nothing},
		{"extract ", files},
		{"extract -o ", files},
		{"upload --download ", folders},
		{"up --data-dir ", folders},
	} {
		args := strings.Split(c.args, " ")
		if r := sh.run("", append([]string{"__complete"}, args...)...); r.code != 0 || !strings.Contains(r.stdout, c.want) {
			t.Errorf("%q: exit %d, %q, want %q", c.args, r.code, r.stdout, c.want)
		}
	}
	for _, name := range []string{"bash", "zsh", "fish"} {
		if r := sh.run("", "completion", name); r.code != 0 || !strings.Contains(r.stdout, "__complete") {
			t.Errorf("%s: exit %d, %s", name, r.code, r.stderr)
		}
	}
}

func TestManualPages(t *testing.T) {
	t.Parallel()
	sh, dir := newShell(t, shared), t.TempDir()
	if r := sh.run("", "man"); r.code != 0 || !strings.HasPrefix(r.stdout, ".nh\n.TH \"FOTOGRAMA\" \"1\"") || !strings.Contains(r.stdout, "Exit codes") {
		t.Errorf("exit %d, %.200s", r.code, r.stdout)
	}
	if r := sh.run("", "man", dir); r.code != 0 {
		t.Errorf("exit %d, %s", r.code, r.stderr)
	}
	for _, command := range []string{"", "-upload", "-register", "-keys-create"} {
		if page := read(t, filepath.Join(dir, "fotograma"+command+".1")); len(page) == 0 {
			t.Errorf("the page of fotograma%s is empty", command)
		}
	}
}

func TestExtractReadsStandardInputAndWritesStandardOutput(t *testing.T) {
	t.Parallel()
	sh := newShell(t, shared)
	r := sh.run(string(read(t, bottles)), "extract", "-", "--timestamps", "1,2.5", "-o", "-")
	if r.code != 0 || r.stderr != "" { // no bars: nobody looks on
		t.Fatalf("exit %d, %s", r.code, r.stderr)
	}
	a := unpack(t, []byte(r.stdout))
	checkFrames(t, a)
	if len(a.manifest.Frames) != 2 {
		t.Errorf("%d frames", len(a.manifest.Frames))
	}
	target := filepath.Join(t.TempDir(), "frames.zip")
	must[map[string]any](sh, "extract", bottles, "--count", "1", "-o", target)
	before := read(t, target)
	if r := sh.run("", "extract", bottles, "--count", "2", "-o", target); r.code != 1 || !bytes.Equal(read(t, target), before) {
		t.Errorf("a ZIP that is there was replaced: exit %d, %s", r.code, r.stderr)
	}
	if left, _ := filepath.Glob(filepath.Dir(target) + "/.*"); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestDoctorTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	sh := newShell(t, shared)
	args := []string{"doctor", "--addr", shared.web, "--aws-addr", shared.aws, "--json"}
	type finding struct{ Check, Status, Message, Advice string }
	type findings struct{ Checks []finding }
	r := sh.run("", args...)
	found := lines[findings](t, r.stdout)[0].Checks
	if r.code != 0 || len(found) != 7 {
		t.Errorf("of what is well: exit %d, %s", r.code, r.stdout)
	}
	r = sh.run("", append(args, "--server", "http://127.0.0.1:1")...)
	found = lines[findings](t, r.stdout)[0].Checks
	bad := slices.IndexFunc(found, func(f finding) bool { return f.Check == "API" })
	if r.code != 1 || found[bad].Status != "failed" || !strings.Contains(found[bad].Advice, "fotograma up") {
		t.Errorf("of an API that does not answer: exit %d, %s", r.code, r.stdout)
	}
}
