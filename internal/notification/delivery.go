package notification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// deliveryPrefix is what the sort keys of deliveries begin with; the ID of the event
// follows.
const deliveryPrefix = "delivery#"

// keepDeliveries is how long it is known what a webhook was told.
const keepDeliveries = 30 * 24 * time.Hour

// deliveryState is how far a delivery is.
type deliveryState string

const (
	deliveryWaiting   deliveryState = "waiting"
	deliveryDelivered deliveryState = "delivered"
	deliveryFailed    deliveryState = "failed"
)

// delivery is one message to a webhook, and what became of it.
type delivery struct {
	dynamo.Key
	Type    string        `dynamodbav:"type"`
	VideoID string        `dynamodbav:"video_id"` // empty if it is about none
	Body    string        `dynamodbav:"body"`     // the same in every try
	State   deliveryState `dynamodbav:"state"`
	At      time.Time     `dynamodbav:"at"`
	Tries   []try         `dynamodbav:"tries"`
	NextAt  int64         `dynamodbav:"next_at"` // of the next try, Unix milliseconds
	TTL     int64         `dynamodbav:"ttl"`     // Unix seconds
}

// try is one request.
type try struct {
	At     time.Time `dynamodbav:"at"`
	Millis int64     `dynamodbav:"millis"`
	Status int       `dynamodbav:"status,omitempty"` // of HTTP; 0 if there was no answer
	Fault  fault     `dynamodbav:"fault,omitempty"`
}

func deliveryKey(userID, id string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: deliveryPrefix + id}
}

func (d delivery) id() string { return strings.TrimPrefix(d.SK, deliveryPrefix) }

// errKept is that a delivery was kept before.
var errKept = errors.New("delivery is known")

// keepDelivery keeps a delivery that is to be made: errKept if it was kept before,
// errNobody if the person was erased.
func (s *Store) keepDelivery(ctx context.Context, userID string, d delivery) error {
	item, err := dynamo.Marshal(d)
	if err != nil {
		return err
	}
	put := types.TransactWriteItem{Put: &types.Put{
		TableName: &s.Table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)"),
	}}
	err = dynamo.Retry(ctx, func() error {
		_, err := s.DB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: []types.TransactWriteItem{s.People.Standing(userID), put},
		})
		return err
	})
	switch failed := dynamo.FailedConditions(err); {
	case slices.Contains(failed, 0):
		return errNobody
	case len(failed) > 0:
		return errKept
	case err != nil:
		return fmt.Errorf("keep delivery: %w", err)
	}
	return nil
}

// delivery gives a delivery; nil if it is not known any more.
func (s *Store) delivery(ctx context.Context, userID, id string) (*delivery, error) {
	found, err := dynamo.Get[delivery](ctx, s.DB, s.Table, deliveryKey(userID, id))
	if err != nil {
		return nil, fmt.Errorf("get delivery: %w", err)
	}
	return found, nil
}

// recordTry adds a try to a delivery, and says how far it is with that.
func (s *Store) recordTry(ctx context.Context, d delivery, one try, state deliveryState, next time.Time) error {
	tries, err := attributevalue.Marshal([]try{one})
	if err != nil {
		return fmt.Errorf("marshal try: %w", err)
	}
	_, err = s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &s.Table,
		Key:                      d.Item(),
		UpdateExpression:         aws.String("SET tries = list_append(tries, :try), #state = :state, next_at = :next"),
		ConditionExpression:      aws.String("attribute_exists(pk)"),
		ExpressionAttributeNames: map[string]string{"#state": "state"}, // reserved word
		ExpressionAttributeValues: dynamo.Item{
			":try": tries, ":state": dynamo.S(string(state)), ":next": dynamo.N(next.UnixMilli()),
		},
	})
	if err != nil && !dynamo.ConditionFailed(err) { // else it was forgotten meanwhile
		return fmt.Errorf("record try: %w", err)
	}
	return nil
}

// deliveries gives deliveries to a person's webhook, those of the newest events first,
// as Store.sent does mails.
func (s *Store) deliveries(ctx context.Context, userID, after string, limit int) (found []delivery, more bool, err error) {
	query := &dynamodb.QueryInput{
		TableName:                 &s.Table,
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(sk, :prefix)"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(deliveryKey(userID, "").PK), ":prefix": dynamo.S(deliveryPrefix)},
		ScanIndexForward:          aws.Bool(false),
		ConsistentRead:            aws.Bool(true),
		Limit:                     aws.Int32(int32(limit + 1)),
	}
	if after != "" {
		query.ExclusiveStartKey = deliveryKey(userID, after).Item()
	}
	return page[delivery](ctx, s.DB, query, limit)
}
