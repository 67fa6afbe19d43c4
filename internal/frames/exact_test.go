package frames

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The tests in this file compare the archive with what FFmpeg itself decodes.
// They share nothing with the engine: the pictures' timestamps, and which of them
// a container marks as random access points, come from ffprobe, their content
// from FFmpeg's framemd5, how much each differs from the one before from FFmpeg's
// filter select, and which of them is wanted is found by looking at each.

// shown is a decoded picture.
type shown struct {
	PTS    int64
	Pixels string // MD5 of the picture as RGB
}

type oracle struct {
	pictures []shown
	keys     []bool    // its packet is marked as a random access point, and it decodes by itself
	scores   []float64 // how much it differs from the picture before, 0 to 1
	base     *big.Rat
	end      int64 // timestamp where the container says that the stream ends
	declared bool  // the video ends there
}

// described is what ffprobe says of a stream.
type described struct {
	Frames []struct {
		PTS      *int64 `json:"best_effort_timestamp"`
		Position string `json:"pkt_pos"`
		Key      int    `json:"key_frame"`
		Type     string `json:"pict_type"`
	} `json:"frames"`
	Packets []struct {
		PTS      *int64 `json:"pts"`
		Position string `json:"pos"`
		Flags    string `json:"flags"`
	} `json:"packets"`
	Streams []struct {
		TimeBase string `json:"time_base"`
		Start    int64  `json:"start_pts"`
		Duration int64  `json:"duration_ts"`
	} `json:"streams"`
}

func ask(t *testing.T, path string, stream int, entries string) described {
	t.Helper()
	out, err := exec.Command("ffprobe", "-loglevel", "quiet", "-threads", "1", "-select_streams", strconv.Itoa(stream), "-of", "json",
		"-show_entries", entries, path).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	var answer described
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func decode(t *testing.T, path string, stream int) oracle {
	t.Helper()
	answer := ask(t, path, stream, "frame=best_effort_timestamp,pkt_pos,key_frame,pict_type:stream=time_base,start_pts,duration_ts")
	packets := ask(t, path, stream, "packet=pts,pos,flags").Packets
	base := answer.Streams[0].TimeBase
	dir := t.TempDir()
	from := fmt.Sprintf("0:%d", stream)
	ticks := strings.ReplaceAll(base, "/", ":")
	// What becomes of damage depends on the number of threads.
	cmd := exec.Command("ffmpeg", "-loglevel", "quiet", "-threads", "1", "-copyts", "-i", path,
		"-map", from, "-fps_mode", "passthrough", "-enc_time_base", ticks, "-pix_fmt", "rgb24", "-f", "framemd5", "-",
		"-map", from, "-fps_mode", "passthrough", "-vf", "select='gte(scene,0)',metadata=print:file=scores,settb=1/1000000,setpts=N",
		"-enc_time_base", "1:1000000", "-f", "null", "-")
	cmd.Dir = dir // commas in its name would not do in a filter
	out, err := cmd.Output()
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
	byPosition, byTime := make(map[string]bool), make(map[int64]bool)
	for _, p := range packets {
		if key := strings.HasPrefix(p.Flags, "K"); p.Position != "" {
			byPosition[p.Position] = key
		}
		if p.PTS != nil {
			byTime[*p.PTS] = strings.HasPrefix(p.Flags, "K")
		}
	}
	for i, frame := range answer.Frames {
		// ffprobe does not guess where a file has no timestamps; framemd5 does not
		// let them go back.
		if frame.PTS != nil {
			o.pictures[i].PTS = *frame.PTS
		}
		// Which packet a picture comes from is told by its timestamp or its place,
		// unless the file lacks both.
		key, ok := byTime[o.pictures[i].PTS]
		if !ok || frame.PTS == nil {
			key, ok = byPosition[frame.Position]
		}
		// One of a periodic refresh is marked too, but is no whole picture by itself.
		o.keys = append(o.keys, (key || !ok && frame.Key == 1) && frame.Type == "I")
	}
	o.scores = readScores(t, filepath.Join(dir, "scores"))
	if len(o.scores) != len(o.pictures) {
		t.Fatalf("%d pictures were compared with the ones before, of %d", len(o.scores), len(o.pictures))
	}
	return o
}

func readScores(t *testing.T, path string) []float64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var scores []float64
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(strings.TrimSpace(line), "lavfi.scene_score="); ok {
			score, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Fatal(err)
			}
			scores = append(scores, score)
		}
	}
	return scores
}

// at returns a timestamp in seconds after the first picture.
func (o oracle) at(pts int64) *big.Rat {
	return new(big.Rat).Mul(o.base, new(big.Rat).SetInt64(pts-o.pictures[0].PTS))
}

// time returns when picture i is shown; one whose timestamp goes back is shown
// when the one before it is.
func (o oracle) time(i int) *big.Rat {
	latest := o.pictures[0].PTS
	for _, p := range o.pictures[:i+1] {
		latest = max(latest, p.PTS)
	}
	return o.at(latest)
}

// stop returns when the video ends, counted from the first picture: as declared,
// or the end of the last picture if that lasts for as long as the one before.
func (o oracle) stop() *big.Rat {
	if o.declared {
		return o.at(o.end)
	}
	last := o.at(o.pictures[len(o.pictures)-1].PTS)
	stop := new(big.Rat).Set(last)
	for i := len(o.pictures) - 2; i >= 0 && stop.Cmp(last) == 0; i-- {
		stop.Sub(last, o.at(o.pictures[i].PTS))
		stop.Add(stop, last)
	}
	return stop
}

// onDisplay returns the picture on display at an instant.
func (o oracle) onDisplay(instant *big.Rat) shown {
	i := 0
	for i+1 < len(o.pictures) && o.at(o.pictures[i+1].PTS).Cmp(instant) <= 0 {
		i++
	}
	return o.pictures[i]
}

// every returns the pictures on display at start + k * step, for all such
// instants before end and before the video's own end.
func (o oracle) every(step, start, end *big.Rat) []shown {
	stop := o.stop()
	if end != nil && end.Cmp(stop) < 0 {
		stop = end
	}
	var found []shown
	for instant := new(big.Rat).Set(start); instant.Cmp(stop) < 0; instant.Add(instant, step) {
		found = append(found, o.onDisplay(instant))
	}
	return found
}

// evenly returns what count instants show.
func (o oracle) evenly(count int64, start, end *big.Rat) []shown {
	stop := o.stop()
	if end != nil && end.Cmp(stop) < 0 {
		stop = end
	}
	step := new(big.Rat).Sub(stop, start)
	return o.every(step.Quo(step, new(big.Rat).SetInt64(count)), start, stop)
}

// those returns the pictures from start on and before end for which wanted says
// so; it gets their numbers, and how many of the range come before.
func (o oracle) those(start, end *big.Rat, wanted func(i, before int) bool) []shown {
	var found []shown
	before := 0
	for i, p := range o.pictures {
		if time := o.time(i); time.Cmp(start) >= 0 && (end == nil || time.Cmp(end) < 0) {
			if wanted(i, before) {
				found = append(found, p)
			}
			before++
		}
	}
	return found
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

// seen are the pixels of files that were decoded before.
var seen sync.Map

// pixels returns the MD5 of a PNG file's pixels as packed RGB.
func pixels(t *testing.T, file []byte) string {
	t.Helper()
	hash := sha256.Sum256(file)
	if known, ok := seen.Load(hash); ok {
		return known.(string) //nolint:errcheck // nothing else is stored
	}
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
	text := hex.EncodeToString(sum[:])
	seen.Store(hash, text)
	return text
}

// sampling is an extraction and the pictures that it must give.
type sampling struct {
	name   string
	x      Extraction
	want   []shown
	always bool // tried on every video even if there is little time
}

func first(n int, pictures []shown) []shown { return pictures[:min(n, len(pictures))] }

// samplings are tried on every video: every mode with and without a range, whose
// ends lie on pictures or between them.
func (o oracle) samplings() []sampling {
	zero, second := new(big.Rat), rat("1")
	// Two pictures of the video, and moments on and just before them.
	n := len(o.pictures)
	on := func(i int) (*big.Rat, float64) {
		f, _ := o.time(i).Float64()
		return o.time(i), f
	}
	from, fromSeconds := on(n / 5)
	to, toSeconds := on(n * 3 / 4)
	if n == 1 {
		to, toSeconds = second, 1
	}
	before := new(big.Rat).Sub(to, new(big.Rat).Mul(o.base, rat("1/2")))
	beforeSeconds, _ := before.Float64()
	threshold := o.threshold()
	moments := []float64{0, 0.04, fromSeconds, 0.5, 0.5, 1.2345, beforeSeconds, toSeconds, 1e6}
	slices.Sort(moments)
	var atMoments []shown
	for _, m := range moments {
		if instant := rational(m); instant.Cmp(o.stop()) < 0 {
			atMoments = append(atMoments, o.onDisplay(instant))
		}
	}
	isKey := func(i, _ int) bool { return o.keys[i] }
	cut := func(i, before int) bool { return before == 0 || o.scores[i] > threshold }
	nth := func(n int) func(int, int) bool { return func(_, before int) bool { return before%n == 0 } }

	return []sampling{
		{name: "1 fps", x: Extraction{FPS: 1}, want: o.every(second, zero, nil)},
		{name: "7/3 fps in a range", x: Extraction{FPS: 7.0 / 3, Start: new(0.35), End: new(1.7)}, want: o.every(rat("3/7"), rat("0.35"), rat("1.7")), always: true},
		{name: "61 fps", x: Extraction{FPS: 61, MaxFrames: 400}, want: first(400, o.every(rat("1/61"), zero, nil)), always: true},
		{name: "interval", x: Extraction{Interval: 0.7, Start: &fromSeconds}, want: o.every(rat("0.7"), from, nil)},
		{name: "interval, few", x: Extraction{Interval: 0.2, MaxFrames: 3}, want: first(3, o.every(rat("0.2"), zero, nil))},
		{name: "count", x: Extraction{Count: 7}, want: o.evenly(7, zero, nil)},
		{name: "count in a range", x: Extraction{Count: 5, Start: &fromSeconds, End: &toSeconds}, want: o.evenly(5, from, to)},
		{name: "timestamps", x: Extraction{Timestamps: moments}, want: atMoments},
		{name: "every picture", x: Extraction{EveryNth: 1}, want: o.those(zero, nil, nth(1)), always: true},
		{name: "every 7th, few", x: Extraction{EveryNth: 7, MaxFrames: 4}, want: first(4, o.those(zero, nil, nth(7)))},
		{name: "every 3rd of a range", x: Extraction{EveryNth: 3, Start: &fromSeconds, End: &toSeconds}, want: o.those(from, to, nth(3)), always: true},
		{name: "keyframes", x: Extraction{Mode: ModeKeyframes}, want: o.those(zero, nil, isKey), always: true},
		{name: "keyframes of a range", x: Extraction{Mode: ModeKeyframes, Start: &fromSeconds, End: &toSeconds}, want: o.those(from, to, isKey)},
		{name: "keyframes, few", x: Extraction{Mode: ModeKeyframes, MaxFrames: 1}, want: first(1, o.those(zero, nil, isKey))},
		{name: "scenes", x: Extraction{Threshold: &threshold}, want: o.those(zero, nil, cut)},
		{name: "scenes of a range, few", x: Extraction{Threshold: &threshold, Start: &fromSeconds, End: &beforeSeconds, MaxFrames: 9}, want: first(9, o.those(from, before, cut))},
	}
}

// threshold returns one that about a quarter of the pictures exceed, and that no
// picture is close to.
func (o oracle) threshold() float64 {
	sorted := slices.Sorted(slices.Values(o.scores))
	best := len(sorted) * 3 / 4
	for i := max(best, 1); i < len(sorted); i++ {
		if sorted[i]-sorted[i-1] > 1e-5 {
			return (sorted[i] + sorted[i-1]) / 2
		}
	}
	return 0.3
}

// videos are those on which every mode is tried.
var videos = []struct {
	name, file string
	stream     int
	// declared: the video ends where its container says, and not just as long
	// after the last picture as that is after the one before.
	declared bool
	// odd: its packets do not tell enough, so that every picture is decoded.
	odd bool
}{
	{name: "23.976 fps", file: "cfr-24000-1001.mp4"},
	{name: "24 fps", file: "cfr-24.mp4"},
	{name: "25 fps", file: "cfr-25.mp4"},
	{name: "29.97 fps", file: "cfr-30000-1001.mp4"},
	{name: "60 fps", file: "cfr-60.mp4"},
	{name: "1000 fps", file: "fast.mp4"},
	{name: "variable rate in MP4", file: "vfr.mp4", declared: true},
	{name: "variable rate in Matroska", file: "vfr.mkv"},
	{name: "timestamps that go back", file: "backwards.mkv", odd: true},
	{name: "a pause longer than a group of pictures", file: "paused.mp4"},
	{name: "the same in Matroska", file: "paused.mkv"},
	{name: "a last frame that is held", file: "held.mp4", declared: true},
	{name: "scenes", file: "scenes.mp4"},
	{name: "one picture", file: "one.mp4", declared: true},
	{name: "open groups of pictures", file: "open-gop.mp4"},
	{name: "open groups in a transport stream", file: "open-gop.ts"},
	{name: "open groups in Matroska", file: "open-gop.mkv"},
	{name: "intra refresh", file: "intra-refresh.mp4"},
	{name: "intra refresh in Matroska", file: "intra-refresh.mkv"},
	{name: "interlaced", file: "interlaced.mp4"},
	{name: "interlaced by macroblock", file: "mbaff.ts"},
	{name: "MP4 with index at the end and sound", file: "sound.mp4"},
	{name: "MP4 with index at the beginning", file: "faststart.mp4"},
	{name: "fragmented MP4", file: "fragmented.mp4"},
	{name: "QuickTime", file: "sound.mov"},
	{name: "Matroska with sound before picture", file: "sound.mkv"},
	{name: "transport stream", file: "sound.ts"},
	{name: "FLV", file: "sound.flv"},
	{name: "Matroska that begins at 100.5 s", file: "offset.mkv"},
	{name: "transport stream that begins at 40,000 s", file: "offset.ts"},
	{name: "picture later than sound", file: "late.mp4"},
	{name: "edit list", file: "edited.mp4", declared: true},
	{name: "VP8", file: "vp8.webm"},
	{name: "VP9", file: "vp9.webm"},
	{name: "VP9 in MP4", file: "vp9.mp4"},
	{name: "HEVC with open groups", file: "hevc.mp4"},
	{name: "HEVC in Matroska", file: "hevc.mkv"},
	{name: "HEVC in a transport stream", file: "hevc.ts"},
	{name: "HEVC with leading pictures that decode", file: "hevc-radl.mp4"},
	{name: "HEVC with temporal layers", file: "hevc-layers.mp4"},
	{name: "AV1", file: "av1.mp4"},
	{name: "AV1 in Matroska", file: "av1.mkv"},
	{name: "MPEG-4 in AVI, missing timestamps", file: "mpeg4.avi", odd: true},
	{name: "MPEG-4 in MP4", file: "mpeg4.mp4"},
	{name: "H.264 in AVI, missing timestamps", file: "h264.avi", odd: true},
	{name: "MPEG-2 program stream", file: "mpeg2.mpg", odd: true},
	{name: "MPEG-2 transport stream, interlaced", file: "mpeg2.ts"},
	{name: "MPEG-2 in Matroska", file: "mpeg2.mkv"},
	{name: "ProRes", file: "prores.mov"},
	{name: "Motion JPEG", file: "mjpeg.mov"},
	{name: "packets of megabytes", file: "raw.mov"},
	{name: "Theora in Ogg", file: "theora.ogv"},
	{name: "WMV", file: "wmv.asf"},
	{name: "a phone's upright video, HLG", file: "phone-hlg.mov", declared: true},
	{name: "another phone's, PQ", file: "phone-pq.mp4", declared: true},
	{name: "default of two streams", file: "two.mkv", stream: 0},
	{name: "larger of two streams", file: "two.ts", stream: 1},
	{name: "cover picture beside the video", file: "covered.mp4"},
	{name: "turned by 90 degrees", file: "rotated-90.mp4"},
	{name: "turned by 180 degrees", file: "rotated-180.mp4"},
	{name: "turned by 270 degrees", file: "rotated-270.mp4"},
}

func TestFramesAreThoseThatWereAskedFor(t *testing.T) {
	for i, v := range videos {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			reference := decode(t, made(v.file), v.stream)
			reference.declared = v.declared
			for j, s := range reference.samplings() {
				if *thorough == 1 && !s.always && (i+j)%2 == 0 {
					continue // the next video has it
				}
				s.x.Format = FormatPNG
				u, err := tryExtract(t, engine(t, Config{}), open(t, made(v.file)), s.x)
				if len(s.want) == 0 && errors.Is(err, &Error{Code: CodeNoFrames}) {
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", s.name, err)
					continue
				}
				if diff := cmp.Diff(s.want, got(t, u)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", s.name, diff)
				}
				for _, w := range u.manifest.Warnings {
					if w.Code != WarnHDR {
						t.Errorf("%s: warning %s, log %s", s.name, w.Code, u.result.Log)
					}
				}
				if u.result.Plain != "" && !v.odd {
					t.Errorf("%s: every picture was decoded: %s", s.name, u.result.Plain)
				}
			}
		})
	}
}
