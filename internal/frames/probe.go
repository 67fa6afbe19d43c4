package frames

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// Media is what a video says of itself.
type Media struct {
	// Duration of the picture in seconds; 0 if the file does not say.
	Duration float64 `json:"duration"`
	// Width and Height in pixels as displayed, that is after Rotation.
	Width  int `json:"width"`
	Height int `json:"height"`
	// FrameRate is the average number of pictures per second; 0 if unknown.
	FrameRate float64 `json:"frame_rate"`
	// Codec is FFmpeg's name of the compression, such as "h264".
	Codec string `json:"codec"`
	// Rotation is by how many degrees the stored pictures are turned clockwise
	// to be displayed: 0, 90, 180 or 270.
	Rotation int `json:"rotation"`
	// Container is FFmpeg's name of the file format, such as "matroska,webm".
	Container string `json:"container"`
	// PixelFormat is FFmpeg's name of the stored pixels' layout.
	PixelFormat string `json:"pixel_format"`
	// StreamIndex is which of the file's streams the picture is, from 0.
	StreamIndex int `json:"stream_index"`
	// TimeBase is the unit of presentation timestamps in seconds, "1/90000".
	TimeBase string `json:"time_base"`
	// Start is the presentation time of the stream's beginning in seconds, as
	// the file declares it.
	Start float64 `json:"start"`

	base        timeBase
	declaredEnd *int64 // where the stream ends, in time base units, if the file says so
	turn        turn
	hdr         bool
	unfiltered  string
	ffmpeg      string // version
	pictures    int64  // pictures and starting points that the container's index has
	starts      int64
}

// timeBase is the unit of timestamps: num/den seconds.
type timeBase struct{ num, den int64 }

// seconds returns a timestamp in seconds.
func (b timeBase) seconds(pts int64) float64 {
	f, _ := b.exact(pts).Float64()
	return f
}

func (b timeBase) exact(pts int64) *big.Rat {
	r := big.NewRat(b.num, b.den)
	return r.Mul(r, new(big.Rat).SetInt64(pts))
}

// probed is what the program says of a file, in ffprobe's words.
type probed struct {
	Version string `json:"version"`
	// Unfiltered is why the program's system calls are not filtered, if they are not.
	Unfiltered string `json:"unfiltered"`
	Format     struct {
		Name     string `json:"format_name"`
		Duration int64  `json:"duration"` // microseconds; 0 if unknown
	} `json:"format"`
	Streams []probedStream `json:"streams"`
}

type probedStream struct {
	Index         int     `json:"index"`
	Type          string  `json:"codec_type"`
	Codec         string  `json:"codec_name"`
	Decodable     bool    `json:"decodable"`
	Width         int     `json:"width"`
	Height        int     `json:"height"`
	PixelFormat   string  `json:"pix_fmt"`
	AverageRate   string  `json:"avg_frame_rate"`
	TimeBase      string  `json:"time_base"`
	StartPTS      *int64  `json:"start_pts"`
	DurationTS    *int64  `json:"duration_ts"`
	ColorTransfer string  `json:"color_transfer"`
	DisplayMatrix []int32 `json:"display_matrix"` // a, b, c, d
	IndexEntries  int64   `json:"index_entries"`
	IndexStarts   int64   `json:"index_starts"`
	Disposition   struct {
		Default         int `json:"default"`
		AttachedPicture int `json:"attached_pic"`
		Thumbnails      int `json:"timed_thumbnails"`
		StillImage      int `json:"still_image"`
	} `json:"disposition"`
}

// tooManyPixels reports whether a log says that FFmpeg met a picture that is
// larger than it was told to accept.
func tooManyPixels(log string) bool {
	return strings.Contains(log, "exceeds specified max pixel count") ||
		strings.Contains(log, "Picture size ") && strings.Contains(log, " is invalid") // beyond what FFmpeg can do at all
}

// readMedia reads what the program says of a file, and applies the limits that
// need no decoding.
func readMedia(text []byte, limits Limits) (Media, error) {
	var answer probed
	if err := json.Unmarshal(text, &answer); err != nil {
		return Media{}, fail(CodeEngineFailed, "reading what the file says: %v", err)
	}
	s := bestStream(answer.Streams)
	if s == nil {
		return Media{}, fail(CodeNoVideoStream, "%s has %d streams, none of them moving pictures", answer.Format.Name, len(answer.Streams))
	}
	if int64(s.Width)*int64(s.Height) > limits.Pixels {
		return Media{}, fail(CodeTooManyPixels, "the video is %d by %d", s.Width, s.Height)
	}
	base, ok := parseTimeBase(s.TimeBase)
	switch {
	case !s.Decodable:
		return Media{}, fail(CodeUnsupportedCodec, "stream %d is %s", s.Index, s.Codec)
	case s.Width < 1 || s.Height < 1 || !ok:
		return Media{}, fail(CodeUndecodable, "stream %d is %s of %d by %d in %q", s.Index, s.Codec, s.Width, s.Height, s.TimeBase)
	}
	m := Media{
		Width: s.Width, Height: s.Height, Codec: s.Codec,
		Container: answer.Format.Name, PixelFormat: s.PixelFormat,
		StreamIndex: s.Index, TimeBase: s.TimeBase,
		base:   base,
		hdr:    s.ColorTransfer == "smpte2084" || s.ColorTransfer == "arib-std-b67",
		ffmpeg: answer.Version, unfiltered: answer.Unfiltered,
		turn:     newTurn(s.DisplayMatrix),
		pictures: s.IndexEntries,
		starts:   s.IndexStarts,
	}
	m.readTimes(s, answer.Format.Duration)
	m.Rotation = m.turn.degrees
	if m.turn.sideways() {
		m.Width, m.Height = m.Height, m.Width
	}
	if limit := limits.Duration.Seconds(); m.Duration > limit {
		return Media{}, fail(CodeTooLong, "the video lasts %g s; at most %g s", m.Duration, limit)
	}
	return m, nil
}

func (m *Media) readTimes(s *probedStream, containerDuration int64) {
	if r, ok := new(big.Rat).SetString(s.AverageRate); ok && r.Sign() > 0 {
		m.FrameRate, _ = r.Float64()
	}
	start := int64(0)
	if s.StartPTS != nil {
		start = *s.StartPTS
		m.Start = m.base.seconds(start)
	}
	if s.DurationTS != nil && *s.DurationTS > 0 {
		end := start + *s.DurationTS
		m.declaredEnd = &end
		m.Duration = m.base.seconds(*s.DurationTS)
	} else if containerDuration > 0 {
		m.Duration = float64(containerDuration) / 1e6
	}
}

// bestStream returns the moving picture that FFmpeg itself would take: the
// largest, with some preference for the one marked as the default. Cover art,
// thumbnails and still images are not moving pictures.
func bestStream(streams []probedStream) *probedStream {
	var best *probedStream
	var bestScore int64
	for i := range streams {
		s := &streams[i]
		d := s.Disposition
		if s.Type != "video" || d.AttachedPicture+d.Thumbnails+d.StillImage > 0 {
			continue
		}
		score := int64(s.Width)*int64(s.Height) + 5_000_000*int64(d.Default)
		if best == nil || score > bestScore {
			best, bestScore = s, score
		}
	}
	return best
}

func parseTimeBase(text string) (timeBase, bool) {
	num, den, _ := strings.Cut(text, "/")
	n, err1 := strconv.ParseInt(num, 10, 32)
	d, err2 := strconv.ParseInt(den, 10, 32)
	return timeBase{n, d}, err1 == nil && err2 == nil && n > 0 && d > 0
}
