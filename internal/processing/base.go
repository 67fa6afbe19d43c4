package processing

import (
	"context"
	"log/slog"
	"time"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/outbox"
)

// base is what workers and Control have in common.
type base struct {
	Store   *Store
	Objects *Objects
	Outbox  *outbox.Outbox
	Metrics *metrics.Recorder
	Now     func() time.Time
	NewID   func() string
}

func (b *base) event(data event.Data) (event.Event, error) {
	return newEvent(b.NewID(), b.Now(), data)
}

// end ends a run from outside the worker that has it, if there is one, and
// removes what it has left. Its workers find out when they next renew their
// leases. It tells whether the run had not ended before.
func (b *base) end(ctx context.Context, ref event.VideoRef, state State, data event.Data) (bool, error) {
	e, err := b.event(data)
	if err != nil {
		return false, err
	}
	ended, err := b.Store.End(ctx, ref, state, b.Now(), e)
	if err != nil {
		return false, err
	}
	slog.InfoContext(ctx, "job ended from outside", "state", string(state), "had_ended_before", !ended)
	return ended, b.clear(ctx, ref)
}

// clear removes what a run that has ended has left in the archives bucket: parts
// of archives, work objects, an archive that it did not complete, and if it did
// complete one, those of earlier runs. It may be called however often, and does
// nothing while the run goes on.
func (b *base) clear(ctx context.Context, ref event.VideoRef) error {
	job, err := b.Store.Get(ctx, ref.VideoID)
	if err != nil || job.goesOn(ref) {
		return err
	}
	var keep []string
	if job != nil {
		keep = []string{job.ArchiveKey, job.ManifestKey}
	}
	if job != nil && job.Ref.Run == ref.Run {
		if err := b.abort(ctx, job); err != nil {
			return err
		}
	}
	if err := b.Objects.Clear(ctx, runPrefix(ref), keep...); err != nil {
		return err
	}
	if archive, _ := archiveKeys(ref); job == nil || job.ArchiveKey != archive {
		return nil
	}
	var earlier []string
	for run := 1; run < ref.Run; run++ {
		archive, manifest := archiveKeys(event.VideoRef{VideoID: ref.VideoID, OwnerID: ref.OwnerID, Run: run})
		earlier = append(earlier, archive, manifest)
	}
	return b.Objects.Remove(ctx, earlier...)
}

// abort ends the multipart upload that a job's row knows. S3's list of such
// uploads, by which others are found, might not have it yet.
func (b *base) abort(ctx context.Context, job *Job) error {
	if job.Spread == nil {
		return nil
	}
	archive, _ := archiveKeys(job.Ref)
	return b.Objects.abort(ctx, archive, job.Spread.UploadID)
}
