package notification

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// errNobody is that a person was erased, or never was.
var errNobody = errors.New("no such person")

// optionalKinds are the mails that people may switch off. Those about the safety of
// the account are not among them. Without digests, each mail comes alone.
var optionalKinds = []kind{kindCompleted, kindFailed, kindExpiring, kindDigest}

func (k kind) optional() bool { return slices.Contains(optionalKinds, k) }

// switches tells which mails a person has switched on or off. What they have never
// touched is not in it, and on.
type switches map[kind]bool

func (s switches) on(k kind) bool {
	on, touched := s[k]
	return on || !touched
}

func switchesKey(userID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "preferences"}
}

// switches reads a person's switches.
func (s *Store) switches(ctx context.Context, userID string) (switches, error) {
	out, err := s.DB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.Table, Key: switchesKey(userID).Item(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("get preferences: %w", err)
	}
	found := switches{}
	for _, k := range optionalKinds {
		if on, ok := out.Item[string(k)].(*types.AttributeValueMemberBOOL); ok {
			found[k] = on.Value
		}
	}
	return found, nil
}

// turn changes switches of a person, and leaves the others as they are. It gives
// errNobody when the person was erased.
func (s *Store) turn(ctx context.Context, userID string, changes switches) error {
	if len(changes) == 0 {
		return nil
	}
	write, err := s.turning(userID, changes)
	if err != nil {
		return err
	}
	return s.commitAbout(ctx, write, s.People.Standing(userID))
}

// turnOff switches off one kind of mails for whoever has a mail of it; if that is a
// digest, all that it may tell of. Mails are kept for longer than tombstones, so that the
// person must be known too; errNobody if not.
func (s *Store) turnOff(ctx context.Context, userID string, k kind) error {
	off := switches{k: false}
	if k == kindDigest {
		off = switches{}
		for _, told := range digestKinds {
			off[told] = false
		}
	}
	write, err := s.turning(userID, off)
	if err != nil {
		return err
	}
	known := types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &s.Table, Key: contactKey(userID).Item(), ConditionExpression: aws.String("attribute_exists(pk)"),
	}}
	return s.commitAbout(ctx, write, s.People.Standing(userID), known)
}

func (s *Store) turning(userID string, changes switches) (types.TransactWriteItem, error) {
	var set expression.UpdateBuilder
	for k, on := range changes {
		set = set.Set(expression.Name(string(k)), expression.Value(on))
	}
	expr, err := expression.NewBuilder().WithUpdate(set).Build()
	if err != nil {
		return types.TransactWriteItem{}, fmt.Errorf("build update: %w", err)
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &s.Table, Key: switchesKey(userID).Item(), UpdateExpression: expr.Update(),
		ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values(),
	}}, nil
}

// commitAbout does writes about a person; errNobody if a condition does not hold.
func (s *Store) commitAbout(ctx context.Context, writes ...types.TransactWriteItem) error {
	err := dynamo.Retry(ctx, func() error {
		_, err := s.DB.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		return err
	})
	if len(dynamo.FailedConditions(err)) > 0 {
		return errNobody
	}
	if err != nil {
		return fmt.Errorf("put preferences: %w", err)
	}
	return nil
}
