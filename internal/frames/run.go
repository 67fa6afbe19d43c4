package frames

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math"
	"math/big"
	"strings"
	"syscall"
	"time"
)

// part is what one run takes of an extraction: all of it, or a segment.
type part struct {
	origin     *int64 // timestamp of the first picture, if it is known
	first, end int64  // numbers of the instants, end exclusive; all if end is -1
	from       int64  // where the mode names pictures: range in time base units
	until      int64  // after the first picture; until is not part of it
	number     int64  // frames that come before
	counted    int64  // mode every_nth: pictures counted before
	known      *int64 // dedupe: timestamp of the last picture that was kept before
	sheet      *sheet // contact sheet that was begun before
	keepSheet  bool   // and the last one is completed later
}

// sheet is a contact sheet that is not full.
type sheet struct {
	Tiles  int    `json:"tiles"`
	Pixels []byte `json:"pixels"` // as the program gave them
}

// whole is all of an extraction.
func whole(x Extraction, base timeBase) part {
	p := part{end: -1, until: 1<<62 - 1, from: base.ceil(rational(deref(x.Start)))}
	if x.End != nil {
		p.until = base.ceil(rational(*x.End))
	}
	return p
}

// run is one extraction, or a segment of one.
type run struct {
	engine  *Engine
	in      *input
	x       Extraction
	opts    ExtractOptions
	archive *archive
	segment bool // part is given; else it is all
	part    part
	length  *big.Rat // of the video in seconds; for mode count alone

	media    Media
	picture  picture
	instants instants // nil where the mode names pictures

	origin             *int64
	ended              int64 // timestamp at which the last picture ends
	plain              bool  // decode everything
	why                string
	taken              int64 // instants that are done with
	skip               int64 // images, and contact sheets, that come again after a restart
	skipSheets, sheets int
	counted            int64
	sheet              *sheet
	reported           float64 // progress
	frames             []Frame
	log                string
}

// start begins with a video that says of itself what media holds, and applies
// the limits that are known before the first picture is decoded.
func (r *run) start(media Media) error {
	r.media, r.picture = media, newPicture(media, r.x)
	if err := r.checkLimits(); err != nil {
		return err
	}
	if !r.segment {
		r.part = whole(r.x, media.base)
	}
	r.instants = newInstants(r.x, media.base, r.length)
	if r.instants != nil && r.part.end < 0 {
		// One more than is allowed shows that it is too many.
		r.part.end = r.engine.limits.Frames + 1
		if n := r.instants.len(); n >= 0 {
			r.part.end = min(r.part.end, n)
		}
	}
	if r.tooMuch() {
		return ErrTooMuch
	}
	r.origin = r.part.origin
	r.counted = r.part.counted
	return nil
}

func (r *run) checkLimits() error {
	limits, p := r.engine.limits, r.picture
	if int64(p.scaledWidth)*int64(p.scaledHeight) > limits.Pixels || max(p.scaledWidth, p.scaledHeight) >= MaxSide {
		return fail(CodeTooManyPixels, "frames of %d by %d, scaled to %d by %d", p.width, p.height, p.scaledWidth, p.scaledHeight)
	}
	if n := r.x.expected(r.media.Duration); n != nil && n.Cmp(big.NewInt(limits.Frames)) > 0 {
		return fail(CodeTooManyFrames, "%s frames; at most %d", n, limits.Frames)
	}
	return nil
}

// expected returns how many frames there will be at most as far as can be told
// from the video's duration in seconds, which is 0 if it is not known; nil if it
// cannot be told.
func (x Extraction) expected(duration float64) *big.Int {
	var expected *big.Int
	if most := x.most(); most >= 0 {
		expected = big.NewInt(most)
	}
	if x.Dedupe || duration <= 0 || (x.Mode != ModeFPS && x.Mode != ModeInterval) {
		if x.Dedupe && x.MaxFrames == 0 {
			return nil
		}
		return expected
	}
	if n := x.wanted(rational(duration)); expected == nil || n.Cmp(expected) < 0 {
		expected = n
	}
	return expected
}

// programModes are the program's words for what the modes have it do.
var programModes = map[string]string{
	ModeFPS: "instants", ModeInterval: "instants", ModeCount: "instants", ModeTimestamps: "instants",
	ModeEveryNth: "nth", ModeKeyframes: "keyframes", ModeScenes: "scenes",
}

// plan returns what the program reads after the limits.
func (r *run) plan() []byte {
	s, p := r.common(programModes[r.x.Mode]), r.part
	var following []byte
	if r.instants != nil {
		following = ticks(r.instants, p.first+r.taken, p.end)
		s.set("instants", p.end-p.first-r.taken)
	} else {
		s.set("from", p.from)
		s.set("until", p.until)
	}
	s.set("nth", max(r.x.EveryNth, 1))
	s.set("counted", p.counted)
	s.set("number", p.number)
	if r.x.MaxFrames > 0 {
		s.set("most", max(0, int64(r.x.MaxFrames)-p.number-int64(len(r.frames))+r.skip))
	}
	s.setIf(r.x.Mode == ModeScenes, "threshold", deref(r.x.Threshold))
	if r.x.Dedupe {
		s.set("dedupe", 1)
		if known := r.lastKept(); known != nil {
			s.set("known", *known)
		}
	}
	s.set("filters", r.picture.filters())
	s.set("encoder", r.picture.encoder)
	s.set("encoder_options", r.picture.options)
	s.setIf(r.picture.scale > 0, "quality", r.picture.scale)
	if r.x.Sprite {
		tile := newTile(r.picture.width, r.picture.height)
		s.set("tile_filters", tile.filters())
		s.set("tile_width", tile.width)
		s.set("tile_height", tile.height)
		s.setIf(p.keepSheet, "keep_sheet", 1)
		if begun := r.sheet; begun != nil {
			s.set("tiles", begun.Tiles)
			following = append(following, begun.Pixels...)
		}
	}
	return append(s.bytes(), following...)
}

// common returns the settings that every use of the program has.
func (r *run) common(mode string) *settings {
	s := new(settings)
	s.set("stream", r.media.StreamIndex)
	s.set("mode", mode)
	s.set("threads", r.engine.threads)
	s.setIf(r.plain, "plain", 1)
	if r.origin != nil {
		s.set("origin", *r.origin)
	}
	if r.media.declaredEnd != nil && strings.HasPrefix(r.media.Container, "mov,") {
		// The sample table of these files is whole, so its last entry is true.
		s.set("declared_end", *r.media.declaredEnd)
	}
	return s
}

// lastKept is the picture with which dedupe compares the first that comes.
func (r *run) lastKept() *int64 {
	if r.instants != nil && len(r.frames) > 0 {
		return &r.frames[len(r.frames)-1].PTS
	}
	return r.part.known
}

// prepare finds out what has to be known of the video before the program can be
// told what to do, where that takes a run of its own.
func (r *run) prepare(ctx context.Context) error {
	if r.x.Mode != ModeCount {
		return nil
	}
	m, err := r.engine.measure(ctx, r.in)
	if err != nil {
		return err
	}
	r.plain = m.plain
	r.length = m.media.base.exact(m.end - m.origin)
	return nil
}

// extract writes the frames to the archive. Where the program's forecast of what
// has to be decoded was wrong it runs once more, from there on.
func (r *run) extract(ctx context.Context) error {
	r.sheet = r.part.sheet
	for {
		restart := false
		log, err := r.engine.converse(ctx, r.in, r.planFor, func(rec record) error {
			if rec.kind == recordPlain {
				restart, r.why = true, string(rec.data)
				r.resumeAfter(rec.numbers[0]) // the last record
				return nil
			}
			return r.take(rec)
		})
		r.log = strings.TrimPrefix(r.log+"\n"+log, "\n")
		if err != nil {
			return err
		}
		if !restart {
			return nil
		}
		if r.plain {
			return fail(CodeEngineFailed, "the program wants to be run again and again: %s", r.why)
		}
		r.plain = true
	}
}

// resumeAfter sees to it that what is done with is not done again: instants are
// not asked for, and pictures, which have to be counted from the first, are passed
// over.
func (r *run) resumeAfter(done int64) {
	if r.instants != nil {
		r.taken += done
		return
	}
	r.skip, r.skipSheets = int64(len(r.frames)), r.sheets
	r.sheet = r.part.sheet
}

// planFor returns the plan for a video that says of itself what media holds.
func (r *run) planFor(media Media) ([]byte, error) {
	if r.media.base == (timeBase{}) {
		if err := r.start(media); err != nil {
			return nil, err
		}
		r.opts.begin(StageDecode)
	}
	return r.plan(), nil
}

// take takes one record of the program.
func (r *run) take(rec record) error {
	switch rec.kind {
	case recordOrigin:
		r.origin = &rec.numbers[0]
	case recordProgress:
		return r.checkTime(rec.numbers[0])
	case recordImage:
		if err := r.checkTime(rec.numbers[0]); err != nil {
			return err
		}
		return r.image(rec)
	case recordSheet:
		return r.sheetImage(rec)
	case recordTiles:
		r.sheet = &sheet{Tiles: int(rec.numbers[0]), Pixels: append([]byte(nil), rec.data...)}
	case recordCounted:
		r.counted = rec.numbers[0]
	case recordEnd:
		r.ended = rec.numbers[0]
		return r.checkTime(r.ended)
	default:
		return fail(CodeEngineFailed, "an unexpected record %q", rune(rec.kind))
	}
	return nil
}

// checkTime reports progress and stops a video that goes on for longer than it
// said.
func (r *run) checkTime(pts int64) error {
	if r.origin == nil || pts == noTimestamp {
		return nil
	}
	elapsed := r.media.base.seconds(pts - *r.origin)
	if limit := r.engine.limits.Duration.Seconds(); elapsed > limit {
		return fail(CodeTooLong, "the video goes on after %g s", limit)
	}
	from, to := r.span()
	if to > from {
		r.progress(min(max(0, (elapsed-from)/(to-from)), 0.99))
	}
	return nil
}

// span returns the seconds of the video, after its first picture, that are gone
// through; both 0 if that is not known.
func (r *run) span() (from, to float64) {
	to = r.media.Duration
	if r.instants != nil {
		n := r.instants.len()
		if n == 0 { // of a video that ends where it begins
			return 0, 0
		}
		from = r.media.base.seconds(r.instants.tick(r.part.first))
		if n >= 0 && n <= r.part.end || r.part.origin != nil {
			if end := r.media.base.seconds(r.instants.tick(max(r.part.end-1, 0))); to == 0 || end < to {
				to = end
			}
		}
		return from, to
	}
	from = r.media.base.seconds(r.part.from)
	if end := r.media.base.seconds(r.part.until); to == 0 || end < to {
		to = end
	}
	return from, to
}

func (r *run) progress(done float64) {
	if r.opts.Progress != nil && done >= r.reported+0.01 {
		r.reported = done
		r.opts.Progress(done, len(r.frames))
	}
}

// image writes an image to the archive, once for each instant it is for.
func (r *run) image(rec record) error {
	pts, count := rec.numbers[0], rec.numbers[2]
	if r.skip > 0 {
		r.skip--
		return nil // it was written before the restart
	}
	if total := r.part.number + int64(len(r.frames)) + count; total > r.engine.limits.Frames {
		return fail(CodeTooManyFrames, "at least %d frames; at most %d", total, r.engine.limits.Frames)
	}
	sum := sha256.Sum256(rec.data)
	crc, hexSum := crc32.ChecksumIEEE(rec.data), hex.EncodeToString(sum[:])
	for range count {
		index := int(r.part.number) + len(r.frames) + 1
		frame := Frame{
			Index:  index,
			File:   fmt.Sprintf("frames/%06d.%s", index, extensions[r.x.Format]),
			PTS:    pts,
			Time:   r.media.base.seconds(pts),
			Width:  r.picture.width,
			Height: r.picture.height,
			Size:   int64(len(rec.data)),
			SHA256: hexSum,
		}
		if err := r.archive.add(frame.File, crc, rec.data); err != nil {
			return err
		}
		r.frames = append(r.frames, frame)
	}
	return nil
}

// sheetImage writes a contact sheet to the archive.
func (r *run) sheetImage(rec record) error {
	r.sheet = nil
	if r.skipSheets > 0 {
		r.skipSheets--
		return nil // it was written before the restart
	}
	r.sheets++
	number := (r.part.number + int64(len(r.frames)) + sheetTiles - 1) / sheetTiles
	return r.add(fmt.Sprintf("sprites/%06d.jpg", number), rec.data)
}

func (r *run) add(name string, content []byte) error {
	return r.archive.add(name, crc32.ChecksumIEEE(content), content)
}

// check returns an error if not one picture was decoded.
func (r *run) check() error {
	switch {
	case r.origin == nil && tooManyPixels(r.log):
		return fail(CodeTooManyPixels, "%s", r.log)
	case r.origin == nil:
		return fail(CodeUndecodable, "%s", r.log)
	}
	return nil
}

// result completes the archive.
func (r *run) result() (Result, error) {
	if err := r.check(); err != nil {
		return Result{}, err
	}
	if len(r.frames) == 0 {
		return Result{}, fail(CodeNoFrames, "no frames in the video's %g s", r.media.Duration)
	}
	result, err := finish(r.archive, r.opts, Manifest{
		Video:      Video{Filename: r.opts.Filename, Media: r.media},
		Extraction: r.x,
		Frames:     r.frames,
		Warnings:   findWarnings(r.log, r.media.hdr),
		Engine:     Build{Name: engineName, FFmpeg: r.media.ffmpeg},
	}, *r.origin, r.log)
	result.Plain = r.why
	return result, err
}

// finish writes what comes after the frames.
func finish(a *archive, opts ExtractOptions, m Manifest, origin int64, log string) (Result, error) {
	if m.Extraction.Sprite {
		text := webVTT(m.Frames, m.Video.Media, origin)
		if err := a.add("sprites.vtt", crc32.ChecksumIEEE(text), text); err != nil {
			return Result{}, err
		}
	}
	if opts.SourceSHA256 != nil {
		var err error
		if m.Video.SHA256, err = opts.SourceSHA256(); err != nil {
			return Result{}, fmt.Errorf("hash of the source: %w", err)
		}
	}
	sum, err := a.close(&m)
	if err != nil {
		return Result{}, err
	}
	if opts.Progress != nil {
		opts.Progress(1, len(m.Frames))
	}
	return Result{
		Manifest: m,
		Media:    m.Video.Media,
		Frames:   len(m.Frames),
		Size:     a.size,
		SHA256:   sum,
		Warnings: m.Warnings,
		Log:      log,
	}, nil
}

func findWarnings(log string, hdr bool) []Warning {
	var found []Warning
	warn := func(condition bool, code string) {
		if condition {
			found = append(found, Warning{code, warnings[code]})
		}
	}
	truncated := strings.Contains(log, "partial file") || strings.Contains(log, "ended prematurely")
	warn(truncated, WarnTruncated)
	warn(!truncated && log != "", WarnDamaged)
	warn(hdr, WarnHDR)
	return found
}

// measured is where a video begins and ends, in time base units.
type measured struct {
	media       Media
	origin, end int64
	plain       bool // it took decoding everything to find out
}

// measure finds out where a video begins and ends.
func (e *Engine) measure(ctx context.Context, in *input) (measured, error) {
	var m measured
	for {
		r := &run{engine: e, in: in, plain: m.plain}
		restart := false
		log, err := e.converse(ctx, in, func(media Media) ([]byte, error) {
			r.media, m.media = media, media
			s := r.common("end")
			if media.declaredEnd != nil {
				s.set("about", *media.declaredEnd)
			} else if media.Duration > 0 {
				s.set("about", media.base.floor(rational(media.Start+media.Duration)))
			}
			return s.bytes(), nil
		}, func(rec record) error {
			restart = restart || rec.kind == recordPlain
			if rec.kind == recordPlain {
				return nil
			}
			return r.take(rec)
		})
		r.log = log
		switch {
		case err != nil:
			return m, err
		case restart && m.plain:
			return m, fail(CodeEngineFailed, "the program wants to be run again and again")
		case restart:
			m.plain = true
			continue
		}
		if err := r.check(); err != nil {
			return m, err
		}
		m.origin, m.end = *r.origin, r.ended
		return m, nil
	}
}

// converse runs the program once: plan gets what the file says and returns what
// the program is to do, and take gets every record that follows. It returns what
// the program logged.
func (e *Engine) converse(ctx context.Context, in *input, plan func(Media) ([]byte, error), take func(record) error) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := command(ctx, in.watch.life, e.program)
	pipes, err := p.start()
	if err != nil {
		return "", err
	}
	served := make(chan error, 1)
	go func() {
		err := serveRanges(in.cache, pipes.requests, pipes.answers)
		if err != nil {
			cancel(fail(CodeEngineFailed, "%v", err)) // the program waits for an answer
		}
		served <- err
	}()
	refused := e.hear(in, pipes, plan, take)
	if refused != nil {
		cancel(refused)
	}
	exit := p.cmd.Wait()
	in.cpu += p.cpu()
	pipes.close()
	wrong := <-served
	log := p.log.text()
	switch {
	case in.cache.failure() != nil:
		return log, in.cache.failure()
	case refused != nil && context.Cause(ctx) != refused: //nolint:errorlint // identity: whose fault it was
		return log, context.Cause(ctx)
	case endedBy(exit, syscall.SIGXCPU):
		return log, fail(CodeTooMuchCPU, "more than %v", e.limits.CPU)
	case errors.Is(refused, errHungUp):
		return log, fail(CodeEngineFailed, "%v, %v: %s", exit, refused, log)
	case refused != nil:
		return log, explain(refused, log)
	case ctx.Err() != nil:
		return log, context.Cause(ctx)
	case exit != nil:
		return log, fail(CodeEngineFailed, "%v: %s", exit, log)
	case wrong != nil:
		return log, fail(CodeEngineFailed, "%v", wrong)
	}
	return log, nil
}

// errHungUp tells that the program ended in the middle of a record.
var errHungUp = errors.New("the program stopped talking")

// largestFixed bounds what records other than images may hold: what a file of
// thousands of streams says, and the pixels of a contact sheet.
const largestFixed = 8 << 20

// hear talks to the program until it has nothing more to say.
func (e *Engine) hear(in *input, pipes *pipes, plan func(Media) ([]byte, error), take func(record) error) error {
	limits := new(settings)
	limits.set("size", in.cache.src.Size())
	limits.set("max_pixels", e.limits.Pixels)
	limits.set("max_alloc", e.limits.allocation())
	limits.set("max_memory", e.limits.Memory)
	limits.set("max_cpu", max(1, int64(math.Ceil((e.limits.CPU-in.cpu).Seconds()))))
	// Where the program cannot be written to, its records say why.
	_, _ = pipes.plan.Write(limits.bytes())
	reader := newRecordReader(pipes.records, largestFixed)
	for {
		rec, err := reader.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errHungUp, err)
		}
		in.watch.life()
		switch rec.kind {
		case recordFail:
			code, detail, _ := strings.Cut(string(rec.data), "\n")
			return fail(code, "%s", detail)
		case recordMedia:
			media, err := readMedia(rec.data, e.limits)
			if err != nil {
				return err
			}
			e.warnOnce(media.unfiltered)
			text, err := plan(media)
			if err != nil {
				return err
			}
			reader.max = max(reader.max, maxImage(e.limits.Pixels))
			_, _ = pipes.plan.Write(text)
		default:
			in.watch.pause() // taking a record may mean waiting for an upload
			err := take(rec)
			in.watch.resume()
			if err != nil {
				return err
			}
		}
	}
}

// warnOnce tells the operator why system calls are not filtered, if they are not.
func (e *Engine) warnOnce(unfiltered string) {
	if unfiltered != "" {
		e.warned.Do(func() { slog.Warn("the decoder runs without its filter of system calls", "reason", unfiltered) })
	}
}

// explain makes of the program's code for a failure, and of what it logged, a
// code for people.
func explain(err error, log string) error {
	var failure *Error
	if !errors.As(err, &failure) || log == "" {
		return err
	}
	code := failure.Code
	switch {
	case code == CodeEngineFailed:
	case tooManyPixels(log):
		code = CodeTooManyPixels
	case code == CodeNotAVideo && strings.Contains(log, "moov atom not found"):
		// An MP4 whose index was still to come when it was cut off.
		code = CodeUndecodable
	}
	return fail(code, "%s: %s", failure.Detail, log)
}

// input is a source that is open for the program.
type input struct {
	cache *cache
	watch *watchdog
	cpu   time.Duration // that the program has taken so far
}
