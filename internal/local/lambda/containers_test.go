package lambda_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/sam"
)

// engine is the stand-in for Docker, testdata/docker, which needs no engine: by it
// is seen what Docker is asked for, and what becomes of a container when its worker
// or its host ends. That a container is what the arguments say, an engine alone can
// show: see TestAContainerIsConfined.
type engine struct {
	tb     testing.TB
	folder string
	cli    string
}

func newEngine(tb testing.TB) *engine {
	tb.Helper()
	cli, err := filepath.Abs("testdata/docker")
	if err != nil {
		tb.Fatal(err)
	}
	e := &engine{tb: tb, folder: tb.TempDir(), cli: cli}
	for _, folder := range []string{"images", "containers"} {
		if err := os.Mkdir(filepath.Join(e.folder, folder), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	return e
}

// build makes the image of the test function.
func (e *engine) build() {
	e.tb.Helper()
	if err := os.WriteFile(filepath.Join(e.folder, "images", "fn:test"), []byte(bootstrap), 0o600); err != nil {
		e.tb.Fatal(err)
	}
}

func (e *engine) containers() []string {
	e.tb.Helper()
	entries, err := os.ReadDir(filepath.Join(e.folder, "containers"))
	if err != nil {
		e.tb.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// calls gives the arguments of those calls that begin so.
func (e *engine) calls(what string) [][]string {
	e.tb.Helper()
	text, err := os.ReadFile(filepath.Join(e.folder, "calls"))
	if err != nil {
		e.tb.Fatal(err)
	}
	var calls [][]string
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); words[0] == what {
			calls = append(calls, words[1:])
		}
	}
	return calls
}

// imageFunction is a function that is an image.
func imageFunction(name string) sam.Function {
	f := testFunction(name)
	f.PackageType, f.Handler, f.Runtime, f.DockerTag, f.EphemeralStorage = "Image", "", "", "test", 512
	return f
}

// newContainerHost starts a host whose function Fn runs in containers of the
// stand-in.
func newContainerHost(t *testing.T, change func(*sam.Function, *lambda.Config)) (*host, *engine) {
	t.Helper()
	e := newEngine(t)
	e.build()
	t.Setenv("DOCKER_CONFIG", e.folder)
	containers, err := lambda.NewContainers(t.Context(), e.cli)
	if err != nil {
		t.Fatal(err)
	}
	return newHost(t, func(f *sam.Function, c *lambda.Config) {
		*f, c.Containers = imageFunction("Fn"), containers
		c.Command = func(sam.Function) ([]string, error) { return nil, errors.New("an image was run as a program") }
		if change != nil {
			change(f, c)
		}
	}), e
}

func TestAFunctionRunsInAContainerWithWhatTheTemplateSays(t *testing.T) {
	h, e := newContainerHost(t, func(f *sam.Function, c *lambda.Config) {
		f.MemorySize, f.EphemeralStorage, f.Environment = 3008, 1024, map[string]string{"TABLE": "videos"}
		c.Env = func(sam.Function) []string { return []string{"AWS_SECRET_ACCESS_KEY=not-for-everybody"} }
	})
	environment := value[[]string](h, event{Do: "env"})
	for _, want := range []string{"TABLE=videos", "AWS_SECRET_ACCESS_KEY=not-for-everybody", "AWS_LAMBDA_FUNCTION_NAME=test-Fn",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=3008", "HOME=/tmp", "TMPDIR=/tmp", "LAMBDA_TASK_ROOT=/var/task"} {
		if !slices.Contains(environment, want) {
			t.Errorf("%s is missing in %q", want, environment)
		}
	}
	h.invoke(event{Do: "pid"})
	created := e.calls("create")
	if len(created) != 1 {
		t.Fatalf("%d containers for two invocations, one after the other", len(created))
	}
	got := strings.Join(created[0], " ")
	for _, want := range []string{
		"--rm ", "--pull never ", "--network host ", "--read-only ", "--cap-drop ALL ", "--security-opt no-new-privileges ",
		"--memory 3008m --memory-swap 3008m ", "--pids-limit 1024 ", "--ulimit nofile=1024:1024 ",
		"--tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=1024m ", " fn:test",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Docker is not told %q, but\n%s", want, got)
		}
	}
	for _, secret := range []string{"not-for-everybody", "videos"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s of the environment can be read in the arguments:\n%s", secret, got)
		}
	}
}

func TestContainersGoWithTheirWorkers(t *testing.T) {
	for name, end := range map[string]func(*host){
		"it crashes":   func(h *host) { h.invoke(event{Do: "exit", Ms: 1}) },
		"it is late":   func(h *host) { h.invoke(event{Do: "sleep", Ms: 60_000}) },
		"it is closed": func(h *host) { _ = h.Close(context.Background()) },
		"it is closed while it works": func(h *host) {
			var ended sync.WaitGroup
			ended.Go(func() { _, _ = h.Invoke(context.Background(), "Fn", event{Do: "sleep", Ms: 60_000}.json()) })
			eventually(h.tb, "a second invocation", func() bool { return h.counted("started") == 2 })
			_ = h.Close(context.Background())
			ended.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, e := newContainerHost(t, func(f *sam.Function, _ *lambda.Config) { f.Timeout = 3 * time.Second })
			pid := value[int](h, event{Do: "pid"})
			if n := len(e.containers()); n != 1 {
				t.Fatalf("%d containers", n)
			}
			end(h)
			eventually(t, "no container", func() bool { return len(e.containers()) == 0 })
			if alive(pid) {
				t.Error("the function lives")
			}
		})
	}
}

func TestAContainerThatHasNothingToDoIsAskedToEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sigterm")
	h, _ := newContainerHost(t, func(f *sam.Function, c *lambda.Config) {
		f.Environment = map[string]string{"ON_SIGTERM": file}
		c.Grace = 10 * time.Second
	})
	h.invoke(event{Do: "pid"})
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("it did not get SIGTERM: %v", err)
	}
}

func TestWhatIsMissingForContainersIsTold(t *testing.T) {
	e := newEngine(t)
	t.Setenv("DOCKER_CONFIG", e.folder)
	host := func() error {
		containers, err := lambda.NewContainers(t.Context(), e.cli)
		if err != nil {
			return err
		}
		h, err := lambda.New(lambda.Config{
			Functions: []sam.Function{imageFunction("Fn")}, Containers: containers, TempDir: t.TempDir(),
			Command: func(sam.Function) ([]string, error) { return []string{bootstrap}, nil },
		})
		if err == nil {
			err = h.Close(t.Context())
		}
		return err
	}
	tells := func(err error, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want it to tell %q", err, want)
			}
		}
	}
	_, err := lambda.NewContainers(t.Context(), "no-such-docker")
	tells(err, "install Docker", "no-such-docker")

	tells(host(), "run Fn in a container", "make image", "No such image: fn:test")
	e.build()
	if err := host(); err != nil {
		t.Errorf("with all there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(e.folder, "down"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tells(host(), "start it", "Cannot connect to the Docker daemon")
}

func TestAKilledHostLeavesNoContainers(t *testing.T) {
	e := newEngine(t)
	e.build()
	killedHost(t, "DOCKER_CONFIG="+e.folder, "FOTOGRAMA_TEST_CLI="+e.cli)
	eventually(t, "no container", func() bool { return len(e.containers()) == 0 })
}

// An engine of this machine's, if it has one: what the stand-in cannot show.
func TestAContainerIsConfined(t *testing.T) {
	if err := exec.Command("docker", "version").Run(); err != nil {
		t.Skip("no Docker engine answers, so nothing can be seen of a real container")
	}
	containers, err := lambda.NewContainers(t.Context(), "docker")
	if err != nil {
		t.Fatal(err)
	}
	buildImage(t)
	h := newHost(t, func(f *sam.Function, c *lambda.Config) {
		*f, c.Containers = imageFunction("FotogramaLambdaTest"), containers
		f.EphemeralStorage = 64
		c.InitTimeout = time.Minute
	})
	invoke := func(do, on string) string {
		t.Helper()
		result, err := h.Invoke(t.Context(), "FotogramaLambdaTest", event{Do: do, Value: on}.json())
		if err != nil {
			t.Fatal(err)
		}
		return string(result.Payload)
	}
	status := invoke("read", "/proc/self/status")
	for _, want := range []string{`Uid:\t65532\t65532`, `CapEff:\t0000000000000000`, `CapBnd:\t0000000000000000`, `NoNewPrivs:\t1`} {
		if !strings.Contains(status, want) {
			t.Errorf("%s is missing in %s", want, status)
		}
	}
	if got := invoke("write", "/written"); !strings.Contains(got, "read-only file system") {
		t.Errorf("its root can be written to: %s", got)
	}
	if got := invoke("write", "/tmp/written"); got != "null" {
		t.Errorf("its /tmp cannot be written to: %s", got)
	}
	if got := invoke("read", "/proc/mounts"); !strings.Contains(got, "size=65536k") {
		t.Errorf("its /tmp is not of 64 MB: %s", got)
	}
	if got := invoke("env", ""); strings.Contains(got, "DOCKER_") {
		t.Errorf("the environment of Docker's command line leaks: %s", got)
	}
	ours, err := exec.Command("docker", "ps", "--all", "--quiet", "--filter", "ancestor=fotogramalambdatest:test").Output()
	if err != nil || len(ours) == 0 {
		t.Errorf("its container is not to be seen: %q, %v", ours, err)
	}
	inspected, err := exec.Command("docker", "inspect", "--format", "{{.HostConfig.Memory}}", strings.TrimSpace(string(ours))).Output()
	if want := strconv.Itoa(256 << 20); err != nil || strings.TrimSpace(string(inspected)) != want {
		t.Errorf("it may have %s bytes of memory, want %s (%v)", inspected, want, err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "no container", func() bool {
		left, err := exec.Command("docker", "ps", "--all", "--quiet", "--filter", "ancestor=fotogramalambdatest:test").Output()
		return err == nil && len(left) == 0
	})
}

// buildImage makes an image of the test function, which goes with the test.
func buildImage(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "bootstrap"), "./testdata/function")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	dockerfile := "FROM scratch\nCOPY bootstrap /bootstrap\nUSER 65532:65532\nENTRYPOINT [\"/bootstrap\"]\n"
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	image := exec.Command("docker", "build", "--tag", "fotogramalambdatest:test", folder)
	for _, cmd := range []*exec.Cmd{build, image} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("docker", "image", "rm", "--force", "fotogramalambdatest:test").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
