package frames

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"os/exec"
	"testing"
)

// rgb returns an image's pixels as packed RGB.
func rgb(t *testing.T, file []byte) []byte {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "ffmpeg", "-loglevel", "error", "-i", "pipe:0", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1")
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("decoding an image: %v", err)
	}
	return out
}

func TestColoursAreThoseOfTheSource(t *testing.T) {
	patches := [3][3]int{{0xC0, 0x30, 0x20}, {0x20, 0xA0, 0x40}, {0x28, 0x3C, 0xC8}}
	type source struct {
		file      string
		subsample image.YCbCrSubsampleRatio
	}
	sources := []source{
		{"untagged.mp4", image.YCbCrSubsampleRatio420},
		{"bt709.mp4", image.YCbCrSubsampleRatio420},
		{"full.mp4", image.YCbCrSubsampleRatio420},
		{"hdr.mp4", image.YCbCrSubsampleRatio420},
		{"yuv422.mp4", image.YCbCrSubsampleRatio422},
		{"yuv444.mp4", image.YCbCrSubsampleRatio444},
		{"rgb.mp4", image.YCbCrSubsampleRatio444},
	}
	for _, matrix := range []string{"bt601", "bt709", "bt2020"} {
		for _, form := range []string{"tv", "pc", "tv10le", "pc10le"} {
			sources = append(sources, source{"patches-" + matrix + "-" + form + ".mp4", image.YCbCrSubsampleRatio420})
		}
	}
	for _, c := range sources {
		for _, format := range formats {
			t.Run(c.file+" as "+format, func(t *testing.T) {
				t.Parallel()
				u := extract(t, made(c.file), Extraction{Format: format, Quality: 100})
				file := u.files[u.manifest.Frames[0].File]
				pixels := rgb(t, file)
				if format == FormatJPEG {
					pixels = checkJPEG(t, file, c.subsample)
				}
				for i, want := range patches {
					// The middle of each patch.
					at := (54*192 + 32 + 64*i) * 3
					for j := range 3 {
						if got := int(pixels[at+j]); got < want[j]-4 || got > want[j]+4 {
							t.Errorf("patch %d is %v, want %v", i, pixels[at:at+3], want)
							break
						}
					}
				}
			})
		}
	}
}

// checkJPEG decodes a JPEG without FFmpeg, as JFIF says (BT.601, full range).
func checkJPEG(t *testing.T, file []byte, subsample image.YCbCrSubsampleRatio) []byte {
	t.Helper()
	decoded, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	img, ok := decoded.(*image.YCbCr)
	if !ok || img.SubsampleRatio != subsample {
		t.Fatalf("the JPEG is %T, subsampled %v, want %v", decoded, img.SubsampleRatio, subsample)
	}
	var pixels []byte
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			pixels = append(pixels, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return pixels
}

func TestHighDynamicRangeIsSaid(t *testing.T) {
	u := extract(t, made("hdr.mp4"), Extraction{})
	if w := u.manifest.Warnings; len(w) != 1 || w[0].Code != WarnHDR {
		t.Errorf("warnings are %v", w)
	}
}

func TestImagesHaveTheSizeThatTheManifestSays(t *testing.T) {
	for _, c := range []struct {
		name, file    string
		x             Extraction
		width, height int
	}{
		{"as it is", "cfr-25.mp4", Extraction{}, 192, 108},
		{"turned", "rotated-90.mp4", Extraction{}, 108, 192},
		{"turned and cut", "rotated-270.mp4", Extraction{Width: 50, Height: 50, Fit: FitCover}, 50, 50},
		{"cut with odd sides", "cfr-25.mp4", Extraction{Width: 51, Height: 77, Fit: FitCover}, 51, 77},
		{"upside down and stretched", "rotated-180.mp4", Extraction{Width: 33, Height: 200, Fit: FitFill}, 33, 200},
		{"larger", "cfr-25.mp4", Extraction{Width: 400}, 400, 225},
		{"a video that changes its size", "resized.ts", Extraction{}, 192, 108},
	} {
		for _, format := range []string{FormatJPEG, FormatPNG} {
			t.Run(c.name+" as "+format, func(t *testing.T) {
				t.Parallel()
				x := c.x
				x.Format = format
				u := extract(t, made(c.file), x)
				for _, frame := range u.manifest.Frames {
					config, _, err := image.DecodeConfig(bytes.NewReader(u.files[frame.File]))
					if err != nil {
						t.Fatal(err)
					}
					if frame.Width != c.width || frame.Height != c.height || config.Width != c.width || config.Height != c.height {
						t.Fatalf("%s is %d by %d, in the manifest %d by %d, want %d by %d",
							frame.File, config.Width, config.Height, frame.Width, frame.Height, c.width, c.height)
					}
				}
			})
		}
	}
}

func TestVideoThatChangesItsSizeKeepsItsInstants(t *testing.T) {
	// 50 pictures of 192x108 from 0.08 s, then 25 of 320x180 from 3.4 s to 4.4 s.
	u := extract(t, made("resized.ts"), Extraction{FPS: 5})
	var got []int64
	for _, frame := range u.manifest.Frames {
		got = append(got, frame.PTS)
	}
	if len(got) != 22 || got[0] != 7200 || got[10] != 183600 || got[16] != 183600 || got[17] != 313200 || got[21] != 385200 {
		t.Errorf("frames show pictures %v", got)
	}
}

func TestQualityChangesTheSize(t *testing.T) {
	for _, format := range []string{FormatJPEG, FormatWebP} {
		last := int64(0)
		for _, quality := range []int{10, 50, 90, 100} {
			size := extract(t, footage(bottle), Extraction{Format: format, Quality: quality, MaxFrames: 1}).manifest.Frames[0].Size
			if size <= last {
				t.Errorf("%s of quality %d has %d bytes, the one below %d", format, quality, size, last)
			}
			last = size
		}
	}
}

func TestRotationIsSaid(t *testing.T) {
	// FFmpeg 5.1 writes the metadata's rotation the other way round.
	for file, want := range map[string]int{"cfr-25.mp4": 0, "rotated-90.mp4": 270, "rotated-180.mp4": 180, "rotated-270.mp4": 90} {
		m, err := engine(t, Config{}).Probe(context.Background(), open(t, made(file)))
		if err != nil {
			t.Fatal(err)
		}
		if m.Rotation != want || (m.Width > m.Height) != (want%180 == 0) {
			t.Errorf("%s is turned by %d and %d by %d", file, m.Rotation, m.Width, m.Height)
		}
	}
}
