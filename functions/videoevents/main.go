// Command videoevents is VideoEventsFunction: it handles the events of the video
// events queue; see video.Listener.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/video"
)

func main() {
	var cfg video.ListenerConfig
	fn := boot.Start(&cfg)
	listener := video.NewListener(cfg, dynamodb.NewFromConfig(fn.AWS), sqs.NewFromConfig(fn.AWS), s3.NewFromConfig(fn.AWS), fn.Metrics, time.Now, boot.NewID)
	lambda.Start(batch.Handle(listener.HandleMessage))
}
