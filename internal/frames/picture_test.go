package frames

import (
	"strings"
	"testing"
)

func TestPictureFitsTheBox(t *testing.T) {
	for _, c := range []struct {
		name                      string
		sourceWidth, sourceHeight int
		x                         Extraction
		width, height             int
		filters                   string // begins with
	}{
		{"as it is", 1920, 1080, Extraction{}, 1920, 1080, "scale=w=1920:h=1080:"},
		{"width alone", 1920, 1080, Extraction{Width: 640}, 640, 360, "scale=w=640:h=360:"},
		{"height alone", 1920, 1080, Extraction{Height: 540}, 960, 540, "scale=w=960:h=540:"},
		{"odd result", 854, 480, Extraction{Width: 101}, 101, 57, "scale=w=101:h=57:"},
		{"contained, width decides", 1920, 1080, Extraction{Width: 640, Height: 640}, 640, 360, "scale=w=640:h=360:"},
		{"contained, height decides", 1080, 1920, Extraction{Width: 640, Height: 640}, 360, 640, "scale=w=360:h=640:"},
		{"contained, larger than the source", 320, 180, Extraction{Width: 640, Height: 640}, 640, 360, "scale=w=640:h=360:"},
		{"scaled down, larger than the source", 320, 180, Extraction{Width: 640, Height: 640, Fit: FitScaleDown}, 320, 180, "scale=w=320:h=180:"},
		{"scaled down", 1920, 1080, Extraction{Width: 640, Height: 640, Fit: FitScaleDown}, 640, 360, "scale=w=640:h=360:"},
		{"covered, sides are cut", 1920, 1080, Extraction{Width: 300, Height: 300, Fit: FitCover}, 300, 300, "scale=w=533:h=300:"},
		{"covered, top and bottom are cut", 1080, 1920, Extraction{Width: 300, Height: 300, Fit: FitCover}, 300, 300, "scale=w=300:h=533:"},
		{"filled", 1920, 1080, Extraction{Width: 300, Height: 300, Fit: FitFill}, 300, 300, "scale=w=300:h=300:"},
		{"never less than a pixel", 16000, 10, Extraction{Width: 10}, 10, 1, "scale=w=10:h=1:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPicture(Media{Width: c.sourceWidth, Height: c.sourceHeight}, c.x.WithDefaults())
			if p.width != c.width || p.height != c.height {
				t.Errorf("images are %d by %d, want %d by %d", p.width, p.height, c.width, c.height)
			}
			if got := p.filters(); !strings.HasPrefix(got, c.filters) {
				t.Errorf("filters are %s, want %s…", got, c.filters)
			}
		})
	}
}

func TestDisplayMatrix(t *testing.T) {
	for _, c := range []struct {
		name    string
		matrix  []int32
		degrees int
		filters string
	}{
		{"identity", []int32{65536, 0, 0, 65536}, 0, ""},
		{"quarter turn clockwise", []int32{0, 65536, -65536, 0}, 90, "transpose=clock"},
		{"half turn", []int32{-65536, 0, 0, -65536}, 180, "hflip,vflip"},
		{"quarter turn counterclockwise", []int32{0, -65536, 65536, 0}, 270, "transpose=cclock"},
		{"mirrored left to right", []int32{-65536, 0, 0, 65536}, 180, "hflip"},
		{"mirrored top to bottom", []int32{65536, 0, 0, -65536}, 0, "vflip"},
		{"mirrored along the diagonal", []int32{0, 65536, 65536, 0}, 90, "transpose=cclock_flip"},
		{"mirrored along the other diagonal", []int32{0, -65536, -65536, 0}, 270, "transpose=clock_flip"},
		{"scaled too", []int32{0, 32768, -131072, 0}, 90, "transpose=clock"},
		{"a few degrees off", []int32{65000, 3000, -3000, 65000}, 0, ""},
		{"degenerate", []int32{0, 0, 0, 0}, 0, ""},
		{"none", nil, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := newTurn(c.matrix); got.degrees != c.degrees || got.filters != c.filters {
				t.Errorf("got %+v, want %d degrees by %q", got, c.degrees, c.filters)
			}
		})
	}
}

func TestJPEGScale(t *testing.T) {
	for quality, want := range map[int]int{100: 1, 95: 1, 90: 3, 85: 4, 75: 7, 50: 14, 25: 28, 22: 31, 1: 31} {
		if got := jpegScale(quality); got != want {
			t.Errorf("quality %d becomes %d, want %d", quality, got, want)
		}
	}
	for quality := 2; quality <= 100; quality++ {
		if jpegScale(quality) > jpegScale(quality-1) {
			t.Errorf("quality %d is coarser than %d", quality, quality-1)
		}
	}
}

func FuzzDisplayMatrix(f *testing.F) {
	f.Add(int32(0), int32(65536), int32(-65536), int32(0))
	f.Add(int32(-1<<31), int32(1<<31-1), int32(-1<<31), int32(-1<<31))
	f.Fuzz(func(t *testing.T, a, b, c, d int32) {
		got := newTurn([]int32{a, b, c, d})
		if got.degrees%90 != 0 || got.degrees < 0 || got.degrees > 270 {
			t.Fatalf("turned by %d degrees", got.degrees)
		}
	})
}
