package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// fotograma runs the command, and gives its exit code.
func (s *stack) fotograma(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bin/fotograma", args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), s.env...)
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), failure.String()
}

// functionsByFolder gives the names of the template's functions.
func functionsByFolder(t *testing.T) map[string]string {
	t.Helper()
	template, err := sam.Load(sam.Config{Path: root + "/template.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]string{}
	for _, f := range template.Functions {
		folder := path.Base(f.CodeURI)
		if f.PackageType == "Image" {
			folder = path.Base(path.Dir(f.Dockerfile))
		}
		functions[folder] = f.LogicalID
	}
	return functions
}

// outcomes are what the functions return for the sample events of which that
// does not depend on what was there before. The others must return something.
var outcomes = map[string]string{
	"auth-register":     `"statusCode":201`,
	"status":            `"statusCode":200`,
	"status-health":     `"statusCode":200`,
	"video":             `"statusCode":201`,
	"video-cancel":      `"statusCode":404`, // its video was never there
	"authorizer":        `"errorMessage":"Unauthorized"`,
	"authsweep":         `null`,
	"videosweep":        `null`,
	"processsweep":      `null`,
	"deadletter":        `"batchItemFailures":[]`,
	"notify-registered": `"batchItemFailures":[]`,
	"notify-expiring":   `"batchItemFailures":[]`, // its archive is long gone
	"auth-erase":        `"statusCode":401`,       // its account was never there
	"videoevents":       `"batchItemFailures":[]`,
	"processcontrol":    `"batchItemFailures":[]`,
	"webhook":           `"batchItemFailures":[]`,
	"mailfeedback":      `"batchItemFailures":[]`,
	"projector":         `"batchItemFailures":[]`,
	"process":           `"batchItemFailures":[]`, // deadletter's sample came before, and ended the video's run
	"process-segment":   `"batchItemFailures":[]`,
}

func TestInvokeRunsEveryFunctionOnItsSamples(t *testing.T) {
	functions := functionsByFolder(t)
	samples, err := filepath.Glob(root + "/events/*.json")
	if err != nil || len(samples) < len(functions) {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, c := range []struct {
		name  string
		stack func(t *testing.T) *stack
	}{
		{"with a running stack", ownStack},
		{"on its own", func(t *testing.T) *stack {
			needsBuiltIn(t, "of others, invoke asks that all is there")
			return newStack(t, t.TempDir())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.stack(t)
			for _, sample := range samples {
				name := strings.TrimSuffix(filepath.Base(sample), ".json")
				folder, _, _ := strings.Cut(name, "-")
				code, stdout, stderr := s.fotograma(t, "invoke", functions[folder], "-e", "events/"+name+".json",
					"--aws-addr", s.aws, "--data-dir", filepath.Join(s.dir, "invoked"))
				want := 0
				if name == "authorizer" { // its token has expired: the function says so with an error
					want = 2
				}
				if code != want || !json.Valid([]byte(stdout)) || !strings.Contains(stdout, outcomes[name]) {
					t.Errorf("%s: exit %d, want %d; stdout %s, want %s; stderr %s", name, code, want, stdout, outcomes[name], stderr)
				}
				var answer struct {
					Status int `json:"statusCode"`
				}
				if err := json.Unmarshal([]byte(stdout), &answer); err != nil || answer.Status >= 500 {
					t.Errorf("%s: %v, %s", name, err, stdout)
				}
			}
		})
	}
}

func TestInvokeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		function, event, want string
	}{
		"no such function": {"NoFunction", "events/video.json", "NoFunction"},
		"no such event":    {"VideoFunction", "events/nothing.json", "events/nothing.json"},
	} {
		code, stdout, stderr := shared.fotograma(t, "invoke", c.function, "-e", c.event, "--aws-addr", shared.aws)
		if code != 1 || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, stdout %s, stderr %s", name, code, stdout, stderr)
		}
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	own := newStack(t, t.TempDir())
	for _, c := range []struct {
		name  string
		stack *stack
	}{
		{"with a stack of its own", own},
		{"with the one that runs", shared},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "frames.zip")
			code, stdout, stderr := c.stack.fotograma(t, "demo", "testdata/media/"+filepath.Base(bunny), "-o", out,
				"--addr", c.stack.web, "--aws-addr", c.stack.aws, "--data-dir", filepath.Join(own.dir, "data"))
			if code != 0 {
				t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
			}
			for _, want := range []string{out, "30 frames", "Your frames are ready", "http://" + c.stack.web} {
				if !strings.Contains(stdout, want) {
					t.Errorf("it does not tell of %q:\n%s", want, stdout)
				}
			}
			a := unpack(t, read(t, out))
			checkFrames(t, a)
			var want []int64
			for second := range int64(30) {
				want = append(want, 12288*second)
			}
			if diff := cmp.Diff(want, timestamps(a)); diff != "" {
				t.Errorf("timestamps (-want +got):\n%s", diff)
			}
		})
	}
	text := filepath.Join(t.TempDir(), "text.mp4")
	if err := os.WriteFile(text, []byte("no video"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := shared.fotograma(t, "demo", text, "-o", filepath.Join(t.TempDir(), "frames.zip"),
		"--addr", shared.web, "--aws-addr", shared.aws)
	if code != 1 || !strings.Contains(stderr, "not a video") {
		t.Errorf("of a text: exit %d\n%s\n%s", code, stdout, stderr)
	}
}

func TestAClientInAnotherLanguage(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "python3", "testdata/client.py", "http://"+shared.web, bunny).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := strings.TrimSpace(string(out)), `{"times": [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5]}`; got != want {
		t.Errorf("it found %s, want %s", got, want)
	}
}

// command runs a program of ours against a stack's AWS services.
func command(t *testing.T, s *stack, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./"+name, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL=http://"+s.aws, "AWS_DEFAULT_REGION="+s.region, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test")
	return cmd
}
