package notification

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/locale"
)

// Store keeps contacts and what was sent in NotificationTable.
//
//	pk                       sk                  what
//	user#<id>                contact             whom to write to
//	user#<id>                mail#<event id>     a mail about one event: claimed, then sent; or which digest tells of it
//	user#<id>                digest              the newest window in which mails are collected
//	user#<id>                collected#<window>#<event id>
//	                                             what the digest of a window is to tell of
//	user#<id>                preferences         which kinds of mails are switched on or off
//	user#<id>                webhook             where the person's programs are told
//	user#<id>                delivery#<event id> a message to the webhook, and what became of it
//	user#<id>                suppressed#<email>  an address that takes no mails, or did not
//	user#<id>                erased              all that stays of an erased person: see package erasure
//	template#<kind>#<locale> current             which version of an edited template is used
//	template#<kind>#<locale> version#<number>    an edited template: never changed, never deleted
//
// The rows of templates are about nobody; the layout's have no locale. Only who runs
// Fotograma writes them, so that a deployment leaves them as they are: see Templates.
//
// IAM: the handler of events needs dynamodb:GetItem, PutItem, UpdateItem, DeleteItem, Query
// and ConditionCheckItem on the table and what package erasure needs, the settings
// dynamodb:GetItem, PutItem, Query, UpdateItem, DeleteItem and ConditionCheckItem. Who edits
// templates needs dynamodb:GetItem, Query and PutItem.
type Store struct {
	DB     *dynamodb.Client
	Table  string
	People *erasure.Table
}

// NewStore makes the store of a table.
func NewStore(db *dynamodb.Client, table string, now func() time.Time) *Store {
	return &Store{DB: db, Table: table, People: &erasure.Table{DB: db, Name: table, Now: now}}
}

const (
	// claimValidity is how long a mail may be under way before it is taken for
	// crashed. It is shorter than the queue's visibility timeout, so that the
	// next delivery finds the claim over.
	claimValidity = 2 * time.Minute

	// keepMails is how long it is known what was sent: longer than any event is
	// under way.
	keepMails = 90 * 24 * time.Hour
)

var (
	errSent           = errors.New("mail was sent before")
	errRefused        = errors.New("mail was refused for good")
	errUnderWay       = errors.New("mail is being sent by another worker")
	errUnknownContact = errors.New("contact not known yet")
)

// contactRow is a contact. Beside what is here it has version, and unverified:
// the IDs of the events that mails told of while the address was not verified.
type contactRow struct {
	dynamo.Key
	Email    string        `dynamodbav:"email"`
	Name     string        `dynamodbav:"name"`
	Locale   locale.Locale `dynamodbav:"locale"`
	Verified bool          `dynamodbav:"verified"`
}

func contactKey(userID string) dynamo.Key { return dynamo.Key{PK: "user#" + userID, SK: "contact"} }

// PutContact keeps whom to write to, unless a later version of it is there.
func (s *Store) PutContact(ctx context.Context, c Contact, version int) error {
	_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &s.Table,
		Key:                      contactKey(c.UserID).Item(),
		UpdateExpression:         aws.String("SET email = :email, #name = :name, locale = :locale, verified = :verified, version = :version"),
		ConditionExpression:      aws.String("attribute_not_exists(version) OR version < :version"),
		ExpressionAttributeNames: map[string]string{"#name": "name"}, // reserved word
		ExpressionAttributeValues: dynamo.Item{
			":email": dynamo.S(c.Email), ":name": dynamo.S(c.Name), ":locale": dynamo.S(string(c.Locale)),
			":verified": &types.AttributeValueMemberBOOL{Value: c.Verified}, ":version": dynamo.N(version),
		},
	})
	if err != nil && !dynamo.ConditionFailed(err) {
		return fmt.Errorf("put contact: %w", err)
	}
	return nil
}

// CountUnverified counts the mail of an event to an address that is not verified,
// once however often it is asked. It tells false when there were so many already.
func (s *Store) CountUnverified(ctx context.Context, userID, eventID string, most int) (bool, error) {
	_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:           &s.Table,
		Key:                 contactKey(userID).Item(),
		UpdateExpression:    aws.String("ADD unverified :events"),
		ConditionExpression: aws.String("attribute_not_exists(unverified) OR size(unverified) < :most OR contains(unverified, :event)"),
		ExpressionAttributeValues: dynamo.Item{
			":events": &types.AttributeValueMemberSS{Value: []string{eventID}}, ":event": dynamo.S(eventID), ":most": dynamo.N(most),
		},
	})
	if dynamo.ConditionFailed(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("count mail to an unverified address: %w", err)
	}
	return true, nil
}

// Contact finds whom to write to; errUnknownContact if that is not known.
func (s *Store) Contact(ctx context.Context, userID string) (Contact, error) {
	out, err := s.DB.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.Table, Key: contactKey(userID).Item()})
	if err != nil {
		return Contact{}, fmt.Errorf("get contact: %w", err)
	}
	if out.Item == nil {
		return Contact{}, fmt.Errorf("%w: user %s", errUnknownContact, userID)
	}
	r, err := dynamo.Unmarshal[contactRow](out.Item)
	if err != nil {
		return Contact{}, err
	}
	return Contact{UserID: userID, Email: r.Email, Name: r.Name, Locale: r.Locale, Verified: r.Verified}, nil
}

// Claim is the right to send one mail.
type Claim struct {
	UserID  string
	EventID string
	Kind    string
	VideoID string // empty if it is about none
	At      time.Time
}

func (c Claim) key() dynamo.Key {
	return dynamo.Key{PK: "user#" + c.UserID, SK: mailPrefix + c.EventID}
}

// Claim takes the right to send a mail. It gives errSent when the mail was sent,
// errRefused when it never will be, and errUnderWay while another holds the right.
func (s *Store) Claim(ctx context.Context, c Claim) error {
	item := c.key().Item()
	item["kind"], item["video_id"] = dynamo.S(c.Kind), dynamo.S(c.VideoID)
	item["claimed_at"] = dynamo.N(c.At.UnixMilli())
	item["ttl"] = dynamo.N(c.At.Add(keepMails).Unix())
	_, err := s.DB.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                 &s.Table,
		Item:                      item,
		ConditionExpression:       aws.String("attribute_not_exists(pk) OR (attribute_not_exists(sent_at) AND attribute_not_exists(refused) AND claimed_at < :over)"),
		ExpressionAttributeValues: dynamo.Item{":over": dynamo.N(c.At.Add(-claimValidity).UnixMilli())},
	})
	if dynamo.ConditionFailed(err) {
		return s.whyNot(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("claim mail: %w", err)
	}
	return nil
}

func (s *Store) whyNot(ctx context.Context, c Claim) error {
	kept, err := s.kept(ctx, c.UserID, c.EventID)
	switch {
	case err != nil:
		return err
	case kept != nil && !kept.SentAt.IsZero():
		return errSent
	case kept != nil && kept.Refused != "":
		return errRefused
	default:
		return errUnderWay
	}
}

// Confirm says that the claimed mail was sent, and under which ID.
func (s *Store) Confirm(ctx context.Context, c Claim, messageID string) error {
	_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:        &s.Table,
		Key:              c.key().Item(),
		UpdateExpression: aws.String("SET sent_at = :at, message_id = :id"),
		ExpressionAttributeValues: dynamo.Item{
			":at": dynamo.S(c.At.UTC().Format(time.RFC3339Nano)), ":id": dynamo.S(messageID),
		},
	})
	if err != nil {
		return fmt.Errorf("confirm mail: %w", err)
	}
	return nil
}

// Refuse says that the claimed mail will never be sent, and why.
func (s *Store) Refuse(ctx context.Context, c Claim, reason string) error {
	_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &s.Table,
		Key:                       c.key().Item(),
		UpdateExpression:          aws.String("SET refused = :reason"),
		ExpressionAttributeValues: dynamo.Item{":reason": dynamo.S(reason)},
	})
	if err != nil {
		return fmt.Errorf("refuse mail: %w", err)
	}
	return nil
}

// Release gives back the right to send a mail which was not sent.
func (s *Store) Release(ctx context.Context, c Claim) error {
	_, err := s.DB.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &s.Table,
		Key:                       c.key().Item(),
		ConditionExpression:       aws.String("attribute_not_exists(sent_at) AND claimed_at = :at"),
		ExpressionAttributeValues: dynamo.Item{":at": dynamo.N(c.At.UnixMilli())},
	})
	if err != nil && !dynamo.ConditionFailed(err) {
		return fmt.Errorf("release mail: %w", err)
	}
	return nil
}
