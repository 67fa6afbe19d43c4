package frames

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// noise returns an image that leaves no byte value out when it is compressed.
func noise(size int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	for i := range size * size {
		n := uint32(i*i) * 2654435761
		img.Set(i%size, i/size, color.RGBA{uint8(n >> 24), uint8(n >> 16), uint8(n >> 8), 255})
	}
	return img
}

func jpegs(t testing.TB) [][]byte {
	var images [][]byte
	for _, size := range []int{1, 16, 333} {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, noise(size), &jpeg.Options{Quality: 98}); err != nil {
			t.Fatal(err)
		}
		images = append(images, out.Bytes())
	}
	return append(images,
		// A restart marker, stuffed bytes, doubled prefixes, a comment that looks
		// like the end, two scans.
		[]byte("\xFF\xD8\xFF\xFE\x00\x04\xFF\xD9\xFF\xDA\x00\x03\x00abc\xFF\x00\xFF\xD0d\xFF\xFF\xDA\x00\x02e\xFF\xFF\xD9"))
}

func pngs(t testing.TB) [][]byte {
	var images [][]byte
	for _, size := range []int{1, 300} {
		var out bytes.Buffer
		if err := png.Encode(&out, noise(size)); err != nil {
			t.Fatal(err)
		}
		images = append(images, out.Bytes())
	}
	return images
}

func webps() [][]byte {
	return [][]byte{
		[]byte("RIFF\x04\x00\x00\x00WEBP"),
		[]byte("RIFF\x0b\x00\x00\x00WEBPRIFFabc\x00"), // odd, so padded
		[]byte("RIFF\x0c\x00\x00\x00WEBPVP8 abcd"),
	}
}

func TestImagesAreSplit(t *testing.T) {
	for format, images := range map[string][][]byte{FormatJPEG: jpegs(t), FormatPNG: pngs(t), FormatWebP: webps()} {
		t.Run(format, func(t *testing.T) {
			stream := bytes.Join(images, nil)
			for name, r := range map[string]io.Reader{
				"at once":      bytes.NewReader(stream),
				"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
			} {
				reader := newImageReader(r, format, 1<<20)
				for i, want := range images {
					got, err := reader.next()
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%s: image %d has %d bytes (%v), want %d", name, i, len(got), err, len(want))
					}
				}
				if _, err := reader.next(); !errors.Is(err, io.EOF) {
					t.Errorf("%s: after the last image: %v", name, err)
				}
			}
			last := images[len(images)-1]
			for cut := 1; cut < len(last); cut += 1 + len(last)/100 {
				if _, err := newImageReader(bytes.NewReader(last[:cut]), format, 1<<20).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("cut off after %d of %d bytes: %v", cut, len(last), err)
				}
			}
		})
	}
}

func TestImagesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, format, stream, want string }{
		{"not a JPEG", FormatJPEG, "GIF89a..", "should begin with"},
		{"no marker after a segment", FormatJPEG, "\xFF\xD8\xFF\xE0\x00\x02xx", "where a marker should be"},
		{"a segment shorter than its length", FormatJPEG, "\xFF\xD8\xFF\xE0\x00\x01", "impossible segment"},
		{"a JPEG that does not end", FormatJPEG, "\xFF\xD8\xFF\xDA\x00\x02" + strings.Repeat("x", 200_000), "more than 100000 bytes"},
		{"not a PNG", FormatPNG, "\x89PNG\r\r\r\r", "should begin with"},
		{"a chunk that is too long", FormatPNG, "\x89PNG\r\n\x1a\n\x7f\xff\xff\xffIDAT", "more than 100000 bytes"},
		{"a chunk that is impossible", FormatPNG, "\x89PNG\r\n\x1a\n\xff\xff\xff\xffIDAT", "impossible chunk"},
		{"a WebP that is too long", FormatWebP, "RIFF\xff\xff\xff\x7fWEBP", "a WebP of"},
		{"a WebP without room", FormatWebP, "RIFF\x03\x00\x00\x00WEBP", "a WebP of"},
		{"a WAV file", FormatWebP, "RIFF\x24\x00\x00\x00WAVE", "should begin with"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newImageReader(strings.NewReader(c.stream), c.format, 100_000).next()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

func FuzzImages(f *testing.F) {
	for i, images := range [][][]byte{jpegs(f), pngs(f), webps()} {
		for _, image := range images {
			f.Add(uint8(i), image)
		}
	}
	f.Fuzz(func(t *testing.T, format uint8, stream []byte) {
		const largest = 1 << 16
		reader := newImageReader(bytes.NewReader(stream), formats[int(format)%len(formats)], largest)
		rest := stream
		for {
			image, err := reader.next()
			if err != nil {
				if errors.Is(err, io.EOF) && len(rest) > 0 {
					t.Fatalf("%d bytes were left out", len(rest))
				}
				return
			}
			if len(image) > largest || !bytes.HasPrefix(rest, image) || len(image) == 0 {
				t.Fatalf("an image of %d bytes is not what was in the stream", len(image))
			}
			rest = rest[len(image):]
		}
	})
}
