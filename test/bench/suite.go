package main

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/fotograma/fotograma/internal/frames"
)

// row is one comparison: one piece of work, done in two ways in turn.
type row struct {
	section string
	work    string // what is done
	against string // what ours is compared with

	ours, theirs         string // pipelines
	clip, theirClip      *clip  // theirClip if it is another
	extraction           frames.Extraction
	stack, twice, single bool // through the local stack; the second of two runs; in one round only
	targets              []target

	needed int64 // bytes of the video, where a target asks for them
	pairs  []pair
	err    error // what ended it
}

// pair is one run of each side, one after the other.
type pair struct{ ours, theirs sample }

// The sections of the report.
const (
	mainSection  = "H.264 in MP4, 1080p"
	codecSection = "Codecs and containers, 720p"
	ownSection   = "Against itself"
)

// What is compared with, in words.
const (
	againstPNGs   = "naive system, PNG files"
	againstJPEGs  = "naive system, JPEG files"
	againstStock  = "stock FFmpeg, streaming"
	againstNull   = "FFmpeg decoding to nowhere"
	againstRefs   = "FFmpeg decoding references to nowhere"
	againstSeeks  = "one FFmpeg seek per frame"
	againstNokey  = "stock FFmpeg, `-skip_frame nokey`"
	againstLimit  = "decoding and encoding alone"
	againstMinute = "a video of 1 min"
)

// suite is what is run: the rows, and the clips that only the model needs.
type suite struct {
	rows []*row
	hd   *clip // what the rates of the model come from
	long *clip // two hours
}

// only keeps the rows whose names fit a pattern.
func (s *suite) only(pattern *regexp.Regexp) {
	s.rows = slices.DeleteFunc(s.rows, func(r *row) bool { return !pattern.MatchString(r.work + ", " + r.against) })
}

// newSuite gives all rows, or those that fit in a few minutes.
func newSuite(quick bool) *suite {
	hd := source("hd.mp4", 62)
	if quick {
		hd = source("hd-short.mp4", 21)
	}
	// Not a multiple of 60 s, so that wanted instants do not fall on keyframes only.
	sparse := loop("sparse-"+hd.name, hd, 3)
	if quick {
		sparse = loop("sparse-"+hd.name, hd, 6)
	}
	minute := screen("minute.mp4", 60)
	s := &suite{hd: hd, long: loop("long.mp4", minute, video/60)}

	s.rows = h264(hd, sparse)
	if quick { // most of the others read the whole video each time
		s.rows = slices.DeleteFunc(s.rows, func(r *row) bool { return r.clip == sparse && r.theirs != ofStreaming })
	}
	s.rows = append(s.rows, codecs(hd, quick)...)
	s.rows = append(s.rows,
		&row{
			section: ownSection, work: "1 fps, JPEG, from S3 to S3", against: againstLimit, ours: ofEngine, theirs: ofLimit, clip: hd,
			extraction: perSecond(frames.FormatJPEG), targets: []target{atMost(wall, 1.15)},
		},
		&row{
			section: ownSection, work: "1 fps, PNG, from S3 to S3", against: againstLimit, ours: ofEngine, theirs: ofLimit, clip: hd,
			extraction: perSecond(frames.FormatPNG), targets: []target{atMost(wall, 1.15)},
		},
		&row{
			section: ownSection, work: "a clip of 3 s, warm", against: againstStock, ours: ofEngine, theirs: ofStreaming, clip: source("clip.mp4", 3),
			extraction: perSecond(frames.FormatJPEG), twice: true, targets: []target{soon(150)},
		})
	if quick {
		return s
	}
	s.rows = append(s.rows,
		&row{
			section: ownSection, work: "a video of 2 h, 1 fps, JPEG", against: againstMinute, ours: ofEngine, theirs: ofEngine, clip: s.long, theirClip: minute,
			extraction: perSecond(frames.FormatJPEG), single: true, targets: []target{atMost(memory, 1.2)},
		},
		&row{
			section: mainSection, work: "1 fps, JPEG, through the local stack", against: againstJPEGs, ours: ofStack, theirs: ofNaiveStack, clip: hd,
			extraction: perSecond(frames.FormatJPEG), stack: true,
		})
	return s
}

// rate tells in words how many frames are wanted.
func rate(x frames.Extraction) string {
	if x.Mode == frames.ModeInterval {
		return fmt.Sprintf("1 frame per %g s", x.Interval)
	}
	return fmt.Sprintf("%g fps", x.FPS)
}

func perSecond(format string) frames.Extraction {
	return frames.Extraction{Mode: frames.ModeFPS, FPS: 1, Format: format}.WithDefaults()
}

func interval(seconds float64) frames.Extraction {
	return frames.Extraction{Mode: frames.ModeInterval, Interval: seconds, Format: frames.FormatJPEG}.WithDefaults()
}

// h264 are the rows of the main codec.
func h264(hd, sparse *clip) []*row {
	var rows []*row
	add := func(work string, c *clip, x frames.Extraction, theirs, against string, targets ...target) {
		rows = append(rows, &row{
			section: mainSection, work: work, against: against, ours: ofEngine, theirs: theirs, clip: c, extraction: x, targets: targets,
		})
	}
	jpeg, png := perSecond(frames.FormatJPEG), perSecond(frames.FormatPNG)
	start, end := jpeg, 15.0
	start.End = &end

	add("1 fps, JPEG", hd, jpeg, ofNaivePNG, againstPNGs, atLeast(wall, 3), atLeast(cpu, 3))
	add("1 fps, JPEG", hd, jpeg, ofNaive, againstJPEGs)
	add("1 fps, JPEG", hd, jpeg, ofStreaming, againstStock, atLeast(wall, 1.6))
	add("1 fps, JPEG", hd, jpeg, ofNull, againstNull)
	add("1 fps, JPEG", hd, jpeg, ofReferences, againstRefs)
	add("1 fps, JPEG, first 15 s", hd, start, ofSeeks, againstSeeks)
	add("1 fps, PNG", hd, png, ofNaive, againstPNGs, atLeast(wall, 2.3))
	add("1 fps, PNG", hd, png, ofStreaming, againstStock)
	for _, sparser := range []struct {
		seconds, times float64
	}{{10, 4}, {60, 15}} {
		x := interval(sparser.seconds)
		work := rate(x) + ", JPEG"
		add(work, sparse, x, ofNaive, againstJPEGs)
		add(work, sparse, x, ofStreaming, againstStock, atLeast(wall, sparser.times), inProportion)
		add(work, sparse, x, ofNull, againstNull)
		add(work, sparse, x, ofSeeks, againstSeeks)
	}
	nokey := frames.Extraction{Mode: frames.ModeKeyframes, Format: frames.FormatJPEG}.WithDefaults()
	add("keyframes, JPEG", sparse, nokey, ofNaive, againstJPEGs)
	add("keyframes, JPEG", sparse, nokey, ofStreaming, againstNokey, atLeast(wall, 1), atLeast(read, 1))
	add("keyframes, JPEG", sparse, nokey, ofNull, againstNull)
	return rows
}

// codecs are the rows of the other codecs and containers.
func codecs(hd *clip, quick bool) []*row {
	// Half a second more or less of the last picture makes no frame more or less.
	seconds := min(hd.seconds, 30) - 0.5
	made := func(name string, encoder ...string) *clip {
		return encode(name, hd, seconds, "scale=1280:720,noise=alls=4:allf=t,format=yuv420p", encoder...)
	}
	h264 := made("h264.mp4", "-c:v", "libx264")
	hevc := made("hevc.mp4", "-c:v", "libx265", "-crf", "23", "-x265-params", "log-level=error", "-tag:v", "hvc1")
	vp9 := made("vp9.webm", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "6", "-row-mt", "1")
	av1 := made("av1.mp4", "-c:v", "libsvtav1", "-preset", "9")
	all := []struct {
		name string
		clip *clip
	}{
		{"HEVC in MP4", hevc},
		{"VP9 in WebM", vp9},
		{"AV1 in MP4", av1},
		{"H.264 in MP4", h264},
		{"H.264 in fragmented MP4", remux("fragmented.mp4", h264, "-movflags", "frag_keyframe+empty_moov+default_base_moof")},
		{"H.264 in QuickTime, index first", remux("h264.mov", h264, "-movflags", "faststart")},
		{"H.264 in Matroska", remux("h264.mkv", h264)},
		{"H.264 in a transport stream", remux("h264.ts", h264)},
		{"HEVC in Matroska", remux("hevc.mkv", hevc)},
		{"MPEG-4 in MP4", made("mpeg4.mp4", "-c:v", "mpeg4", "-q:v", "4")},
		{"MPEG-2 in a transport stream", made("mpeg2.ts", "-c:v", "mpeg2video", "-q:v", "4")},
	}
	if quick {
		all = all[:2]
	}
	rows := make([]*row, 0, 2*len(all))
	for _, c := range all {
		for _, x := range []frames.Extraction{perSecond(frames.FormatJPEG), interval(10)} {
			rows = append(rows, &row{
				section: codecSection, work: fmt.Sprintf("%s, %s", c.name, rate(x)), against: againstStock, ours: ofEngine, theirs: ofStreaming,
				clip: c.clip, extraction: x,
			})
		}
	}
	return rows
}
