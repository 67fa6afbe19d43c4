package frames

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds on what is kept of the program's log.
const (
	logLines     = 40  // lines kept; later ones are only counted
	logLineBytes = 400 // bytes kept of a line
)

// process is the program, which runs in a process group of its own.
type process struct {
	cmd *exec.Cmd
	log *logTail
}

// command prepares a program that is killed, with all its children, when ctx
// ends. life is called whenever it logs something.
func command(ctx context.Context, life func(), path string, args ...string) *process {
	cmd := exec.CommandContext(ctx, path, args...)
	// It reads hostile files: it gets none of our secrets.
	cmd.Env = []string{"AV_LOG_FORCE_NOCOLOR=1"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	// Should something inherit the pipes and outlive the group, don't wait for it.
	cmd.WaitDelay = 5 * time.Second
	log := &logTail{life: life}
	cmd.Stderr = log
	return &process{cmd: cmd, log: log}
}

// pipes are our ends of the program's.
type pipes struct {
	plan     *os.File // its standard input
	records  *os.File // its standard output
	requests *os.File // its file descriptor 3: byte ranges that it wants
	answers  *os.File // its file descriptor 4: those bytes
}

func (p *pipes) close() {
	for _, f := range []*os.File{p.plan, p.records, p.requests, p.answers} {
		_ = f.Close()
	}
}

// start starts the program. The caller must close the pipes; they are made
// outside [exec.Cmd], so that waiting for the program does not close them under
// their reader.
func (p *process) start() (*pipes, error) {
	var files []*os.File
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err == nil {
			files = append(files, r, w)
		}
		return r, w
	}
	var ours pipes
	var stdin, stdout, theirRequests, theirAnswers *os.File
	stdin, ours.plan = pipe()
	ours.records, stdout = pipe()
	ours.requests, theirRequests = pipe()
	theirAnswers, ours.answers = pipe()
	if len(files) < 8 {
		for _, f := range files {
			_ = f.Close()
		}
		return nil, errors.New("no pipe could be made: too many open files")
	}
	p.cmd.Stdin, p.cmd.Stdout = stdin, stdout
	p.cmd.ExtraFiles = []*os.File{theirRequests, theirAnswers}
	err := p.cmd.Start()
	for _, f := range []*os.File{stdin, stdout, theirRequests, theirAnswers} {
		_ = f.Close()
	}
	if err != nil {
		ours.close()
		return nil, fail(CodeEngineFailed, "starting %s: %v", p.cmd.Path, err)
	}
	return &ours, nil
}

// cpu is how long the program, which has ended, has computed.
func (p *process) cpu() time.Duration {
	if p.cmd.ProcessState == nil {
		return 0
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// endedBy reports whether a program's end came of a signal.
func endedBy(exit error, signal syscall.Signal) bool {
	failed, ok := errors.AsType[*exec.ExitError](exit)
	if !ok {
		return false
	}
	status, ok := failed.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}

// logTail keeps the beginning of a log, and counts the rest. (The first lines
// name the cause; a damaged video can cause a million of the same.)
type logTail struct {
	life func()

	mu    sync.Mutex
	part  []byte // a line that has not ended yet
	lines []string
	count int
}

// Write implements [io.Writer]; it never fails.
func (t *logTail) Write(p []byte) (int, error) {
	t.life()
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		t.part = append(t.part, line[:min(len(line), logLineBytes-len(t.part))]...)
		if ended {
			t.end()
		}
		rest = after
	}
	return len(p), nil
}

func (t *logTail) end() {
	if len(bytes.TrimSpace(t.part)) > 0 {
		t.count++
		if len(t.lines) < logLines {
			t.lines = append(t.lines, strings.ToValidUTF8(string(t.part), "\uFFFD"))
		}
	}
	t.part = t.part[:0]
}

// text returns the lines that were kept.
func (t *logTail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
