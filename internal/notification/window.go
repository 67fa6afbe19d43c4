package notification

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// collectedPrefix is what the sort keys of collected videos begin with; the end of the
// window and the ID of the event follow.
const collectedPrefix = "collected#"

// aloneInWindow is how many mails go out at once in a window that does not go on with a
// stream of them.
const aloneInWindow = 3

// errWindowChanged is that something was decided of a window that is another's by now, or
// as full as it gets.
var errWindowChanged = errors.New("the window has changed")

// window is a span of time in which videos of one person end. Each person has one row of
// it, that of the newest. It is named by when it ends.
type window struct {
	dynamo.Key
	EndsAt    int64    `dynamodbav:"ends_at"`                   // Unix milliseconds
	Alone     []string `dynamodbav:"alone,stringset,omitempty"` // IDs of the events whose mails go alone
	Streaming bool     `dynamodbav:"streaming"`                 // goes on with what began before: none goes alone
	Asked     bool     `dynamodbav:"asked"`                     // a message asks for its digest
	Closed    bool     `dynamodbav:"closed"`                    // nothing is collected any more
	TTL       int64    `dynamodbav:"ttl"`                       // Unix seconds
}

func windowKey(userID string) dynamo.Key { return dynamo.Key{PK: "user#" + userID, SK: "digest"} }

// open tells whether a window still takes videos.
func (w window) open(now time.Time) bool { return !w.Closed && now.UnixMilli() < w.EndsAt }

// next gives the window after this one. While a stream of videos goes on, nothing goes
// alone.
func (w window) next(now time.Time, length time.Duration) window {
	ends := max(now.Add(length).UnixMilli(), w.EndsAt+1) // two windows never have one name
	return window{
		Key: w.Key, EndsAt: ends, Streaming: w.Asked && now.Before(time.UnixMilli(w.EndsAt).Add(length)),
		TTL: time.UnixMilli(ends).Add(keepMails).Unix(),
	}
}

// digestID is the ID of the event that asks for the digest of a window, and with that of
// its mail: a UUID version 7, since IDs of events sort by time.
func digestID(endsAt int64) string {
	id := uuid.UUID{6: 0x70, 8: 0x80}
	for i := range 6 {
		id[i] = byte(endsAt >> (8 * (5 - i)))
	}
	return id.String()
}

// collected is a video that a digest is to tell of.
type collected struct {
	dynamo.Key
	Kind      kind      `dynamodbav:"kind"`
	VideoID   string    `dynamodbav:"video_id"`
	Filename  string    `dynamodbav:"filename"`
	Frames    int       `dynamodbav:"frames"`
	Size      int64     `dynamodbav:"size"` // bytes
	ExpiresAt time.Time `dynamodbav:"expires_at"`
	Notices   []string  `dynamodbav:"notices"` // codes
	TTL       int64     `dynamodbav:"ttl"`     // Unix seconds
}

func collectedKey(userID string, endsAt int64, eventID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: fmt.Sprintf("%s%d#%s", collectedPrefix, endsAt, eventID)}
}

// window gives a person's newest window; one that is over if they have none.
func (s *Store) window(ctx context.Context, userID string) (window, error) {
	found, err := dynamo.Get[window](ctx, s.DB, s.Table, windowKey(userID))
	if err != nil {
		return window{}, fmt.Errorf("get window: %w", err)
	}
	if found == nil {
		return window{Key: windowKey(userID)}, nil
	}
	return *found, nil
}

// openWindow begins the window after another; errWindowChanged if somebody else did.
func (s *Store) openWindow(ctx context.Context, w, before window) error {
	item, err := dynamo.Marshal(w)
	if err != nil {
		return err
	}
	return s.changeWindow(ctx, "open window", func() error {
		_, err := s.DB.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &s.Table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk) OR ends_at = :before"),
			ExpressionAttributeValues: dynamo.Item{":before": dynamo.N(before.EndsAt)},
		})
		return err
	})
}

// goAlone counts the mail of an event among the few of a window that go at once;
// errWindowChanged if there are as many.
func (s *Store) goAlone(ctx context.Context, w window, eventID string) error {
	return s.updateWindow(ctx, w, "ADD alone :event",
		"ends_at = :ends AND closed = :no AND (attribute_not_exists(alone) OR size(alone) < :most)",
		dynamo.Item{":event": &types.AttributeValueMemberSS{Value: []string{eventID}}, ":most": dynamo.N(aloneInWindow), ":no": no})
}

// markAsked says that a message asks for the digest of a window, if that is the newest.
func (s *Store) markAsked(ctx context.Context, w window) error {
	return s.updateIfNewest(ctx, w, "SET asked = :yes")
}

// closeWindow sees to it that nothing is collected any more in a window.
func (s *Store) closeWindow(ctx context.Context, w window) error {
	return s.updateIfNewest(ctx, w, "SET closed = :yes")
}

func (s *Store) updateIfNewest(ctx context.Context, w window, update string) error {
	err := s.updateWindow(ctx, w, update, "ends_at = :ends", dynamo.Item{":yes": yes})
	if errors.Is(err, errWindowChanged) {
		return nil
	}
	return err
}

var (
	yes = &types.AttributeValueMemberBOOL{Value: true}
	no  = &types.AttributeValueMemberBOOL{}
)

func (s *Store) updateWindow(ctx context.Context, w window, update, condition string, values dynamo.Item) error {
	values[":ends"] = dynamo.N(w.EndsAt)
	return s.changeWindow(ctx, "update window", func() error {
		_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &s.Table, Key: w.Item(), UpdateExpression: &update, ConditionExpression: &condition, ExpressionAttributeValues: values,
		})
		return err
	})
}

// changeWindow does a write; errWindowChanged if its condition does not hold.
func (s *Store) changeWindow(ctx context.Context, doing string, write func() error) error {
	err := dynamo.Retry(ctx, write)
	if dynamo.ConditionFailed(err) || len(dynamo.FailedConditions(err)) > 0 {
		return errWindowChanged
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// collect keeps a video for the digest of a window, and says in the row of its event's
// mail that it is told of there. It gives errWindowChanged if the window takes none any
// more, or the row is there: the mail is being sent, or was collected before.
func (s *Store) collect(ctx context.Context, userID string, w window, eventID string, video collected) error {
	video.Key, video.TTL = collectedKey(userID, w.EndsAt, eventID), w.TTL
	item, err := dynamo.Marshal(video)
	if err != nil {
		return err
	}
	mail := Claim{UserID: userID, EventID: eventID}.key().Item()
	mail["kind"], mail["video_id"] = dynamo.S(string(video.Kind)), dynamo.S(video.VideoID)
	mail["digest"], mail["ttl"] = dynamo.N(w.EndsAt), dynamo.N(w.TTL)
	writes := []types.TransactWriteItem{
		{ConditionCheck: &types.ConditionCheck{
			TableName: &s.Table, Key: w.Item(), ConditionExpression: aws.String("ends_at = :ends AND closed = :no"),
			ExpressionAttributeValues: dynamo.Item{":ends": dynamo.N(w.EndsAt), ":no": no},
		}},
		{Put: &types.Put{TableName: &s.Table, Item: mail, ConditionExpression: aws.String("attribute_not_exists(pk)")}},
		{Put: &types.Put{TableName: &s.Table, Item: item}},
	}
	return s.changeWindow(ctx, "collect video", func() error {
		_, err := s.DB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		return err
	})
}

// collected gives the videos of a window that no digest has told of, in the order of
// their events.
func (s *Store) collected(ctx context.Context, userID string, endsAt int64) ([]collected, error) {
	of := collectedKey(userID, endsAt, "")
	found, err := dynamo.QueryAll[collected](ctx, s.DB, &dynamodb.QueryInput{
		TableName: &s.Table, KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :of)"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(of.PK), ":of": dynamo.S(of.SK)},
	})
	if err != nil {
		return nil, fmt.Errorf("list collected videos: %w", err)
	}
	return found, nil
}

// forget deletes collected videos that a digest has told of.
func (s *Store) forget(ctx context.Context, videos []collected) error {
	keys := make([]dynamo.Item, len(videos))
	for i, video := range videos {
		keys[i] = video.Item()
	}
	return s.People.Delete(ctx, keys)
}

// kept gives what is known of the mail of an event; nil if nothing is.
func (s *Store) kept(ctx context.Context, userID, eventID string) (*mailRow, error) {
	found, err := dynamo.Get[mailRow](ctx, s.DB, s.Table, Claim{UserID: userID, EventID: eventID}.key())
	if err != nil {
		return nil, fmt.Errorf("look at mail: %w", err)
	}
	return found, nil
}
