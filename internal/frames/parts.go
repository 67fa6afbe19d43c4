package frames

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// FFmpeg writes its images as a multipart stream: each one after its length.
// So finding where an image ends needs no look inside, and is the same for
// every format.
const (
	partMuxer    = "mpjpeg" // its name; it takes any image, despite its name
	partBoundary = "fotograma"
)

// partReader reads the images of FFmpeg's mpjpeg muxer.
type partReader struct {
	r     *bufio.Reader
	max   int // bytes of an image
	begun bool
	image []byte
}

func newPartReader(r io.Reader, largest int) *partReader {
	return &partReader{r: bufio.NewReaderSize(r, 64<<10), max: largest}
}

// next returns the next image, valid until the next call. It returns [io.EOF]
// after the last, and [io.ErrUnexpectedEOF] if the stream stops inside one.
func (p *partReader) next() ([]byte, error) {
	if !p.begun {
		if err := p.expect("--" + partBoundary); err != nil {
			return nil, err
		}
		p.begun = true
	}
	length, err := p.header()
	if err != nil {
		return nil, err
	}
	if cap(p.image) < length {
		p.image = make([]byte, length, length+length/4)
	}
	p.image = p.image[:length]
	if _, err := io.ReadFull(p.r, p.image); err != nil {
		return nil, unexpected(err)
	}
	for _, line := range []string{"", "--" + partBoundary} {
		if err := p.expect(line); err != nil {
			return nil, unexpected(err)
		}
	}
	return p.image, nil
}

// header reads the lines before an image and returns its length.
func (p *partReader) header() (int, error) {
	length := -1
	for first := true; ; first = false {
		line, err := p.line()
		if err != nil {
			if !first {
				err = unexpected(err)
			}
			return 0, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("Content-length")) {
			continue
		}
		length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		if err != nil || length < 1 || length > p.max {
			return 0, fmt.Errorf("FFmpeg's output has an image of %q bytes; at most %d are possible", value, p.max)
		}
	}
	if length < 0 {
		return 0, errors.New("FFmpeg's output has an image without a length")
	}
	return length, nil
}

func (p *partReader) expect(want string) error {
	line, err := p.line()
	if err != nil {
		return err
	}
	if string(line) != want {
		return fmt.Errorf("FFmpeg's output has %q where %q should be", line, want)
	}
	return nil
}

func (p *partReader) line() ([]byte, error) {
	line, err := p.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errors.New("FFmpeg's output has a line that does not end")
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
