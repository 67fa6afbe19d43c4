package sqs

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

func TestWhatWasInFlightIsReleased(t *testing.T) {
	e := start(t)
	queue, err := e.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	send := func(body string, delay int32) {
		t.Helper()
		_, err := e.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: &body, DelaySeconds: delay})
		if err != nil {
			t.Fatal(err)
		}
	}
	receive := func() (bodies []string) {
		t.Helper()
		out, err := e.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
		}
		return bodies
	}
	send("held", 0)
	if got := receive(); len(got) != 1 {
		t.Fatalf("received %v", got)
	}
	send("delayed", 300)
	if got := receive(); len(got) != 0 {
		t.Fatalf("received %v while one is held and one delayed", got)
	}
	if err := e.server.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := receive(); len(got) != 1 || got[0] != "held" {
		t.Errorf("received %v after the release, want what was held and not what is delayed", got)
	}
}
