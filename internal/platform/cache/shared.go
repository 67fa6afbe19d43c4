package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"
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
// or is lost, the entry's own age ends it.
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
		breaker: gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
			Name: "cache", Timeout: rest,
			ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= strikes },
			OnStateChange: tell,
		}),
	}, nil
}

// tell logs when the cache goes and when it comes back, once each.
func tell(_ string, from, to gobreaker.State) {
	switch {
	case from == gobreaker.StateClosed:
		slog.Warn("cache left alone: it fails or is slow")
	case to == gobreaker.StateClosed:
		slog.Info("cache used again")
	}
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
