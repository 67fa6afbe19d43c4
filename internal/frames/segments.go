package frames

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strings"
)

// Plan is how an extraction is carried out by several workers, in segments. It
// travels as JSON.
//
// Modes that name instants are cut between instants, and each segment finds its
// own way to the picture on display at its first one. In other modes, and with
// dedupe, what a segment gives depends on the one before: the plan is chained.
type Plan struct {
	Extraction Extraction `json:"extraction"`
	Media      Media      `json:"media"`
	// Origin is the timestamp of the first picture.
	Origin int64 `json:"origin"`
	// Chained says that each segment needs the State with which the one before it
	// ended, so that they are carried out one after the other.
	Chained  bool      `json:"chained"`
	Segments []Segment `json:"segments"`
	FFmpeg   string    `json:"ffmpeg"`
	HDR      bool      `json:"hdr"`
	// Everything says that the video is one whose every picture is decoded.
	Everything bool `json:"everything"`
	// EndsAt is where the video ends, for mode "count".
	EndsAt int64 `json:"ends_at"`
}

// Segment is what one worker takes: instants by number, or a range of time in
// time base units after the first picture. The ends are not part of it.
type Segment struct {
	First int64 `json:"first,omitempty"`
	End   int64 `json:"end,omitempty"`
	From  int64 `json:"from,omitempty"`
	Until int64 `json:"until,omitempty"`
}

// PlanOptions says how large segments may be.
type PlanOptions struct {
	// Work is how much a segment takes at most, as far as that can be foreseen; see
	// [ExtractOptions].MaxWork.
	Work int64
	// MaxSegments is how many segments there are at most.
	MaxSegments int
}

// Run is what came of a segment. It travels as JSON, of some 250 bytes a frame.
type Run struct {
	Frames []Frame `json:"frames"`
	// Size is how many bytes were written.
	Size int64 `json:"size"`
	// Entries are the ZIP's, in order.
	Entries []entry `json:"entries"`
	// Log is what FFmpeg had to say about a damaged video.
	Log string `json:"log,omitempty"`
	// State is what the next segment of a chained plan has to know.
	State json.RawMessage `json:"state,omitempty"`
}

// chainState is what a segment of a chained plan leaves to the next.
type chainState struct {
	Frames  int64  `json:"frames"`
	Counted int64  `json:"counted,omitempty"`
	Known   *int64 `json:"known,omitempty"`
	Sheet   *sheet `json:"sheet,omitempty"`
}

// encodeWork is how many pictures decode in the time in which one is encoded.
const encodeWork = 3

// ErrTooMuch tells that an extraction takes more work than was allowed and should
// be carried out by a [Plan].
var ErrTooMuch = errors.New("the extraction takes too much work for one run")

// Plan divides an extraction into segments; one segment means that
// [Engine.Extract] does it best. It returns the errors of Extract.
func (e *Engine) Plan(ctx context.Context, src Source, x Extraction, o PlanOptions) (Plan, error) {
	if err := x.Validate(); err != nil {
		return Plan{}, err
	}
	x = x.WithDefaults()
	var plan Plan
	err := e.open(ctx, src, func(ctx context.Context, in *input) error {
		m, err := e.measure(ctx, in)
		if err != nil {
			return err
		}
		r := &run{engine: e, in: in, x: x}
		r.length = m.media.base.exact(m.end - m.origin)
		if err := r.start(m.media); err != nil {
			return err
		}
		plan = Plan{
			Extraction: x, Media: m.media, Origin: m.origin, FFmpeg: m.media.ffmpeg, HDR: m.media.hdr,
			Everything: m.plain, EndsAt: m.end,
			Chained: r.instants == nil || x.Dedupe,
		}
		plan.cut(r, m, o)
		return nil
	})
	return plan, err
}

// cut divides what r takes of a video.
func (p *Plan) cut(r *run, m measured, o PlanOptions) {
	length := m.end - m.origin
	frames := int64(0)
	if r.instants != nil {
		frames = int64(sort.Search(int(r.part.end), func(k int) bool { return r.instants.tick(int64(k)) >= length }))
	}
	n := int64(1)
	// Where everything is decoded, only an index tells where a segment may begin,
	// nothing finds the picture again that dedupe kept last, and starting points
	// have other times than pictures.
	whole := m.plain && (m.media.starts == 0 || r.x.Dedupe || r.x.Mode == ModeKeyframes)
	if o.Work > 0 && !whole {
		n = min(int64(math.Ceil(r.work(m.media.base.seconds(length), frames)/float64(o.Work))), int64(o.MaxSegments))
	}
	if r.instants != nil {
		p.cutInstants(frames, r.part.end, n)
		return
	}
	from, until := r.part.from, min(r.part.until, max(length, r.part.from))
	n = max(1, min(n, until-from))
	for i := range n {
		p.Segments = append(p.Segments, Segment{From: from + (until-from)*i/n, Until: from + (until-from)*(i+1)/n})
	}
	// Should the video go on after all.
	p.Segments[n-1].Until = r.part.until
}

func (p *Plan) cutInstants(frames, end, n int64) {
	unit := int64(1)
	if p.Extraction.Sprite && !p.Chained {
		unit = sheetTiles // so that every contact sheet is made by one worker
	}
	n = max(1, min(n, frames/unit))
	for i := range n {
		p.Segments = append(p.Segments, Segment{First: frames / unit * i / n * unit, End: frames / unit * (i + 1) / n * unit})
	}
	p.Segments[n-1].End = end
}

// work foresees how many pictures of 1920 by 1080 have to be decoded, of a video
// that lasts so many seconds, for so many frames (0 if that is not known).
func (r *run) work(seconds float64, frames int64) float64 {
	if r.x.End != nil {
		seconds = min(seconds, *r.x.End)
	}
	rate := r.media.FrameRate
	if rate == 0 {
		rate = 30
	}
	decoded, encoded := max(0, seconds-deref(r.x.Start))*rate, float64(frames)
	if r.instants != nil && r.media.starts > 0 && !r.plain {
		// Each wanted picture takes those from the starting point before it.
		decoded = min(decoded, encoded*float64(r.media.pictures)/float64(r.media.starts))
	}
	switch r.x.Mode {
	case ModeKeyframes:
		decoded /= 30
		encoded = decoded
	case ModeEveryNth:
		encoded = decoded / float64(r.x.EveryNth)
	}
	return (decoded + encodeWork*encoded) * float64(r.media.Width*r.media.Height) / (1920 * 1080)
}

// unknownLength is the size, in bytes, from which a video that does not say how
// long it lasts is taken for a long one.
const unknownLength = 256 << 20

// tooMuch reports whether an extraction takes more than one run should do, as
// far as can be told before the first picture is decoded.
func (r *run) tooMuch() bool {
	if r.opts.MaxWork == 0 || r.segment {
		return false
	}
	if r.media.Duration == 0 {
		return r.in.cache.src.Size() > unknownLength
	}
	frames := int64(0)
	if n := r.x.expected(r.media.Duration); n != nil {
		frames = n.Int64() // the limits were applied
	}
	return r.work(r.media.Duration, frames) > float64(r.opts.MaxWork)
}

// ExtractSegment writes the ZIP entries of one of a plan's segments to w. state
// is that of the segment before in a chained plan, nil for the first. It returns
// the errors of [Engine.Extract]; a segment without frames is none.
func (e *Engine) ExtractSegment(ctx context.Context, src Source, p Plan, segment int, state json.RawMessage, opts ExtractOptions, w io.Writer) (Run, error) {
	var before chainState
	if state != nil {
		if err := json.Unmarshal(state, &before); err != nil {
			return Run{}, fmt.Errorf("reading the state of the segment before: %w", err)
		}
	}
	s := p.Segments[segment]
	last := segment == len(p.Segments)-1
	number := s.First
	if p.Chained {
		number = before.Frames
	}
	var result Run
	opts.begin(StageProbe)
	err := e.open(ctx, src, func(ctx context.Context, in *input) error {
		r := &run{engine: e, in: in, x: p.Extraction, opts: opts, archive: newArchive(w, e.limits.Output), segment: true, plain: p.Everything, part: part{
			origin: &p.Origin, first: s.First, end: s.End, from: s.From, until: s.Until,
			number: number, counted: before.Counted, known: before.Known, sheet: before.Sheet, keepSheet: p.Chained && !last,
		}}
		base, _ := parseTimeBase(p.Media.TimeBase)
		r.length = base.exact(p.EndsAt - p.Origin)
		if err := r.extract(ctx); err != nil {
			return err
		}
		in.watch.pause()
		opts.begin(StageZip)
		var err error
		result, err = r.segmentResult(p.Chained)
		return err
	})
	return result, err
}

// segmentResult ends a segment's part of the archive.
func (r *run) segmentResult(chained bool) (Run, error) {
	if err := r.archive.pause(); err != nil {
		return Run{}, err
	}
	result := Run{Frames: r.frames, Size: r.archive.size, Entries: r.archive.entries, Log: r.log}
	if !chained {
		return result, nil
	}
	after := chainState{Frames: r.part.number + int64(len(r.frames)), Counted: r.counted, Known: r.part.known, Sheet: r.sheet}
	if n := len(r.frames); n > 0 && r.x.Dedupe {
		after.Known = &r.frames[n-1].PTS
	}
	var err error
	if result.State, err = json.Marshal(after); err != nil {
		return Run{}, fmt.Errorf("writing the state for the next segment: %w", err)
	}
	return result, nil
}

// Finish writes what follows the entries of all segments: the last entries of
// the archive and its directory. What the segments wrote, one after the other,
// and this are the archive that [Engine.Extract] writes, but its SHA-256 is not
// known. It returns an [*Error] if there are no frames.
func (e *Engine) Finish(p Plan, runs []Run, opts ExtractOptions, w io.Writer) (Result, error) {
	media := p.Media
	media.base, _ = parseTimeBase(media.TimeBase)
	var frames []Frame
	var entries []entry
	var logs []string
	for _, run := range runs {
		frames = append(frames, run.Frames...)
		entries = append(entries, run.Entries...)
		if run.Log != "" {
			logs = append(logs, run.Log)
		}
	}
	log := strings.Join(logs, "\n")
	if len(frames) == 0 {
		return Result{}, fail(CodeNoFrames, "no frames in the video's %g s", media.Duration)
	}
	if int64(len(frames)) > e.limits.Frames {
		return Result{}, fail(CodeTooManyFrames, "%d frames; at most %d", len(frames), e.limits.Frames)
	}
	a, err := resume(w, e.limits.Output, entries)
	if err != nil {
		return Result{}, err
	}
	return finish(a, opts, Manifest{
		Video:      Video{Filename: opts.Filename, Media: media},
		Extraction: p.Extraction,
		Frames:     frames,
		Warnings:   findWarnings(log, p.HDR),
		Engine:     Build{Name: engineName, FFmpeg: p.FFmpeg},
	}, p.Origin, log)
}
