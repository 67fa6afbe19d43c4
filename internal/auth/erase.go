package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/bucket"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/outbox"
)

// Eraser removes what is left of accounts that are no more. An erasure begins with
// one transaction, which makes the account unusable, frees the address and commits
// the event that has the other services erase what they keep. What follows it can
// be repeated, and is: see package erasure.
//
// IAM: what packages erasure and outbox need on the table; s3:DeleteObject on the
// archives bucket's objects exports/*, and s3:ListBucket on it for that prefix.
type Eraser struct {
	People  *erasure.Table
	Outbox  *outbox.Outbox
	Exports bucket.Bucket // the archives bucket
}

// NewEraser makes the eraser from what it needs of AWS.
func NewEraser(cfg SweepConfig, db *dynamodb.Client, queues *sqs.Client, objects *s3.Client, m *metrics.Recorder, now func() time.Time) *Eraser {
	return &Eraser{
		People:  &erasure.Table{DB: db, Name: cfg.Table, Now: now},
		Outbox:  NewOutbox(cfg, db, queues, m, now),
		Exports: bucket.Bucket{S3: objects, Name: cfg.ArchivesBucket},
	}
}

// erase removes everything of a person but for the tombstone.
func (e *Eraser) erase(ctx context.Context, userID string) error {
	return errors.Join(
		e.People.Clear(ctx, userID),
		e.Outbox.Forget(ctx, userID),
		e.Exports.DeleteAll(ctx, export.PersonPrefix(userID)),
	)
}

// Erase erases an account and has every service erase what it keeps of the person.
// The password confirms it, and attempts count as those to log in do.
//
// Problems: wrong_password, too_many_attempts; unauthorized when the account has
// gone.
func (s *Service) Erase(ctx context.Context, userID, password string) error {
	account, err := s.confirmPassword(ctx, userID, password, "body.password", actionAccountErased)
	if err != nil {
		return err
	}
	writes, err := s.erasure(account)
	if err != nil {
		return err
	}
	erased, err := event.New(source, s.NewID(), s.Now(), event.AccountErased{UserID: userID})
	if err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	err = s.Outbox.Commit(ctx, writes, erased)
	if len(dynamo.FailedConditions(err)) > 0 { // the account was changed meanwhile, or has gone
		return s.Erase(ctx, userID, password)
	}
	if err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	slog.InfoContext(ctx, "account erased")
	ctx = context.WithoutCancel(ctx) // it is promised: the caller going away must not stop it
	if err := s.Eraser.erase(ctx, userID); err != nil {
		slog.WarnContext(ctx, "rows of an erased account left to the sweep", "error", err)
	}
	s.forgetAttempts(ctx, account)
	return nil
}

// forgetAttempts begins anew with the address of an erased account. Of one that was
// never verified, what has mails sent to it still counts until its time is over: it
// may be a stranger's, whom somebody who registers it and erases the account in turns
// would have mailed without end.
func (s *Service) forgetAttempts(ctx context.Context, account *profileRow) {
	begun := []bounds{s.Limits.logins(), s.Limits.guesses()}
	if account.EmailVerified {
		begun = append(begun, s.Limits.registrations(), s.Limits.codes())
	}
	for _, b := range begun {
		if err := s.Attempts.Forget(ctx, b.what, account.Email); err != nil {
			slog.WarnContext(ctx, "attempts left to their end", "error", err)
		}
	}
}

// erasure gives the writes of the first step. They fail when the account is not as
// it was read.
func (s *Service) erasure(account *profileRow) ([]types.TransactWriteItem, error) {
	begin, err := s.Eraser.People.Begin(account.ID)
	if err != nil {
		return nil, err
	}
	return append([]types.TransactWriteItem{
		{Delete: &types.Delete{
			TableName: &s.Store.Table, Key: profileKey(account.ID).Item(),
			ConditionExpression: aws.String("password_hash = :hash AND email = :email"),
			ExpressionAttributeValues: dynamo.Item{
				":hash": dynamo.S(account.PasswordHash), ":email": dynamo.S(account.Email),
			},
		}},
		{Delete: &types.Delete{
			TableName: &s.Store.Table, Key: emailKey(account.Email).Item(),
			ConditionExpression:       aws.String("user_id = :id"),
			ExpressionAttributeValues: dynamo.Item{":id": dynamo.S(account.ID)},
		}},
	}, begin...), nil
}
