package local

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
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

// RealAWS is the endpoint that stands for AWS itself, where each service has an
// address of its own.
const RealAWS = "aws"

// externalConfig is the AWS configuration of the environment, for services that
// are not ours: at an address, or AWS itself. Stand-ins do not care who asks, so
// that the local credentials do where the environment has none.
func externalConfig(ctx context.Context, endpoint string) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{config.WithDefaultRegion(Region)}
	if endpoint != RealAWS {
		options = append(options, config.WithBaseEndpoint(endpoint))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if endpoint == RealAWS {
		cfg.BaseEndpoint = nil
	} else if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		cfg.Credentials = credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, "")
	}
	return cfg, nil
}

// Reach gives the AWS configuration of o.Endpoint, else of the running stack.
func Reach(ctx context.Context, o Options) (aws.Config, error) {
	if o.Endpoint != "" {
		return externalConfig(ctx, o.Endpoint)
	}
	if !listens(ctx, o.AWSAddr) {
		return aws.Config{}, fmt.Errorf("no stack runs at %s: start one by “fotograma up”, or set AWS_ENDPOINT_URL", o.AWSAddr)
	}
	return AWSConfig("http://" + o.AWSAddr), nil
}

// accountOf asks whose account the credentials are of.
func accountOf(ctx context.Context, cfg aws.Config) (string, error) {
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("ask for the AWS account: %w", err)
	}
	return aws.ToString(identity.Account), nil
}
