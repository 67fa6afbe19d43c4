// Package breaker makes circuit breakers: what fails again and again, and what can be
// done without, is left alone for a while.
package breaker

import (
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
)

// New makes a breaker that opens after some failures in a row, its strikes, and rests
// until it lets one try again. It logs, once each, when what is behind it goes, and when
// that is back.
func New(name string, strikes uint32, rest time.Duration, gone, back string) *gobreaker.CircuitBreaker[any] {
	return gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
		Name: name, Timeout: rest,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= strikes },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				slog.Warn(gone)
			case to == gobreaker.StateClosed:
				slog.Info(back)
			}
		},
	})
}
