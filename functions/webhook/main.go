// Command webhook is WebhookFunction: it brings the messages of the webhook queue to
// people's webhooks, as package notification does.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
)

func main() {
	var cfg notification.DelivererConfig
	fn := boot.Start(&cfg)
	deliverer := &notification.Deliverer{
		Store: notification.NewStore(dynamodb.NewFromConfig(fn.AWS), cfg.Table, time.Now),
		Secrets: &notification.WebhookSecrets{
			Keys: &mailcode.Keys{Secrets: secretsmanager.NewFromConfig(fn.AWS), Secret: cfg.WebhookSecret},
		},
		Client:  notification.NewWebhookClient(cfg.Loopback()),
		Metrics: fn.Metrics,
		Now:     time.Now,
	}
	queue := batch.Queue{SQS: sqs.NewFromConfig(fn.AWS), URL: cfg.QueueURL}
	lambda.Start(batch.Handle(queue.Postponing(deliverer.HandleMessage)))
}
