package frames

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
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
	if !slices.Contains(calls, readCall{0, blockSize}) {
		t.Errorf("the first byte is late: it comes with more than a block in %v", calls)
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

func TestServerGivesTheFileUnderItsPathOnly(t *testing.T) {
	src := &remote{content: content(3*blockSize + 1)}
	in, err := serve(context.Background(), src, func() {})
	if err != nil {
		t.Fatal(err)
	}
	get := func(method, url, span string) (int, []byte) {
		t.Helper()
		request, err := http.NewRequestWithContext(context.Background(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if span != "" {
			request.Header.Set("Range", span)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, body
	}
	for _, c := range []struct {
		name, method, url, span string
		status                  int
		body                    []byte
	}{
		{"whole", "GET", in.url, "", 200, src.content},
		{"from the middle", "GET", in.url, "bytes=1500000-", 206, src.content[1500000:]},
		{"a few bytes", "GET", in.url, "bytes=10-19", 206, src.content[10:20]},
		{"the end", "GET", in.url, "bytes=-5", 206, src.content[len(src.content)-5:]},
		{"past the end", "GET", in.url, "bytes=99999999-", 416, nil},
		{"another path", "GET", in.url + "x", "", 404, nil},
		{"the root", "GET", in.url[:len("http://127.0.0.1:")+5] + "/", "", 404, nil},
		{"another method", "POST", in.url, "", 404, nil},
	} {
		status, body := get(c.method, c.url, c.span)
		if status != c.status || c.body != nil && !bytes.Equal(body, c.body) {
			t.Errorf("%s: %d with %d bytes", c.name, status, len(body))
		}
	}
	if err := in.close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(in.url); err == nil {
		t.Error("the server answers after it was closed")
	}
}
