package frames

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// manifestName is the manifest's place in the archive. It is the last entry,
// because it holds the hash of every frame; a reader finds it through the ZIP's
// central directory, which is at the end too.
const manifestName = "manifest.json"

// dosEpoch is 1980-01-01, the earliest date that a ZIP can hold. All entries
// carry it, so that an archive's bytes depend on the frames alone.
const dosEpoch = 1<<5 | 1

// extensions of the images by format.
var extensions = map[string]string{FormatJPEG: "jpg", FormatPNG: "png", FormatWebP: "webp"}

// archive writes a ZIP of stored entries in one pass. Images are compressed
// already; deflating them again would only take time. CRC and size stand ahead
// of each entry's content, so that readers of the stream need no data
// descriptor.
type archive struct {
	zip     *zip.Writer
	out     *bufio.Writer
	sum     hash.Hash // nil where what came before is not at hand
	size    int64
	most    int64 // bytes
	w       io.Writer
	entries []entry
}

// entry is what a ZIP's central directory says of an entry of ours.
type entry struct {
	Name string `json:"name"`
	CRC  uint32 `json:"crc"`
	Size int64  `json:"size"`
}

// newArchive returns an archive of at most so many bytes.
func newArchive(w io.Writer, most int64) *archive {
	a := &archive{sum: sha256.New(), w: w, most: most}
	a.out = bufio.NewWriterSize(writerFunc(a.write), 64<<10)
	a.zip = zip.NewWriter(a.out)
	return a
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (a *archive) write(p []byte) (int, error) {
	if a.size+int64(len(p)) > a.most {
		return 0, fail(CodeOutputTooLarge, "more than %d bytes", a.most)
	}
	n, err := a.w.Write(p)
	if a.sum != nil {
		a.sum.Write(p[:n])
	}
	a.size += int64(n)
	return n, err
}

// resume returns an archive to which entries were written elsewhere, in order,
// and which goes on in w.
func resume(w io.Writer, most int64, entries []entry) (*archive, error) {
	a := newArchive(io.Discard, most)
	a.sum = nil
	zeros := make([]byte, 256<<10)
	for _, e := range entries {
		// The ZIP's writer counts the bytes to know where the next entry begins.
		content, err := a.begin(e.Name, e.CRC, e.Size)
		if err != nil {
			return nil, err
		}
		for left := e.Size; left > 0; {
			n, err := content.Write(zeros[:min(left, int64(len(zeros)))])
			if err != nil {
				return nil, fmt.Errorf("counting the archive: %w", err)
			}
			left -= int64(n)
		}
	}
	if err := a.out.Flush(); err != nil {
		return nil, fmt.Errorf("counting the archive: %w", err)
	}
	a.w = w
	return a, nil
}

// pause writes what is still in memory; the archive goes on elsewhere.
func (a *archive) pause() error {
	if err := a.zip.Flush(); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	if err := a.out.Flush(); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	return nil
}

// add writes an entry.
func (a *archive) add(name string, crc uint32, content []byte) error {
	w, err := a.begin(name, crc, int64(len(content)))
	if err != nil {
		return err
	}
	a.entries = append(a.entries, entry{name, crc, int64(len(content))})
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	return nil
}

// begin writes an entry's header; the content is to follow.
func (a *archive) begin(name string, crc uint32, size int64) (io.Writer, error) {
	header := &zip.FileHeader{
		Name:               name,
		Method:             zip.Store,
		ModifiedDate:       dosEpoch, //nolint:staticcheck // SA1019: CreateRaw writes this field, not the one that replaced it
		CRC32:              crc,
		CompressedSize64:   uint64(size),
		UncompressedSize64: uint64(size),
	}
	header.SetMode(0o644)
	content, err := a.zip.CreateRaw(header)
	if err != nil {
		return nil, fmt.Errorf("writing the archive: %w", err)
	}
	return content, nil
}

// close writes the manifest and the central directory and returns the
// archive's SHA-256, empty if it was resumed.
func (a *archive) close(m *Manifest) (string, error) {
	// Encoded twice rather than kept: its CRC and size come before it.
	sum, size := crc32.NewIEEE(), int64(0)
	if err := m.encode(writerFunc(func(p []byte) (int, error) { size += int64(len(p)); return sum.Write(p) })); err != nil {
		return "", err
	}
	content, err := a.begin(manifestName, sum.Sum32(), size)
	if err != nil {
		return "", err
	}
	if err := m.encode(content); err != nil {
		return "", fmt.Errorf("writing the archive: %w", err)
	}
	if err := a.zip.Close(); err != nil {
		return "", fmt.Errorf("writing the archive's directory: %w", err)
	}
	if err := a.out.Flush(); err != nil {
		return "", fmt.Errorf("writing the archive: %w", err)
	}
	if a.sum == nil {
		return "", nil
	}
	return hex.EncodeToString(a.sum.Sum(nil)), nil
}
