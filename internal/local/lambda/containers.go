package lambda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// What Lambda allows an execution environment, whatever its memory.
//
// Source: "Lambda quotas".
const (
	maxProcesses = 1024
	maxFiles     = 1024
)

// engineTimeout is how long Docker may take for what it does in an instant.
const engineTimeout = time.Minute

// hostLabel is on every container, and names its host.
const hostLabel = "fotograma.host"

// What can keep a function from being run in a container. Each says what to do.
var (
	errNoCLI    = errors.New("its command line is not there: install Docker (https://docs.docker.com/engine/install), or run functions as processes")
	errNoEngine = errors.New("its engine does not answer: start it (sudo systemctl start docker), and see that you may use it (sudo usermod -aG docker $USER, then log in again)")
	errNoImage  = errors.New("its image has not been built: make image")
)

// Containers runs the functions that are container images in containers of a
// Docker engine on this machine: what they find there is what Lambda gives them,
// but for the network, which is this machine's, as the functions must reach what
// listens on its loopback interface. They have a root that cannot be written to, a
// /tmp in memory of the size that the template says, no capabilities, no way to get
// any, and the memory that the template says. A container is removed when its worker
// ends, however it or the host does.
//
// An image that was built anew is used by workers that are started after that.
type Containers struct {
	cli  string // Docker's command line
	host string // the value of hostLabel
}

// NewContainers finds Docker's command line, and asks whether its engine answers.
// The name of the command is "docker", or that of one with the same arguments.
func NewContainers(ctx context.Context, command string) (*Containers, error) {
	cli, err := exec.LookPath(command)
	if err != nil {
		return nil, fmt.Errorf("use Docker: %w: %w", errNoCLI, err)
	}
	c := &Containers{cli: cli}
	if err := c.run(ctx, nil, "version", "--format", "{{.Server.Version}}"); err != nil {
		return nil, fmt.Errorf("use Docker: %w: %w", errNoEngine, err)
	}
	return c, nil
}

// image is the name of a function's image, as sam build gives it.
func image(f sam.Function) string { return strings.ToLower(f.LogicalID) + ":" + f.DockerTag }

// find looks for the image of a function.
func (c *Containers) find(ctx context.Context, f sam.Function) error {
	if err := c.run(ctx, nil, "image", "inspect", "--format", "{{.Id}}", image(f)); err != nil {
		return fmt.Errorf("run %s in a container: %w: %w", f.LogicalID, errNoImage, err)
	}
	return nil
}

// prepare makes the container. Its environment goes through that of the command:
// arguments can be read by everybody on this machine.
func (c *Containers) prepare(l launch) (execution, error) {
	name := "fotograma-" + l.token
	args := []string{ //nolint:prealloc // reads better than its length
		"create", "--name", name, "--label", hostLabel + "=" + c.host, "--rm", "--pull", "never", "--log-driver", "none",
		"--network", "host", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--memory", megabytes(l.fn.MemorySize), "--memory-swap", megabytes(l.fn.MemorySize), // so that there is no swap
		"--pids-limit", strconv.Itoa(maxProcesses), "--ulimit", fmt.Sprintf("nofile=%d:%d", maxFiles, maxFiles),
		"--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777,size=" + megabytes(l.fn.EphemeralStorage),
		"--env", "HOME=/tmp", "--env", "TMPDIR=/tmp", "--env", "LAMBDA_TASK_ROOT=/var/task",
	}
	for _, variable := range l.env {
		key, _, _ := strings.Cut(variable, "=")
		args = append(args, "--env", key)
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if err := c.run(ctx, l.env, append(args, image(l.fn.Function))...); err != nil {
		return nil, fmt.Errorf("make its container: %w", err)
	}
	return &container{engine: c, name: name, cmd: c.command(context.Background(), nil, "start", "--attach", name)}, nil
}

func megabytes(n int) string { return strconv.Itoa(n) + "m" }

// container is a worker in a container, whose command is attached to it.
type container struct {
	engine *Containers
	name   string
	cmd    *exec.Cmd
}

func (c *container) command() *exec.Cmd { return c.cmd }
func (c *container) outdated() bool     { return false }

func (c *container) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	err := c.engine.run(ctx, nil, "rm", "--force", c.name)
	if err == nil || strings.Contains(err.Error(), "No such container") || strings.Contains(err.Error(), "already in progress") {
		return nil // it ended by itself, and the engine removes it
	}
	return err
}

// run runs a command of Docker's. The error has what it said.
func (c *Containers) run(ctx context.Context, env []string, args ...string) error {
	cmd := c.command(ctx, env, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", c.cli, args[0], err, strings.TrimSpace(said.String()))
	}
	return nil
}

func (c *Containers) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.cli, args...) //nolint:gosec // the arguments are ours
	cmd.Env = append(engineEnvironment(), env...)
	return cmd
}

// engineEnvironment is by what Docker's command line finds the engine.
func engineEnvironment() []string {
	var env []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name == "HOME" || name == "PATH" || name == "XDG_RUNTIME_DIR" || strings.HasPrefix(name, "DOCKER_") {
			env = append(env, variable)
		}
	}
	return env
}
