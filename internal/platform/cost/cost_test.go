package cost_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/caarlos0/env/v11"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/platform/cost"
)

func TestWorkCostsItsMemoryAndItsCalls(t *testing.T) {
	p := cost.Prices{
		GBSecond: 1, Invocation: 1000, S3Write: 1e4, S3Read: 1e5, SQSRequest: 1e6, DynamoDBWrite: 1e7, DynamoDBRead: 1e8, SecretsRequest: 1e9,
	}
	got := p.Of(10*time.Second, 2048, cost.Calls{S3Writes: 1, S3Reads: 2, SQS: 3, DynamoDBWrites: 4, DynamoDBReads: 5, Secrets: 6})
	if want := 6_543_211_020.0; math.Abs(got-want) > 1 {
		t.Errorf("%f, want %f", got, want)
	}
}

func TestPricesComeFromTheEnvironment(t *testing.T) {
	var p cost.Prices
	if err := env.ParseWithOptions(&p, env.Options{Environment: map[string]string{"PRICE_GB_SECOND": "0.5"}}); err != nil {
		t.Fatal(err)
	}
	if p.GBSecond != 0.5 || p.S3Write != 0.000005 {
		t.Errorf("%+v", p)
	}
}

// unreachable is an endpoint that calls do not come to.
type unreachable struct{}

func (unreachable) Do(*http.Request) (*http.Response, error) { return nil, errors.New("no network") }

func TestCallsAreCountedAsTheyAreBilled(t *testing.T) {
	var m cost.Meter
	cfg := aws.Config{
		Region: "us-east-1", HTTPClient: unreachable{}, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	m.Attach(&cfg)
	db, objects, queues, secrets := dynamodb.NewFromConfig(cfg), s3.NewFromConfig(cfg), sqs.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg)
	ctx, name := context.Background(), aws.String("x")
	item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}}
	put := types.TransactWriteItem{Put: &types.Put{TableName: name, Item: item}}
	for _, call := range []func() error{
		func() error {
			_, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: name})
			return err
		},
		func() error { _, err := objects.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name}); return err },
		func() error {
			_, err := objects.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: name})
			return err
		},
		func() error {
			_, err := objects.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: name})
			return err
		},
		func() error {
			_, err := queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: name, MessageBody: name})
			return err
		},
		func() error {
			_, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: name, Key: item})
			return err
		},
		func() error {
			_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: name, Item: item})
			return err
		},
		func() error {
			_, err := db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{put, put}})
			return err
		},
		func() error {
			_, err := db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
				"x": {{PutRequest: &types.PutRequest{Item: item}}, {PutRequest: &types.PutRequest{Item: item}}, {PutRequest: &types.PutRequest{Item: item}}},
			}})
			return err
		},
		func() error {
			_, err := secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: name})
			return err
		},
	} {
		if call() == nil {
			t.Fatal("a call that came through")
		}
	}
	want := cost.Calls{S3Writes: 2, S3Reads: 1, SQS: 1, DynamoDBWrites: 1 + 2*2 + 3, DynamoDBReads: 1, Secrets: 1}
	if diff := cmp.Diff(want, m.Take()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(cost.Calls{}, m.Take()); diff != "" {
		t.Errorf("taken twice: %s", diff)
	}
}
