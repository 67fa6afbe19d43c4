package processing

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// A unit is what one worker does of a run that was shared out: a segment, or the
// check of the file. Its row comes with the first claim to it.
type unitRow struct {
	dynamo.Key
	State  State  `dynamodbav:"state"` // Running or Completed
	Token  string `dynamodbav:"token"` // of the worker that has it, or that has done it
	Part   int    `dynamodbav:"part"`  // how much is done, or once was, in thousandths
	Frames int    `dynamodbav:"frames"`
}

func segmentsOf(ref event.VideoRef) string { return fmt.Sprintf("segment#%d#", ref.Run) }

func segmentKey(ref event.VideoRef, index int) dynamo.Key {
	return dynamo.Key{PK: jobKey(ref.VideoID).PK, SK: segmentsOf(ref) + fmt.Sprintf("%04d", index)}
}

func checkKey(ref event.VideoRef) dynamo.Key {
	return dynamo.Key{PK: jobKey(ref.VideoID).PK, SK: "check#" + strconv.Itoa(ref.Run)}
}

// progress is how far a worker or all of them are: 0 to 1, and how many frames
// they have.
type progress struct {
	part   float64
	frames int
}

const thousandths = 1000

func (r *unitRow) progress() progress { return progress{float64(r.Part) / thousandths, r.Frames} }

// ClaimUnit gives a unit to a worker, by the rules of Claim; errDone when it has
// been done, errElsewhere when another message's worker has it. It gives what an
// earlier worker had told of its progress.
func (s *Store) ClaimUnit(ctx context.Context, key dynamo.Key, l Lease) (progress, error) {
	claimed, err := s.update(ctx, write{
		key: key,
		set: "SET #state = :running, #token = :token, message_id = :message, lease_until = :until, owner_id = :owner, #ttl = :ttl",
		when: "attribute_not_exists(pk) OR " +
			"(#state = :running AND (message_id = :message OR lease_until < :now))",
		values: l.values(dynamo.Item{
			":owner": dynamo.S(l.Ref.OwnerID), ":ttl": dynamo.N(l.Now.Add(keepJobs).Unix()),
		}),
	})
	if err != nil {
		return progress{}, fmt.Errorf("claim unit: %w", err)
	}
	out, err := s.DB.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.Table, Key: key.Item(), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return progress{}, fmt.Errorf("get unit: %w", err)
	}
	row, err := dynamo.Unmarshal[unitRow](out.Item)
	switch {
	case err != nil:
		return progress{}, err
	case claimed && row.Token == l.Token:
		return row.progress(), nil
	case row.State == Completed:
		return progress{}, errDone
	default:
		return progress{}, errElsewhere
	}
}

// RenewUnit prolongs a worker's lease of a unit and keeps how far it is; errLost
// if the unit is no longer its own.
func (s *Store) RenewUnit(ctx context.Context, key dynamo.Key, token string, until time.Time, p progress) error {
	ok, err := s.update(ctx, write{
		key: key, set: "SET lease_until = :until, part = :part, frames = :frames", when: own,
		values: ownedBy(token, dynamo.Item{
			":until": dynamo.N(until.UnixMilli()),
			":part":  dynamo.N(int(thousandths * p.part)), ":frames": dynamo.N(p.frames),
		}),
	})
	if err != nil {
		return fmt.Errorf("renew lease: %w", err)
	}
	if !ok {
		return errLost
	}
	return nil
}

// FinishUnit says that a worker has done its unit, and publishes next; the unit
// that was the last of its run publishes last beside it. It gives errLost if the
// unit is no longer the worker's own, or if the run has ended.
func (s *Store) FinishUnit(ctx context.Context, ref event.VideoRef, key dynamo.Key, token string, frames int, next []event.Event, last event.Event) error {
	done := s.item(write{
		key: key, set: "SET #state = :completed, part = :whole, frames = :frames", when: own,
		values: ownedBy(token, dynamo.Item{
			":completed": dynamo.S(string(Completed)),
			":whole":     dynamo.N(thousandths), ":frames": dynamo.N(frames),
		}),
	})
	// The counter only falls: if it is not above one, it is one.
	for _, is := range []struct {
		the    string
		events []event.Event
	}{{">", next}, {"=", append(slices.Clip(next), last)}} {
		count := s.item(write{
			key: jobKey(ref.VideoID), set: "SET spread.remaining = spread.remaining - :one",
			when:   goesOn + " AND spread.#run = :run AND spread.remaining " + is.the + " :one",
			values: ofRun(ref, dynamo.Item{":one": dynamo.N(1)}),
		})
		err := s.Outbox.Commit(ctx, []types.TransactWriteItem{done, count}, is.events...)
		switch failed := dynamo.FailedConditions(err); {
		case failed == nil && err != nil:
			return fmt.Errorf("finish unit: %w", err)
		case failed == nil:
			return nil
		case slices.Contains(failed, 0):
			return errLost
		}
	}
	return errLost
}

// Progress sums up how far the segments of a run are, as parts of one each.
func (s *Store) Progress(ctx context.Context, ref event.VideoRef) (progress, error) {
	rows, err := s.segments(ctx, ref)
	var sum progress
	for _, row := range rows {
		p := row.progress()
		sum.part += p.part
		sum.frames += p.frames
	}
	return sum, err
}

// Workers gives the tokens of the workers that have done the segments of a run,
// by segment.
func (s *Store) Workers(ctx context.Context, ref event.VideoRef) (map[dynamo.Key]string, error) {
	rows, err := s.segments(ctx, ref)
	tokens := map[dynamo.Key]string{}
	for _, row := range rows {
		if row.State == Completed {
			tokens[row.Key] = row.Token
		}
	}
	return tokens, err
}

func (s *Store) segments(ctx context.Context, ref event.VideoRef) ([]unitRow, error) {
	rows, err := dynamo.QueryAll[unitRow](ctx, s.DB, &dynamodb.QueryInput{
		TableName:              &s.Table,
		ConsistentRead:         aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :segments)"),
		ExpressionAttributeValues: dynamo.Item{
			":pk": dynamo.S(jobKey(ref.VideoID).PK), ":segments": dynamo.S(segmentsOf(ref)),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	return rows, nil
}
