package frames

import (
	"encoding/json"
	"errors"
	"math"
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
		{"a mode that is not there yet", Extraction{Mode: "keyframes"}, "mode"},
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
