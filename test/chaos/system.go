package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/pkg/client"
	"github.com/fotograma/fotograma/test/measuring"
)

// system is a running `fotograma up` whose AWS services are in this process, behind
// the layer. What this program asks itself goes past the layer.
type system struct {
	root  string // of the repository
	dir   string // of all that it writes
	web   string // URL of the API
	layer *layer

	url  string // of the services, past the layer, as of these clients
	s3   *s3.Client
	sqs  *sqs.Client
	db   *dynamodb.Client
	log  string         // path of the stack's log
	env  []string       // of the stack: where the layer is
	ends []func() error // in the order in which things were opened
}

// settings is how a scenario's system differs.
type settings struct {
	parameters map[string]string // of the template
	visible    string            // seconds after which messages of a worker come again that has not said that it has them; empty for the template's
	functions  func(ctx context.Context, s *system) (dir string, err error)
	data       func(s *system, dir string) error // prepares the folder of the AWS services
}

// startSystem starts it, with all that it writes in dir; it is ready when this returns.
func startSystem(ctx context.Context, root, dir string, set settings) (*system, error) {
	s := &system{root: root, dir: dir, log: filepath.Join(dir, "stack.log")}
	err := s.start(ctx, set)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *system) start(ctx context.Context, set settings) error {
	if err := s.openAWS(ctx, set); err != nil {
		return err
	}
	functions := filepath.Join(s.root, "build", "functions")
	if set.functions != nil {
		var err error
		if functions, err = set.functions(ctx, s); err != nil {
			return err
		}
	}
	template, err := s.template(set)
	if err != nil {
		return err
	}
	return s.startStack(ctx, template, functions, set.parameters)
}

// openAWS opens the AWS services and serves them twice: behind the layer and past it.
func (s *system) openAWS(ctx context.Context, set settings) error {
	data := filepath.Join(s.dir, "aws")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if set.data != nil {
		if err := set.data(s, data); err != nil {
			return err
		}
	}
	behind, err := listen(ctx)
	if err != nil {
		return err
	}
	past, err := listen(ctx)
	if err != nil {
		return err
	}
	endpoint := "http://" + behind.Addr().String()
	endpoints, err := local.OpenEndpoints(data, endpoint, "", slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("open the AWS services: %w", err)
	}
	s.ends = append(s.ends, endpoints.Close)
	s.layer = &layer{next: endpoints}
	s.url = "http://" + past.Addr().String()
	config := local.AWSConfig(s.url)
	s.s3 = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	s.sqs, s.db = sqs.NewFromConfig(config), dynamodb.NewFromConfig(config)
	s.serve(behind, s.layer)
	s.serve(past, endpoints)
	s.env = []string{
		"AWS_ENDPOINT_URL=" + endpoint, "AWS_REGION=" + local.Region,
		"AWS_ACCESS_KEY_ID=" + local.AccessKey, "AWS_SECRET_ACCESS_KEY=" + local.SecretKey,
	}
	return nil
}

func listen(ctx context.Context) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("look for a port: %w", err)
	}
	return l, nil
}

func (s *system) serve(l net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: time.Minute, ConnContext: withConnection,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func() { _ = server.Serve(l) }()
	s.ends = append(s.ends, server.Close)
}

func (s *system) startStack(ctx context.Context, template, functions string, parameters map[string]string) error {
	all := append(slices.Clone(measuring.Unlimited), "DigestSeconds=20") // which must be over when all is at rest
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		all = append(all, name+"="+parameters[name])
	}
	stack, err := measuring.StartStack(ctx, measuring.StackOptions{
		Root: s.root, Dir: s.dir, Functions: functions, Parameters: all, Flags: []string{"--template", template}, Env: s.env,
	})
	if err != nil {
		return err
	}
	s.web = stack.Web
	s.ends = append(s.ends, stack.Stop)
	return nil
}

// stop ends the stack and the services.
func (s *system) stop() error {
	var errs []error
	for _, end := range slices.Backward(s.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// until waits until done is true, or gives an error that says what was waited for.
func (s *system) until(ctx context.Context, patience time.Duration, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("after %s it is still not so that %s", patience, what))
	defer cancel()
	for {
		ok, err := done(ctx)
		if ok && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *system) client() *client.Client { return client.New(s.web) }

// The timeouts of the worker and of its queues.
var (
	workerTimeout  = regexp.MustCompile(`\bTimeout: 900\b`)
	longVisibility = regexp.MustCompile(`\bVisibilityTimeout: 5400\b`)
)

// template gives the path of the template that the stack is made from.
func (s *system) template(set settings) (string, error) {
	path := filepath.Join(s.root, "template.yaml")
	if set.visible == "" {
		return path, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the template: %w", err)
	}
	if !workerTimeout.Match(text) || !longVisibility.Match(text) {
		return "", errors.New("the template has other timeouts of the worker and its queues")
	}
	changed := longVisibility.ReplaceAll(text, []byte("VisibilityTimeout: "+set.visible))
	changed = workerTimeout.ReplaceAll(changed, []byte("Timeout: "+set.visible))
	// Paths in it are relative to it, but the stack does not read them.
	path = filepath.Join(s.dir, "template.yaml")
	return path, os.WriteFile(path, changed, 0o600) //nolint:gosec // in a folder of our own
}
