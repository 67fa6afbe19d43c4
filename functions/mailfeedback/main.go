// Command mailfeedback is MailFeedbackFunction: it hears which mails bounce or are
// called spam, as package notification does.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/boot"
)

func main() {
	var cfg notification.FeedbackConfig
	fn := boot.Start(&cfg)
	feedback := &notification.Feedback{
		Store:   notification.NewStore(dynamodb.NewFromConfig(fn.AWS), cfg.Table, time.Now),
		Metrics: fn.Metrics,
	}
	lambda.Start(batch.Handle(feedback.HandleMessage))
}
