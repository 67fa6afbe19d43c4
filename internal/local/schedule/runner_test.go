package schedule_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/sam"
	"github.com/fotograma/fotograma/internal/local/schedule"
)

// sink keeps the events that functions would get.
type sink struct {
	mu   sync.Mutex
	sent []string
	err  error
}

func (s *sink) InvokeAsync(function string, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, function+" "+string(payload))
	return s.err
}

func (s *sink) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

func runner(t *testing.T, cfg schedule.Config) *schedule.Runner {
	t.Helper()
	r, err := schedule.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunnerSendsTheEventsThatAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock starts at midnight of 2000-01-01, a Saturday
		var got sink
		r := runner(t, schedule.Config{
			Schedules: []sam.Schedule{
				{LogicalID: "EveryMinute", Function: "SweepFunction", Expression: "rate(1 minute)", Enabled: true},
				{LogicalID: "Nightly", Function: "Report", Expression: "cron(2 0 * * ? *)", Input: json.RawMessage(`{"a":1}`), Enabled: true},
				{LogicalID: "Off", Function: "Never", Expression: "rate(1 minute)"},
			},
			Invoker: &got, NewID: func() string { return "id-1" },
		})
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)

		time.Sleep(59 * time.Second)
		synctest.Wait()
		if sent := got.take(); sent != nil {
			t.Errorf("too early: %q", sent)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		want := []string{`SweepFunction {"version":"0","id":"id-1","detail-type":"Scheduled Event","source":"aws.events",` +
			`"account":"000000000000","time":"2000-01-01T00:01:00Z","region":"us-east-1",` +
			`"resources":["arn:aws:events:us-east-1:000000000000:rule/SweepFunctionEveryMinute"],"detail":{}}`}
		if diff := cmp.Diff(want, got.take()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		counts := map[string]int{}
		for _, s := range got.take() {
			function, event, _ := strings.Cut(s, " ")
			counts[function]++
			if function == "Report" && event != `{"a":1}` {
				t.Errorf("event %s", event)
			}
		}
		if diff := cmp.Diff(map[string]int{"SweepFunction": 9, "Report": 1}, counts); diff != "" {
			t.Error(diff)
		}
		cancel()
		synctest.Wait()
		time.Sleep(time.Hour)
		if sent := got.take(); sent != nil {
			t.Errorf("after the end: %q", sent)
		}
	})
}

func TestRunnerSendsOnceForWhatWasDueInASleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var slept time.Duration // the wall clock is ahead of the timers by that
		var got sink
		r := runner(t, schedule.Config{
			Schedules: []sam.Schedule{{LogicalID: "M", Function: "F", Expression: "rate(1 minute)", Input: json.RawMessage(`1`), Enabled: true}},
			Invoker:   &got,
			Now: func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(slept)
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Run(ctx)
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if n := len(got.take()); n != 1 {
			t.Errorf("%d events in 90 s", n)
		}
		mu.Lock()
		slept = 8 * time.Hour
		mu.Unlock()
		time.Sleep(45 * time.Second)
		synctest.Wait()
		if n := len(got.take()); n != 1 {
			t.Errorf("%d events after the sleep", n)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := len(got.take()); n != 5 {
			t.Errorf("%d events in the five minutes after", n)
		}
	})
}

func TestRunnerEndsWithTheLastTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got sink
		var log bytes.Buffer
		got.err = errors.New("the host is closed")
		r := runner(t, schedule.Config{
			Schedules: []sam.Schedule{{LogicalID: "Once", Function: "F", Expression: "cron(0 1 1 1 ? 2000)", Enabled: true}},
			Invoker:   &got, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		r.Run(t.Context())
		if n := len(got.take()); n != 1 {
			t.Errorf("%d events", n)
		}
		if !strings.Contains(log.String(), "the host is closed") {
			t.Errorf("the log does not say what went wrong: %s", &log)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, s := range map[string]sam.Schedule{
		"a bad expression": {LogicalID: "S", Function: "F", Expression: "hourly"},
		"a bad input":      {LogicalID: "S", Function: "F", Expression: "rate(1 hour)", Input: json.RawMessage(`{`)},
	} {
		if _, err := schedule.New(schedule.Config{Schedules: []sam.Schedule{s}}); err == nil || !strings.Contains(err.Error(), "S of F") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
