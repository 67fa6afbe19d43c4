// Package ratelimit counts attempts in fixed windows, in the service's own table.
//
// An attempt is counted by a conditional write before it is made, so that of any
// number at the same moment no more than allowed are made. A window begins with
// its first attempt; when it is over, the next attempt begins another.
//
//	pk                  sk       what
//	attempts#<hash>     <what>   attempts at one thing by, or on, one subject
//
// The hash is of the subject, such as an e-mail address: anybody can make such
// rows about other people. They end by themselves, at ttl.
//
// IAM: dynamodb:PutItem, UpdateItem and DeleteItem on the table.
package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// Counter counts the attempts of one service.
type Counter struct {
	DB    *dynamodb.Client
	Table string
}

// Limit is how many attempts are allowed within one window.
type Limit struct {
	Allowed int
	Window  time.Duration
}

// row is a window. DynamoDB deletes it some time after its ttl, in Unix seconds,
// so that whoever reads it looks at the clock too.
type row struct {
	dynamo.Key

	Attempts int   `dynamodbav:"attempts"`
	TTL      int64 `dynamodbav:"ttl"`
}

func key(what, subject string) dynamo.Key {
	sum := sha256.Sum256([]byte(subject))
	return dynamo.Key{PK: "attempts#" + hex.EncodeToString(sum[:]), SK: what}
}

// Count counts an attempt at something by a subject. It gives how long to wait
// when there were too many already, which is then not counted.
func (c *Counter) Count(ctx context.Context, what, subject string, limit Limit, now time.Time) (time.Duration, error) {
	k := key(what, subject)
	// A further round is needed when, between two calls, another attempt began the
	// window or Forget ended it.
	for range 10 {
		before, counted, err := c.add(ctx, k, limit.Allowed, now)
		if err != nil || counted {
			return 0, err
		}
		if before.TTL > now.Unix() {
			return time.Unix(before.TTL, 0).Sub(now), nil
		}
		begun, err := c.begin(ctx, k, now, now.Add(limit.Window))
		if err != nil || begun {
			return 0, err
		}
	}
	return 0, errors.New("count attempt: others are always faster")
}

// add counts one more in a window that has begun and is not full; otherwise it
// gives what there was.
func (c *Counter) add(ctx context.Context, k dynamo.Key, allowed int, now time.Time) (before row, counted bool, err error) {
	_, err = c.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &c.Table,
		Key:                      k.Item(),
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
	before, err = dynamo.Unmarshal[row](failed.Item)
	return before, false, err
}

// begin counts the first attempt of a window, unless another did.
func (c *Counter) begin(ctx context.Context, k dynamo.Key, now, end time.Time) (bool, error) {
	item, err := dynamo.Marshal(row{Key: k, Attempts: 1, TTL: end.Unix()})
	if err != nil {
		return false, err
	}
	_, err = c.DB.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                 &c.Table,
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

// Forget begins anew with a subject.
func (c *Counter) Forget(ctx context.Context, what, subject string) error {
	_, err := c.DB.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &c.Table, Key: key(what, subject).Item()})
	if err != nil {
		return fmt.Errorf("forget attempts: %w", err)
	}
	return nil
}

// Network gives what counts as one network: an IPv4 address, which many people
// may share, and of an IPv6 address the /64, of which one person has 2^64. An
// address that cannot be read stays as it is.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
}
