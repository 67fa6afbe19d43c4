package processing

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// S3's rules for multipart uploads: so many parts, numbered from 1, and each but
// the last of at least so many bytes.
const (
	maxParts = 10_000
	minPart  = 5 << 20
)

// partSizes are the sizes of the parts of a row of numbers, in bytes: of each
// quarter one, so that what is small is soon uploaded and needs little memory, and
// a row of a hundred holds 6 GB, all 10,000 hold 600 GB.
var partSizes = [...]int{minPart, 32 << 20, 64 << 20, largest}

const largest = 128 << 20

// uploads is how many parts of one object are uploaded side by side, as far as
// so many bytes of memory hold them: two of the largest.
const (
	uploads = 2
	memory  = 2 * (largest + minPart)
)

// numbers is a row of part numbers.
type numbers struct{ first, count int }

// size is that of the part at place i of the row, in bytes.
func (n numbers) size(i int) int { return partSizes[len(partSizes)*i/n.count] }

// block is how many part numbers each of so many segments has. The last ones, room
// for a gigabyte, are for what follows the segments: ten times what it is with
// 100,000 frames.
func block(segments int) int { return (maxParts - 16) / segments }

// Part is one uploaded part of a multipart upload.
type Part struct {
	Number int32  `json:"number"`
	ETag   string `json:"etag"`
	CRC32  string `json:"crc32,omitempty"` // in base64, as S3 gives it
}

// parts cuts what is written to it into parts, and uploads them while more is
// written. Its memory is bounded: a writer that is faster than S3 waits.
//
// The same bytes are always cut alike, so that whoever writes them again puts
// equal parts in the place of the first.
type parts struct {
	ctx     context.Context //nolint:containedctx // io.Writer takes none
	numbers numbers
	put     func(ctx context.Context, number int32, data []byte) (Part, error)

	// least is how many bytes the last part has at least, if all that is written
	// has as many.
	least int

	group  *errgroup.Group
	memory *semaphore.Weighted
	begun  int    // parts
	rest   []byte // what is in no part yet
	failed error  // for good

	mu   sync.Mutex
	done []Part
}

func newParts(ctx context.Context, row numbers, least int, put func(context.Context, int32, []byte) (Part, error)) *parts {
	p := &parts{numbers: row, least: least, put: put, memory: semaphore.NewWeighted(memory)}
	p.group, p.ctx = errgroup.WithContext(ctx)
	p.group.SetLimit(uploads)
	return p
}

// Write implements io.Writer. The error may be that of an upload.
func (p *parts) Write(data []byte) (int, error) {
	written := 0
	for len(data) > 0 {
		switch {
		case p.rest == nil:
			p.renew(nil)
		case len(p.rest) == cap(p.rest):
			p.upload(cap(p.rest) - p.least)
		}
		if p.failed != nil {
			return written, p.failed
		}
		n := min(len(data), cap(p.rest)-len(p.rest))
		p.rest = append(p.rest, data[:n]...)
		written, data = written+n, data[n:]
	}
	return written, nil
}

// renew makes room for the next part, and for what is kept back of it.
func (p *parts) renew(begin []byte) {
	if p.begun >= p.numbers.count {
		// S3's own limit of an object is of the same order: whoever comes here has
		// asked for too much.
		p.failed = fmt.Errorf("%d parts are not enough: %w", p.numbers.count, problem.New(problem.OutputTooLarge))
		return
	}
	size := p.numbers.size(p.begun) + p.least
	if err := p.memory.Acquire(p.ctx, int64(size)); err != nil {
		p.failed = context.Cause(p.ctx)
		return
	}
	p.rest = append(make([]byte, 0, size), begin...)
}

// upload makes a part of the first bytes of the rest, and leaves the others.
func (p *parts) upload(size int) {
	held, number := p.rest, int32(p.numbers.first+p.begun)
	p.begun++
	p.group.Go(func() error {
		defer p.memory.Release(int64(cap(held)))
		part, err := p.put(p.ctx, number, held[:size])
		if err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.done = append(p.done, part)
		return nil
	})
	p.rest = nil
	if size < len(held) {
		p.renew(held[size:])
	}
}

// close uploads the rest, and gives all parts in order when they are there.
func (p *parts) close() ([]Part, error) {
	if len(p.rest) > 0 {
		p.upload(len(p.rest))
	}
	if err := cmp.Or(p.wait(), p.failed); err != nil {
		return nil, err
	}
	slices.SortFunc(p.done, func(a, b Part) int { return cmp.Compare(a.Number, b.Number) })
	return p.done, nil
}

// wait returns when no upload is under way.
func (p *parts) wait() error { return p.group.Wait() }

// Writing is an object of the archives bucket that is being written: in parts if
// it is more than one.
type Writing struct {
	objects     *Objects
	ctx         context.Context //nolint:containedctx // io.Writer takes none
	key         string
	contentType string
	parts       *parts

	once sync.Once
	id   string // of the multipart upload, if there is one
	err  error
}

// Create begins an object. It is there once it was closed; one that is not closed
// must be abandoned.
func (o *Objects) Create(ctx context.Context, key, contentType string) *Writing {
	w := &Writing{objects: o, ctx: ctx, key: key, contentType: contentType}
	w.parts = newParts(ctx, numbers{1, maxParts}, 1, w.put)
	return w
}

func (w *Writing) put(ctx context.Context, number int32, data []byte) (Part, error) {
	w.once.Do(func() { w.id, w.err = w.objects.begin(w.ctx, w.key, w.contentType) })
	if w.err != nil {
		return Part{}, w.err
	}
	return w.objects.putPart(ctx, w.key, w.id, number, data)
}

// Write implements io.Writer.
func (w *Writing) Write(data []byte) (int, error) { return w.parts.Write(data) }

// Close makes the object of what was written.
func (w *Writing) Close() error {
	if w.parts.begun == 0 && w.parts.failed == nil {
		return w.objects.put(w.ctx, w.key, w.contentType, w.parts.rest)
	}
	all, err := w.parts.close()
	if err == nil {
		err = w.objects.complete(w.ctx, w.key, w.id, all)
	}
	if err != nil {
		w.Abandon()
	}
	return err
}

// Abandon leaves nothing behind, if S3 can be reached.
func (w *Writing) Abandon() {
	_ = w.parts.wait() // the caller knows why
	if w.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), margin)
	defer cancel()
	if err := w.objects.abort(ctx, w.key, w.id); err != nil {
		slog.WarnContext(ctx, "unfinished upload left to whoever ends the run", "error", err)
	}
}

// run writes what one segment adds to the archive: its head as an object of its
// own, since S3 wants parts of 5 MiB and the segment before may end with less,
// and the rest as parts of the archive's upload.
type run struct {
	head  []byte
	whole bool // the head: the rest goes into parts
	parts *parts
}

// Write implements io.Writer. Until there is enough for a head and a part, all is
// head.
func (r *run) Write(data []byte) (int, error) {
	if r.whole {
		return r.parts.Write(data)
	}
	n := min(len(data), 2*minPart-len(r.head))
	r.head = append(r.head, data[:n]...)
	if n == len(data) {
		return n, nil
	}
	r.whole = true
	if _, err := r.parts.Write(r.head[minPart:]); err != nil {
		return n, err
	}
	r.head = r.head[:minPart]
	m, err := r.parts.Write(data[n:])
	return n + m, err
}
