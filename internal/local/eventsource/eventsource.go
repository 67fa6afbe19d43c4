// Package eventsource is Lambda's event source mappings for SQS: it receives
// messages from queues, invokes functions with batches of them, and deletes those
// that were handled. It works with any endpoint that speaks SQS.
//
// As on Lambda: batch size and batching window, maximum concurrency, partial batch
// responses, batches of no more than 6 MB. A message that was not handled is left
// to its visibility timeout, which the function may have changed meanwhile, and to
// the queue's redrive policy. A throttled batch is offered again until the
// visibility timeout of its messages is over.
//
// A mapping starts with one poller, which waits in a long poll, so that a message
// reaches an idle function at once. Whenever the last waiting poller gets messages
// another is started, up to the concurrency that mapping and host allow; so the
// mapping never takes more messages off the queue than can be worked on. Pollers
// beyond the first end when a whole long poll brings nothing.
//
// When it stops, invocations may still end within a grace; messages of those that
// do not are made visible at once, so that a restarted stack goes on with them and
// does not wait for a visibility timeout that may be hours long.
//
// Sources: "Using Lambda with Amazon SQS" and "Handling errors for an SQS event
// source in Lambda" of AWS' documentation. Filter criteria, FIFO queues and
// provisioned pollers do not exist here.
package eventsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/sam"
)

// Lambda's limits.
const (
	defaultBatchSize  = 10
	maxBatchSize      = 10_000
	maxBatchingWindow = 300 * time.Second
	unwindowedBatch   = 10 // a larger batch needs a batching window
)

const (
	longestPoll  = 20 * time.Second
	defaultGrace = 1500 * time.Millisecond

	// cleanup is how long, after the grace, the last deletions and releases of
	// messages may take.
	cleanup = 500 * time.Millisecond
)

// Invoker runs functions; [lambda.Host] does.
type Invoker interface {
	// Invoke runs a function and waits for it. [lambda.ErrThrottled] means that
	// it may be tried again, [lambda.ErrClosed] that it may not.
	Invoke(ctx context.Context, function string, payload []byte) (lambda.Result, error)

	// Concurrency is how many invocations of the function can run at the same
	// time; zero means that there is no such function.
	Concurrency(function string) int
}

// Config says which mappings there are.
type Config struct {
	Sources []sam.EventSource
	SQS     *sqs.Client
	Invoker Invoker

	// Poll is how long a call waits for messages, in whole seconds (default 20 s, the
	// most that SQS allows). An SQS that does not see that somebody has gone gives
	// who has gone what comes or is released meanwhile, and hides it: LocalStack's
	// and moto's. With less than Grace, calls are waited for when it stops.
	Poll time.Duration

	// Grace is how long running invocations may go on after the stop (default
	// 1.5 s). Everything has ended half a second after that.
	Grace time.Duration

	// Logger gets what an operator must know; may be nil.
	Logger *slog.Logger

	// Now is the clock (default [time.Now]).
	Now func() time.Time
}

// Runner runs event source mappings.
type Runner struct {
	cfg      Config
	mappings []*mapping
}

// New checks the mappings: a function or a queue that cannot be, and settings that
// Lambda would refuse, are errors. Mappings that are not enabled are left out.
func New(cfg Config) (*Runner, error) {
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	if cfg.Poll == 0 {
		cfg.Poll = longestPoll
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Runner{cfg: cfg}
	for _, source := range cfg.Sources {
		m, err := newMapping(cfg, source)
		if err != nil {
			return nil, fmt.Errorf("event source %s of %s: %w", source.LogicalID, source.Function, err)
		}
		if source.Enabled {
			r.mappings = append(r.mappings, m)
		}
	}
	return r, nil
}

func newMapping(cfg Config, source sam.EventSource) (*mapping, error) {
	if source.BatchSize == 0 {
		source.BatchSize = defaultBatchSize
	}
	if err := check(source); err != nil {
		return nil, err
	}
	m := &mapping{
		cfg:    cfg,
		source: source,
		limit:  cfg.Invoker.Concurrency(source.Function),
		log:    cfg.Logger.With("event_source", source.LogicalID, "function", source.Function),
	}
	if m.limit == 0 {
		return nil, errors.New("there is no such function")
	}
	if source.MaximumConcurrency > 0 {
		m.limit = min(m.limit, source.MaximumConcurrency)
	}
	parts := strings.Split(source.QueueARN, ":") // arn:aws:sqs:region:account:name
	if len(parts) != 6 || parts[2] != "sqs" || parts[5] == "" {
		return nil, fmt.Errorf("%q is not the ARN of a queue", source.QueueARN)
	}
	m.region, m.account, m.queue = parts[3], parts[4], parts[5]
	if strings.HasSuffix(m.queue, ".fifo") {
		return nil, errors.New("FIFO queues are not supported")
	}
	return m, nil
}

// check refuses what Lambda would refuse.
func check(source sam.EventSource) error {
	switch {
	case source.BatchSize < 1 || source.BatchSize > maxBatchSize:
		return fmt.Errorf("BatchSize is %d, and must be 1 to %d", source.BatchSize, maxBatchSize)
	case source.BatchingWindow < 0 || source.BatchingWindow > maxBatchingWindow:
		return fmt.Errorf("MaximumBatchingWindowInSeconds is %v, and must be 0 to 300", source.BatchingWindow.Seconds())
	case source.BatchSize > unwindowedBatch && source.BatchingWindow < time.Second:
		return fmt.Errorf("BatchSize is %d: above %d MaximumBatchingWindowInSeconds must be at least 1", source.BatchSize, unwindowedBatch)
	case source.MaximumConcurrency < 0 || source.MaximumConcurrency == 1 || source.MaximumConcurrency > 1000:
		return fmt.Errorf("MaximumConcurrency is %d, and must be 2 to 1000", source.MaximumConcurrency)
	}
	return nil
}

// Run runs all mappings until the context ends, and then returns within the grace
// and half a second.
func (r *Runner) Run(ctx context.Context) {
	// Invocations outlive ctx by the grace, what is told to SQS by a little more.
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	telling, stopTelling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTelling()
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(r.cfg.Grace, stopWorking)
		time.AfterFunc(r.cfg.Grace+cleanup, stopTelling)
	})()

	var all sync.WaitGroup
	for _, m := range r.mappings {
		all.Go(func() { m.run(phases{polling: ctx, working: working, telling: telling}) })
	}
	all.Wait()
}

// phases are the contexts of what a mapping does, in the order in which they end:
// taking messages, invoking functions, and telling SQS what came of it.
type phases struct {
	polling, working, telling context.Context
}
