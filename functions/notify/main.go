// Command notify is NotifyFunction: it handles the events of the notification
// queue as package notification does.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
)

func main() {
	var cfg notification.Config
	fn := boot.Start(&cfg)
	secrets := secretsmanager.NewFromConfig(fn.AWS)
	store := notification.NewStore(dynamodb.NewFromConfig(fn.AWS), cfg.Table, time.Now)
	queues := sqs.NewFromConfig(fn.AWS)
	service := &notification.Service{
		Store:     store,
		Templates: &notification.Templates{Store: store, Metrics: fn.Metrics, Now: time.Now},
		Sender:    &notification.SES{Client: ses.NewFromConfig(fn.AWS), From: cfg.MailFrom, Set: cfg.MailSet},
		Codes:     &mailcode.Keys{Secrets: secrets, Secret: cfg.MailCodeSecret},
		Unsubscribes: &notification.Unsubscribes{
			Keys:      &mailcode.Keys{Secrets: secrets, Secret: cfg.UnsubscribeSecret},
			WebOrigin: cfg.WebOrigin,
		},
		Webhooks:  &notification.Webhooks{Store: store, Queue: notification.Queue{SQS: queues, URL: cfg.WebhookQueueURL}, Now: time.Now},
		Exports:   export.Writer{S3: s3.NewFromConfig(fn.AWS), Bucket: cfg.ArchivesBucket},
		WebOrigin: cfg.WebOrigin,
		Metrics:   fn.Metrics,
		Now:       time.Now,

		UnverifiedMails: cfg.UnverifiedMails,

		Queue:        notification.Queue{SQS: queues, URL: cfg.QueueURL},
		DigestWindow: time.Duration(cfg.DigestSeconds) * time.Second,
	}
	queue := batch.Queue{SQS: queues, URL: cfg.QueueURL}
	lambda.Start(batch.Handle(queue.Postponing(service.HandleMessage)))
}
