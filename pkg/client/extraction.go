package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Extraction says which frames are wanted and as what; docs/extraction.md has the
// rules. The zero value of a member means that it was not given.
type Extraction struct {
	Mode       string    `json:"mode,omitempty"`       // "fps", "interval", "count", "every_nth", "keyframes", "scenes" or "timestamps"
	FPS        float64   `json:"fps,omitempty"`        // frames per second of video
	Interval   float64   `json:"interval,omitempty"`   // seconds
	Count      int       `json:"count,omitempty"`      // frames
	EveryNth   int       `json:"every_nth,omitempty"`  // pictures
	Threshold  *float64  `json:"threshold,omitempty"`  // of scenes, 0 to 1
	Timestamps []float64 `json:"timestamps,omitempty"` // seconds, ascending
	Start      *float64  `json:"start,omitempty"`      // seconds
	End        *float64  `json:"end,omitempty"`        // seconds
	MaxFrames  int       `json:"max_frames,omitempty"`
	Format     string    `json:"format,omitempty"`  // "jpeg", "png" or "webp"
	Quality    int       `json:"quality,omitempty"` // 1 to 100
	Width      int       `json:"width,omitempty"`   // pixels
	Height     int       `json:"height,omitempty"`  // pixels
	Fit        string    `json:"fit,omitempty"`     // "contain", "cover", "fill" or "scale-down"
	Dedupe     bool      `json:"dedupe,omitempty"`
	Sprite     bool      `json:"sprite,omitempty"`
}

// JSON gives x as [NewVideo] and [Client.Retry] take it.
func (x Extraction) JSON() json.RawMessage {
	raw, err := json.Marshal(x)
	if err != nil {
		return json.RawMessage("null") // infinities and NaN, which the API then refuses
	}
	return raw
}

// Manifest describes an archive; it is the archive's manifest.json.
type Manifest struct {
	Video      ManifestVideo  `json:"video"`
	Extraction Extraction     `json:"extraction"`
	Frames     []Frame        `json:"frames"` // in time order
	Warnings   []Notice       `json:"warnings,omitempty"`
	Engine     ManifestEngine `json:"engine"`
}

// ManifestVideo is where the frames of an archive come from.
type ManifestVideo struct {
	Filename string          `json:"filename"`
	SHA256   string          `json:"sha256,omitempty"` // of the file, lower-case hex
	Media    json.RawMessage `json:"media"`            // more than [Media] has
}

// ManifestEngine is what made an archive.
type ManifestEngine struct {
	Name   string `json:"name"`
	FFmpeg string `json:"ffmpeg"`
}

// Frame is one image in an archive.
type Frame struct {
	Index  int     `json:"index"` // from 1
	File   string  `json:"file"`
	PTS    int64   `json:"pts"`  // in the source's time base
	Time   float64 `json:"time"` // PTS in seconds
	Width  int     `json:"width"`
	Height int     `json:"height"`
	Size   int64   `json:"size"`   // bytes
	SHA256 string  `json:"sha256"` // lower-case hex
}

// Manifest shows which frames an archive holds; codes "not_ready" and "expired".
func (c *Client) Manifest(ctx context.Context, id string) (*Manifest, error) {
	var m Manifest
	if err := c.authorized(ctx, http.MethodGet, videoPath(id, "/manifest"), nil, nil, &m); err != nil {
		return nil, err
	}
	return &m, nil
}
