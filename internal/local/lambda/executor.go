package lambda

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// executor starts the workers of a function: [programs] or [Containers].
type executor interface {
	// prepare makes what a worker needs, and gives it unstarted.
	prepare(l launch) (execution, error)
}

// launch is what an executor must know of a worker.
type launch struct {
	fn    *function
	token string   // the worker's name, of letters and digits
	dir   string   // a folder on this machine that only the worker uses
	env   []string // what is the same wherever it runs
}

// execution is a worker as its executor started it. Its command is a process
// group of its own, runs for as long as the worker does, passes SIGTERM on to it
// and ends as it does.
type execution interface {
	command() *exec.Cmd

	// outdated tells whether what it runs has been built anew.
	outdated() bool

	// remove ends and removes what is left when the command has ended.
	remove() error
}

// programs runs functions as processes of this machine.
type programs struct {
	find func(sam.Function) ([]string, error)
}

func (p programs) prepare(l launch) (execution, error) {
	argv, err := p.find(l.fn.Function)
	if err != nil {
		return nil, err
	}
	found, err := os.Stat(argv[0])
	if err != nil {
		return nil, fmt.Errorf("find its program: %w", err)
	}
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec,noctx // to run the functions of the template is what a host is for, and it ends them itself
	cmd.Dir = filepath.Dir(argv[0])           // like Lambda's /var/task
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"LAMBDA_TASK_ROOT=" + cmd.Dir,
		"TMPDIR=" + l.dir,
		"HOME=" + l.dir,
	}, l.env...)
	return &program{cmd: cmd, found: found}, nil
}

// program is a worker that is a process of this machine.
type program struct {
	cmd   *exec.Cmd
	found os.FileInfo // what its file was when it was started
}

func (p *program) command() *exec.Cmd { return p.cmd }

func (p *program) outdated() bool {
	now, err := os.Stat(p.cmd.Path)
	return err == nil && (!now.ModTime().Equal(p.found.ModTime()) || now.Size() != p.found.Size())
}

func (p *program) remove() error { return nil }
