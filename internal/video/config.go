package video

import "time"

// Config is what the environment says of the video service.
type Config struct {
	Table              string `env:"VIDEO_TABLE,required"`
	UploadsBucket      string `env:"UPLOADS_BUCKET,required"`
	StatusQueueURL     string `env:"STATUS_QUEUE_URL,required"`
	ProcessingQueueURL string `env:"PROCESSING_QUEUE_URL,required"`
	ControlQueueURL    string `env:"CONTROL_QUEUE_URL,required"`
	WebOrigin          string `env:"WEB_ORIGIN"`
	Limits
}

// ListenerConfig is what the environment says of the listener beyond Config.
type ListenerConfig struct {
	Config
	ArchivesBucket string `env:"ARCHIVES_BUCKET,required"`
	QueueURL       string `env:"VIDEO_EVENTS_QUEUE_URL,required"` // its own
}

// Limits are the limits of uploads, and of people.
type Limits struct {
	// UploadBytes is the size of the largest video, in bytes.
	UploadBytes int64 `env:"MAX_UPLOAD_BYTES" envDefault:"10737418240"`

	// What one person may do and have: see quota.go. Days are those of UTC.
	VideosPerMinute int   `env:"MAX_VIDEOS_PER_MINUTE" envDefault:"60"`
	VideosPerDay    int   `env:"MAX_VIDEOS_PER_DAY" envDefault:"1000"`
	MinutesPerDay   int   `env:"MAX_MINUTES_PER_DAY" envDefault:"1440"`
	StoredBytes     int64 `env:"MAX_STORED_BYTES" envDefault:"107374182400"`
	VideosAtOnce    int   `env:"MAX_VIDEOS_AT_ONCE" envDefault:"100"`

	// RetentionDays is how long the bucket's lifecycle keeps an upload.
	RetentionDays int `env:"RETENTION_DAYS" envDefault:"7"`
}

const (
	// singleUpload is the size up to which a video is uploaded in one POST, in
	// bytes; S3 itself would take 5 GiB, but a broken POST starts over.
	singleUpload = 100 << 20

	// partSize is the size of a part of a multipart upload, in bytes, unless
	// that made more than maxParts of them.
	partSize = 16 << 20
	maxParts = 10_000

	// How long the signatures are valid. A multipart upload is signed part by
	// part, so that it may last longer than any of its signatures.
	singleValidity    = time.Hour
	partValidity      = time.Hour
	multipartValidity = 24 * time.Hour

	// uploadSlack is how long after the signature's end a POST that began in
	// time may still be under way.
	uploadSlack = time.Hour

	// idempotencyValidity is how long an Idempotency-Key is remembered.
	idempotencyValidity = 24 * time.Hour
)
