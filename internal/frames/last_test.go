package frames

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The last picture is what one knows least about: FFmpeg lets copies of it
// through, and what it is for shows when FFmpeg has gone. Images that do not fit
// into a pipe must not make the two wait for each other.
func TestALargeLastImageHoldsNothingUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		source []string
		x      Extraction
		frames int
	}{
		{"one picture", []string{"testsrc2=s=1280x720:r=25", "1"}, Extraction{}, 1},
		{"the last of many, as JPEG", []string{"testsrc2=s=1280x720:r=30000/1001", "120"}, Extraction{FPS: 1}, 5},
		{"the last of many, as PNG", []string{"testsrc2=s=1280x720:r=30000/1001", "120"}, Extraction{FPS: 1, Format: FormatPNG}, 5},
		{"two rates above the source's", []string{"testsrc2=s=640x360:r=5", "4"}, Extraction{FPS: 20, Format: FormatPNG}, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "noise.mp4")
			out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", c.source[0], "-frames:v", c.source[1],
				"-vf", "noise=alls=60:allf=t", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", path).CombinedOutput()
			if err != nil {
				t.Fatalf("ffmpeg: %v\n%s", err, out)
			}
			got := extract(t, path, c.x)
			if n := len(got.manifest.Frames); n != c.frames {
				t.Errorf("%d frames, want %d", n, c.frames)
			}
			if last := got.manifest.Frames[len(got.manifest.Frames)-1]; last.Size < 64<<10 {
				t.Errorf("the last image has %d bytes and fits into a pipe", last.Size)
			}
		})
	}
}
