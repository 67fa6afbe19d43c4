package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// pending remembers the uploads that have begun, so that the same command goes on
// with them: of each its Idempotency-Key, with which the API gives the same video.
type pending struct {
	dir   string
	owner string // whose uploads these are
}

// keptFor is how long the API remembers a key, with a little less for the way.
const keptFor = 23 * time.Hour

// begun is an upload that has begun.
type begun struct {
	Key  string    `json:"idempotency_key"`
	At   time.Time `json:"at"`
	path string    // where this is kept
	// again tells that it began in another process.
	again bool
}

func (a *app) pending() (*pending, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	owner := os.Getenv("FOTOGRAMA_API_KEY")
	if owner == "" {
		all, err := store.read()
		if err != nil {
			return nil, err
		}
		owner = all[a.server].Email
	}
	p := &pending{dir: filepath.Join(store.dir, "uploads"), owner: a.server + "\n" + owner}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", p.dir, err)
	}
	return p, p.sweep()
}

// sweep forgets what the API has forgotten.
func (p *pending) sweep() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", p.dir, err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > keptFor {
			_ = os.Remove(filepath.Join(p.dir, entry.Name())) // another process may have done so
		}
	}
	return nil
}

// begin recalls the upload of a file with its options, or begins to remember it.
func (p *pending) begin(path string, info fs.FileInfo, extraction string) (begun, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return begun{}, fmt.Errorf("find %s: %w", path, err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%s\n%s", p.owner, absolute, info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano), extraction))
	b := begun{path: filepath.Join(p.dir, hex.EncodeToString(sum[:])+".json")}
	raw, err := os.ReadFile(b.path)
	if err == nil && json.Unmarshal(raw, &b) == nil && time.Since(b.At) < keptFor {
		b.again = true
		return b, nil
	}
	return p.renew(b)
}

// renew remembers an upload under a new key.
func (p *pending) renew(b begun) (begun, error) {
	b = begun{Key: rand.Text(), At: time.Now().UTC(), path: b.path}
	raw, err := json.Marshal(b)
	if err != nil {
		return b, fmt.Errorf("remember the upload: %w", err)
	}
	return b, writePrivate(b.path, raw)
}

// end forgets an upload: the same command again makes another video.
func (p *pending) end(b begun) error {
	if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget the upload: %w", err)
	}
	return nil
}
