// Command authsweep is AuthSweepFunction: it publishes what is left in the
// outbox of package auth, and goes on with erasures.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/auth"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

func main() {
	var cfg auth.SweepConfig
	fn := boot.Start(&cfg)
	eraser := auth.NewEraser(cfg, dynamodb.NewFromConfig(fn.AWS), sqs.NewFromConfig(fn.AWS), s3.NewFromConfig(fn.AWS), fn.Metrics, time.Now)
	lambda.Start(tracing.Timer("auth sweep", auth.Sweep(eraser)))
}
