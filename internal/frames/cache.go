package frames

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

// A remote source answers in some 30 ms whatever is asked of it, so it is asked
// for much at a time, and early.
const (
	blockSize   = 256 << 10 // bytes
	firstBlocks = 4         // blocks read where nothing is known of what comes next: enough for most headers
	runBlocks   = 8         // blocks in the largest single read
	aheadBlocks = 20        // blocks kept in flight ahead of a sequential reader
	laterBlocks = 8         // blocks fetched of what will be read later
	cacheBlocks = 32        // blocks kept in all
)

// cache is an [io.ReaderAt] over a Source that reads in large blocks, reads
// ahead of a sequential reader or of one that says where it will read, and
// keeps what was read last.
type cache struct {
	src  Source
	life func() // called whenever something is read from the cache

	fetches sync.WaitGroup

	mu     sync.Mutex
	blocks map[int64]*block
	clock  int64 // counts uses, for the least recently used
	last   int64 // the block that was read last
	run    int64 // how many were read in a row before it
	stop   int64 // the block at which reading ahead stops, until the reader passes it
	err    error // the first failure of src
}

// block is one piece of the file. Its data may be read once ready is closed.
type block struct {
	ready chan struct{}
	data  []byte
	err   error
	used  int64
	read  bool
}

func newCache(src Source, life func()) *cache {
	return &cache{src: src, life: life, blocks: make(map[int64]*block), last: -2, stop: math.MaxInt64}
}

// ReadAt implements [io.ReaderAt].
func (c *cache) ReadAt(p []byte, off int64) (int, error) {
	c.life()
	n := 0
	for n < len(p) {
		if off >= c.src.Size() {
			return n, io.EOF
		}
		b := c.get(off / blockSize)
		<-b.ready
		if b.err != nil {
			return n, b.err
		}
		m := copy(p[n:], b.data[off%blockSize:])
		n += m
		off += int64(m)
	}
	return n, nil
}

// get returns block i, which may still be on its way, and sees to it that what
// a sequential reader will want next is on its way too.
func (c *cache) get(i int64) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch i {
	case c.last:
	case c.last + 1:
		c.run++
	default:
		c.run = 0
	}
	c.last = i
	if i >= c.stop { // where it goes from here nobody has said
		c.stop, c.run = math.MaxInt64, 0
	}
	if c.blocks[i] == nil {
		c.fetchMissing(i, min(i+firstBlocks, c.end()))
	}
	b := c.blocks[i]
	c.clock++
	b.used, b.read = c.clock, true
	c.readAhead(i)
	return b
}

// window returns how many blocks to read ahead: as many as were read in a row, so
// that beyond the first blocks at most half of what is read is read in vain.
func (c *cache) window() int64 {
	if c.run == 0 {
		return 0
	}
	return min(max(firstBlocks, c.run), aheadBlocks)
}

// end returns the block up to which it makes sense to read ahead.
func (c *cache) end() int64 { return min((c.src.Size()+blockSize-1)/blockSize, c.stop) }

// expect hears what will be read: now, with nothing after it before the next
// call, or later. It may be much, and only the beginning of that is fetched.
func (c *cache) expect(from, to int64, now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to = max(from, 0)/blockSize, (min(to, c.src.Size())+blockSize-1)/blockSize
	most := int64(laterBlocks)
	if now {
		c.stop, most = to, aheadBlocks
	}
	c.fetchMissing(from, min(to, from+most))
}

// readAhead fetches what is missing of the window after block i, once that is
// half of it, so that the reads become large.
func (c *cache) readAhead(i int64) {
	window := c.window()
	end := min(i+1+window, c.end())
	from := i + 1
	for from < end && c.blocks[from] != nil {
		from++
	}
	if ahead := from - i - 1; ahead > window/2 {
		return
	}
	c.fetchMissing(from, end)
}

// fetchMissing fetches those of the blocks from to end (exclusive) that are not
// there, neighbours with one read.
func (c *cache) fetchMissing(from, end int64) {
	for from < end {
		to := from
		for to < end && to < from+runBlocks && c.blocks[to] == nil {
			to++
		}
		if to > from {
			c.fetch(from, to)
		}
		from = max(to, from+1)
	}
}

// fetch starts reading blocks from to (exclusive), none of which is there yet,
// with one read of the source.
func (c *cache) fetch(from, to int64) {
	run := make([]*block, to-from)
	for i := range run {
		c.clock++
		run[i] = &block{ready: make(chan struct{}), used: c.clock}
		c.blocks[from+int64(i)] = run[i]
	}
	c.evict()
	c.fetches.Go(func() {
		data := make([]byte, min(to*blockSize, c.src.Size())-from*blockSize)
		n, err := c.src.ReadAt(data, from*blockSize)
		if n == len(data) {
			err = nil
		} else if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			err = fmt.Errorf("reading the video at byte %d: %w", from*blockSize, err)
			c.fail(err)
		}
		for i, b := range run {
			start := i * blockSize
			b.data, b.err = data[start:min(start+blockSize, len(data))], err
			close(b.ready)
		}
	})
}

// evict forgets the blocks that were not used for longest, and those that were
// read before those that still may be.
func (c *cache) evict() {
	for len(c.blocks) > cacheBlocks {
		oldest := int64(-1)
		for i, b := range c.blocks {
			if oldest < 0 || b.before(c.blocks[oldest]) {
				oldest = i
			}
		}
		delete(c.blocks, oldest)
	}
}

// before tells which of two blocks is forgotten first.
func (b *block) before(other *block) bool {
	if b.read != other.read {
		return b.read
	}
	return b.used < other.used
}

func (c *cache) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// failure returns the first error of the source, if there was one.
func (c *cache) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// wait returns when no read of the source is under way. Nothing may be read
// from the cache any more.
func (c *cache) wait() { c.fetches.Wait() }
