// Command processsweep is ProcessSweepFunction: it sweeps the outbox and the expired
// archives, and goes on with erasures; see
// processing.Control.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/tracing"
	"github.com/fotograma/fotograma/internal/processing"
)

func main() {
	var cfg processing.Config
	fn := boot.Start(&cfg)
	aws := processing.AWS{DB: dynamodb.NewFromConfig(fn.AWS), S3: s3.NewFromConfig(fn.AWS), Q: sqs.NewFromConfig(fn.AWS)}
	control := processing.NewControl(cfg, aws, fn.Metrics, time.Now, boot.NewID)
	lambda.Start(tracing.Timer("processing sweep", control.Sweep))
}
