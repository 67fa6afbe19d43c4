package secrets

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// Times are milliseconds since 1970; gone is when a deleted secret disappears, 0
// for one that is not deleted. A version has a text or a binary value. A stage
// (AWSCURRENT) is at one version of a secret at a time.
const schema = `
CREATE TABLE IF NOT EXISTS secrets (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	name        TEXT NOT NULL UNIQUE,
	arn         TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	kms_key_id  TEXT NOT NULL,
	tags        TEXT NOT NULL,
	created     INTEGER NOT NULL,
	changed     INTEGER NOT NULL,
	deleted     INTEGER NOT NULL DEFAULT 0,
	gone        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS versions (
	secret_id  INTEGER NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
	version_id TEXT NOT NULL,
	text       TEXT,
	binary     BLOB,
	created    INTEGER NOT NULL,
	PRIMARY KEY (secret_id, version_id)
) STRICT;
CREATE TABLE IF NOT EXISTS stages (
	secret_id  INTEGER NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
	stage      TEXT NOT NULL,
	version_id TEXT NOT NULL,
	PRIMARY KEY (secret_id, stage)
) STRICT;
`

// pragmas: every change is on the disk before it is answered; there are few.
const pragmas = "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)"

const ownerOnly = 0o600

type store struct{ db *sql.DB }

func openStore(ctx context.Context, path string) (*store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// SQLite gives its side files the mode of this one.
	f, err := os.OpenFile(abs, os.O_CREATE|os.O_RDWR, ownerOnly)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Chmod(ownerOnly), f.Close()); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: pragmas}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("create tables: %w", err), db.Close())
	}
	return &store{db: db}, nil
}

func (st *store) close() error { return st.db.Close() }

// in runs f in a transaction, which is rolled back if f fails. Secrets whose
// time has come are gone before f looks.
func (st *store) in(ctx context.Context, now int64, f func(*txn) error) error {
	tx, err := st.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &txn{ctx: ctx, tx: tx}
	err = t.exec(`DELETE FROM secrets WHERE gone > 0 AND gone <= ?`, now)
	if err == nil {
		err = f(t)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

type txn struct {
	ctx context.Context
	tx  *sql.Tx
}

func (t *txn) exec(query string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, query, args...)
	return err
}

type secret struct {
	id                  int64
	name, arn           string
	description, kmsKey string
	tags                []tag
	created, changed    int64
	deleted             int64
}

type version struct {
	id      string
	text    *string
	binary  []byte
	created int64
}

const columnsOfSecret = `id, name, arn, description, kms_key_id, tags, created, changed, deleted` //nolint:gosec // names of columns

type scanner interface{ Scan(into ...any) error }

func scanSecret(row scanner) (*secret, error) {
	s := &secret{}
	var tags string
	err := row.Scan(&s.id, &s.name, &s.arn, &s.description, &s.kmsKey, &tags, &s.created, &s.changed, &s.deleted)
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal([]byte(tags), &s.tags)
}

// find gives the secret with the name or ARN; errNoSecret if there is none.
func (t *txn) find(name, arn string) (*secret, error) {
	row := t.tx.QueryRowContext(t.ctx, `SELECT `+columnsOfSecret+` FROM secrets
		WHERE arn = ?2 OR name = ?1 ORDER BY arn = ?2 DESC LIMIT 1`, name, arn)
	s, err := scanSecret(row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoSecret()
	}
	return s, err
}

// list gives up to limit secrets in the order of their creation.
func (t *txn) list(after int64, descending, withDeleted bool, limit int) (out []*secret, err error) {
	query := `SELECT ` + columnsOfSecret + ` FROM secrets WHERE (deleted = 0 OR ?1) AND `
	if descending {
		query += `(id < ?2 OR ?2 = 0) ORDER BY id DESC LIMIT ?3`
	} else {
		query += `id > ?2 ORDER BY id LIMIT ?3`
	}
	rows, err := t.tx.QueryContext(t.ctx, query, withDeleted, after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		s, err := scanSecret(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// version gives one version of a secret, nil if there is none of this ID.
func (t *txn) version(s *secret, id string) (*version, error) {
	v := &version{id: id}
	err := t.tx.QueryRowContext(t.ctx, `SELECT text, binary, created FROM versions WHERE secret_id = ? AND version_id = ?`,
		s.id, id).Scan(&v.text, &v.binary, &v.created)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // not there is no error here
	}
	return v, err
}

// stages gives the version of every stage of a secret.
func (t *txn) stages(s *secret) (out map[string]string, err error) {
	rows, err := t.tx.QueryContext(t.ctx, `SELECT stage, version_id FROM stages WHERE secret_id = ?`, s.id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = map[string]string{}
	for rows.Next() {
		var stage, id string
		if err := rows.Scan(&stage, &id); err != nil {
			return nil, err
		}
		out[stage] = id
	}
	return out, rows.Err()
}

// move puts a stage at a version, wherever it was before.
func (t *txn) move(s *secret, stage, versionID string) error {
	return t.exec(`INSERT INTO stages (secret_id, stage, version_id) VALUES (?, ?, ?)
		ON CONFLICT (secret_id, stage) DO UPDATE SET version_id = excluded.version_id`, s.id, stage, versionID)
}
