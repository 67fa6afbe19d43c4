package frames

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
)

// remote is a Source that notes how it is read.
type remote struct {
	content []byte
	failAt  int64 // reads that reach this byte fail, if it is positive

	mu    sync.Mutex
	reads []readCall
}

type readCall struct{ offset, length int64 }

var errRemote = errors.New("the store is down")

func (r *remote) Size() int64 { return int64(len(r.content)) }

func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	r.reads = append(r.reads, readCall{off, int64(len(p))})
	r.mu.Unlock()
	if r.failAt > 0 && off+int64(len(p)) >= r.failAt {
		return 0, errRemote
	}
	return bytes.NewReader(r.content).ReadAt(p, off)
}

func (r *remote) calls() []readCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]readCall(nil), r.reads...)
}

// content returns n bytes that differ from block to block.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func TestCacheReadsAheadInLargePieces(t *testing.T) {
	src := &remote{content: content(30*blockSize + 12345)}
	c := newCache(src, func() {})
	got, err := io.ReadAll(io.NewSectionReader(c, 0, src.Size()))
	if err != nil || !bytes.Equal(got, src.content) {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	c.wait()
	calls := src.calls()
	if len(calls) > 12 {
		t.Errorf("31 blocks took %d reads: %v", len(calls), calls)
	}
	if !slices.Contains(calls, readCall{0, firstBlocks * blockSize}) {
		t.Errorf("the first byte is late: it comes with more than need be in %v", calls)
	}
	seen := make(map[int64]bool)
	for _, call := range calls {
		if call.length > runBlocks*blockSize {
			t.Errorf("a read of %d bytes", call.length)
		}
		for i := call.offset; i < call.offset+call.length; i += blockSize {
			if seen[i] {
				t.Errorf("block at %d was read twice", i)
			}
			seen[i] = true
		}
	}
	if len(c.blocks) > cacheBlocks {
		t.Errorf("%d blocks are kept", len(c.blocks))
	}
}

func TestCacheReadsOnlyWhatIsJumpedTo(t *testing.T) {
	src := &remote{content: content(64 * blockSize)}
	c := newCache(src, func() {})
	for _, off := range []int64{0, 63 * blockSize, 10 * blockSize, 0, 63 * blockSize} {
		p := make([]byte, 100)
		if _, err := c.ReadAt(p, off); err != nil || !bytes.Equal(p, src.content[off:off+100]) {
			t.Fatalf("at %d: %v", off, err)
		}
	}
	c.wait()
	if calls := src.calls(); len(calls) != 3 {
		t.Errorf("three places took the reads %v", calls)
	}
}

func TestCacheServesManyReadersAtOnce(t *testing.T) {
	src := &remote{content: content(5*blockSize + 7)}
	c := newCache(src, func() {})
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			off := int64(i) * blockSize / 2
			got, err := io.ReadAll(io.NewSectionReader(c, off, src.Size()))
			if err != nil || !bytes.Equal(got, src.content[off:]) {
				t.Errorf("from %d: %d bytes, %v", off, len(got), err)
			}
		})
	}
	readers.Wait()
}

func TestCacheKeepsTheSourcesError(t *testing.T) {
	src := &remote{content: content(3 * blockSize), failAt: 2*blockSize + 1}
	c := newCache(src, func() {})
	if _, err := io.ReadAll(io.NewSectionReader(c, 0, src.Size())); !errors.Is(err, errRemote) {
		t.Errorf("reading: %v", err)
	}
	c.wait()
	if err := c.failure(); !errors.Is(err, errRemote) {
		t.Errorf("failure: %v", err)
	}
	short := newCache(shortSource{}, func() {})
	if _, err := short.ReadAt(make([]byte, 10), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that shrinks: %v", err)
	}
}

// shortSource says that it is longer than it is.
type shortSource struct{}

func (shortSource) Size() int64                           { return 1000 }
func (shortSource) ReadAt(p []byte, _ int64) (int, error) { return len(p) / 2, io.EOF }

func TestCacheReadsWhatIsExpected(t *testing.T) {
	src := &remote{content: content(100 * blockSize)}
	c := newCache(src, func() {})
	read := func(from, to int64) {
		t.Helper()
		p := make([]byte, to-from)
		if _, err := c.ReadAt(p, from); err != nil || !bytes.Equal(p, src.content[from:to]) {
			t.Fatalf("%d to %d: %v", from, to, err)
		}
	}
	c.expect(10*blockSize, 13*blockSize, true)
	c.expect(50*blockSize+5, 51*blockSize, false)
	read(10*blockSize, 13*blockSize)
	read(50*blockSize+5, 51*blockSize)
	c.wait()
	want := []readCall{{10 * blockSize, 3 * blockSize}, {50 * blockSize, blockSize}}
	got := src.calls()
	slices.SortFunc(got, func(a, b readCall) int { return cmp.Compare(a.offset, b.offset) })
	if got = got[:min(len(got), 2)]; !slices.Equal(got, want) {
		t.Errorf("reads %v, want %v first", got, want)
	}
	for from := int64(-1 << 40); from < 1<<40; from += 1 << 38 {
		c.expect(from, from+1<<39, true) // whatever a program says
	}
	read(99*blockSize, 100*blockSize)
}

func TestRangesAreServed(t *testing.T) {
	src := &remote{content: content(3*blockSize + 1)}
	size := src.Size()
	serve := func(requests ...int64) ([]byte, error) {
		var in, out bytes.Buffer
		for _, n := range requests {
			_ = binary.Write(&in, binary.LittleEndian, n)
		}
		err := serveRanges(newCache(src, func() {}), &in, &out)
		return out.Bytes(), err
	}
	for _, c := range []struct {
		name     string
		requests []int64
		answer   int64
		content  []byte
	}{
		{"the beginning", []int64{0, 10, askRead}, 10, src.content[:10]},
		{"over the end", []int64{size - 5, 100, askRead}, 5, src.content[size-5:]},
		{"past the end", []int64{size, 100, askRead}, 0, nil},
		{"after a hint", []int64{5, 1 << 60, askNow, 5, 5, askRead}, 5, src.content[5:10]},
	} {
		got, err := serve(c.requests...)
		if err != nil || len(got) < 8 || int64(binary.LittleEndian.Uint64(got)) != c.answer || !bytes.Equal(got[8:], c.content) {
			t.Errorf("%s: %d bytes, %v", c.name, len(got), err)
		}
	}
	for name, requests := range map[string][]int64{
		"negative offset": {-1, 10, askRead}, "negative length": {0, -1, askRead},
		"too much": {0, longestRead + 1, askRead}, "half a request": {0},
	} {
		if _, err := serve(requests...); err == nil {
			t.Errorf("%s was served", name)
		}
	}
}
