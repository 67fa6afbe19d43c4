package sns_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/fotograma/fotograma/internal/local/sns"
)

// open gives a client of a server, and what its queues get.
func open(t *testing.T) (client *sdk.Client, sent *[]string) {
	t.Helper()
	sent = &[]string{}
	server := httptest.NewServer(sns.New(sns.Options{
		Region: "us-east-1", AccountID: "000000000000",
		Send: func(_ context.Context, queue, body string) error {
			if queue == "broken" {
				return errors.New("no such queue")
			}
			*sent = append(*sent, queue+" "+body)
			return nil
		},
	}))
	t.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""), RetryMaxAttempts: 1,
	}), sent
}

func TestAMessageGoesToTheTopicsQueues(t *testing.T) {
	client, sent := open(t)
	var topic string
	for range 2 { // again it is the same
		out, err := client.CreateTopic(t.Context(), &sdk.CreateTopicInput{Name: aws.String("feedback")})
		if err != nil {
			t.Fatal(err)
		}
		topic = *out.TopicArn
	}
	for _, queue := range []string{"raw", "raw", "wrapped"} {
		_, err := client.Subscribe(t.Context(), &sdk.SubscribeInput{
			TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: aws.String(queue),
			Attributes: map[string]string{"RawMessageDelivery": map[bool]string{true: "true", false: "false"}[queue == "raw"]},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Publish(t.Context(), &sdk.PublishInput{TopicArn: &topic, Message: aws.String(`{"a":1}`)}); err != nil {
		t.Fatal(err)
	}
	if len(*sent) != 2 || !slices.Contains(*sent, `raw {"a":1}`) || !strings.Contains((*sent)[1], `"Message":"{\"a\":1}"`) {
		t.Errorf("sent %q", *sent)
	}
}

func TestWhatCannotBeDoneIsAnError(t *testing.T) {
	client, _ := open(t)
	_, err := client.Publish(t.Context(), &sdk.PublishInput{TopicArn: aws.String("arn:aws:sns:us-east-1:000000000000:none"), Message: aws.String("m")})
	if _, none := errors.AsType[*types.NotFoundException](err); !none {
		t.Errorf("to no topic: %v", err)
	}
	out, err := client.CreateTopic(t.Context(), &sdk.CreateTopicInput{Name: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	subscribe := func(protocol, endpoint string) error {
		_, err := client.Subscribe(t.Context(), &sdk.SubscribeInput{TopicArn: out.TopicArn, Protocol: &protocol, Endpoint: &endpoint})
		return err
	}
	if err := subscribe("email", "ana@example.com"); err == nil || !strings.Contains(err.Error(), "only sqs") {
		t.Errorf("by mail: %v", err)
	}
	if err := subscribe("sqs", "broken"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Publish(t.Context(), &sdk.PublishInput{TopicArn: out.TopicArn, Message: aws.String("m")}); err == nil {
		t.Error("a queue that takes nothing is no error")
	}
	if _, err := client.ListTopics(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "ListTopics") {
		t.Errorf("what is not built: %v", err)
	}
}
