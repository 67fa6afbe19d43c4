package frames

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math/big"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tests in this file compare the archive with what FFmpeg itself decodes.
// They share nothing with the engine: the pictures' timestamps come from
// ffprobe -show_frames and FFmpeg's framemd5, their content from the latter,
// and which of them is on display at an instant is found by looking at each.

// shown is a decoded picture.
type shown struct {
	PTS    int64
	Pixels string // MD5 of the picture as RGB
}

type oracle struct {
	pictures []shown
	base     *big.Rat
	end      int64 // timestamp where the container says that the stream ends
}

func decode(t *testing.T, path string, stream int) oracle {
	t.Helper()
	var answer struct {
		Frames []struct {
			PTS *int64 `json:"best_effort_timestamp"`
		} `json:"frames"`
		Streams []struct {
			TimeBase string `json:"time_base"`
			Start    int64  `json:"start_pts"`
			Duration int64  `json:"duration_ts"`
		} `json:"streams"`
	}
	out, err := exec.Command("ffprobe", "-loglevel", "quiet", "-select_streams", strconv.Itoa(stream), "-of", "json",
		"-show_entries", "frame=best_effort_timestamp:stream=time_base,start_pts,duration_ts", path).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	base := answer.Streams[0].TimeBase
	out, err = exec.Command("ffmpeg", "-loglevel", "quiet", "-copyts", "-i", path, "-map", fmt.Sprintf("0:%d", stream),
		"-fps_mode", "passthrough", "-enc_time_base", strings.ReplaceAll(base, "/", ":"),
		"-pix_fmt", "rgb24", "-f", "framemd5", "-").Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	o := oracle{base: rat(base), end: answer.Streams[0].Start + answer.Streams[0].Duration}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, ","); !strings.HasPrefix(line, "#") {
			pts, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			o.pictures = append(o.pictures, shown{pts, strings.TrimSpace(fields[5])})
		}
	}
	if len(o.pictures) != len(answer.Frames) {
		t.Fatalf("framemd5 has %d pictures, show_frames %d", len(o.pictures), len(answer.Frames))
	}
	for i, frame := range answer.Frames {
		// ffprobe does not guess where a file has no timestamps; framemd5 does not
		// let them go back.
		if frame.PTS != nil {
			o.pictures[i].PTS = *frame.PTS
		}
	}
	return o
}

// want returns the pictures on display at start + k/fps after the first
// picture, for all such instants before end and before the video's own end,
// counted from the first picture too: the declared one, or the end of the last
// picture if that lasts for as long as the one before.
func (o oracle) want(fps, start, end string, declared bool) []shown {
	first := o.pictures[0].PTS
	at := func(pts int64) *big.Rat {
		return new(big.Rat).Mul(o.base, new(big.Rat).SetInt64(pts-first))
	}
	last := at(o.pictures[len(o.pictures)-1].PTS)
	stop := new(big.Rat).Set(last)
	for i := len(o.pictures) - 2; i >= 0 && stop.Cmp(last) == 0; i-- {
		stop.Sub(last, at(o.pictures[i].PTS))
		stop.Add(stop, last)
	}
	if declared {
		stop = at(o.end)
	}
	if end != "" && rat(end).Cmp(stop) < 0 {
		stop = rat(end)
	}
	var found []shown
	for k := int64(0); ; k++ {
		instant := new(big.Rat).Quo(new(big.Rat).SetInt64(k), rat(fps))
		instant.Add(instant, rat(start))
		if instant.Cmp(stop) >= 0 {
			return found
		}
		i := 0
		for i+1 < len(o.pictures) && at(o.pictures[i+1].PTS).Cmp(instant) <= 0 {
			i++
		}
		found = append(found, o.pictures[i])
	}
}

func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	return r
}

// got returns the pictures in an archive of PNG files.
func got(t *testing.T, u unpacked) []shown {
	t.Helper()
	var found []shown
	for _, frame := range u.manifest.Frames {
		found = append(found, shown{frame.PTS, pixels(t, u.files[frame.File])})
	}
	return found
}

// pixels returns the MD5 of a PNG file's pixels as packed RGB.
func pixels(t *testing.T, file []byte) string {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("decoding PNG: %v", err)
	}
	rgba, ok := decoded.(*image.RGBA)
	if !ok {
		t.Fatalf("the PNG is %T, not 8-bit RGB", decoded)
	}
	packed := make([]byte, 0, len(rgba.Pix)/4*3)
	for i := 0; i < len(rgba.Pix); i += 4 {
		packed = append(packed, rgba.Pix[i:i+3]...)
	}
	sum := md5.Sum(packed)
	return hex.EncodeToString(sum[:])
}

// samplings are tried on every video: sparse, a fraction with start and end
// between pictures, and denser than the source.
var samplings = []struct {
	fps, start, end string
	x               Extraction
}{
	{"1", "0", "", Extraction{}},
	{"7/3", "0.35", "1.7", Extraction{FPS: 7.0 / 3, Start: new(0.35), End: new(1.7)}},
	{"61", "0", "", Extraction{FPS: 61}},
}

func TestFramesAreThoseOnDisplay(t *testing.T) {
	for _, c := range []struct {
		name, path string
		stream     int
		// declared: the video ends where its container says, and not just as long
		// after the last picture as that is after the one before.
		declared bool
	}{
		{name: "23.976 fps", path: made("cfr-24000-1001.mp4")},
		{name: "24 fps", path: made("cfr-24.mp4")},
		{name: "25 fps", path: made("cfr-25.mp4")},
		{name: "29.97 fps", path: made("cfr-30000-1001.mp4")},
		{name: "60 fps", path: made("cfr-60.mp4")},
		{name: "1000 fps", path: made("fast.mp4")},
		{name: "variable rate in MP4", path: made("vfr.mp4"), declared: true},
		{name: "variable rate in Matroska", path: made("vfr.mkv")},
		{name: "timestamps that go back", path: made("backwards.mkv")},
		{name: "a last frame that is held", path: made("held.mp4"), declared: true},
		{name: "open groups of pictures", path: made("open-gop.mp4")},
		{name: "interlaced", path: made("interlaced.mp4")},
		{name: "MP4 with index at the end and sound", path: made("sound.mp4")},
		{name: "MP4 with index at the beginning", path: made("faststart.mp4")},
		{name: "fragmented MP4", path: made("fragmented.mp4")},
		{name: "QuickTime", path: made("sound.mov")},
		{name: "Matroska with sound before picture", path: made("sound.mkv")},
		{name: "transport stream", path: made("sound.ts")},
		{name: "FLV", path: made("sound.flv")},
		{name: "Matroska that begins at 100.5 s", path: made("offset.mkv")},
		{name: "transport stream that begins at 40,000 s", path: made("offset.ts")},
		{name: "picture later than sound", path: made("late.mp4")},
		{name: "edit list", path: made("edited.mp4"), declared: true},
		{name: "VP8", path: made("vp8.webm")},
		{name: "VP9", path: made("vp9.webm")},
		{name: "HEVC", path: made("hevc.mp4")},
		{name: "AV1", path: made("av1.mp4")},
		{name: "MPEG-4 in AVI, missing timestamps", path: made("mpeg4.avi")},
		{name: "MPEG-2 program stream", path: made("mpeg2.mpg")},
		{name: "ProRes", path: made("prores.mov")},
		{name: "WMV", path: made("wmv.asf")},
		{name: "default of two streams", path: made("two.mkv"), stream: 0},
		{name: "larger of two streams", path: made("two.ts"), stream: 1},
		{name: "cover picture beside the video", path: made("covered.mp4")},
		{name: "turned by 90 degrees", path: made("rotated-90.mp4")},
		{name: "turned by 180 degrees", path: made("rotated-180.mp4")},
		{name: "turned by 270 degrees", path: made("rotated-270.mp4")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reference := decode(t, c.path, c.stream)
			for _, s := range samplings {
				s.x.Format = FormatPNG
				u := extract(t, c.path, s.x)
				if diff := cmp.Diff(reference.want(s.fps, s.start, s.end, c.declared), got(t, u)); diff != "" {
					t.Errorf("%s fps from %s to %q (-want +got):\n%s", s.fps, s.start, s.end, diff)
				}
				if len(u.manifest.Warnings) > 0 {
					t.Errorf("%s fps: warnings %v, log %s", s.fps, u.manifest.Warnings, u.result.Log)
				}
			}
		})
	}
}
