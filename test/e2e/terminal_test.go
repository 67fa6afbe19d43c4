package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// terminal is a command that somebody runs in a terminal.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys *os.File // what is typed
	side *os.File // the command's side of it

	mu     sync.Mutex
	screen strings.Builder
	ended  chan struct{}
}

func (s *shell) terminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	keys, side, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(keys, &pty.Winsize{Rows: 24, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, cmd: s.command(args...), keys: keys, side: side, ended: make(chan struct{})}
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = side, side, side
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := keys.Read(buffer)
			x.mu.Lock()
			x.screen.Write(buffer[:n])
			x.mu.Unlock()
			if err != nil {
				close(x.ended)
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = side.Close()
		_ = keys.Close()
		<-x.ended
	})
	return x
}

func (x *terminal) shown() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.String()
}

// sees waits until something was shown.
func (x *terminal) sees(text string) {
	x.t.Helper()
	until(x.t, "the terminal shows "+text, func() bool { return strings.Contains(x.shown(), text) })
}

func (x *terminal) types(keys string) {
	x.t.Helper()
	if _, err := x.keys.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// ends waits for the end of the command, and checks its exit code.
func (x *terminal) ends(code int) {
	x.t.Helper()
	_ = x.cmd.Wait()
	if got := x.cmd.ProcessState.ExitCode(); got != code {
		x.t.Errorf("exit %d, want %d: %s", got, code, x.shown())
	}
}

// settings are those of the terminal, such as whether it shows what is typed.
func (x *terminal) settings() term.State {
	x.t.Helper()
	state, err := term.GetState(int(x.side.Fd()))
	if err != nil {
		x.t.Fatal(err)
	}
	return *state
}

const ctrlC = "\x03"

func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	sh, p := newShell(t, shared), shared.person(t, "en")
	x := sh.terminal(t, "login")
	x.sees("E-mail: ")
	x.types(p.email + "\r")
	x.sees("Password: ")
	x.types(p.password + "\r")
	x.sees("Logged in at")
	x.ends(0)
	if strings.Contains(x.shown(), p.password) {
		t.Errorf("the password is shown: %s", x.shown())
	}
}

func TestTheSamePasswordTwice(t *testing.T) {
	t.Parallel()
	x := newShell(t, shared).terminal(t, "register", "twice@example.com")
	x.sees("New password: ")
	x.types("a horse of many staples\r")
	x.sees("Once more: ")
	x.types("a horse of other staples\r")
	x.sees("not the same")
	x.ends(2)
	if strings.Contains(x.shown(), "horse") {
		t.Errorf("a password is shown: %s", x.shown())
	}
}

func TestCtrlCLeavesTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	for _, prompt := range []string{"E-mail: ", "Password: "} {
		args := []string{"login", "ana@example.com"}
		if prompt == "E-mail: " {
			args = args[:1]
		}
		x := newShell(t, shared).terminal(t, args...)
		before := x.settings()
		x.sees(prompt)
		x.types("some" + ctrlC)
		x.ends(130)
		if x.settings() != before {
			t.Errorf("%s: the terminal is not as it was", prompt)
		}
	}
}

// A bar tells how fast it goes and how long it takes; Ctrl-C is told of.
func TestProgressInATerminal(t *testing.T) {
	t.Parallel()
	sh := newShell(t, shared)
	sh.login(shared.person(t, "en"))
	x := sh.terminal(t, "upload", bottles, "--limit-rate", "50KB")
	x.sees("KiB/s")
	if shown := x.shown(); !regexp.MustCompile(`bottle-detection.mp4 .* / 493\.\d KiB .*KiB/s +\d\d:\d\d`).MatchString(shown) {
		t.Errorf("it shows %s", shown)
	}
	x.types(ctrlC)
	x.sees("interrupted")
	x.ends(130)
}

func TestCtrlCEndsWhatWaitsForStandardInput(t *testing.T) {
	t.Parallel()
	sh := newShell(t, shared)
	cmd := sh.command("extract", "-", "-o", filepath.Join(t.TempDir(), "frames.zip"))
	nothing, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer nothing.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "it waits", func() bool {
		left, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", cmd.Process.Pid))
		return slices.ContainsFunc(left, func(name string) bool {
			to, _ := os.Readlink(name)
			return strings.Contains(to, "fotograma-")
		})
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("exit %d", cmd.ProcessState.ExitCode())
	}
}
