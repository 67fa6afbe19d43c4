package frames

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// imageReader splits FFmpeg's output, images one after the other with nothing
// in between, by each format's own structure. (FFmpeg's only muxer that would
// tell an image's length ahead takes nothing but JPEG since version 6.)
type imageReader struct {
	r     *bufio.Reader
	max   int // bytes of an image
	read  func(*imageReader) error
	image []byte
}

// splitters read one image each.
var splitters = map[string]func(*imageReader) error{
	FormatJPEG: (*imageReader).jpeg,
	FormatPNG:  (*imageReader).png,
	FormatWebP: (*imageReader).webp,
}

// newImageReader returns a reader of images of a format and of up to largest
// bytes.
func newImageReader(r io.Reader, format string, largest int) *imageReader {
	return &imageReader{r: bufio.NewReaderSize(r, 64<<10), max: largest, read: splitters[format]}
}

// next returns the next image, valid until the next call. It returns [io.EOF]
// after the last, and [io.ErrUnexpectedEOF] if the stream stops inside one.
func (i *imageReader) next() ([]byte, error) {
	if _, err := i.r.Peek(1); err != nil {
		return nil, err
	}
	i.image = i.image[:0]
	if err := i.read(i); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return i.image, nil
}

// take moves n bytes into the image and returns them.
func (i *imageReader) take(n int) ([]byte, error) {
	if err := i.room(n); err != nil {
		return nil, err
	}
	start := len(i.image)
	if cap(i.image) < start+n {
		// Grow by at least a quarter, so that a reused buffer soon fits all.
		grown := make([]byte, start, max(start+n, cap(i.image)+cap(i.image)/4))
		copy(grown, i.image)
		i.image = grown
	}
	i.image = i.image[:start+n]
	_, err := io.ReadFull(i.r, i.image[start:])
	return i.image[start:], err
}

func (i *imageReader) room(n int) error {
	if n < 0 || len(i.image)+n > i.max {
		return fmt.Errorf("FFmpeg's output has an image of more than %d bytes", i.max)
	}
	return nil
}

func (i *imageReader) signature(want string) error {
	have, err := i.take(len(want))
	if err != nil {
		return err
	}
	if string(have) != want {
		return fmt.Errorf("FFmpeg's output has %q where an image should begin with %q", have, want)
	}
	return nil
}

// JPEG markers (ITU-T T.81, table B.1).
const (
	markerPrefix  = 0xFF
	markerRestart = 0xD0 // to 0xD7
	markerEnd     = 0xD9
	markerScan    = 0xDA
)

// jpeg reads from the start-of-image marker to the end-of-image marker. Marker
// segments give their length; the compressed data after a start of scan does
// not, but has no 0xFF without a zero or a restart number after it.
func (i *imageReader) jpeg() error {
	if err := i.signature("\xFF\xD8"); err != nil {
		return err
	}
	marker, err := i.marker()
	for {
		if err != nil || marker == markerEnd {
			return err
		}
		if err := i.segment(); err != nil {
			return err
		}
		if marker == markerScan {
			marker, err = i.scan()
		} else {
			marker, err = i.marker()
		}
	}
}

// marker reads a marker that must come next.
func (i *imageReader) marker() (byte, error) {
	prefix, err := i.take(1)
	if err != nil {
		return 0, err
	}
	if prefix[0] != markerPrefix {
		return 0, fmt.Errorf("FFmpeg's output has a JPEG with 0x%02x where a marker should be", prefix[0])
	}
	return i.code()
}

// code reads the second byte of a marker, before which there may be more
// prefixes.
func (i *imageReader) code() (byte, error) {
	for {
		b, err := i.take(1)
		if err != nil {
			return 0, err
		}
		if b[0] != markerPrefix {
			return b[0], nil
		}
	}
}

// segment reads a length and that much, less the length's own two bytes.
func (i *imageReader) segment() error {
	length, err := i.take(2)
	if err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(length))
	if n < 2 {
		return errors.New("FFmpeg's output has a JPEG with an impossible segment")
	}
	_, err = i.take(n - 2)
	return err
}

// scan reads compressed data up to and including the next marker.
func (i *imageReader) scan() (byte, error) {
	for {
		piece, err := i.r.ReadSlice(markerPrefix)
		if full := i.room(len(piece)); full != nil {
			return 0, full
		}
		i.image = append(i.image, piece...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return 0, err
		}
		code, err := i.code()
		if err != nil {
			return 0, err
		}
		if code != 0 && (code < markerRestart || code >= markerRestart+8) {
			return code, nil
		}
	}
}

// png reads the signature and chunks up to and including IEND (W3C PNG, 5.3).
func (i *imageReader) png() error {
	if err := i.signature("\x89PNG\r\n\x1a\n"); err != nil {
		return err
	}
	for {
		head, err := i.take(8)
		if err != nil {
			return err
		}
		length, kind := binary.BigEndian.Uint32(head), string(head[4:])
		if length > 1<<31-1 {
			return errors.New("FFmpeg's output has a PNG with an impossible chunk")
		}
		if _, err := i.take(int(length) + 4); err != nil {
			return err
		}
		if kind == "IEND" {
			return nil
		}
	}
}

// webp reads a RIFF file, which gives its length (RFC 9649, 2.4).
func (i *imageReader) webp() error {
	if err := i.signature("RIFF"); err != nil {
		return err
	}
	size, err := i.take(4)
	if err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(size))
	if n < 4 || n > int64(i.max) {
		return fmt.Errorf("FFmpeg's output has a WebP of %d bytes", n)
	}
	if err := i.signature("WEBP"); err != nil {
		return err
	}
	_, err = i.take(int(n-4) + int(n&1))
	return err
}
