package notification

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// maxLifts is how often a person may have mails sent again to one address that does
// not take them: each that bounces harms the sender's name.
const maxLifts = 3

// suppression is that a person's address gets no mails any more, and why.
type suppression struct {
	dynamo.Key
	Reason feedbackReason `dynamodbav:"reason"`
	At     time.Time      `dynamodbav:"at"`
	Lifted bool           `dynamodbav:"lifted"` // mails go there again
	Lifts  int            `dynamodbav:"lifts"`  // how often the person has asked for that
}

// feedbackReason is why an address gets no mails.
type feedbackReason string

const (
	reasonBounce    feedbackReason = "bounce"    // it takes none, and never will
	reasonComplaint feedbackReason = "complaint" // whoever has it called one spam
)

// suppressionKey takes addresses that differ in case only for the same.
func suppressionKey(userID, email string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "suppressed#" + strings.ToLower(email)}
}

// stops tells whether mails of a kind are not sent to the address. Codes that a person
// has just asked for are, unless they complained: by one of them they show that the
// address takes mails again.
func (s *suppression) stops(k kind) bool {
	return s != nil && !s.Lifted && (s.Reason == reasonComplaint || codePages[k] == "")
}

// liftable tells whether the person can have mails sent again. What was called spam
// stays suppressed: SES keeps such addresses too.
func (s *suppression) liftable() bool { return s.Reason == reasonBounce && s.Lifts < maxLifts }

// suppression tells whether and why a person's address gets no mails; nil if it always
// did.
func (s *Store) suppression(ctx context.Context, userID, email string) (*suppression, error) {
	found, err := dynamo.Get[suppression](ctx, s.DB, s.Table, suppressionKey(userID, email))
	if err != nil {
		return nil, fmt.Errorf("get suppression: %w", err)
	}
	return found, nil
}

// suppress keeps mails from a person's address. A complaint stays one whatever bounces
// later, and a bounce that was told of before changes nothing.
func (s *Store) suppress(ctx context.Context, userID, email string, reason feedbackReason, at time.Time) error {
	values := dynamo.Item{
		":reason": dynamo.S(string(reason)), ":complaint": dynamo.S(string(reasonComplaint)),
		":at": dynamo.S(at.UTC().Format(time.RFC3339Nano)), ":millis": dynamo.N(at.UnixMilli()),
		":no": &types.AttributeValueMemberBOOL{}, ":none": dynamo.N(0),
	}
	condition := "attribute_not_exists(pk) OR (reason <> :complaint AND millis < :millis)"
	if reason == reasonComplaint {
		condition = "attribute_not_exists(pk) OR reason <> :complaint"
	}
	_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.Table,
		Key:       suppressionKey(userID, email).Item(),
		UpdateExpression: aws.String(
			"SET reason = :reason, #at = :at, millis = :millis, lifted = :no, lifts = if_not_exists(lifts, :none)"),
		ConditionExpression:       &condition,
		ExpressionAttributeNames:  map[string]string{"#at": "at"},
		ExpressionAttributeValues: values,
	})
	if err != nil && !dynamo.ConditionFailed(err) {
		return fmt.Errorf("suppress address: %w", err)
	}
	return nil
}

// lift has mails sent again to the address of a suppression: asked is 1 if the person
// asked for it, and 0 if the address was verified. It tells whether it was allowed.
func (s *Store) lift(ctx context.Context, found *suppression, asked int) (bool, error) {
	_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &s.Table,
		Key:                 found.Item(),
		UpdateExpression:    aws.String("SET lifted = :yes ADD lifts :asked"),
		ConditionExpression: aws.String("reason = :bounce AND lifts < :most"),
		ExpressionAttributeValues: dynamo.Item{
			":yes": &types.AttributeValueMemberBOOL{Value: true}, ":asked": dynamo.N(asked),
			":bounce": dynamo.S(string(reasonBounce)), ":most": dynamo.N(maxLifts + 1 - asked),
		},
	})
	if dynamo.ConditionFailed(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lift suppression: %w", err)
	}
	return true, nil
}
