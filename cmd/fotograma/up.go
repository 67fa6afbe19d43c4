package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/web"
)

// stackFlags are the flags of all commands that start the stack.
func stackFlags(cmd *cobra.Command, o *local.Options) {
	flags := cmd.Flags()
	flags.StringVarP(&o.Template, "template", "t", "template.yaml", "the SAM template that the stack is made from")
	flags.StringToStringVarP(&o.Parameters, "parameter", "p", nil, "a parameter of the template: NAME=VALUE, may be repeated")
	flags.StringVar(&o.Functions, "functions", "build/functions", "the folder with the built functions")
	flags.StringVar(&o.DataDir, "data-dir", ".fotograma", "the folder in which everything is kept")
	flags.StringVar(&o.AWSAddr, "aws-addr", "127.0.0.1:4566", "where S3, SQS, DynamoDB and SES listen")
	flags.StringVar(&o.WebAddr, "addr", "127.0.0.1:8080", "where the API and the web app listen")
	offer(cmd, "template", nil, cobra.ShellCompDirectiveDefault)
	folder(cmd, "functions")
	folder(cmd, "data-dir")
	flags.StringVar(&o.ProcessExecutor, "process-executor", local.Programs, "how ProcessFunction runs: process, or docker for its image (make image)")
	o.Endpoint = os.Getenv("AWS_ENDPOINT_URL")
	o.SMTPURL, o.CacheURL = os.Getenv("SMTP_URL"), os.Getenv("CACHE_URL")
	o.TracesTo = os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	o.Web, o.WebHeaders = web.Files(), web.Headers
}

func upCommand() *cobra.Command {
	var o local.Options
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole system on this machine until Ctrl-C",
		Long: `Run the whole system on this machine until Ctrl-C: what template.yaml names, made
from it, without Docker, an account or a network. With --process-executor=docker, the
function that works on videos runs in containers of its image, as on AWS.

Environment:
  AWS_ENDPOINT_URL  use the S3, SQS, DynamoDB, SES, SNS and Secrets Manager of LocalStack,
                    MiniStack, Floci or moto there, with the AWS credentials of the
                    environment, instead of the built-in ones; "aws" for AWS itself
  CACHE_URL         keep what people ask for again and again in this Redis or Valkey:
                    redis://host:6379 or rediss://…; "none" for no cache at all
  OTEL_EXPORTER_OTLP_ENDPOINT
                    send traces to a collector there, such as Jaeger's
                    http://127.0.0.1:4318; else the stack itself takes and shows them
  SMTP_URL          relay mails there: smtp://user:password@host:port or smtps://…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return up(cmd.Context(), o, cmd.ErrOrStderr()) },
	}
	stackFlags(cmd, &o)
	return cmd
}

// stopGrace is how long the stack may take to stop cleanly.
const stopGrace = 3 * time.Second

func up(ctx context.Context, o local.Options, out io.Writer) error {
	o.Output = out
	started := time.Now()
	stack, err := local.Start(ctx, o)
	if err != nil {
		return fmt.Errorf("start the stack: %w", err)
	}
	fmt.Fprintf(out, "\nFotograma is up (%d ms).\n\n%s\nCtrl-C stops it.\n\n", time.Since(started).Milliseconds(), addresses(stack))
	select {
	case <-ctx.Done():
	case err = <-stack.Failed():
	}
	fmt.Fprintln(out, "\nStopping.")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if closeErr := stack.Close(stopping); err == nil {
		err = closeErr
	}
	return err
}

func addresses(s *local.Stack) string {
	text := fmt.Sprintf(`  Web app   %[1]s
  API       %[1]s/v1
  Reference %[1]s/docs/
  Metrics   %[1]s/metrics
`, s.WebURL())
	if s.TracesURL() != "" {
		text += fmt.Sprintf("  Traces    %s\n", s.TracesURL())
	}
	if s.InboxURL() != "" {
		text += fmt.Sprintf("  Mails     %s\n", s.InboxURL())
	}
	if s.AWSURL() != "" {
		text += fmt.Sprintf("  AWS       %s   (S3, SQS, DynamoDB, SES, SNS, Lambda)\n", s.AWSURL())
	}
	return text
}
