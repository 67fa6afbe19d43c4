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
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/pkg/client"
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
	log  string // path of the stack's log
	up   *exec.Cmd
	gone chan error
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
	s.up = exec.CommandContext(ctx, filepath.Join(s.root, "bin", "fotograma")) //nolint:gosec // what make build has made
	s.up.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+endpoint, "AWS_REGION="+local.Region,
		"AWS_ACCESS_KEY_ID="+local.AccessKey, "AWS_SECRET_ACCESS_KEY="+local.SecretKey)
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
	web, err := listen(ctx)
	if err != nil {
		return err
	}
	address := web.Addr().String()
	if err := web.Close(); err != nil {
		return fmt.Errorf("give the port back: %w", err)
	}
	s.web = "http://" + address
	all := map[string]string{
		"MaxVideosPerMinute": "100000", "MaxVideosPerDay": "100000", "MaxVideosAtOnce": "100000", "MaxMinutesPerDay": "1000000",
		"LoginsPerNetwork": "100000", "RegistrationsPerNetwork": "100000",
	}
	maps.Copy(all, parameters)
	args := []string{"fotograma", "up", "--addr", address, "--data-dir", filepath.Join(s.dir, "data"), "-t", template, "--functions", functions}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-p", name+"="+all[name])
	}
	log, err := os.Create(s.log)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer log.Close()
	s.up.Args, s.up.Dir = args, s.root
	s.up.Stdout, s.up.Stderr = log, log
	s.up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.up.Start(); err != nil {
		return fmt.Errorf("start the stack (make build?): %w", err)
	}
	s.gone = make(chan error, 1)
	go func() { s.gone <- s.up.Wait() }()
	s.ends = append(s.ends, func() error {
		return errors.Join(syscall.Kill(-s.up.Process.Pid, syscall.SIGINT), <-s.gone)
	})
	return s.until(ctx, time.Minute, "the stack answers", func(ctx context.Context) (bool, error) {
		return s.client().Health(ctx) == nil, nil
	})
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
