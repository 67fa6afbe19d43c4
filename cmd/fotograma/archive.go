package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // the formats that are checked
	_ "image/png"
	"io"

	"github.com/fotograma/fotograma/internal/frames"
)

// checkedArchive is an archive that was found right.
type checkedArchive struct {
	Path     string
	Size     int64 // bytes
	Manifest frames.Manifest
}

// checkArchive reads an archive as somebody would who trusts nothing: every
// frame of the manifest must be there, be an image of the size that it says, and
// have the hash that it says; times must grow; and nothing else may be there.
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
	if entries := len(archive.File); entries != len(manifest.Frames)+1 {
		return nil, fmt.Errorf("%d entries for %d frames and a manifest", entries, len(manifest.Frames))
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
	decoded, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if size := decoded.Bounds().Size(); size.X != frame.Width || size.Y != frame.Height {
		return fmt.Errorf("has %v pixels, not %d × %d", size, frame.Width, frame.Height)
	}
	return nil
}
