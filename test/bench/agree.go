package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // the formats that are compared
	_ "image/png"
	"io"
	"math"
	"strings"

	"golang.org/x/sync/errgroup"
)

// How much two images of one picture resemble each other at least, in dB of peak
// signal to noise of their luma: two JPEGs, or a JPEG and a PNG. Two pictures side
// by side in the clips have less than 30.
const (
	alike   = 40
	lossily = 33
)

// agreement remembers which archives hold the same frames, so that what comes out
// the same every time is compared once.
type agreement map[[2][sha256.Size]byte]bool

// check returns an error if two archives do not hold the same frames: as many,
// and PNGs with the same pixels or JPEGs that look alike.
func (known agreement) check(a, b []byte) error {
	as, sumA, err := unpack(a)
	if err != nil {
		return err
	}
	bs, sumB, err := unpack(b)
	if err != nil {
		return err
	}
	if len(as) != len(bs) || len(as) == 0 {
		return fmt.Errorf("%d frames against %d", len(as), len(bs))
	}
	if known[[2][sha256.Size]byte{sumA, sumB}] {
		return nil
	}
	var group errgroup.Group
	group.SetLimit(2)
	for i := range as {
		group.Go(func() error {
			if err := same(as[i], bs[i]); err != nil {
				return fmt.Errorf("frame %d: %w", i+1, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	known[[2][sha256.Size]byte{sumA, sumB}] = true
	return nil
}

// unpack gives an archive's frames, and a hash of all of them.
func unpack(archive []byte) (images [][]byte, sum [sha256.Size]byte, err error) {
	pack, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, sum, fmt.Errorf("open archive: %w", err)
	}
	hash := sha256.New()
	for _, f := range pack.File {
		if !strings.HasPrefix(f.Name, "frames/") {
			continue
		}
		entry, err := f.Open()
		if err != nil {
			return nil, sum, fmt.Errorf("open %s: %w", f.Name, err)
		}
		content, err := io.ReadAll(entry)
		if err := errors.Join(err, entry.Close()); err != nil {
			return nil, sum, fmt.Errorf("read %s: %w", f.Name, err)
		}
		hash.Write(content)
		images = append(images, content)
	}
	return images, [sha256.Size]byte(hash.Sum(nil)), nil
}

func same(a, b []byte) error {
	if bytes.Equal(a, b) {
		return nil
	}
	first, formatA, err := image.Decode(bytes.NewReader(a))
	if err != nil {
		return err
	}
	second, formatB, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return err
	}
	if first.Bounds() != second.Bounds() {
		return fmt.Errorf("%v against %v pixels", first.Bounds().Size(), second.Bounds().Size())
	}
	rgbA, plainA := first.(*image.RGBA)
	rgbB, plainB := second.(*image.RGBA)
	if plainA && plainB {
		if !bytes.Equal(rgbA.Pix, rgbB.Pix) {
			return errors.New("other pixels")
		}
		return nil
	}
	least := alike
	if formatA != formatB {
		least = lossily
	}
	if likeness := psnr(luma(first), luma(second)); likeness < float64(least) {
		return fmt.Errorf("another picture (%.1f dB)", likeness)
	}
	return nil
}

// luma gives an image's luma, row by row.
func luma(img image.Image) []byte {
	size := img.Bounds().Size()
	gray := make([]byte, 0, size.X*size.Y)
	switch img := img.(type) {
	case *image.YCbCr:
		for y := range size.Y {
			gray = append(gray, img.Y[y*img.YStride:][:size.X]...)
		}
	case *image.RGBA:
		for i := 0; i < len(img.Pix); i += 4 {
			y, _, _ := color.RGBToYCbCr(img.Pix[i], img.Pix[i+1], img.Pix[i+2])
			gray = append(gray, y)
		}
	}
	return gray
}

// psnr is infinite for what is the same.
func psnr(a, b []byte) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return 0
	}
	var squares float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		squares += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/squares)
}
