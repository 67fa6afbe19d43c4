// Command authorizer is AuthorizerFunction: see auth.Authorizer.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/fotograma/fotograma/internal/auth"
	"github.com/fotograma/fotograma/internal/platform/boot"
)

func main() {
	var cfg auth.AuthorizerConfig
	fn := boot.Start(&cfg)
	authorizer := auth.NewAuthorizer(cfg, dynamodb.NewFromConfig(fn.AWS), secretsmanager.NewFromConfig(fn.AWS), time.Now)
	lambda.Start(authorizer.Handle)
}
