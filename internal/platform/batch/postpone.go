package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// PostponedError is why a message could not be handled now, and when it is to come
// again.
type PostponedError struct {
	By    time.Duration // at most twelve hours
	Cause error
}

// Error implements error.
func (e *PostponedError) Error() string {
	return fmt.Sprintf("postponed by %v: %v", e.By, e.Cause)
}

// Unwrap gives the cause.
func (e *PostponedError) Unwrap() error { return e.Cause }

// Queue is the queue that messages come from.
//
// IAM: sqs:ChangeMessageVisibility on the queue.
type Queue struct {
	SQS *sqs.Client
	URL string
}

// Postponing makes a handler after whose PostponedError the message comes again when
// that says, rather than when its visibility timeout is over. It counts as received
// all the same.
func (q Queue) Postponing(h Handler) Handler {
	return func(ctx context.Context, m events.SQSMessage) error {
		err := h(ctx, m)
		if postponed, ok := errors.AsType[*PostponedError](err); ok {
			return errors.Join(err, q.Hide(ctx, m.ReceiptHandle, postponed.By))
		}
		return err
	}
}

// Hide hides a received message from others for so long from now.
func (q Queue) Hide(ctx context.Context, receipt string, d time.Duration) error {
	_, err := q.SQS.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &q.URL, ReceiptHandle: &receipt, VisibilityTimeout: int32(d.Seconds()),
	})
	if err != nil {
		return fmt.Errorf("hide message: %w", err)
	}
	return nil
}
