package sqs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// Times are milliseconds since 1970, but for a queue's own two timestamps, which
// SQS gives in seconds.
//
// A message's id orders it among those that are visible since the same instant.
// receipt is the handle's secret of the latest receive in the present queue, empty
// if there was none; a message with a receipt that is not visible is in flight, one
// without is delayed. receives counts over all queues; the redrive policy looks
// at receives-receives_before, the receives in the present queue. moved is when a
// message became a dead letter, 0 if it did not.
const schema = `
CREATE TABLE IF NOT EXISTS queues (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT NOT NULL UNIQUE,
	attributes TEXT NOT NULL,
	tags       TEXT NOT NULL,
	created    INTEGER NOT NULL,
	modified   INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS messages (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	queue_id        INTEGER NOT NULL,
	visible         INTEGER NOT NULL,
	sent            INTEGER NOT NULL,
	received        INTEGER NOT NULL DEFAULT 0,
	first_received  INTEGER NOT NULL DEFAULT 0,
	receives        INTEGER NOT NULL DEFAULT 0,
	receives_before INTEGER NOT NULL DEFAULT 0,
	receipt         TEXT NOT NULL DEFAULT '',
	source_arn      TEXT NOT NULL DEFAULT '',
	moved           INTEGER NOT NULL DEFAULT 0,
	message_id      TEXT NOT NULL,
	system          TEXT NOT NULL,
	attributes      TEXT NOT NULL,
	body            TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS messages_by_visible ON messages (queue_id, visible, id);
CREATE TABLE IF NOT EXISTS move_tasks (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	id          TEXT NOT NULL UNIQUE,
	source_id   INTEGER NOT NULL,
	source_arn  TEXT NOT NULL,
	destination TEXT NOT NULL,
	rate        INTEGER NOT NULL,
	status      TEXT NOT NULL,
	moved       INTEGER NOT NULL DEFAULT 0,
	to_move     INTEGER NOT NULL,
	started     INTEGER NOT NULL,
	failure     TEXT NOT NULL DEFAULT ''
) STRICT;
`

// pragmas: with a write-ahead log, a committed transaction is in the operating
// system's hands, so it outlives the process however that ends. synchronous=NORMAL
// leaves out the wait for the disk, which only a power failure would need.
const pragmas = "_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(10000)&_pragma=wal_autocheckpoint(4000)"

// maxGroup bounds how many operations share one transaction, and so how long the
// first of them waits for the last.
const maxGroup = 64

var errClosed = errors.New("the SQS server is closed")

// store is the SQLite file: one connection that writes, a few that read.
type store struct {
	writeDB, readDB *sql.DB
	conn            *sql.Conn
	stmts           map[string]*sql.Stmt // used by the writer only
	ring            func(queueID int64)

	mu     sync.RWMutex // held for reading while something is put into ops
	closed bool
	ops    chan *operation
	done   chan struct{}
}

// operation is one call's part of a transaction.
type operation struct {
	ctx context.Context
	run func(*txn) error
	// tx is what run was given; it remembers whom to wake.
	tx   txn
	err  error
	done chan struct{}
}

// txn runs statements in the writer's transaction.
type txn struct {
	st    *store
	rings []int64
}

func openStore(path string, ring func(int64)) (*store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", Path: abs, RawQuery: pragmas}).String()
	st := &store{
		stmts: make(map[string]*sql.Stmt),
		ring:  ring,
		ops:   make(chan *operation, maxGroup),
		done:  make(chan struct{}),
	}
	if st.writeDB, err = sql.Open("sqlite", dsn); err != nil {
		return nil, err
	}
	st.writeDB.SetMaxOpenConns(1)
	if st.readDB, err = sql.Open("sqlite", dsn); err != nil {
		return nil, errors.Join(err, st.writeDB.Close())
	}
	st.readDB.SetMaxOpenConns(4)
	if err := st.prepare(context.Background()); err != nil {
		return nil, errors.Join(err, st.readDB.Close(), st.writeDB.Close())
	}
	go st.write()
	return st, nil
}

func (st *store) prepare(ctx context.Context) error {
	var err error
	if st.conn, err = st.writeDB.Conn(ctx); err != nil {
		return err
	}
	if _, err = st.conn.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	return st.addColumn(ctx, "messages", "moved", "INTEGER NOT NULL DEFAULT 0")
}

// addColumn adds a column to the table of a file from before there was one.
func (st *store) addColumn(ctx context.Context, table, column, definition string) error {
	var there bool
	if err := st.conn.QueryRowContext(ctx, `SELECT count(*) > 0 FROM pragma_table_info(?) WHERE name = ?`, table, column).Scan(&there); err != nil {
		return fmt.Errorf("look at table %s: %w", table, err)
	}
	if there {
		return nil
	}
	if _, err := st.conn.ExecContext(ctx, `ALTER TABLE `+table+` ADD COLUMN `+column+` `+definition); err != nil {
		return fmt.Errorf("add column %s.%s: %w", table, column, err)
	}
	return nil
}

// close waits for the operations that were accepted, then closes the file.
func (st *store) close() error {
	st.mu.Lock()
	if st.closed {
		st.mu.Unlock()
		return nil
	}
	st.closed = true
	close(st.ops)
	st.mu.Unlock()
	<-st.done
	var errs []error
	for _, stmt := range st.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, st.conn.Close(), st.readDB.Close(), st.writeDB.Close())...)
}

// update runs an operation in the writer's next transaction and returns when that
// is committed.
//
// The operations of a transaction succeed or fail together where the database is
// concerned, so an operation that refuses with an apiError must do so before it
// writes anything. A context that ends before the operation's turn keeps it from
// running; once it runs, it runs to the end.
func (st *store) update(ctx context.Context, run func(*txn) error) error {
	op := &operation{ctx: ctx, run: run, done: make(chan struct{})}
	op.tx.st = st
	if err := st.enqueue(op); err != nil {
		return err
	}
	<-op.done
	return op.err
}

func (st *store) enqueue(op *operation) error {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.closed {
		return errClosed
	}
	select {
	case st.ops <- op:
		return nil
	case <-op.ctx.Done():
		return op.ctx.Err()
	}
}

// write is the writer: it takes what waits, runs it as one transaction, commits,
// and answers.
func (st *store) write() {
	defer close(st.done)
	for op := range st.ops {
		group := st.gather(op)
		err := st.transact(group)
		for _, op := range group {
			if err != nil {
				op.err = err
			}
			st.finish(op)
		}
	}
}

func (st *store) gather(first *operation) []*operation {
	group := []*operation{first}
	for len(group) < maxGroup {
		select {
		case op, ok := <-st.ops:
			if !ok {
				return group
			}
			group = append(group, op)
		default:
			return group
		}
	}
	return group
}

func (st *store) finish(op *operation) {
	if op.err == nil {
		for _, id := range op.tx.rings {
			st.ring(id)
		}
	}
	close(op.done)
}

// transact returns an error if the whole group failed; what one operation refuses
// stays in that operation.
func (st *store) transact(group []*operation) error {
	tx := &txn{st: st}
	if err := tx.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, op := range group {
		if op.err = op.ctx.Err(); op.err != nil {
			continue
		}
		op.err = op.run(&op.tx)
		if op.err != nil && !refused(op.err) {
			return errors.Join(op.err, tx.exec("ROLLBACK"))
		}
	}
	if err := tx.exec("COMMIT"); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), tx.exec("ROLLBACK"))
	}
	return nil
}

// ring wakes those who wait on the queue, once the transaction is committed.
func (tx *txn) ring(queueID int64) { tx.rings = append(tx.rings, queueID) }

// stmt gives the prepared statement for a query; queries are constants, so their
// number is bounded. Nothing here may be cancelled half-way, hence no context.
func (tx *txn) stmt(query string) (*sql.Stmt, error) {
	if stmt, ok := tx.st.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := tx.st.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	tx.st.stmts[query] = stmt
	return stmt, nil
}

func (tx *txn) exec(query string, args ...any) error {
	_, err := tx.execCount(query, args...)
	return err
}

// execCount says how many rows changed.
func (tx *txn) execCount(query string, args ...any) (int64, error) {
	stmt, err := tx.stmt(query) //nolint:sqlclosecheck // kept for the next time, closed with the store
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (tx *txn) queryRow(ctx context.Context, query string, args ...any) row {
	stmt, err := tx.stmt(query) //nolint:sqlclosecheck // kept for the next time, closed with the store
	if err != nil {
		return failedRow{err}
	}
	return stmt.QueryRowContext(context.WithoutCancel(ctx), args...)
}

func (tx *txn) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := tx.stmt(query) //nolint:sqlclosecheck // kept for the next time, closed with the store
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.WithoutCancel(ctx), args...)
}

// reader runs queries outside the writer: they see what was committed.
type reader struct{ db *sql.DB }

func (st *store) reader() reader { return reader{st.readDB} }

func (r reader) queryRow(ctx context.Context, query string, args ...any) row {
	return r.db.QueryRowContext(ctx, query, args...)
}

func (r reader) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return r.db.QueryContext(ctx, query, args...)
}

// querier is what the writer's transaction and a reader have in common.
type querier interface {
	queryRow(ctx context.Context, query string, args ...any) row
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

type row interface{ Scan(dest ...any) error }

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// collect reads every row of a query, and its errors.
func collect[T any](rows *sql.Rows, err error, scan func(row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		all = append(all, v)
	}
	return all, errors.Join(rows.Err(), rows.Close())
}
