package status

import (
	"encoding/json"
	"time"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// row is a video in StatusTable. It is made of four things that events tell, each of
// which says by itself whether it is newer than what is there. So whatever events come,
// in whatever order and however often, the row is the same in the end.
type row struct {
	dynamo.Key

	// What a video is does not change: the first to tell it has said it.
	ID          string     `dynamodbav:"id,omitempty"`
	OwnerID     string     `dynamodbav:"owner_id,omitempty"`
	Filename    string     `dynamodbav:"filename,omitempty"`
	Size        int64      `dynamodbav:"size,omitempty"`
	ContentType string     `dynamodbav:"content_type,omitempty"`
	CreatedAt   *time.Time `dynamodbav:"created_at,omitempty"`

	// What is asked for is what was for the newest run.
	Extraction    string     `dynamodbav:"extraction,omitempty"` // JSON
	ExtractionRun int        `dynamodbav:"extraction_run,omitempty"`
	ExpiresAt     *time.Time `dynamodbav:"expires_at,omitempty"`

	// How far it is is the furthest that was told: see position.
	Status      rest.Status `dynamodbav:"status,omitempty"`
	OwnerStatus string      `dynamodbav:"owner_status,omitempty"` // of the index by_status
	Position    int         `dynamodbav:"position,omitempty"`
	Progress    float64     `dynamodbav:"progress"`
	ErrorCode   string      `dynamodbav:"error_code,omitempty"`
	UpdatedAt   time.Time   `dynamodbav:"updated_at"`

	// What came of it is the result of the newest run that had one.
	ResultRun int            `dynamodbav:"result_run,omitempty"`
	Media     *event.Media   `dynamodbav:"media,omitempty"`
	Archive   *event.Archive `dynamodbav:"archive,omitempty"`
	Warnings  []string       `dynamodbav:"warnings,omitempty"`

	// Deleted makes the row a tombstone, which stays one.
	Deleted *time.Time `dynamodbav:"deleted,omitempty"`

	TTL      int64 `dynamodbav:"ttl"` // Unix seconds
	Revision int   `dynamodbav:"revision"`
}

// keep is how long a row stays after its files have gone, and a tombstone after
// the deletion: longer than any event is under way.
const keep = 30 * 24 * time.Hour

// merge has an event say what it says of the video, unless that was deleted.
func (r *row) merge(ref event.VideoRef, say func(*row)) {
	if r.Deleted != nil {
		return
	}
	say(r)
	if r.Deleted != nil {
		*r = row{Key: r.Key, Deleted: r.Deleted, TTL: r.Deleted.Add(keep).Unix(), Revision: r.Revision}
		return
	}
	if r.Status != "" {
		r.OwnerStatus = ownerStatus(ref.OwnerID, r.Status)
	}
	last := r.UpdatedAt
	if r.ExpiresAt != nil && r.ExpiresAt.After(last) {
		last = *r.ExpiresAt
	}
	if r.Archive != nil && r.Archive.ExpiresAt.After(last) {
		last = r.Archive.ExpiresAt
	}
	r.TTL = last.Add(keep).Unix()
}

// describe says what the video is.
func (r *row) describe(v event.VideoRegistered) {
	if r.CreatedAt != nil {
		return
	}
	r.ID, r.OwnerID, r.Filename, r.Size, r.ContentType = v.VideoID, v.OwnerID, v.Filename, v.Size, v.ContentType
	r.CreatedAt = &v.CreatedAt
}

// ask says what a run extracts, and until when the frames are to be kept if there
// will be any.
func (r *row) ask(run int, extraction json.RawMessage, expires time.Time) {
	if run <= r.ExtractionRun {
		return
	}
	r.ExtractionRun, r.Extraction = run, string(extraction)
	if !expires.IsZero() {
		r.ExpiresAt = &expires
	}
}

// step is how far a run is.
type step struct {
	status   rest.Status
	progress float64 // 0 to 1
	code     string  // of the error
}

// abandoned is the step of an upload that did not come.
var abandoned = step{status: rest.Failed, code: "upload_abandoned"}

// advance says that a run has come to a step.
func (r *row) advance(run int, at time.Time, s step) {
	here := s.position(run)
	further := here > r.Position || here == r.Position && s.status == rest.Processing && s.progress > r.Progress
	if !further {
		return
	}
	r.Position, r.Status, r.Progress, r.ErrorCode, r.UpdatedAt = here, s.status, s.progress, s.code, at
}

// position orders what can be said of a video: a later run is further than an
// earlier one, and within a run each step than the one before. Completed, failed
// and cancelled are one step, since processing ends a run in one way only. An upload
// that was given up may have come all the same.
func (s step) position(run int) int {
	const steps = 10
	place := map[rest.Status]int{
		rest.AwaitingUpload: 0,
		rest.Queued:         1,
		rest.Processing:     2,
		rest.Completed:      4,
		rest.Failed:         4,
		rest.Cancelled:      4,
		rest.Expired:        5,
	}[s.status]
	if s == abandoned {
		place = 3
	}
	return run*steps + place
}

// learn says what came of a run.
func (r *row) learn(d event.ProcessingCompleted) {
	if d.Run <= r.ResultRun {
		return
	}
	r.ResultRun, r.Media, r.Archive, r.Warnings = d.Run, &d.Media, &d.Archive, d.Warnings
}

// seen is the video that people see of the row: nil of a tombstone, and of what nobody
// has described yet.
func (r *row) seen() *Video {
	if r.Deleted != nil || r.CreatedAt == nil {
		return nil
	}
	return r.video()
}

// video is the row as people see it. They see the archive of a run while that is the
// newest, and of one that has expired that there was one.
func (r *row) video() *Video {
	v := &Video{
		ID: r.ID, OwnerID: r.OwnerID, Filename: r.Filename, Size: r.Size, ContentType: r.ContentType,
		Status: r.Status, Progress: r.Progress, Media: r.Media, ErrorCode: r.ErrorCode,
		CreatedAt: *r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if r.Extraction != "" {
		v.Extraction = json.RawMessage(r.Extraction)
	}
	if r.ExpiresAt != nil {
		v.ExpiresAt = *r.ExpiresAt
	}
	if r.Status == rest.Completed || r.Status == rest.Expired {
		if r.Archive != nil && (step{status: r.Status}).position(r.ResultRun) == r.Position {
			v.Archive, v.Warnings, v.ExpiresAt = r.Archive, r.Warnings, r.Archive.ExpiresAt
		}
	}
	return v
}
