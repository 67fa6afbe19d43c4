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
}

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

// archiveKeys tells where the archive of a run and its manifest lie in the
// archives bucket.
func archiveKeys(ref event.VideoRef) (archive, manifest string) {
	base := ref.OwnerID + "/" + ref.VideoID + "/" + strconv.Itoa(ref.Run)
	return base + ".zip", base + ".json"
}

// expiry is when an archive made now is deleted.
func expiry(now time.Time, retentionDays int) time.Time {
	return now.AddDate(0, 0, retentionDays).UTC().Truncate(time.Second)
}
