package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// action is what an entry of the audit log tells of. People and programs read
// it: what is named here stays.
type action string

const (
	actionRegistered             action = "registered"
	actionLoggedIn               action = "logged_in"
	actionLoginFailed            action = "login_failed"
	actionRefreshReused          action = "refresh_token_reused"
	actionLoggedOut              action = "logged_out"
	actionSessionEnded           action = "session_ended"
	actionSessionsEnded          action = "sessions_ended"
	actionProfileChanged         action = "profile_changed"
	actionPasswordChanged        action = "password_changed"
	actionPasswordResetRequested action = "password_reset_requested"
	actionPasswordReset          action = "password_reset"
	actionVerificationRequested  action = "email_verification_requested"
	actionEmailVerified          action = "email_verified"
	actionEmailChangeRequested   action = "email_change_requested"
	actionEmailChanged           action = "email_changed"
	actionAccountErased          action = "account_erased" // refused: what succeeds takes the log with it
)

// result tells how it ended.
type result string

const (
	succeeded result = "success"
	failed    result = "failure"
)

// auditEntry is one entry of a person's audit log. It never holds a secret, a
// code, a token or an e-mail address.
type auditEntry struct {
	id        string
	at        time.Time
	action    action
	result    result
	network   string // IP address
	userAgent string
	sessionID string // may be empty
	detail    string // may be empty; a word, or the ID of what it was done to
}

// maxUserAgent is how much is kept of a user agent, in bytes.
const maxUserAgent = 256

// decoyAudit is how long entries of people who do not exist are kept.
const decoyAudit = 24 * time.Hour

// audit writes down what a person did, or what somebody tried in their name,
// unless the account has gone: of that nothing stays. The network, the user agent
// and the session are the request's.
func (s *Service) audit(ctx context.Context, userID string, a action, r result, detail string) error {
	write, err := s.audited(ctx, userID, a, r, detail)
	if err != nil {
		return err
	}
	err = s.Store.transact(ctx, s.Store.stillThere(userID), write)
	if err != nil && len(dynamo.FailedConditions(err)) == 0 {
		return fmt.Errorf("write %s into the audit log: %w", a, err)
	}
	return nil
}

// refused writes down what somebody was refused, and gives the error that tells
// them so.
func (s *Service) refused(ctx context.Context, userID string, a action, refusal error) error {
	var code problem.Code
	if known, ok := errors.AsType[*problem.Error](refusal); ok {
		code = known.Code
	}
	if err := s.audit(ctx, userID, a, failed, string(code)); err != nil {
		return err
	}
	return refusal
}

// audited gives the write of an entry, for the transaction of what it tells of.
func (s *Service) audited(ctx context.Context, userID string, a action, r result, detail string) (types.TransactWriteItem, error) {
	return s.Store.putAudit(userID, s.entry(ctx, a, r, detail), s.keepAudit(userID))
}

// entry makes an entry of a request.
func (s *Service) entry(ctx context.Context, a action, r result, detail string) auditEntry {
	from := originOf(ctx)
	caller, _ := httpapi.CallerFrom(ctx)
	return auditEntry{
		id: s.NewID(), at: s.Now().UTC(), action: a, result: r,
		network: from.network, userAgent: from.userAgent, sessionID: caller.SessionID, detail: detail,
	}
}

func (s *Service) keepAudit(userID string) time.Duration {
	if isNobody(userID) {
		return decoyAudit
	}
	return time.Duration(s.Limits.AuditDays) * 24 * time.Hour
}

// origin is where a request came from.
type origin struct {
	network   string // IP address
	userAgent string
}

// originOf tells where a request came from: as API Gateway or our own
// distribution saw it, not as anybody's header says.
func originOf(ctx context.Context) origin {
	address, agent := httpapi.SourceFrom(ctx)
	if withPort, err := netip.ParseAddrPort(address); err == nil { // of net/http's own server
		address = withPort.Addr().String()
	}
	if len(agent) > maxUserAgent {
		agent = agent[:maxUserAgent]
	}
	return origin{network: address, userAgent: strings.ToValidUTF8(agent, "")}
}

// nobody gives the ID under which is looked up, counted and written what is
// asked of an address without an account, so that it is as much work as for one
// that has. It is a UUID of version 8 (RFC 9562), which no account has.
func nobody(address string) string {
	sum := sha256.Sum256([]byte(address))
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

func isNobody(userID string) bool {
	id, err := uuid.Parse(userID)
	return err == nil && id.Version() == 8
}

// auditLog gives a page of a person's audit log, newest first, and the cursor of the
// next one; that is empty after the last. It gives problem.InvalidRequest for a
// cursor of nowhere.
func (s *Service) auditLog(ctx context.Context, userID, cursor string, limit int) ([]auditEntry, string, error) {
	after, err := httpapi.ParseCursor(cursor, auditPrefix)
	if err != nil {
		return nil, "", err
	}
	oldest := s.Now().Add(-s.keepAudit(userID))
	return s.Store.auditPage(ctx, userID, oldest, after, limit)
}

type auditRow struct {
	dynamo.Key

	ID        string `dynamodbav:"id"`
	At        string `dynamodbav:"at"` // auditTime
	Action    action `dynamodbav:"action"`
	Result    result `dynamodbav:"result"`
	Network   string `dynamodbav:"network"`
	UserAgent string `dynamodbav:"user_agent"`
	SessionID string `dynamodbav:"session_id,omitempty"`
	Detail    string `dynamodbav:"detail,omitempty"`
	TTL       int64  `dynamodbav:"ttl"`
}

const (
	auditPrefix = "audit#"
	auditTime   = "2006-01-02T15:04:05.000Z" // sorts as a text
)

func auditKey(userID string, at time.Time, id string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: auditPrefix + at.UTC().Format(auditTime) + "#" + id}
}

// putAudit gives the write of an entry.
func (s *Store) putAudit(userID string, e auditEntry, keep time.Duration) (types.TransactWriteItem, error) {
	return s.put(auditRow{
		Key: auditKey(userID, e.at, e.id), ID: e.id, At: e.at.UTC().Format(auditTime), Action: e.action, Result: e.result,
		Network: e.network, UserAgent: e.userAgent, SessionID: e.sessionID, Detail: e.detail, TTL: e.at.Add(keep).Unix(),
	}, "")
}

// auditPage reads entries that are not older than oldest, newest first, from
// behind the sort key that after is, if it is not empty.
func (s *Store) auditPage(ctx context.Context, userID string, oldest time.Time, after string, limit int) (entries []auditEntry, next string, err error) {
	query := &dynamodb.QueryInput{
		TableName:              &s.Table,
		KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :oldest AND :newest"),
		ExpressionAttributeValues: dynamo.Item{
			":pk":     dynamo.S(profileKey(userID).PK),
			":oldest": dynamo.S(auditKey(userID, oldest, "").SK),
			":newest": dynamo.S(auditPrefix + "~"), // behind every time
		},
		ScanIndexForward: aws.Bool(false),
		ConsistentRead:   aws.Bool(true),
		Limit:            aws.Int32(int32(limit)),
	}
	if after != "" {
		query.ExclusiveStartKey = dynamo.Key{PK: profileKey(userID).PK, SK: after}.Item()
	}
	page, err := s.DB.Query(ctx, query)
	if err != nil {
		return nil, "", fmt.Errorf("read the audit log: %w", err)
	}
	for _, item := range page.Items {
		row, err := dynamo.Unmarshal[auditRow](item)
		if err != nil {
			return nil, "", err
		}
		at, err := time.Parse(auditTime, row.At)
		if err != nil {
			return nil, "", fmt.Errorf("read the audit log: %w", err)
		}
		entries = append(entries, auditEntry{
			id: row.ID, at: at, action: row.Action, result: row.Result, network: row.Network,
			userAgent: row.UserAgent, sessionID: row.SessionID, detail: row.Detail,
		})
		next = row.SK
	}
	if page.LastEvaluatedKey == nil {
		return entries, "", nil
	}
	return entries, httpapi.MakeCursor(next), nil
}
