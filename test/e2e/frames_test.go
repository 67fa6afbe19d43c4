package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/pkg/client"
)

// The tests of this file hold the archives against what FFmpeg decodes. They
// share nothing with the engine but docs/extraction.md.

// sampling is a way to take frames: an extraction, and what it means as exact
// numbers.
type sampling struct {
	name            string
	extraction      string
	fps, start, end string
}

var samplings = []sampling{
	{"as it is when nothing is said", ``, "1", "0", ""},
	{"one a second as PNG", `{"mode":"fps","fps":1,"format":"png"}`, "1", "0", ""},
	{"five in two seconds of a part", `{"mode":"fps","fps":2.5,"start":1.3,"end":6.5,"format":"jpeg","quality":95}`, "5/2", "13/10", "13/2"},
	{"denser than the source", `{"mode":"fps","fps":29.97,"start":0.37,"end":1.9,"format":"png"}`, "2997/100", "37/100", "19/10"},
	{"one in five seconds", `{"mode":"fps","fps":0.2,"format":"png"}`, "1/5", "0", ""},
	{"an interval of 0.7 s", `{"mode":"interval","interval":0.7,"end":7.7,"format":"png"}`, "10/7", "0", "77/10"},
}

func TestFramesAreThoseOnDisplay(t *testing.T) {
	still := []string{"-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"}
	moving := func(rate string, more ...string) []string {
		return append(append([]string{"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=" + rate + ":duration=8"}, still...), more...)
	}
	cfr := film(t, "mp4", moving("25", "-bf", "3", "-g", "250")...)
	for _, c := range []struct {
		name, extension string
		file            []byte
		width, height   int

		// declared: the container says when the last picture ends. Else it is
		// displayed for as long as the one before.
		declared bool
	}{
		{"Big Buck Bunny", "mp4", read(t, bunny), 854, 480, true},
		{"bottles at 179/6 frames a second", "mp4", read(t, bottles), 640, 360, true},
		{"variable frame rate", "mp4", film(t, "mp4", moving("30",
			"-vf", "settb=1/90000,setpts='PTS+(mod(N*N,7)*0.0041+floor(N/20)*0.5)/TB'",
			"-fps_mode", "passthrough", "-enc_time_base", "1/90000", "-bf", "2", "-video_track_timescale", "90000")...), 320, 180, true},
		{"turned by a phone", "mp4", turned(t, cfr), 180, 320, true},
		{"B-frames, beginning at 100.5 s", "mkv", film(t, "mkv", moving("30000/1001",
			"-bf", "3", "-output_ts_offset", "100.5")...), 320, 180, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := shared.person(t, "en")
			name := "film." + c.extension
			source := decode(t, name, c.file, c.declared)
			videos := make([]*client.Video, len(samplings))
			for i, s := range samplings {
				videos[i] = p.upload(name, c.file, s.extraction)
			}
			checks := make([]*pictureCheck, len(samplings))
			for i, s := range samplings {
				video := p.completed(videos[i].ID)
				a := p.download(video.ID)
				p.checkArchive(video, a, c.file)
				if m := video.Media; m.Width != c.width || m.Height != c.height {
					t.Errorf("media %d × %d, want %d × %d", m.Width, m.Height, c.width, c.height)
				}
				want := source.onDisplay(s)
				if diff := cmp.Diff(source.timestamps(want), timestamps(a)); diff != "" {
					t.Fatalf("%s: timestamps (-want +got):\n%s", s.name, diff)
				}
				checks[i] = newPictureCheck(t, s.name, a, want)
			}
			source.each(t, c.width, c.height, func(n int, rgb []byte) {
				for _, check := range checks {
					check.see(n, rgb)
				}
			})
			for _, check := range checks {
				check.judge()
			}
		})
	}
}

// turned gives an MP4 the display matrix of a phone held upright: a quarter
// clockwise (ISO/IEC 14496-12, 8.3.2).
func turned(t *testing.T, film []byte) []byte {
	t.Helper()
	at := bytes.Index(film, []byte("tkhd"))
	if at < 0 || film[at+4] != 0 {
		t.Fatal("no track header of version 0")
	}
	film = bytes.Clone(film)
	for i, v := range []int32{0, 1 << 16, 0, -1 << 16, 0, 0, 180 << 16, 0, 1 << 30} {
		binary.BigEndian.PutUint32(film[at+44+4*i:], uint32(v))
	}
	return film
}

// pictures are all pictures of a video, as FFmpeg decodes them.
type pictures struct {
	path string
	pts  []int64  // in display order
	base *big.Rat // seconds of a unit of pts
	end  *big.Rat // seconds from the first picture to the end of the last
}

func decode(t *testing.T, name string, file []byte, declared bool) *pictures {
	t.Helper()
	p := &pictures{path: filepath.Join(t.TempDir(), name)}
	if err := os.WriteFile(p.path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json",
		"-show_entries", "frame=best_effort_timestamp:stream=time_base,duration_ts", p.path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Frames []struct {
			PTS int64 `json:"best_effort_timestamp"`
		} `json:"frames"`
		Streams []struct {
			TimeBase string `json:"time_base"`
			Duration int64  `json:"duration_ts"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	for _, f := range answer.Frames {
		p.pts = append(p.pts, f.PTS)
	}
	p.base = rational(answer.Streams[0].TimeBase)
	last := len(p.pts) - 1
	length := 2*p.pts[last] - p.pts[last-1] - p.pts[0]
	if declared {
		length = answer.Streams[0].Duration
	}
	p.end = new(big.Rat).Mul(p.base, big.NewRat(length, 1))
	return p
}

// onDisplay gives the numbers of the pictures on display at start + k/fps, for
// all such instants before the end.
func (p *pictures) onDisplay(s sampling) []int {
	stop := p.end
	if s.end != "" && rational(s.end).Cmp(stop) < 0 {
		stop = rational(s.end)
	}
	var found []int
	for k, n := int64(0), 0; ; k++ {
		instant := new(big.Rat).Quo(big.NewRat(k, 1), rational(s.fps))
		instant.Add(instant, rational(s.start))
		if instant.Cmp(stop) >= 0 {
			return found
		}
		for n+1 < len(p.pts) && p.at(n+1).Cmp(instant) <= 0 {
			n++
		}
		found = append(found, n)
	}
}

// at is when a picture begins, in seconds after the first.
func (p *pictures) at(n int) *big.Rat {
	return new(big.Rat).Mul(p.base, big.NewRat(p.pts[n]-p.pts[0], 1))
}

func (p *pictures) timestamps(numbers []int) []int64 {
	pts := make([]int64, len(numbers))
	for i, n := range numbers {
		pts[i] = p.pts[n]
	}
	return pts
}

func timestamps(a *archive) []int64 {
	pts := make([]int64, len(a.manifest.Frames))
	for i, f := range a.manifest.Frames {
		pts[i] = f.PTS
	}
	return pts
}

// each decodes all pictures as packed 8-bit RGB. They do not fit into memory
// all at once.
func (p *pictures) each(t *testing.T, width, height int, see func(n int, rgb []byte)) {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", p.path, "-map", "0:v:0", "-fps_mode", "passthrough",
		"-pix_fmt", "rgb24", "-f", "rawvideo", "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rgb := make([]byte, 3*width*height)
	for n := range p.pts {
		if _, err := io.ReadFull(out, rgb); err != nil {
			t.Fatalf("picture %d: %v", n, err)
		}
		see(n, rgb)
	}
	if rest, _ := io.Copy(io.Discard, out); rest > 0 {
		t.Fatalf("%d bytes after the last picture", rest)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func rational(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	return r
}

// pictureCheck compares the images of an archive with the pictures that they
// should show: PNG must be the same to the bit; JPEG must be close, and closer
// than to the pictures before and after.
type pictureCheck struct {
	t      *testing.T
	name   string
	frames []*checkedFrame
	before []byte // the picture before, for how much they differ
}

type checkedFrame struct {
	file     string
	want     int
	rgb      []byte
	lossless bool
	psnr     map[int]float64 // to the pictures around the one that it should be, in dB
	apart    map[int]float64 // between the one that it should be and each of those
	right    []byte
}

func newPictureCheck(t *testing.T, name string, a *archive, want []int) *pictureCheck {
	t.Helper()
	c := &pictureCheck{t: t, name: name}
	for i, f := range a.manifest.Frames {
		rgb, lossless := pixels(t, f.File, a.files[f.File])
		if len(rgb) != 3*f.Width*f.Height {
			t.Fatalf("%s: %s has other measures than the manifest says: %d × %d", name, f.File, f.Width, f.Height)
		}
		c.frames = append(c.frames, &checkedFrame{
			file: f.File, want: want[i], rgb: rgb, lossless: lossless, psnr: map[int]float64{}, apart: map[int]float64{},
		})
	}
	return c
}

// see is given every picture in order.
func (c *pictureCheck) see(n int, rgb []byte) {
	for _, f := range c.frames {
		if n < f.want-1 || n > f.want+1 {
			continue
		}
		f.psnr[n] = psnr(f.rgb, rgb)
		switch n {
		case f.want - 1:
			c.before = bytes.Clone(rgb)
		case f.want:
			f.right = bytes.Clone(rgb)
			if c.before != nil {
				f.apart[n-1] = psnr(c.before, rgb)
			}
		default:
			f.apart[n] = psnr(f.right, rgb)
			f.right, f.rgb = nil, nil
		}
	}
}

// minimum is how close a JPEG of quality 90 must be to its picture, in dB.
const minimum = 35

func (c *pictureCheck) judge() {
	c.t.Helper()
	for _, f := range c.frames {
		right := f.psnr[f.want]
		switch {
		case f.lossless && !math.IsInf(right, 1):
			c.t.Errorf("%s: %s is not picture %d to the bit: %.1f dB", c.name, f.file, f.want, right)
		case right < minimum:
			c.t.Errorf("%s: %s is not like picture %d: %.1f dB", c.name, f.file, f.want, right)
		}
		for _, n := range []int{f.want - 1, f.want + 1} {
			// Where two pictures are more alike than JPEG can tell, it need not.
			if apart, ok := f.apart[n]; ok && apart < right-1 && f.psnr[n] >= right {
				c.t.Errorf("%s: %s is as much like picture %d (%.1f dB) as like picture %d (%.1f dB)",
					c.name, f.file, n, f.psnr[n], f.want, right)
			}
		}
	}
}

// psnr is the peak signal-to-noise ratio of two pictures, in dB; infinite when
// they are the same.
func psnr(a, b []byte) float64 {
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/float64(sum))
}

// pixels decodes an image into packed RGB.
func pixels(t testing.TB, name string, file []byte) (rgb []byte, lossless bool) {
	t.Helper()
	reader := map[string]func(io.Reader) (image.Image, error){".png": png.Decode, ".jpg": jpeg.Decode}[filepath.Ext(name)]
	if reader == nil {
		t.Fatalf("%s is neither PNG nor JPEG", name)
	}
	decoded, err := reader(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	bounds := decoded.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			r, g, b, _ := decoded.At(x, y).RGBA()
			rgb = append(rgb, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return rgb, filepath.Ext(name) == ".png"
}

// checkArchive checks all that must hold of any archive, without regard to what
// the pictures are.
func (p *person) checkArchive(video *client.Video, a *archive, file []byte) {
	t := p.t
	t.Helper()
	checkFrames(t, a)
	checkZip(t, a.raw)
	if v := video.Archive; v.Frames != len(a.manifest.Frames) || v.Size != int64(len(a.raw)) || (v.SHA256 != "" && v.SHA256 != sum(a.raw)) {
		t.Errorf("the archive has %d frames, %d bytes, SHA-256 %s; the video says %+v", len(a.manifest.Frames), len(a.raw), sum(a.raw), v)
	}
	if v := a.manifest.Video; v.SHA256 != sum(file) || v.Filename != video.Filename {
		t.Errorf("the manifest is of %s, %s; want %s, %s", v.Filename, v.SHA256, video.Filename, sum(file))
	}
	answer := p.call("GET", "/v1/videos/"+video.ID+"/manifest", nil)
	var shown, packed any
	if answer.status != 200 || json.Unmarshal(answer.body, &shown) != nil || json.Unmarshal(a.files["manifest.json"], &packed) != nil {
		t.Fatalf("manifest: %d %s", answer.status, answer.body)
	}
	if diff := cmp.Diff(packed, shown); diff != "" {
		t.Errorf("manifests (-in the archive +by the API):\n%s", diff)
	}
}

// checkFrames checks names, order and hashes.
func checkFrames(t testing.TB, a *archive) {
	t.Helper()
	var want []string
	for i, f := range a.manifest.Frames {
		name := fmt.Sprintf("frames/%06d%s", i+1, filepath.Ext(f.File))
		want = append(want, name)
		if f.Index != i+1 || f.File != name || f.Size != int64(len(a.files[name])) || f.SHA256 != sum(a.files[name]) {
			t.Errorf("frame %d: %+v; the file has %d bytes, SHA-256 %s", i+1, f, len(a.files[name]), sum(a.files[name]))
		}
		if i > 0 && f.PTS < a.manifest.Frames[i-1].PTS {
			t.Errorf("frame %d comes after a later one", i+1)
		}
	}
	if diff := cmp.Diff(append(want, "manifest.json"), a.names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// checkZip asks another program than Go's.
func checkZip(t testing.TB, raw []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "frames.zip")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("unzip", "-tqq", path).CombinedOutput(); err != nil {
		t.Errorf("unzip -t: %v\n%s", err, out)
	}
}

func sum(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}
