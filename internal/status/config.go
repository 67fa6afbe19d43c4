package status

import "time"

// ProjectorConfig is what the environment says of the projector.
type ProjectorConfig struct {
	Table          string `env:"STATUS_TABLE,required"`
	ArchivesBucket string `env:"ARCHIVES_BUCKET,required"`
}

// Config is what the environment says of the queries.
type Config struct {
	Table          string `env:"STATUS_TABLE,required"`
	ArchivesBucket string `env:"ARCHIVES_BUCKET,required"`
	WebOrigin      string `env:"WEB_ORIGIN"`
}

const (
	// downloadValidity is how long a signed download may be begun.
	downloadValidity = 15 * time.Minute

	// inlineManifest is the size, in bytes, up to which a manifest is answered
	// itself: a Lambda function may answer with 6 MB.
	inlineManifest = 4 << 20
)
