// Package dynamo holds what every service's table has in common: string keys
// "pk" and "sk", items that are Go structs with dynamodbav tags, and the errors
// of conditions that did not hold.
package dynamo

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Item is an item of a table.
type Item = map[string]types.AttributeValue

// Key is the primary key of an item.
type Key struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
}

// Item gives the key as DynamoDB wants it.
func (k Key) Item() Item {
	return Item{"pk": S(k.PK), "sk": S(k.SK)}
}

// S makes a string attribute.
func S(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// N makes a number attribute.
func N[T ~int | ~int64](n T) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// Marshal turns a struct into an item.
func Marshal(v any) (Item, error) {
	item, err := attributevalue.MarshalMap(v)
	if err != nil {
		return nil, fmt.Errorf("marshal item: %w", err)
	}
	return item, nil
}

// Unmarshal turns an item into a struct.
func Unmarshal[T any](item Item) (T, error) {
	var v T
	if err := attributevalue.UnmarshalMap(item, &v); err != nil {
		return v, fmt.Errorf("unmarshal item: %w", err)
	}
	return v, nil
}

// ConditionFailed tells whether a write was refused because its condition did
// not hold.
func ConditionFailed(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

// FailedConditions tells which writes of a transaction were refused because
// their conditions did not hold; nil when the transaction failed for another
// reason.
func FailedConditions(err error) []int {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return nil
	}
	var failed []int
	for i, reason := range cancelled.CancellationReasons {
		if reason.Code != nil && *reason.Code == "ConditionalCheckFailed" {
			failed = append(failed, i)
		}
	}
	return failed
}
