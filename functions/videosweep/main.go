// Command videosweep is VideoSweepFunction: see video.Service.Sweep.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/tracing"
	"github.com/fotograma/fotograma/internal/video"
)

func main() {
	var cfg video.Config
	fn := boot.Start(&cfg)
	service := video.New(cfg, dynamodb.NewFromConfig(fn.AWS), sqs.NewFromConfig(fn.AWS), s3.NewFromConfig(fn.AWS), fn.Metrics, time.Now, boot.NewID)
	lambda.Start(tracing.Timer("video sweep", service.Sweep))
}
