package frames

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds on what is kept of FFmpeg's log.
const (
	logLines     = 40  // lines kept; later ones are only counted
	logLineBytes = 400 // bytes kept of a line
)

// containers are the demuxers that may open a video, by FFmpeg's names. Those
// that follow references to other files (hls, dash, concat, image2, sdp, …) or
// that read devices (lavfi, …) are not among them. The sound formats are here
// so that a song is told apart from a file that is no media at all.
const containers = "mov,matroska,avi,mpegts,mpeg,asf,flv,ogg,mp3,wav,flac,aac"

// logging makes every line of the log say how bad it is and makes FFmpeg log
// nothing but errors.
var logging = []string{"-hide_banner", "-loglevel", "repeat+level+error"}

// inputOptions returns what confines FFmpeg and ffprobe while they open the
// input that follows.
func (l Limits) inputOptions() []string {
	return []string{
		"-protocol_whitelist", "http,tcp",
		"-format_whitelist", containers,
		"-max_pixels", strconv.FormatInt(l.Pixels, 10),
	}
}

// process is an FFmpeg program that runs in a process group of its own.
type process struct {
	cmd *exec.Cmd
	log *logTail
}

// command prepares a program that is killed, with all its children, when ctx
// ends. life is called whenever it logs something.
func command(ctx context.Context, life func(), path string, args ...string) *process {
	cmd := exec.CommandContext(ctx, path, args...)
	// FFmpeg reads hostile files: it gets none of our secrets, and no proxy.
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

// start starts the program. What it writes to standard output, and to each
// further file descriptor from 3 on, can be read from the files returned; the
// caller must close them. They are read from outside [exec.Cmd], so that
// waiting for the program does not close them under their reader.
func (p *process) start(extra int) ([]*os.File, error) {
	var readers, writers []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			_ = f.Close()
		}
	}
	for range 1 + extra {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(readers)
			closeAll(writers)
			return nil, fmt.Errorf("making a pipe for FFmpeg: %w", err)
		}
		readers, writers = append(readers, r), append(writers, w)
	}
	p.cmd.Stdout = writers[0]
	p.cmd.ExtraFiles = writers[1:]
	err := p.cmd.Start()
	closeAll(writers)
	if err != nil {
		closeAll(readers)
		return nil, fail(CodeEngineFailed, "starting %s: %v", p.cmd.Path, err)
	}
	return readers, nil
}

// output runs the program to its end and returns at most limit bytes of what
// it wrote to standard output.
func (p *process) output(limit int64) ([]byte, error) {
	readers, err := p.start(0)
	if err != nil {
		return nil, err
	}
	stdout := readers[0]
	text, err := io.ReadAll(io.LimitReader(stdout, limit))
	// More than limit: the program ends by a broken pipe.
	_ = stdout.Close()
	if waited := p.cmd.Wait(); waited != nil {
		err = waited
	}
	return text, err
}

// crashed reports whether the program was ended by a signal.
func (p *process) crashed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
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

// empty reports whether nothing was logged.
func (t *logTail) empty() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count == 0
}
