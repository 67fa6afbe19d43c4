package lambda

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pool holds one function's places and its workers without work. Whoever has a
// place may use a worker of the pool or start another, so that there are never
// more workers than places.
type pool struct {
	limit    int
	reserved bool            // a full pool throttles; otherwise one waits
	closing  <-chan struct{} // of the host

	mu      sync.Mutex
	taken   int
	waiting []chan struct{} // in the order of arrival
	idle    []*worker       // the one used last at the end
}

func newPool(limit int, reserved bool, closing <-chan struct{}) *pool {
	return &pool{limit: limit, reserved: reserved, closing: closing}
}

// enter takes a place. It returns [ErrThrottled], [ErrClosed] or the context's
// error if it gets none.
func (p *pool) enter(ctx context.Context) error {
	p.mu.Lock()
	if p.taken < p.limit {
		p.taken++
		p.mu.Unlock()
		return nil
	}
	if p.reserved {
		p.mu.Unlock()
		return ErrThrottled
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		p.giveUp(turn)
		return context.Cause(ctx)
	case <-p.closing:
		p.giveUp(turn)
		return ErrClosed
	}
}

// giveUp leaves the queue, or the place that was given in the same moment.
func (p *pool) giveUp(turn chan struct{}) {
	p.mu.Lock()
	i := slices.Index(p.waiting, turn)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 {
		p.leave()
	}
}

// leave gives the place to whoever waits longest.
func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.taken--
		return
	}
	close(p.waiting[0])
	p.waiting = slices.Delete(p.waiting, 0, 1)
}

// get takes the worker that was used last, which is the likeliest to be in the
// caches. It is nil if there is none.
func (p *pool) get() *worker {
	for {
		p.mu.Lock()
		if len(p.idle) == 0 {
			p.mu.Unlock()
			return nil
		}
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		p.mu.Unlock()

		w.idleTimer.Stop()
		switch {
		case w.isGone():
		case w.run.outdated():
			go w.end(context.Background())
		default:
			return w
		}
	}
}

// put gives a worker back, which ends if it is not used again for so long.
func (p *pool) put(w *worker, keep time.Duration) {
	if w.isGone() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
	w.idleTimer = time.AfterFunc(keep, func() { p.retire(w) })
}

// retire ends a worker if it still has nothing to do.
func (p *pool) retire(w *worker) {
	p.mu.Lock()
	i := slices.Index(p.idle, w)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		w.end(context.Background())
	}
}
