package lambda

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// worker is one process of a function: what Lambda calls an execution environment.
type worker struct {
	host    *Host
	fn      *function
	token   string // names the worker on the Runtime API and nobody else knows it
	tempDir string
	started time.Time
	run     execution
	cmd     *exec.Cmd // of run
	outputs []*output

	jobs      chan *job     // taken by the worker's call for the next invocation
	ready     chan struct{} // closed by the first such call
	readyOnce sync.Once
	gone      chan struct{} // closed when the process is gone and its output read
	exit      string        // how it ended; set before gone is closed
	idleTimer *time.Timer   // belongs to whoever holds the worker

	mu          sync.Mutex
	current     *job
	initFailure []byte // what the runtime said of its failed init
}

// job is one invocation on its way through a worker.
type job struct {
	id, traceID, clientContext string
	payload                    []byte
	tail                       *tail // nil if nobody asked for the log
	done                       chan outcome
}

// outcome is what a function returned, or the error that it ended with.
type outcome struct {
	payload []byte
	failed  bool
}

// errUndelivered is when a worker ended before it took the invocation, which can
// then go to another.
var errUndelivered = errors.New("the worker ended before it took the invocation")

// launch starts a worker, which is then about to initialize itself.
func (h *Host) launch(fn *function) (*worker, error) {
	h.starting.RLock()
	defer h.starting.RUnlock()
	if h.isClosing() {
		return nil, ErrClosed
	}
	token := strings.ToLower(rand.Text())
	w := &worker{
		host:    h,
		fn:      fn,
		token:   token,
		tempDir: filepath.Join(h.tempDir, token),
		started: h.cfg.Now(),
		jobs:    make(chan *job),
		ready:   make(chan struct{}),
		gone:    make(chan struct{}),
	}
	if err := w.start(); err != nil {
		return nil, fmt.Errorf("start function %s: %w", fn.LogicalID, errors.Join(err, os.RemoveAll(w.tempDir)))
	}
	return w, nil
}

func (w *worker) start() error {
	if err := os.Mkdir(w.tempDir, 0o700); err != nil {
		return fmt.Errorf("make its temporary directory: %w", err)
	}
	var err error
	if w.run, err = w.fn.executor.prepare(launch{fn: w.fn, token: w.token, dir: w.tempDir, env: w.host.environment(w.fn, w)}); err != nil {
		return err
	}
	w.cmd = w.run.command()
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.host.register(w)
	if err := w.startProcess(); err != nil {
		w.host.unregister(w)
		return errors.Join(err, w.run.remove())
	}
	for _, o := range w.outputs {
		w.host.running.Go(o.follow)
	}
	w.host.running.Go(w.reap)
	if err := w.host.watchdog.guard(w.cmd.Process.Pid); err != nil {
		w.kill()
		return err
	}
	return nil
}

// startProcess starts the process with pipes for its output. There are two, so
// that lines written to both at the same time stay whole.
func (w *worker) startProcess() error {
	var writers []*os.File
	for range 2 {
		o, writer, err := newOutput(w.line)
		if err != nil {
			return errors.Join(err, w.closeOutputs(), closeAll(writers))
		}
		w.outputs = append(w.outputs, o)
		writers = append(writers, writer)
	}
	w.cmd.Stdout, w.cmd.Stderr = writers[0], writers[1]
	err := w.cmd.Start()
	err = errors.Join(err, closeAll(writers))
	if err != nil {
		return errors.Join(err, w.closeOutputs())
	}
	return nil
}

func closeAll(files []*os.File) error {
	var err error
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	return err
}

func (w *worker) closeOutputs() error {
	var err error
	for _, o := range w.outputs {
		err = errors.Join(err, o.close())
	}
	return err
}

// reap waits for the process, ends what it left behind and cleans up.
func (w *worker) reap() {
	_ = w.cmd.Wait() // the state says the same
	w.kill()
	problem := errors.Join(w.run.remove(), w.closeOutputs())
	w.exit = w.cmd.ProcessState.String()
	w.host.unregister(w)
	close(w.gone)

	problem = errors.Join(problem,
		w.host.watchdog.release(w.cmd.Process.Pid),
		os.RemoveAll(w.tempDir))
	if problem != nil {
		w.host.say(w.fn, slog.LevelWarn, "worker not cleaned up: "+problem.Error())
	}
}

// kill ends the worker and all that it started, unless it is gone: the error
// that is ignored says so.
func (w *worker) kill() { _ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL) }

// end ends a worker: politely if it has nothing to do, at once if it has or if
// the context ends.
func (w *worker) end(ctx context.Context) {
	w.mu.Lock()
	busy := w.current != nil
	w.mu.Unlock()
	if !busy {
		_ = w.cmd.Process.Signal(syscall.SIGTERM) // if it is gone, that is what is wanted
		grace := time.NewTimer(w.host.cfg.Grace)
		defer grace.Stop()
		select {
		case <-w.gone:
			return
		case <-grace.C:
		case <-ctx.Done():
		}
	}
	w.kill()
	<-w.gone
}

func (w *worker) isGone() bool {
	select {
	case <-w.gone:
		return true
	default:
		return false
	}
}

// await waits until the worker asks for its first invocation. The answer is nil
// then, else the error that its init ended with.
func (w *worker) await(requestID string, limit time.Duration) *outcome {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.ready:
		return nil
	case <-w.gone:
		return w.initError(requestID)
	case <-timer.C:
		w.kill()
		<-w.gone
		return failure("Sandbox.Timedout", requestID, fmt.Sprintf("Init timed out after %.2f seconds", limit.Seconds()))
	}
}

func (w *worker) initError(requestID string) *outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.initFailure != nil {
		return &outcome{payload: w.initFailure, failed: true}
	}
	return w.exitError(requestID)
}

// exitError is for a process that ended though it should not have.
func (w *worker) exitError(requestID string) *outcome {
	message := "Runtime exited without providing a reason"
	if !w.cmd.ProcessState.Success() {
		message = "Runtime exited with error: " + w.exit
	}
	return failure("Runtime.ExitError", requestID, message)
}

// execute has the worker handle an invocation. The error is [errUndelivered] if it
// did not take it.
func (w *worker) execute(j *job) (*outcome, error) {
	timer := time.NewTimer(w.host.cfg.InitTimeout)
	defer timer.Stop()
	select {
	case w.jobs <- j:
	case <-w.gone:
		return nil, errUndelivered
	case <-timer.C: // it neither asks for work nor ends
		w.kill()
		return nil, errUndelivered
	}

	timer.Reset(w.fn.Timeout)
	late := false
	select {
	case out := <-j.done:
		return &out, nil
	case <-w.gone:
	case <-timer.C:
		late = true
		w.kill()
		<-w.gone
	}
	select {
	case out := <-j.done: // it came in the last moment
		return &out, nil
	default:
	}
	if late {
		return failure("Sandbox.Timedout", j.id, fmt.Sprintf("Task timed out after %.2f seconds", w.fn.Timeout.Seconds())), nil
	}
	return w.exitError(j.id), nil
}

// take ends the worker's invocation if it is that one. It is nil if not.
func (w *worker) take(id string) *job {
	w.mu.Lock()
	defer w.mu.Unlock()
	j := w.current
	if j == nil || j.id != id {
		return nil
	}
	w.current = nil
	return j
}

// line gets each line that the worker writes.
func (w *worker) line(text []byte) {
	w.mu.Lock()
	if w.current != nil && w.current.tail != nil {
		w.current.tail.add(text)
	}
	w.mu.Unlock()
	if isEmbeddedMetric(text) {
		w.host.cfg.Observer.Observe(text)
		return
	}
	w.host.cfg.Log(Entry{Time: w.host.cfg.Now(), Function: w.fn.LogicalID, Text: string(text)})
}
