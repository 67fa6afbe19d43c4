// Package boot is what every function does before its first event: read its
// configuration from the environment, set up logs, metrics and traces, and reach AWS.
package boot

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/caarlos0/env/v11"
	"github.com/google/uuid"

	"github.com/fotograma/fotograma/internal/platform/cost"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Common is the part of the environment that all functions have.
type Common struct {
	LogLevel         slog.Level `env:"LOG_LEVEL" envDefault:"INFO"`
	MetricsNamespace string     `env:"METRICS_NAMESPACE" envDefault:"Fotograma"`
	FunctionName     string     `env:"AWS_LAMBDA_FUNCTION_NAME"`

	Tracing tracing.Config
}

// Function is what a function starts with.
type Function struct {
	AWS     aws.Config
	Calls   *cost.Meter // counts what clients of AWS ask
	Metrics *metrics.Recorder
}

// Start reads the environment into cfg, whose fields carry env tags (see
// github.com/caarlos0/env), and makes the rest. A variable that is missing or
// cannot be read ends the process: Lambda then reports an init failure that
// names it.
func Start(cfg any) Function {
	var common Common
	for _, part := range []any{&common, cfg} {
		if err := env.Parse(part); err != nil {
			fail("read the environment", err)
		}
	}
	slog.SetDefault(logging.New(os.Stdout, common.LogLevel))

	awsConfig, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		fail("configure AWS", err)
	}
	// What is read from S3 in ranges has no checksum of its own, and the SDK would
	// log so for each of them; whole files are checked against their SHA-256.
	awsConfig.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	fn := Function{
		Calls:   &cost.Meter{},
		Metrics: metrics.New(os.Stdout, common.MetricsNamespace, time.Now),
	}
	fn.Calls.Attach(&awsConfig)
	if common.Tracing.Endpoint != "" {
		if err := tracing.Setup(context.Background(), common.Tracing, common.FunctionName); err != nil {
			fail("set tracing up", err)
		}
		tracing.Attach(&awsConfig)
	}
	fn.AWS = awsConfig
	metrics.Record(fn.Metrics, metrics.ByFunction{Function: common.FunctionName}, metrics.ColdStarts.Of(1))
	return fn
}

// Must ends the process when a function cannot be wired.
func Must[T any](value T, err error) T {
	if err != nil {
		fail("wire the function", err)
	}
	return value
}

// NewID makes a UUID version 7 (RFC 9562): unique, and sorted by time.
func NewID() string {
	return uuid.Must(uuid.NewV7()).String()
}

func fail(doing string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", doing, err)
	os.Exit(1)
}
