package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/sam"
)

// bootstrap is the path of the test function's program.
var bootstrap string

func TestMain(m *testing.M) {
	if dir := os.Getenv("FOTOGRAMA_TEST_HOST"); dir != "" {
		runHost(dir)
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "lambda-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bootstrap = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-o", bootstrap, "./testdata/function")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the test function:", err)
		return 1
	}
	return m.Run()
}

// recorder keeps what a host logs and counts.
type recorder struct {
	mu      sync.Mutex
	entries []lambda.Entry
	counts  map[string]int
	metrics []string
}

func newRecorder() *recorder { return &recorder{counts: map[string]int{}} }

func (r *recorder) log(e lambda.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
}

func (r *recorder) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

func (r *recorder) counted(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[what]
}

func (r *recorder) texts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var texts []string
	for _, e := range r.entries {
		texts = append(texts, e.Text)
	}
	return texts
}

func (r *recorder) InvocationStarted(string)   { r.count("started") }
func (r *recorder) InvocationThrottled(string) { r.count("throttled") }
func (r *recorder) InvocationEnded(_ string, _, init time.Duration, failed bool) {
	r.count("ended")
	if init > 0 {
		r.count("cold")
	}
	if failed {
		r.count("failed")
	}
}

func (r *recorder) Observe(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics = append(r.metrics, string(line))
}

func testFunction(name string) sam.Function {
	return sam.Function{
		LogicalID: name, Name: "test-" + name, PackageType: "Zip", Handler: "bootstrap", Runtime: "provided.al2023",
		MemorySize: 256, Timeout: 10 * time.Second,
	}
}

// host is a host of one function, "Fn", with what it said.
type host struct {
	*lambda.Host
	*recorder

	tb testing.TB
}

// newHost starts a host of the function Fn, both as changed.
func newHost(tb testing.TB, change func(*sam.Function, *lambda.Config)) *host {
	tb.Helper()
	fn := testFunction("Fn")
	h := &host{recorder: newRecorder(), tb: tb}
	cfg := lambda.Config{
		Command:     func(sam.Function) ([]string, error) { return []string{bootstrap}, nil },
		TempDir:     tb.TempDir(),
		Log:         h.log,
		Observer:    h.recorder,
		RetryDelays: []time.Duration{time.Millisecond, time.Millisecond},
	}
	if change != nil {
		change(&fn, &cfg)
	}
	cfg.Functions = []sam.Function{fn}
	var err error
	if h.Host, err = lambda.New(cfg); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Close(context.WithoutCancel(tb.Context())); err != nil && !errors.Is(err, lambda.ErrClosed) {
			tb.Error(err)
		}
	})
	return h
}

type event struct {
	Do    string `json:"do"`
	Value string `json:"value,omitempty"`
	Ms    int    `json:"ms,omitempty"`
}

func (e event) json() []byte {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return data
}

// invoke fails the test if the function cannot be run.
func (h *host) invoke(e event) lambda.Result {
	h.tb.Helper()
	result, err := h.Invoke(h.tb.Context(), "Fn", e.json())
	if err != nil {
		h.tb.Fatal(err)
	}
	return result
}

// value invokes the function, which must not fail, and decodes what it returns.
func value[T any](h *host, e event) T {
	h.tb.Helper()
	result := h.invoke(e)
	if result.FunctionError != "" {
		h.tb.Fatalf("%s: %s", e.Do, result.Payload)
	}
	var v T
	if err := json.Unmarshal(result.Payload, &v); err != nil {
		h.tb.Fatal(err)
	}
	return v
}

// errorOf decodes the error of a function that must have failed.
func errorOf(tb testing.TB, result lambda.Result) (errorType, message string) {
	tb.Helper()
	if result.FunctionError != "Unhandled" {
		tb.Fatalf("function error %q, payload %s", result.FunctionError, result.Payload)
	}
	var e struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}
	if err := json.Unmarshal(result.Payload, &e); err != nil {
		tb.Fatal(err)
	}
	return e.ErrorType, e.ErrorMessage
}

// eventually waits until ok, at most ten seconds.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within 10 s: %s", what)
		}
	}
}

// alive tells whether a process runs. One that is dead but not yet waited for by
// its new parent does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) || !dirExists("/proc/self")
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func dirExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readPID waits until a process has written its ID into the file.
func readPID(tb testing.TB, file string) int {
	tb.Helper()
	var pid int
	eventually(tb, "a process ID in "+file, func() bool {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(string(text))
		return err == nil
	})
	return pid
}

func TestInvokeReturnsWhatTheFunctionReturns(t *testing.T) {
	h := newHost(t, nil)
	first := h.invoke(event{Do: "echo", Value: "olá"})
	if string(first.Payload) != `"olá"` || first.FunctionError != "" {
		t.Errorf("payload %s, error %q", first.Payload, first.FunctionError)
	}
	if first.InitDuration <= 0 || first.BilledDuration < first.Duration+first.InitDuration {
		t.Errorf("cold: init %v, duration %v, billed %v", first.InitDuration, first.Duration, first.BilledDuration)
	}
	second := h.invoke(event{Do: "echo", Value: "again"})
	if second.InitDuration != 0 || second.Duration <= 0 || second.BilledDuration%time.Millisecond != 0 {
		t.Errorf("warm: init %v, duration %v, billed %v", second.InitDuration, second.Duration, second.BilledDuration)
	}
	if first.RequestID == "" || first.RequestID == second.RequestID {
		t.Errorf("request IDs %q and %q", first.RequestID, second.RequestID)
	}
	for what, want := range map[string]int{"started": 2, "ended": 2, "cold": 1, "failed": 0} {
		if got := h.counted(what); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
}

func TestInvokeByNameAndLogicalID(t *testing.T) {
	h := newHost(t, nil)
	if _, err := h.Invoke(t.Context(), "test-Fn", event{Do: "pid"}.json()); err != nil {
		t.Error(err)
	}
	if _, err := h.Invoke(t.Context(), "Other", nil); !errors.Is(err, lambda.ErrNotFound) {
		t.Errorf("unknown function: %v", err)
	}
	if _, err := h.Invoke(t.Context(), "Fn", make([]byte, 6<<20+1)); !errors.Is(err, lambda.ErrTooLarge) {
		t.Errorf("large event: %v", err)
	}
	if err := h.InvokeAsync("Fn", make([]byte, 1<<20+1)); !errors.Is(err, lambda.ErrTooLarge) {
		t.Errorf("large asynchronous event: %v", err)
	}
	if err := h.InvokeAsync("Other", nil); !errors.Is(err, lambda.ErrNotFound) {
		t.Errorf("unknown function, asynchronously: %v", err)
	}
}

func TestFailures(t *testing.T) {
	h := newHost(t, nil)
	tests := []struct {
		name      string
		event     event
		errorType string
		message   string // a part of it
		sameAfter bool   // whether the worker is used again
	}{
		{"returned error", event{Do: "error", Value: "no such video"}, "errorString", "no such video", true},
		{"panic", event{Do: "panic", Value: "nil map"}, "string", "nil map", false},
		{"exit with a status", event{Do: "exit", Ms: 4}, "Runtime.ExitError", "Runtime exited with error: exit status 4", false},
		{"exit without one", event{Do: "exit"}, "Runtime.ExitError", "Runtime exited without providing a reason", false},
		{"response too large", event{Do: "big", Ms: 6<<20 + 99}, "Function.ResponseSizeTooLarge", "6291556", false},
		{"failure while streaming", event{Do: "broken stream"}, "errorString", "the disk is gone", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := value[int](h, event{Do: "pid"})
			result := h.invoke(tt.event)
			errorType, message := errorOf(t, result)
			if errorType != tt.errorType || !strings.Contains(message, tt.message) {
				t.Errorf("error %s: %s", errorType, message)
			}
			if strings.HasPrefix(errorType, "Runtime.") && !strings.Contains(message, result.RequestID) {
				t.Errorf("request ID %s is not in %q", result.RequestID, message)
			}
			if after := value[int](h, event{Do: "pid"}); (after == before) != tt.sameAfter {
				t.Errorf("workers %d and %d, the same: want %t", before, after, tt.sameAfter)
			}
		})
	}
	if got := h.counted("failed"); got != len(tests) {
		t.Errorf("%d failures counted of %d", got, len(tests))
	}
}

func TestTimeout(t *testing.T) {
	h := newHost(t, func(f *sam.Function, _ *lambda.Config) { f.Timeout = 300 * time.Millisecond })
	before := value[int](h, event{Do: "pid"})
	began := time.Now()
	result := h.invoke(event{Do: "sleep", Ms: 60_000})
	if errorType, message := errorOf(t, result); errorType != "Sandbox.Timedout" ||
		message != "RequestId: "+result.RequestID+" Error: Task timed out after 0.30 seconds" {
		t.Errorf("error %s: %s", errorType, message)
	}
	if took := time.Since(began); took < 300*time.Millisecond || took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if after := value[int](h, event{Do: "pid"}); after == before {
		t.Error("the worker that was late was used again")
	}
}

func TestLargestPayloads(t *testing.T) {
	h := newHost(t, nil)
	const limit = 6 << 20
	if got := len(h.invoke(event{Do: "big", Ms: limit - 2}).Payload); got != limit {
		t.Errorf("response of %d bytes, want %d", got, limit)
	}
	frame := len(event{Do: "echo", Value: "x"}.json()) - 1
	text := strings.Repeat("x", limit-frame)
	if got := value[string](h, event{Do: "echo", Value: text}); got != text {
		t.Errorf("%d bytes came back of %d", len(got), len(text))
	}
}

func TestTimeoutKillsWhatTheWorkerStarted(t *testing.T) {
	h := newHost(t, func(f *sam.Function, _ *lambda.Config) { f.Timeout = time.Second })
	file := filepath.Join(t.TempDir(), "pid")
	errorType, _ := errorOf(t, h.invoke(event{Do: "spawn", Value: file, Ms: 60_000}))
	if errorType != "Sandbox.Timedout" {
		t.Errorf("error %s", errorType)
	}
	grandchild := readPID(t, file)
	eventually(t, "the end of the program that the worker started", func() bool { return !alive(grandchild) })
}

func TestExitKillsWhatTheWorkerStarted(t *testing.T) {
	h := newHost(t, nil)
	file := filepath.Join(t.TempDir(), "pid")
	h.invoke(event{Do: "spawn", Value: file})
	grandchild := readPID(t, file)
	if !alive(grandchild) {
		t.Fatal("the program that the worker started does not run")
	}
	h.invoke(event{Do: "exit", Ms: 1})
	eventually(t, "the end of the program that the worker started", func() bool { return !alive(grandchild) })
}

func TestWorkersScaleOutAndAreUsedAgain(t *testing.T) {
	h := newHost(t, func(_ *sam.Function, c *lambda.Config) { c.MaxWorkers = func(sam.Function) int { return 3 } })
	if got := h.Concurrency("Fn"); got != 3 {
		t.Errorf("concurrency %d", got)
	}
	call := func(n int) map[int]bool {
		var mu sync.Mutex
		var wg sync.WaitGroup
		pids := map[int]bool{}
		for range n {
			wg.Go(func() {
				pid := value[int](h, event{Do: "sleep", Ms: 100})
				mu.Lock()
				defer mu.Unlock()
				pids[pid] = true
			})
		}
		wg.Wait()
		return pids
	}
	began := time.Now()
	first := call(6)
	if len(first) != 3 {
		t.Errorf("%d workers for six invocations at once, want three", len(first))
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("six invocations of 100 ms on three workers took %v", took)
	}
	for pid := range call(3) {
		if !first[pid] {
			t.Errorf("worker %d is new though three were warm", pid)
		}
	}
}

func TestReservedConcurrencyThrottles(t *testing.T) {
	h := newHost(t, func(f *sam.Function, _ *lambda.Config) { f.ReservedConcurrency = 2 })
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { h.invoke(event{Do: "sleep", Ms: 300}) })
	}
	eventually(t, "two running invocations", func() bool { return h.counted("started") == 2 })
	if _, err := h.Invoke(t.Context(), "Fn", event{Do: "pid"}.json()); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("a third at the same time: %v", err)
	}
	wg.Wait()
	if got := h.counted("throttled"); got != 1 {
		t.Errorf("%d throttles counted", got)
	}
	for range 50 { // one after the other is never too many
		h.invoke(event{Do: "pid"})
	}
}

func TestWaitingForAWorkerEndsWithTheContext(t *testing.T) {
	h := newHost(t, func(_ *sam.Function, c *lambda.Config) { c.MaxWorkers = func(sam.Function) int { return 1 } })
	var wg sync.WaitGroup
	wg.Go(func() { h.invoke(event{Do: "sleep", Ms: 200}) })
	eventually(t, "a running invocation", func() bool { return h.counted("started") == 1 })

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := h.Invoke(ctx, "Fn", event{Do: "pid"}.json()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	wg.Wait()
	h.invoke(event{Do: "pid"}) // the place was not lost
	if got := h.counted("started"); got != 2 {
		t.Errorf("%d invocations started, want 2", got)
	}
}

func TestInvocationGoesOnWhenTheCallerIsGone(t *testing.T) {
	h := newHost(t, nil)
	h.invoke(event{Do: "pid"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Invoke(ctx, "Fn", event{Do: "sleep", Ms: 200}.json()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	eventually(t, "the end of the invocation", func() bool { return h.counted("ended") == 2 })
	if got := h.counted("failed"); got != 0 {
		t.Errorf("%d failed", got)
	}
}

func TestEnvironmentIsLambdasAndNotTheParents(t *testing.T) {
	t.Setenv("FOTOGRAMA_SECRET_OF_THE_SHELL", "x")
	h := newHost(t, func(f *sam.Function, c *lambda.Config) {
		f.Environment = map[string]string{"TABLE": "videos", "AWS_REGION": "not to be changed", "EXTRA": "the template's"}
		c.Env = func(sam.Function) []string {
			return []string{"AWS_ENDPOINT_URL=http://127.0.0.1:4566", "EXTRA=the host's"}
		}
	})
	got := map[string]string{}
	for _, entry := range value[[]string](h, event{Do: "env"}) {
		name, text, _ := strings.Cut(entry, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s stands twice", name)
		}
		got[name] = text
	}
	for name, want := range map[string]string{
		"TABLE": "videos", "EXTRA": "the template's", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
		"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "TZ": ":UTC", "LANG": "en_US.UTF-8",
		"AWS_LAMBDA_FUNCTION_NAME": "test-Fn", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/test-Fn",
		"_HANDLER": "bootstrap", "LAMBDA_TASK_ROOT": filepath.Dir(bootstrap), "PATH": os.Getenv("PATH"),
		"AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"TMPDIR", "HOME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API"} {
		if got[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if _, leaked := got["FOTOGRAMA_SECRET_OF_THE_SHELL"]; leaked {
		t.Error("the parent's environment leaks")
	}
}

func TestContextOfAnInvocation(t *testing.T) {
	h := newHost(t, func(_ *sam.Function, c *lambda.Config) { c.NewID = func() string { return "request-1" } })
	got := value[struct {
		RequestID string `json:"request_id"`
		ARN       string `json:"arn"`
		LeftMs    int    `json:"left_ms"`
		Trace     string `json:"trace"`
		Dir       string `json:"dir"`
	}](h, event{Do: "context"})
	if got.RequestID != "request-1" || got.ARN != "arn:aws:lambda:us-east-1:000000000000:function:test-Fn" {
		t.Errorf("%+v", got)
	}
	if got.LeftMs < 9_000 || got.LeftMs > 10_000 {
		t.Errorf("%d ms left of 10 s", got.LeftMs)
	}
	if !strings.HasPrefix(got.Trace, "Root=1-") || !strings.Contains(got.Trace, ";Sampled=0") {
		t.Errorf("trace %q", got.Trace)
	}
	if got.Dir != filepath.Dir(bootstrap) {
		t.Errorf("working directory %s", got.Dir)
	}
}

func TestTemporaryDirectoryGoesWithTheWorker(t *testing.T) {
	h := newHost(t, nil)
	first := value[string](h, event{Do: "tmp", Value: "a"})
	if again := value[string](h, event{Do: "tmp", Value: "b"}); again != first {
		t.Errorf("directories %s and %s of one worker", first, again)
	}
	for _, name := range []string{"a", "b"} {
		if !dirExists(filepath.Join(first, name)) {
			t.Errorf("%s is gone while the worker lives", name)
		}
	}
	h.invoke(event{Do: "exit", Ms: 1})
	if second := value[string](h, event{Do: "tmp", Value: "c"}); second == first {
		t.Error("two workers had the same directory")
	}
	eventually(t, "the end of the directory", func() bool { return !dirExists(first) })
}

func TestInit(t *testing.T) {
	tests := []struct {
		name      string
		mode      string
		errorType string // empty: the second init succeeds
		message   string
	}{
		{"exits", "exit", "Runtime.ExitError", "exit status 3"},
		{"hangs", "hang", "Sandbox.Timedout", "Init timed out"},
		{"fails once", "second", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, func(f *sam.Function, c *lambda.Config) {
				f.Environment = map[string]string{"INIT": tt.mode, "MARK": filepath.Join(t.TempDir(), "mark")}
				if tt.mode == "hang" {
					f.Timeout = 200 * time.Millisecond
					c.InitTimeout = 300 * time.Millisecond
				}
			})
			result := h.invoke(event{Do: "pid"})
			if tt.errorType == "" {
				if result.FunctionError != "" {
					t.Errorf("failed: %s", result.Payload)
				}
				return
			}
			errorType, message := errorOf(t, result)
			if errorType != tt.errorType || !strings.Contains(message, tt.message) {
				t.Errorf("error %s: %s", errorType, message)
			}
			if tt.mode == "exit" && !slices.Contains(h.texts(), "read the environment: NAME is missing") {
				t.Errorf("the log does not say why: %q", h.texts())
			}
		})
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	h := newHost(t, func(_ *sam.Function, c *lambda.Config) {
		c.Command = func(sam.Function) ([]string, error) { return []string{"/nowhere/bootstrap"}, nil }
	})
	_, err := h.Invoke(t.Context(), "Fn", []byte("{}"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "start function Fn") {
		t.Errorf("error %v", err)
	}
}

func TestIdleWorkersEnd(t *testing.T) {
	h := newHost(t, func(_ *sam.Function, c *lambda.Config) { c.IdleTimeout = 50 * time.Millisecond })
	pid := value[int](h, event{Do: "pid"})
	eventually(t, "the end of the idle worker", func() bool { return !alive(pid) })
	if again := value[int](h, event{Do: "pid"}); again == pid {
		t.Error("the worker that ended was used again")
	}
}

func TestWorkerOfAnOlderBuildIsReplaced(t *testing.T) {
	program := filepath.Join(t.TempDir(), "bootstrap")
	data, err := os.ReadFile(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, data, 0o700); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, func(_ *sam.Function, c *lambda.Config) {
		c.Command = func(sam.Function) ([]string, error) { return []string{program}, nil }
	})
	first := value[int](h, event{Do: "pid"})
	if err := os.Chtimes(program, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if second := value[int](h, event{Do: "pid"}); second == first {
		t.Error("the old worker was used for the new build")
	}
	eventually(t, "the end of the old worker", func() bool { return !alive(first) })
}

func TestAsynchronousEventIsTriedThreeTimes(t *testing.T) {
	h := newHost(t, nil)
	if err := h.InvokeAsync("Fn", event{Do: "error", Value: "again"}.json()); err != nil {
		t.Fatal(err)
	}
	given := func() bool {
		return slices.ContainsFunc(h.texts(), func(s string) bool { return strings.HasPrefix(s, "Event given up") })
	}
	eventually(t, "the end of the tries", given)
	if got := h.counted("failed"); got != 3 {
		t.Errorf("%d tries, want 3", got)
	}
	if err := h.InvokeAsync("Fn", event{Do: "pid"}.json()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one invocation more", func() bool { return h.counted("ended") == 4 })
	if got := h.counted("failed"); got != 3 {
		t.Errorf("%d failures after an event that was handled", got)
	}
}

func TestThrottledEventIsTriedAgain(t *testing.T) {
	h := newHost(t, func(f *sam.Function, _ *lambda.Config) { f.ReservedConcurrency = 1 })
	for range 2 {
		if err := h.InvokeAsync("Fn", event{Do: "sleep", Ms: 50}.json()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the end of both", func() bool { return h.counted("ended") == 2 })
	if got := h.counted("throttled"); got == 0 {
		t.Error("two at once on one reserved execution were not throttled")
	}
	if got := h.counted("failed"); got != 0 {
		t.Errorf("%d failed", got)
	}
}

func TestLinesOfAnInvocationComeBeforeItsEnd(t *testing.T) {
	h := newHost(t, nil)
	for i := range 50 {
		before := len(h.texts())
		h.invoke(event{Do: "log", Value: strconv.Itoa(i)})
		got := strings.Join(h.texts()[before:], "\n")
		warn, plain, report := strings.Index(got, `"msg":"`), strings.Index(got, "plain "+strconv.Itoa(i)), strings.Index(got, "REPORT RequestId")
		if warn < 0 || plain < 0 || report < warn || report < plain {
			t.Fatalf("invocation %d wrote\n%s", i, got)
		}
		if strings.Contains(got, "_aws") {
			t.Fatalf("a metric is in the log:\n%s", got)
		}
		h.mu.Lock()
		metrics := len(h.metrics)
		h.mu.Unlock()
		if metrics != i+1 {
			t.Fatalf("%d metrics after %d invocations", metrics, i+1)
		}
	}
}

func TestReportsAreDebug(t *testing.T) {
	h := newHost(t, nil)
	h.invoke(event{Do: "exit", Ms: 1})
	h.mu.Lock()
	defer h.mu.Unlock()
	levels := map[string]slog.Level{}
	for _, e := range h.entries {
		word, _, _ := strings.Cut(e.Text, " ")
		levels[word] = e.Level
	}
	if level, ok := levels["REPORT"]; !ok || level != slog.LevelDebug {
		t.Errorf("REPORT line: there %t, level %v", ok, level)
	}
	if level, ok := levels["RequestId:"]; !ok || level != slog.LevelError {
		t.Errorf("line of the crash: there %t, level %v", ok, level)
	}
}

func TestCloseLetsIdleWorkersEndAndKillsBusyOnes(t *testing.T) {
	dir := t.TempDir()
	h := newHost(t, func(f *sam.Function, _ *lambda.Config) {
		f.Environment = map[string]string{"ON_SIGTERM": filepath.Join(dir, "sigterm")}
	})
	var wg sync.WaitGroup
	var idle int
	wg.Go(func() { idle = value[int](h, event{Do: "sleep", Ms: 100}) })
	failure := make(chan error, 1)
	go func() {
		_, err := h.Invoke(t.Context(), "Fn", event{Do: "spawn", Value: filepath.Join(dir, "pid"), Ms: 60_000}.json())
		failure <- err
	}()
	grandchild := readPID(t, filepath.Join(dir, "pid"))
	wg.Wait()

	began := time.Now()
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("closing took %v", took)
	}
	if err := <-failure; !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("the invocation that was cut off: %v", err)
	}
	if alive(idle) {
		t.Error("the idle worker lives")
	}
	eventually(t, "the end of the busy worker's program", func() bool { return !alive(grandchild) })
	if !dirExists(filepath.Join(dir, "sigterm")) {
		t.Error("the idle worker did not get SIGTERM")
	}
	if _, err := h.Invoke(t.Context(), "Fn", []byte("{}")); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("invocation after the end: %v", err)
	}
	if err := h.InvokeAsync("Fn", []byte("{}")); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("event after the end: %v", err)
	}
	if err := h.Close(t.Context()); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("closing twice: %v", err)
	}
}

func TestCloseEndsWaitingInvocations(t *testing.T) {
	h := newHost(t, func(_ *sam.Function, c *lambda.Config) { c.MaxWorkers = func(sam.Function) int { return 1 } })
	results := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := h.Invoke(t.Context(), "Fn", event{Do: "sleep", Ms: 60_000}.json())
			results <- err
		}()
	}
	eventually(t, "a running invocation", func() bool { return h.counted("started") == 1 })
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := <-results; !errors.Is(err, lambda.ErrClosed) {
			t.Errorf("error %v", err)
		}
	}
}

// runHost is a host in a process of its own, to be killed: it has one worker that
// is busy, with a program that it started, and one that has nothing to do.
func runHost(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	functions := []sam.Function{testFunction("Fn"), testFunction("Idle")}
	var containers *lambda.Containers
	var err error
	if cli := os.Getenv("FOTOGRAMA_TEST_CLI"); cli != "" {
		functions[0] = imageFunction("Fn")
		containers, err = lambda.NewContainers(context.Background(), cli)
		fail(err)
	}
	h, err := lambda.New(lambda.Config{
		Functions: functions, Containers: containers,
		Command: func(sam.Function) ([]string, error) { return []string{filepath.Join(dir, "bootstrap")}, nil },
		TempDir: filepath.Join(dir, "tmp"),
	})
	fail(err)
	result, err := h.Invoke(context.Background(), "Idle", event{Do: "pid"}.json())
	fail(err)
	fail(os.WriteFile(filepath.Join(dir, "idle"), result.Payload, 0o600))
	result, err = h.Invoke(context.Background(), "Fn", event{Do: "pid"}.json())
	fail(err)
	fail(os.WriteFile(filepath.Join(dir, "busy"), result.Payload, 0o600))
	_, err = h.Invoke(context.Background(), "Fn", event{Do: "spawn", Value: filepath.Join(dir, "grandchild"), Ms: 60_000}.json())
	fail(err)
}

func TestKilledHostLeavesNothingBehind(t *testing.T) { killedHost(t) }

// killedHost starts a host with that in its environment, kills it and sees what it
// leaves behind.
func killedHost(t *testing.T, env ...string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(bootstrap, filepath.Join(dir, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "FOTOGRAMA_TEST_HOST="+dir)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, name := range []string{"idle", "busy", "grandchild"} {
		pids[name] = readPID(t, filepath.Join(dir, name))
		if !alive(pids[name]) {
			t.Fatalf("%s does not run", name)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it should be
	for name, pid := range pids {
		eventually(t, "the end of "+name, func() bool { return !alive(pid) })
	}
	eventually(t, "no temporary files", func() bool {
		left, err := os.ReadDir(filepath.Join(dir, "tmp"))
		return err == nil && len(left) == 0
	})
}
