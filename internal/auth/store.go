package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/locale"
)

// Store keeps accounts and sessions in AuthTable.
//
//	pk                  sk                      what
//	email#<address>     email                   whose the address is; makes it unique
//	user#<id>           profile                 the account and its password hash
//	user#<id>           session#<id>            a session; it lives as long as this row does
//	user#<id>           refresh#<session>#<h>   a refresh token, by the hash of its secret
//	user#<id>           apikey#<id>             an API key, with the hash of its secret
//	user#<id>           code#<purpose>          the newest mailed code of a purpose
//	user#<id>           device#<hash>           where the person has logged in from
//	user#<id>           audit#<time>#<id>       an entry of the audit log
//	user#<id>           export#<id>             what was written down for the person
//	user#<id>           exportslot              until when there may be no other
//	user#<id>           erased                  all that stays of an erased account: see package erasure
//	erasures            <id>                    see there
//	attempts#<hash>     <what>                  see package ratelimit
//	outbox#<n>          <event id>              see package outbox
//
// All that is kept of a person lies under one key, but for the address and the
// attempts, whose keys are made from it. Under the key of nobody lie, for a day at
// most, entries and codes of addresses without an account: see nobody.
//
// IAM: dynamodb:GetItem, Query, PutItem, UpdateItem, DeleteItem and
// ConditionCheckItem on the table, and what Eraser needs; the authorizer needs
// GetItem and UpdateItem.
type Store struct {
	DB    *dynamodb.Client
	Table string
}

var (
	errNotFound = errors.New("not found")

	// errSpent is for a refresh token that another request spent at the same
	// time, and errEnded for the token of a session that has ended.
	errSpent = errors.New("the refresh token was spent")
	errEnded = errors.New("the session has ended")
)

// Rows end at ttl, in Unix seconds. DynamoDB deletes them some time after that,
// so that whoever reads one looks at the clock too.

type emailRow struct {
	dynamo.Key

	UserID string `dynamodbav:"user_id"`
}

type profileRow struct {
	dynamo.Key

	ID           string        `dynamodbav:"id"`
	Email        string        `dynamodbav:"email"`
	Name         string        `dynamodbav:"name"`
	Locale       locale.Locale `dynamodbav:"locale"`
	PasswordHash string        `dynamodbav:"password_hash"`
	CreatedAt    time.Time     `dynamodbav:"created_at"`

	EmailVerified bool `dynamodbav:"email_verified"`
	Changes       int  `dynamodbav:"changes,omitempty"`   // how often the account was changed
	Passwords     int  `dynamodbav:"passwords,omitempty"` // how often its password was
}

func (r *profileRow) user() User {
	return User{ID: r.ID, Email: r.Email, Name: r.Name, Locale: r.Locale, CreatedAt: r.CreatedAt, EmailVerified: r.EmailVerified}
}

type sessionRow struct {
	dynamo.Key

	CreatedAt  time.Time `dynamodbav:"created_at"`
	LastUsedAt time.Time `dynamodbav:"last_used_at"`
	Network    string    `dynamodbav:"network"` // IP address of the last use
	UserAgent  string    `dynamodbav:"user_agent"`
	TTL        int64     `dynamodbav:"ttl"`
}

type refreshRow struct {
	dynamo.Key

	SpentAt string `dynamodbav:"spent_at,omitempty"` // RFC 3339
	TTL     int64  `dynamodbav:"ttl"`
}

const sessionPrefix = "session#"

func emailKey(address string) dynamo.Key { return dynamo.Key{PK: "email#" + address, SK: "email"} }
func profileKey(userID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "profile"}
}

func sessionKey(userID, sessionID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: sessionPrefix + sessionID}
}

func refreshKey(t refreshToken) dynamo.Key {
	return dynamo.Key{PK: "user#" + t.user.String(), SK: "refresh#" + t.session.String() + "#" + t.hash()}
}

// createUser gives the writes that make an account. The first of them fails when
// the address is taken.
func (s *Store) createUser(u User, passwordHash string) ([]types.TransactWriteItem, error) {
	email, err := s.put(emailRow{Key: emailKey(u.Email), UserID: u.ID}, "attribute_not_exists(pk)")
	if err != nil {
		return nil, err
	}
	profile, err := s.put(profileRow{
		Key: profileKey(u.ID), ID: u.ID, Email: u.Email, Name: u.Name, Locale: u.Locale,
		PasswordHash: passwordHash, CreatedAt: u.CreatedAt,
	}, "attribute_not_exists(pk)")
	if err != nil {
		return nil, err
	}
	return []types.TransactWriteItem{email, profile}, nil
}

// put gives the write of a row, under a condition if one is given.
func (s *Store) put(row any, condition string) (types.TransactWriteItem, error) {
	item, err := dynamo.Marshal(row)
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	put := &types.Put{TableName: &s.Table, Item: item}
	if condition != "" {
		put.ConditionExpression = &condition
	}
	return types.TransactWriteItem{Put: put}, nil
}

// profile finds an account. It gives errNotFound when there is none.
func (s *Store) profile(ctx context.Context, userID string) (*profileRow, error) {
	return get[profileRow](ctx, s, profileKey(userID))
}

// profileByEmail finds the account of an address. It gives errNotFound when
// there is none, and reads as much then: the time that it takes tells nothing.
func (s *Store) profileByEmail(ctx context.Context, address string) (*profileRow, error) {
	owner, err := get[emailRow](ctx, s, emailKey(address))
	if errors.Is(err, errNotFound) {
		owner, err = &emailRow{UserID: nobody(address)}, nil
	}
	if err != nil {
		return nil, err
	}
	return s.profile(ctx, owner.UserID)
}

func get[T any](ctx context.Context, s *Store, k dynamo.Key) (*T, error) {
	row, err := dynamo.Get[T](ctx, s.DB, s.Table, k)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", k.SK, err)
	}
	if row == nil {
		return nil, errNotFound
	}
	return row, nil
}

// updateProfile gives the write of changes to an account; it fails when the
// account is not any more as it was read.
func (s *Store) updateProfile(account *profileRow, set expression.UpdateBuilder) (types.TransactWriteItem, error) {
	expr, err := expression.NewBuilder().
		WithUpdate(set.Set(expression.Name("changes"), expression.Value(account.Changes+1))).
		WithCondition(expression.Name("pk").AttributeExists().And(unchanged("changes", account.Changes))).
		Build()
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("build update: %w", err)
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName:                 &s.Table,
		Key:                       profileKey(account.ID).Item(),
		UpdateExpression:          expr.Update(),
		ConditionExpression:       expr.Condition(),
		ExpressionAttributeNames:  expr.Names(),
		ExpressionAttributeValues: expr.Values(),
	}}, nil
}

// emailTaken tells whether some account has an address.
func (s *Store) emailTaken(ctx context.Context, address string) (bool, error) {
	_, err := get[emailRow](ctx, s, emailKey(address))
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	return err == nil, err
}

// moveEmail gives the writes that give an account another address. The first of
// them fails when it is taken.
func (s *Store) moveEmail(userID, before, after string) ([]types.TransactWriteItem, error) {
	put, err := s.put(emailRow{Key: emailKey(after), UserID: userID}, "attribute_not_exists(pk)")
	if err != nil {
		return nil, err
	}
	return []types.TransactWriteItem{put, {Delete: &types.Delete{TableName: &s.Table, Key: emailKey(before).Item()}}}, nil
}

// replaceHash puts a hash of the same password in the place of another, unless
// the password was changed meanwhile.
func (s *Store) replaceHash(ctx context.Context, userID, before, after string) error {
	_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &s.Table,
		Key:                 profileKey(userID).Item(),
		UpdateExpression:    aws.String("SET password_hash = :after"),
		ConditionExpression: aws.String("password_hash = :before"),
		ExpressionAttributeValues: dynamo.Item{
			":before": dynamo.S(before), ":after": dynamo.S(after),
		},
	})
	if err != nil && !dynamo.ConditionFailed(err) {
		return fmt.Errorf("replace password hash: %w", err)
	}
	return nil
}

// startSession gives the writes of a session and its first refresh token. A condition
// of them fails when the account has gone, or has another password than the one that
// was given.
func (s *Store) startSession(account *profileRow, in session, first refreshToken) ([]types.TransactWriteItem, error) {
	unchanged, err := s.samePassword(account)
	if err != nil {
		return nil, err
	}
	row, err := s.put(sessionRow{
		Key: sessionKey(in.userID, in.id), CreatedAt: in.createdAt, LastUsedAt: in.lastUsedAt,
		Network: in.from.network, UserAgent: in.from.userAgent, TTL: in.expiresAt.Unix(),
	}, "")
	if err != nil {
		return nil, err
	}
	token, err := s.put(refreshRow{Key: refreshKey(first), TTL: in.expiresAt.Unix()}, "")
	if err != nil {
		return nil, err
	}
	return []types.TransactWriteItem{unchanged, row, token}, nil
}

// stillThere gives the check that an account has not gone meanwhile. For nobody
// it is as much work, and holds.
func (s *Store) stillThere(userID string) types.TransactWriteItem {
	condition := "attribute_exists(pk)"
	if isNobody(userID) {
		condition = "attribute_not_exists(pk)"
	}
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &s.Table, Key: profileKey(userID).Item(), ConditionExpression: &condition,
	}}
}

// samePassword gives the check that an account is still there, with the password
// that it had when it was read.
func (s *Store) samePassword(account *profileRow) (types.TransactWriteItem, error) {
	same := expression.Name("pk").AttributeExists().And(unchanged("passwords", account.Passwords))
	expr, err := expression.NewBuilder().WithCondition(same).Build()
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("build condition: %w", err)
	}
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName:                 &s.Table,
		Key:                       profileKey(account.ID).Item(),
		ConditionExpression:       expr.Condition(),
		ExpressionAttributeNames:  expr.Names(),
		ExpressionAttributeValues: expr.Values(),
	}}, nil
}

// unchanged holds while a counter has the value that was read; one that has not
// counted yet is not there.
func unchanged(counter string, read int) expression.ConditionBuilder {
	if read == 0 {
		return expression.Name(counter).AttributeNotExists()
	}
	return expression.Name(counter).Equal(expression.Value(read))
}

// sessionLives tells whether a session has neither ended nor expired.
func (s *Store) sessionLives(ctx context.Context, who identity, now time.Time) (bool, error) {
	row, err := get[sessionRow](ctx, s, sessionKey(who.userID, who.sessionID))
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return row.TTL > now.Unix(), nil
}

// refreshTokenSpent tells whether a token was spent. It gives errNotFound for
// one that was never issued, or long ago.
func (s *Store) refreshTokenSpent(ctx context.Context, t refreshToken) (bool, error) {
	row, err := get[refreshRow](ctx, s, refreshKey(t))
	if err != nil {
		return false, err
	}
	return row.SpentAt != "", nil
}

// rotate spends a token, puts the next one in its place and has the session last
// until expiresAt, last used now. It gives errSpent when another request spent the token
// first, and errEnded when the session has ended.
func (s *Store) rotate(ctx context.Context, spent, next refreshToken, from origin, now, expiresAt time.Time) error {
	put, err := s.put(refreshRow{Key: refreshKey(next), TTL: expiresAt.Unix()}, "")
	if err != nil {
		return err
	}
	err = s.transact(ctx,
		types.TransactWriteItem{Update: &types.Update{
			TableName:                 &s.Table,
			Key:                       refreshKey(spent).Item(),
			UpdateExpression:          aws.String("SET spent_at = :now"),
			ConditionExpression:       aws.String("attribute_exists(pk) AND attribute_not_exists(spent_at)"),
			ExpressionAttributeValues: dynamo.Item{":now": dynamo.S(now.UTC().Format(time.RFC3339))},
		}},
		types.TransactWriteItem{Update: &types.Update{
			TableName:                &s.Table,
			Key:                      sessionKey(spent.user.String(), spent.session.String()).Item(),
			UpdateExpression:         aws.String("SET #ttl = :until, last_used_at = :used, network = :network, user_agent = :agent"),
			ConditionExpression:      aws.String("attribute_exists(pk) AND #ttl > :now"),
			ExpressionAttributeNames: map[string]string{"#ttl": "ttl"}, // reserved word
			ExpressionAttributeValues: dynamo.Item{
				":until": dynamo.N(expiresAt.Unix()), ":now": dynamo.N(now.Unix()),
				":used":    dynamo.S(now.UTC().Format(time.RFC3339Nano)),
				":network": dynamo.S(from.network), ":agent": dynamo.S(from.userAgent),
			},
		}},
		put,
	)
	switch failed := dynamo.FailedConditions(err); {
	case err == nil:
		return nil
	case len(failed) == 0:
		return fmt.Errorf("rotate refresh token: %w", err)
	case failed[0] == 0:
		return errSpent
	default:
		return errEnded
	}
}

// endSession ends a session, and tells whether it had not ended already. Its
// refresh tokens stay until their time is over, and are good for nothing without
// it.
func (s *Store) endSession(ctx context.Context, userID, sessionID string) (bool, error) {
	var out *dynamodb.DeleteItemOutput
	err := dynamo.Retry(ctx, func() (err error) {
		out, err = s.DB.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &s.Table, Key: sessionKey(userID, sessionID).Item(), ReturnValues: types.ReturnValueAllOld,
		})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("end session: %w", err)
	}
	return len(out.Attributes) > 0, nil
}

// endSessions ends all sessions of a person but one, if that is given, and tells
// how many.
func (s *Store) endSessions(ctx context.Context, userID, except string) (int, error) {
	ended := 0
	sessions, err := s.sessions(ctx, userID)
	if err != nil {
		return ended, err
	}
	for _, one := range sessions {
		if one.id == except {
			continue
		}
		if _, err := s.endSession(ctx, userID, one.id); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// sessions gives all sessions of a person, the last one begun first; also those
// whose time is over, until their rows have gone.
func (s *Store) sessions(ctx context.Context, userID string) ([]session, error) {
	rows, err := dynamo.QueryAll[sessionRow](ctx, s.DB, &dynamodb.QueryInput{
		TableName:              &s.Table,
		KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :session)"),
		ExpressionAttributeValues: dynamo.Item{
			":pk": dynamo.S(profileKey(userID).PK), ":session": dynamo.S(sessionPrefix),
		},
		ScanIndexForward: aws.Bool(false),
		ConsistentRead:   aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	all := make([]session, len(rows))
	for i, row := range rows {
		all[i] = session{
			id: strings.TrimPrefix(row.SK, sessionPrefix), userID: userID, createdAt: row.CreatedAt, lastUsedAt: row.LastUsedAt,
			expiresAt: time.Unix(row.TTL, 0), from: origin{network: row.Network, userAgent: row.UserAgent},
		}
	}
	return all, nil
}

func (s *Store) transact(ctx context.Context, writes ...types.TransactWriteItem) error {
	return dynamo.Retry(ctx, func() error {
		_, err := s.DB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		return err
	})
}
