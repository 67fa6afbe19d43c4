package frames

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// traced is one line pair of FFmpeg's metadata filter: a picture's timestamp
// at the place in the filter graph that the key names.
type traced struct {
	key   string
	pts   int64
	known bool // false if the picture has no timestamp
}

// traceReader reads what FFmpeg's metadata filter prints:
//
//	frame:12   pts:6144    pts_time:0.5
//	fotograma_decoded=1
type traceReader struct{ r *bufio.Reader }

// newTraceReader returns a reader of r, for lines of up to 4096 bytes.
func newTraceReader(r io.Reader) *traceReader {
	return &traceReader{bufio.NewReaderSize(r, 4096)}
}

// next returns the next picture, or [io.EOF] where FFmpeg stopped, be it in the
// middle of a line.
func (t *traceReader) next() (traced, error) {
	head, err := t.line()
	if err != nil {
		return traced{}, err
	}
	pts, known, err := parseTimestamp(head)
	if err != nil {
		return traced{}, err
	}
	value, err := t.line()
	if err != nil {
		return traced{}, err
	}
	key, _, ok := bytes.Cut(value, []byte("="))
	if !ok {
		return traced{}, fmt.Errorf("FFmpeg's trace has %q where a key should be", value)
	}
	return traced{key: string(key), pts: pts, known: known}, nil
}

// line returns the next line, valid until the next call.
func (t *traceReader) line() ([]byte, error) {
	line, err := t.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errors.New("FFmpeg's trace has a line that does not end")
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func parseTimestamp(line []byte) (pts int64, known bool, err error) {
	fields := bytes.Fields(line)
	if len(fields) < 2 || !bytes.HasPrefix(fields[0], []byte("frame:")) {
		return 0, false, fmt.Errorf("FFmpeg's trace has %q where a picture should be", line)
	}
	// Numbers are padded on the right, so they never stand apart from their name.
	text, ok := bytes.CutPrefix(fields[1], []byte("pts:"))
	if !ok {
		return 0, false, fmt.Errorf("FFmpeg's trace has no timestamp in %q", line)
	}
	if string(text) == "NOPTS" {
		return 0, false, nil
	}
	pts, err = strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("FFmpeg's trace has a bad timestamp in %q", line)
	}
	return pts, true, nil
}
