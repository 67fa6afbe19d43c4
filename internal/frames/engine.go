package frames

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// engineName is what a manifest calls this engine.
const engineName = "fotograma"

// programName is the program that the engine runs, see layers/ffmpeg/frames.
const programName = "fotograma-frames"

// Config is what an [Engine] is made of. The zero value is usable.
type Config struct {
	// Program is the path of fotograma-frames. If empty it is looked for beside
	// the running program, and then in PATH.
	Program string
	// Limits for every video; [DefaultLimits] if zero.
	Limits Limits
	// Threads is how many threads decode a video, beside the one that feeds them
	// where there are several, and how many pictures are encoded side by side; as
	// many as there are CPUs for this process if 0.
	Threads int
}

// Engine extracts frames. It is safe for use by several goroutines; each call
// runs a process of its own.
type Engine struct {
	program string
	limits  Limits
	threads int
	warned  sync.Once // that system calls are not filtered
}

// New returns an engine, or an error if a limit makes no sense or if the program
// is not there.
func New(c Config) (*Engine, error) {
	if c.Limits == (Limits{}) {
		c.Limits = DefaultLimits()
	}
	if err := c.Limits.Validate(); err != nil {
		return nil, err
	}
	if c.Threads == 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	program, err := findProgram(c.Program)
	if err != nil {
		return nil, err
	}
	return &Engine{program: program, limits: c.Limits, threads: min(max(c.Threads, 1), 16)}, nil
}

func findProgram(configured string) (string, error) {
	names := []string{configured}
	if configured == "" {
		names = []string{programName}
		if self, err := os.Executable(); err == nil {
			names = []string{filepath.Join(filepath.Dir(self), programName), programName}
		}
	}
	var found error
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil {
			return filepath.Abs(path) //nolint:wrapcheck // fails only without a working directory
		}
		found = err
	}
	return "", fmt.Errorf("looking for %s: %w", programName, found)
}

// ExtractOptions is what [Engine.Extract] may know besides the extraction.
type ExtractOptions struct {
	// Filename goes into the manifest.
	Filename string
	// SourceSHA256 gives the hash of the video's file for the manifest, in
	// hexadecimal; nil if it is not known. It is called once, when the frames are
	// written, so that the hash can be worked out meanwhile.
	SourceSHA256 func() (string, error)
	// MaxWork is how much work Extract may take on, as far as that can be foreseen:
	// the number of pictures of 1920 by 1080 that are decoded, where encoding one
	// counts as three. Above it Extract returns [ErrTooMuch] before anything is
	// written. 0 is no bound.
	MaxWork int64
	// Progress is called, if it is set, from one goroutine at a time with how
	// much is done, 0 to 1 by the video's own time and never going back, and the
	// number of frames written. It is called about a hundred times, in the end
	// with 1, and must return soon.
	Progress func(done float64, frames int)
	// Stage is called, if it is set, with the name of each stage as it begins:
	// [StageProbe], [StageDecode], [StageZip]. It must return soon.
	Stage func(name string)
}

// The stages of an extraction. Frames go into the archive as they are decoded, so
// that StageZip is for what comes after the last of them.
const (
	StageProbe  = "probe"
	StageDecode = "decode"
	StageZip    = "zip"
)

func (o ExtractOptions) begin(stage string) {
	if o.Stage != nil {
		o.Stage(stage)
	}
}

// Result is what [Engine.Extract] wrote.
type Result struct {
	Manifest Manifest
	// Media is what the video says of itself; the manifest has the same.
	Media Media
	// Frames is the number of images in the archive.
	Frames int
	// Size and SHA256 (hexadecimal) of the archive.
	Size   int64
	SHA256 string
	// Warnings are the manifest's.
	Warnings []Warning
	// Plain says why every picture had to be decoded; empty if only those were that
	// the wanted ones need.
	Plain string
	// Log is the beginning of what FFmpeg had to say about a damaged video, for
	// the operator.
	Log string
}

// Probe returns what a video says of itself. It returns an [*Error] if the file
// cannot be used, the source's error if that failed, and the context's error if
// it has ended.
func (e *Engine) Probe(ctx context.Context, src Source) (Media, error) {
	var media Media
	err := e.open(ctx, src, func(ctx context.Context, in *input) error {
		_, err := e.converse(ctx, in, func(m Media) ([]byte, error) {
			media = m
			return nil, errEnough
		}, nil)
		return ignoreEnough(err)
	})
	return media, err
}

// errEnough ends a program from which nothing more is wanted.
var errEnough = errors.New("that is all that was wanted")

func ignoreEnough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// Extract writes a ZIP archive of the wanted frames and a manifest to w, from
// beginning to end. It returns an [*OptionError] if the extraction is not
// valid, an [*Error] if the video cannot be used, [ErrTooMuch] if MaxWork says
// so, and otherwise the error of whatever failed: the source, w, or the context.
// After an error, what was
// written to w is of no use.
//
// The same video, extraction and FFmpeg give the same archive, byte for byte.
func (e *Engine) Extract(ctx context.Context, src Source, x Extraction, opts ExtractOptions, w io.Writer) (Result, error) {
	if err := x.Validate(); err != nil {
		return Result{}, err
	}
	x = x.WithDefaults()
	var result Result
	opts.begin(StageProbe)
	err := e.open(ctx, src, func(ctx context.Context, in *input) error {
		r := &run{engine: e, in: in, x: x, opts: opts, archive: newArchive(w, e.limits.Output)}
		if err := r.prepare(ctx); err != nil {
			return err
		}
		if err := r.extract(ctx); err != nil {
			return err
		}
		in.watch.pause() // the end of an upload may take its time
		opts.begin(StageZip)
		var err error
		result, err = r.result()
		return err
	})
	return result, err
}

// open reads src for the program while do is under way, under a context that
// also ends when nothing happens for too long.
func (e *Engine) open(ctx context.Context, src Source, do func(context.Context, *input) error) error {
	if src.Size() == 0 {
		return fail(CodeEmptyFile, "the file has 0 bytes")
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newWatchdog(e.limits.Silence, func() {
		cancel(fail(CodeStalled, "nothing happened for %v", e.limits.Silence))
	})
	defer watch.stop()
	in := &input{cache: newCache(src, watch.life), watch: watch}
	in.cache.expect(0, firstBlocks*blockSize, false) // which also tells a stranger
	in.cache.expect(src.Size()-1, src.Size(), false)
	err := in.refuseStranger()
	if err == nil {
		err = do(inner, in)
	}
	in.cache.wait()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// refuseStranger returns an error if the file is certainly no video, so that the
// program is not even started.
func (in *input) refuseStranger() error {
	kind, err := stranger(in.cache)
	if err != nil {
		return err
	}
	if kind != "" {
		return fail(CodeNotAVideo, "the file is %s", kind)
	}
	return nil
}

// watchdog calls bark when there was no sign of life for a while.
type watchdog struct {
	after  time.Duration
	timer  *time.Timer
	paused atomic.Bool
}

func newWatchdog(after time.Duration, bark func()) *watchdog {
	w := &watchdog{after: after}
	started := make(chan struct{})
	w.timer = time.AfterFunc(after, func() {
		<-started
		if w.paused.Load() {
			w.life()
			return
		}
		bark()
	})
	close(started)
	return w
}

// life is a sign of life. It may be called by any goroutine.
func (w *watchdog) life() { w.timer.Reset(w.after) }

// pause lets time pass unwatched while the program is kept waiting.
func (w *watchdog) pause() { w.paused.Store(true) }

// resume ends a pause.
func (w *watchdog) resume() {
	w.paused.Store(false)
	w.life()
}

func (w *watchdog) stop() { w.timer.Stop() }
