package auth

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// codeRow is the newest code of one person and purpose. Neither the code nor a
// hash of it is there, which would be found out in minutes: it is made again of
// the request and of the key, which is not in the table.
type codeRow struct {
	dynamo.Key

	Email        string `dynamodbav:"email"` // where it was mailed; empty where it was not
	Nonce        string `dynamodbav:"nonce"`
	KeyID        string `dynamodbav:"key_id"`
	AttemptsLeft int    `dynamodbav:"attempts_left"`
	TTL          int64  `dynamodbav:"ttl"`
}

func codeKey(userID, purpose string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "code#" + purpose}
}

// codeRequest is a code to be made. Of a person who does not exist it has the ID,
// that of nobody, and nothing else.
type codeRequest struct {
	to       User // to.Email is where it goes, if there is somebody it may go to
	purpose  string
	lifetime time.Duration

	// silent is for codes of which no mail is to tell, but which are made and
	// requested all the same.
	silent bool
}

// newCode gives the write of a code, which takes the place of the one before,
// and the event that has it mailed.
func (s *Service) newCode(ctx context.Context, r codeRequest) (types.TransactWriteItem, event.CodeRequested, error) {
	keyID, _, err := s.Codes.Current(ctx)
	if err != nil {
		return types.TransactWriteItem{}, event.CodeRequested{}, err
	}
	nonce := make([]byte, 16)
	if _, err := io.ReadFull(s.Rand, nonce); err != nil {
		return types.TransactWriteItem{}, event.CodeRequested{}, fmt.Errorf("make a code: %w", err)
	}
	expires := s.Now().Add(r.lifetime).UTC().Truncate(time.Second)
	row := codeRow{
		Key: codeKey(r.to.ID, r.purpose), Email: r.to.Email, Nonce: hex.EncodeToString(nonce), KeyID: keyID,
		AttemptsLeft: codeAttempts, TTL: expires.Unix(),
	}
	requested := event.CodeRequested{
		UserID: r.to.ID, Email: r.to.Email, Name: r.to.Name, Locale: string(r.to.Locale), Purpose: r.purpose,
		Nonce: row.Nonce, KeyID: keyID, ExpiresAt: expires,
	}
	if r.silent {
		requested.Email = ""
	}
	if !r.to.EmailVerified { // a stranger's, perhaps, who must not get what somebody else calls themselves
		requested.Name = ""
	}
	if isNobody(r.to.ID) { // which tells of the address that was asked for
		requested.UserID = uuid.Nil.String()
	}
	write, err := s.Store.put(row, "")
	return write, requested, err
}

// checkCode tells whether a code is the one that was mailed to somebody, at this
// address. It gives problem.InvalidCode for every reason why not, after the same
// work, and counts that: of any number of guesses at the same moment no more than
// codeAttempts are looked at. The code is not spent yet: see spendCode.
func (s *Service) checkCode(ctx context.Context, userID, purpose, typed string) (*codeRow, error) {
	row, err := s.Store.guessCode(ctx, userID, purpose, s.Now())
	if errors.Is(err, errNotFound) {
		return nil, problem.New(problem.InvalidCode)
	}
	if err != nil {
		return nil, err
	}
	key, err := s.Codes.Version(ctx, row.KeyID)
	if err != nil {
		return nil, err
	}
	code := mailcode.Code(key, event.CodeRequested{UserID: userID, Email: row.Email, Purpose: purpose, Nonce: row.Nonce})
	if subtle.ConstantTimeCompare([]byte(code), []byte(mailcode.Canonical(typed))) == 0 {
		return nil, problem.New(problem.InvalidCode)
	}
	return row, nil
}

// guessCode takes one attempt off a code. It gives errNotFound when there is none
// that is good.
func (s *Store) guessCode(ctx context.Context, userID, purpose string, now time.Time) (*codeRow, error) {
	var out *dynamodb.UpdateItemOutput
	err := dynamo.Retry(ctx, func() (err error) {
		out, err = s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName:                 &s.Table,
			Key:                       codeKey(userID, purpose).Item(),
			UpdateExpression:          aws.String("ADD attempts_left :less"),
			ConditionExpression:       aws.String("#ttl > :now AND attempts_left > :none"),
			ExpressionAttributeNames:  map[string]string{"#ttl": "ttl"}, // reserved word
			ExpressionAttributeValues: dynamo.Item{":less": dynamo.N(-1), ":now": dynamo.N(now.Unix()), ":none": dynamo.N(0)},
			ReturnValues:              types.ReturnValueAllNew,
		})
		return err
	})
	if dynamo.ConditionFailed(err) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("look at a code: %w", err)
	}
	row, err := dynamo.Unmarshal[codeRow](out.Attributes)
	return &row, err
}

// spendCode gives the write that spends a code; it fails when another request was
// faster, or a newer code has taken its place.
func (s *Store) spendCode(row *codeRow) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{
		TableName:                 &s.Table,
		Key:                       row.Item(),
		ConditionExpression:       aws.String("nonce = :nonce"),
		ExpressionAttributeValues: dynamo.Item{":nonce": dynamo.S(row.Nonce)},
	}}
}

// dropCode gives the write that makes a code worthless, if there is one.
func (s *Store) dropCode(userID, purpose string) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: &s.Table, Key: codeKey(userID, purpose).Item()}}
}
