package processing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/bucket"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// sideBySide is how many requests of one assembly, or of one export, are under way at
// a time.
const sideBySide = 8

// assemble makes the archive of the segments, which are all done.
func (w *Worker) assemble(ctx context.Context, m message, task Task) error {
	lease := w.lease(m, task)
	job, err := w.Store.ClaimAssembly(ctx, lease)
	if err != nil {
		return err
	}
	j := &running{Worker: w, task: task, token: lease.Token, job: job, claimed: lease.Now}
	j.hold = j.keep(m)
	defer func() { j.measureCost(metrics.Assemble, j.claimed) }()
	return j.finish(ctx, j.hold.during(ctx, j.assemble))
}

func (j *running) assemble(ctx context.Context) error {
	p, err := j.plan(ctx, j.job.Spread)
	if err != nil {
		return err
	}
	j.upload, j.size, j.started = p.Upload, p.Size, p.Started
	a := &assembly{running: j, planned: p}
	if a.done, a.tokens, err = j.segments(ctx); err != nil {
		return err
	}
	var result frames.Result
	err = inStage(ctx, frames.StageZip, func(ctx context.Context) error {
		result, err = a.join(ctx)
		return err
	})
	if bucket.IsCode(err, "NoSuchUpload") {
		result, err = a.joined(ctx, err)
	}
	if err != nil {
		return err
	}
	return j.conclude(ctx, result)
}

// segments reads what the workers have made of the segments, and who they were.
func (j *running) segments(ctx context.Context) ([]segmentWork, []string, error) {
	s := j.job.Spread
	workers, err := j.Store.Workers(ctx, j.task.Ref)
	if err != nil {
		return nil, nil, err
	}
	done, tokens := make([]segmentWork, s.Segments), make([]string, s.Segments)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for i := range done {
		tokens[i] = workers[segmentKey(j.task.Ref, i)]
		group.Go(func() error { return j.Objects.getJSON(ctx, segmentWorkKey(s, i, tokens[i]), &done[i]) })
	}
	return done, tokens, group.Wait()
}

// assembly puts an archive together. The parts that the workers have uploaded
// stand where they belong; what is left are the heads between them, and what
// follows the last segment.
type assembly struct {
	*running
	planned *planned
	done    []segmentWork
	tokens  []string
}

// join completes the archive's upload.
func (a *assembly) join(ctx context.Context) (frames.Result, error) {
	archive, _ := archiveKeys(a.task.Ref)
	s := a.job.Spread
	heads := make([][]Part, len(a.done)) // none, or one for each segment
	copying, within := errgroup.WithContext(ctx)
	copying.SetLimit(sideBySide)
	pending, err := a.heads(within, func(i int, put func() (Part, error)) {
		copying.Go(func() error {
			part, err := put()
			heads[i] = []Part{part}
			return err
		})
	})
	if err = errors.Join(copying.Wait(), err); err != nil {
		return frames.Result{}, err
	}
	var all []Part
	for i, segment := range a.done {
		all = append(append(all, heads[i]...), segment.Parts...)
	}

	// The last part may be small, and is never empty: there is a central directory.
	end := newParts(ctx, numbers{first: a.planned.head(s.Segments), count: maxParts - s.Segments*a.planned.Block}, 1,
		func(ctx context.Context, number int32, data []byte) (Part, error) {
			return a.Objects.putPart(ctx, archive, s.UploadID, number, data)
		})
	_, err = end.Write(pending)
	var result frames.Result
	if err == nil {
		result, err = a.write(end)
	}
	if err != nil {
		_ = end.wait() // for nothing to be written when others take over
		return result, err
	}
	last, err := end.close()
	if err != nil {
		return result, err
	}
	return result, a.Objects.complete(ctx, archive, s.UploadID, append(all, last...))
}

// heads makes parts of the heads, and gives what is left for the end. A head of
// 5 MiB that nothing precedes is copied within S3. Smaller ones, which are whole
// segments, are read and joined until there are 5 MiB.
func (a *assembly) heads(ctx context.Context, begin func(segment int, put func() (Part, error))) (pending []byte, err error) {
	archive, _ := archiveKeys(a.task.Ref)
	s := a.job.Spread
	for i, segment := range a.done {
		key, number := headKey(s, i, a.tokens[i]), int32(a.planned.head(i))
		switch {
		case segment.Head == 0:
			continue
		case len(pending) == 0 && segment.Head >= minPart:
			begin(i, func() (Part, error) { return a.Objects.copyPart(ctx, archive, s.UploadID, number, key) })
			continue
		}
		head, err := a.Objects.get(ctx, key)
		if err != nil {
			return nil, err
		}
		pending = append(pending, head...)
		if data := pending; len(data) >= minPart {
			begin(i, func() (Part, error) { return a.Objects.putPart(ctx, archive, s.UploadID, number, data) })
			pending = nil
		}
	}
	return pending, nil
}

// write writes what follows the last segment.
func (a *assembly) write(w io.Writer) (frames.Result, error) {
	runs := make([]frames.Run, len(a.done))
	for i, segment := range a.done {
		runs[i] = segment.Run
	}
	return a.Engine.Finish(a.planned.Plan, runs, options(a.upload, nil), w)
}

// joined finds the archive of an upload that is no more. A worker that was thought
// dead may have completed it, or has died of it.
func (a *assembly) joined(ctx context.Context, gone error) (frames.Result, error) {
	result, err := a.write(io.Discard)
	if err != nil {
		return result, err
	}
	archive, _ := archiveKeys(a.task.Ref)
	size, err := a.Objects.length(ctx, archive)
	if err != nil {
		return result, err
	}
	if size != result.Size {
		return result, fmt.Errorf("archive of %d bytes, want %d: %w", size, result.Size, gone)
	}
	slog.InfoContext(ctx, "archive had been assembled before")
	return result, nil
}
