package frames

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The protocol between the engine and its program, whose source is in
// layers/ffmpeg/frames. All numbers are little-endian.
//
// The engine writes lines of "key=value", ended by an empty line, to the
// program's standard input: first the limits, and when it has heard what is in
// the file the plan, followed by the instants as 64-bit numbers and the pixels
// of a contact sheet, if there are any.
//
// The program writes records to its standard output: type and length of the
// rest as 32-bit numbers, and the rest.
//
// It asks for bytes on file descriptor 3: offset, length and kind as 64-bit
// numbers. A request of kind askRead is answered on file descriptor 4 with the
// number of bytes, 0 at the end and -1 for a failure, and the bytes.

// recordType says what a record holds.
type recordType uint32

const (
	recordMedia    recordType = 'M' // JSON, see probed
	recordImage    recordType = 'I' // timestamp, number of the first instant, number of instants; the image
	recordSheet    recordType = 'S' // number of tiles; the image
	recordTiles    recordType = 'T' // number of tiles; the pixels of a sheet that is not full
	recordCounted  recordType = 'N' // pictures counted
	recordProgress recordType = 'P' // timestamp
	recordOrigin   recordType = 'O' // timestamp of the first picture
	recordPlain    recordType = 'R' // number of the first instant or picture that is still to be found; why
	recordEnd      recordType = 'E' // timestamp at which the last picture ends
	recordFail     recordType = 'X' // code, newline, detail
)

// numbers says how many numbers a record begins with.
var numbers = map[recordType]int{
	recordImage: 3, recordSheet: 1, recordTiles: 1, recordCounted: 1,
	recordProgress: 1, recordOrigin: 1, recordPlain: 1, recordEnd: 1,
}

// noTimestamp is what FFmpeg has in the place of a timestamp that is not known.
const noTimestamp = -1 << 63

// record is one record of the program; data is valid until the next is read.
type record struct {
	kind    recordType
	numbers [3]int64
	data    []byte
}

// recordReader reads the program's records.
type recordReader struct {
	r      *bufio.Reader
	max    int // bytes of a record
	buffer []byte
}

func newRecordReader(r io.Reader, largest int) *recordReader {
	return &recordReader{r: bufio.NewReaderSize(r, 64<<10), max: largest}
}

// next returns the next record, [io.EOF] after the last, and
// [io.ErrUnexpectedEOF] if the program stopped inside one.
func (r *recordReader) next() (record, error) {
	var head [8]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return record{}, err //nolint:wrapcheck // io.EOF is for the caller
	}
	rec := record{kind: recordType(binary.LittleEndian.Uint32(head[:]))}
	size := int64(binary.LittleEndian.Uint32(head[4:]))
	n := numbers[rec.kind]
	if size > int64(r.max) || size < int64(8*n) {
		return record{}, fmt.Errorf("a record %q of %d bytes", rune(rec.kind), size)
	}
	if int64(cap(r.buffer)) < size {
		r.buffer = make([]byte, size+size/4) // so that a reused buffer soon fits all
	}
	buffer := r.buffer[:size]
	if _, err := io.ReadFull(r.r, buffer); err != nil {
		return record{}, fmt.Errorf("a record %q that stops: %w", rune(rec.kind), io.ErrUnexpectedEOF)
	}
	for i := range n {
		rec.numbers[i] = int64(binary.LittleEndian.Uint64(buffer[8*i:]))
	}
	rec.data = buffer[8*n:]
	return rec, nil
}

// settings are lines for the program.
type settings struct{ text strings.Builder }

func (s *settings) set(key string, value any) { fmt.Fprintf(&s.text, "%s=%v\n", key, value) }

func (s *settings) setIf(condition bool, key string, value any) {
	if condition {
		s.set(key, value)
	}
}

// bytes returns the lines with the empty one that ends them.
func (s *settings) bytes() []byte { return []byte(s.text.String() + "\n") }

// Kinds of requests for bytes.
const (
	askRead  = 0
	askNow   = 1 // will be read, and nothing after it before the next request of this kind
	askLater = 2 // will be read after that
)

// longestRead bounds what the program may ask for at once, bytes.
const longestRead = 1 << 20

// serveRanges answers the program's requests for bytes until it asks no more.
func serveRanges(c *cache, requests io.Reader, answers io.Writer) error {
	in := bufio.NewReader(requests)
	var request [24]byte
	buffer := make([]byte, 8, 8+longestRead)
	for {
		if _, err := io.ReadFull(in, request[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("a request for bytes that stops: %w", err)
		}
		offset := int64(binary.LittleEndian.Uint64(request[:]))
		length := int64(binary.LittleEndian.Uint64(request[8:]))
		kind := binary.LittleEndian.Uint64(request[16:])
		if offset < 0 || length < 0 || (kind == askRead && length > longestRead) {
			return fmt.Errorf("a request for %d bytes at %d", length, offset)
		}
		if kind != askRead {
			c.expect(offset, offset+min(length, c.src.Size()), kind == askNow)
			continue
		}
		n, err := c.ReadAt(buffer[8:8+length], offset)
		answer := int64(n)
		if n == 0 && err != nil && !errors.Is(err, io.EOF) {
			answer = -1
		}
		binary.LittleEndian.PutUint64(buffer[:8], uint64(answer))
		if _, err := answers.Write(buffer[:8+n]); err != nil {
			return nil //nolint:nilerr // the program has ended
		}
	}
}
