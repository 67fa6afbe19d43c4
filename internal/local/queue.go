package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Send sends a message to the queue of a name: at o.Endpoint, else of the running
// stack.
func Send(ctx context.Context, o Options, queue, body string) error {
	cfg, err := Reach(ctx, o)
	if err != nil {
		return err
	}
	client := sqs.NewFromConfig(cfg)
	found, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &queue})
	if _, missing := errors.AsType[*types.QueueDoesNotExist](err); missing {
		return fmt.Errorf("there is no queue %s in region %s", queue, cfg.Region)
	}
	if err != nil {
		return fmt.Errorf("find queue %s: %w", queue, err)
	}
	if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: found.QueueUrl, MessageBody: aws.String(body)}); err != nil {
		return fmt.Errorf("send to queue %s: %w", queue, err)
	}
	return nil
}
