// Package rebuild goes through a service's own table for the read model to be made
// again: page by page, each at the request of a message, of which the last thing done
// is to send the one for the next page. So no function runs for long or holds much,
// and one that dies is repeated from its page on.
//
// IAM: dynamodb:Scan on the table, sqs:SendMessage on the service's own queue and on
// the one that is told.
package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

const (
	// pageRows is how many rows a page has at most; DynamoDB ends it at 1 MB too.
	pageRows = 100

	// batchMessages is how many messages SQS takes at once, and batchBytes how long
	// they may be together with room for what the protocol adds.
	batchMessages = 10
	batchBytes    = 200 << 10
)

// Walk is the way through one table.
type Walk struct {
	DB       *dynamodb.Client
	SQS      *sqs.Client
	Table    string
	QueueURL string // whose messages go on
	Source   string // of the events that do: "/video"
	Segments int    // how many parts of the table are gone through side by side
	Now      func() time.Time
	NewID    func() string
}

// Page does what one request asks for: it begins with all segments, or has a page of
// one seen and asks for the next. It tells whether the segment ends with this page.
// Rows that are written meanwhile may be seen or not: whoever writes them tells so.
func (w *Walk) Page(ctx context.Context, r event.RebuildRequested, see func([]dynamo.Item) error) (last bool, err error) {
	if r.Segments == 0 {
		return false, w.begin(ctx, r)
	}
	in := &dynamodb.ScanInput{
		TableName: &w.Table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(pageRows),
		Segment: aws.Int32(int32(r.Segment)), TotalSegments: aws.Int32(int32(r.Segments)),
	}
	if r.After != nil {
		in.ExclusiveStartKey = dynamo.Key{PK: r.After.PK, SK: r.After.SK}.Item()
	}
	page, err := w.DB.Scan(ctx, in)
	if err != nil {
		return false, fmt.Errorf("read a page of the table: %w", err)
	}
	if err := see(page.Items); err != nil {
		return false, err
	}
	if page.LastEvaluatedKey == nil {
		slog.InfoContext(ctx, "segment gone through", "segment", r.Segment, "segments", r.Segments)
		return true, nil
	}
	key, err := dynamo.Unmarshal[dynamo.Key](page.LastEvaluatedKey)
	if err != nil {
		return false, err
	}
	r.After = &event.TableKey{PK: key.PK, SK: key.SK}
	return false, w.ask(ctx, r)
}

// TellSegments is how many parts of its table a service tells of side by side: some
// hundred rows a second, which leaves the status queue room for what happens meanwhile.
const TellSegments = 4

// Tell is Page of a service that sends a queue what is to be told of each row.
func (w *Walk) Tell(ctx context.Context, r event.RebuildRequested, queueURL string, of func(dynamo.Item) ([]event.Event, error)) error {
	_, err := w.Page(ctx, r, func(items []dynamo.Item) error {
		var told []event.Event
		for _, item := range items {
			events, err := of(item)
			if err != nil {
				return err
			}
			told = append(told, events...)
		}
		return Send(ctx, w.SQS, queueURL, told)
	})
	return err
}

func (w *Walk) begin(ctx context.Context, r event.RebuildRequested) error {
	requests := make([]event.RebuildRequested, w.Segments)
	for i := range requests {
		requests[i] = r
		requests[i].Segment, requests[i].Segments = i, w.Segments
	}
	return w.ask(ctx, requests...)
}

func (w *Walk) ask(ctx context.Context, requests ...event.RebuildRequested) error {
	events := make([]event.Event, len(requests))
	for i, r := range requests {
		e, err := event.New(w.Source, w.NewID(), w.Now(), r)
		if err != nil {
			return fmt.Errorf("go on with the table: %w", err)
		}
		events[i] = e
	}
	return Send(ctx, w.SQS, w.QueueURL, events)
}

// Send sends events to a queue, as few at once as it takes.
func Send(ctx context.Context, queues *sqs.Client, url string, events []event.Event) error {
	var batch []types.SendMessageBatchRequestEntry
	var size int
	for _, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode %s: %w", e.Type(), err)
		}
		if len(batch) == batchMessages || size+len(body) > batchBytes && size > 0 {
			if err := sendBatch(ctx, queues, url, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch = append(batch, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(len(batch))), MessageBody: aws.String(string(body)),
		})
		size += len(body)
	}
	if len(batch) == 0 {
		return nil
	}
	return sendBatch(ctx, queues, url, batch)
}

func sendBatch(ctx context.Context, queues *sqs.Client, url string, batch []types.SendMessageBatchRequestEntry) error {
	out, err := queues.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: batch})
	if err != nil {
		return fmt.Errorf("send events: %w", err)
	}
	if len(out.Failed) > 0 {
		first := out.Failed[0]
		return fmt.Errorf("send events: %d of %d were refused: %s: %s",
			len(out.Failed), len(batch), aws.ToString(first.Code), aws.ToString(first.Message))
	}
	return nil
}
