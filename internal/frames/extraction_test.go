package frames

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExtractionDefaults(t *testing.T) {
	for _, c := range []struct{ name, given, want string }{
		{"nothing", `{}`, `{"mode":"fps","fps":1,"format":"jpeg","quality":90}`},
		{"an interval", `{"interval":10}`, `{"mode":"interval","interval":10,"format":"jpeg","quality":90}`},
		{"PNG has no quality", `{"format":"png"}`, `{"mode":"fps","fps":1,"format":"png"}`},
		{"a size", `{"width":320}`, `{"mode":"fps","fps":1,"format":"jpeg","quality":90,"width":320,"fit":"contain"}`},
		{"all given", `{"mode":"fps","fps":0.5,"start":1,"end":9.5,"max_frames":3,"format":"webp","quality":1,"width":2,"height":3,"fit":"cover"}`,
			`{"mode":"fps","fps":0.5,"start":1,"end":9.5,"max_frames":3,"format":"webp","quality":1,"width":2,"height":3,"fit":"cover"}`},
		{"a count", `{"count":12,"end":60}`, `{"mode":"count","count":12,"end":60,"format":"jpeg","quality":90}`},
		{"every picture", `{"every_nth":1}`, `{"mode":"every_nth","every_nth":1,"format":"jpeg","quality":90}`},
		{"keyframes", `{"mode":"keyframes","max_frames":5}`, `{"mode":"keyframes","max_frames":5,"format":"jpeg","quality":90}`},
		{"scenes", `{"mode":"scenes"}`, `{"mode":"scenes","threshold":0.3,"format":"jpeg","quality":90}`},
		{"a threshold of zero stays", `{"threshold":0}`, `{"mode":"scenes","threshold":0,"format":"jpeg","quality":90}`},
		{"timestamps, one of them twice", `{"timestamps":[0,1.5,1.5,1000000]}`, `{"mode":"timestamps","timestamps":[0,1.5,1.5,1000000],"format":"jpeg","quality":90}`},
		{"other outputs", `{"dedupe":true,"sprite":true}`, `{"mode":"fps","fps":1,"format":"jpeg","quality":90,"dedupe":true,"sprite":true}`},
		{"false is the default", `{"dedupe":false,"sprite":false}`, `{"mode":"fps","fps":1,"format":"jpeg","quality":90}`},
		{"a start of zero stays", `{"start":0}`, `{"mode":"fps","fps":1,"start":0,"format":"jpeg","quality":90}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var x Extraction
			if err := json.Unmarshal([]byte(c.given), &x); err != nil {
				t.Fatal(err)
			}
			if err := x.Validate(); err != nil {
				t.Errorf("Validate: %v", err)
			}
			got, err := json.Marshal(x.WithDefaults())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if again := x.WithDefaults().WithDefaults(); !cmp.Equal(again, x.WithDefaults()) {
				t.Errorf("defaults applied twice differ: %+v", again)
			}
		})
	}
}

func TestExtractionNamesWhatItRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		x      Extraction
		member string
	}{
		{"no such mode", Extraction{Mode: "FPS"}, "mode"},
		{"negative rate", Extraction{FPS: -1}, "fps"},
		{"rate over the top", Extraction{FPS: 1001}, "fps"},
		{"rate too small", Extraction{FPS: 1e-9}, "fps"},
		{"rate is no number", Extraction{FPS: math.NaN()}, "fps"},
		{"rate and interval", Extraction{Mode: ModeFPS, Interval: 2}, "interval"},
		{"interval and rate", Extraction{Mode: ModeInterval, Interval: 2, FPS: 1}, "fps"},
		{"interval mode without interval", Extraction{Mode: ModeInterval}, "interval"},
		{"interval too long", Extraction{Interval: 90_000}, "interval"},
		{"interval without end", Extraction{Interval: math.Inf(1)}, "interval"},
		{"members of two modes", Extraction{Interval: 2, Count: 3}, "count"},
		{"fps and timestamps", Extraction{FPS: 1, Timestamps: []float64{1}}, "timestamps"},
		{"a count for keyframes", Extraction{Mode: ModeKeyframes, Count: 3}, "count"},
		{"a threshold for keyframes", Extraction{Mode: ModeKeyframes, Threshold: new(0.5)}, "threshold"},
		{"count mode without count", Extraction{Mode: ModeCount}, "count"},
		{"a negative count of frames", Extraction{Count: -1}, "count"},
		{"a count over the top", Extraction{Count: MaxCount + 1}, "count"},
		{"every nth without n", Extraction{Mode: ModeEveryNth}, "every_nth"},
		{"every picture before the first", Extraction{EveryNth: -1}, "every_nth"},
		{"too rarely", Extraction{EveryNth: MaxEveryNth + 1}, "every_nth"},
		{"a negative threshold", Extraction{Threshold: new(-0.1)}, "threshold"},
		{"a threshold over the top", Extraction{Mode: ModeScenes, Threshold: new(1.1)}, "threshold"},
		{"a threshold that is no number", Extraction{Threshold: new(math.NaN())}, "threshold"},
		{"timestamps mode without a list", Extraction{Mode: ModeTimestamps}, "timestamps"},
		{"no timestamps", Extraction{Timestamps: []float64{}}, "timestamps"},
		{"too many timestamps", Extraction{Timestamps: make([]float64, MaxTimestamps+1)}, "timestamps"},
		{"a timestamp before the video", Extraction{Timestamps: []float64{-1, 2}}, "timestamps"},
		{"a timestamp over the top", Extraction{Timestamps: []float64{1, MaxPosition + 1}}, "timestamps"},
		{"a timestamp that is no number", Extraction{Timestamps: []float64{math.NaN()}}, "timestamps"},
		{"timestamps that go back", Extraction{Timestamps: []float64{1, 3, 2}}, "timestamps"},
		{"timestamps and a start", Extraction{Timestamps: []float64{1}, Start: new(0.0)}, "start"},
		{"timestamps and an end", Extraction{Timestamps: []float64{1}, End: new(5.0)}, "end"},
		{"start before the video", Extraction{Start: new(-0.1)}, "start"},
		{"start is no number", Extraction{Start: new(math.NaN())}, "start"},
		{"end before the video", Extraction{End: new(-1.0)}, "end"},
		{"end is the start", Extraction{Start: new(2.0), End: new(2.0)}, "end"},
		{"end at zero", Extraction{End: new(0.0)}, "end"},
		{"negative count", Extraction{MaxFrames: -1}, "max_frames"},
		{"no such format", Extraction{Format: "gif"}, "format"},
		{"quality over the top", Extraction{Quality: 101}, "quality"},
		{"negative quality", Extraction{Quality: -5}, "quality"},
		{"negative width", Extraction{Width: -1}, "width"},
		{"too high", Extraction{Height: 20_000}, "height"},
		{"no such fit", Extraction{Width: 10, Fit: "stretch"}, "fit"},
		{"fit without a size", Extraction{Fit: FitContain}, "fit"},
		{"cover without height", Extraction{Width: 10, Fit: FitCover}, "fit"},
		{"fill without width", Extraction{Height: 10, Fit: FitFill}, "fit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var refused *OptionError
			if err := c.x.Validate(); !errors.As(err, &refused) {
				t.Fatalf("Validate returned %v", err)
			}
			if refused.Member != c.member || refused.Reason == "" {
				t.Errorf("refused %q because it %q, want %q", refused.Member, refused.Reason, c.member)
			}
		})
	}
}

func TestExtractionKnowsItsMost(t *testing.T) {
	for _, c := range []struct {
		name string
		x    Extraction
		most int64
	}{
		{"as long as the video", Extraction{}, -1},
		{"to an end", Extraction{FPS: 2, End: new(5.0)}, 10},
		{"a count", Extraction{Count: 7, End: new(5.0)}, 7},
		{"a list", Extraction{Timestamps: []float64{1, 1, 8}}, 3},
		{"at most two of a list", Extraction{Timestamps: []float64{1, 1, 8}, MaxFrames: 2}, 2},
		{"keyframes to an end", Extraction{Mode: ModeKeyframes, End: new(5.0)}, -1},
		{"some scenes", Extraction{Mode: ModeScenes, MaxFrames: 4}, 4},
	} {
		if most := c.x.WithDefaults().most(); most != c.most {
			t.Errorf("%s: %d, want %d", c.name, most, c.most)
		}
	}
}

// Whatever a person sends as options is refused with the member's name, or can be
// carried out; and what is signed with the upload is read again as what it was.
func FuzzExtraction(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"fps":29.97,"start":1,"end":9.5,"max_frames":7}`, `{"interval":1e-3}`, `{"count":1000000}`, `{"every_nth":30,"dedupe":true}`,
		`{"mode":"keyframes","sprite":true}`, `{"mode":"scenes","threshold":1,"width":1,"height":16384,"fit":"cover"}`,
		`{"timestamps":[0,2.5,1e6],"format":"webp","quality":1}`, `{"fps":1e999}`, `{"fps":-0}`, `{"start":1e-320}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var x Extraction
		if err := json.Unmarshal(text, &x); err != nil {
			return
		}
		if err := x.Validate(); err != nil {
			if option, ok := errors.AsType[*OptionError](err); !ok || option.Member == "" || option.Reason == "" {
				t.Errorf("refused with %v", err)
			}
			return
		}
		x = x.WithDefaults()
		signed, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var again Extraction
		if err := json.Unmarshal(signed, &again); err != nil {
			t.Fatal(err)
		}
		if again = again.WithDefaults(); !reflect.DeepEqual(again, x) {
			t.Errorf("%s is read as %+v", signed, again)
		}
		media := Media{Width: 192, Height: 108, Duration: 4, FrameRate: 25, base: timeBase{1, 12800}}
		r := &run{engine: &Engine{limits: DefaultLimits(), threads: 1}, x: x, length: media.base.exact(51200)}
		if err := r.start(media); err == nil && r.part.end < 1000 && len(r.plan()) == 0 {
			t.Error("no plan")
		}
	})
}
