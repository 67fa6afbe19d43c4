// Command notifications is NotificationsFunction: the routes of package
// notification.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
)

func main() {
	var cfg notification.SettingsConfig
	fn := boot.Start(&cfg)
	api := httpapi.New(httpapi.Config{Origin: cfg.WebOrigin, Metrics: fn.Metrics, Now: time.Now, NewID: boot.NewID})
	notification.Register(api, &notification.Settings{
		Store: notification.NewStore(dynamodb.NewFromConfig(fn.AWS), cfg.Table, time.Now),
		Unsubscribes: &notification.Unsubscribes{
			Keys:      &mailcode.Keys{Secrets: secretsmanager.NewFromConfig(fn.AWS), Secret: cfg.UnsubscribeSecret},
			WebOrigin: cfg.WebOrigin,
		},
	})
	lambda.Start(api.Lambda())
}
