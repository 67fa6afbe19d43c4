package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/outbox"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/ratelimit"
)

// source names this service in its events.
const source = "/auth"

// Service is the auth service. It gives *problem.Error for what the caller is
// to be told.
type Service struct {
	Store     *Store
	Outbox    *outbox.Outbox
	Attempts  *ratelimit.Counter
	Codes     *mailcode.Keys
	Passwords *Passwords
	Access    *AccessTokens
	Eraser    *Eraser
	Exports   *Exports
	Limits    Limits

	RetentionDays int // of exports, at most

	Now   func() time.Time
	NewID func() string // UUIDs
	Rand  io.Reader     // makes the secrets of refresh tokens and the nonces of codes
}

// New makes the service from what it needs of AWS. It fails when the limits
// make no sense.
func New(cfg Config, db *dynamodb.Client, queues *sqs.Client, objects *s3.Client, secrets SecretReader, m *metrics.Recorder, now func() time.Time, newID func() string) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure auth: %w", err)
	}
	eraser := NewEraser(cfg.SweepConfig, db, queues, objects, m, now)
	return &Service{
		Store:     &Store{DB: db, Table: cfg.Table},
		Attempts:  &ratelimit.Counter{DB: db, Table: cfg.Table},
		Codes:     &mailcode.Keys{Secrets: secrets, Secret: cfg.MailCodeSecret},
		Outbox:    eraser.Outbox,
		Passwords: NewPasswords(cfg.Limits),
		Access: &AccessTokens{
			Keys:     &Keys{Secrets: secrets, Secret: cfg.SigningSecret, Now: now},
			Lifetime: cfg.AccessLifetime,
			Now:      now,
		},
		Eraser:        eraser,
		Exports:       &Exports{export.Writer{S3: objects, Bucket: cfg.ArchivesBucket}},
		Limits:        cfg.Limits,
		RetentionDays: cfg.RetentionDays,
		Now:           now,
		NewID:         newID,
		Rand:          rand.Reader,
	}, nil
}

// NewOutbox makes the outbox of the service.
func NewOutbox(cfg SweepConfig, db *dynamodb.Client, queues *sqs.Client, m *metrics.Recorder, now func() time.Time) *outbox.Outbox {
	return &outbox.Outbox{
		DB: db, SQS: queues, Table: cfg.Table, Routes: routes(cfg), Metrics: m, Now: now,
	}
}

// Register makes an account, and mails a code with which to verify its address.
// It gives problem.EmailTaken, WeakPassword, TooManyAttempts or InvalidRequest. Of
// several registrations of one address at the same moment exactly one succeeds.
func (s *Service) Register(ctx context.Context, r Registration) (User, error) {
	email, err := normaliseEmail(r.Email)
	if err != nil {
		return User{}, problem.In(problem.InvalidRequest, "body.email", err.Error())
	}
	name, err := checkName(r.Name, maxName)
	if err != nil {
		return User{}, err
	}
	if err := checkPassword(r.Password, email, name); err != nil {
		return User{}, err
	}
	if err := s.attempt(ctx, s.Limits.registrations(), email); err != nil {
		return User{}, err
	}
	hash, err := s.Passwords.Hash(ctx, r.Password)
	if err != nil {
		return User{}, err
	}
	// Milliseconds are what it is told in, so that it stays what it was told.
	u := User{ID: s.NewID(), Email: email, Name: name, Locale: r.Locale, CreatedAt: s.Now().UTC().Truncate(time.Millisecond)}
	if err := s.create(ctx, u, hash); err != nil {
		return User{}, err
	}
	slog.InfoContext(ctx, "person registered", "user_id", u.ID)
	return u, nil
}

// checkName gives a name without surrounding space. It gives
// problem.InvalidRequest for one that is too long or could break a mail's
// header.
func checkName(name string, longest int) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case utf8.RuneCountInString(name) > longest:
		return "", problem.In(problem.InvalidRequest, "body.name", fmt.Sprintf("must have at most %d characters", longest))
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", problem.In(problem.InvalidRequest, "body.name", "must not contain control characters")
	}
	return name, nil
}

func (s *Service) create(ctx context.Context, u User, hash string) error {
	writes, err := s.Store.createUser(u, hash)
	if err != nil {
		return err
	}
	code, requested, err := s.newCode(ctx, codeRequest{to: u, purpose: event.PurposeVerifyEmail, lifetime: verifyLifetime})
	if err != nil {
		return err
	}
	entry, err := s.audited(ctx, u.ID, actionRegistered, succeeded, "")
	if err != nil {
		return err
	}
	registered, err := event.New(source, s.NewID(), u.CreatedAt, event.UserRegistered{
		UserID: u.ID, Email: u.Email, Name: u.Name, Locale: string(u.Locale),
	})
	if err != nil {
		return fmt.Errorf("create account: %w", err)
	}
	mailed, err := event.New(source, s.NewID(), u.CreatedAt, requested)
	if err != nil {
		return fmt.Errorf("create account: %w", err)
	}
	err = s.Outbox.Commit(ctx, append(writes, code, entry), registered, mailed)
	if failed := dynamo.FailedConditions(err); len(failed) > 0 && failed[0] == 0 {
		return problem.New(problem.EmailTaken)
	}
	if err != nil {
		return fmt.Errorf("create account: %w", err)
	}
	return nil
}

// Login begins a session. It gives problem.InvalidCredentials, and after too
// many of them problem.TooManyAttempts, also for the right password. What it
// answers and how long that takes does not depend on whether there is an account
// of the address.
func (s *Service) Login(ctx context.Context, email, password string) (Tokens, error) {
	address, err := normaliseEmail(email)
	if err != nil || len(password) > maxPassword { // nobody has such an address, or password
		return Tokens{}, problem.New(problem.InvalidCredentials)
	}
	if err := s.attempt(ctx, s.Limits.logins(), address); err != nil {
		return Tokens{}, err
	}
	account, err := s.authenticate(ctx, address, password)
	if problem.Is(err, problem.InvalidCredentials) {
		return Tokens{}, s.refused(ctx, account.ID, actionLoginFailed, err)
	}
	if err != nil {
		return Tokens{}, err
	}
	// The network's attempts stay: one good password must not buy it others.
	if err := s.Attempts.Forget(ctx, s.Limits.logins().what, address); err != nil {
		return Tokens{}, err
	}
	return s.startSession(ctx, account)
}

// authenticate finds the account that an address and a password belong to. It
// gives problem.InvalidCredentials, together with the account of the address or
// an empty one of nobody.
func (s *Service) authenticate(ctx context.Context, address, password string) (*profileRow, error) {
	account, err := s.profileOrNobody(ctx, address) // the hash of nobody is nobody's
	if err != nil {
		return nil, err
	}
	return account, s.verify(ctx, account, password)
}

// verify gives problem.InvalidCredentials if a password is not the account's.
func (s *Service) verify(ctx context.Context, account *profileRow, password string) error {
	match, outdated, err := s.Passwords.Verify(ctx, password, account.PasswordHash)
	if err != nil {
		return err
	}
	if !match {
		return problem.New(problem.InvalidCredentials)
	}
	if outdated {
		s.rehash(ctx, account, password)
	}
	return nil
}

// rehash brings a hash to today's parameters. Where that fails, the next login
// tries again.
func (s *Service) rehash(ctx context.Context, account *profileRow, password string) {
	hash, err := s.Passwords.Hash(ctx, password)
	if err == nil {
		err = s.Store.replaceHash(ctx, account.ID, account.PasswordHash, hash)
	}
	if err != nil {
		slog.WarnContext(ctx, "password hash not brought up to date", "user_id", account.ID, "error", err)
	}
}

// startSession begins a session of somebody who has given the account's password.
// It gives problem.InvalidCredentials when that was changed meanwhile.
func (s *Service) startSession(ctx context.Context, account *profileRow) (Tokens, error) {
	now := s.Now()
	started := session{
		id: s.NewID(), userID: account.ID, createdAt: now.UTC(), lastUsedAt: now.UTC(),
		expiresAt: now.Add(s.Limits.SessionLifetime), from: originOf(ctx),
	}
	refresh, err := newRefreshToken(account.ID, started.id, s.Rand)
	if err != nil {
		return Tokens{}, err
	}
	entry := s.entry(ctx, actionLoggedIn, succeeded, "")
	entry.sessionID = started.id
	write, err := s.Store.putAudit(account.ID, entry, s.keepAudit(account.ID))
	if err != nil {
		return Tokens{}, err
	}
	remembered, tell, err := s.noticed(ctx, account.ID, started.from)
	if err != nil {
		return Tokens{}, err
	}
	writes, err := s.Store.startSession(account, started, refresh)
	if err != nil {
		return Tokens{}, err
	}
	err = s.Outbox.Commit(ctx, append(writes, write, remembered), tell...)
	if len(dynamo.FailedConditions(err)) > 0 {
		return Tokens{}, problem.New(problem.InvalidCredentials)
	}
	if err != nil {
		return Tokens{}, fmt.Errorf("start session: %w", err)
	}
	slog.InfoContext(ctx, "session started", "user_id", account.ID, "session_id", started.id)
	return s.tokens(ctx, refresh)
}

// tokens gives a refresh token together with a new access token for its session.
func (s *Service) tokens(ctx context.Context, refresh refreshToken) (Tokens, error) {
	access, err := s.Access.issue(ctx, identity{userID: refresh.user.String(), sessionID: refresh.session.String()})
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, Refresh: refresh.encode(), Lifetime: s.Access.Lifetime}, nil
}

// Refresh spends a refresh token and gives new tokens. It gives
// problem.SessionRevoked for any token that is not good; a spent one ends its
// session: see the package's comment.
func (s *Service) Refresh(ctx context.Context, token string) (Tokens, error) {
	presented, err := parseRefreshToken(token)
	if err != nil {
		return Tokens{}, problem.New(problem.SessionRevoked)
	}
	spent, err := s.Store.refreshTokenSpent(ctx, presented)
	switch {
	case errors.Is(err, errNotFound):
		return Tokens{}, problem.New(problem.SessionRevoked)
	case err != nil:
		return Tokens{}, err
	case spent:
		return Tokens{}, s.endReused(ctx, presented)
	}
	return s.rotate(ctx, presented)
}

// endReused ends the session of a spent token that came again.
func (s *Service) endReused(ctx context.Context, presented refreshToken) error {
	user, session := presented.user.String(), presented.session.String()
	ended, err := s.Store.endSession(ctx, user, session)
	if err != nil {
		return err
	}
	if ended { // or else it is known already
		slog.WarnContext(ctx, "spent refresh token came again, session ended", "user_id", user, "session_id", session)
		if err := s.audit(ctx, user, actionRefreshReused, failed, session); err != nil {
			return err
		}
	}
	return problem.New(problem.SessionRevoked)
}

func (s *Service) rotate(ctx context.Context, presented refreshToken) (Tokens, error) {
	next, err := newRefreshToken(presented.user.String(), presented.session.String(), s.Rand)
	if err != nil {
		return Tokens{}, err
	}
	// The access token comes first: a refresh token must not be spent for an
	// answer that cannot be given.
	tokens, err := s.tokens(ctx, next)
	if err != nil {
		return Tokens{}, err
	}
	now := s.Now()
	err = s.Store.rotate(ctx, presented, next, originOf(ctx), now, now.Add(s.Limits.SessionLifetime))
	if errors.Is(err, errSpent) || errors.Is(err, errEnded) {
		return Tokens{}, problem.New(problem.SessionRevoked)
	}
	if err != nil {
		return Tokens{}, err
	}
	return tokens, nil
}

// Logout ends a session.
func (s *Service) Logout(ctx context.Context, userID, sessionID string) error {
	if _, err := s.Store.endSession(ctx, userID, sessionID); err != nil {
		return err
	}
	slog.InfoContext(ctx, "session ended", "session_id", sessionID)
	return s.audit(ctx, userID, actionLoggedOut, succeeded, "")
}

// LogoutToken ends the session of a refresh token; that it has ended, or never
// was, is no error.
func (s *Service) LogoutToken(ctx context.Context, token string) error {
	presented, err := parseRefreshToken(token)
	if err != nil {
		return nil //nolint:nilerr // not a token: there is nothing to end
	}
	_, err = s.Store.refreshTokenSpent(ctx, presented)
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Logout(ctx, presented.user.String(), presented.session.String())
}

// Account gives a person's account. It gives problem.Unauthorized when it has
// gone while a token was still good.
func (s *Service) Account(ctx context.Context, userID string) (User, error) {
	account, err := s.Store.profile(ctx, userID)
	if errors.Is(err, errNotFound) {
		return User{}, problem.New(problem.Unauthorized)
	}
	if err != nil {
		return User{}, err
	}
	return account.user(), nil
}
