package processing

import (
	"time"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/cost"
)

// Config is what the environment says of all functions of the processing
// service.
type Config struct {
	Table                string `env:"PROCESSING_TABLE,required"`
	UploadsBucket        string `env:"UPLOADS_BUCKET,required"`
	ArchivesBucket       string `env:"ARCHIVES_BUCKET,required"`
	StatusQueueURL       string `env:"STATUS_QUEUE_URL,required"`
	NotificationQueueURL string `env:"NOTIFICATION_QUEUE_URL,required"`
	VideoEventsQueueURL  string `env:"VIDEO_EVENTS_QUEUE_URL,required"`
	SegmentsQueueURL     string `env:"SEGMENTS_QUEUE_URL,required"`
	ControlQueueURL      string `env:"CONTROL_QUEUE_URL"` // for the function that reads it

	// RetentionDays is how long archives are kept.
	RetentionDays int `env:"RETENTION_DAYS" envDefault:"7"`
}

// WorkerConfig is what the environment says of the worker beyond Config.
type WorkerConfig struct {
	Config
	QueueURL     string `env:"PROCESSING_QUEUE_URL,required"`
	LeaseSeconds int    `env:"LEASE_SECONDS" envDefault:"30"`

	// FramesProgram is the path of fotograma-frames; if empty it is looked for
	// beside the worker, and then in PATH.
	FramesProgram string `env:"FRAMES_PROGRAM"`

	MaxVideoSeconds float64 `env:"MAX_VIDEO_SECONDS" envDefault:"14400"`
	MaxVideoPixels  int64   `env:"MAX_VIDEO_PIXELS" envDefault:"36000000"`
	MaxFrames       int64   `env:"MAX_FRAMES" envDefault:"100000"`
	MaxCPUSeconds   int64   `env:"MAX_CPU_SECONDS" envDefault:"3600"`
	MaxArchiveBytes int64   `env:"MAX_ARCHIVE_BYTES" envDefault:"53687091200"`

	// Memory is the function's, in MB; Lambda says so itself.
	Memory int64 `env:"AWS_LAMBDA_FUNCTION_MEMORY_SIZE" envDefault:"3008"`

	// SegmentWork is how much one worker should do at most, as
	// [frames.ExtractOptions] counts work; what takes more is shared out among
	// several, at most MaxSegments.
	SegmentWork int64 `env:"SEGMENT_WORK" envDefault:"18000"`
	MaxSegments int   `env:"MAX_SEGMENTS" envDefault:"100"`

	// ExpiryNoticeHours is how long before an archive expires its owner is told; 0 for
	// not at all.
	ExpiryNoticeHours int `env:"EXPIRY_NOTICE_HOURS" envDefault:"24"`

	cost.Prices
}

// mostSegments is how many segments S3's part numbers allow, with some for each.
const mostSegments = 1000

// PlanOptions say when and how the engine shares an extraction out.
func (c WorkerConfig) PlanOptions() frames.PlanOptions {
	return frames.PlanOptions{Work: max(c.SegmentWork, 1), MaxSegments: min(max(c.MaxSegments, 1), mostSegments)}
}

// ownMemory is how much memory is the worker's own, in bytes: two parts of an
// archive that are being uploaded, and what else it holds.
const ownMemory = 512 << 20

// Limits are the engine's limits. What a video makes the program take beyond its
// share of memory ends that video, before it ends the worker.
func (c WorkerConfig) Limits() frames.Limits {
	limits := frames.DefaultLimits()
	limits.Duration = time.Duration(c.MaxVideoSeconds * float64(time.Second))
	limits.Pixels, limits.Frames = c.MaxVideoPixels, c.MaxFrames
	limits.CPU, limits.Output = time.Duration(c.MaxCPUSeconds)*time.Second, c.MaxArchiveBytes
	limits.Memory = max(c.Memory<<20-ownMemory, ownMemory)
	return limits
}

// ExpiryNotice is ExpiryNoticeHours.
func (c WorkerConfig) ExpiryNotice() time.Duration {
	return time.Duration(c.ExpiryNoticeHours) * time.Hour
}

// Lease is how long a worker may be silent before its video goes to another.
func (c WorkerConfig) Lease() time.Duration { return time.Duration(c.LeaseSeconds) * time.Second }

const (
	// tick is how often a worker says how far it is, and sees whether its job
	// was taken from it: a cancelled job stops within it.
	tick = 2 * time.Second

	// tellers is how many of a run's workers tell at each tick how far it is.
	tellers = 4

	// margin is how long before the function's own time limit a worker gives
	// up, so that it can still say so.
	margin = 15 * time.Second

	// keepJobs is how long a job is remembered after its files have gone:
	// longer than any message of it can be under way.
	keepJobs = 30 * 24 * time.Hour
)
