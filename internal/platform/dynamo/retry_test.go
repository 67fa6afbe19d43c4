package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

func cancelled(codes ...string) error {
	e := &types.TransactionCanceledException{}
	for _, code := range codes {
		e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
	}
	return fmt.Errorf("transact: %w", e)
}

func TestRetryGoesOnWhileATransactionIsInTheWay(t *testing.T) {
	tests := map[string]struct {
		errors []error // of the first tries; further ones succeed
		tries  int
		fails  bool
	}{
		"success is not repeated":              {nil, 1, false},
		"a conflict of a transaction":          {[]error{cancelled("None", "TransactionConflict")}, 2, false},
		"a conflict of a single write":         {[]error{&types.TransactionConflictException{}}, 2, false},
		"two conflicts":                        {[]error{cancelled("TransactionConflict"), cancelled("TransactionConflict")}, 3, false},
		"a condition that does not hold stays": {[]error{cancelled("TransactionConflict", "ConditionalCheckFailed")}, 1, true},
		"another error stays":                  {[]error{errors.New("no network")}, 1, true},
		"conflicts without end": {[]error{
			cancelled("TransactionConflict"), cancelled("TransactionConflict"), cancelled("TransactionConflict"),
			cancelled("TransactionConflict"), cancelled("TransactionConflict"), cancelled("TransactionConflict"),
		}, 6, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			err := dynamo.Retry(t.Context(), func() error {
				tries++
				if tries <= len(test.errors) {
					return test.errors[tries-1]
				}
				return nil
			})
			if tries != test.tries || (err != nil) != test.fails {
				t.Errorf("%d tries, error %v; want %d tries, error: %t", tries, err, test.tries, test.fails)
			}
		})
	}
}

func TestRetryStopsWhenTheCallerHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tries := 0
	err := dynamo.Retry(ctx, func() error {
		tries++
		return cancelled("TransactionConflict")
	})
	if tries != 1 || !dynamo.Contended(err) {
		t.Errorf("%d tries, error %v; want one try and its error", tries, err)
	}
}
