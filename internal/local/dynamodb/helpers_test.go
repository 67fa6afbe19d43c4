package dynamodb

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a time that only moves when told.
type clock struct{ seconds atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.seconds.Load(), 0).UTC() }
func (c *clock) advance(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }

func newClock() *clock {
	c := &clock{}
	c.seconds.Store(1_760_000_000)
	return c
}

func newTestServer(t testing.TB) *Server {
	return openTestServer(t, filepath.Join(t.TempDir(), "db"), newClock())
}

func openTestServer(t testing.TB, path string, c *clock) *Server {
	t.Helper()
	s, err := Open(path, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}
