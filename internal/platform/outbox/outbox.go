// Package outbox loses no event between a commit and its publication (the
// transactional outbox pattern): the event is written into the service's own
// table in the transaction that changes the state, sent right after, and
// deleted when it has arrived. What was not sent is found by a sweep.
//
// An event may so be sent more than once; consumers know it by its ID.
//
// IAM: dynamodb:PutItem, DeleteItem and Query on the table, sqs:SendMessage on
// the queues.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// shards is over how many partition keys the waiting events are spread, so that
// no one of them takes all writes of the table.
const shards = 8

// grace is how old an event must be before a sweep sends it: until then its
// own publication is under way.
const grace = 15 * time.Second

// Outbox is the outbox of one service.
type Outbox struct {
	DB    *dynamodb.Client
	SQS   *sqs.Client
	Table string

	// Routes tells the URLs of the queues that an event type goes to.
	Routes map[string][]string

	// Metrics counts what was committed; may be nil.
	Metrics *metrics.Recorder

	Now func() time.Time
}

type row struct {
	dynamo.Key
	Body    string `dynamodbav:"body"`
	PutTime int64  `dynamodbav:"put_ms"` // Unix milliseconds
}

func key(e event.Event) dynamo.Key {
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.ID())) // never fails
	return dynamo.Key{PK: shard(h.Sum32() % shards), SK: e.ID()}
}

func shard(n uint32) string { return fmt.Sprintf("outbox#%d", n) }

// Put gives the writes that keep the events; they belong into the transaction
// that changes the state.
func (o *Outbox) Put(events ...event.Event) ([]types.TransactWriteItem, error) {
	writes := make([]types.TransactWriteItem, len(events))
	for i, e := range events {
		if len(o.Routes[e.Type()]) == 0 {
			return nil, fmt.Errorf("put %s into the outbox: no queue for it", e.Type())
		}
		body, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("put %s into the outbox: %w", e.Type(), err)
		}
		item, err := dynamo.Marshal(row{Key: key(e), Body: string(body), PutTime: o.Now().UnixMilli()})
		if err != nil {
			return nil, fmt.Errorf("put %s into the outbox: %w", e.Type(), err)
		}
		writes[i] = types.TransactWriteItem{Put: &types.Put{TableName: &o.Table, Item: item}}
	}
	return writes, nil
}

// Commit writes the changes and the events in one transaction, and publishes
// the events. The error is the transaction's: a publication that failed is
// logged and left to the sweep.
func (o *Outbox) Commit(ctx context.Context, changes []types.TransactWriteItem, events ...event.Event) error {
	for i := range events {
		tracing.Mark(ctx, &events[i])
	}
	puts, err := o.Put(events...)
	if err != nil {
		return err
	}
	err = dynamo.Retry(ctx, func() error {
		_, err := o.DB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: append(slices.Clip(changes), puts...),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	// The state is committed: the caller going away must not stop its event.
	ctx = context.WithoutCancel(ctx)
	for _, e := range events {
		metrics.CountEvent(o.Metrics, e.Type())
		if err := o.publish(ctx, e); err != nil {
			slog.WarnContext(ctx, "event left to the sweep", "event", e.Type(), "error", err)
		}
	}
	return nil
}

// Send sends an event without keeping it: for what may be lost.
func (o *Outbox) Send(ctx context.Context, e event.Event) error {
	tracing.Mark(ctx, &e)
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("send %s: %w", e.Type(), err)
	}
	for _, url := range o.Routes[e.Type()] {
		if err := o.send(ctx, url, e.Type(), string(body)); err != nil {
			return fmt.Errorf("send %s: %w", e.Type(), err)
		}
	}
	return nil
}

// send sends a message that carries the trace of the sending of it.
func (o *Outbox) send(ctx context.Context, url, eventType, body string) error {
	ctx, span := tracing.Sending(ctx, url, eventType)
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	if parent := tracing.Parent(ctx); parent != "" {
		in.MessageAttributes = map[string]sqstypes.MessageAttributeValue{
			tracing.Name: {DataType: aws.String("String"), StringValue: &parent},
		}
	}
	_, err := o.SQS.SendMessage(ctx, in)
	tracing.End(span, err)
	return err //nolint:wrapcheck // Send says what failed
}

func (o *Outbox) publish(ctx context.Context, e event.Event) error {
	if err := o.Send(ctx, e); err != nil {
		return err
	}
	return o.remove(ctx, e)
}

func (o *Outbox) remove(ctx context.Context, e event.Event) error {
	_, err := o.DB.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &o.Table, Key: key(e).Item()})
	if err != nil {
		return fmt.Errorf("take %s out of the outbox: %w", e.Type(), err)
	}
	return nil
}

// Sweep publishes the events whose publication failed, and tells how many. It
// goes on past those that fail again; the error joins theirs.
func (o *Outbox) Sweep(ctx context.Context) (int, error) {
	var published int
	var failures []error
	err := o.waiting(ctx, func(item dynamo.Item) error {
		sent, err := o.sweep(ctx, item)
		if err != nil {
			failures = append(failures, err)
		}
		if sent {
			published++
		}
		return nil
	})
	return published, errors.Join(append(failures, err)...)
}

// waiting gives the rows of all waiting events to see, until that gives an error.
func (o *Outbox) waiting(ctx context.Context, see func(dynamo.Item) error) error {
	for n := range uint32(shards) {
		pages := dynamodb.NewQueryPaginator(o.DB, &dynamodb.QueryInput{
			TableName:                 &o.Table,
			KeyConditionExpression:    aws.String("pk = :pk"),
			ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(shard(n))},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("list the outbox: %w", err)
			}
			for _, item := range page.Items {
				if err := see(item); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Forget deletes the waiting events about a person, but for the one that says that
// they are to be erased.
func (o *Outbox) Forget(ctx context.Context, userID string) error {
	return o.waiting(ctx, func(item dynamo.Item) error {
		r, err := dynamo.Unmarshal[row](item)
		if err != nil {
			return err
		}
		e, err := event.Parse([]byte(r.Body))
		if err != nil {
			return fmt.Errorf("look at %s: %w", r.SK, err)
		}
		person, err := event.Person(e)
		if err != nil || person != userID || e.Type() == (event.AccountErased{}).EventType() {
			return err
		}
		return o.remove(ctx, e)
	})
}

func (o *Outbox) sweep(ctx context.Context, item dynamo.Item) (sent bool, err error) {
	waiting, err := dynamo.Unmarshal[row](item)
	if err != nil {
		return false, err
	}
	if o.Now().Sub(time.UnixMilli(waiting.PutTime)) < grace {
		return false, nil
	}
	e, err := event.Parse([]byte(waiting.Body))
	if err != nil {
		return false, fmt.Errorf("sweep %s: %w", waiting.SK, err)
	}
	// It belongs to what made it, not to the sweep.
	if err := o.publish(tracing.Continue(ctx, tracing.ParentOf(e)), e); err != nil {
		return false, err
	}
	return true, nil
}
