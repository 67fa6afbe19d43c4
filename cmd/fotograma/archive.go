package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // the formats that are checked
	_ "image/png"
	"io"
	"io/fs"
	"strings"

	"github.com/fotograma/fotograma/internal/frames"
)

// checkedArchive is an archive that was found right.
type checkedArchive struct {
	Path     string
	Size     int64 // bytes
	Manifest frames.Manifest
}

// sheet is how many frames there are on one contact sheet.
const sheet = 100

// checkArchive reads an archive as somebody would who trusts nothing: every
// frame of the manifest must be there, be an image of the size that it says, and
// have the hash that it says; times must grow; the contact sheets must be there
// if they were asked for; and nothing else may be there.
func checkArchive(path string) (*checkedArchive, error) {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer archive.Close()
	manifest, err := readManifest(&archive.Reader)
	if err != nil {
		return nil, err
	}
	if len(manifest.Frames) == 0 {
		return nil, errors.New("no frames")
	}
	others := []string{"manifest.json"}
	if manifest.Extraction.Sprite {
		others = append(others, "sprites.vtt")
		for n := range (len(manifest.Frames) + sheet - 1) / sheet {
			others = append(others, fmt.Sprintf("sprites/%06d.jpg", n+1))
		}
	}
	for _, name := range others {
		if _, err := fs.Stat(archive, name); err != nil {
			return nil, fmt.Errorf("look for what is not a frame: %w", err)
		}
	}
	if entries := len(archive.File); entries != len(manifest.Frames)+len(others) {
		return nil, fmt.Errorf("%d entries for %d frames, %s", entries, len(manifest.Frames), strings.Join(others, ", "))
	}
	for i, frame := range manifest.Frames {
		if err := checkFrame(&archive.Reader, frame); err != nil {
			return nil, fmt.Errorf("%s: %w", frame.File, err)
		}
		if i > 0 && frame.Time < manifest.Frames[i-1].Time {
			return nil, fmt.Errorf("%s: comes after a later frame", frame.File)
		}
	}
	info := &checkedArchive{Path: path, Manifest: manifest}
	for _, f := range archive.File {
		info.Size += int64(f.CompressedSize64)
	}
	return info, nil
}

func readManifest(archive *zip.Reader) (frames.Manifest, error) {
	var manifest frames.Manifest
	file, err := archive.Open("manifest.json")
	if err != nil {
		return manifest, fmt.Errorf("open manifest: %w", err)
	}
	defer file.Close()
	if err := json.NewDecoder(file).Decode(&manifest); err != nil {
		return manifest, fmt.Errorf("read manifest: %w", err)
	}
	return manifest, nil
}

func checkFrame(archive *zip.Reader, frame frames.Frame) error {
	file, err := archive.Open(frame.File)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != frame.SHA256 {
		return errors.New("has another hash")
	}
	size, err := imageSize(data)
	if err != nil {
		return err
	}
	if size.X != frame.Width || size.Y != frame.Height {
		return fmt.Errorf("has %v pixels, not %d × %d", size, frame.Width, frame.Height)
	}
	return nil
}

// imageSize gives the size of an image in pixels. JPEG and PNG are decoded for
// it; of WebP, which the standard library does not know, the header of a lossy
// image is read (RFC 9649, section 2.5, and RFC 6386, section 9.1).
func imageSize(data []byte) (image.Point, error) {
	const header = 30
	if len(data) >= header && string(data[:4]) == "RIFF" && string(data[8:16]) == "WEBPVP8 " {
		width, height := binary.LittleEndian.Uint16(data[26:]), binary.LittleEndian.Uint16(data[28:])
		return image.Pt(int(width&0x3fff), int(height&0x3fff)), nil // the upper two bits scale
	}
	decoded, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return image.Point{}, fmt.Errorf("decode: %w", err)
	}
	return decoded.Bounds().Size(), nil
}
