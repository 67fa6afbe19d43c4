// Package dynamodb is a DynamoDB for one machine: the DynamoDB JSON 1.0 protocol over one SQLite file, for unmodified
// AWS SDKs, awscli and boto3.
//
// It has the table calls, all item calls with their expressions, transactions, local and global secondary indexes and
// time to live. Every write is in the file before it is acknowledged, and an index is never behind its table: all reads
// are as consistent as strongly consistent ones. Signatures are not checked and nothing is throttled. What it does
// not support (streams, backups, global tables, PartiQL, and the parameters that expressions have replaced) it refuses.
//
// How it is made, from the outside in: protocol.go reads and writes HTTP; *_calls.go are the calls; expressions are
// in lexer.go, parser.go, condition.go, update.go and projection.go; value.go, number.go and avjson.go are the data
// types; table.go and keys.go say how items become keys; store.go and writer.go keep them in SQLite.
package dynamodb

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Options of a Server. The zero value is usable.
type Options struct {
	Region    string           // in ARNs; default us-east-1
	AccountID string           // in ARNs; default 000000000000
	Now       func() time.Time // default time.Now
	NewID     func() string    // makes table and request IDs; default random UUIDs
	Logger    *slog.Logger     // told about internal errors; default slog.Default()
}

func (o Options) withDefaults() Options {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.AccountID == "" {
		o.AccountID = "000000000000"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = newUUID
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Server is a DynamoDB endpoint. It is safe for concurrent use.
type Server struct {
	options Options
	store   *store
	calls   map[string]call
}

var _ http.Handler = (*Server)(nil)

// Open opens the SQLite file at path, which it makes if there is none; its folder must exist.
// A file must be open in one Server only.
func Open(path string, opts Options) (*Server, error) {
	st, err := openStore(context.Background(), path)
	if err != nil {
		return nil, fmt.Errorf("open the DynamoDB store: %w", err)
	}
	s := &Server{options: opts.withDefaults(), store: st}
	s.calls = s.callTable()
	return s, nil
}

// Close waits for the writes under way and closes the file. Calls after that fail with an internal error.
func (s *Server) Close() error {
	if err := s.store.close(); err != nil {
		return fmt.Errorf("close the DynamoDB store: %w", err)
	}
	return nil
}

// sweepBatch is how many expired items one write deletes, so that other writes get their turn.
const sweepBatch = 100

// Sweep deletes the items whose time to live has passed, in all tables that have TTL enabled, and says how many.
// The owner of the server calls it from time to time; the real service takes up to two days.
func (s *Server) Sweep(ctx context.Context) (int, error) {
	deleted := 0
	for _, t := range *s.store.catalogue.Load() {
		if t.TTLAttribute == "" {
			continue
		}
		n, err := s.sweepTable(ctx, t)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("sweep table %s: %w", t.Name, err)
		}
	}
	return deleted, nil
}

func (s *Server) sweepTable(ctx context.Context, t *table) (int, error) {
	now := s.options.Now()
	from, to := now.Add(-ttlHorizon).Unix(), now.Unix()
	deleted := 0
	for {
		keys, err := s.store.expired(ctx, t, from, to, sweepBatch)
		if err != nil || len(keys) == 0 {
			return deleted, err
		}
		n := 0
		err = s.store.write(func(tx *transaction) error {
			n, err = tx.deleteExpired(t.Name, keys, from, to)
			return err
		})
		deleted += n
		if err != nil || n == 0 {
			return deleted, err
		}
	}
}

// deleteExpired deletes those of the items that are still there and still expired.
func (tx *transaction) deleteExpired(tableName string, keys [][]byte, from, to int64) (int, error) {
	t := tx.table(tableName)
	if t == nil {
		return 0, nil
	}
	n := 0
	for _, key := range keys {
		old, err := tx.item(t, key)
		if err != nil {
			return 0, err
		}
		at, expires := t.expires(old).(int64)
		if !expires || at <= from || at > to {
			continue
		}
		tx.queue(mutation{table: t, key: key, old: old})
		n++
	}
	return n, nil
}
