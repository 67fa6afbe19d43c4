// Package cost estimates what work costs on AWS: the memory that a function holds
// for a time, and the requests that it makes. docs/metrics.md has the formula and
// says what is left out.
package cost

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
)

// Prices are in US dollars. The defaults are those of us-east-1, on demand, as of
// November 2025: other regions, architectures and contracts have others.
type Prices struct {
	GBSecond       float64 `env:"PRICE_GB_SECOND" envDefault:"0.0000133334"` // of Lambda, arm64
	Invocation     float64 `env:"PRICE_INVOCATION" envDefault:"0.0000002"`
	S3Write        float64 `env:"PRICE_S3_WRITE" envDefault:"0.000005"` // PUT, COPY, POST, LIST
	S3Read         float64 `env:"PRICE_S3_READ" envDefault:"0.0000004"`
	SQSRequest     float64 `env:"PRICE_SQS_REQUEST" envDefault:"0.0000004"`
	DynamoDBWrite  float64 `env:"PRICE_DYNAMODB_WRITE" envDefault:"0.000000625"`
	DynamoDBRead   float64 `env:"PRICE_DYNAMODB_READ" envDefault:"0.000000125"`
	SecretsRequest float64 `env:"PRICE_SECRETS_REQUEST" envDefault:"0.000005"`
}

// Calls are requests that were made, by how they are billed.
type Calls struct {
	S3Writes, S3Reads             int64
	SQS                           int64
	DynamoDBWrites, DynamoDBReads int64
	Secrets                       int64
}

// Of estimates what an invocation costs, in US dollars: one that held so many MB of
// memory for so long, and made the calls.
func (p Prices) Of(held time.Duration, megabytes int64, c Calls) float64 {
	const megabytesOfGB = 1024
	return p.Invocation +
		p.GBSecond*held.Seconds()*float64(megabytes)/megabytesOfGB +
		p.S3Write*float64(c.S3Writes) + p.S3Read*float64(c.S3Reads) +
		p.SQSRequest*float64(c.SQS) +
		p.DynamoDBWrite*float64(c.DynamoDBWrites) + p.DynamoDBRead*float64(c.DynamoDBReads) +
		p.SecretsRequest*float64(c.Secrets)
}

// Meter counts the requests of the AWS clients of one process. It may be used by
// several goroutines at once; a nil one counts nothing.
type Meter struct {
	s3Writes, s3Reads, sqs, writes, reads, secrets atomic.Int64
}

// Attach has the clients that are made of a configuration count.
func (m *Meter) Attach(cfg *aws.Config) {
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("CountCalls", m.count), middleware.After)
	})
}

func (m *Meter) count(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	middleware.InitializeOutput, middleware.Metadata, error,
) {
	m.add(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), in.Parameters)
	return next.HandleInitialize(ctx, in)
}

func (m *Meter) add(service, operation string, parameters any) {
	switch service {
	case "S3":
		m.addS3(operation)
	case "SQS":
		m.sqs.Add(1)
	case "DynamoDB":
		m.addDynamoDB(operation, parameters)
	case "Secrets Manager":
		m.secrets.Add(1)
	}
}

// addS3 knows that deleting and aborting are free.
func (m *Meter) addS3(operation string) {
	switch operation {
	case "GetObject", "HeadObject":
		m.s3Reads.Add(1)
	case "DeleteObject", "DeleteObjects", "AbortMultipartUpload":
	default:
		m.s3Writes.Add(1)
	}
}

// addDynamoDB takes each item for one of the smallest: a unit is 1 KB written or
// 4 KB read, and in a transaction each write counts twice.
func (m *Meter) addDynamoDB(operation string, parameters any) {
	switch operation {
	case "GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems":
		m.reads.Add(1)
	case "TransactWriteItems":
		if in, ok := parameters.(*dynamodb.TransactWriteItemsInput); ok {
			m.writes.Add(2 * int64(len(in.TransactItems)))
		}
	case "BatchWriteItem":
		if in, ok := parameters.(*dynamodb.BatchWriteItemInput); ok {
			for _, items := range in.RequestItems {
				m.writes.Add(int64(len(items)))
			}
		}
	default:
		m.writes.Add(1)
	}
}

// Take gives the calls since it was last asked.
func (m *Meter) Take() Calls {
	if m == nil {
		return Calls{}
	}
	return Calls{
		S3Writes: m.s3Writes.Swap(0), S3Reads: m.s3Reads.Swap(0), SQS: m.sqs.Swap(0),
		DynamoDBWrites: m.writes.Swap(0), DynamoDBReads: m.reads.Swap(0), Secrets: m.secrets.Swap(0),
	}
}
