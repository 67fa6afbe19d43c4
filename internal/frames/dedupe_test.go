package frames

import (
	"bytes"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// kept returns the seconds at which the frames are on display.
func kept(u unpacked) []int {
	var out []int
	for _, f := range u.manifest.Frames {
		out = append(out, int(math.Ceil(f.Time-0.001)))
	}
	return out
}

func TestDedupeLeavesOutWhatHardlyDiffers(t *testing.T) {
	still := []int{1, 2, 3, 4, 9, 10, 21, 26} // nothing but the exposure changes
	for _, c := range []struct {
		name    string
		file    string
		without []int
	}{
		{"a still scene in between", bottle, still},
		{"something always moves", bunny, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := extract(t, footage(c.file), Extraction{FPS: 1, Width: 64})
			few := extract(t, footage(c.file), Extraction{FPS: 1, Width: 64, Dedupe: true})
			want := slices.DeleteFunc(kept(all), func(s int) bool { return slices.Contains(c.without, s) })
			if got := kept(few); !slices.Equal(got, want) {
				t.Errorf("kept the frames of\n%v s, want\n%v s", got, want)
			}
		})
	}
}

func TestDedupeSeesPastNoiseButNotPastAWord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "screen.mp4")
	// A box as large as a short word on a large screen comes after a second, and
	// another after two.
	const filters = "drawbox=x=300:y=500:w=80:h=24:c=white:t=fill:enable='gte(t,1)'," +
		"drawbox=x=390:y=500:w=80:h=24:c=white:t=fill:enable='gte(t,2)',noise=alls=10:allf=t"
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i",
		"color=0x202020:size=1280x720:rate=8:duration=3", "-vf", filters, "-c:v", "libx264", "-preset", "ultrafast",
		"-crf", "28", "-pix_fmt", "yuv420p", path).CombinedOutput(); err != nil {
		t.Fatalf("making a video: %v: %s", err, out)
	}
	u := extract(t, path, Extraction{EveryNth: 1, Width: 64, Dedupe: true})
	if got, want := kept(u), []int{0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("kept the frames of %v s, want %v s", got, want)
	}
}

func TestDedupeDoesNotDependOnThreads(t *testing.T) {
	x := Extraction{FPS: 5, Width: 64, Dedupe: true, Sprite: true}
	var archives [2][]byte
	for i, threads := range []int{1, 4} {
		u, err := tryExtract(t, engine(t, Config{Threads: threads}), open(t, footage(bottle)), x)
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = u.bytes
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("one thread and four make different archives")
	}
}
