// Package status is the read model: what a person sees of their videos, put
// together from the events of the other services. The projector writes it, the
// queries read it, and nothing in it is known first-hand: it can be thrown away
// and made again.
//
// Events come late, twice and out of order. A video's position, made of its run
// and how far that run is, only ever grows, so an old event changes nothing.
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

// position orders what can be said of a video: a later run is further than an
// earlier one, and within a run each step than the one before. Completed, failed
// and cancelled are one step: the first of them stands.
func position(run int, s rest.Status) int {
	const steps = 10
	step := map[rest.Status]int{
		rest.AwaitingUpload: 0,
		rest.Queued:         1,
		rest.Processing:     2,
		rest.Completed:      3,
		rest.Failed:         3,
		rest.Cancelled:      3,
		rest.Expired:        4,
	}
	return run*steps + step[s]
}
