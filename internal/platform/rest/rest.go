// Package rest holds the parts of the HTTP contract that more than one service
// answers with.
package rest

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Status tells how far a video is.
type Status string

// The statuses, in the order in which a video goes through them.
const (
	AwaitingUpload Status = "awaiting_upload"
	Queued         Status = "queued"
	Processing     Status = "processing"
	Completed      Status = "completed"
	Failed         Status = "failed"
	Cancelled      Status = "cancelled"
	Expired        Status = "expired"
)

// Statuses lists all of them.
func Statuses() []Status {
	return []Status{AwaitingUpload, Queued, Processing, Completed, Failed, Cancelled, Expired}
}

// Schema implements huma.SchemaProvider.
func (Status) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, status := range Statuses() {
		s.Enum = append(s.Enum, string(status))
	}
	return s
}

// Video is a video as its owner sees it.
type Video struct {
	ID          string          `json:"id" format:"uuid"`
	Filename    string          `json:"filename" example:"holiday.mp4"`
	Size        int64           `json:"size" doc:"Bytes."`
	ContentType string          `json:"content_type" example:"video/mp4"`
	Status      Status          `json:"status"`
	Progress    float64         `json:"progress" minimum:"0" maximum:"1" doc:"Grows while processing."`
	Extraction  json.RawMessage `json:"extraction" doc:"What is extracted, with all defaults."`
	Media       *Media          `json:"media,omitempty" doc:"Known once processing has begun."`
	Archive     *Archive        `json:"archive,omitempty" doc:"Known once completed."`
	Warnings    []Notice        `json:"warnings,omitempty" doc:"What was not quite right with the file."`
	Error       *Notice         `json:"error,omitempty" doc:"Why it failed."`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	ExpiresAt   time.Time       `json:"expires_at" doc:"When the file and its frames are deleted."`
}

// Media is what was found out about a file.
type Media struct {
	Duration  float64 `json:"duration" doc:"Seconds."`
	Width     int     `json:"width" doc:"Pixels, as displayed."`
	Height    int     `json:"height" doc:"Pixels, as displayed."`
	FrameRate float64 `json:"frame_rate" doc:"Frames a second, on average."`
	Codec     string  `json:"codec" example:"h264"`
	Rotation  int     `json:"rotation" doc:"Degrees clockwise that the frames were turned."`
}

// Archive is the ZIP with the frames.
type Archive struct {
	Frames    int       `json:"frames"`
	Size      int64     `json:"size" doc:"Bytes."`
	SHA256    string    `json:"sha256,omitempty" doc:"Of the ZIP, lower-case hex. Absent where several workers wrote it at once; the manifest has every frame's."`
	ExpiresAt time.Time `json:"expires_at"`
}

// Notice is a code and what it means to a person.
type Notice struct {
	Code    problem.Code `json:"code" doc:"Stable."`
	Message string       `json:"message" doc:"A sentence that tells what to do, in the language of Accept-Language."`
}
