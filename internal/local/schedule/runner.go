package schedule

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// lookAtClock is how often the clock is looked at while waiting: timers stand
// still while a laptop sleeps, and its clock is set right now and then.
const lookAtClock = time.Minute

// Invoker takes events for functions; the Lambda host does.
type Invoker interface {
	// InvokeAsync returns at once; the function runs, and is tried again, by
	// itself.
	InvokeAsync(function string, payload []byte) error
}

// Config says what a [Runner] runs.
type Config struct {
	Schedules []sam.Schedule
	Invoker   Invoker

	Region    string // default "us-east-1"
	AccountID string // default "000000000000"

	// Logger gets what an operator must know; may be nil.
	Logger *slog.Logger

	// Now is the clock (default [time.Now]), NewID makes event IDs (default
	// random UUIDs).
	Now   func() time.Time
	NewID func() string
}

// Runner sends functions their scheduled events.
type Runner struct {
	cfg   Config
	rules []rule
}

type rule struct {
	sam.Schedule

	when Schedule
}

// New reads the schedules' expressions. Schedules that are not enabled are left
// out.
func New(cfg Config) (*Runner, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.AccountID == "" {
		cfg.AccountID = "000000000000"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
	r := &Runner{cfg: cfg}
	for _, s := range cfg.Schedules {
		when, err := Parse(s.Expression)
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", s.LogicalID, s.Function, err)
		}
		if len(s.Input) > 0 && !json.Valid(s.Input) {
			return nil, fmt.Errorf("%s of %s: the Input is not JSON", s.LogicalID, s.Function)
		}
		if s.Enabled {
			r.rules = append(r.rules, rule{Schedule: s, when: when})
		}
	}
	return r, nil
}

// Run sends events until the context ends. Rates count from its start. What was
// due while the machine slept is sent once, when it wakes.
func (r *Runner) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, rule := range r.rules {
		all.Go(func() { r.run(ctx, rule) })
	}
	all.Wait()
}

func (r *Runner) run(ctx context.Context, rule rule) {
	due := rule.when.Next(r.now())
	for !due.IsZero() {
		if !r.wait(ctx, due) {
			return
		}
		r.send(ctx, rule, due)
		next := rule.when.Next(due)
		if now := r.now(); !next.IsZero() && next.Before(now) {
			next = rule.when.Next(now)
		}
		due = next
	}
}

// now is the time on the wall: the monotonic clock stands still in a sleep.
func (r *Runner) now() time.Time { return r.cfg.Now().Round(0) }

// wait is false if the context ended before that time.
func (r *Runner) wait(ctx context.Context, until time.Time) bool {
	for {
		left := until.Sub(r.now())
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(left, lookAtClock))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

func (r *Runner) send(ctx context.Context, rule rule, due time.Time) {
	event, err := r.event(rule, due)
	if err == nil {
		err = r.cfg.Invoker.InvokeAsync(rule.Function, event)
	}
	if err != nil {
		r.cfg.Logger.ErrorContext(ctx, "scheduled event not sent", "schedule", rule.LogicalID, "function", rule.Function, "error", err)
	}
}

// scheduledEvent is what EventBridge sends for a scheduled rule.
type scheduledEvent struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     struct{} `json:"detail"`
}

// event is the schedule's Input if it has one, else EventBridge's own.
func (r *Runner) event(rule rule, due time.Time) ([]byte, error) {
	if len(rule.Input) > 0 {
		return rule.Input, nil
	}
	name := rule.Function + rule.LogicalID // as SAM names the rule, but for the stack and the suffix
	return json.Marshal(scheduledEvent{
		Version:    "0",
		ID:         r.cfg.NewID(),
		DetailType: "Scheduled Event",
		Source:     "aws.events",
		Account:    r.cfg.AccountID,
		Time:       due.UTC().Format(time.RFC3339),
		Region:     r.cfg.Region,
		Resources:  []string{fmt.Sprintf("arn:aws:events:%s:%s:rule/%s", r.cfg.Region, r.cfg.AccountID, name)},
	})
}
