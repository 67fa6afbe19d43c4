package frames

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Modes of an [Extraction]: how the wanted frames are chosen. The first four
// name instants, and the frame is the picture on display then; the others name
// pictures.
const (
	ModeFPS        = "fps"        // so many frames per second
	ModeInterval   = "interval"   // one frame every so many seconds
	ModeCount      = "count"      // so many frames, evenly spaced
	ModeTimestamps = "timestamps" // one frame for each of a list of instants
	ModeEveryNth   = "every_nth"  // the first picture, and every nth after it
	ModeKeyframes  = "keyframes"  // the pictures at which decoding can begin
	ModeScenes     = "scenes"     // the first picture of each scene
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
	MaxFPS        = 1000      // frames per second
	MaxInterval   = 86_400    // seconds
	MaxCount      = 1_000_000 // frames
	MaxEveryNth   = 1_000_000 // pictures
	MaxTimestamps = 10_000    // instants in a list
	MaxPosition   = 1_000_000 // seconds, for start, end and timestamps
	MaxSide       = 16_384    // pixels, for width and height
)

// Defaults that [Extraction.WithDefaults] fills in.
const (
	DefaultFPS       = 1
	DefaultThreshold = 0.3
	DefaultQuality   = 90
)

var (
	modes   = []string{ModeFPS, ModeInterval, ModeCount, ModeEveryNth, ModeKeyframes, ModeScenes, ModeTimestamps}
	formats = []string{FormatJPEG, FormatPNG, FormatWebP}
	fits    = []string{FitContain, FitCover, FitFill, FitScaleDown}
)

// Extraction says which frames are wanted and as what. The zero value of a
// member means that it was not given. The tags beside json describe it in the
// API's contract; [Extraction.Validate] is what counts.
type Extraction struct {
	// Mode is one of the Mode constants. It may be left out where a member that
	// belongs to one mode only is given.
	Mode string `json:"mode,omitempty" enum:"fps,interval,count,every_nth,keyframes,scenes,timestamps" doc:"How frames are chosen. By instants, of which each gives the picture on display then: fps (so many a second), interval (one every so many seconds), count (so many, evenly spaced), timestamps (a list). By pictures: every_nth (the first and every nth after it), keyframes (those at which decoding can begin), scenes (the first of each scene). Follows from the one member that belongs to a mode, such as interval, if it is given; else fps."`
	// FPS is the number of frames per second of video; fractions are fine.
	// Mode "fps" only.
	FPS float64 `json:"fps,omitempty" exclusiveMinimum:"0" maximum:"1000" doc:"Frames per second of video, for mode fps; 1 by default." example:"1"`
	// Interval is the time between two frames in seconds. Mode "interval" only.
	Interval float64 `json:"interval,omitempty" exclusiveMinimum:"0" maximum:"86400" doc:"Seconds from one frame to the next, for mode interval." example:"10"`
	// Count is the number of frames, evenly spaced from the start on. Mode
	// "count" only.
	Count int `json:"count,omitempty" minimum:"1" maximum:"1000000" doc:"How many frames, for mode count: one at the beginning of each of so many equal parts of the video, or of the range from start to end." example:"12"`
	// EveryNth is the number of pictures from one frame to the next, in the
	// order of display. Mode "every_nth" only.
	EveryNth int `json:"every_nth,omitempty" minimum:"1" maximum:"1000000" doc:"Pictures from one frame to the next, for mode every_nth; 1 takes every picture." example:"30"`
	// Threshold is how much a picture must differ from the one before it to
	// begin a scene, 0 to 1. Mode "scenes" only.
	Threshold *float64 `json:"threshold,omitempty" minimum:"0" maximum:"1" doc:"How much a picture must differ from the one before it to begin a scene, for mode scenes: 0 (not at all) to 1 (entirely); 0.3 by default." example:"0.3"`
	// Timestamps are the wanted instants in seconds after the video's first
	// picture, ascending. Mode "timestamps" only.
	Timestamps []float64 `json:"timestamps,omitempty" minItems:"1" maxItems:"10000" nullable:"false" doc:"The wanted instants, for mode timestamps: seconds after the first picture, 0 to 1000000, in ascending order. One that is given twice gives its frame twice. Some 300 can go with an upload, where the options travel in 2 KB of S3 metadata; all 10000 with a retry." example:"[0, 2.5, 61.04]"`
	// Start is where to begin, in seconds after the video's first picture.
	Start *float64 `json:"start,omitempty" minimum:"0" doc:"Where to begin, in seconds after the first picture. Not for mode timestamps." example:"0"`
	// End is where to stop, in seconds after the video's first picture; an
	// instant at exactly End is not part of it.
	End *float64 `json:"end,omitempty" exclusiveMinimum:"0" doc:"Where to stop, in seconds after the first picture; itself not included. Not for mode timestamps." example:"60"`
	// MaxFrames is the number of frames after which to stop.
	MaxFrames int `json:"max_frames,omitempty" minimum:"1" doc:"After how many frames to stop."`
	// Format is "jpeg", "png" or "webp".
	Format string `json:"format,omitempty" enum:"jpeg,png,webp" doc:"Of the images; jpeg by default."`
	// Quality is 1 to 100 on the scale that libjpeg made common. PNG is
	// lossless, so it has no effect there.
	Quality int `json:"quality,omitempty" minimum:"1" maximum:"100" doc:"Of jpeg and webp, 90 by default; png is lossless."`
	// Width and Height are a box in pixels; if one is missing it follows from
	// the aspect ratio. Without either the frames are as large as the video.
	Width  int `json:"width,omitempty" minimum:"1" maximum:"16384" doc:"Pixels; if height is not given, it follows."`
	Height int `json:"height,omitempty" minimum:"1" maximum:"16384" doc:"Pixels; if width is not given, it follows."`
	// Fit is "contain", "cover", "fill" or "scale-down".
	Fit string `json:"fit,omitempty" enum:"contain,cover,fill,scale-down" doc:"How a picture is brought into width and height; the words are those of CSS object-fit."`
	// Dedupe leaves out frames that hardly differ from the last one that was kept.
	Dedupe bool `json:"dedupe,omitempty" doc:"Leave out frames that hardly differ from the last one that was kept."`
	// Sprite adds contact sheets of the frames, and a WebVTT file that maps times
	// to their tiles.
	Sprite bool `json:"sprite,omitempty" doc:"Add contact sheets of small frames (sprites/000001.jpg and so on) and sprites.vtt, which tells a player which tile belongs to which time."`
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

// WithDefaults returns x with what was not given filled in: the mode that the
// one given member belongs to, else one frame per second; JPEG of quality 90;
// and "contain" where a size is given. Where members of several modes are given
// the mode stays empty, for Validate to refuse.
func (x Extraction) WithDefaults() Extraction {
	if x.Mode == "" {
		switch given := x.given(); len(given) {
		case 0:
			x.Mode = ModeFPS
		case 1:
			x.Mode = given[0].mode
		}
	}
	if x.Mode == ModeFPS && x.FPS == 0 {
		x.FPS = DefaultFPS
	}
	if x.Mode == ModeScenes && x.Threshold == nil {
		x.Threshold = new(DefaultThreshold)
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

// own is a member that belongs to one mode only.
type own struct{ member, mode string }

// given lists the members which were given and belong to one mode only.
func (x Extraction) given() []own {
	var given []own
	for _, m := range []struct {
		own
		given bool
	}{
		{own{"fps", ModeFPS}, x.FPS != 0},
		{own{"interval", ModeInterval}, x.Interval != 0},
		{own{"count", ModeCount}, x.Count != 0},
		{own{"every_nth", ModeEveryNth}, x.EveryNth != 0},
		{own{"threshold", ModeScenes}, x.Threshold != nil},
		{own{"timestamps", ModeTimestamps}, x.Timestamps != nil},
	} {
		if m.given {
			given = append(given, m.own)
		}
	}
	return given
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
	given := x.given()
	if x.Mode == "" {
		return &OptionError{given[1].member, fmt.Sprintf("does not go with %s: each has a mode of its own", given[0].member)}
	}
	if !slices.Contains(modes, x.Mode) {
		return oneOf("mode", modes)
	}
	for _, g := range given {
		if g.mode != x.Mode {
			return &OptionError{g.member, fmt.Sprintf("goes with mode %q, not with mode %q", g.mode, x.Mode)}
		}
	}
	switch x.Mode {
	case ModeFPS:
		if !(x.FPS >= 1.0/MaxInterval && x.FPS <= MaxFPS) {
			return &OptionError{"fps", fmt.Sprintf("must be more than 0 (at least one frame in %d seconds) and at most %d", MaxInterval, MaxFPS)}
		}
	case ModeInterval:
		if !(x.Interval >= 1.0/MaxFPS && x.Interval <= MaxInterval) {
			return &OptionError{"interval", fmt.Sprintf("must be %g to %d seconds", 1.0/MaxFPS, MaxInterval)}
		}
	case ModeCount:
		if x.Count < 1 || x.Count > MaxCount {
			return &OptionError{"count", fmt.Sprintf("must be 1 to %d", MaxCount)}
		}
	case ModeEveryNth:
		if x.EveryNth < 1 || x.EveryNth > MaxEveryNth {
			return &OptionError{"every_nth", fmt.Sprintf("must be 1 to %d", MaxEveryNth)}
		}
	case ModeScenes:
		if !(*x.Threshold >= 0 && *x.Threshold <= 1) {
			return &OptionError{"threshold", "must be 0 to 1"}
		}
	case ModeTimestamps:
		return x.checkTimestamps()
	}
	return nil
}

func (x Extraction) checkTimestamps() *OptionError {
	if n := len(x.Timestamps); n < 1 || n > MaxTimestamps {
		return &OptionError{"timestamps", fmt.Sprintf("must be a list of 1 to %d instants", MaxTimestamps)}
	}
	for i, t := range x.Timestamps {
		if !(t >= 0 && t <= MaxPosition) {
			return &OptionError{"timestamps", fmt.Sprintf("must be 0 to %d seconds each", MaxPosition)}
		}
		if i > 0 && t < x.Timestamps[i-1] {
			return &OptionError{"timestamps", fmt.Sprintf("must be in ascending order, but %v comes after %v", t, x.Timestamps[i-1])}
		}
	}
	return nil
}

func (x Extraction) checkRange() *OptionError {
	for _, p := range []struct {
		member string
		value  *float64
	}{{"start", x.Start}, {"end", x.End}} {
		if p.value != nil && x.Mode == ModeTimestamps {
			return &OptionError{p.member, fmt.Sprintf("does not go with mode %q", x.Mode)}
		}
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

// rate returns the number of frames per second as an exact fraction; 1 for a
// mode that has no rate. x must be valid and have its defaults.
func (x Extraction) rate() *big.Rat {
	switch x.Mode {
	case ModeFPS:
		return rational(x.FPS)
	case ModeInterval:
		r := rational(x.Interval)
		return r.Inv(r)
	}
	return big.NewRat(1, 1)
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
// whatever the video holds, or -1 if nothing that was given says so.
func (x Extraction) most() int64 {
	most := x.instants()
	if x.MaxFrames > 0 && (most < 0 || most > int64(x.MaxFrames)) {
		return int64(x.MaxFrames)
	}
	return most
}

// instants returns the number of instants that were asked for, or -1 if that
// depends on the video or if the mode names pictures.
func (x Extraction) instants() int64 {
	switch x.Mode {
	case ModeFPS, ModeInterval:
		if x.End == nil {
			return -1
		}
		if n := x.wanted(rational(*x.End)); n.IsInt64() {
			return n.Int64()
		}
		return -1
	case ModeCount:
		return int64(x.Count)
	case ModeTimestamps:
		return int64(len(x.Timestamps))
	default:
		return -1
	}
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
