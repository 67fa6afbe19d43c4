// Command projector is ProjectorFunction: it writes the read model of package
// status.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/boot"
	"github.com/fotograma/fotograma/internal/status"
)

func main() {
	var cfg status.ProjectorConfig
	fn := boot.Start(&cfg)
	projector := &status.Projector{Store: &status.Store{DB: dynamodb.NewFromConfig(fn.AWS), Table: cfg.Table}}
	lambda.Start(batch.Handle(projector.HandleMessage))
}
