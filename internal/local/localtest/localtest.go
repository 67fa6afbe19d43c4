// Package localtest gives tests the local AWS services, with everything in them
// that template.yaml names.
package localtest

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/internal/local/provision"
	"github.com/fotograma/fotograma/internal/local/sam"
)

// AWS is one test's AWS.
type AWS struct {
	Config   aws.Config
	Template *sam.Template
	URL      string
}

// Start starts the services for one test, which ends them. Tests that use it
// cannot run side by side in one process: there can be one S3.
func Start(t testing.TB) *AWS {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	endpoints, err := local.OpenEndpoints(t.TempDir(), url, "", log)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = endpoints
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := endpoints.Close(); err != nil {
			t.Error(err)
		}
	})

	template, err := sam.Load(sam.Config{Path: filepath.Join(root(), "template.yaml"), QueueBaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	config := local.AWSConfig(url)
	if err := provision.Apply(t.Context(), config, template, log); err != nil {
		t.Fatal(err)
	}
	return &AWS{Config: config, Template: template, URL: url}
}

// Env gives the environment that the template gives a function.
func (a *AWS) Env(t testing.TB, function string) map[string]string {
	t.Helper()
	for _, f := range a.Template.Functions {
		if f.LogicalID == function {
			return f.Environment
		}
	}
	t.Fatalf("the template has no %s", function)
	return nil
}

// Media reads a file of testdata/media. S3 changes the working directory, so
// paths relative to a test do not hold while its AWS runs.
func Media(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(), "testdata", "media", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// root is the repository's folder.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Drain takes all visible messages out of a queue, and gives their bodies.
func Drain(t testing.TB, client *sqs.Client, queueURL string) []string {
	t.Helper()
	ctx := context.Background() // also for cleaning up, when the test's has ended
	var bodies []string
	for {
		attributes, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &queueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages},
		})
		if err != nil {
			t.Fatal(err)
		}
		if attributes.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)] == "0" {
			return bodies
		}
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queueURL, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			if _, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &queueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
