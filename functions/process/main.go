// Command process is ProcessFunction: the worker of package processing, in a
// container image with FFmpeg's libraries.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/processing"
)

func main() {
	var cfg processing.WorkerConfig
	fn := boot.Start(&cfg)
	aws := processing.AWS{DB: dynamodb.NewFromConfig(fn.AWS), S3: s3.NewFromConfig(fn.AWS), Q: sqs.NewFromConfig(fn.AWS), Calls: fn.Calls}
	engine := boot.Must(frames.New(frames.Config{Program: cfg.FramesProgram, Limits: cfg.Limits()}))
	worker := processing.NewWorker(cfg, aws, engine, fn.Metrics, time.Now, boot.NewID)
	lambda.Start(batch.Handle(worker.HandleMessage))
}
