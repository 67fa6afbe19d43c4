package frames

import (
	"math/big"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counted is a source that counts the bytes that are read from it.
type counted struct {
	Source

	bytes atomic.Int64
}

func (s *counted) ReadAt(p []byte, off int64) (int, error) {
	s.bytes.Add(int64(len(p)))
	return s.Source.ReadAt(p, off)
}

func TestSparseSamplingReadsAndDecodesLittle(t *testing.T) {
	for _, file := range []string{"long.mp4", "long.mov", "long.mkv"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			o := decode(t, made(file), 0)
			zero := rat("0")
			isKey := func(i, _ int) bool { return o.keys[i] }
			for _, c := range []struct {
				sampling

				part float64 // of the file that may be read
			}{
				{sampling{name: "each 10 s", x: Extraction{Interval: 10}, want: o.every(rat("10"), zero, nil)}, 0.85},
				{sampling{name: "each 60 s from the middle of a group", x: Extraction{Interval: 60, Start: new(13.27)}, want: o.every(rat("60"), rat("13.27"), nil)}, 0.3},
				{sampling{name: "two far apart", x: Extraction{Timestamps: []float64{61.55, 187.3}}, want: []shown{o.onDisplay(rat("61.55")), o.onDisplay(rat("187.3"))}}, 0.2},
				{sampling{name: "three in the whole", x: Extraction{Count: 3}, want: o.evenly(3, zero, nil)}, 0.3},
				{sampling{name: "dense near the end", x: Extraction{FPS: 3, Start: new(190.05), End: new(193.0)}, want: o.every(rat("1/3"), rat("190.05"), rat("193"))}, 0.2},
				{sampling{name: "each 40th picture of the last part", x: Extraction{EveryNth: 40, Start: new(170.0)}, want: o.those(rat("170"), nil, func(_, before int) bool { return before%40 == 0 })}, 0.4},
				{sampling{name: "keyframes", x: Extraction{Mode: ModeKeyframes}, want: o.those(zero, nil, isKey)}, 1.02}, // the end twice, if it held the index
				{sampling{name: "keyframes of a range", x: Extraction{Mode: ModeKeyframes, Start: new(90.0), End: new(121.0)}, want: o.those(rat("90"), rat("121"), isKey)}, 0.7},
			} {
				c.x.Format = FormatPNG
				src := &counted{Source: open(t, made(file))}
				u, err := tryExtract(t, engine(t, Config{}), src, c.x)
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				if diff := cmp.Diff(c.want, got(t, u)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.name, diff)
				}
				if u.result.Plain != "" {
					t.Errorf("%s: every picture was decoded: %s", c.name, u.result.Plain)
				}
				read := src.bytes.Load()
				t.Logf("%s: %d%% read", c.name, 100*read/src.Size())
				if file == "long.mkv" {
					c.part += 0.1 // for the index, which is at the end
				}
				if float64(read) > c.part*float64(src.Size()) {
					t.Errorf("%s: %d of %d bytes were read", c.name, read, src.Size())
				}
			}
		})
	}
}

// A starting point is decoded before it is shown, and an index may have either
// time.
func TestAnInstantJustBeforeAStartingPointIsReadOnTo(t *testing.T) {
	for _, file := range []string{"heavy.mp4", "heavy.mkv"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			o := decode(t, made(file), 0)
			next := 1 + slices.Index(o.keys[1:], true)
			for i := next - 4; i < next; i++ {
				x := Extraction{Format: FormatPNG}
				var want []shown
				for _, instant := range []*big.Rat{o.time(1), o.time(i)} {
					seconds, _ := instant.Float64()
					x.Timestamps, want = append(x.Timestamps, seconds), append(want, o.onDisplay(instant))
				}
				u := extract(t, made(file), x)
				if diff := cmp.Diff(want, got(t, u)); diff != "" {
					t.Errorf("%d before (-want +got):\n%s", next-i, diff)
				}
				if u.result.Plain != "" {
					t.Errorf("%d before: every picture was decoded: %s", next-i, u.result.Plain)
				}
			}
		})
	}
}

func TestOneStartingPointIsEnough(t *testing.T) {
	o := decode(t, made("one-start.mkv"), 0)
	u := extract(t, made("one-start.mkv"), Extraction{Interval: 13, Format: FormatPNG})
	if diff := cmp.Diff(o.every(rat("13"), rat("0"), nil), got(t, u)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if u.result.Plain != "" {
		t.Errorf("every picture was decoded: %s", u.result.Plain)
	}
}

func TestOddVideosAreDecodedWhole(t *testing.T) {
	for _, c := range []struct {
		file   string
		stream int
		why    string // "" if the forecast holds all the same
	}{
		{file: "backwards.mkv", why: "two pictures of one time"},
		{file: "mpeg4.avi", why: "a missing timestamp"},
		{file: "h264.avi", why: "a missing timestamp"},
		{file: "mpeg2.mpg", why: "a missing timestamp"},
		{file: "holed.ts", why: "damage"},
		{file: "holed.mkv"},
		{file: "cut-sound.ts"},
		{file: "cut-sound.mkv"},
		{file: "cut-mpeg4.avi", why: "a missing timestamp"},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			o := decode(t, made(c.file), c.stream)
			for _, s := range []sampling{
				{name: "25 fps", x: Extraction{FPS: 25}, want: o.every(rat("1/25"), rat("0"), nil)},
				{name: "2 fps", x: Extraction{FPS: 2}, want: o.every(rat("1/2"), rat("0"), nil)},
				{name: "2 fps from the middle", x: Extraction{FPS: 2, Start: new(1.13)}, want: o.every(rat("1/2"), rat("1.13"), nil)},
				{name: "every 5th", x: Extraction{EveryNth: 5}, want: o.those(rat("0"), nil, func(_, before int) bool { return before%5 == 0 })},
			} {
				s.x.Format = FormatPNG
				u, err := tryExtract(t, engine(t, Config{Threads: 1}), open(t, made(c.file)), s.x)
				if err != nil {
					t.Fatalf("%s: %v", s.name, err)
				}
				if diff := cmp.Diff(s.want, got(t, u)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", s.name, diff)
				}
				t.Logf("%s: plain %q", s.name, u.result.Plain)
				if c.why != "" && u.result.Plain != c.why {
					t.Errorf("%s: forecast given up for %q, want %q", s.name, u.result.Plain, c.why)
				}
			}
		})
	}
}
