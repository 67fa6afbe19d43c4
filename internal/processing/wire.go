package processing

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/cost"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/outbox"
	"github.com/fotograma/fotograma/internal/platform/rebuild"
)

// AWS is what the service reaches outside.
type AWS struct {
	DB *dynamodb.Client
	S3 *s3.Client
	Q  *sqs.Client

	Calls *cost.Meter // counts what these clients are asked; may be nil
}

func newBase(cfg Config, aws AWS, m *metrics.Recorder, now func() time.Time, newID func() string) base {
	box := &outbox.Outbox{DB: aws.DB, SQS: aws.Q, Table: cfg.Table, Routes: Routes(cfg), Metrics: m, Now: now}
	return base{
		Store: &Store{
			DB: aws.DB, Table: cfg.Table, Outbox: box,
			People: &erasure.Table{DB: aws.DB, Name: cfg.Table, Now: now},
		},
		Objects: &Objects{S3: aws.S3, Uploads: cfg.UploadsBucket, Archives: cfg.ArchivesBucket},
		Outbox:  box,
		Metrics: m,
		Now:     now,
		NewID:   newID,
	}
}

// NewControl wires what happens to jobs from outside their workers. Only the function
// that reads the control queue needs to know its URL.
func NewControl(cfg Config, aws AWS, m *metrics.Recorder, now func() time.Time, newID func() string) *Control {
	return &Control{
		base: newBase(cfg, aws, m, now, newID),
		Walk: &rebuild.Walk{
			DB: aws.DB, SQS: aws.Q, Table: cfg.Table, QueueURL: cfg.ControlQueueURL, Source: source,
			Segments: rebuild.TellSegments, Now: now, NewID: newID,
		},
		StatusQueueURL: cfg.StatusQueueURL,
	}
}

// NewWorker wires a worker.
func NewWorker(cfg WorkerConfig, aws AWS, engine Engine, m *metrics.Recorder, now func() time.Time, newID func() string) *Worker {
	return &Worker{
		base:          newBase(cfg.Config, aws, m, now, newID),
		Engine:        engine,
		Plan:          cfg.PlanOptions(),
		Processing:    &batch.Queue{SQS: aws.Q, URL: cfg.QueueURL},
		Segments:      &batch.Queue{SQS: aws.Q, URL: cfg.SegmentsQueueURL},
		Lease:         cfg.Lease(),
		RetentionDays: cfg.RetentionDays,
		ExpiryNotice:  cfg.ExpiryNotice(),
		Prices:        cfg.Prices,
		Memory:        cfg.Memory,
		Calls:         aws.Calls,
	}
}
