package sqs

import "sync"

// bells wakes those who wait for something to change in a queue.
type bells struct {
	mu      sync.Mutex
	waiting map[int64]chan struct{}
}

func newBells() *bells {
	return &bells{waiting: make(map[int64]chan struct{})}
}

// listen gives a channel that is closed at the next ring for the queue. Listen
// first, look then, wait last: a change between looking and waiting is not missed.
func (b *bells) listen(queueID int64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch, ok := b.waiting[queueID]
	if !ok {
		ch = make(chan struct{})
		b.waiting[queueID] = ch
	}
	return ch
}

func (b *bells) ring(queueID int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ch, ok := b.waiting[queueID]; ok {
		close(ch)
		delete(b.waiting, queueID)
	}
}
