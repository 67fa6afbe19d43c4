package s3

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	// The pure Go SQLite driver, registered as "sqlite".
	_ "modernc.org/sqlite"
)

// schema is the state beside the objects. Table events uses AUTOINCREMENT
// because its ids become sequencers, which must grow even after rows are gone.
const schema = `
CREATE TABLE IF NOT EXISTS settings (
	bucket   TEXT NOT NULL,
	name     TEXT NOT NULL,
	document BLOB NOT NULL,
	PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	intent BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	queue  TEXT NOT NULL,
	record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_queue ON events (queue, id);
PRAGMA user_version = 1; -- a write, without which the file is not locked
`

// store keeps bucket settings and the event outbox in one SQLite file.
type store struct {
	db *sql.DB
}

// openStore opens or creates the file. It locks it: a second process on the
// same data directory fails here instead of corrupting the first one's uploads.
func openStore(ctx context.Context, path string) (*store, error) {
	// In WAL mode synchronous=NORMAL writes every commit to the operating
	// system but does not wait for the disk, which is the durability the
	// objects themselves have.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=locking_mode(EXCLUSIVE)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s (is another process using it?): %w", path, err), db.Close())
	}
	return &store{db: db}, nil
}

func (s *store) close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close state: %w", err)
	}
	return nil
}

// putSetting stores a bucket's document under a name, replacing an older one.
func (s *store) putSetting(ctx context.Context, bucket, name string, document []byte) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO settings (bucket, name, document) VALUES (?, ?, ?)
		ON CONFLICT (bucket, name) DO UPDATE SET document = excluded.document`, bucket, name, document)
	if err != nil {
		return fmt.Errorf("store %s of bucket %s: %w", name, bucket, err)
	}
	return nil
}

// setting returns a bucket's document, or nil if it has none of that name.
func (s *store) setting(ctx context.Context, bucket, name string) ([]byte, error) {
	var document []byte
	err := s.db.QueryRowContext(ctx, `SELECT document FROM settings WHERE bucket = ? AND name = ?`, bucket, name).Scan(&document)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of bucket %s: %w", name, bucket, err)
	}
	return document, nil
}

// bucketDocument is one bucket's document of some setting.
type bucketDocument struct {
	bucket   string
	document []byte
}

// settingsNamed returns every bucket's document of one name.
func (s *store) settingsNamed(ctx context.Context, name string) ([]bucketDocument, error) {
	return query(ctx, s.db, func(rows *sql.Rows, d *bucketDocument) error { return rows.Scan(&d.bucket, &d.document) },
		`SELECT bucket, document FROM settings WHERE name = ? ORDER BY bucket`, name)
}

func (s *store) deleteSetting(ctx context.Context, bucket, name string) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM settings WHERE bucket = ? AND name = ?`, bucket, name); err != nil {
		return fmt.Errorf("delete %s of bucket %s: %w", name, bucket, err)
	}
	return nil
}

func (s *store) deleteBucketSettings(ctx context.Context, bucket string) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM settings WHERE bucket = ?`, bucket); err != nil {
		return fmt.Errorf("delete settings of bucket %s: %w", bucket, err)
	}
	return nil
}

// settingsBuckets returns the names of the buckets that have settings.
func (s *store) settingsBuckets(ctx context.Context) ([]string, error) {
	return query(ctx, s.db, scanString, `SELECT DISTINCT bucket FROM settings`)
}

// stored is a row of intents or events.
type stored struct {
	id       int64
	document []byte
}

// addIntents writes all the documents or none and returns their ids in order.
func (s *store) addIntents(ctx context.Context, documents [][]byte) (ids []int64, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("record intents: %w", err)
	}
	defer func() { err = rollbackUnlessDone(tx, err) }()
	for _, document := range documents {
		var id int64
		if err := tx.QueryRowContext(ctx, `INSERT INTO intents (intent) VALUES (?) RETURNING id`, document).Scan(&id); err != nil {
			return nil, fmt.Errorf("record intent: %w", err)
		}
		ids = append(ids, id)
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("record intents: %w", err)
	}
	return ids, nil
}

// queuedRecord is an event on its way to one queue.
type queuedRecord struct {
	queue  string
	record []byte
}

// settleIntent replaces an intent by the events it led to, which may be none.
func (s *store) settleIntent(ctx context.Context, id int64, events []queuedRecord) (err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("settle intent: %w", err)
	}
	defer func() { err = rollbackUnlessDone(tx, err) }()
	if _, err := tx.ExecContext(ctx, `DELETE FROM intents WHERE id = ?`, id); err != nil {
		return fmt.Errorf("settle intent: %w", err)
	}
	for _, event := range events {
		if _, err := tx.ExecContext(ctx, `INSERT INTO events (queue, record) VALUES (?, ?)`, event.queue, event.record); err != nil {
			return fmt.Errorf("queue event: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("settle intent: %w", err)
	}
	return nil
}

func rollbackUnlessDone(tx *sql.Tx, err error) error {
	if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
		return errors.Join(err, rollback)
	}
	return err
}

// intents returns all intents, oldest first.
func (s *store) intents(ctx context.Context) ([]stored, error) {
	return query(ctx, s.db, scanStored, `SELECT id, intent FROM intents ORDER BY id`)
}

// queuesWaiting returns the queues that events wait for.
func (s *store) queuesWaiting(ctx context.Context) ([]string, error) {
	return query(ctx, s.db, scanString, `SELECT DISTINCT queue FROM events`)
}

// eventsFor returns up to limit events waiting for a queue, oldest first.
func (s *store) eventsFor(ctx context.Context, queue string, limit int) ([]stored, error) {
	return query(ctx, s.db, scanStored, `SELECT id, record FROM events WHERE queue = ? ORDER BY id LIMIT ?`, queue, limit)
}

func (s *store) deleteEvent(ctx context.Context, id int64) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM events WHERE id = ?`, id); err != nil {
		return fmt.Errorf("delete delivered event: %w", err)
	}
	return nil
}

func scanStored(rows *sql.Rows, row *stored) error { return rows.Scan(&row.id, &row.document) }

func scanString(rows *sql.Rows, text *string) error { return rows.Scan(text) }

// query collects all rows of a statement.
func query[T any](ctx context.Context, db *sql.DB, scan func(*sql.Rows, *T) error, statement string, args ...any) (_ []T, err error) {
	rows, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var found []T
	for rows.Next() {
		var row T
		if err := scan(rows, &row); err != nil {
			return nil, fmt.Errorf("read state: %w", err)
		}
		found = append(found, row)
	}
	return found, rows.Err()
}
