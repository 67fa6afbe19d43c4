package video

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Each person has quotas. A video's row says what it counts for, and whatever
// changes that changes the person's counters in the same transaction: so an event
// that comes twice counts once, and counters are the sums of the rows.
//
// Minutes are known only when a video has been processed. Who has some left may
// begin with another, so that they can go beyond by what is under way.

// Usage is what a video counts for.
type Usage struct {
	File    int64 `dynamodbav:"file"`    // bytes of the upload, from when it is announced until it is deleted
	Archive int64 `dynamodbav:"archive"` // bytes of the frames

	// ArchiveRun is the run that has made the archive.
	ArchiveRun int `dynamodbav:"archive_run"`

	// Active: the newest run has not ended, or the upload is awaited.
	Active bool `dynamodbav:"active"`

	// Runs are those whose minutes were counted.
	Runs []int `dynamodbav:"runs"`
}

func (u Usage) equal(other Usage) bool {
	return u.File == other.File && u.Archive == other.Archive && u.ArchiveRun == other.ArchiveRun &&
		u.Active == other.Active && slices.Equal(u.Runs, other.Runs)
}

// totals are a person's counters that do not end with a time.
type totals struct {
	Bytes  int64 `dynamodbav:"bytes"`
	Active int   `dynamodbav:"active"`
}

// change is what another usage does to the totals.
func (u Usage) change(after Usage) totals {
	return totals{Bytes: after.File + after.Archive - u.File - u.Archive, Active: count(after.Active) - count(u.Active)}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// window is what a person did in a minute or a day.
type window struct {
	Videos  int     `dynamodbav:"videos"`
	Seconds float64 `dynamodbav:"seconds"`
}

const day = 24 * time.Hour

func totalsKey(ownerID string) dynamo.Key { return dynamo.Key{PK: "user#" + ownerID, SK: "usage"} }

func minuteKey(ownerID string, at time.Time) dynamo.Key {
	return dynamo.Key{PK: "user#" + ownerID, SK: "minute#" + strconv.FormatInt(at.Truncate(time.Minute).Unix(), 10)}
}

func dayKey(ownerID string, at time.Time) dynamo.Key {
	return dynamo.Key{PK: "user#" + ownerID, SK: "day#" + at.UTC().Format(time.DateOnly)}
}

// errQuota tells that a quota is used up: refusal tells which.
var errQuota = errors.New("quota used up")

// write is one write of a transaction, and what it means when its condition does
// not hold.
type write struct {
	item    types.TransactWriteItem
	refused error
}

// charge gives the writes that count a run which begins now and changes the totals.
func (s *Store) charge(ownerID string, now time.Time, change totals, l Limits) []write {
	const fewer = "(attribute_not_exists(videos) OR videos < :videos)"
	names := map[string]string{"#ttl": "ttl"} // reserved word
	ends := func(t time.Time) types.AttributeValue { return dynamo.N(t.Unix()) }
	minute := types.Update{
		TableName: &s.Table, Key: minuteKey(ownerID, now).Item(), ExpressionAttributeNames: names,
		UpdateExpression: aws.String("ADD videos :one SET #ttl = :ttl"), ConditionExpression: aws.String(fewer),
		ExpressionAttributeValues: dynamo.Item{
			":one": dynamo.N(1), ":videos": dynamo.N(l.VideosPerMinute), ":ttl": ends(now.Add(time.Hour)),
		},
	}
	today := types.Update{
		TableName: &s.Table, Key: dayKey(ownerID, now).Item(), ExpressionAttributeNames: names,
		UpdateExpression:    aws.String("ADD videos :one SET #ttl = :ttl"),
		ConditionExpression: aws.String(fewer + " AND (attribute_not_exists(seconds) OR seconds < :seconds)"),
		ExpressionAttributeValues: dynamo.Item{
			":one": dynamo.N(1), ":videos": dynamo.N(l.VideosPerDay), ":seconds": dynamo.N(60 * l.MinutesPerDay), ":ttl": ends(now.Add(keepDays)),
		},
	}
	sum := s.add(ownerID, change)
	room := "(attribute_not_exists(bytes) OR bytes <= :room)"
	sum.ExpressionAttributeValues[":room"] = dynamo.N(l.StoredBytes - change.Bytes)
	if change.Active > 0 {
		room += " AND (attribute_not_exists(active) OR active < :most)"
		sum.ExpressionAttributeValues[":most"] = dynamo.N(l.VideosAtOnce)
	}
	sum.ConditionExpression = &room
	return []write{
		{types.TransactWriteItem{Update: &minute}, errQuota},
		{types.TransactWriteItem{Update: &today}, errQuota},
		{types.TransactWriteItem{Update: sum}, errQuota},
	}
}

// keepDays is how long a day's counter stays: longer than events of it are late.
const keepDays = 30 * day

// add gives the update that changes a person's totals.
func (s *Store) add(ownerID string, change totals) *types.Update {
	return &types.Update{
		TableName: &s.Table, Key: totalsKey(ownerID).Item(), UpdateExpression: aws.String("ADD bytes :bytes, active :active"),
		ExpressionAttributeValues: dynamo.Item{":bytes": dynamo.N(change.Bytes), ":active": dynamo.N(change.Active)},
	}
}

// tally gives the writes that bring its owner's totals in line with a video.
func (s *Store) tally(before, after *Video) []write {
	change := before.Usage.change(after.Usage)
	if change == (totals{}) {
		return nil
	}
	return []write{{item: types.TransactWriteItem{Update: s.add(before.OwnerID, change)}}}
}

// addSeconds gives the write that counts what was processed at a time.
func (s *Store) addSeconds(ownerID string, at time.Time, seconds float64) write {
	return write{item: types.TransactWriteItem{Update: &types.Update{
		TableName: &s.Table, Key: dayKey(ownerID, at).Item(), ExpressionAttributeNames: map[string]string{"#ttl": "ttl"},
		UpdateExpression: aws.String("ADD seconds :seconds SET #ttl = :ttl"),
		ExpressionAttributeValues: dynamo.Item{
			":seconds": &types.AttributeValueMemberN{Value: strconv.FormatFloat(seconds, 'f', 3, 64)},
			":ttl":     dynamo.N(at.Add(keepDays).Unix()),
		},
	}}}
}

// commit writes all of it and publishes the events, or nothing. The error is that
// of the first write whose condition does not hold.
func (s *Store) commit(ctx context.Context, writes []write, events ...event.Event) error {
	items := make([]types.TransactWriteItem, len(writes))
	for i, w := range writes {
		items[i] = w.item
	}
	err := s.Outbox.Commit(ctx, items, events...)
	if failed := dynamo.FailedConditions(err); len(failed) > 0 {
		return writes[failed[0]].refused
	}
	if dynamo.Contended(err) { // by very many requests of one person
		return &problem.Error{Code: problem.Throttled, RetryAfter: time.Second, Cause: err}
	}
	return err
}

// spent is how much of the quotas a person has used.
type spent struct {
	totals
	minute, today window
}

// Spent reads it.
func (s *Store) Spent(ctx context.Context, ownerID string, now time.Time) (spent, error) {
	var u spent
	var err error
	if u.totals, err = counter[totals](ctx, s, totalsKey(ownerID)); err != nil {
		return u, err
	}
	if u.minute, err = counter[window](ctx, s, minuteKey(ownerID, now)); err != nil {
		return u, err
	}
	u.today, err = counter[window](ctx, s, dayKey(ownerID, now))
	return u, err
}

// counter reads a row of counters; all are 0 if there is none.
func counter[T any](ctx context.Context, s *Store, key dynamo.Key) (T, error) {
	out, err := s.DB.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.Table, Key: key.Item(), ConsistentRead: aws.Bool(true)})
	if err != nil {
		var zero T
		return zero, fmt.Errorf("get usage: %w", err)
	}
	return dynamo.Unmarshal[T](out.Item)
}

// minutes are those that were begun.
func (w window) minutes() int { return int((w.Seconds + 59) / 60) }

// refusal tells which quota leaves no room for a run that changes the totals; nil
// if all do. Its RetryAfter is when the minute or the day ends. What is stored or
// under way comes to its end at any time: there it is after how long it is worth to
// ask again.
func (u spent) refusal(change totals, l Limits, now time.Time) *problem.Error {
	tomorrow := now.UTC().Truncate(day).Add(day).Sub(now)
	refused := func(quota string, wait time.Duration, format string, args ...any) *problem.Error {
		p := problem.In(problem.QuotaExceeded, "quota."+quota, fmt.Sprintf(format, args...))
		p.RetryAfter = wait
		return p
	}
	switch {
	case u.minute.Videos >= l.VideosPerMinute:
		return refused("videos_per_minute", now.Truncate(time.Minute).Add(time.Minute).Sub(now),
			"%d videos may be registered or retried in a minute", l.VideosPerMinute)
	case u.today.Videos >= l.VideosPerDay:
		return refused("videos_per_day", tomorrow, "%d videos may be registered or retried in a day (UTC)", l.VideosPerDay)
	case u.today.Seconds >= float64(60*l.MinutesPerDay):
		return refused("minutes_per_day", tomorrow, "%d minutes of video may be processed in a day (UTC)", l.MinutesPerDay)
	case u.Bytes+change.Bytes > l.StoredBytes:
		return refused("bytes_stored", storedWait, "%d bytes may be stored, and %d are: wait until videos expire, or delete some", l.StoredBytes, u.Bytes)
	case change.Active > 0 && u.Active >= l.VideosAtOnce:
		return refused("concurrent_videos", activeWait,
			"%d videos may be under way at the same time: wait until one has ended, or cancel or delete one", l.VideosAtOnce)
	}
	return nil
}

const (
	storedWait = time.Hour
	activeWait = 15 * time.Second
)

// room gives a problem if a quota leaves no room for a run that begins now and
// changes the totals.
func (s *Service) room(ctx context.Context, ownerID string, change totals, now time.Time) error {
	u, err := s.Store.Spent(ctx, ownerID, now)
	if err != nil {
		return err
	}
	if refused := u.refusal(change, s.Limits, now); refused != nil {
		return refused
	}
	return nil
}

// charged makes a transaction that charges a person. Where that finds a quota used
// up, it tells which; or makes it again, if there is room by the time that it looks.
func (s *Service) charged(ctx context.Context, ownerID string, change totals, now time.Time, transact func() error) error {
	for {
		if err := transact(); !errors.Is(err, errQuota) {
			return err
		}
		if err := s.room(ctx, ownerID, change, now); err != nil {
			return err
		}
	}
}
