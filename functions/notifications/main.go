// Command notifications is NotificationsFunction: the routes of package
// notification.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
)

func main() {
	var cfg notification.SettingsConfig
	fn := boot.Start(&cfg)
	api := httpapi.New(httpapi.Config{Origin: cfg.WebOrigin, Metrics: fn.Metrics, Now: time.Now, NewID: boot.NewID})
	secrets := secretsmanager.NewFromConfig(fn.AWS)
	store := notification.NewStore(dynamodb.NewFromConfig(fn.AWS), cfg.Table, time.Now)
	notification.Register(api, &notification.Settings{
		Store: store,
		Unsubscribes: &notification.Unsubscribes{
			Keys:      &mailcode.Keys{Secrets: secrets, Secret: cfg.UnsubscribeSecret},
			WebOrigin: cfg.WebOrigin,
		},
		Secrets: &notification.WebhookSecrets{Keys: &mailcode.Keys{Secrets: secrets, Secret: cfg.WebhookSecret}},
		Webhooks: &notification.Webhooks{
			Store: store, Queue: notification.Queue{SQS: sqs.NewFromConfig(fn.AWS), URL: cfg.WebhookQueueURL}, Now: time.Now,
		},
		NewID:    boot.NewID,
		Now:      time.Now,
		Loopback: cfg.Loopback(),
	})
	lambda.Start(api.Lambda())
}
