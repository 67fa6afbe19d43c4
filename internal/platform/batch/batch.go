// Package batch handles batches of SQS messages with partial batch responses:
// only the messages that failed are delivered again.
package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Handler handles one message. An error leaves the message in the queue: it is
// delivered again, and goes to the dead-letter queue when that has happened
// too often.
type Handler func(ctx context.Context, m events.SQSMessage) error

// Handle makes a Lambda handler that hands the messages of a batch to h side by
// side, and reports those that failed.
func Handle(h Handler) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		failed := make([]bool, len(batch.Records))
		var wg sync.WaitGroup
		for i, m := range batch.Records {
			wg.Go(func() { failed[i] = !handled(ctx, h, m) })
		}
		wg.Wait()
		tracing.Flush(ctx)

		response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
		for i, m := range batch.Records {
			if failed[i] {
				response.BatchItemFailures = append(response.BatchItemFailures,
					events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			}
		}
		return response, nil
	}
}

func handled(ctx context.Context, h Handler, m events.SQSMessage) (ok bool) {
	ctx, span := tracing.Message(ctx, m)
	ctx = logging.With(ctx, slog.String("message_id", m.MessageId))
	var err error
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "message panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			tracing.Fail(span, "panic")
			ok = false
		}
		tracing.End(span, err)
	}()
	if err = h(ctx, m); err != nil {
		level := slog.LevelError
		if _, postponed := errors.AsType[*PostponedError](err); postponed {
			level = slog.LevelWarn
		}
		slog.Log(ctx, level, "message failed", "error", err, "receive_count", m.Attributes["ApproximateReceiveCount"])
		return false
	}
	return true
}
