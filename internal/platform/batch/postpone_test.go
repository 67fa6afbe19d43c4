package batch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/batch"
)

func TestWhatIsPostponedComesAgainWhenItSays(t *testing.T) {
	cloud := localtest.Start(t)
	queue := batch.Queue{SQS: sqs.NewFromConfig(cloud.Config), URL: cloud.Env(t, "WebhookFunction")["WEBHOOK_QUEUE_URL"]}
	receive := func() *events.SQSMessage {
		out, err := queue.SQS.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue.URL, WaitTimeSeconds: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return nil
		}
		return &events.SQSMessage{MessageId: *out.Messages[0].MessageId, ReceiptHandle: *out.Messages[0].ReceiptHandle}
	}
	if _, err := queue.SQS.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue.URL, MessageBody: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	busy := errors.New("busy")
	first := receive()
	handle := batch.Handle(queue.Postponing(func(context.Context, events.SQSMessage) error {
		return &batch.PostponedError{By: 0, Cause: busy} // rather than the queue's three minutes
	}))
	got, err := handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{*first}})
	if err != nil || len(got.BatchItemFailures) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	again := receive()
	if again == nil || again.MessageId != first.MessageId {
		t.Fatalf("%+v came", again)
	}
	postpone := queue.Postponing(func(context.Context, events.SQSMessage) error {
		return &batch.PostponedError{By: time.Hour, Cause: busy}
	})
	if err := postpone(t.Context(), *again); !errors.Is(err, busy) {
		t.Errorf("%v", err)
	}
	if early := receive(); early != nil {
		t.Error("it came before its time")
	}
}

func TestAMessageThatCannotBePostponedSaysSo(t *testing.T) {
	cloud := localtest.Start(t)
	queue := batch.Queue{SQS: sqs.NewFromConfig(cloud.Config), URL: cloud.Env(t, "WebhookFunction")["WEBHOOK_QUEUE_URL"]}
	postpone := queue.Postponing(func(context.Context, events.SQSMessage) error {
		return &batch.PostponedError{By: time.Hour, Cause: errors.New("busy")}
	})
	err := postpone(t.Context(), events.SQSMessage{ReceiptHandle: "of no message"})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 2 {
		t.Errorf("%v", err)
	}
}
