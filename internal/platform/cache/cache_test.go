package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/cache"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// world is a row of one person's, and caches before it.
type world struct {
	t     *testing.T
	row   atomic.Int64
	reads atomic.Int64
	since atomic.Int64 // nanoseconds since the beginning
	log   bytes.Buffer // the metrics
	m     *metrics.Recorder
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	w.m = metrics.New(&w.log, "Test", w.now)
	return w
}

func (w *world) now() time.Time {
	return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC).Add(time.Duration(w.since.Load()))
}

func (w *world) pass(d time.Duration) { w.since.Add(int64(d)) }

func (w *world) shared(r *localtest.Redis) *cache.Shared {
	w.t.Helper()
	s, err := cache.Open(r.URL(), "videos")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (w *world) over(s *cache.Shared) *cache.Cache {
	return cache.New(s, w.m, w.now)
}

func (w *world) memory() *cache.Cache {
	return cache.NewMemory(w.m, w.now)
}

func always(int64) bool { return true }

// ask asks a cache for the row.
func (w *world) ask(c *cache.Cache) (value int64, hit bool) {
	w.t.Helper()
	value, hit, err := cache.Load(w.t.Context(), c, "ana", "row", always, w.read)
	if err != nil {
		w.t.Fatal(err)
	}
	return value, hit
}

func (w *world) read(context.Context) (int64, error) {
	w.reads.Add(1)
	return w.row.Load(), nil
}

// want asks, and wants an answer.
func (w *world) want(c *cache.Cache, value int64, hit bool) {
	w.t.Helper()
	if got, gotHit := w.ask(c); got != value || gotHit != hit {
		w.t.Errorf("%d, hit %v; want %d, hit %v", got, gotHit, value, hit)
	}
}

func TestWhatIsAskedAgainIsNotReadAgain(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]*cache.Cache{"memory": w.memory(), "shared": w.over(w.shared(localtest.StartRedis(t)))} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.row.Store(1)
			w.want(c, 1, false)
			w.want(c, 1, true)
			if _, hit, err := cache.Load(t.Context(), c, "bob", "row", always, w.read); hit || err != nil {
				t.Errorf("another person's: hit %v, %v", hit, err)
			}
			if _, hit, err := cache.Load(t.Context(), c, "ana", "row", func(int64) bool { return false }, w.read); hit || err != nil {
				t.Errorf("what was of no use: hit %v, %v", hit, err)
			}
			w.row.Store(2)
			w.pass(cache.SharedTTL)
			w.want(c, 2, false)
		})
	}
}

func TestWithoutACacheAllIsRead(t *testing.T) {
	w := newWorld(t)
	w.want(nil, 0, false)
	w.want(nil, 0, false)
}

func TestTheURLSaysWhichCacheThereIs(t *testing.T) {
	w := newWorld(t)
	for url, want := range map[string]struct{ kept, shared bool }{
		cache.Off:                     {kept: false},
		"":                            {kept: true},
		localtest.StartRedis(t).URL(): {kept: true, shared: true},
	} {
		c, err := cache.For(url, "videos", w.m, w.now)
		if err != nil || c.IsShared() != want.shared {
			t.Fatalf("%q: shared %v, %v", url, c.IsShared(), err)
		}
		w.ask(c)
		if _, hit := w.ask(c); hit != want.kept {
			t.Errorf("%q: hit %v", url, hit)
		}
	}
	if s, err := cache.Open(cache.Off, "videos"); s != nil || err != nil {
		t.Errorf("who writes: %v, %v", s, err)
	}
	if _, err := cache.For("http://x", "videos", w.m, w.now); err == nil {
		t.Error("what is no address was taken")
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	w := newWorld(t)
	c := w.memory()
	gone := errors.New("gone")
	if _, _, err := cache.Load(t.Context(), c, "ana", "row", always, func(context.Context) (int64, error) { return 0, gone }); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	w.want(c, 0, false)
}

// Who has seen a write, and asks, sees it: whoever reads, forgets and fills at the same
// time.
func TestNobodySeesWhatWasBeforeAWriteTheyKnowOf(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	writer := w.shared(redis)
	readers := []*cache.Cache{w.over(w.shared(redis)), w.over(w.shared(redis))}
	var known atomic.Int64
	var done atomic.Bool
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for !done.Load() {
				before := known.Load()
				if got, _ := w.ask(readers[i%len(readers)]); got < before {
					t.Errorf("%d was seen after %d was known", got, before)
					return
				}
			}
		})
	}
	for n := range int64(300) {
		w.row.Store(n)
		writer.Forget(t.Context(), "ana")
		known.Store(n)
	}
	done.Store(true)
	all.Wait()
	if w.reads.Load() == 0 {
		t.Error("nothing was read")
	}
}

// The classic: the row is read, then written, then what was read is put into the cache.
func TestWhatWasReadBeforeAWriteIsNotKeptAfterIt(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	writer, c := w.shared(redis), w.over(w.shared(redis))
	_, _, err := cache.Load(t.Context(), c, "ana", "row", always, func(ctx context.Context) (int64, error) {
		old, _ := w.read(ctx)
		w.row.Store(1)
		writer.Forget(ctx, "ana")
		return old, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.want(c, 1, false)
}

// write writes the row through a shared cache.
func (w *world) write(s *cache.Shared, value int64, meanwhile func()) {
	w.t.Helper()
	err := s.Write(w.t.Context(), "ana", w.now, func(context.Context) (cache.Fresh, error) {
		w.row.Store(value)
		meanwhile()
		return cache.Fresh{Name: "row", Value: value}, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func nothing() {}

func TestWhatIsWrittenNeedNotBeRead(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	writer, c := w.shared(redis), w.over(w.shared(redis))
	for n := range int64(3) {
		w.write(writer, n, nothing)
		w.want(c, n, true)
	}
	w.pass(cache.SharedTTL)
	w.want(c, 2, false)
	if n := w.reads.Load(); n != 1 {
		t.Errorf("%d reads", n)
	}
}

func TestOfTwoWhoWriteAtOnceNeitherIsTakenForTheLast(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	first, second, c := w.shared(redis), w.shared(redis), w.over(w.shared(redis))
	w.write(first, 1, func() { w.write(second, 2, nothing) }) // which has the row be 2
	w.want(c, 2, false)
	w.write(first, 3, func() { second.Forget(t.Context(), "ana") })
	w.want(c, 3, false)
}

func TestAWriteThatFailsIsForgotten(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	writer, c := w.shared(redis), w.over(w.shared(redis))
	w.write(writer, 1, nothing)
	broken := errors.New("broken")
	err := writer.Write(t.Context(), "ana", w.now, func(context.Context) (cache.Fresh, error) {
		w.row.Store(2) // all the same
		return cache.Fresh{Name: "row", Value: 7}, broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	w.want(c, 2, false)
}

func TestAWriteThatTookVeryLongIsNotKept(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	writer, c := w.shared(redis), w.over(w.shared(redis))
	w.write(writer, 1, func() { w.pass(cache.SharedTTL) })
	w.want(c, 1, false)
}

func TestWithoutACacheOrADeadOneAllIsWritten(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	dead := w.shared(redis)
	redis.Kill()
	for i, writer := range []*cache.Shared{nil, dead} {
		w.write(writer, int64(i+1), nothing)
		if got := w.row.Load(); got != int64(i+1) {
			t.Errorf("the row is %d", got)
		}
	}
}

// Whoever writes at once, reads and fills: what is known to be written is seen.
func TestNobodySeesWhatWasBeforeAnyWriteTheyKnowOf(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	c := w.over(w.shared(redis))
	var known, next atomic.Int64
	var row sync.Mutex // as DynamoDB has it: one write of a row at a time
	var writing, all sync.WaitGroup
	var done atomic.Bool
	for range 4 {
		writer := w.shared(redis)
		writing.Go(func() {
			for range 60 {
				var mine int64
				_ = writer.Write(t.Context(), "ana", w.now, func(context.Context) (cache.Fresh, error) {
					row.Lock()
					defer row.Unlock()
					mine = next.Add(1)
					w.row.Store(mine)
					return cache.Fresh{Name: "row", Value: mine}, nil
				})
				for before := known.Load(); before < mine && !known.CompareAndSwap(before, mine); before = known.Load() {
				}
			}
		})
	}
	for range 4 {
		all.Go(func() {
			for !done.Load() {
				before := known.Load()
				if got, _ := w.ask(c); got < before {
					t.Errorf("%d was seen after %d was known", got, before)
					return
				}
			}
		})
	}
	writing.Wait()
	done.Store(true)
	all.Wait()
}

func TestManyWhoAskAtOnceCostFewReads(t *testing.T) {
	w := newWorld(t)
	c := w.memory()
	var all sync.WaitGroup
	const many = 60
	for range many {
		all.Go(func() { w.ask(c) })
	}
	all.Wait()
	if n := w.reads.Load(); n > many/4 {
		t.Errorf("%d reads for %d who ask", n, many)
	}
}

// A read that takes as long as answers may be old is not given to who asks at its end.
func TestALongReadIsNotShared(t *testing.T) {
	w := newWorld(t)
	c := w.memory()
	reading, written := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		_, _, _ = cache.Load(t.Context(), c, "ana", "row", always, func(ctx context.Context) (int64, error) {
			old, _ := w.read(ctx)
			close(reading)
			<-written
			return old, nil
		})
	})
	<-reading
	w.row.Store(1)
	w.pass(cache.MemoryTTL)
	var second sync.WaitGroup
	asks := make(chan struct{})
	second.Go(func() {
		close(asks)
		w.want(c, 1, false)
	})
	<-asks
	close(written)
	first.Wait()
	second.Wait()
}

func TestWhenTheCacheIsKilledAnswersComeFromTheTable(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)

	w := newWorld(t)
	redis := localtest.StartRedis(t)
	s := w.shared(redis)
	c := w.over(s)
	w.want(c, 0, false)
	w.want(c, 0, true)
	redis.Kill()
	for n := range int64(20) {
		w.row.Store(n)
		s.Forget(t.Context(), "ana")
		w.want(c, n, false)
	}
	if got := strings.Count(log.String(), "\n"); got != 1 || !strings.Contains(log.String(), "cache left alone") {
		t.Errorf("logged:\n%s", log.String())
	}
	if !strings.Contains(w.log.String(), `"CacheErrors":1`) {
		t.Error("no error was counted")
	}

	redis.Start()
	for hit := false; !hit; time.Sleep(20 * time.Millisecond) { // it is tried again, and used
		_, hit = w.ask(c)
	}
	if !strings.Contains(log.String(), "cache used again") {
		t.Errorf("logged:\n%s", log.String())
	}
}

// A paused server does late what it was told: it must do no harm then.
func TestAPausedCacheBringsNothingOldBack(t *testing.T) {
	w := newWorld(t)
	redis := localtest.StartRedis(t)
	s := w.shared(redis)
	c := w.over(s)
	_, _, err := cache.Load(t.Context(), c, "ana", "row", always, func(ctx context.Context) (int64, error) {
		old, _ := w.read(ctx)
		redis.Pause() // before this is put there
		return old, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n <= 10; n++ {
		w.row.Store(n)
		s.Forget(t.Context(), "ana")
		w.want(c, n, false)
	}
	w.pass(cache.SharedTTL)
	redis.Continue()
	fresh := w.over(w.shared(redis)) // whose breaker has seen nothing
	for range 5 {
		if got, _ := w.ask(fresh); got != 10 {
			t.Errorf("%d came back", got)
		}
	}
}

func TestAnAddressThatIsNoneIsRefusedWithoutItsPassword(t *testing.T) {
	for _, url := range []string{"http://x:secret@host", "rediss://u:secret@host:port", "secret"} {
		if _, err := cache.Open(url, "videos"); err == nil || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if s, err := cache.Open("rediss://user:secret@cache.example:6380/2", "videos"); err != nil || s == nil {
		t.Errorf("%v", err)
	}
	if s, err := cache.Open("", "videos"); s != nil || err != nil {
		t.Errorf("%v, %v", s, err)
	}
}
