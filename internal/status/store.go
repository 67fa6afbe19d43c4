package status

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
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
//	queries#<id>   …               what they asked: see QueryLog
//
// The index "by_status" has one person's videos of one status. IDs sort by
// time, and so do both.
//
// IAM: the projector needs dynamodb:GetItem, PutItem and Scan on the table and what
// package erasure needs, the queries GetItem and Query on it and its index.
type Store struct {
	DB     *dynamodb.Client
	Table  string
	People *erasure.Table // for the projector
}

func videoKey(ownerID, videoID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + ownerID, SK: videoPrefix + videoID}
}

const videoPrefix = "video#"

// Merge puts what an event says into a video's row; where that changes nothing,
// nothing is written. It reads, merges and writes if nobody else has meanwhile, and
// else does so again: of those who try at once one always gets on. It gives the video as
// it then is, nil if there is none to be seen.
func (s *Store) Merge(ctx context.Context, ref event.VideoRef, say func(*row)) (*Video, error) {
	for {
		before, err := s.row(ctx, ref.OwnerID, ref.VideoID)
		if err != nil {
			return nil, err
		}
		after := before
		after.merge(ref, say)
		if reflect.DeepEqual(before, after) {
			return after.seen(), nil
		}
		after.Revision++
		err = s.put(ctx, before.Revision, after)
		if err == nil {
			return after.seen(), nil
		}
		if !dynamo.ConditionFailed(err) {
			return nil, err
		}
	}
}

func (s *Store) put(ctx context.Context, revision int, r row) error {
	item, err := dynamo.Marshal(r)
	if err != nil {
		return err
	}
	in := &dynamodb.PutItemInput{
		TableName: &s.Table, Item: item, ConditionExpression: aws.String("attribute_not_exists(revision)"),
	}
	if revision > 0 {
		in.ConditionExpression = aws.String("revision = :revision")
		in.ExpressionAttributeValues = dynamo.Item{":revision": dynamo.N(revision)}
	}
	if _, err := s.DB.PutItem(ctx, in); err != nil {
		return fmt.Errorf("write video: %w", err)
	}
	return nil
}

// row reads a video's row, which is empty but for its key if there is none.
func (s *Store) row(ctx context.Context, ownerID, videoID string) (row, error) {
	key := videoKey(ownerID, videoID)
	found, err := dynamo.Get[row](ctx, s.DB, s.Table, key)
	if err != nil {
		return row{}, fmt.Errorf("get video: %w", err)
	}
	if found == nil {
		return row{Key: key}, nil
	}
	return *found, nil
}

// ownerStatus is the partition of the index "by_status".
func ownerStatus(ownerID string, s rest.Status) string { return ownerID + "#" + string(s) }

// Forget deletes the videos among rows of the table, and tombstones of videos.
func (s *Store) Forget(ctx context.Context, items []dynamo.Item) error {
	var keys []dynamo.Item
	for _, item := range items {
		k, err := dynamo.Unmarshal[dynamo.Key](item)
		if err != nil {
			return err
		}
		if strings.HasPrefix(k.SK, videoPrefix) {
			keys = append(keys, k.Item())
		}
	}
	return s.People.Delete(ctx, keys)
}

// visible is row.visible as DynamoDB takes it.
const visible = "attribute_not_exists(deleted) AND attribute_exists(created_at)"

// Get finds a video. It gives problem.NotFound when there is none, or it is
// another person's.
func (s *Store) Get(ctx context.Context, ownerID, videoID string) (*Video, error) {
	r, err := s.row(ctx, ownerID, videoID)
	if err != nil {
		return nil, err
	}
	v := r.seen()
	if v == nil {
		return nil, problem.New(problem.NotFound)
	}
	return v, nil
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
