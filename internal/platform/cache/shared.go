package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"

	"github.com/fotograma/fotograma/internal/platform/breaker"
)

const (
	// patience is how long one call of the cache may take: several times what it takes
	// in one data centre, and not much beside a read of the table.
	patience = 200 * time.Millisecond

	// strikes is how many calls fail in a row before the cache is left alone, and
	// rest for how long that is, until one call tries it again.
	strikes = 3
	rest    = 2 * time.Second

	// markTTL is how long a person's mark is kept: much longer than any entry.
	markTTL = time.Hour

	// claimTTL is how long who reads may take until somebody else may too.
	claimTTL = 250 * time.Millisecond

	// sharedBytes is how long an entry may be.
	sharedBytes = 256 << 10
)

// Shared is Redis or Valkey, which several processes share: those who read, and those
// who write and tell it to forget.
//
//	<table>:{<user>}:mark                  what an entry must carry to be good; random
//	<table>:{<user>}:<name>                an entry
//	<table>:{<user>}:claim:<mark>:<name>   somebody reads the row
//
// Who reads takes the mark before the row, and puts it into the entry. Who writes puts
// another mark in its place after the row. So an entry that was read before a write is
// not good after it, however late it is put there. Where the mark cannot be written,
// or is lost, the entry's own age ends it. With the new mark who writes may put an entry
// of what it wrote, if nobody has replaced the mark since before it read the row: see
// Write.
type Shared struct {
	redis   *redis.Client
	prefix  string
	breaker *gobreaker.CircuitBreaker[any]
}

// Open makes a client of the cache at a URL (redis:// or rediss://) for the rows of a
// table; it does not connect yet. An empty URL, or Off, gives nil, which forgets nothing.
func Open(url, table string) (*Shared, error) {
	if url == "" || url == Off {
		return nil, nil //nolint:nilnil // no cache is no error
	}
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("CACHE_URL must be redis://… or rediss://…") // the URL has a password
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patience, patience, patience, patience
	options.ContextTimeoutEnabled = true
	options.MaxRetries, options.DialerRetries = -1, 1
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	quieten()
	return &Shared{
		redis: redis.NewClient(options), prefix: table,
		breaker: breaker.New("cache", strikes, rest, "cache left alone: it fails or is slow", "cache used again"),
	}, nil
}

var quieten = sync.OnceFunc(func() { redis.SetLogger(silent{}) })

// silent keeps the client from logging each failure by itself.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// Forget makes all that is kept of a person no longer good: what was written about them
// is to be seen. Where the cache fails, what it has ends by itself within SharedTTL.
func (s *Shared) Forget(ctx context.Context, person string) {
	if s == nil {
		return
	}
	_, _ = s.call(ctx, func(ctx context.Context) (any, error) { // the breaker has told of it
		return nil, s.redis.Set(ctx, s.key(person, "mark"), rand.Text(), markTTL).Err()
	})
}

// Fresh is an entry for what a write has made: the value that a read by this name would
// give now. Without a name it is none.
type Fresh struct {
	Name  string
	Value any
}

// Write does a write of a person's rows, whose errors it gives, and has it seen: as
// Forget does, but if nobody else has written meanwhile, what the write made is kept at
// once, so that who asks next need not read it.
func (s *Shared) Write(ctx context.Context, person string, now func() time.Time, write func(context.Context) (Fresh, error)) error {
	if s == nil {
		_, err := write(ctx)
		return err
	}
	began := now()
	mark, markErr := s.mark(ctx, person)
	made, err := write(ctx)
	if err != nil || made.Name == "" || markErr != nil || !s.replace(ctx, person, mark, made, began, now) {
		s.Forget(ctx, person)
	}
	return err
}

// mark gives the mark that a person's entries have now.
func (s *Shared) mark(ctx context.Context, person string) (string, error) {
	found, err := s.call(ctx, func(ctx context.Context) (any, error) { return get(ctx, s.redis, s.key(person, "mark")) })
	mark, _ := found.(string)
	return mark, err
}

// get gives the value of a key, empty if there is none.
func get(ctx context.Context, from redis.Cmdable, key string) (string, error) {
	value, err := from.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return value, err
}

// replace puts another mark in the place of one, together with an entry that carries it,
// and tells whether that was done: not if another mark is there, since then somebody has
// written, and it is not known who was the last.
func (s *Shared) replace(ctx context.Context, person, mark string, made Fresh, began time.Time, now func() time.Time) bool {
	e, raw, err := encode(rand.Text(), began, made.Name, made.Value)
	left := SharedTTL - now().Sub(began)
	if err != nil || len(raw) > sharedBytes || left <= 0 {
		return false
	}
	key := s.key(person, "mark")
	done, err := s.call(ctx, func(ctx context.Context) (any, error) {
		err := s.redis.Watch(ctx, func(tx *redis.Tx) error {
			there, err := get(ctx, tx, key)
			if err != nil {
				return err
			}
			if there != mark {
				return redis.TxFailedErr
			}
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.Set(ctx, key, e.Mark, markTTL)
				p.Set(ctx, s.key(person, made.Name), raw, max(left, time.Millisecond))
				return nil
			})
			return err
		}, key)
		if errors.Is(err, redis.TxFailedErr) {
			return false, nil
		}
		return err == nil, err
	})
	replaced, _ := done.(bool)
	return err == nil && replaced
}

// Close ends the connections.
func (s *Shared) Close() error { return s.redis.Close() }

func (s *Shared) key(person, name string) string { return s.prefix + ":{" + person + "}:" + name }

// call does one call, unless the cache is left alone.
func (s *Shared) call(ctx context.Context, do func(context.Context) (any, error)) (any, error) {
	result, err := s.breaker.Execute(func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return do(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("use the cache: %w", err)
	}
	return result, nil
}

func (s *Shared) get(ctx context.Context, person, name string) (entry []byte, mark string, err error) {
	found, err := s.call(ctx, func(ctx context.Context) (any, error) {
		return s.redis.MGet(ctx, s.key(person, "mark"), s.key(person, name)).Result()
	})
	if err != nil {
		return nil, "", err
	}
	values, _ := found.([]any)
	if len(values) != 2 {
		return nil, "", nil
	}
	mark, _ = values[0].(string)
	if kept, ok := values[1].(string); ok {
		entry = []byte(kept)
	}
	return entry, mark, nil
}

func (s *Shared) put(ctx context.Context, person, name string, entry []byte, ttl time.Duration) error {
	if len(entry) > sharedBytes {
		return nil
	}
	_, err := s.call(ctx, func(ctx context.Context) (any, error) {
		return nil, s.redis.Set(ctx, s.key(person, name), entry, max(ttl, time.Millisecond)).Err()
	})
	return err
}

func (s *Shared) claim(ctx context.Context, person, name, mark string) (bool, error) {
	claimed, err := s.call(ctx, func(ctx context.Context) (any, error) {
		return s.redis.SetNX(ctx, s.key(person, "claim:"+mark+":"+name), 1, claimTTL).Result()
	})
	ok, _ := claimed.(bool)
	return ok, err
}
