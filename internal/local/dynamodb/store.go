package dynamodb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"

	_ "modernc.org/sqlite" // the driver
)

// layout is the SQLite schema. Everything of one item is found by (table_id, key); see keys.go for the keys.
const layout = `
CREATE TABLE IF NOT EXISTS tables (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT NOT NULL UNIQUE,
	definition TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS items (
	table_id INTEGER NOT NULL,
	key      BLOB NOT NULL,
	size     INTEGER NOT NULL,
	expires  INTEGER,
	item     TEXT NOT NULL,
	PRIMARY KEY (table_id, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_expires ON items (table_id, expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS entries (
	table_id INTEGER NOT NULL,
	index_id INTEGER NOT NULL,
	key      BLOB NOT NULL,
	item_key BLOB NOT NULL,
	PRIMARY KEY (table_id, index_id, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
	token  TEXT PRIMARY KEY,
	digest BLOB NOT NULL,
	used   INTEGER NOT NULL
) WITHOUT ROWID;
`

// layoutVersion is kept in user_version; a file of a later version is refused rather than misread.
const layoutVersion = 1

// The statements of the hot path.
const (
	selectItem   = `SELECT item FROM items WHERE table_id = ? AND key = ?`
	replaceItem  = `REPLACE INTO items (table_id, key, size, expires, item) VALUES (?, ?, ?, ?, ?)`
	deleteItem   = `DELETE FROM items WHERE table_id = ? AND key = ?`
	replaceEntry = `REPLACE INTO entries (table_id, index_id, key, item_key) VALUES (?, ?, ?, ?)`
	deleteEntry  = `DELETE FROM entries WHERE table_id = ? AND index_id = ? AND key = ?`

	selectItems   = `SELECT key, item FROM items WHERE table_id = ? AND key >= ? AND key < ? ORDER BY key`
	selectEntries = `SELECT e.key, i.item FROM entries e CROSS JOIN items i ON i.table_id = e.table_id AND i.key = e.item_key
		WHERE e.table_id = ? AND e.index_id = ? AND e.key >= ? AND e.key < ? ORDER BY e.key`
	descending = ` DESC`
)

// durability is what makes an acknowledged write survive kill -9. In WAL mode with synchronous=NORMAL a commit
// has been handed to the operating system with write(2) before it is acknowledged; a killed process takes nothing of
// that with it. synchronous=FULL would add an fsync to each commit, which protects only against a crash of the
// operating system or a power cut, and even then NORMAL loses the last commits but never corrupts the file.
const durability = "&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000"

// readers is how many reads can run at once; more would only contend for the CPUs.
const readers = 4

// store keeps tables and items in one SQLite file. Reads go to a pool of read-only connections. All writes go
// through one goroutine, which puts those that wait into one SQLite transaction: conditional writes are then
// linearised without locks, and the cost of a commit is shared.
type store struct {
	readDB   *sql.DB
	writeDB  *sql.DB
	prepared map[string]*sql.Stmt // for reads
	writer   *sql.Conn
	writing  map[string]*sql.Stmt // for the writer's connection

	catalogue atomic.Pointer[catalogue]
	jobs      chan *job
	finished  chan struct{}
	closing   sync.RWMutex // held for reading while a job is handed over
	closed    bool
}

// catalogue is all tables by name.
type catalogue map[string]*table

var errClosed = errors.New("the DynamoDB store is closed")

func openStore(ctx context.Context, path string) (*store, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("locate %s: %w", path, err)
	}
	file := "file:" + (&url.URL{Path: absolute}).EscapedPath() + "?_dqs=0"
	st := &store{jobs: make(chan *job, batchLimit), finished: make(chan struct{})}
	if err := st.openWriter(ctx, file); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), st.closeFiles())
	}
	if err := st.openReaders(ctx, file); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s for reading: %w", path, err), st.closeFiles())
	}
	if err := st.loadCatalogue(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read the tables of %s: %w", path, err), st.closeFiles())
	}
	go st.run(context.WithoutCancel(ctx))
	return st, nil
}

func (st *store) openWriter(ctx context.Context, file string) error {
	var err error
	if st.writeDB, err = sql.Open("sqlite", file+durability); err != nil {
		return err
	}
	if st.writer, err = st.writeDB.Conn(ctx); err != nil {
		return err
	}
	var version int
	if err := st.writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > layoutVersion {
		return fmt.Errorf("the file has layout version %d, this program knows up to %d", version, layoutVersion)
	}
	if _, err := st.writer.ExecContext(ctx, layout+fmt.Sprintf("PRAGMA user_version = %d;", layoutVersion)); err != nil {
		return err
	}
	st.writing = map[string]*sql.Stmt{}
	for _, query := range []string{selectItem, replaceItem, deleteItem, replaceEntry, deleteEntry} {
		if st.writing[query], err = st.writer.PrepareContext(ctx, query); err != nil { //nolint:sqlclosecheck // closed with its connection
			return err
		}
	}
	return nil
}

func (st *store) openReaders(ctx context.Context, file string) error {
	var err error
	if st.readDB, err = sql.Open("sqlite", file+durability+"&_query_only=1"); err != nil {
		return err
	}
	st.readDB.SetMaxOpenConns(readers)
	st.readDB.SetMaxIdleConns(readers)
	st.prepared = map[string]*sql.Stmt{}
	for _, query := range []string{selectItem, selectItems, selectItems + descending, selectEntries, selectEntries + descending} {
		if st.prepared[query], err = st.readDB.PrepareContext(ctx, query); err != nil { //nolint:sqlclosecheck // closed with its pool
			return err
		}
	}
	return nil
}

func (st *store) loadCatalogue(ctx context.Context) error {
	tables := catalogue{}
	rows, err := st.readDB.QueryContext(ctx, "SELECT id, definition FROM tables")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // what can go wrong, rows.Err tells
	for rows.Next() {
		t := &table{}
		var definition []byte
		if err := rows.Scan(&t.ID, &definition); err != nil {
			return err
		}
		if err := json.Unmarshal(definition, t); err != nil { //nolint:musttag // see table.encode
			return err
		}
		tables[t.Name] = t
	}
	st.catalogue.Store(&tables)
	return rows.Err()
}

// close waits for the writes under way and closes the file.
func (st *store) close() error {
	st.closing.Lock()
	if st.closed {
		st.closing.Unlock()
		return nil
	}
	st.closed = true
	close(st.jobs)
	st.closing.Unlock()
	<-st.finished
	return st.closeFiles()
}

func (st *store) closeFiles() error {
	var errs []error
	if st.readDB != nil {
		errs = append(errs, st.readDB.Close())
	}
	if st.writer != nil {
		errs = append(errs, st.writer.Close())
	}
	if st.writeDB != nil {
		errs = append(errs, st.writeDB.Close())
	}
	return errors.Join(errs...)
}

// table is the definition of a table, or nil.
func (st *store) table(name string) *table { return (*st.catalogue.Load())[name] }

// item reads one item; nil when there is none.
func (st *store) item(ctx context.Context, t *table, key []byte) (item, error) {
	return readItem(ctx, st.prepared[selectItem], t, key)
}

func readItem(ctx context.Context, statement *sql.Stmt, t *table, key []byte) (item, error) {
	var text []byte
	err := statement.QueryRowContext(ctx, t.ID, key).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // an item that is not there is nil and no error
	}
	if err != nil {
		return nil, fmt.Errorf("read an item of %s: %w", t.Name, err)
	}
	return decodeItem(t, text)
}

func decodeItem(t *table, text []byte) (item, error) {
	r := reader{data: text}
	it, err := r.item()
	if err != nil {
		return nil, fmt.Errorf("decode an item of %s: %w", t.Name, err)
	}
	return it, nil
}

// items reads several items as of one moment; what is not there is nil.
func (st *store) items(ctx context.Context, tables []*table, keys [][]byte) ([]item, error) {
	tx, err := st.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("begin reading: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	statement := tx.StmtContext(ctx, st.prepared[selectItem])
	found := make([]item, len(keys))
	for i, key := range keys {
		if found[i], err = readItem(ctx, statement, tables[i], key); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// span is a range of keys, low inclusive and high exclusive, of a table or of one of its indexes.
type span struct {
	table     *table
	index     *index
	low, high []byte
	backward  bool
}

// scan calls each for the items of a span in order, until it answers false.
func (st *store) scan(ctx context.Context, sp span, each func(item) bool) error {
	query, args := selectItems, []any{sp.table.ID}
	if sp.index != nil {
		query, args = selectEntries, []any{sp.table.ID, sp.index.ID}
	}
	if sp.backward {
		query += descending
	}
	rows, err := st.prepared[query].QueryContext(ctx, append(args, sp.low, sp.high)...)
	if err != nil {
		return fmt.Errorf("read %s: %w", sp.table.Name, err)
	}
	defer func() { _ = rows.Close() }() // what can go wrong, rows.Err tells
	for rows.Next() {
		var key, text sql.RawBytes
		if err := rows.Scan(&key, &text); err != nil {
			return fmt.Errorf("read %s: %w", sp.table.Name, err)
		}
		it, err := decodeItem(sp.table, text)
		if err != nil {
			return err
		}
		if !each(it) {
			return nil
		}
	}
	return rows.Err()
}

// statistics is the number of items in a table, or in one of its indexes, and their size in bytes.
func (st *store) statistics(ctx context.Context, t *table, ix *index) (count, size int64, err error) {
	query, args := `SELECT count(*), coalesce(sum(size), 0) FROM items WHERE table_id = ?`, []any{t.ID}
	if ix != nil {
		query = `SELECT count(*), coalesce(sum(i.size), 0) FROM entries e CROSS JOIN items i
			ON i.table_id = e.table_id AND i.key = e.item_key WHERE e.table_id = ? AND e.index_id = ?`
		args = append(args, ix.ID)
	}
	err = st.readDB.QueryRowContext(ctx, query, args...).Scan(&count, &size)
	if err != nil {
		err = fmt.Errorf("count the items of %s: %w", t.Name, err)
	}
	return count, size, err
}

// expired is the keys of up to limit items of a table whose expiry time lies between two times.
func (st *store) expired(ctx context.Context, t *table, from, to int64, limit int) ([][]byte, error) {
	rows, err := st.readDB.QueryContext(ctx,
		`SELECT key FROM items WHERE table_id = ? AND expires > ? AND expires <= ? LIMIT ?`, t.ID, from, to, limit)
	if err != nil {
		return nil, fmt.Errorf("find expired items of %s: %w", t.Name, err)
	}
	defer func() { _ = rows.Close() }() // what can go wrong, rows.Err tells
	var keys [][]byte
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("find expired items of %s: %w", t.Name, err)
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}
