package status

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// Store keeps the read model in StatusTable.
//
//	pk             sk              what
//	user#<id>      video#<id>      a video, or the tombstone of a deleted one
//	user#<id>      erased          all that stays of an erased person: see package erasure
//
// The index "by_status" has one person's videos of one status. IDs sort by
// time, and so do both.
//
// IAM: the projector needs dynamodb:PutItem and UpdateItem on the table and what
// package erasure needs, the queries GetItem and Query on it and its index.
type Store struct {
	DB     *dynamodb.Client
	Table  string
	People *erasure.Table // for the projector
}

type row struct {
	dynamo.Key
	ID          string         `dynamodbav:"id"`
	OwnerID     string         `dynamodbav:"owner_id"`
	Filename    string         `dynamodbav:"filename"`
	Size        int64          `dynamodbav:"size"`
	ContentType string         `dynamodbav:"content_type"`
	Extraction  string         `dynamodbav:"extraction"` // JSON
	Status      rest.Status    `dynamodbav:"status"`
	Progress    float64        `dynamodbav:"progress"`
	Media       *event.Media   `dynamodbav:"media"`
	Archive     *event.Archive `dynamodbav:"archive"`
	Warnings    []string       `dynamodbav:"warnings"`
	ErrorCode   string         `dynamodbav:"error_code"`
	CreatedAt   time.Time      `dynamodbav:"created_at"`
	UpdatedAt   time.Time      `dynamodbav:"updated_at"`
	ExpiresAt   time.Time      `dynamodbav:"expires_at"`
}

func (r *row) video() *Video {
	return &Video{
		ID: r.ID, OwnerID: r.OwnerID, Filename: r.Filename, Size: r.Size, ContentType: r.ContentType,
		Extraction: json.RawMessage(r.Extraction), Status: r.Status, Progress: r.Progress, Media: r.Media,
		Archive: r.Archive, Warnings: r.Warnings, ErrorCode: r.ErrorCode,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, ExpiresAt: r.ExpiresAt,
	}
}

func videoKey(ownerID, videoID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + ownerID, SK: "video#" + videoID}
}

// keep is how long a row stays after its files have gone, and a tombstone after
// the deletion: longer than any event is under way.
const keep = 30 * 24 * time.Hour

func ownerStatus(ownerID string, s rest.Status) string { return ownerID + "#" + string(s) }

// Describe writes what does not change about a video. What other events have
// said of it already stays.
func (s *Store) Describe(ctx context.Context, at time.Time, v event.VideoRegistered) error {
	set := expression.
		Set(expression.Name("id"), expression.Value(v.VideoID)).
		Set(expression.Name("owner_id"), expression.Value(v.OwnerID)).
		Set(expression.Name("filename"), expression.Value(v.Filename)).
		Set(expression.Name("size"), expression.Value(v.Size)).
		Set(expression.Name("content_type"), expression.Value(v.ContentType)).
		Set(expression.Name("created_at"), expression.Value(v.CreatedAt))
	return s.update(ctx, v.VideoRef, setFirst(set, map[string]any{
		"extraction":     string(v.Extraction),
		"extraction_run": v.Run,
		"status":         rest.AwaitingUpload,
		"owner_status":   ownerStatus(v.OwnerID, rest.AwaitingUpload),
		"position":       position(v.Run, rest.AwaitingUpload),
		"progress":       0,
		"updated_at":     at,
		"expires_at":     v.ExpiresAt,
		"ttl":            v.ExpiresAt.Add(keep).Unix(),
	}), expression.Name("deleted").AttributeNotExists())
}

// Extract writes what a run extracts, unless that of a later one is there.
func (s *Store) Extract(ctx context.Context, ref event.VideoRef, extraction json.RawMessage) error {
	run := expression.Name("extraction_run")
	set := expression.
		Set(run, expression.Value(ref.Run)).
		Set(expression.Name("extraction"), expression.Value(string(extraction)))
	newer := run.AttributeNotExists().Or(run.LessThan(expression.Value(ref.Run)))
	return s.update(ctx, ref, set, expression.Name("deleted").AttributeNotExists().And(newer))
}

// setFirst sets attributes that are not there yet.
func setFirst(set expression.UpdateBuilder, values map[string]any) expression.UpdateBuilder {
	for name, value := range values {
		set = set.Set(expression.Name(name), expression.IfNotExists(expression.Name(name), expression.Value(value)))
	}
	return set
}

// Change is one step of a video.
type Change struct {
	Ref    event.VideoRef
	At     time.Time
	Status rest.Status

	// Progress is set with every change: 0 to 1.
	Progress float64

	// Set are further attributes of the row.
	Set map[string]any
}

// results are the attributes that tell how a run ended: a step that does not
// set them belongs to a run that has none yet.
var results = []string{"archive", "error_code", "warnings"}

// Advance writes a step, unless the video is there or further already.
func (s *Store) Advance(ctx context.Context, c Change) error {
	at := position(c.Ref.Run, c.Status)
	further := expression.Name("position").AttributeNotExists().
		Or(expression.Name("position").LessThan(expression.Value(at)))
	return s.update(ctx, c.Ref, c.builder(at), expression.Name("deleted").AttributeNotExists().And(further))
}

// Progress writes how far a video is, unless it is further already.
func (s *Store) Progress(ctx context.Context, c Change) error {
	at := position(c.Ref.Run, c.Status)
	name, value := expression.Name("position"), expression.Value(at)
	further := name.AttributeNotExists().Or(name.LessThan(value)).
		Or(name.Equal(value).And(expression.Name("progress").LessThan(expression.Value(c.Progress))))
	return s.update(ctx, c.Ref, c.builder(at), expression.Name("deleted").AttributeNotExists().And(further))
}

func (c Change) builder(at int) expression.UpdateBuilder {
	set := expression.
		Set(expression.Name("status"), expression.Value(c.Status)).
		Set(expression.Name("owner_status"), expression.Value(ownerStatus(c.Ref.OwnerID, c.Status))).
		Set(expression.Name("position"), expression.Value(at)).
		Set(expression.Name("progress"), expression.Value(c.Progress)).
		Set(expression.Name("updated_at"), expression.Value(c.At))
	for name, value := range c.Set {
		set = set.Set(expression.Name(name), expression.Value(value))
	}
	for _, name := range results {
		_, kept := c.Set[name]
		if c.Status == rest.Expired && name != "error_code" {
			kept = true // it is told when and of what there was an archive
		}
		if !kept {
			set = set.Remove(expression.Name(name))
		}
	}
	return set
}

// update writes unless the condition does not hold, which is no error: the
// event was old.
func (s *Store) update(ctx context.Context, ref event.VideoRef, set expression.UpdateBuilder, unless expression.ConditionBuilder) error {
	expr, err := expression.NewBuilder().WithUpdate(set).WithCondition(unless).Build()
	if err != nil {
		return fmt.Errorf("build update: %w", err)
	}
	_, err = s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &s.Table,
		Key:                       videoKey(ref.OwnerID, ref.VideoID).Item(),
		UpdateExpression:          expr.Update(),
		ConditionExpression:       expr.Condition(),
		ExpressionAttributeNames:  expr.Names(),
		ExpressionAttributeValues: expr.Values(),
	})
	if err != nil && !dynamo.ConditionFailed(err) {
		return fmt.Errorf("update video: %w", err)
	}
	return nil
}

// Bury puts a tombstone in the place of a video: events that come later must
// not bring it back.
func (s *Store) Bury(ctx context.Context, ref event.VideoRef, at time.Time) error {
	item := videoKey(ref.OwnerID, ref.VideoID).Item()
	item["deleted"] = dynamo.S(at.UTC().Format(time.RFC3339))
	item["ttl"] = dynamo.N(at.Add(keep).Unix())
	_, err := s.DB.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.Table, Item: item})
	if err != nil {
		return fmt.Errorf("bury video: %w", err)
	}
	return nil
}

// visible holds for rows that are videos: not tombstones, and described.
const visible = "attribute_not_exists(deleted) AND attribute_exists(created_at)"

func isVisible(item dynamo.Item) bool { return item["deleted"] == nil && item["created_at"] != nil }

// Get finds a video. It gives problem.NotFound when there is none, or it is
// another person's.
func (s *Store) Get(ctx context.Context, ownerID, videoID string) (*Video, error) {
	out, err := s.DB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.Table, Key: videoKey(ownerID, videoID).Item(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("get video: %w", err)
	}
	if !isVisible(out.Item) {
		return nil, problem.New(problem.NotFound)
	}
	r, err := dynamo.Unmarshal[row](out.Item)
	if err != nil {
		return nil, err
	}
	return r.video(), nil
}

// listBytes is how long the extractions on one page of the list may be together,
// so that the answer stays well below the 6 MB that a function may give: one with
// many timestamps can take 250 KB.
const listBytes = 1 << 20

// List gives one person's videos, newest first: at most limit, of one status if
// one is given, older than the video whose ID is after if that is given. more
// tells whether there are further ones.
func (s *Store) List(ctx context.Context, ownerID string, only rest.Status, after string, limit int) (videos []*Video, more bool, err error) {
	query := s.query(ownerID, only, after)
	query.Limit = aws.Int32(int32(limit + 1))
	pages := dynamodb.NewQueryPaginator(s.DB, query)
	var size int
	for pages.HasMorePages() && len(videos) <= limit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("list videos: %w", err)
		}
		var rows []row
		if err := attributevalue.UnmarshalListOfMaps(page.Items, &rows); err != nil {
			return nil, false, fmt.Errorf("unmarshal videos: %w", err)
		}
		for i := range rows {
			if size += len(rows[i].Extraction); size > listBytes && len(videos) > 0 {
				return videos[:min(limit, len(videos))], true, nil
			}
			videos = append(videos, rows[i].video())
		}
	}
	if len(videos) > limit {
		return videos[:limit], true, nil
	}
	return videos, false, nil
}

func (s *Store) query(ownerID string, only rest.Status, after string) *dynamodb.QueryInput {
	partition, before := "pk = :pk", "sk < :sk"
	values := dynamo.Item{":pk": dynamo.S("user#" + ownerID), ":sk": dynamo.S("video#" + after)}
	if after == "" {
		values[":sk"] = dynamo.S("video$") // the character after "#"
	}
	q := &dynamodb.QueryInput{TableName: &s.Table, ScanIndexForward: aws.Bool(false), FilterExpression: aws.String(visible)}
	if only != "" {
		q.IndexName = aws.String("by_status")
		partition = "owner_status = :pk"
		values[":pk"] = dynamo.S(ownerStatus(ownerID, only))
	}
	q.KeyConditionExpression = aws.String(partition + " AND " + before)
	q.ExpressionAttributeValues = values
	return q
}
