package dynamo

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// contentionTries is how often a write is tried while transactions are in its
// way, and contentionPause how long is waited before the first retry. The pause
// doubles: all in all it is less than a second.
const (
	contentionTries = 6
	contentionPause = 20 * time.Millisecond
)

// Contended tells whether a write was refused only because a transaction was
// under way on one of its items. Tried again it may succeed; the SDK does not
// do so by itself.
func Contended(err error) bool {
	if _, ok := errors.AsType[*types.TransactionConflictException](err); ok {
		return true
	}
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return false
	}
	found := false
	for _, reason := range cancelled.CancellationReasons {
		switch code := reason.Code; {
		case code == nil || *code == "None":
		case *code == "TransactionConflict":
			found = true
		default: // another reason, which stays
			return false
		}
	}
	return found
}

// Retry does a write again for as long as it is contended, at most for about a
// second, and gives the last error as it is.
func Retry(ctx context.Context, write func() error) error {
	pause := contentionPause
	for try := 1; ; try++ {
		err := write()
		if !Contended(err) || try == contentionTries {
			return err
		}
		// Half of the pause is random, so that two writers do not meet again.
		wait := pause/2 + rand.N(pause/2) //nolint:gosec // spreads load, guards nothing
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		pause *= 2
	}
}
