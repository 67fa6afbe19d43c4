// Package processing is the service that takes the frames out of uploaded
// videos. A worker takes one message of the processing queue, which is S3's own
// notification of an upload or a person's wish to try again, runs FFmpeg, and
// writes the ZIP to the archives bucket.
//
// Messages come twice, and workers die. A job's row says who works on it: a
// worker that was given the job holds its token, and every write asks for the
// token, so one that was thought dead and comes back changes nothing. Which run
// of the video it is decides over late messages; see [event.VideoRef].
package processing

import (
	"errors"
	"strconv"
	"time"

	"github.com/fotograma/fotograma/internal/event"
)

// State is how far a job is.
type State string

// The states of a job. All but Running are final for their run.
const (
	Running   State = "running"
	Completed State = "completed"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Expired   State = "expired" // completed, and the archive is gone
	Deleted   State = "deleted" // with the video: nothing may come after
)

// Job is the newest run of one video.
type Job struct {
	Ref   event.VideoRef
	State State

	// Token is the right to write of the worker that has the job.
	Token string

	// ArchiveKey and ManifestKey are where the archive of the newest completed
	// run lies, empty if there is none; ArchiveExpiresAt is until when.
	ArchiveKey       string
	ManifestKey      string
	ArchiveExpiresAt time.Time

	// WarnAt is when its owner is to be told that it will expire; zero if they were, or
	// need not be.
	WarnAt time.Time

	// Result is the event that told of the archive, in JSON.
	Result string

	// Spread says how the run is shared out among workers; nil if it is not.
	Spread *Spread
}

// goesOn tells whether a run is the one that is worked on.
func (j *Job) goesOn(ref event.VideoRef) bool {
	return j != nil && j.State == Running && j.Ref.Run == ref.Run
}

// Spread is how a run is shared out among workers: see spread.go.
type Spread struct {
	Run int `dynamodbav:"run"`

	// UploadID is the archive's multipart upload, to which all workers add.
	UploadID string `dynamodbav:"upload_id"`

	// Work is what the keys of the work objects in the archives bucket begin
	// with.
	Work string `dynamodbav:"work"`

	// Segments is how many there are; Remaining how many of them, and of the
	// check of the file's hash if there is one, are to be done.
	Segments  int `dynamodbav:"segments"`
	Remaining int `dynamodbav:"remaining"`

	Phase Phase `dynamodbav:"phase"`
}

// Phase is what happens to a run that was shared out.
type Phase string

// The phases of a run, of which there may be no second: only while messages are
// being sent does the message that began the run still matter.
const (
	Sending    Phase = "sending"
	Sent       Phase = "sent"
	Assembling Phase = "assembling"
)

var (
	// errDone tells that a message asks for what has been done or was called
	// off: it can be forgotten.
	errDone = errors.New("job has ended")

	// errDeleted tells that the video was deleted: what was uploaded all the same,
	// while its signature was valid, must go.
	errDeleted = errors.New("video was deleted")

	// errElsewhere tells that another worker has the job, because of another
	// message: this one can be forgotten, since that one comes again if its
	// worker dies.
	errElsewhere = errors.New("job is under way elsewhere")

	// errLost tells a worker that the job is no longer its own.
	errLost = errors.New("job was cancelled, deleted or given to another worker")
)

// videoPrefix is what all keys of a video in the archives bucket begin with, and
// runPrefix those of one run.
func videoPrefix(ref event.VideoRef) string { return ref.OwnerID + "/" + ref.VideoID + "/" }

func runPrefix(ref event.VideoRef) string { return videoPrefix(ref) + strconv.Itoa(ref.Run) + "." }

// archiveKeys tells where the archive of a run and its manifest lie in the
// archives bucket.
func archiveKeys(ref event.VideoRef) (archive, manifest string) {
	return runPrefix(ref) + "zip", runPrefix(ref) + "json"
}

// workPrefix is what the keys of a run's work objects begin with: those that the
// worker with this token has planned.
func workPrefix(ref event.VideoRef, token string) string {
	return runPrefix(ref) + "work/" + token + "/"
}

// expiry is when an archive made now is deleted.
func expiry(now time.Time, retentionDays int) time.Time {
	return now.AddDate(0, 0, retentionDays).UTC().Truncate(time.Second)
}
