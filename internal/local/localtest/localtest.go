// Package localtest gives tests the local AWS services, with everything in them
// that template.yaml names.
package localtest

import (
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

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

	template, err := sam.Load(sam.Config{Path: templatePath(), QueueBaseURL: url})
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

// templatePath finds template.yaml from wherever the test runs.
func templatePath() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "template.yaml")
}
