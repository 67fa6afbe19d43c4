// Package cache keeps, for a short time, what was read of people's rows, so that who
// asks again and again costs the table little (cache-aside).
//
// An answer is never older than the cache's TTL, counted from the moment it was asked
// for back to the moment the row was read; that is the bound of staleness, whatever
// fails. The shared cache is besides told at each write to forget what it has of a
// person, so that mostly it is not stale at all: see Shared. A cache that fails or is
// slow is passed over: then answers come from the table.
package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fotograma/fotograma/internal/platform/metrics"
)

const (
	// MemoryTTL is how old an answer out of a process's own memory may be, which
	// nobody can tell to forget.
	MemoryTTL = 2 * time.Second

	// SharedTTL is the same of a shared cache.
	SharedTTL = 10 * time.Second

	// readTimeout is how long a read of the table may take that several wait for.
	readTimeout = 8 * time.Second

	// waits is how often, and wait how long each time, is waited for another process
	// that reads the same, before it is read here too.
	waits = 5
	wait  = 10 * time.Millisecond
)

// Cache keeps what was read. A nil Cache keeps nothing.
type Cache struct {
	kept    store
	ttl     time.Duration
	now     func() time.Time
	metrics *metrics.Recorder
	flights singleflight.Group
}

// store is where entries are. Its errors mean that it cannot be used just now.
type store interface {
	// get gives an entry, nil if there is none, and the mark that the person's entries
	// have now: one with another mark is no longer good.
	get(ctx context.Context, person, name string) (entry []byte, mark string, err error)

	put(ctx context.Context, person, name string, entry []byte, ttl time.Duration) error

	// claim tells whether nobody else is about to read what an entry is made of.
	claim(ctx context.Context, person, name, mark string) (bool, error)
}

// entry is what is kept.
type entry struct {
	Mark  string          `json:"mark"`
	At    int64           `json:"at"` // Unix milliseconds: when the read began
	Value json.RawMessage `json:"value"`
}

// NewMemory makes a cache in this process.
func NewMemory(m *metrics.Recorder, now func() time.Time) *Cache {
	return &Cache{kept: newMemory(), ttl: MemoryTTL, now: now, metrics: m}
}

// Off is the URL with which nothing is kept at all.
const Off = "none"

// For makes the cache that a URL names: before a shared one, in this process if it is
// empty, and nil if it is Off.
func For(url, table string, m *metrics.Recorder, now func() time.Time) (*Cache, error) {
	if url == Off {
		return nil, nil //nolint:nilnil // a nil Cache keeps nothing
	}
	shared, err := Open(url, table)
	if err != nil {
		return nil, err
	}
	if shared == nil {
		return NewMemory(m, now), nil
	}
	return New(shared, m, now), nil
}

// New makes a cache before a shared one.
func New(s *Shared, m *metrics.Recorder, now func() time.Time) *Cache {
	return &Cache{kept: s, ttl: SharedTTL, now: now, metrics: m}
}

// IsShared tells whether the cache is told of writes.
func (c *Cache) IsShared() bool {
	if c == nil {
		return false
	}
	_, shared := c.kept.(*Shared)
	return shared
}

// Load gives what is kept of a person under a name, if the caller has a use for it, and
// else reads it; hit tells which. Those who ask for the same at once wait for one read,
// in one process and, more or less, in several. Errors are those of read, and are not
// kept.
func Load[T any](
	ctx context.Context, c *Cache, person, name string, use func(T) bool, read func(context.Context) (T, error),
) (value T, hit bool, err error) {
	if c == nil {
		value, err = read(ctx)
		return value, false, err
	}
	asked := c.now()
	kept, mark, lookErr := c.look(ctx, person, name, asked)
	if kept != nil {
		if err := json.Unmarshal(kept.Value, &value); err == nil && use(value) {
			c.count(metrics.CacheHits)
			return value, true, nil
		}
	}
	usable := lookErr == nil
	if usable {
		c.count(metrics.CacheMisses)
	} else {
		c.count(metrics.CacheErrors)
	}

	// Who asks after a write has another mark, and joins no read from before it.
	flight := c.flights.DoChan(person+"\n"+name+"\n"+mark, func() (any, error) {
		reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return c.fill(reading, person, name, mark, usable && kept == nil, func() (any, error) { return read(reading) })
	})
	select {
	case <-ctx.Done():
		return value, false, fmt.Errorf("wait for a read: %w", ctx.Err())
	case done := <-flight:
		if done.Err != nil {
			return value, false, done.Err
		}
		filled, ok := done.Val.(*entry)
		if !ok || c.old(filled, asked) { // a read that has taken very long, for somebody else
			value, err = read(ctx)
			return value, false, err
		}
		var loaded T
		if err := json.Unmarshal(filled.Value, &loaded); err != nil {
			return value, false, fmt.Errorf("decode %s: %w", name, err)
		}
		return loaded, false, nil
	}
}

// look gives an entry that is good, nil if there is none, and the person's mark.
func (c *Cache) look(ctx context.Context, person, name string, now time.Time) (*entry, string, error) {
	raw, mark, err := c.kept.get(ctx, person, name)
	if err != nil || raw == nil {
		return nil, mark, err
	}
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil || e.Mark != mark || c.old(&e, now) {
		return nil, mark, nil //nolint:nilerr // what cannot be read is no entry
	}
	return &e, mark, nil
}

// old tells whether an entry is too old for who asked at a time.
func (c *Cache) old(e *entry, asked time.Time) bool {
	return asked.Sub(time.UnixMilli(e.At)) >= c.ttl
}

// fill reads what an entry is made of, and keeps it. The mark is that from before the
// read: where it has changed since, what was read may be from before the change, and
// nobody will take it.
func (c *Cache) fill(ctx context.Context, person, name, mark string, share bool, read func() (any, error)) (*entry, error) {
	if share {
		if e := c.await(ctx, person, name, mark); e != nil {
			return e, nil
		}
	}
	began := c.now()
	value, err := read()
	if err != nil {
		return nil, err
	}
	e, raw, err := encode(mark, began, name, value)
	if err != nil {
		return nil, err
	}
	if left := c.ttl - c.now().Sub(began); left > 0 {
		_ = c.kept.put(ctx, person, name, raw, left) // the breaker has told of it
	}
	return e, nil
}

// encode makes an entry of a value, as it is and as it is kept.
func encode(mark string, began time.Time, name string, value any) (e *entry, raw []byte, err error) {
	e = &entry{Mark: mark, At: began.UnixMilli()}
	if e.Value, err = json.Marshal(value); err == nil {
		raw, err = json.Marshal(e)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return e, raw, nil
}

// await waits a little for another process that reads the same; nil if there is none,
// or it takes long.
func (c *Cache) await(ctx context.Context, person, name, mark string) *entry {
	first, err := c.kept.claim(ctx, person, name, mark)
	for try := 0; err == nil && !first && try < waits; try++ {
		time.Sleep(wait)
		e, now, lookErr := c.look(ctx, person, name, c.now())
		if lookErr != nil || now != mark {
			return nil
		}
		if e != nil {
			return e
		}
	}
	return nil
}

func (c *Cache) count(m metrics.Metric[metrics.None]) {
	metrics.Record(c.metrics, metrics.None{}, m.Of(1))
}
