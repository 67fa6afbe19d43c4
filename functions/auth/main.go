// Command auth is AuthFunction: the routes of package auth.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/auth"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
)

func main() {
	var cfg auth.Config
	fn := boot.Start(&cfg)
	service := boot.Must(auth.New(cfg, dynamodb.NewFromConfig(fn.AWS), sqs.NewFromConfig(fn.AWS),
		s3.NewFromConfig(fn.AWS), secretsmanager.NewFromConfig(fn.AWS), fn.Metrics, time.Now, boot.NewID))

	api := httpapi.New(httpapi.Config{Origin: cfg.WebOrigin, EdgeSecret: cfg.EdgeSecret, Metrics: fn.Metrics, Now: time.Now, NewID: boot.NewID})
	auth.Register(api, service)
	lambda.Start(api.Lambda())
}
