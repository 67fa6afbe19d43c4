package frames

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/frames/framestest"
)

// thorough multiplies the broken files that are tried.
var thorough = flag.Int("thorough", 1, "how many times as many broken files to try")

// endings are the codes with which a file that somebody sent may be refused.
var endings = []string{
	CodeEmptyFile, CodeNotAVideo, CodeNoVideoStream, CodeUnsupportedCodec, CodeUndecodable, CodeNoFrames,
	CodeTooLong, CodeTooManyPixels, CodeTooManyFrames, CodeTooMuchMemory, CodeTooMuchCPU,
}

// hostiles are extractions that go through all of the program.
var hostiles = []Extraction{
	{FPS: 5},
	{Count: 7, Sprite: true},
	{Mode: ModeKeyframes, Format: FormatPNG},
	{EveryNth: 3, Dedupe: true, Start: new(0.5)},
	{Mode: ModeScenes, Threshold: new(0.01), Width: 50},
	{Timestamps: []float64{0, 1.1, 1.9, 3.5}, Format: FormatWebP},
	{Interval: 0.3, Start: new(1.1), MaxFrames: 5, Dedupe: true, Sprite: true},
}

// bounded wraps the program so that it has no more address space than
// kibibytes: what wants more ends with an error.
func bounded(t *testing.T, kibibytes int) string {
	t.Helper()
	return script(t, fmt.Sprintf("ulimit -v %d; exec %s", kibibytes, program))
}

// sanitized wraps the program as built with the compiler's checks. What it has
// not freed when it ends does not matter.
func sanitized(t *testing.T) string {
	t.Helper()
	program, err := framestest.Sanitized()
	if err != nil {
		t.Fatal(err)
	}
	return script(t, "ASAN_OPTIONS=detect_leaks=0 exec "+program)
}

// survive extracts from a file that may be anything, and expects frames or one
// of the documented endings.
func survive(t *testing.T, program string, file []byte, x Extraction) {
	t.Helper()
	limits := DefaultLimits()
	limits.Silence = 30 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	result, err := engine(t, Config{Program: program, Limits: limits, Threads: 2}).Extract(ctx, bytes.NewReader(file), x, ExtractOptions{}, &out)
	var refused *Error
	switch {
	case err == nil:
		if u := unpack(t, result, out.Bytes()); result.Frames < 1 || len(u.manifest.Frames) != result.Frames {
			t.Errorf("%d frames, %d in the manifest", result.Frames, len(u.manifest.Frames))
		}
	case !errors.As(err, &refused) || !slices.Contains(endings, refused.Code):
		t.Errorf("%s ended with %v", describe(x), err)
		if dir := os.Getenv("FOTOGRAMA_KEEP"); dir != "" {
			name := filepath.Join(dir, fmt.Sprintf("%x", sha256.Sum256(file)))
			_ = os.WriteFile(name, file, 0o600)
			t.Logf("kept as %s", name)
		}
	}
}

// broken is a file with damage, or a table that lies.
type broken struct {
	name string
	file []byte
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(made(name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// cut returns the file up to each of some places.
func cut(file []byte, random *rand.Rand) []broken {
	var all []broken
	ends := []int{8, 60, 400}
	for range 4 * *thorough {
		ends = append(ends, random.IntN(len(file)))
	}
	for _, n := range ends {
		all = append(all, broken{fmt.Sprintf("cut at %d", n), file[:n]})
	}
	return all
}

// flipped returns the file with bytes changed: anywhere, or where its headers are.
func flipped(file []byte, random *rand.Rand) []broken {
	var all []broken
	for i := range 6 * *thorough {
		damaged := bytes.Clone(file)
		from, to := 0, len(file)
		switch i % 4 {
		case 1:
			to = min(to, 3000)
		case 2:
			from = max(0, to-3000)
		}
		for range []int{3, 30, 300, 5}[i%4] {
			damaged[from+random.IntN(to-from)] = byte(random.IntN(256))
		}
		all = append(all, broken{fmt.Sprintf("flipped %d", i), damaged})
	}
	return all
}

func TestBrokenFilesEndAsDocumented(t *testing.T) {
	sanitized := sanitized(t)
	for _, name := range []string{
		"faststart.mp4", "sound.mp4", "fragmented.mp4", "edited.mp4", "hevc.mp4", "av1.mp4", "vp9.mp4", "prores.mov",
		"sound.mkv", "vp8.webm", "sound.ts", "hevc.ts", "mpeg2.ts", "mpeg2.mpg", "mpeg4.avi", "sound.flv", "wmv.asf", "theora.ogv",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, uint64(len(name))))
			whole := read(t, name)
			programs := []string{bounded(t, 1<<20), sanitized}
			for i, b := range append(cut(whole, random), flipped(whole, random)...) {
				t.Run(b.name, func(t *testing.T) { survive(t, programs[i%2], b.file, hostiles[i%len(hostiles)]) })
			}
		})
	}
}

// patched returns a file with bytes written over those at an offset from the
// nth box of a kind, counted from its content.
func patched(t *testing.T, file []byte, kind string, nth, offset int, patch []byte) []byte {
	t.Helper()
	at := 0
	for range nth + 1 {
		i := bytes.Index(file[at:], []byte(kind))
		if i < 0 {
			t.Fatalf("no %s in the file", kind)
		}
		at += i + len(kind)
	}
	file = bytes.Clone(file)
	copy(file[at+offset:], patch)
	return file
}

func TestTablesThatLieEndAsDocumented(t *testing.T) {
	sanitized := sanitized(t)
	mp4, edited := read(t, "faststart.mp4"), read(t, "edited.mp4")
	u32 := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	lie := func(kind string, offset int, patch ...byte) broken {
		return broken{fmt.Sprintf("%s+%d=%x", kind, offset, patch), patched(t, mp4, kind, 0, offset, patch)}
	}
	var all []broken
	// Counts of the sample tables: version and flags come first.
	for _, n := range []uint32{0, 1 << 24, 1<<31 - 1, 1<<32 - 1} {
		for _, table := range []string{"stts", "stss", "ctts", "stsc", "stco", "stsd"} {
			all = append(all, lie(table, 4, u32(n)...))
		}
		all = append(all,
			lie("stsz", 8, u32(n)...), // number
			lie("stsz", 4, u32(n)...), // size of all
			lie("stsz", 12, u32(n)...),
			lie("stts", 8, u32(n)...),  // samples
			lie("stts", 12, u32(n)...), // duration of each
			lie("ctts", 12, u32(n)...),
			lie("stco", 8, u32(n)...),
			lie("mvhd", 12, u32(n)...), // time scale
			lie("mvhd", 16, u32(n)...), // duration
			lie("mdhd", 12, u32(n)...),
			lie("mdhd", 16, u32(n)...),
			lie("tkhd", 20, u32(n)...),
			lie("avc1", 24, u32(n)...), // width and height
			broken{fmt.Sprintf("edit's duration %d", n), patched(t, edited, "elst", 0, 8, u32(n))},
			broken{fmt.Sprintf("edit's begin %d", n), patched(t, edited, "elst", 0, 12, u32(n))},
			broken{fmt.Sprintf("edits %d", n), patched(t, edited, "elst", 0, 4, u32(n))},
			broken{fmt.Sprintf("speed %d", n), patched(t, edited, "elst", 0, 16, u32(n))},
		)
	}
	deep := bytes.Repeat([]byte("\x00\xff\xff\xffmoov"), 30_000)
	all = append(all,
		broken{"boxes in boxes", append(bytes.Clone(mp4[:32]), deep...)},
		broken{"a box of 2^63 bytes", append([]byte("\x00\x00\x00\x01ftyp\x7f\xff\xff\xff\xff\xff\xff\xff"), mp4...)},
		broken{"an EBML element of 2^56 bytes", append([]byte("\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xfe"), read(t, "sound.mkv")...)},
		broken{"an EBML element within itself", bytes.Repeat([]byte("\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"), 20_000)},
	)
	limited := bounded(t, 1<<20)
	for i, b := range all {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			survive(t, []string{limited, sanitized}[i%2], b.file, hostiles[i%len(hostiles)])
		})
	}
}

func TestOddVideosEndAsDocumented(t *testing.T) {
	limited := bounded(t, 1<<20)
	huge := read(t, "huge.mov")
	sixteen := []byte("\x40\x00\x40\x00")
	day := DefaultLimits()
	day.Duration = 25 * time.Hour
	for _, c := range []struct {
		name   string
		src    Source
		limits Limits
		x      Extraction
		code   string // "" for frames
		frames int
	}{
		{name: "9000 by 9000", src: bytes.NewReader(huge), code: CodeTooManyPixels},
		{name: "16384 by 16384", src: bytes.NewReader(patched(t, patched(t, huge, "jpeg", 0, 24, sixteen), "\xff\xc0", 0, 3, sixteen)), code: CodeTooManyPixels},
		{name: "9000 by 9000 that says 64 by 64", src: bytes.NewReader(patched(t, huge, "jpeg", 0, 24, []byte("\x00\x40\x00\x40"))), code: CodeTooManyPixels},
		{name: "sixty streams in MP4", src: open(t, made("many.mp4")), frames: 1},
		{name: "sixty streams in Matroska", src: open(t, made("many.mkv")), frames: 1},
		{name: "sixty streams in a transport stream", src: open(t, made("many.ts")), frames: 1},
		{name: "an attachment and a title of megabytes", src: open(t, made("attached.mkv")), frames: 4},
		{name: "a day", src: open(t, made("day.mp4")), code: CodeTooLong},
		{name: "a day where that is allowed", src: open(t, made("day.mp4")), limits: day, frames: 86_400},
		{name: "a day, each hour", src: open(t, made("day.mp4")), limits: day, x: Extraction{Interval: 3600}, frames: 24},
		{name: "a day, twice a second", src: open(t, made("day.mp4")), limits: day, x: Extraction{FPS: 2}, code: CodeTooManyFrames},
		{name: "a hundred thousand frames", src: open(t, made("day.mp4")), limits: day, x: Extraction{FPS: 1000, End: new(100.0)}, frames: 100_000},
		{name: "and one", src: open(t, made("day.mp4")), limits: day, x: Extraction{FPS: 1000, End: new(100.001)}, code: CodeTooManyFrames},
		{name: "a hundred thousand, counted", src: open(t, made("day.mp4")), limits: day, x: Extraction{Count: 100_001}, code: CodeTooManyFrames},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.limits == (Limits{}) {
				c.limits = DefaultLimits()
			}
			var out bytes.Buffer
			result, err := engine(t, Config{Program: limited, Limits: c.limits, Threads: 2}).Extract(t.Context(), c.src, c.x, ExtractOptions{}, &out)
			if c.code != "" {
				if !errors.Is(err, &Error{Code: c.code}) {
					t.Errorf("got %d frames and %v, want %s", result.Frames, err, c.code)
				}
				return
			}
			if err != nil || result.Frames != c.frames {
				t.Errorf("got %d frames and %v, want %d", result.Frames, err, c.frames)
			}
		})
	}
}
