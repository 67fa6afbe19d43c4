package frames

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// errComplete ends FFmpeg when all wanted frames are there.
var errComplete = errors.New("all wanted frames are there")

// run is one extraction.
type run struct {
	engine    *Engine
	in        *input
	media     Media
	x         Extraction
	opts      ExtractOptions
	watch     *watchdog
	archive   *archive
	picture   picture
	selection selection

	timeline timeline // the trace goroutine's until that has ended
	picks    *pickQueue
	span     float64      // seconds of the video that will be looked at; 0 if unknown
	reported float64      // progress
	written  atomic.Int64 // frames
	frames   []Frame
	log      string
}

// newRun plans an extraction and applies the limits that are known before the
// first picture is decoded.
func (e *Engine) newRun(in *input, m Media, x Extraction, opts ExtractOptions, watch *watchdog, w io.Writer) (*run, error) {
	r := &run{
		engine: e, in: in, media: m, x: x, opts: opts, watch: watch,
		archive: newArchive(w),
		picture: newPicture(m, x),
		picks:   newPickQueue(),
		span:    m.Duration,
	}
	if x.End != nil && (r.span == 0 || *x.End < r.span) {
		r.span = *x.End
	}
	if err := r.checkLimits(); err != nil {
		return nil, err
	}
	r.timeline.grid = newGrid(x, m.base)
	r.selection = newSelection(r.timeline.grid, m, e.limits.Duration.Seconds())
	r.timeline.every = r.selection.every
	return r, nil
}

func (r *run) checkLimits() error {
	limits, p := r.engine.limits, r.picture
	if int64(p.scaledWidth)*int64(p.scaledHeight) > limits.Pixels || max(p.scaledWidth, p.scaledHeight) >= MaxSide {
		return fail(CodeTooManyPixels, "frames of %d by %d, scaled to %d by %d", p.width, p.height, p.scaledWidth, p.scaledHeight)
	}
	expected := big.NewInt(r.x.most())
	if r.media.Duration > 0 {
		if n := r.x.wanted(rational(r.media.Duration)); expected.Sign() < 0 || n.Cmp(expected) < 0 {
			expected = n
		}
	}
	if expected.Cmp(big.NewInt(limits.Frames)) > 0 && (r.media.Duration > 0 || r.x.MaxFrames > 0) {
		return fail(CodeTooManyFrames, "%s frames; at most %d", expected, limits.Frames)
	}
	return nil
}

// arguments returns FFmpeg's command line.
func (r *run) arguments() []string {
	e := r.engine
	threads := strconv.Itoa(e.threads)
	args := append([]string{}, logging...)
	args = append(args,
		"-nostdin", "-nostats",
		"-max_alloc", strconv.FormatInt(e.limits.allocation(), 10),
		"-max_error_rate", "1", // whatever decodes is wanted
		"-copyts",             // timestamps as they are in the file
		"-noautorotate",       // see parseMatrix
		"-reinit_filter", "0", // a video that changes its size must not start the selection anew
		"-threads", threads,
	)
	args = append(args, e.limits.inputOptions()...)
	return append(append(append(args,
		"-i", r.in.url,
		"-map", fmt.Sprintf("0:%d", r.media.StreamIndex),
		"-map_metadata", "-1",
		"-vf", r.selection.filters+","+r.picture.filters(),
		"-fps_mode", "passthrough",
		// Fine enough to keep every image's own timestamp apart from the next.
		"-enc_time_base", fmt.Sprintf("%d:%d", r.media.base.num, r.media.base.den)),
		r.picture.encoder...),
		"-threads:v", threads,
		"-flags:v", "+bitexact",
		"-f", "image2pipe",
		"pipe:1")
}

// extract runs FFmpeg and writes the archive.
func (r *run) extract(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := command(ctx, r.watch.life, r.engine.ffmpeg, r.arguments()...)
	pipes, err := p.start(1)
	if err != nil {
		return Result{}, err
	}
	stdout, trace := pipes[0], pipes[1]
	var reading sync.WaitGroup
	reading.Go(func() {
		if err := r.follow(trace); err != nil {
			cancel(err)
		}
		r.picks.close()
	})
	images, stop := make(chan received, readAhead), make(chan struct{})
	reading.Go(func() { r.read(stdout, images, stop) })
	last, err := r.receive(images)
	if err != nil {
		cancel(err)
	}
	close(stop)
	exit := p.cmd.Wait()
	reading.Wait()
	_ = stdout.Close()
	_ = trace.Close()
	r.log = p.log.text()
	if err := r.verdict(ctx, p, exit); err != nil {
		return Result{}, err
	}
	if context.Cause(ctx) == nil { // FFmpeg came to the video's end by itself
		if err := r.finish(last, p); err != nil {
			return Result{}, err
		}
	}
	return r.result()
}

// follow reads the trace to its end and queues what each image is for.
func (r *run) follow(trace *os.File) error {
	reader := newTraceReader(trace)
	for {
		t, err := reader.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fail(CodeEngineFailed, "%v", err)
		}
		r.watch.life()
		if err := r.trace(t); err != nil {
			return err
		}
	}
}

func (r *run) trace(t traced) error {
	switch t.key {
	case traceDecoded:
		if done, ok := r.timeline.add(t.pts, t.known); ok {
			r.picks.push(done)
		}
		return r.checkTime()
	case traceSelected:
		if want := rankTimestamp(r.timeline.rank); t.pts != want {
			return fail(CodeEngineFailed, "FFmpeg chose otherwise at timestamp %d: %d instead of %d", r.timeline.now, t.pts, want)
		}
		return nil
	default:
		return fail(CodeEngineFailed, "FFmpeg's trace has the key %q", t.key)
	}
}

// checkTime reports progress and stops a video that goes on for longer than it
// said.
func (r *run) checkTime() error {
	elapsed := r.media.base.seconds(r.timeline.now - r.timeline.origin)
	if limit := r.engine.limits.Duration.Seconds(); elapsed > limit {
		return fail(CodeTooLong, "the video goes on after %g s", limit)
	}
	if r.span > 0 {
		r.progress(min(elapsed/r.span, 0.99))
	}
	return nil
}

func (r *run) progress(done float64) {
	if r.opts.Progress != nil && done >= r.reported+0.01 {
		r.reported = done
		r.opts.Progress(done, int(r.written.Load()))
	}
}

// readAhead is how many images wait to be written, beyond the one that is read and
// the one that is written. It must be enough for the copies of the last picture
// that the fps filter can let through at the end (it rounds the end up): what the
// first of them is for is known when FFmpeg has gone, and that does not go before
// all of them are read.
const readAhead = 2

// received is an image that FFmpeg wrote, or why there is none.
type received struct {
	image []byte
	err   error
}

// read reads images until FFmpeg has no more or stop is closed, and closes out.
func (r *run) read(stdout *os.File, out chan<- received, stop <-chan struct{}) {
	defer close(out)
	images := newImageReader(stdout, r.x.Format, maxImage(r.picture.width, r.picture.height))
	for {
		image, err := images.next()
		if errors.Is(err, io.EOF) {
			return
		}
		r.watch.life()
		select {
		case out <- received{bytes.Clone(image), err}: // the reader uses its buffer again
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// receive writes images to the archive until FFmpeg has no more, and returns
// the last if it is not known yet what that is for. It returns errComplete if
// there is no need to go on.
func (r *run) receive(images <-chan received) ([]byte, error) {
	for next := range images {
		if next.err != nil {
			return nil, fail(CodeEngineFailed, "%v", next.err)
		}
		done, ok := r.picks.pop()
		if !ok {
			// FFmpeg is through with the video and this is its last picture. What
			// follows are copies of it, which are read so that FFmpeg can end.
			for range images {
			}
			return next.image, nil
		}
		if err := r.write(next.image, done); err != nil {
			return nil, err
		}
		if most := r.timeline.grid.most; most >= 0 && done.first+done.count >= most {
			return nil, errComplete
		}
	}
	return nil, nil
}

// write writes an image to the archive, once for each instant it is for.
func (r *run) write(image []byte, p picked) error {
	if p.count == 0 {
		return nil
	}
	if total := int64(len(r.frames)) + p.count; total > r.engine.limits.Frames {
		return fail(CodeTooManyFrames, "at least %d frames; at most %d", total, r.engine.limits.Frames)
	}
	r.watch.pause()
	defer r.watch.resume()
	crc, sum := crc32.ChecksumIEEE(image), sha256.Sum256(image)
	hexSum := hex.EncodeToString(sum[:])
	for range p.count {
		index := len(r.frames) + 1
		frame := Frame{
			Index:  index,
			File:   fmt.Sprintf("frames/%06d.%s", index, extensions[r.x.Format]),
			PTS:    p.pts,
			Time:   r.media.base.seconds(p.pts),
			Width:  r.picture.width,
			Height: r.picture.height,
			Size:   int64(len(image)),
			SHA256: hexSum,
		}
		if err := r.archive.add(frame.File, crc, image); err != nil {
			return err
		}
		r.frames = append(r.frames, frame)
		r.written.Add(1)
	}
	return nil
}

// verdict says why the extraction failed, if it did, when FFmpeg is gone.
func (r *run) verdict(ctx context.Context, p *process, exit error) error {
	if failure := r.in.cache.failure(); failure != nil {
		return failure
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errComplete):
		return nil
	case cause != nil && !errors.As(cause, new(*Error)):
		return cause
	case exit != nil && p.crashed() && cause == nil:
		return fail(CodeEngineFailed, "FFmpeg crashed: %v: %s", exit, r.log)
	case tooManyPixels(r.log):
		return fail(CodeTooManyPixels, "%s", r.log)
	case r.timeline.pictures == 0 && cause == nil && ours(r.log):
		return fail(CodeEngineFailed, "FFmpeg: %v: %s", exit, r.log)
	case r.timeline.pictures == 0 && cause == nil && (strings.Contains(r.log, "no decoder found") || strings.Contains(r.log, "Decoder (codec")):
		return fail(CodeUnsupportedCodec, "%s", r.log)
	case r.timeline.pictures == 0 && cause == nil:
		return fail(CodeUndecodable, "%s", r.log)
	}
	return cause
}

// finish writes the last picture's image, now that it is known how long it is
// displayed.
func (r *run) finish(last []byte, p *process) error {
	var declaredEnd *int64
	if p.log.empty() && strings.HasPrefix(r.media.Container, "mov,") {
		// The sample table of these files is whole, so its last entry is true.
		declaredEnd = r.media.declaredEnd
	}
	done, _ := r.timeline.finish(declaredEnd)
	missing := r.picks.len()
	if last == nil && done.count > 0 {
		missing++
	}
	if missing > 0 {
		return fail(CodeEngineFailed, "FFmpeg left out %d images: %s", missing, r.log)
	}
	if last == nil {
		return nil
	}
	return r.write(last, done)
}

// result completes the archive.
func (r *run) result() (Result, error) {
	if len(r.frames) == 0 {
		return Result{}, fail(CodeNoFrames, "the video ends after %g s", r.media.base.seconds(r.timeline.end()-r.timeline.origin))
	}
	r.watch.pause()
	video := Video{Filename: r.opts.Filename, Media: r.media}
	if r.opts.SourceSHA256 != nil {
		var err error
		if video.SHA256, err = r.opts.SourceSHA256(); err != nil {
			return Result{}, fmt.Errorf("hash of the source: %w", err)
		}
	}
	manifest := Manifest{
		Video:      video,
		Extraction: r.x,
		Frames:     r.frames,
		Warnings:   r.warnings(),
		Engine:     Build{Name: engineName, FFmpeg: r.media.ffmpeg},
	}
	sum, err := r.archive.close(&manifest)
	if err != nil {
		return Result{}, err
	}
	r.reported = 0
	r.progress(1)
	return Result{
		Manifest: manifest,
		Media:    r.media,
		Frames:   len(r.frames),
		Size:     r.archive.size,
		SHA256:   sum,
		Warnings: manifest.Warnings,
		Log:      r.log,
	}, nil
}

func (r *run) warnings() []Warning {
	var found []Warning
	warn := func(condition bool, code string) {
		if condition {
			found = append(found, Warning{code, warnings[code]})
		}
	}
	truncated := r.truncated()
	warn(truncated, WarnTruncated)
	warn(!truncated && r.log != "", WarnDamaged)
	warn(r.media.hdr, WarnHDR)
	return found
}

// truncated reports whether FFmpeg found that the file ends too early.
func (r *run) truncated() bool {
	return strings.Contains(r.log, "partial file") || strings.Contains(r.log, "ended prematurely")
}

// pickQueue hands what images are for from the goroutine that reads the trace
// to the one that reads the images. It never makes the first wait, so that
// FFmpeg always finds room to write its trace; it stays short, because FFmpeg's
// other output has little room.
type pickQueue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	items  []picked
	closed bool
}

func newPickQueue() *pickQueue {
	q := &pickQueue{}
	q.wake = sync.NewCond(&q.mu)
	return q
}

func (q *pickQueue) push(p picked) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, p)
	q.wake.Signal()
}

// pop waits for the next; it returns false if there will be none.
func (q *pickQueue) pop() (picked, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.wake.Wait()
	}
	if len(q.items) == 0 {
		return picked{}, false
	}
	p := q.items[0]
	q.items = q.items[1:]
	return p, true
}

func (q *pickQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

func (q *pickQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Broadcast()
}
