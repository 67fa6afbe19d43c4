package local

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Where the stack pretends to be, and who may use it: as LocalStack does.
const (
	Region    = "us-east-1"
	AccountID = "000000000000"
	AccessKey = "test"
	SecretKey = "test"
)

// AWSConfig is the AWS configuration for the built-in services at an address.
func AWSConfig(url string) aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
	}
}

// externalConfig is the AWS configuration of the environment, for the services
// at an address that are not ours. Stand-ins do not care who asks, so that the
// local credentials do where the environment has none.
func externalConfig(ctx context.Context, url string) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithBaseEndpoint(url))
	if err != nil {
		return aws.Config{}, errors.Join(errors.New("read the AWS configuration"), err)
	}
	if cfg.Region == "" {
		cfg.Region = Region
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		cfg.Credentials = credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, "")
	}
	return cfg, nil
}
