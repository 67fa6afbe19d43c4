package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// watchdog is a shell that outlives the host for a moment. It reads from a pipe
// which process groups there are; when the pipe ends, the host is dead, however
// it died, and the shell kills what is left and removes the temporary files.
//
// It is used instead of Linux's Pdeathsig because that reaches only direct
// children, not the FFmpeg that a worker started, is tied to the thread that
// forked, and does not exist on macOS. In the instant between a worker's start and
// the message to the shell the worker is on its own; it then ends because it
// cannot reach the Runtime API.
//
// Containers are no children of the host's at all: the shell asks for those that
// have its label, and once more a second later if the host was killed, which may have
// been while the engine made one.
type watchdog struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	pipe io.WriteCloser
}

const watchdogScript = `
trap '' HUP INT TERM
groups= closed=
while read -r sign group; do
	case $sign in
	+) groups="$groups $group" ;;
	-)
		rest=
		for g in $groups; do
			[ "$g" = "$group" ] || rest="$rest $g"
		done
		groups=$rest
		;;
	.) closed=yes ;;
	esac
done
for g in $groups; do
	kill -s KILL -- "-$g"
done
rm -rf -- "$1"
[ -n "$2" ] || exit 0
remove() {
	left=$("$2" ps --all --quiet --filter "label=$3")
	[ -z "$left" ] || "$2" rm --force $left >/dev/null
}
remove "$@"
[ -n "$closed" ] || { sleep 1 && remove "$@"; }
`

// startWatchdog starts it. The containers may be nil.
func startWatchdog(tempDir string, containers *Containers) (*watchdog, error) {
	var cli, label string
	if containers != nil {
		cli, label = containers.cli, hostLabel+"="+containers.host
	}
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", watchdogScript, "fotograma-watchdog", tempDir, cli, label)
	cmd.Env = engineEnvironment()
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the host
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the watchdog's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	return &watchdog{cmd: cmd, pipe: pipe}, nil
}

// guard is called when a process group has been started, release when it is gone.
func (d *watchdog) guard(group int) error   { return d.tell('+', group) }
func (d *watchdog) release(group int) error { return d.tell('-', group) }

func (d *watchdog) tell(sign rune, group int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := fmt.Fprintf(d.pipe, "%c %d\n", sign, group); err != nil {
		return fmt.Errorf("tell the watchdog: %w", err)
	}
	return nil
}

func (d *watchdog) close() error {
	if err := errors.Join(d.tell('.', 0), d.pipe.Close()); err != nil {
		return fmt.Errorf("end the watchdog: %w", err)
	}
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("wait for the watchdog: %w", err)
	}
	return nil
}
