package lambda

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// What an invocation can fail with before the function has anything to do with it.
var (
	// ErrNotFound is for a function that the host does not have.
	ErrNotFound = errors.New("function not found")
	// ErrThrottled is for a function whose reserved concurrency is used up.
	ErrThrottled = errors.New("rate exceeded: the function's reserved concurrency is used up")
	// ErrTooLarge is for an event that is larger than Lambda takes.
	ErrTooLarge = errors.New("the event is too large")
	// ErrClosed is for an invocation that the end of the host prevented or cut off.
	ErrClosed = errors.New("the Lambda host is closed")
)

// Payload limits in bytes. Responses may have a hundred bytes more than requests.
const (
	maxRequest  = 6 << 20
	maxResponse = maxRequest + 100
	maxEvent    = 1 << 20
)

const (
	defaultInitTimeout = 10 * time.Second
	defaultIdleTimeout = 5 * time.Minute
	defaultGrace       = 500 * time.Millisecond
	workersPerCPU      = 4
)

// Observer is told of what happens, to count it.
type Observer interface {
	// InvocationStarted is when an invocation has its place among those that run.
	InvocationStarted(function string)
	// InvocationEnded follows each start. init is zero for a warm worker; failed
	// tells whether the function returned an error, crashed or timed out.
	InvocationEnded(function string, duration, init time.Duration, failed bool)
	// InvocationThrottled is for an invocation that found no place.
	InvocationThrottled(function string)
	// Observe gets a line in CloudWatch's embedded metric format.
	Observe(line []byte)
}

// Config says which functions a [Host] runs, and how.
type Config struct {
	Functions []sam.Function

	// Command gives the command line that starts a worker: the absolute path of
	// the bootstrap binary, and arguments if it needs any.
	Command func(sam.Function) ([]string, error)

	// Containers runs the functions that are container images; nil to run them by
	// Command, as all others.
	Containers *Containers

	// Env gives variables ("NAME=value") beyond those of Lambda and the template,
	// such as AWS_ENDPOINT_URL and credentials; may be nil.
	Env func(sam.Function) []string

	Region    string // default "us-east-1"
	AccountID string // default "000000000000"

	// MaxWorkers is how many workers a function without reserved concurrency may
	// have; nil or an answer of zero means four for every CPU.
	MaxWorkers func(sam.Function) int

	// InitTimeout is how long a worker may take until it asks for work (default
	// 10 s), IdleTimeout how long a worker without work is kept (default 5 min),
	// Grace how long it may take to end after SIGTERM (default 500 ms).
	InitTimeout, IdleTimeout, Grace time.Duration

	// RetryDelays is how long an asynchronous event that failed waits for its next
	// try; default: a minute, then two.
	RetryDelays []time.Duration

	// TempDir is where workers get their temporary directories (default
	// [os.TempDir]). What the host puts there goes with it.
	TempDir string

	// Log gets every line that functions write, and what the host says of them;
	// see [Console]. Observer counts. Both may be nil.
	Log      func(Entry)
	Observer Observer

	// Now is the clock (default [time.Now]), NewID makes request IDs (default
	// random UUIDs).
	Now   func() time.Time
	NewID func() string
}

// Host runs functions. It is safe for concurrent use.
type Host struct {
	cfg       Config
	functions map[string]*function // by logical ID and by name
	tempDir   string
	watchdog  *watchdog
	listener  net.Listener
	server    *http.Server
	api       http.Handler // Lambda's own, for SDKs

	mu      sync.Mutex
	workers map[string]*worker // by token

	// starting is read-locked by whoever starts something that Close must end,
	// so that Close sees all of it.
	starting  sync.RWMutex
	closing   chan struct{} // closed when Close is called
	closeOnce sync.Once
	running   sync.WaitGroup // goroutines of invocations and workers
}

// function is what the host keeps of one function.
type function struct {
	sam.Function

	arn      string
	pool     *pool
	executor executor
}

// New opens the listener for the Runtime API. No worker is started before the
// first invocation.
func New(cfg Config) (*Host, error) {
	setDefaults(&cfg)
	if cfg.Command == nil {
		return nil, errors.New("lambda host: no command to start functions with")
	}
	h := &Host{cfg: cfg, functions: map[string]*function{}, workers: map[string]*worker{}, closing: make(chan struct{})}
	h.api = h.invokeAPI()
	if err := h.addFunctions(); err != nil {
		return nil, err
	}
	if err := h.open(); err != nil {
		return nil, fmt.Errorf("lambda host: %w", err)
	}
	return h, nil
}

func setDefaults(cfg *Config) {
	setDefault(&cfg.Region, "us-east-1")
	setDefault(&cfg.AccountID, "000000000000")
	setDefault(&cfg.InitTimeout, defaultInitTimeout)
	setDefault(&cfg.IdleTimeout, defaultIdleTimeout)
	setDefault(&cfg.Grace, defaultGrace)
	setDefault(&cfg.TempDir, os.TempDir())
	if cfg.RetryDelays == nil {
		cfg.RetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if cfg.Env == nil {
		cfg.Env = func(sam.Function) []string { return nil }
	}
	if cfg.Log == nil {
		cfg.Log = func(Entry) {}
	}
	if cfg.Observer == nil {
		cfg.Observer = noObserver{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (h *Host) addFunctions() error {
	for _, f := range h.cfg.Functions {
		if f.Timeout <= 0 {
			return fmt.Errorf("lambda host: function %s has no timeout", f.LogicalID)
		}
		fn := &function{
			Function: f,
			arn:      fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", h.cfg.Region, h.cfg.AccountID, f.Name),
			pool:     newPool(h.limit(f), f.ReservedConcurrency > 0, h.closing),
		}
		var err error
		if fn.executor, err = h.executor(f); err != nil {
			return err
		}
		for _, name := range []string{f.LogicalID, f.Name} {
			if other, taken := h.functions[name]; taken && other != fn {
				return fmt.Errorf("lambda host: two functions are named %s", name)
			}
			h.functions[name] = fn
		}
	}
	return nil
}

// executor gives what starts the workers of a function.
func (h *Host) executor(f sam.Function) (executor, error) {
	if f.PackageType == "Image" && h.cfg.Containers != nil {
		return h.cfg.Containers, h.cfg.Containers.find(context.Background(), f)
	}
	return programs{h.cfg.Command}, nil
}

func (h *Host) limit(f sam.Function) int {
	if f.ReservedConcurrency > 0 {
		return f.ReservedConcurrency
	}
	if h.cfg.MaxWorkers != nil {
		if n := h.cfg.MaxWorkers(f); n > 0 {
			return n
		}
	}
	return workersPerCPU * runtime.NumCPU()
}

func (h *Host) open() error {
	var err error
	if h.tempDir, err = os.MkdirTemp(h.cfg.TempDir, "fotograma-lambda-"); err != nil {
		return fmt.Errorf("make the workers' temporary directory: %w", err)
	}
	if h.cfg.Containers != nil {
		h.cfg.Containers.host = filepath.Base(h.tempDir)
	}
	if h.watchdog, err = startWatchdog(h.tempDir, h.cfg.Containers); err != nil {
		return errors.Join(err, os.RemoveAll(h.tempDir))
	}
	if h.listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
		return errors.Join(fmt.Errorf("listen for workers: %w", err), h.watchdog.close(), os.RemoveAll(h.tempDir))
	}
	h.server = &http.Server{Handler: h.runtimeAPI(), ReadHeaderTimeout: time.Minute}
	h.running.Go(func() { _ = h.server.Serve(h.listener) }) // ends with Close, which says so
	return nil
}

// Concurrency is how many invocations of a function, named by its logical ID or
// its name, can run at the same time; zero for one that is not there.
func (h *Host) Concurrency(function string) int {
	fn, ok := h.functions[function]
	if !ok {
		return 0
	}
	return fn.pool.limit
}

// Close refuses further invocations and ends all workers. Those that have nothing
// to do get SIGTERM and a moment of grace, as on AWS. A worker in the middle of an
// invocation is killed like in a crash, which functions must be built for: a
// SIGTERM would end the programs it runs first, and it would take that for their
// failure. Callers that want invocations to end first wait before.
//
// The invocations cut off return [ErrClosed]. An error is for what could not be
// cleaned up; the workers are gone in any case.
func (h *Host) Close(ctx context.Context) error {
	err := ErrClosed
	h.closeOnce.Do(func() { err = h.close(ctx) })
	return err
}

func (h *Host) close(ctx context.Context) error {
	h.starting.Lock()
	close(h.closing)
	h.starting.Unlock()

	var ending sync.WaitGroup
	h.mu.Lock()
	for _, w := range h.workers {
		ending.Go(func() { w.end(ctx) })
	}
	h.mu.Unlock()
	ending.Wait()
	err := h.server.Close()
	h.running.Wait()
	return errors.Join(err, h.watchdog.close(), os.RemoveAll(h.tempDir))
}

func (h *Host) isClosing() bool {
	select {
	case <-h.closing:
		return true
	default:
		return false
	}
}

// noObserver counts nothing.
type noObserver struct{}

func (noObserver) InvocationStarted(string)                                   {}
func (noObserver) InvocationEnded(string, time.Duration, time.Duration, bool) {}
func (noObserver) InvocationThrottled(string)                                 {}
func (noObserver) Observe([]byte)                                             {}
