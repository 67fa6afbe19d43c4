package dynamodb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// batchLimit is how many writes share a SQLite transaction at most.
const batchLimit = 256

// job is a write on its way through the writer.
type job struct {
	decide func(*transaction) error // reads and queues mutations
	alter  func(*alteration) error  // or changes tables, in a transaction of its own
	err    error
	done   chan struct{}
}

// write lets decide look at items and queue mutations of them, atomically: nothing else is written between what it
// reads and what it queues, and all or nothing of that is stored. It returns once the writes are durable
// (see durability). An error of decide is returned, and then nothing is written.
func (st *store) write(decide func(*transaction) error) error {
	return st.submit(&job{decide: decide, done: make(chan struct{})})
}

// alter changes table definitions, atomically and alone. A change that is refused, by an apiError, must be refused
// before it changes anything.
func (st *store) alter(change func(*alteration) error) error {
	return st.submit(&job{alter: change, done: make(chan struct{})})
}

func (st *store) submit(j *job) error {
	st.closing.RLock()
	if st.closed {
		st.closing.RUnlock()
		return errClosed
	}
	st.jobs <- j
	st.closing.RUnlock()
	<-j.done
	return j.err
}

// run is the writer: it ends when jobs is closed and empty.
func (st *store) run(ctx context.Context) {
	defer close(st.finished)
	for next := range st.jobs {
		for next != nil {
			var batch []*job
			batch, next = st.collect(next)
			if err := st.process(ctx, batch); err != nil {
				for _, j := range batch {
					j.err = err
				}
			}
			for _, j := range batch {
				close(j.done)
			}
		}
	}
}

// collect takes the jobs that wait, without waiting for more. A job that alters tables is a batch by itself:
// the jobs before it must not see its tables, those after it must. next is the job that did not fit.
func (st *store) collect(first *job) (batch []*job, next *job) {
	batch = []*job{first}
	for first.alter == nil && len(batch) < batchLimit {
		select {
		case j, open := <-st.jobs:
			if !open {
				return batch, nil
			}
			if j.alter != nil {
				return batch, j
			}
			batch = append(batch, j)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// process does a batch in one SQLite transaction. Its error is one of SQLite, which undoes the whole batch.
func (st *store) process(ctx context.Context, batch []*job) (err error) {
	if _, err := st.writer.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin writing: %w", err)
	}
	tables := maps.Clone(*st.catalogue.Load())
	if err = st.runAll(ctx, batch, tables); err == nil {
		_, err = st.writer.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, rollback := st.writer.ExecContext(ctx, "ROLLBACK")
		return errors.Join(fmt.Errorf("write: %w", err), rollback)
	}
	if batch[0].alter != nil {
		st.catalogue.Store(&tables)
	}
	return nil
}

// runAll runs a batch's jobs. A panic is an error, as it is in an HTTP handler: it must not end the whole stack.
func (st *store) runAll(ctx context.Context, batch []*job, tables catalogue) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	for _, j := range batch {
		if j.alter != nil {
			err = st.runAlteration(ctx, j, tables)
		} else {
			err = st.runDecision(ctx, j)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (st *store) runDecision(ctx context.Context, j *job) error {
	tx := transaction{ctx: ctx, store: st}
	if j.err = j.decide(&tx); j.err != nil {
		return nil //nolint:nilerr // that job's own affair: it has written nothing
	}
	for _, apply := range tx.queued {
		if err := apply(); err != nil {
			return err
		}
	}
	return nil
}

func (st *store) runAlteration(ctx context.Context, j *job, tables catalogue) error {
	j.err = j.alter(&alteration{ctx: ctx, conn: st.writer, tables: tables})
	if refused := (*apiError)(nil); errors.As(j.err, &refused) {
		return nil // that job's own affair: it has changed nothing
	}
	return j.err
}

// transaction is what a write sees: the items as of all writes before it. Its own writes are only queued.
type transaction struct {
	ctx    context.Context //nolint:containedctx // the writer's own, not a request's
	store  *store
	queued []func() error
}

func (tx *transaction) table(name string) *table { return tx.store.table(name) }

func (tx *transaction) item(t *table, key []byte) (item, error) {
	return readItem(tx.ctx, tx.store.writing[selectItem], t, key)
}

// queue adds a mutation to what is stored when the decision ends without error.
func (tx *transaction) queue(m mutation) {
	tx.queued = append(tx.queued, func() error { return tx.store.apply(tx.ctx, m) })
}

// token is the digest stored with an idempotency token since a time, or nil.
func (tx *transaction) token(token string, since time.Time) ([]byte, error) {
	var digest []byte
	err := tx.store.writer.QueryRowContext(tx.ctx, `SELECT digest FROM tokens WHERE token = ? AND used >= ?`, token, since.Unix()).Scan(&digest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read an idempotency token: %w", err)
	}
	return digest, nil
}

// queueToken remembers an idempotency token together with the transaction's mutations, and forgets old ones.
func (tx *transaction) queueToken(token string, digest []byte, now, expired time.Time) {
	tx.queued = append(tx.queued, func() error {
		if _, err := tx.store.writer.ExecContext(tx.ctx, `DELETE FROM tokens WHERE used < ?`, expired.Unix()); err != nil {
			return err
		}
		_, err := tx.store.writer.ExecContext(tx.ctx, `REPLACE INTO tokens (token, digest, used) VALUES (?, ?, ?)`, token, digest, now.Unix())
		return err
	})
}

// apply stores a mutation and keeps the indexes in step.
func (st *store) apply(ctx context.Context, m mutation) error {
	if err := st.applyItem(ctx, m); err != nil {
		return fmt.Errorf("store an item of %s: %w", m.table.Name, err)
	}
	for _, c := range m.entryChanges() {
		if c.old != nil {
			if _, err := st.writing[deleteEntry].ExecContext(ctx, m.table.ID, c.index.ID, c.old); err != nil {
				return fmt.Errorf("delete from index %s: %w", c.index.Name, err)
			}
		}
		if c.new != nil {
			if _, err := st.writing[replaceEntry].ExecContext(ctx, m.table.ID, c.index.ID, c.new, m.key); err != nil {
				return fmt.Errorf("store in index %s: %w", c.index.Name, err)
			}
		}
	}
	return nil
}

func (st *store) applyItem(ctx context.Context, m mutation) error {
	if m.new == nil {
		_, err := st.writing[deleteItem].ExecContext(ctx, m.table.ID, m.key)
		return err
	}
	_, err := st.writing[replaceItem].ExecContext(ctx, m.table.ID, m.key, m.new.size(), m.table.expires(m.new), string(m.new.appendJSON(nil)))
	return err
}

// alteration is a change of table definitions under way. tables is the catalogue as it will be.
type alteration struct {
	ctx    context.Context //nolint:containedctx // the writer's own, not a request's
	conn   *sql.Conn
	tables catalogue
}

func (a *alteration) exec(query string, args ...any) error {
	if _, err := a.conn.ExecContext(a.ctx, query, args...); err != nil {
		return fmt.Errorf("alter a table: %w", err)
	}
	return nil
}

// create adds a table and gives it its ID.
func (a *alteration) create(t *table) error {
	definition, err := t.encode()
	if err != nil {
		return err
	}
	result, err := a.conn.ExecContext(a.ctx, `INSERT INTO tables (name, definition) VALUES (?, ?)`, t.Name, definition)
	if err != nil {
		return fmt.Errorf("create table %s: %w", t.Name, err)
	}
	if t.ID, err = result.LastInsertId(); err != nil {
		return fmt.Errorf("create table %s: %w", t.Name, err)
	}
	a.tables[t.Name] = t
	return nil
}

// replace stores a changed definition.
func (a *alteration) replace(t *table) error {
	definition, err := t.encode()
	if err != nil {
		return err
	}
	a.tables[t.Name] = t
	return a.exec(`UPDATE tables SET definition = ? WHERE id = ?`, definition, t.ID)
}

// drop deletes a table with its items.
func (a *alteration) drop(t *table) error {
	delete(a.tables, t.Name)
	for _, query := range []string{
		`DELETE FROM tables WHERE id = ?`, `DELETE FROM items WHERE table_id = ?`, `DELETE FROM entries WHERE table_id = ?`,
	} {
		if err := a.exec(query, t.ID); err != nil {
			return err
		}
	}
	return nil
}

// dropIndex deletes an index's entries.
func (a *alteration) dropIndex(t *table, ix *index) error {
	return a.exec(`DELETE FROM entries WHERE table_id = ? AND index_id = ?`, t.ID, ix.ID)
}

// fillIndex makes the entries of a new index.
func (a *alteration) fillIndex(t *table, ix *index) error {
	return a.each(t, func(key []byte, it item) error {
		entry := t.entryKey(ix, it, key)
		if entry == nil {
			return nil
		}
		return a.exec(replaceEntry, t.ID, ix.ID, entry, key)
	})
}

// refreshExpiry computes the expiry times anew after the TTL attribute has changed.
func (a *alteration) refreshExpiry(t *table) error {
	return a.each(t, func(key []byte, it item) error {
		return a.exec(`UPDATE items SET expires = ? WHERE table_id = ? AND key = ?`, t.expires(it), t.ID, key)
	})
}

// each calls do for all items of a table, some at a time, so that do can write to the table.
func (a *alteration) each(t *table, do func(key []byte, it item) error) error {
	const some = 500
	low := []byte{}
	for {
		keys, items, err := a.some(t, low, some)
		if err != nil {
			return fmt.Errorf("read table %s: %w", t.Name, err)
		}
		for i, key := range keys {
			if err := do(key, items[i]); err != nil {
				return err
			}
		}
		if len(keys) < some {
			return nil
		}
		low = append(slices.Clone(keys[len(keys)-1]), 0)
	}
}

func (a *alteration) some(t *table, low []byte, limit int) (keys [][]byte, items []item, err error) {
	rows, err := a.conn.QueryContext(a.ctx, selectItems+" LIMIT ?", t.ID, low, maxKey, limit)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }() // what can go wrong, rows.Err tells
	for rows.Next() {
		var key, text []byte
		if err := rows.Scan(&key, &text); err != nil {
			return nil, nil, err
		}
		it, err := decodeItem(t, text)
		if err != nil {
			return nil, nil, err
		}
		keys, items = append(keys, key), append(items, it)
	}
	return keys, items, rows.Err()
}
