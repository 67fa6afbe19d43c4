package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
)

// errTooManyKeys is when a person has as many API keys as are allowed.
var errTooManyKeys = errors.New("too many API keys")

const apiKeyRows = "apikey#"

// apiKeyRow has no ttl: its owner sees when a key expired, and the profile's count
// of keys stays true. There are at most as many as are allowed.
type apiKeyRow struct {
	dynamo.Key

	ID         string          `dynamodbav:"id"`
	Name       string          `dynamodbav:"name"`
	Scopes     []httpapi.Scope `dynamodbav:"scopes"`
	Hash       string          `dynamodbav:"hash"`
	Hint       string          `dynamodbav:"hint"`
	CreatedAt  time.Time       `dynamodbav:"created_at"`
	ExpiresAt  int64           `dynamodbav:"expires_at,omitempty"`   // Unix milliseconds; 0: never
	LastUsedAt int64           `dynamodbav:"last_used_at,omitempty"` // Unix milliseconds; 0: never
}

func (r *apiKeyRow) expired(now time.Time) bool {
	return r.ExpiresAt != 0 && now.UnixMilli() >= r.ExpiresAt
}

func (r *apiKeyRow) key() APIKey {
	return APIKey{
		ID: r.ID, Name: r.Name, Scopes: r.Scopes, Hint: r.Hint, CreatedAt: r.CreatedAt,
		ExpiresAt: moment(r.ExpiresAt), LastUsedAt: moment(r.LastUsedAt),
	}
}

// moment reads Unix milliseconds; 0 is no time.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func apiKeyKey(userID, keyID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: apiKeyRows + keyID}
}

// createAPIKey writes a key and its entry in the audit log and counts it, in one
// transaction. It gives errTooManyKeys when there are as many as allowed, and
// errNotFound without an account or when the session has ended.
func (s *Store) createAPIKey(ctx context.Context, caller httpapi.Caller, key APIKey, hash string, allowed int, entry types.TransactWriteItem) error {
	row := apiKeyRow{
		Key: apiKeyKey(caller.UserID, key.ID), ID: key.ID, Name: key.Name, Scopes: key.Scopes,
		Hash: hash, Hint: key.Hint, CreatedAt: key.CreatedAt,
	}
	if !key.ExpiresAt.IsZero() {
		row.ExpiresAt = key.ExpiresAt.UnixMilli()
	}
	put, err := s.put(row, "attribute_not_exists(pk)")
	if err != nil {
		return err
	}
	err = s.transact(ctx, types.TransactWriteItem{Update: &types.Update{
		TableName:                           &s.Table,
		Key:                                 profileKey(caller.UserID).Item(),
		UpdateExpression:                    aws.String("ADD api_keys :one"),
		ConditionExpression:                 aws.String("attribute_exists(pk) AND (attribute_not_exists(api_keys) OR api_keys < :allowed)"),
		ExpressionAttributeValues:           dynamo.Item{":one": dynamo.N(1), ":allowed": dynamo.N(allowed)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &s.Table, Key: sessionKey(caller.UserID, caller.SessionID).Item(),
		ConditionExpression: aws.String("attribute_exists(pk)"),
	}}, put, entry)
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	switch failed := dynamo.FailedConditions(err); {
	case err == nil:
		return nil
	case !ok || len(failed) == 0 || failed[0] > 1:
		return fmt.Errorf("create API key: %w", err)
	case failed[0] == 1 || cancelled.CancellationReasons[0].Item == nil:
		return errNotFound
	default:
		return errTooManyKeys
	}
}

// apiKeys gives all keys of a person, in the order in which they were made, which
// is that of their IDs.
func (s *Store) apiKeys(ctx context.Context, userID string) ([]APIKey, error) {
	rows, err := dynamo.QueryAll[apiKeyRow](ctx, s.DB, &dynamodb.QueryInput{
		TableName:              &s.Table,
		ConsistentRead:         aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :rows)"),
		ExpressionAttributeValues: dynamo.Item{
			":pk": dynamo.S("user#" + userID), ":rows": dynamo.S(apiKeyRows),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	keys := make([]APIKey, len(rows))
	for i, row := range rows {
		keys[i] = row.key()
	}
	return keys, nil
}

// apiKey finds the row of a key by its IDs alone. It gives errNotFound when there
// is none.
func (s *Store) apiKey(ctx context.Context, k apiKeySecret) (*apiKeyRow, error) {
	return get[apiKeyRow](ctx, s, apiKeyKey(k.user.String(), k.id.String()))
}

// deleteAPIKey deletes a key, writes an entry into the audit log and counts the key
// out, in one transaction. It gives errNotFound when there is none.
func (s *Store) deleteAPIKey(ctx context.Context, userID, keyID string, entry types.TransactWriteItem) error {
	err := s.transact(ctx,
		types.TransactWriteItem{Delete: &types.Delete{
			TableName:           &s.Table,
			Key:                 apiKeyKey(userID, keyID).Item(),
			ConditionExpression: aws.String("attribute_exists(pk)"),
		}},
		types.TransactWriteItem{Update: &types.Update{
			TableName:                 &s.Table,
			Key:                       profileKey(userID).Item(),
			UpdateExpression:          aws.String("ADD api_keys :less"),
			ConditionExpression:       aws.String("attribute_exists(pk)"),
			ExpressionAttributeValues: dynamo.Item{":less": dynamo.N(-1)},
		}},
		entry,
	)
	if len(dynamo.FailedConditions(err)) > 0 {
		return errNotFound
	}
	if err != nil {
		return fmt.Errorf("delete API key: %w", err)
	}
	return nil
}

// noteKeyUse sets when a key was used last, unless it has been deleted or another
// request did so after the given time.
func (s *Store) noteKeyUse(ctx context.Context, k apiKeySecret, now, since time.Time) error {
	_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &s.Table,
		Key:                 apiKeyKey(k.user.String(), k.id.String()).Item(),
		UpdateExpression:    aws.String("SET last_used_at = :now"),
		ConditionExpression: aws.String("attribute_exists(pk) AND (attribute_not_exists(last_used_at) OR last_used_at <= :since)"),
		ExpressionAttributeValues: dynamo.Item{
			":now": dynamo.N(now.UnixMilli()), ":since": dynamo.N(since.UnixMilli()),
		},
	})
	if err != nil && !dynamo.ConditionFailed(err) {
		return fmt.Errorf("note use of API key: %w", err)
	}
	return nil
}
