package status

import "time"

// ProjectorConfig is what the environment says of the projector.
type ProjectorConfig struct {
	Table          string `env:"STATUS_TABLE,required"`
	ArchivesBucket string `env:"ARCHIVES_BUCKET,required"`

	// The queue that the projector reads, and those of the services that own the videos.
	StatusQueueURL      string `env:"STATUS_QUEUE_URL,required"`
	VideoEventsQueueURL string `env:"VIDEO_EVENTS_QUEUE_URL,required"`
	ControlQueueURL     string `env:"CONTROL_QUEUE_URL,required"`

	// CacheURL is where the queries' cache is; empty if it is in their own memory.
	CacheURL string `env:"CACHE_URL"`
}

// Config is what the environment says of the queries.
type Config struct {
	Table          string `env:"STATUS_TABLE,required"`
	ArchivesBucket string `env:"ARCHIVES_BUCKET,required"`
	WebOrigin      string `env:"WEB_ORIGIN"`

	// CacheURL is a Redis or Valkey, redis:// or rediss://; empty for the process's own
	// memory, and cache.Off for no cache at all.
	CacheURL string `env:"CACHE_URL"`

	// QueryLogDays is how long the log of queries is kept.
	QueryLogDays int `env:"QUERY_LOG_DAYS" envDefault:"30"`
}

const (
	// downloadValidity is how long a signed download may be begun.
	downloadValidity = 15 * time.Minute

	// inlineManifest is the size, in bytes, up to which a manifest is answered
	// itself: a Lambda function may answer with 6 MB.
	inlineManifest = 4 << 20
)
