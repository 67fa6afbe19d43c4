// Package local is Fotograma's stack on one machine: what template.yaml names,
// made from it, in one process, without Docker, an account or a network. The
// functions are the real binaries, run as Lambda runs them; S3, SQS, DynamoDB,
// SES, SNS and Secrets Manager speak AWS' own protocols.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/term"

	"github.com/fotograma/fotograma/internal/local/eventsource"
	"github.com/fotograma/fotograma/internal/local/gateway"
	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/metrics"
	"github.com/fotograma/fotograma/internal/local/provision"
	"github.com/fotograma/fotograma/internal/local/sam"
	"github.com/fotograma/fotograma/internal/local/schedule"
	"github.com/fotograma/fotograma/internal/local/ses"
	"github.com/fotograma/fotograma/internal/local/traces"
	catalogue "github.com/fotograma/fotograma/internal/platform/metrics"
)

// InboxPath is where the mails are shown, at the address of the AWS services.
const InboxPath = ses.InboxPath

// How ProcessFunction, which is a container image on AWS, can be run.
const (
	Programs = "process" // as a process of this machine, like all others
	Docker   = "docker"  // in a container of its image
)

// Options says how to run the stack.
type Options struct {
	Template   string            // path of the SAM template
	Parameters map[string]string // of the template
	Functions  string            // folder with the functions' programs, named as their folders
	DataDir    string            // folder in which everything is kept; made if need be
	AWSAddr    string            // "127.0.0.1:4566": where the AWS services listen
	WebAddr    string            // "127.0.0.1:8080": where the API and the web app listen
	Web        fs.FS             // the web app's files

	// WebHeaders gives the headers that they are served with, for the address of
	// S3.
	WebHeaders func(storage string) map[string]string

	// Endpoint is the address of AWS services to use instead of the built-in
	// ones, or RealAWS for AWS itself; empty for the built-in ones.
	Endpoint string

	// ProcessExecutor says how ProcessFunction is run: Programs or Docker; empty
	// for Programs.
	ProcessExecutor string

	// CacheURL is the template's CacheUrl; empty for none.
	CacheURL string

	// TracesTo is the collector that spans are sent to, by OTLP over HTTP; empty for
	// the built-in one, which shows them at TracesURL.
	TracesTo string

	SMTPURL string // relays mails; empty for the inbox only

	Output io.Writer // logs, for a person
	Quiet  bool      // only warnings and errors
}

func (o Options) log() *slog.Logger {
	level := slog.LevelInfo
	if o.Quiet {
		level = slog.LevelWarn
	}
	return slog.New(slog.NewTextHandler(o.Output, &slog.HandlerOptions{Level: level}))
}

// absolute makes the folders' paths absolute: S3 changes the working directory.
func (o Options) absolute() (Options, error) {
	for _, path := range []*string{&o.Template, &o.Functions, &o.DataDir} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return o, fmt.Errorf("find %s: %w", *path, err)
		}
		*path = absolute
	}
	return o, nil
}

// Stack is a running stack.
type Stack struct {
	options  Options
	log      *slog.Logger
	template *sam.Template
	aws      aws.Config
	account  string // the AWS account's ID
	url      string // of the AWS services; empty for AWS itself

	endpoints *Endpoints // nil if they are not ours
	host      *lambda.Host
	metrics   *metrics.Metrics

	background context.Context //nolint:containedctx // what runs until Close
	cancel     context.CancelFunc
	running    sync.WaitGroup
	failed     chan error
	closers    []func(context.Context) error // in the order in which they were opened
}

// Start starts the stack; it is ready when Start returns. An error leaves
// nothing running.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s, err := newStack(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		return nil, errors.Join(err, s.Close(closing))
	}
	return s, nil
}

func newStack(ctx context.Context, o Options) (*Stack, error) {
	o, err := o.absolute()
	if err != nil {
		return nil, err
	}
	s := &Stack{options: o, log: o.log(), failed: make(chan error, 1)}
	s.background, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		s.openData, s.reachAWS, s.loadTemplate, s.openAWS, s.startHost, s.serveAWS, s.provision, s.serveWeb, s.startSources, s.startSchedules,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// WebURL is the address of the API and the web app.
func (s *Stack) WebURL() string { return "http://" + s.options.WebAddr }

// AWSURL is the address of the AWS services.
func (s *Stack) AWSURL() string { return s.url }

// InboxURL is where the mails are shown; empty if SES is not ours.
func (s *Stack) InboxURL() string {
	if s.endpoints == nil {
		return ""
	}
	return s.url + InboxPath
}

// TracesURL is where traces are shown; empty if they go elsewhere.
func (s *Stack) TracesURL() string {
	if s.options.TracesTo != "" {
		return ""
	}
	return s.WebURL() + traces.Path
}

// Failed tells of what ended the stack by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

// Close stops the stack within ctx: first what brings work, then the functions,
// then what they write to.
func (s *Stack) Close(ctx context.Context) error {
	s.cancel()
	s.running.Wait()
	var errs []error
	for _, closer := range slices.Backward(s.closers) {
		errs = append(errs, closer(ctx))
	}
	return errors.Join(errs...)
}

func (s *Stack) onClose(do func(context.Context) error) { s.closers = append(s.closers, do) }

// openData makes the data folder and keeps other stacks out of it.
func (s *Stack) openData(context.Context) error {
	dir := s.options.DataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return fmt.Errorf("another stack uses %s: %w", dir, err)
	}
	s.onClose(func(context.Context) error { return unlock() })
	return nil
}

// reachAWS finds out where AWS is and whose: the built-in services at AWSAddr, or
// others.
func (s *Stack) reachAWS(ctx context.Context) error {
	s.url, s.aws, s.account = "http://"+s.options.AWSAddr, AWSConfig("http://"+s.options.AWSAddr), AccountID
	if s.options.Endpoint == "" {
		return nil
	}
	var err error
	if s.aws, err = externalConfig(ctx, s.options.Endpoint); err != nil {
		return err
	}
	s.url = strings.TrimSuffix(aws.ToString(s.aws.BaseEndpoint), "/")
	s.account, err = accountOf(ctx, s.aws)
	return err
}

// loadTemplate reads the template with what differs on one machine.
func (s *Stack) loadTemplate(context.Context) error {
	parameters := map[string]string{"Stage": "local", "WebOrigin": s.WebURL(), "OtlpEndpoint": s.options.TracesTo}
	if s.options.TracesTo == "" {
		parameters["OtlpEndpoint"] = s.WebURL() + traces.OTLPPath
	}
	if s.options.CacheURL != "" {
		parameters["CacheUrl"] = s.options.CacheURL
	}
	maps.Copy(parameters, s.options.Parameters)
	var err error
	s.template, err = sam.Load(sam.Config{
		Path: s.options.Template, Parameters: parameters, Region: s.aws.Region, AccountID: s.account, QueueBaseURL: s.url,
		APIBaseURL: func(string, string) string { return s.WebURL() },
	})
	if err != nil {
		return fmt.Errorf("load the template: %w", err)
	}
	if len(s.template.APIs) != 1 {
		return fmt.Errorf("%s has %d APIs; the stack serves one", s.options.Template, len(s.template.APIs))
	}
	return nil
}

// openAWS opens the built-in services, unless others are used.
func (s *Stack) openAWS(ctx context.Context) error {
	if s.options.Endpoint != "" {
		return nil
	}
	endpoints, err := OpenEndpoints(s.options.DataDir, s.url, s.options.SMTPURL, s.log)
	if err != nil {
		return err
	}
	s.endpoints = endpoints
	s.onClose(func(context.Context) error { return endpoints.Close() })
	s.running.Go(func() { endpoints.sweep(s.background, s.log) })
	return endpoints.sqs.Release(ctx)
}

func (s *Stack) startHost(ctx context.Context) error {
	s.metrics = metrics.New(s.metricsConfig())
	level := slog.LevelInfo
	if s.options.Quiet {
		level = slog.LevelError
	}
	console := lambda.NewConsole(s.options.Output, lambda.ConsoleOptions{Color: isTerminal(s.options.Output), Level: level})
	env, err := functionEnv(ctx, s.aws)
	if err != nil {
		return err
	}
	containers, err := s.options.containers(ctx)
	if err != nil {
		return err
	}
	s.host, err = lambda.New(lambda.Config{
		Functions:  s.template.Functions,
		Command:    func(f sam.Function) ([]string, error) { return program(s.options.Functions, f) },
		Containers: containers,
		Env:        func(sam.Function) []string { return env },
		Region:     s.aws.Region, AccountID: s.account,
		Log: console.Print, Observer: s.metrics,
	})
	if err != nil {
		return fmt.Errorf("start the Lambda host: %w", err)
	}
	s.onClose(s.host.Close)
	return nil
}

// containers is what runs functions that are images, nil for nothing but this
// machine itself.
func (o Options) containers(ctx context.Context) (*lambda.Containers, error) {
	switch o.ProcessExecutor {
	case "", Programs:
		return nil, nil //nolint:nilnil // there is none, which is no error
	case Docker:
		return lambda.NewContainers(ctx, "docker") //nolint:wrapcheck // it says what to do
	default:
		return nil, fmt.Errorf("there is no executor %q: %s and %s are", o.ProcessExecutor, Programs, Docker)
	}
}

func (s *Stack) metricsConfig() metrics.Config {
	cfg := metrics.Config{SQS: sqs.NewFromConfig(s.aws), Queues: s.template.Queues, Catalogue: catalogue.Catalogue(), Logger: s.log}
	if s.endpoints != nil {
		cfg.Ages = s.endpoints.sqs.OldestMessages
	}
	return cfg
}

// isTerminal tells whether a person reads along.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// functionEnv is what functions must know to reach AWS from this machine.
func functionEnv(ctx context.Context, cfg aws.Config) ([]string, error) {
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("find AWS credentials: %w", err)
	}
	env := []string{
		"AWS_ACCESS_KEY_ID=" + credentials.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + credentials.SecretAccessKey,
	}
	if cfg.BaseEndpoint != nil {
		env = append(env, "AWS_ENDPOINT_URL="+*cfg.BaseEndpoint)
	}
	if credentials.SessionToken != "" {
		env = append(env, "AWS_SESSION_TOKEN="+credentials.SessionToken)
	}
	return env, nil
}

// program finds the program of a function: it is named as the function's folder,
// that of its code or of its Dockerfile.
func program(dir string, f sam.Function) ([]string, error) {
	folder := filepath.Base(filepath.Clean(f.CodeURI))
	if f.PackageType == "Image" {
		folder = filepath.Base(filepath.Dir(f.Dockerfile))
	}
	path := filepath.Join(dir, folder)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%s has not been built (make build): %w", f.LogicalID, err)
	}
	return []string{path}, nil
}

// serveAWS listens for AWS calls: those of the built-in services, and Lambda's.
func (s *Stack) serveAWS(ctx context.Context) error {
	if s.endpoints == nil {
		return nil
	}
	return s.serve(ctx, s.options.AWSAddr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/") {
			s.host.ServeHTTP(w, r)
			return
		}
		s.endpoints.ServeHTTP(w, r)
	}))
}

func (s *Stack) provision(ctx context.Context) error {
	if err := provision.Apply(ctx, s.aws, s.template, s.log); err != nil {
		return fmt.Errorf("make what the template names: %w", err)
	}
	return nil
}

// storageURL is where browsers reach S3. At AWS itself each bucket has a host of
// its own.
func (s *Stack) storageURL() string {
	if s.url == "" {
		return "https://*.s3." + s.aws.Region + ".amazonaws.com"
	}
	return s.url
}

func (s *Stack) serveWeb(ctx context.Context) error {
	api, err := gateway.New(gateway.Config{
		API: s.template.APIs[0], Invoker: invoker{s.host}, Region: s.aws.Region, AccountID: s.account, Logger: s.log,
		Throttled: s.metrics.RequestThrottled,
	})
	if err != nil {
		return fmt.Errorf("start the API gateway: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", s.metrics.Handler())
	collector := traces.New(s.log)
	mux.Handle(traces.Path, collector)
	mux.Handle(traces.OTLPPath+"/", collector)
	mux.Handle("/", webApp(s.options.Web, s.options.WebHeaders(s.storageURL())))
	return s.serve(ctx, s.options.WebAddr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if api.Handles(r) {
			api.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// invoker lets the gateway invoke functions.
type invoker struct{ host *lambda.Host }

func (i invoker) Invoke(ctx context.Context, function string, payload []byte) ([]byte, string, error) {
	result, err := i.host.Invoke(ctx, function, payload)
	return result.Payload, result.FunctionError, err
}

func (s *Stack) startSources(context.Context) error {
	config := eventsource.Config{Sources: s.template.EventSources, SQS: sqs.NewFromConfig(s.aws), Invoker: s.host, Logger: s.log}
	if s.endpoints == nil {
		config.Poll = time.Second
	}
	runner, err := eventsource.New(config)
	if err != nil {
		return fmt.Errorf("start the event sources: %w", err)
	}
	s.running.Go(func() { runner.Run(s.background) })
	return nil
}

func (s *Stack) startSchedules(context.Context) error {
	runner, err := schedule.New(schedule.Config{
		Schedules: s.template.Schedules, Invoker: s.host, Region: s.aws.Region, AccountID: s.account, Logger: s.log,
	})
	if err != nil {
		return fmt.Errorf("start the schedules: %w", err)
	}
	s.running.Go(func() { runner.Run(s.background) })
	return nil
}

// serve listens on an address of this machine until Close.
func (s *Stack) serve(ctx context.Context, addr string, handler http.Handler) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen (see the flags for other addresses): %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // broken connections
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			select {
			case s.failed <- err:
			default: // the first failure tells enough
			}
		}
	}()
	s.onClose(func(ctx context.Context) error {
		// Long polls and streams would hold a graceful shutdown up.
		ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
		defer cancel()
		if server.Shutdown(ctx) == nil {
			return nil
		}
		return server.Close()
	})
	return nil
}

// FunctionError is an error that a function returned; its payload tells more.
type FunctionError struct {
	Kind string // "Handled" or "Unhandled"
}

// Error implements error.
func (e *FunctionError) Error() string { return "the function returned an error (" + e.Kind + ")" }

// Invoke runs one function on one event, and gives what it returned, also with a
// *FunctionError. It uses the AWS services at o.Endpoint, else those of the
// running stack, else the built-in ones for as long as it takes.
func Invoke(ctx context.Context, o Options, function string, event []byte) (payload []byte, err error) {
	s, err := newStack(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, s.Close(closing))
	}()
	steps := []func(context.Context) error{s.reachAWS, s.loadTemplate, s.startHost}
	if o.Endpoint == "" && !listens(ctx, o.AWSAddr) {
		steps = []func(context.Context) error{s.openData, s.reachAWS, s.loadTemplate, s.openAWS, s.startHost, s.serveAWS, s.provision}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	result, err := s.host.Invoke(ctx, function, event)
	if err != nil {
		return nil, fmt.Errorf("invoke %s: %w", function, err)
	}
	if result.FunctionError != "" {
		return result.Payload, &FunctionError{Kind: result.FunctionError}
	}
	return result.Payload, nil
}

func listens(ctx context.Context, addr string) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
