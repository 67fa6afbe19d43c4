package processing

// A video that takes more work than one worker should do is shared out. The
// worker that has its job plans it into segments, begins the archive's multipart
// upload, leaves a planned object among the run's work objects, and sends a
// message for each segment (for the first alone, if each needs the state of the
// one before) and one for the check of the file's hash. From then on nobody has
// the job; each segment is claimed and retried alone.
//
// A segment's worker writes its run of ZIP entries as parts into the archive's
// upload, under numbers that only this segment has, all but the head: see run. It
// says in a segmentWork object which parts count, and counts the job's remaining
// units down as it finishes its own. The one that comes to none has the archive
// assembled.
//
//	<run>.work/<token>/plan.json           planned
//	<run>.work/<token>/0007-<token>.head   a head
//	<run>.work/<token>/0007-<token>.json   segmentWork
//
// The tokens are those of the workers. One that was thought dead and comes back
// so overwrites nothing but parts, with equal ones.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
)

// planned is what the workers of a run have in common.
type planned struct {
	Plan   frames.Plan  `json:"plan"`
	Upload event.Upload `json:"upload"`

	// ETag and Size are the file's. Another under the same key is not it.
	ETag string `json:"etag"`
	Size int64  `json:"size"`

	// Block is how many part numbers each segment has.
	Block int `json:"block"`

	Started time.Time `json:"started"`
}

// numbers are a segment's part numbers, but for the first one: that is for its
// head. The row after the last segment's is for what follows them.
func (p *planned) numbers(segment int) numbers {
	return numbers{first: p.head(segment) + 1, count: p.Block - 1}
}

func (p *planned) head(segment int) int { return segment*p.Block + 1 }

func planKey(s *Spread) string { return s.Work + "plan.json" }

// plan reads what a run's workers have in common.
func (w *Worker) plan(ctx context.Context, s *Spread) (*planned, error) {
	var p planned
	if err := w.Objects.getJSON(ctx, planKey(s), &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// share shares the job out.
func (j *running) share(ctx context.Context, src *Source, plan frames.Plan) error {
	archive, _ := archiveKeys(j.task.Ref)
	upload, err := j.Objects.begin(ctx, archive, "application/zip")
	if err != nil {
		return err
	}
	s := &Spread{
		Run: j.task.Ref.Run, UploadID: upload, Work: workPrefix(j.task.Ref, j.token),
		Segments: len(plan.Segments), Remaining: len(plan.Segments), Phase: Sending,
	}
	if j.upload.SHA256 != "" {
		s.Remaining++
	}
	err = j.Objects.putJSON(ctx, planKey(s), planned{
		Plan: plan, Upload: j.upload, ETag: src.etag, Size: src.size, Block: block(s.Segments), Started: j.started,
	})
	if err == nil {
		err = j.Store.Spread(ctx, j.task.Ref, j.token, s)
	}
	if err != nil {
		// What the next worker finds unfinished it aborts; if there is none:
		return errors.Join(err, j.withdraw(ctx, archive, upload))
	}
	slog.InfoContext(ctx, "job shared out", "segments", s.Segments, "chained", plan.Chained)
	return j.send(ctx, s)
}

// withdraw aborts an upload, unless the job's row knows it after all: a write can
// succeed without an answer.
func (j *running) withdraw(ctx context.Context, key, upload string) error {
	ctx, cancel := saying(ctx)
	defer cancel()
	job, err := j.Store.Get(ctx, j.task.Ref.VideoID)
	if err != nil || (job != nil && job.Spread != nil && job.Spread.UploadID == upload) {
		return err
	}
	return j.Objects.abort(ctx, key, upload)
}

// send asks for all that can be done now. A worker that takes over from one that
// died in it asks again; what is asked twice is done once.
func (j *running) send(ctx context.Context, s *Spread) error {
	p, err := j.plan(ctx, s)
	if err != nil {
		return err
	}
	j.upload = p.Upload
	var asked []event.Data
	for i := range p.Plan.Segments {
		if i == 0 || !p.Plan.Chained {
			asked = append(asked, event.SegmentRequested{VideoRef: j.task.Ref, Segment: i})
		}
	}
	if p.Upload.SHA256 != "" {
		asked = append(asked, event.CheckRequested{VideoRef: j.task.Ref})
	}
	for _, data := range asked {
		e, err := j.event(data)
		if err != nil {
			return err
		}
		if err := j.Outbox.Send(ctx, e); err != nil {
			return fmt.Errorf("share job out: %w", err)
		}
	}
	j.shared = true
	return j.Store.Sent(ctx, j.task.Ref, j.token)
}
