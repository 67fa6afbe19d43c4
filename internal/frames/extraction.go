package frames

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

// Modes of an [Extraction]: how the wanted instants are given.
const (
	ModeFPS      = "fps"      // so many frames per second
	ModeInterval = "interval" // one frame every so many seconds
)

// Formats of the images.
const (
	FormatJPEG = "jpeg"
	FormatPNG  = "png"
	FormatWebP = "webp"
)

// How a picture is brought into the box that Width and Height describe; the
// words and their meaning are those of CSS object-fit.
const (
	FitContain   = "contain"    // scaled to touch the box from inside, aspect ratio kept, no bars added
	FitCover     = "cover"      // scaled to fill the box, aspect ratio kept, what sticks out is cut evenly
	FitFill      = "fill"       // stretched to exactly the box
	FitScaleDown = "scale-down" // as contain, but never made larger than the source
)

// Bounds of an [Extraction]'s numbers. They keep nonsense out; what one
// deployment is willing to do is in [Limits].
const (
	MaxFPS      = 1000      // frames per second
	MaxInterval = 86_400    // seconds
	MaxPosition = 1_000_000 // seconds, for start and end
	MaxSide     = 16_384    // pixels, for width and height
)

// Defaults that [Extraction.WithDefaults] fills in.
const (
	DefaultFPS     = 1
	DefaultQuality = 90
)

var (
	modes   = []string{ModeFPS, ModeInterval}
	formats = []string{FormatJPEG, FormatPNG, FormatWebP}
	fits    = []string{FitContain, FitCover, FitFill, FitScaleDown}
)

// Extraction says which frames are wanted and as what. The zero value of a
// member means that it was not given. The tags beside json describe it in the
// API's contract; [Extraction.Validate] is what counts.
type Extraction struct {
	// Mode is "fps" or "interval".
	Mode string `json:"mode,omitempty" enum:"fps,interval" doc:"How the wanted instants are given: so many a second, or one every so many seconds."`
	// FPS is the number of frames per second of video; fractions are fine.
	// Mode "fps" only.
	FPS float64 `json:"fps,omitempty" exclusiveMinimum:"0" maximum:"1000" doc:"Frames per second of video, for mode fps." example:"1"`
	// Interval is the time between two frames in seconds. Mode "interval" only.
	Interval float64 `json:"interval,omitempty" exclusiveMinimum:"0" maximum:"86400" doc:"Seconds from one frame to the next, for mode interval."`
	// Start is where to begin, in seconds after the video's first picture.
	Start *float64 `json:"start,omitempty" minimum:"0" doc:"Where to begin, in seconds after the first picture."`
	// End is where to stop, in seconds after the video's first picture; an
	// instant at exactly End is not part of it.
	End *float64 `json:"end,omitempty" exclusiveMinimum:"0" doc:"Where to stop, in seconds after the first picture; itself not included."`
	// MaxFrames is the number of frames after which to stop.
	MaxFrames int `json:"max_frames,omitempty" minimum:"1" doc:"After how many frames to stop."`
	// Format is "jpeg", "png" or "webp".
	Format string `json:"format,omitempty" enum:"jpeg,png,webp"`
	// Quality is 1 to 100 on the scale that libjpeg made common. PNG is
	// lossless, so it has no effect there.
	Quality int `json:"quality,omitempty" minimum:"1" maximum:"100" doc:"Of jpeg and webp; png is lossless."`
	// Width and Height are a box in pixels; if one is missing it follows from
	// the aspect ratio. Without either the frames are as large as the video.
	Width  int `json:"width,omitempty" minimum:"1" maximum:"16384" doc:"Pixels; if height is not given, it follows."`
	Height int `json:"height,omitempty" minimum:"1" maximum:"16384" doc:"Pixels; if width is not given, it follows."`
	// Fit is "contain", "cover", "fill" or "scale-down".
	Fit string `json:"fit,omitempty" enum:"contain,cover,fill,scale-down" doc:"How a picture is brought into width and height; the words are those of CSS object-fit."`
}

// OptionError says which member of an [Extraction] cannot be accepted, and why.
type OptionError struct {
	// Member is the JSON name of the member.
	Member string
	// Reason is a sentence without a full stop, such as "must be 1 to 100".
	Reason string
}

// Error returns the member and the reason.
func (e *OptionError) Error() string { return "extraction " + e.Member + ": " + e.Reason }

// WithDefaults returns x with what was not given filled in: one frame per
// second as JPEG of quality 90, and "contain" where a size is given.
func (x Extraction) WithDefaults() Extraction {
	if x.Mode == "" {
		x.Mode = ModeFPS
		if x.Interval != 0 {
			x.Mode = ModeInterval
		}
	}
	if x.Mode == ModeFPS && x.FPS == 0 {
		x.FPS = DefaultFPS
	}
	if x.Format == "" {
		x.Format = FormatJPEG
	}
	if x.Quality == 0 && x.Format != FormatPNG {
		x.Quality = DefaultQuality
	}
	if x.Fit == "" && (x.Width != 0 || x.Height != 0) {
		x.Fit = FitContain
	}
	return x
}

// Validate returns an [*OptionError] for the first member that cannot be
// accepted, after defaults, or nil.
func (x Extraction) Validate() error {
	x = x.WithDefaults()
	for _, check := range []func() *OptionError{x.checkMode, x.checkRange, x.checkImage, x.checkSize} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (x Extraction) checkMode() *OptionError {
	switch x.Mode {
	case ModeFPS:
		if x.Interval != 0 {
			return &OptionError{"interval", `goes with mode "interval", not with mode "fps"`}
		}
		if !(x.FPS >= 1.0/MaxInterval && x.FPS <= MaxFPS) {
			return &OptionError{"fps", fmt.Sprintf("must be more than 0 (at least one frame in %d seconds) and at most %d", MaxInterval, MaxFPS)}
		}
	case ModeInterval:
		if x.FPS != 0 {
			return &OptionError{"fps", `goes with mode "fps", not with mode "interval"`}
		}
		if !(x.Interval >= 1.0/MaxFPS && x.Interval <= MaxInterval) {
			return &OptionError{"interval", fmt.Sprintf("must be %g to %d seconds", 1.0/MaxFPS, MaxInterval)}
		}
	default:
		return oneOf("mode", modes)
	}
	return nil
}

func (x Extraction) checkRange() *OptionError {
	for _, p := range []struct {
		member string
		value  *float64
	}{{"start", x.Start}, {"end", x.End}} {
		if p.value != nil && !(*p.value >= 0 && *p.value <= MaxPosition) {
			return &OptionError{p.member, fmt.Sprintf("must be 0 to %d seconds", MaxPosition)}
		}
	}
	if x.End != nil && *x.End <= deref(x.Start) {
		return &OptionError{"end", "must be after start"}
	}
	if x.MaxFrames < 0 {
		return &OptionError{"max_frames", "must be at least 1"}
	}
	return nil
}

func (x Extraction) checkImage() *OptionError {
	if !slices.Contains(formats, x.Format) {
		return oneOf("format", formats)
	}
	if x.Quality < 0 || x.Quality > 100 {
		return &OptionError{"quality", "must be 1 to 100"}
	}
	return nil
}

func (x Extraction) checkSize() *OptionError {
	for _, s := range []struct {
		member string
		value  int
	}{{"width", x.Width}, {"height", x.Height}} {
		if s.value < 0 || s.value > MaxSide {
			return &OptionError{s.member, fmt.Sprintf("must be 1 to %d pixels", MaxSide)}
		}
	}
	if x.Fit == "" {
		return nil
	}
	if !slices.Contains(fits, x.Fit) {
		return oneOf("fit", fits)
	}
	if x.Width == 0 && x.Height == 0 {
		return &OptionError{"fit", "needs width or height"}
	}
	if (x.Fit == FitCover || x.Fit == FitFill) && (x.Width == 0 || x.Height == 0) {
		return &OptionError{"fit", fmt.Sprintf("%q needs both width and height", x.Fit)}
	}
	return nil
}

// rate returns the number of frames per second as an exact fraction. x must be
// valid and have its defaults.
func (x Extraction) rate() *big.Rat {
	if x.Mode == ModeInterval {
		r := rational(x.Interval)
		return r.Inv(r)
	}
	return rational(x.FPS)
}

// wanted returns how many instants lie between the start and a position, and
// so how many frames there are at most. All are exact: seconds after the first
// picture.
func (x Extraction) wanted(until *big.Rat) *big.Int {
	span := new(big.Rat).Sub(until, rational(deref(x.Start)))
	if span.Sign() <= 0 {
		return new(big.Int)
	}
	return ceil(span.Mul(span, x.rate()))
}

// most returns the number of frames after which the extraction is complete
// whatever the video holds, or -1 if neither End nor MaxFrames was given.
func (x Extraction) most() int64 {
	most := int64(math.MaxInt64)
	if x.End != nil {
		if n := x.wanted(rational(*x.End)); n.IsInt64() {
			most = n.Int64()
		}
	}
	if x.MaxFrames > 0 {
		most = min(most, int64(x.MaxFrames))
	}
	if most == math.MaxInt64 {
		return -1
	}
	return most
}

func ceil(r *big.Rat) *big.Int {
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if m.Sign() != 0 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

func deref(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

func oneOf(member string, values []string) *OptionError {
	return &OptionError{member, "must be one of " + strings.Join(values, ", ")}
}
