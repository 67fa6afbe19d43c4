package ses

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// Times are milliseconds since 1970. raw is the mail as it would go over the wire;
// subject, sender, text, html and attachments are read out of it once, so that lists
// need not touch it.
const schema = `
CREATE TABLE IF NOT EXISTS identities (
	identity TEXT PRIMARY KEY,
	kind     TEXT NOT NULL,
	token    TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS templates (
	name    TEXT PRIMARY KEY,
	subject TEXT NOT NULL,
	text    TEXT NOT NULL,
	html    TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS mails (
	seq           INTEGER PRIMARY KEY AUTOINCREMENT,
	id            TEXT NOT NULL UNIQUE,
	sent          INTEGER NOT NULL,
	action        TEXT NOT NULL,
	source        TEXT NOT NULL,
	return_path   TEXT NOT NULL,
	envelope      TEXT NOT NULL,
	labels        TEXT NOT NULL,
	sender        TEXT NOT NULL,
	subject       TEXT NOT NULL,
	text          TEXT NOT NULL,
	html          TEXT NOT NULL,
	attachments   TEXT NOT NULL,
	raw           BLOB NOT NULL,
	relay_state   TEXT NOT NULL,
	relay_error   TEXT NOT NULL DEFAULT '',
	relay_tries   INTEGER NOT NULL DEFAULT 0,
	relay_next    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS mails_by_sent ON mails (sent);
CREATE INDEX IF NOT EXISTS mails_to_relay ON mails (relay_next, seq) WHERE relay_state = 'pending';
CREATE TABLE IF NOT EXISTS recipients (
	address TEXT NOT NULL,
	seq     INTEGER NOT NULL,
	PRIMARY KEY (address, seq)
) STRICT, WITHOUT ROWID;
`

// pragmas: with a write-ahead log, a committed transaction is in the operating
// system's hands, so it outlives the process however that ends.
const pragmas = "_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(10000)&_txlock=immediate"

type store struct{ db *sql.DB }

func openStore(path string) (*store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: pragmas}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	if _, err := db.ExecContext(context.Background(), schema); err != nil {
		return nil, errors.Join(fmt.Errorf("create tables: %w", err), db.Close())
	}
	return &store{db}, nil
}

func (st *store) close() error { return st.db.Close() }

// envelope is who a mail goes to, by role. The roles show in the inbox; for the
// transport all are the same.
type envelope struct {
	To  []string `json:"to"`
	Cc  []string `json:"cc"`
	Bcc []string `json:"bcc"`
}

func (e envelope) all() []string {
	all := make([]string, 0, len(e.To)+len(e.Cc)+len(e.Bcc))
	return append(append(append(all, e.To...), e.Cc...), e.Bcc...)
}

// labels are the parameters of a send call that do not change the mail.
type labels struct {
	ConfigurationSet string            `json:"configuration_set,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
}

// relayStatus is how far the relaying of a mail has come.
type relayStatus struct {
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Error    string `json:"error,omitempty"`
}

// Relay states.
const (
	relayOff     = "off"     // the mail was sent while there was no SMTP URL
	relayPending = "pending" // still to be tried, or to be tried again
	relayDone    = "relayed"
	relayFailed  = "failed" // no further attempt
)

// attachment is a part of a mail that is neither its text nor its HTML.
type attachment struct {
	Filename    string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        int    `json:"size"` // bytes

	contentID string
	data      []byte
}

// storedMail is a row of the mails table without raw.
type storedMail struct {
	seq                int64
	id                 string
	sent               int64
	action             string
	source, returnPath string
	envelope           envelope
	labels             labels
	sender             string // the From header, or the source
	subject            string
	text, html         string
	attachments        []attachment
	relay              relayStatus
}

const mailColumns = `seq, id, sent, action, source, return_path, envelope, labels, sender, subject, text, html, attachments,
	relay_state, relay_tries, relay_error`

func scanMail(r interface{ Scan(dest ...any) error }) (*storedMail, error) {
	var m storedMail
	var env, lab, att string
	err := r.Scan(&m.seq, &m.id, &m.sent, &m.action, &m.source, &m.returnPath, &env, &lab, &m.sender, &m.subject, &m.text, &m.html, &att,
		&m.relay.State, &m.relay.Attempts, &m.relay.Error)
	if err != nil {
		return nil, err
	}
	err = errors.Join(json.Unmarshal([]byte(env), &m.envelope), json.Unmarshal([]byte(lab), &m.labels), json.Unmarshal([]byte(att), &m.attachments))
	if err != nil {
		return nil, fmt.Errorf("mail %s: %w", m.id, err)
	}
	return &m, nil
}

// addMail stores a mail and whom it is to. It is durable when addMail returns nil.
func (st *store) addMail(ctx context.Context, m *storedMail, raw []byte) error {
	var cols [3]string
	for i, v := range []any{m.envelope, m.labels, m.attachments} {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode %T: %w", v, err)
		}
		cols[i] = string(text)
	}
	return st.transact(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `
			INSERT INTO mails (id, sent, action, source, return_path, envelope, labels, sender, subject, text, html, attachments, raw, relay_state, relay_next)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			m.id, m.sent, m.action, m.source, m.returnPath, cols[0], cols[1], m.sender, m.subject, m.text, m.html, cols[2], raw, m.relay.State, m.sent)
		if err != nil {
			return fmt.Errorf("insert mail: %w", err)
		}
		if m.seq, err = res.LastInsertId(); err != nil {
			return err
		}
		for _, address := range m.envelope.all() {
			_, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO recipients (address, seq) VALUES (?, ?)`, bareAddress(address), m.seq)
			if err != nil {
				return fmt.Errorf("insert recipient: %w", err)
			}
		}
		return nil
	})
}

func (st *store) transact(ctx context.Context, run func(*sql.Tx) error) error {
	tx, err := st.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := run(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// mailQuery chooses mails for a list, newest first.
type mailQuery struct {
	to     string // only mails to this address
	source string // only mails from this address
	before string // only mails older than the one with this id
	limit  int
}

func (st *store) mails(ctx context.Context, q mailQuery) ([]*storedMail, error) {
	where, args := []string{"1"}, []any{}
	if q.to != "" {
		where, args = append(where, `seq IN (SELECT seq FROM recipients WHERE address = ?)`), append(args, bareAddress(q.to))
	}
	if q.source != "" {
		where, args = append(where, `source = ?`), append(args, q.source)
	}
	if q.before != "" {
		where, args = append(where, `seq < (SELECT seq FROM mails WHERE id = ?)`), append(args, q.before)
	}
	rows, err := st.db.QueryContext(ctx,
		`SELECT `+mailColumns+` FROM mails WHERE `+strings.Join(where, " AND ")+` ORDER BY seq DESC LIMIT ?`, append(args, q.limit)...) //nolint:gosec // constants only
	if err != nil {
		return nil, fmt.Errorf("list mails: %w", err)
	}
	defer func() { _ = rows.Close() }()
	all := []*storedMail{}
	for rows.Next() {
		m, err := scanMail(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, rows.Err()
}

// errNoMail is returned for an id that no mail has.
var errNoMail = errors.New("no such mail")

// mail gives a mail and its raw form.
func (st *store) mail(ctx context.Context, id string) (*storedMail, []byte, error) {
	m, err := scanMail(st.db.QueryRowContext(ctx, `SELECT `+mailColumns+` FROM mails WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, errNoMail
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read mail: %w", err)
	}
	var raw []byte
	if err := st.db.QueryRowContext(ctx, `SELECT raw FROM mails WHERE seq = ?`, m.seq).Scan(&raw); err != nil {
		return nil, nil, fmt.Errorf("read mail: %w", err)
	}
	return m, raw, nil
}

// deleteMails deletes one mail, or all of them if id is empty.
func (st *store) deleteMails(ctx context.Context, id string) error {
	return st.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM recipients WHERE ?1 = '' OR seq IN (SELECT seq FROM mails WHERE id = ?1)`, id)
		if err != nil {
			return fmt.Errorf("delete recipients: %w", err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM mails WHERE ?1 = '' OR id = ?1`, id); err != nil {
			return fmt.Errorf("delete mails: %w", err)
		}
		return nil
	})
}
