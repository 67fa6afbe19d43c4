package frames

import (
	"fmt"
	"io"
	"os"
)

// Source is a video file that can be read anywhere.
//
// ReadAt is called from several goroutines at once, for 256 KiB to 2 MiB;
// each call may be one request to a remote store. It should return soon after
// the context given to [Engine.Extract] has ended: the engine waits for it.
// An error from it, other than [io.EOF] at the end, ends the extraction and is
// passed on wrapped, so that the caller can tell a store's failure (worth
// another try) from a damaged video (not worth one).
type Source interface {
	io.ReaderAt
	// Size returns the file's length in bytes. It must not change.
	Size() int64
}

// FileSource returns a Source that reads f, which stays open and the caller's.
// It fails if f is not a regular file.
func FileSource(f *os.File) (Source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("looking at the video file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", f.Name())
	}
	return io.NewSectionReader(f, 0, info.Size()), nil
}
