// Package status is the read model: what a person sees of their videos, put
// together from the events of the other services. The projector writes it, the
// queries read it, and nothing in it is known first-hand: it can be thrown away
// and made again.
//
// Events come late, twice and out of order, and all once more when the model is made
// again. What they say is merged so that none of this matters: see row.go.
package status

import (
	"encoding/json"
	"time"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// Video is a video as the events tell it.
type Video struct {
	ID          string
	OwnerID     string
	Filename    string
	Size        int64 // bytes
	ContentType string
	Extraction  json.RawMessage
	Status      rest.Status
	Progress    float64 // 0 to 1
	Media       *event.Media
	Archive     *event.Archive
	Warnings    []string // codes
	ErrorCode   string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	ExpiresAt   time.Time
}
