package batch_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/platform/batch"
)

func TestOnlyWhatFailedComesAgain(t *testing.T) {
	handle := batch.Handle(func(_ context.Context, m events.SQSMessage) error {
		switch m.Body {
		case "fails":
			return errors.New("no")
		case "panics":
			panic("no")
		}
		return nil
	})
	got, err := handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
		{MessageId: "1", Body: "works"}, {MessageId: "2", Body: "fails"}, {MessageId: "3", Body: "panics"}, {MessageId: "4", Body: "works"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: "2"}, {ItemIdentifier: "3"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Lambda takes a missing list for "all failed"; an empty one says "none".
func TestNoFailureIsAnEmptyList(t *testing.T) {
	handle := batch.Handle(func(context.Context, events.SQSMessage) error { return nil })
	got, err := handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1"}}})
	if err != nil || got.BatchItemFailures == nil || len(got.BatchItemFailures) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}
