// Package metrics gives Prometheus what CloudWatch would show: the metrics that
// functions write in the embedded metric format, those that Lambda has of every
// function, and the depth of the queues.
//
// A function's metric RequestDuration in milliseconds becomes the histogram
// fotograma_request_duration_seconds, Jobs (a Count) the counter
// fotograma_jobs_total, each with its dimensions as labels; see name.go. A
// namespace other than Fotograma stands in the name, too.
//
// What a catalogue has is explained in its words, and begins at zero where its labels
// are known.
//
// What functions write is not to be trusted: names and values are made fit for
// Prometheus, and the number of series is bounded. What is left out is counted by
// fotograma_embedded_metrics_dropped_total.
package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fotograma/fotograma/internal/local/sam"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// Config says what is measured besides what functions write.
type Config struct {
	// SQS is asked for the depth of the Queues when somebody looks; nil if there
	// are none.
	SQS    *sqs.Client
	Queues []sam.Queue

	// Catalogue has the metrics of functions that are known beforehand; there may be
	// others.
	Catalogue []metrics.Definition

	// Ages gives the age of the oldest message of each queue that has one, by its
	// name. AWS tells that in CloudWatch only; nil where SQS is not ours.
	Ages func(context.Context) (map[string]time.Duration, error)

	// Logger gets what an operator must know; may be nil.
	Logger *slog.Logger

	// Now is the clock (default [time.Now]).
	Now func() time.Time
}

// Metrics collects measurements. It is safe for concurrent use, and an Observer of
// the Lambda host.
type Metrics struct {
	registry *prometheus.Registry
	embedded *embedded
	log      *slog.Logger

	invocations, errors, throttles, coldStarts *prometheus.CounterVec
	durations, inits                           *prometheus.HistogramVec
	running                                    *prometheus.GaugeVec
}

// New makes the collector, with nothing measured yet.
func New(cfg Config) *Metrics {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"function"})
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: secondBuckets}, []string{"function"})
	}
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		embedded:    newEmbedded(),
		log:         cfg.Logger,
		invocations: counter("lambda_invocations_total", "Invocations that ended."),
		errors:      counter("lambda_errors_total", "Invocations that ended with an error, a crash or a timeout."),
		throttles:   counter("lambda_throttles_total", "Invocations that found the reserved concurrency used up."),
		coldStarts:  counter("lambda_cold_starts_total", "Invocations that a worker had to be started for."),
		durations:   histogram("lambda_duration_seconds", "How long functions worked on invocations."),
		inits:       histogram("lambda_init_duration_seconds", "How long new workers took to be ready."),
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lambda_concurrent_executions", Help: "Invocations that run now.",
		}, []string{"function"}),
	}
	m.registry.MustRegister(m.embedded, m.invocations, m.errors, m.throttles, m.coldStarts, m.durations, m.inits, m.running,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, definition := range cfg.Catalogue {
		m.embedded.know(definition)
	}
	if cfg.SQS != nil {
		m.registry.MustRegister(newQueueCollector(cfg))
	}
	return m
}

// Handler answers Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(m.log.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError,
		Registry:      m.registry,
	})
}

// Observe takes a line in the embedded metric format. Whatever it holds, nothing
// breaks.
func (m *Metrics) Observe(line []byte) { m.embedded.observe(line) }

// InvocationStarted counts an invocation as running.
func (m *Metrics) InvocationStarted(function string) {
	m.running.WithLabelValues(function).Inc()
	// So that errors are zero, and not missing, where there were none.
	m.errors.WithLabelValues(function)
	m.throttles.WithLabelValues(function)
}

// InvocationEnded counts one that ran; init is zero for a warm worker.
func (m *Metrics) InvocationEnded(function string, duration, init time.Duration, failed bool) {
	m.running.WithLabelValues(function).Dec()
	m.invocations.WithLabelValues(function).Inc()
	m.durations.WithLabelValues(function).Observe(duration.Seconds())
	if init > 0 {
		m.coldStarts.WithLabelValues(function).Inc()
		m.inits.WithLabelValues(function).Observe(init.Seconds())
	}
	if failed {
		m.errors.WithLabelValues(function).Inc()
	}
}

// RequestThrottled counts a request that the gateway refused: CloudWatch has that from
// API Gateway's access log.
func (m *Metrics) RequestThrottled() { m.embedded.count(metrics.Throttles) }

// InvocationThrottled counts one that did not run.
func (m *Metrics) InvocationThrottled(function string) { m.throttles.WithLabelValues(function).Inc() }
