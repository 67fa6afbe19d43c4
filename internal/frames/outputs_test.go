package frames

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checker reads an archive as somebody else would who was given the contract.
const checker = `
import hashlib, json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None, "a CRC is wrong"
manifest = json.loads(archive.read("manifest.json"))
base = [int(n) for n in manifest["video"]["media"]["time_base"].split("/")]
assert manifest["frames"], "no frames"
for i, frame in enumerate(manifest["frames"], 1):
    content = archive.read(frame["file"])
    assert frame["index"] == i
    assert frame["size"] == len(content)
    assert frame["sha256"] == hashlib.sha256(content).hexdigest()
    assert frame["time"] == frame["pts"] * base[0] / base[1], (frame["time"], frame["pts"], base)
names = set(frame["file"] for frame in manifest["frames"])
rest = [name for name in archive.namelist() if name not in names]
assert len(names) == len(manifest["frames"])
print(" ".join(rest))
`

func TestArchivesAreWhatPythonReads(t *testing.T) {
	for _, c := range []struct {
		file string
		x    Extraction
		rest string // entries besides the frames
	}{
		{"sound.mp4", Extraction{FPS: 3}, "manifest.json"},
		{"offset.ts", Extraction{FPS: 61, Format: FormatPNG, Width: 33}, "manifest.json"},
		{"vfr.mkv", Extraction{Mode: ModeScenes, Threshold: new(0.01), Format: FormatWebP}, "manifest.json"},
		{"cfr-60.mp4", Extraction{EveryNth: 2, Sprite: true, Width: 48}, "sprites/000001.jpg sprites/000002.jpg sprites.vtt manifest.json"},
		{"rotated-90.mp4", Extraction{EveryNth: 2, Dedupe: true, Sprite: true}, "sprites/000001.jpg sprites.vtt manifest.json"},
	} {
		t.Run(describe(c.x), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "frames.zip")
			if err := os.WriteFile(path, extract(t, made(c.file), c.x).bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("python3", "-c", checker, path).CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != c.rest {
				t.Errorf("python3: %v: %s, want %s", err, out, c.rest)
			}
			if out, err := exec.Command("unzip", "-tq", path).CombinedOutput(); err != nil {
				t.Errorf("unzip: %v: %s", err, out)
			}
		})
	}
}

func TestTurnedPicturesFitTheBox(t *testing.T) {
	for _, c := range []struct {
		x      Extraction
		filter string // FFmpeg's, of the picture as displayed: 108 by 192
	}{
		{Extraction{Width: 50}, "scale=50:89"},
		{Extraction{Width: 50, Height: 50}, "scale=28:50"},
		{Extraction{Width: 50, Height: 50, Fit: FitCover}, "scale=50:89,crop=50:50:exact=1"},
		{Extraction{Width: 70, Height: 30, Fit: FitFill}, "scale=70:30"},
		{Extraction{Width: 500, Height: 500, Fit: FitScaleDown}, "null"},
		{Extraction{Width: 200, Height: 384, Fit: FitContain}, "scale=200:356"},
	} {
		for _, file := range []string{"rotated-90.mp4", "rotated-270.mp4", "phone-hlg.mov"} {
			t.Run(file+" "+describe(c.x), func(t *testing.T) {
				t.Parallel()
				x := c.x
				x.Format, x.MaxFrames = FormatPNG, 1
				u := extract(t, made(file), x)
				got := picturePNG(t, u.files[u.manifest.Frames[0].File])
				out, err := exec.Command("ffmpeg", "-loglevel", "error", "-i", made(file), "-frames:v", "1", "-vf", c.filter, "-c:v", "png", "-f", "image2pipe", "-pix_fmt", "rgb24", "-").Output()
				if err != nil {
					t.Fatal(err)
				}
				want := picturePNG(t, out)
				if got.Bounds() != want.Bounds() {
					t.Fatalf("the image is %v, want %v", got.Bounds(), want.Bounds())
				}
				if d := difference(got, got.Bounds(), want, want.Bounds()); d > 5 {
					t.Errorf("pixels differ by %.1f on average", d)
				}
			})
		}
	}
}

func picturePNG(t *testing.T, file []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// difference returns how much two areas differ on average, 0 to 255, looked at
// as 16 by 9 fields.
func difference(a image.Image, in image.Rectangle, b image.Image, inB image.Rectangle) float64 {
	sum := 0.0
	for y := range 9 {
		for x := range 16 {
			p, q := field(a, in, x, y), field(b, inB, x, y)
			for i := range p {
				sum += math.Abs(p[i] - q[i])
			}
		}
	}
	return sum / (16 * 9 * 3)
}

// field returns the average colour of one of 16 by 9 fields of an area.
func field(img image.Image, in image.Rectangle, x, y int) (sum [3]float64) {
	n := 0.0
	for py := in.Min.Y + in.Dy()*y/9; py < in.Min.Y+in.Dy()*(y+1)/9; py++ {
		for px := in.Min.X + in.Dx()*x/16; px < in.Min.X+in.Dx()*(x+1)/16; px++ {
			r, g, b, _ := img.At(px, py).RGBA()
			sum[0], sum[1], sum[2] = sum[0]+float64(r>>8), sum[1]+float64(g>>8), sum[2]+float64(b>>8)
			n++
		}
	}
	for i := range sum {
		sum[i] /= n
	}
	return sum
}

// cue is one of WebVTT's, whose text is a place on a contact sheet.
type cue struct {
	begin, end float64
	file       string
	place      image.Rectangle
}

var cuePattern = regexp.MustCompile(`^(\d{2,}):([0-5]\d):([0-5]\d\.\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d\.\d{3})\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)\n?$`)

// cues reads a WebVTT file (W3C, WebVTT, section 4.1) of the form that players
// of thumbnails know.
func cues(t *testing.T, file []byte) []cue {
	t.Helper()
	blocks := strings.Split(string(file), "\n\n")
	if blocks[0] != "WEBVTT" {
		t.Fatalf("the file begins with %q", blocks[0])
	}
	var found []cue
	for _, block := range blocks[1:] {
		m := cuePattern.FindStringSubmatch(block)
		if m == nil {
			t.Fatalf("no cue: %q", block)
		}
		number := func(i int) float64 {
			f, err := strconv.ParseFloat(m[i], 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		x, y := int(number(8)), int(number(9))
		found = append(found, cue{
			number(1)*3600 + number(2)*60 + number(3), number(4)*3600 + number(5)*60 + number(6),
			m[7], image.Rect(x, y, x+int(number(10)), y+int(number(11))),
		})
	}
	return found
}

func TestContactSheetsShowTheFrames(t *testing.T) {
	for _, c := range []struct {
		name, file    string
		x             Extraction
		width, height int   // of a tile
		rows          []int // of each sheet
		cues          int
		end           float64
	}{
		{"more than a sheet", "cfr-60.mp4", Extraction{EveryNth: 2}, 160, 90, []int{10, 2}, 120, 4},
		{"exactly a sheet", "cfr-25.mp4", Extraction{EveryNth: 1}, 160, 90, []int{10}, 100, 4},
		{"upright", "rotated-90.mp4", Extraction{FPS: 5}, 90, 160, []int{2}, 20, 4},
		{"smaller than a tile", "cfr-25.mp4", Extraction{FPS: 3, Width: 64}, 64, 36, []int{2}, 12, 4},
		{"pictures shown twice", "held.mp4", Extraction{FPS: 2}, 160, 90, []int{1}, 5, 5},
		{"a transport stream that begins late", "offset.ts", Extraction{FPS: 2}, 160, 90, []int{1}, 8, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.x.Sprite, c.x.Format = true, FormatPNG
			u := extract(t, made(c.file), c.x)
			sheets := make(map[string]image.Image)
			for i, rows := range c.rows {
				name := fmt.Sprintf("sprites/%06d.jpg", i+1)
				img, err := jpeg.Decode(bytes.NewReader(u.files[name]))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if size := img.Bounds().Size(); size != image.Pt(10*c.width, rows*c.height) {
					t.Errorf("%s is %v, want %d rows of tiles of %d by %d", name, size, rows, c.width, c.height)
				}
				sheets[name] = img
			}
			frames := u.manifest.Frames
			found := cues(t, u.files["sprites.vtt"])
			if len(found) != c.cues || found[0].begin != 0 || math.Abs(found[len(found)-1].end-c.end) > 0.0005 {
				t.Errorf("%d cues, from %v to %v", len(found), found[0].begin, found[len(found)-1].end)
			}
			for i, cue := range found {
				if i > 0 && cue.begin != found[i-1].end {
					t.Errorf("cue %d begins at %v, the one before ends at %v", i, cue.begin, found[i-1].end)
				}
				// The frame that a player would show over this time.
				k := slices.IndexFunc(frames, func(f Frame) bool { return math.Abs(f.Time-frames[0].Time-cue.begin) <= 0.0005 })
				if k < 0 {
					t.Errorf("no frame at %v", cue.begin)
					continue
				}
				if cue.place.Size() != image.Pt(c.width, c.height) || !cue.place.In(sheets[cue.file].Bounds()) {
					t.Fatalf("cue %d is %v of %s", i, cue.place, cue.file)
				}
				if i%9 != 0 {
					continue
				}
				frame := picturePNG(t, u.files[frames[k].File])
				if d := difference(sheets[cue.file], cue.place, frame, frame.Bounds()); d > 3 {
					t.Errorf("the tile at %v differs from its frame by %.1f on average", cue.begin, d)
				}
			}
		})
	}
}

func TestDedupeKeepsOneFrameOfAStillScene(t *testing.T) {
	all := got(t, extract(t, made("scenes.mp4"), Extraction{EveryNth: 1, Format: FormatPNG}))
	u := extract(t, made("scenes.mp4"), Extraction{EveryNth: 1, Format: FormatPNG, Dedupe: true})
	kept := got(t, u)
	if kept[0] != all[0] {
		t.Errorf("the first frame is %v, want %v", kept[0], all[0])
	}
	still := 0
	for i, f := range kept {
		if !slices.Contains(all, f) {
			t.Errorf("%v is no picture of the video", f)
		}
		if i > 0 && f.PTS <= kept[i-1].PTS {
			t.Errorf("%v comes after %v", f, kept[i-1])
		}
		if seconds := u.manifest.Frames[i].Time; seconds >= 1 && seconds < 2 {
			still++
		}
	}
	if still != 1 || len(kept) < 3 || len(kept) == len(all) {
		t.Errorf("%d of %d frames are kept, %d of a still scene", len(kept), len(all), still)
	}
	few := got(t, extract(t, made("scenes.mp4"), Extraction{EveryNth: 1, Format: FormatPNG, Dedupe: true, MaxFrames: 3}))
	if diff := cmp.Diff(kept[:3], few); diff != "" {
		t.Errorf("the first three (-want +got):\n%s", diff)
	}
	repeated := extract(t, made("held.mp4"), Extraction{FPS: 10, Dedupe: true, Start: new(2.0)})
	if repeated.result.Frames != 1 {
		t.Errorf("a held picture gives %d frames", repeated.result.Frames)
	}
}
