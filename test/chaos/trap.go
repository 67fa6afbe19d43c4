package main

import (
	"net/http"
	"sync"
)

// trap kills a process of one function when that makes its n-th call, counted from
// when the trap is set.
type trap struct {
	function string
	n        int  // counted from 1; 0 to count only
	after    bool // the call has been carried out, and its answer is lost

	mu     sync.Mutex
	calls  []string // so far
	sprung chan struct{}
}

func newTrap(function string, n int, after bool) *trap {
	return &trap{function: function, n: n, after: after, sprung: make(chan struct{})}
}

// rule is the layer's rule.
func (t *trap) rule(c call) answer {
	victim := c.conn.caller()
	if victim.function != t.function {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, c.service+" "+c.operation)
	if len(t.calls) != t.n {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if t.after {
			next.ServeHTTP(&nobody{header: http.Header{}}, r)
		}
		if victim.kill() == nil {
			close(t.sprung)
		}
		hangUp(w)
	}
}

// seen gives the calls so far.
func (t *trap) seen() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.calls...)
}
