// Command video is VideoFunction: the routes of package video.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/video"
)

func main() {
	var cfg video.Config
	fn := boot.Start(&cfg)
	service := video.New(cfg, dynamodb.NewFromConfig(fn.AWS), sqs.NewFromConfig(fn.AWS), s3.NewFromConfig(fn.AWS), fn.Metrics, time.Now, boot.NewID)

	api := httpapi.New(httpapi.Config{Origin: cfg.WebOrigin, Metrics: fn.Metrics, Now: time.Now, NewID: boot.NewID})
	video.Register(api, service)
	lambda.Start(api.Lambda())
}
