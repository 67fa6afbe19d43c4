package metrics

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fotograma/fotograma/internal/local/sam"
)

const (
	// keepDepths is how long the depths of the queues are kept, so that a page
	// that is reloaded often does not become a load.
	keepDepths = 5 * time.Second

	// askTimeout is how long all queues together may take to answer.
	askTimeout = 2 * time.Second
)

// queueCollector asks SQS for the depth of queues when somebody looks.
type queueCollector struct {
	client *sqs.Client
	queues []sam.Queue
	ages   func(context.Context) (map[string]time.Duration, error)
	log    *slog.Logger
	now    func() time.Time
	gauges map[string]*prometheus.Desc // by the attribute that they show
	age    *prometheus.Desc
	errors prometheus.Counter

	mu    sync.Mutex
	asked time.Time
	known []prometheus.Metric
}

func newQueueCollector(cfg Config) *queueCollector {
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"queue"}, nil)
	}
	return &queueCollector{
		client: cfg.SQS,
		queues: cfg.Queues,
		ages:   cfg.Ages,
		log:    cfg.Logger,
		now:    cfg.Now,
		gauges: map[string]*prometheus.Desc{
			"ApproximateNumberOfMessages":           gauge("sqs_messages_visible", "Messages that can be received."),
			"ApproximateNumberOfMessagesNotVisible": gauge("sqs_messages_not_visible", "Messages in flight: received, and neither deleted nor visible again."),
			"ApproximateNumberOfMessagesDelayed":    gauge("sqs_messages_delayed", "Messages that cannot be received yet."),
		},
		age:    gauge("sqs_oldest_message_age_seconds", "Age of the oldest message; of a dead letter, since it became one."),
		errors: prometheus.NewCounter(prometheus.CounterOpts{Name: "sqs_scrape_errors_total", Help: "Queues whose depth could not be learned."}),
	}
}

// Describe tells what there is.
func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	c.errors.Describe(ch)
	ch <- c.age
	for _, desc := range c.gauges {
		ch <- desc
	}
}

// Collect sends the depths, asking for them if what is known is old.
func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.asked.IsZero() || now.Sub(c.asked) >= keepDepths {
		c.known, c.asked = c.ask(), now
	}
	for _, metric := range c.known {
		ch <- metric
	}
	c.errors.Collect(ch)
}

// ask asks for all queues at once.
func (c *queueCollector) ask() []prometheus.Metric {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	answers := make([][]prometheus.Metric, len(c.queues))
	var all sync.WaitGroup
	for i, queue := range c.queues {
		all.Go(func() {
			attributes, err := c.attributes(ctx, queue.Name)
			if err != nil {
				c.errors.Inc()
				c.log.WarnContext(ctx, "depth of a queue is unknown", "queue", queue.Name, "error", err)
				return
			}
			answers[i] = c.metrics(queue.Name, attributes)
		})
	}
	all.Wait()
	var metrics []prometheus.Metric
	for _, answer := range answers {
		metrics = append(metrics, answer...)
	}
	return append(metrics, c.askAges(ctx)...)
}

// askAges gives the ages of the queues' oldest messages, 0 where there is none, as
// CloudWatch does.
func (c *queueCollector) askAges(ctx context.Context) []prometheus.Metric {
	if c.ages == nil {
		return nil
	}
	ages, err := c.ages(ctx)
	if err != nil {
		c.errors.Inc()
		c.log.WarnContext(ctx, "ages of messages are unknown", "error", err)
		return nil
	}
	metrics := make([]prometheus.Metric, len(c.queues))
	for i, queue := range c.queues {
		metrics[i] = prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, ages[queue.Name].Seconds(), queue.Name)
	}
	return metrics
}

func (c *queueCollector) attributes(ctx context.Context, queue string) (map[string]string, error) {
	found, err := c.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &queue})
	if err != nil {
		return nil, err
	}
	out, err := c.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: found.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func (c *queueCollector) metrics(queue string, attributes map[string]string) []prometheus.Metric {
	var metrics []prometheus.Metric
	for attribute, desc := range c.gauges {
		value, err := strconv.ParseFloat(attributes[attribute], 64)
		if err != nil {
			continue // this endpoint does not have it
		}
		metrics = append(metrics, prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, queue))
	}
	return metrics
}
