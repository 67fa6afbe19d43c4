// Command projector is ProjectorFunction: it writes the read model of package
// status, and erases and writes down what is in it of people.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/cache"
	"github.com/fotograma/fotograma/internal/status"
)

func main() {
	var cfg status.ProjectorConfig
	fn := boot.Start(&cfg)
	projector := status.NewProjector(
		cfg, dynamodb.NewFromConfig(fn.AWS), sqs.NewFromConfig(fn.AWS), s3.NewFromConfig(fn.AWS),
		boot.Must(cache.Open(cfg.CacheURL, cfg.Table)), time.Now, boot.NewID,
	)
	lambda.Start(batch.Handle(projector.HandleMessage))
}
