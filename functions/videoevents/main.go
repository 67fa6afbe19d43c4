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
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/video"
)

func main() {
	var cfg video.ListenerConfig
	fn := boot.Start(&cfg)
	objects := s3.NewFromConfig(fn.AWS)
	listener := &video.Listener{
		Service: video.New(cfg.Config, dynamodb.NewFromConfig(fn.AWS), sqs.NewFromConfig(fn.AWS), objects, fn.Metrics, time.Now, boot.NewID),
		Exports: export.Writer{S3: objects, Bucket: cfg.ArchivesBucket},
	}
	lambda.Start(batch.Handle(listener.HandleMessage))
}
