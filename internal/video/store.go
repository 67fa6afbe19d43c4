package video

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/outbox"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Store keeps videos in VideoTable.
//
//	pk             sk              what
//	user#<id>      video#<id>      a video
//	user#<id>      idem#<hash>     the video that an Idempotency-Key made
//	user#<id>      usage           what the person's videos count for: see quota.go
//	user#<id>      minute#<time>   how many videos were registered in it
//	user#<id>      day#<date>      the same, and how long the videos were that were processed
//	user#<id>      erased          all that stays of an erased person: see package erasure
//	erasures       <id>            see there
//	outbox#<n>     <event id>      see package outbox
//
// The sparse index "due" has the videos whose upload is awaited, by deadline, and
// those whose file is kept, by when it must be gone.
//
// IAM: dynamodb:GetItem, PutItem, UpdateItem, DeleteItem, ConditionCheckItem and
// Query on the table and its index, and what package erasure needs.
type Store struct {
	DB            *dynamodb.Client
	Table         string
	Outbox        *outbox.Outbox
	People        *erasure.Table
	RetentionDays int // of files
}

// The partitions of the index "due".
const (
	dueUploads = "upload"
	dueFiles   = "file"
)

type videoRow struct {
	dynamo.Key
	ID          string `dynamodbav:"id"`
	OwnerID     string `dynamodbav:"owner_id"`
	Filename    string `dynamodbav:"filename"`
	Size        int64  `dynamodbav:"size"`
	ContentType string `dynamodbav:"content_type"`
	SHA256      string `dynamodbav:"sha256,omitempty"`
	Extraction  string `dynamodbav:"extraction"` // JSON

	State    State  `dynamodbav:"state"`
	Run      int    `dynamodbav:"run"`
	UploadID string `dynamodbav:"upload_id,omitempty"`
	PartSize int64  `dynamodbav:"part_size,omitempty"`

	CreatedAt      time.Time `dynamodbav:"created_at"`
	ChangedAt      time.Time `dynamodbav:"changed_at"`
	UploadDeadline time.Time `dynamodbav:"upload_deadline"`
	ExpiresAt      time.Time `dynamodbav:"expires_at"`

	Usage    Usage `dynamodbav:"usage"`
	Revision int   `dynamodbav:"revision"`

	Due   string `dynamodbav:"due,omitempty"`
	DueAt int64  `dynamodbav:"due_at,omitempty"` // Unix seconds
	TTL   int64  `dynamodbav:"ttl"`              // Unix seconds
}

func videoKey(ownerID, videoID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + ownerID, SK: "video#" + videoID}
}

// rowSlack is how much longer a row is kept than the files it tells of.
const rowSlack = 30 * 24 * time.Hour

func (s *Store) rowOf(v *Video) (videoRow, error) {
	extraction, err := json.Marshal(v.Extraction)
	if err != nil {
		return videoRow{}, fmt.Errorf("encode extraction: %w", err)
	}
	r := videoRow{
		Key: videoKey(v.OwnerID, v.ID), ID: v.ID, OwnerID: v.OwnerID, Filename: v.Filename, Size: v.Size,
		ContentType: v.ContentType, SHA256: v.SHA256, Extraction: string(extraction),
		State: v.State, Run: v.Run, UploadID: v.UploadID, PartSize: v.PartSize,
		CreatedAt: v.CreatedAt, ChangedAt: v.ChangedAt, UploadDeadline: v.UploadDeadline, ExpiresAt: v.ExpiresAt,
		Usage: v.Usage, Revision: v.Revision,
		TTL: v.ExpiresAt.Add(rowSlack).Unix(),
	}
	switch {
	case v.State == Awaited:
		r.Due, r.DueAt = dueUploads, v.UploadDeadline.Add(uploadSlack).Unix()
	case v.Usage.File > 0:
		r.Due, r.DueAt = dueFiles, v.fileGone(s.RetentionDays).Unix()
	}
	return r, nil
}

func (r *videoRow) video() (*Video, error) {
	var extraction frames.Extraction
	if err := json.Unmarshal([]byte(r.Extraction), &extraction); err != nil {
		return nil, fmt.Errorf("decode extraction: %w", err)
	}
	return &Video{
		ID: r.ID, OwnerID: r.OwnerID, Filename: r.Filename, Size: r.Size, ContentType: r.ContentType,
		SHA256: r.SHA256, Extraction: extraction, State: r.State, Run: r.Run, UploadID: r.UploadID,
		PartSize: r.PartSize, CreatedAt: r.CreatedAt, ChangedAt: r.ChangedAt, UploadDeadline: r.UploadDeadline,
		ExpiresAt: r.ExpiresAt, Usage: r.Usage, Revision: r.Revision,
	}, nil
}

// idempotency is the memory of one Idempotency-Key.
type idempotency struct {
	dynamo.Key
	Request string `dynamodbav:"request"` // hash of the request
	VideoID string `dynamodbav:"video_id"`
	TTL     int64  `dynamodbav:"ttl"`
}

func idempotencyKey(ownerID, key string) dynamo.Key {
	return dynamo.Key{PK: "user#" + ownerID, SK: "idem#" + hash([]byte(key))}
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Get finds a video. It gives problem.NotFound when there is none, or it is
// another person's, or it was deleted.
func (s *Store) Get(ctx context.Context, ownerID, videoID string) (*Video, error) {
	row, err := dynamo.Get[videoRow](ctx, s.DB, s.Table, videoKey(ownerID, videoID))
	if err != nil {
		return nil, fmt.Errorf("get video: %w", err)
	}
	if row == nil || row.State == Deleted {
		return nil, problem.New(problem.NotFound)
	}
	return row.video()
}

// errKeyTaken tells that the Idempotency-Key came before.
var errKeyTaken = errors.New("idempotency key taken")

// Create keeps a new video, charges its owner and publishes its event, or changes
// nothing. With an idempotency key that came before it gives errKeyTaken, if a quota
// is used up errQuota, and problem.Unauthorized for a person who was erased.
func (s *Store) Create(ctx context.Context, v *Video, key string, request []byte, l Limits, e event.Event) error {
	row, err := s.rowOf(v)
	if err != nil {
		return err
	}
	item, err := dynamo.Marshal(row)
	if err != nil {
		return err
	}
	var writes []write
	if key != "" {
		memory, err := dynamo.Marshal(idempotency{
			Key: idempotencyKey(v.OwnerID, key), Request: hash(request), VideoID: v.ID,
			TTL: v.CreatedAt.Add(idempotencyValidity).Unix(),
		})
		if err != nil {
			return err
		}
		writes = append(writes, write{types.TransactWriteItem{Put: &types.Put{
			TableName: &s.Table, Item: memory,
			// DynamoDB deletes what is past its TTL within days, not at once.
			ConditionExpression:       aws.String("attribute_not_exists(pk) OR #ttl < :now"),
			ExpressionAttributeNames:  map[string]string{"#ttl": "ttl"},
			ExpressionAttributeValues: dynamo.Item{":now": dynamo.N(v.CreatedAt.Unix())},
		}}, errKeyTaken})
	}
	writes = append(writes, write{s.People.Standing(v.OwnerID), problem.New(problem.Unauthorized)})
	writes = append(writes, s.charge(v.OwnerID, v.CreatedAt, Usage{}.change(v.Usage), l)...)
	writes = append(writes, write{types.TransactWriteItem{Put: &types.Put{
		TableName: &s.Table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)"),
	}}, errChanged})
	return s.commit(ctx, writes, e)
}

// Recall finds the video that an idempotency key made; nil when the key is new.
// It gives problem.IdempotencyReused when the key came with another request.
func (s *Store) Recall(ctx context.Context, ownerID, key string, request []byte, now time.Time) (*Video, error) {
	out, err := s.DB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.Table, Key: idempotencyKey(ownerID, key).Item(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("recall idempotency key: %w", err)
	}
	memory, err := dynamo.Unmarshal[idempotency](out.Item)
	if err != nil {
		return nil, err
	}
	if memory.TTL < now.Unix() {
		return nil, nil //nolint:nilnil // a new key is no error, and there is no video for it
	}
	if memory.Request != hash(request) {
		return nil, problem.New(problem.IdempotencyReused)
	}
	return s.Get(ctx, ownerID, memory.VideoID)
}

// Update writes a changed video back and publishes the events of the change.
// It gives errChanged when the video is no longer as it was read, or is gone.
func (s *Store) Update(ctx context.Context, before, after *Video, events ...event.Event) error {
	return s.update(ctx, before, after, s.tally(before, after), events...)
}

// Begin writes a video back of which another run begins, and charges its owner. It
// gives errQuota when a quota is used up, and errChanged as Update does.
func (s *Store) Begin(ctx context.Context, before, after *Video, now time.Time, l Limits, events ...event.Event) error {
	charge := s.charge(before.OwnerID, now, before.Usage.change(after.Usage), l)
	return s.update(ctx, before, after, charge, events...)
}

// update writes a video back together with its owner's counters.
func (s *Store) update(ctx context.Context, before, after *Video, counted []write, events ...event.Event) error {
	after.Revision = before.Revision + 1
	row, err := s.rowOf(after)
	if err != nil {
		return err
	}
	item, err := dynamo.Marshal(row)
	if err != nil {
		return err
	}
	put := write{types.TransactWriteItem{Put: &types.Put{
		TableName:                 &s.Table,
		Item:                      item,
		ConditionExpression:       aws.String("revision = :revision"), // which a row that was erased has not
		ExpressionAttributeValues: dynamo.Item{":revision": dynamo.N(before.Revision)},
	}}, errChanged}
	return s.commit(ctx, append([]write{put}, counted...), events...)
}

// errChanged tells that somebody else changed the video in between.
var errChanged = errors.New("video changed meanwhile")

// Overdue lists videos whose upload should have arrived by now, at most limit.
func (s *Store) Overdue(ctx context.Context, now time.Time, limit int32) ([]*Video, error) {
	return s.due(ctx, dueUploads, now, limit)
}

// Stale lists videos whose file should be gone by now, at most limit.
func (s *Store) Stale(ctx context.Context, now time.Time, limit int32) ([]*Video, error) {
	return s.due(ctx, dueFiles, now, limit)
}

func (s *Store) due(ctx context.Context, partition string, now time.Time, limit int32) ([]*Video, error) {
	out, err := s.DB.Query(ctx, &dynamodb.QueryInput{
		TableName:                 &s.Table,
		IndexName:                 aws.String("due"),
		KeyConditionExpression:    aws.String("due = :due AND due_at <= :now"),
		ExpressionAttributeValues: dynamo.Item{":due": dynamo.S(partition), ":now": dynamo.N(now.Unix())},
		Limit:                     &limit,
	})
	if err != nil {
		return nil, fmt.Errorf("query what is due: %w", err)
	}
	var videos []*Video
	for _, item := range out.Items {
		key, err := dynamo.Unmarshal[dynamo.Key](item)
		if err != nil {
			return nil, err
		}
		v, err := s.Get(ctx, key.PK[len("user#"):], key.SK[len("video#"):])
		if problem.Is(err, problem.NotFound) {
			continue // the index runs behind the table
		}
		if err != nil {
			return nil, err
		}
		row, err := s.rowOf(v)
		if err != nil {
			return nil, err
		}
		if row.Due == partition && row.DueAt <= now.Unix() { // else the index is behind in another way
			videos = append(videos, v)
		}
	}
	return videos, nil
}
