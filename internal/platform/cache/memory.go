package cache

import (
	"context"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
)

const (
	// memoryEntries is how many entries one process keeps, and memoryBytes how long
	// one may be: 32 MB together at most.
	memoryEntries = 512
	memoryBytes   = 64 << 10

	// memoryKeep is how long an entry stays that nobody asks for; it is no longer good
	// before.
	memoryKeep = 10 * MemoryTTL
)

// memory is a store in this process.
type memory struct {
	entries *expirable.LRU[string, []byte]
}

func newMemory() *memory {
	return &memory{expirable.NewLRU[string, []byte](memoryEntries, nil, memoryKeep)}
}

func (m *memory) get(_ context.Context, person, name string) ([]byte, string, error) {
	kept, _ := m.entries.Get(person + "\n" + name)
	return kept, "", nil
}

func (m *memory) put(_ context.Context, person, name string, entry []byte, _ time.Duration) error {
	if len(entry) <= memoryBytes {
		m.entries.Add(person+"\n"+name, entry)
	}
	return nil
}

// claim always succeeds: those of one process wait for each other anyhow.
func (m *memory) claim(context.Context, string, string, string) (bool, error) { return true, nil }
