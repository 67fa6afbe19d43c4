// Package erasure removes what a service's table keeps of a person, and sees to it
// that nothing of them comes back.
//
//	pk             sk        what
//	user#<id>      erased    the tombstone of a person: their random ID, and a TTL
//	erasures       <id>      a person whose erasure is to be repeated, and until when
//
// The tombstone is written before anything is deleted. Whoever writes about a
// person asks for it: in the same transaction, by Standing, or else after the write,
// by Guard. So of a write and an erasure at the same moment, either the erasure sees
// what was written, or the writer sees the tombstone.
//
// What lies outside of the table, or is found by an index that runs behind it, is
// covered by repetition: see Repeat.
//
// IAM: dynamodb:GetItem, PutItem, BatchWriteItem and Query on the table, and
// ConditionCheckItem for Standing.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

const (
	// keep is how long a tombstone stays: longer than any message of the person can
	// be under way, which is 14 days in SQS, its time as a dead letter included, and
	// longer than DynamoDB can bring rows back, which is 35 days: see the operations'
	// document for a table that was restored.
	keep = 40 * 24 * time.Hour

	// repeatFor is how long an erasure is repeated: longer than any function runs
	// that had begun before it, which is a quarter of an hour.
	repeatFor = 30 * time.Minute
)

// tombstone is the sort key of a tombstone; pending is the partition of the
// erasures that are to be repeated.
const (
	tombstone = "erased"
	pending   = "erasures"
)

// Table is a service's table, in which all that is kept of a person lies under the
// partition key "user#<id>".
type Table struct {
	DB   *dynamodb.Client
	Name string
	Now  func() time.Time
}

func partition(userID string) string { return "user#" + userID }

func key(userID string) dynamo.Key { return dynamo.Key{PK: partition(userID), SK: tombstone} }

// row is a tombstone, or an erasure that is to be repeated.
type row struct {
	dynamo.Key
	Until int64 `dynamodbav:"until,omitempty"` // Unix seconds
	TTL   int64 `dynamodbav:"ttl,omitempty"`   // Unix seconds
}

// Begin gives the writes with which an erasure begins: from them on, nothing of the
// person may be written, and Repeat knows of them.
func (t *Table) Begin(userID string) ([]types.TransactWriteItem, error) {
	now := t.Now()
	rows := []row{
		{Key: key(userID), TTL: now.Add(keep).Unix()},
		{Key: dynamo.Key{PK: pending, SK: userID}, Until: now.Add(repeatFor).Unix()},
	}
	writes := make([]types.TransactWriteItem, len(rows))
	for i, r := range rows {
		item, err := dynamo.Marshal(r)
		if err != nil {
			return nil, err
		}
		writes[i] = types.TransactWriteItem{Put: &types.Put{TableName: &t.Name, Item: item}}
	}
	return writes, nil
}

// Schedule begins an erasure that Repeat goes on with.
func (t *Table) Schedule(ctx context.Context, userID string) error {
	writes, err := t.Begin(userID)
	if err != nil {
		return err
	}
	err = dynamo.Retry(ctx, func() error {
		_, err := t.DB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		return err
	})
	if err != nil {
		return fmt.Errorf("begin erasure: %w", err)
	}
	return nil
}

// Bury writes a person's tombstone: for a service that keeps nothing outside of its
// table, and finds all of it under the person's key.
func (t *Table) Bury(ctx context.Context, userID string) error {
	item, err := dynamo.Marshal(row{Key: key(userID), TTL: t.Now().Add(keep).Unix()})
	if err != nil {
		return err
	}
	err = dynamo.Retry(ctx, func() error {
		_, err := t.DB.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.Name, Item: item})
		return err
	})
	if err != nil {
		return fmt.Errorf("write tombstone: %w", err)
	}
	return nil
}

// Standing is the part of a transaction that fails when the person was erased.
func (t *Table) Standing(userID string) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &t.Name, Key: key(userID).Item(), ConditionExpression: aws.String("attribute_not_exists(pk)"),
	}}
}

// Erased tells whether a person was erased.
func (t *Table) Erased(ctx context.Context, userID string) (bool, error) {
	out, err := t.DB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.Name, Key: key(userID).Item(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return false, fmt.Errorf("look for tombstone: %w", err)
	}
	return out.Item != nil, nil
}

// Guard does work that may write about a person, unless they were erased. What was
// written while they were being erased is deleted again.
func (t *Table) Guard(ctx context.Context, userID string, work func() error) error {
	_, err := t.guard(ctx, userID, work)
	return err
}

// guard is Guard, and tells whether what was written stands.
func (t *Table) guard(ctx context.Context, userID string, work func() error) (stands bool, err error) {
	erased, err := t.Erased(ctx, userID)
	if err != nil {
		return false, err
	}
	if erased { // and perhaps a worker died of it between its write and this
		return false, t.Clear(ctx, userID)
	}
	failure := work()
	erased, err = t.Erased(ctx, userID)
	if err == nil && erased {
		return false, t.Clear(ctx, userID)
	}
	return err == nil, errors.Join(failure, err)
}

// Clear deletes all rows of a person, whatever they are, but for the tombstone.
func (t *Table) Clear(ctx context.Context, userID string) error {
	return t.ClearPartition(ctx, partition(userID))
}

// ClearPartition deletes all rows of a partition, but for a tombstone.
func (t *Table) ClearPartition(ctx context.Context, pk string) error {
	return t.pages(ctx, pk, "pk, sk", func(items []dynamo.Item) error {
		var keys []dynamo.Item
		for _, item := range items {
			k, err := dynamo.Unmarshal[dynamo.Key](item)
			if err != nil {
				return err
			}
			if k.SK != tombstone {
				keys = append(keys, k.Item())
			}
		}
		return t.Delete(ctx, keys)
	})
}

// Rows gives all rows of a person to see, page by page.
func (t *Table) Rows(ctx context.Context, userID string, see func([]dynamo.Item) error) error {
	return t.PartitionRows(ctx, partition(userID), see)
}

// PartitionRows gives all rows of a partition to see, page by page.
func (t *Table) PartitionRows(ctx context.Context, pk string, see func([]dynamo.Item) error) error {
	return t.pages(ctx, pk, "", see)
}

func (t *Table) pages(ctx context.Context, pk, only string, see func([]dynamo.Item) error) error {
	in := &dynamodb.QueryInput{
		TableName: &t.Name, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(pk)},
	}
	if only != "" {
		in.ProjectionExpression = &only
	}
	pages := dynamodb.NewQueryPaginator(t.DB, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list a person's rows: %w", err)
		}
		if err := see(page.Items); err != nil {
			return err
		}
	}
	return nil
}

// Delete deletes rows by their keys.
func (t *Table) Delete(ctx context.Context, keys []dynamo.Item) error {
	const atOnce = 25 // DynamoDB takes so many
	for chunk := range slices.Chunk(keys, atOnce) {
		requests := make([]types.WriteRequest, len(chunk))
		for i, k := range chunk {
			requests[i] = types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k}}
		}
		for left := map[string][]types.WriteRequest{t.Name: requests}; len(left) > 0; {
			out, err := t.DB.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: left})
			if err != nil {
				return fmt.Errorf("delete rows: %w", err)
			}
			left = out.UnprocessedItems
		}
	}
	return nil
}

// Repeat erases the people whose erasure began lately once more, and forgets those
// whose time is over: what was written by a function that had begun before the
// erasure is gone by then. It tells how many there were. It goes on past those that
// fail; the error joins theirs.
func (t *Table) Repeat(ctx context.Context, erase func(ctx context.Context, userID string) error) (int, error) {
	var all []row
	err := t.pages(ctx, pending, "", func(items []dynamo.Item) error {
		for _, item := range items {
			r, err := dynamo.Unmarshal[row](item)
			if err != nil {
				return err
			}
			all = append(all, r)
		}
		return nil
	})
	for _, r := range all {
		err = errors.Join(err, t.repeat(ctx, r, erase))
	}
	return len(all), err
}

func (t *Table) repeat(ctx context.Context, r row, erase func(ctx context.Context, userID string) error) error {
	over := r.Until <= t.Now().Unix() // before the erasure: it must have seen what was written by then
	if err := erase(ctx, r.SK); err != nil {
		return fmt.Errorf("erase %s: %w", r.SK, err)
	}
	if !over {
		return nil
	}
	return t.Delete(ctx, []dynamo.Item{r.Item()})
}

// Buried tells whether an item is the tombstone of a person, and whose.
func Buried(item dynamo.Item) (userID string, ok bool) {
	k, err := dynamo.Unmarshal[dynamo.Key](item)
	if err != nil || k.SK != tombstone {
		return "", false
	}
	return strings.CutPrefix(k.PK, partition(""))
}
