package ses

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
)

const (
	// maxRelayAttempts bounds the tries at one mail. With the default waiting time
	// the last one comes two and a half minutes after the first.
	maxRelayAttempts = 6
	relayTimeout     = 30 * time.Second
)

// smtpTarget is where mail is relayed to.
type smtpTarget struct {
	host     string
	port     int
	tls      bool // from the start
	user     string
	password string
}

// parseSMTPURL reads Options.SMTPURL. Its errors do not repeat the password.
func parseSMTPURL(text string) (*smtpTarget, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("SMTP URL: not a URL; want smtp://user:password@host:port or smtps://…")
	}
	if u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" {
		return nil, fmt.Errorf("SMTP URL %s: want smtp://user:password@host:port or smtps://…", u.Redacted())
	}
	t := &smtpTarget{host: u.Hostname(), tls: u.Scheme == "smtps"}
	if u.User != nil {
		t.user = u.User.Username()
		t.password, _ = u.User.Password()
	}
	if t.port, err = t.portOf(u.Port()); err != nil {
		return nil, fmt.Errorf("SMTP URL %s: %w", u.Redacted(), err)
	}
	return t, nil
}

func (t *smtpTarget) portOf(text string) (int, error) {
	switch {
	case text != "":
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > 65535 {
			return 0, fmt.Errorf("port %s is out of range", text)
		}
		return port, nil
	case t.tls:
		return 465, nil
	case t.user != "":
		return 587, nil
	}
	return 25, nil
}

// local says whether the target is this machine, where nothing can listen in.
func (t *smtpTarget) local() bool {
	ip := net.ParseIP(t.host)
	return t.host == "localhost" || ip != nil && ip.IsLoopback()
}

// client speaks TLS to everything but this machine as soon as there is a password.
func (t *smtpTarget) client() (*gomail.Client, error) {
	opts := []gomail.Option{gomail.WithPort(t.port), gomail.WithTimeout(relayTimeout)}
	switch {
	case t.tls:
		opts = append(opts, gomail.WithSSL())
	case t.local():
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	case t.user != "":
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	default:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	}
	if t.user != "" {
		opts = append(opts, gomail.WithUsername(t.user), gomail.WithPassword(t.password), t.authentication())
	}
	return gomail.NewClient(t.host, opts...)
}

func (t *smtpTarget) authentication() gomail.Option {
	if t.local() && !t.tls {
		return gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthCramMD5,
			gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc)
	}
	return gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover)
}

// relay sends stored mails on, one after the other, in the background. A mail that
// the server took just before the process died is sent again: at least once.
type relay struct {
	store  *store
	target *smtpTarget
	now    func() time.Time
	retry  time.Duration
	log    *slog.Logger

	life    context.Context
	end     context.CancelFunc
	ended   sync.WaitGroup
	arrived chan struct{}
}

func startRelay(st *store, target *smtpTarget, opts Options) *relay {
	r := &relay{store: st, target: target, now: opts.Now, retry: opts.RelayRetry, log: opts.Logger, arrived: make(chan struct{}, 1)}
	r.life, r.end = context.WithCancel(context.Background())
	r.ended.Go(r.run)
	return r
}

func (r *relay) stop() {
	r.end()
	r.ended.Wait()
}

func (r *relay) closing() bool { return r.life.Err() != nil }

// wake tells the relay that there is a new mail.
func (r *relay) wake() {
	select {
	case r.arrived <- struct{}{}:
	default: // it is told already
	}
}

func (r *relay) run() {
	for {
		wait, err := r.next()
		if err != nil && !r.closing() {
			r.log.Error("relay mail", "error", err)
			wait = r.retry
		}
		timer := time.NewTimer(wait)
		select {
		case <-r.life.Done():
			timer.Stop()
			return
		case <-r.arrived:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// next tries the mail whose turn it is, and says how long to wait for the one after.
func (r *relay) next() (time.Duration, error) {
	var m outgoing
	var recipients string
	err := r.store.db.QueryRowContext(r.life, `
		SELECT seq, id, source, return_path, envelope, relay_tries, relay_next FROM mails
		WHERE relay_state = 'pending' ORDER BY relay_next, seq LIMIT 1`).
		Scan(&m.seq, &m.id, &m.source, &m.returnPath, &recipients, &m.tries, &m.next)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Hour, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find mail to relay: %w", err)
	}
	if err := json.Unmarshal([]byte(recipients), &m.to); err != nil {
		return 0, fmt.Errorf("recipients of mail %s: %w", m.id, err)
	}
	if wait := time.UnixMilli(m.next).Sub(r.now()); wait > 0 {
		return wait, nil
	}
	err = r.store.db.QueryRowContext(r.life, `SELECT raw FROM mails WHERE seq = ?`, m.seq).Scan(&m.raw)
	if err != nil {
		return 0, fmt.Errorf("read mail %s: %w", m.id, err)
	}
	return 0, r.record(&m, r.attempt(&m))
}

// outgoing is a mail under way.
type outgoing struct {
	seq, next          int64
	id                 string
	source, returnPath string
	to                 envelope
	tries              int
	raw                []byte
}

// record writes down the outcome of an attempt. One that was cut short by the
// server's closing does not count.
func (r *relay) record(m *outgoing, failure error) error {
	if r.closing() {
		return nil
	}
	m.tries++
	status, next := relayStatus{State: relayDone}, int64(0)
	if failure != nil {
		status = relayStatus{State: relayPending, Error: failure.Error()}
		next = r.now().Add(r.retry << (m.tries - 1)).UnixMilli()
		if m.tries >= maxRelayAttempts || permanent(failure) {
			status.State = relayFailed
		}
		r.log.Warn("mail was not relayed", "mail", m.id, "attempt", m.tries, "state", status.State, "error", failure)
	}
	_, err := r.store.db.ExecContext(r.life, `UPDATE mails SET relay_state = ?, relay_error = ?, relay_tries = ?, relay_next = ? WHERE seq = ?`,
		status.State, status.Error, m.tries, next, m.seq)
	if err != nil {
		return fmt.Errorf("record relaying of mail %s: %w", m.id, err)
	}
	return nil
}

// permanent says whether a server refused the mail itself (RFC 5321, 4.2.1). A refused
// login may be another mistake tomorrow, so it is tried again like a failed connection.
func permanent(err error) bool {
	_, refused := errors.AsType[*refusedError](err)
	reply, ok := errors.AsType[*textproto.Error](err)
	return refused && ok && reply.Code >= 500
}

// refusedError is a refusal after the connection was made.
type refusedError struct {
	step string
	err  error
}

func (e *refusedError) Error() string { return e.step + ": " + e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// attempt sends, or leaves the sending to itself when the server closes: a silent
// peer may hold it for as long as its timeout.
func (r *relay) attempt(m *outgoing) error {
	outcome := make(chan error, 1)
	go func() { outcome <- r.send(m) }()
	select {
	case err := <-outcome:
		return err
	case <-r.life.Done():
		return r.life.Err()
	}
}

// send hands the mail over as it is stored. It goes to all recipients or, if one of
// them is refused, to none.
func (r *relay) send(m *outgoing) error {
	client, err := r.target.client()
	if err != nil {
		return fmt.Errorf("configure SMTP: %w", err)
	}
	conn, err := client.DialToSMTPClientWithContext(r.life)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", net.JoinHostPort(r.target.host, strconv.Itoa(r.target.port)), err)
	}
	defer context.AfterFunc(r.life, func() { _ = conn.Close() })()
	defer func() { _ = client.CloseWithSMTPClient(conn) }()

	from := m.returnPath
	if from == "" {
		from = m.source
	}
	if err := conn.Mail("<" + from + ">"); err != nil {
		return &refusedError{"sender " + from, err}
	}
	for _, to := range m.to.all() {
		if err := conn.Rcpt("<" + to + ">"); err != nil {
			return &refusedError{"recipient " + to, err}
		}
	}
	data, err := conn.Data()
	if err != nil {
		return &refusedError{"content", err}
	}
	if _, err := data.Write(m.raw); err != nil {
		return fmt.Errorf("send content: %w", err)
	}
	if err := data.Close(); err != nil {
		return &refusedError{"content", err}
	}
	return nil
}
