package lambda

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// maxLine is the longest line in bytes; what is longer is cut into several.
const maxLine = 256 << 10

// output is the reading end of a worker's stdout or stderr, cut into lines.
//
// A worker writes its lines before it posts its result, so they are in the pipe
// by then: drain reads them in the caller's goroutine, and no line of an
// invocation comes after its end.
type output struct {
	file *os.File
	raw  syscall.RawConn
	line func([]byte)

	mu      sync.Mutex
	chunk   [16 << 10]byte
	partial []byte
}

// newOutput makes a pipe; the other end is for the worker.
func newOutput(line func([]byte)) (o *output, writer *os.File, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	raw, err := reader.SyscallConn()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("use a pipe: %w", err), reader.Close(), writer.Close())
	}
	return &output{file: reader, raw: raw, line: line}, writer, nil
}

// follow hands on lines until the pipe ends or is closed.
func (o *output) follow() {
	_ = o.raw.Read(o.consume) // the error says that it was closed
}

// drain hands on what is in the pipe now.
func (o *output) drain() {
	_ = o.raw.Control(func(fd uintptr) { o.consume(fd) }) // likewise
}

// close hands on what is in the pipe, even a line without an end, and stops follow.
func (o *output) close() error {
	o.drain()
	o.mu.Lock()
	o.flush()
	o.mu.Unlock()
	return o.file.Close()
}

// consume reads without waiting and tells whether the pipe has ended.
func (o *output) consume(fd uintptr) (ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		n, err := syscall.Read(int(fd), o.chunk[:])
		switch {
		case n > 0:
			o.split(o.chunk[:n])
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return false
		default:
			o.flush()
			return true
		}
	}
}

func (o *output) split(data []byte) {
	for {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			break
		}
		o.partial = append(o.partial, data[:i]...)
		data = data[i+1:]
		o.flush()
	}
	o.partial = append(o.partial, data...)
	if len(o.partial) >= maxLine {
		o.flush()
	}
}

func (o *output) flush() {
	line := bytes.TrimSuffix(o.partial, []byte("\r"))
	if len(line) > 0 {
		o.line(line)
	}
	o.partial = o.partial[:0]
}
