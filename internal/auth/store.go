package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
//	user#<id>           export#<id>             what was written down for the person
//	user#<id>           exportslot              until when there may be no other
//	user#<id>           erased                  all that stays of an erased account: see package erasure
//	erasures            <id>                    see there
//	attempts#<hash>     login                   attempts to log in with one address
//	outbox#<n>          <event id>              see package outbox
//
// All that is kept of a person lies under one key, but for the address and the
// attempts, whose keys are made from it.
//
// IAM: dynamodb:GetItem, PutItem, UpdateItem, DeleteItem and ConditionCheckItem on
// the table, and what Eraser needs; the authorizer needs GetItem.
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

// nobody is the ID that is looked up where there is no account.
const nobody = "00000000-0000-0000-0000-000000000000"

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
}

func (r *profileRow) user() User {
	return User{ID: r.ID, Email: r.Email, Name: r.Name, Locale: r.Locale, CreatedAt: r.CreatedAt}
}

type sessionRow struct {
	dynamo.Key

	CreatedAt time.Time `dynamodbav:"created_at"`
	TTL       int64     `dynamodbav:"ttl"`
}

type refreshRow struct {
	dynamo.Key

	SpentAt string `dynamodbav:"spent_at,omitempty"` // RFC 3339
	TTL     int64  `dynamodbav:"ttl"`
}

type attemptsRow struct {
	dynamo.Key

	Attempts int   `dynamodbav:"attempts"`
	TTL      int64 `dynamodbav:"ttl"`
}

func emailKey(address string) dynamo.Key { return dynamo.Key{PK: "email#" + address, SK: "email"} }
func profileKey(userID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "profile"}
}

func sessionKey(userID, sessionID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "session#" + sessionID}
}

func refreshKey(t refreshToken) dynamo.Key {
	return dynamo.Key{PK: "user#" + t.user.String(), SK: "refresh#" + t.session.String() + "#" + t.hash()}
}

// attemptsKey holds no address: anybody can make such rows for other people's.
func attemptsKey(address string) dynamo.Key {
	sum := sha256.Sum256([]byte(address))
	return dynamo.Key{PK: "attempts#" + hex.EncodeToString(sum[:]), SK: "login"}
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
		owner, err = &emailRow{UserID: nobody}, nil
	}
	if err != nil {
		return nil, err
	}
	return s.profile(ctx, owner.UserID)
}

func get[T any](ctx context.Context, s *Store, k dynamo.Key) (*T, error) {
	out, err := s.DB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.Table, Key: k.Item(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", k.SK, err)
	}
	if out.Item == nil {
		return nil, errNotFound
	}
	row, err := dynamo.Unmarshal[T](out.Item)
	if err != nil {
		return nil, err
	}
	return &row, nil
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

// startSession writes a session and its first refresh token.
func (s *Store) startSession(ctx context.Context, in session, first refreshToken) error {
	row, err := s.put(sessionRow{
		Key: sessionKey(in.userID, in.id), CreatedAt: in.createdAt, TTL: in.expiresAt.Unix(),
	}, "")
	if err != nil {
		return err
	}
	token, err := s.put(refreshRow{Key: refreshKey(first), TTL: in.expiresAt.Unix()}, "")
	if err != nil {
		return err
	}
	if err := s.transact(ctx, row, token); err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	return nil
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
// until expiresAt. It gives errSpent when another request spent the token
// first, and errEnded when the session has ended.
func (s *Store) rotate(ctx context.Context, spent, next refreshToken, now, expiresAt time.Time) error {
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
			UpdateExpression:         aws.String("SET #ttl = :until"),
			ConditionExpression:      aws.String("attribute_exists(pk) AND #ttl > :now"),
			ExpressionAttributeNames: map[string]string{"#ttl": "ttl"}, // reserved word
			ExpressionAttributeValues: dynamo.Item{
				":until": dynamo.N(expiresAt.Unix()), ":now": dynamo.N(now.Unix()),
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

// endSession ends a session; that it has ended already is no error. Its refresh
// tokens stay until their time is over, and are good for nothing without it.
func (s *Store) endSession(ctx context.Context, userID, sessionID string) error {
	err := dynamo.Retry(ctx, func() error {
		_, err := s.DB.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &s.Table, Key: sessionKey(userID, sessionID).Item(),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

func (s *Store) transact(ctx context.Context, writes ...types.TransactWriteItem) error {
	return dynamo.Retry(ctx, func() error {
		_, err := s.DB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		return err
	})
}

// countAttempt counts an attempt to log in with an address, whether or not
// anybody has it, before the password is looked at: of any number of attempts at
// the same moment no more than allowed are made. It gives how long to wait when
// there were too many already, which is then not counted.
func (s *Store) countAttempt(ctx context.Context, address string, allowed int, window time.Duration, now time.Time) (time.Duration, error) {
	// A further round is needed when, between two calls, another attempt began the
	// window or a login ended it.
	for range 10 {
		before, counted, err := s.addAttempt(ctx, address, allowed, now)
		if err != nil || counted {
			return 0, err
		}
		if before.TTL > now.Unix() {
			return time.Unix(before.TTL, 0).Sub(now), nil
		}
		begun, err := s.beginWindow(ctx, address, now, now.Add(window))
		if err != nil || begun {
			return 0, err
		}
	}
	return 0, errors.New("count attempt: others are always faster")
}

// addAttempt counts one more in a window that has begun and is not full;
// otherwise it gives what there was.
func (s *Store) addAttempt(ctx context.Context, address string, allowed int, now time.Time) (before attemptsRow, counted bool, err error) {
	_, err = s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &s.Table,
		Key:                      attemptsKey(address).Item(),
		UpdateExpression:         aws.String("ADD attempts :one"),
		ConditionExpression:      aws.String("#ttl > :now AND attempts < :allowed"),
		ExpressionAttributeNames: map[string]string{"#ttl": "ttl"}, // reserved word
		ExpressionAttributeValues: dynamo.Item{
			":one": dynamo.N(1), ":now": dynamo.N(now.Unix()), ":allowed": dynamo.N(allowed),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		return before, true, nil
	}
	failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !ok {
		return before, false, fmt.Errorf("count attempt: %w", err)
	}
	before, err = dynamo.Unmarshal[attemptsRow](failed.Item)
	return before, false, err
}

// beginWindow counts the first attempt of a window, unless another did.
func (s *Store) beginWindow(ctx context.Context, address string, now, end time.Time) (bool, error) {
	item, err := dynamo.Marshal(attemptsRow{Key: attemptsKey(address), Attempts: 1, TTL: end.Unix()})
	if err != nil {
		return false, err
	}
	_, err = s.DB.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                 &s.Table,
		Item:                      item,
		ConditionExpression:       aws.String("attribute_not_exists(pk) OR #ttl <= :now"),
		ExpressionAttributeNames:  map[string]string{"#ttl": "ttl"}, // reserved word
		ExpressionAttributeValues: dynamo.Item{":now": dynamo.N(now.Unix())},
	})
	if err != nil && !dynamo.ConditionFailed(err) {
		return false, fmt.Errorf("begin window of attempts: %w", err)
	}
	return err == nil, nil
}

// forgetAttempts begins anew with an address, after a login.
func (s *Store) forgetAttempts(ctx context.Context, address string) error {
	_, err := s.DB.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.Table, Key: attemptsKey(address).Item()})
	if err != nil {
		return fmt.Errorf("forget attempts: %w", err)
	}
	return nil
}
