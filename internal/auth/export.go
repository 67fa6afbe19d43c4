package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

const (
	// exportsEvery is how long after an export the next one may be asked for.
	exportsEvery = 24 * time.Hour

	// exportDays is how long the bucket's lifecycle keeps an export, unless it keeps
	// everything for less.
	exportDays = 7

	// exportValidity is how long a signed download of a file may be begun.
	exportValidity = 15 * time.Minute
)

// Exports reads what was written down for people.
//
// IAM: s3:GetObject and PutObject on the archives bucket's objects exports/*, and
// s3:ListBucket on it for that prefix.
type Exports struct {
	export.Writer
}

// Export is everything that is kept of a person, as it is written down for them.
type Export struct {
	ID        string
	CreatedAt time.Time
	ExpiresAt time.Time
	Ready     bool         // all files are there
	Files     []ExportFile // that are there
}

// ExportFile is what one service keeps.
type ExportFile struct {
	Name string
	Size int64 // bytes
	URL  string
}

type exportRow struct {
	dynamo.Key

	CreatedAt time.Time `dynamodbav:"created_at"`
	ExpiresAt time.Time `dynamodbav:"expires_at"`
	TTL       int64     `dynamodbav:"ttl"`
}

// exportSlot says when the next export may be asked for.
type exportSlot struct {
	dynamo.Key

	TTL int64 `dynamodbav:"ttl"`
}

func exportKey(userID, id string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "export#" + id}
}

func exportSlotKey(userID string) dynamo.Key {
	return dynamo.Key{PK: "user#" + userID, SK: "exportslot"}
}

// RequestExport has everything that is kept of a person written down.
//
// Problems: quota_exceeded when they have asked for it within a day; unauthorized
// when the account has gone.
func (s *Service) RequestExport(ctx context.Context, userID string) (*Export, error) {
	now := s.Now().UTC().Truncate(time.Second)
	asked := &Export{ID: s.NewID(), CreatedAt: now, ExpiresAt: now.AddDate(0, 0, min(exportDays, s.RetentionDays))}
	writes, err := s.Store.startExport(userID, asked, now)
	if err != nil {
		return nil, err
	}
	request := event.ExportRequested{UserID: userID, ExportID: asked.ID}
	e, err := event.New(source, s.NewID(), now, request)
	if err != nil {
		return nil, fmt.Errorf("ask for an export: %w", err)
	}
	err = s.Outbox.Commit(ctx, append(writes, s.Eraser.People.Standing(userID)), e)
	if failed := dynamo.FailedConditions(err); slices.Contains(failed, 0) {
		return nil, s.noExport(ctx, userID, now)
	} else if len(failed) > 0 {
		return nil, problem.New(problem.Unauthorized)
	}
	if err != nil {
		return nil, fmt.Errorf("ask for an export: %w", err)
	}
	if err := s.writeExport(ctx, request); err != nil { // ShowExport tries again
		slog.WarnContext(ctx, "part of an export not written", "error", err)
	}
	return asked, nil
}

// startExport gives the writes that begin an export. The first of them fails when
// there was one within a day.
func (s *Store) startExport(userID string, x *Export, now time.Time) ([]types.TransactWriteItem, error) {
	slot, err := s.put(exportSlot{Key: exportSlotKey(userID), TTL: now.Add(exportsEvery).Unix()},
		"attribute_not_exists(pk) OR #ttl <= :now")
	if err != nil {
		return nil, err
	}
	slot.Put.ExpressionAttributeNames = map[string]string{"#ttl": "ttl"} // reserved word
	slot.Put.ExpressionAttributeValues = dynamo.Item{":now": dynamo.N(now.Unix())}
	row, err := s.put(exportRow{
		Key: exportKey(userID, x.ID), CreatedAt: x.CreatedAt, ExpiresAt: x.ExpiresAt, TTL: x.ExpiresAt.Unix(),
	}, "")
	if err != nil {
		return nil, err
	}
	return []types.TransactWriteItem{slot, row}, nil
}

// noExport tells when the next export may be asked for.
func (s *Service) noExport(ctx context.Context, userID string, now time.Time) error {
	slot, err := get[exportSlot](ctx, s.Store, exportSlotKey(userID))
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	wait := time.Second // if the slot has just become free
	if slot != nil {
		wait = max(wait, time.Unix(slot.TTL, 0).Sub(now))
	}
	refused := problem.In(problem.QuotaExceeded, "quota.exports_per_day", "your data is written down once a day: fetch the last export, or wait")
	refused.RetryAfter = wait
	return refused
}

// ShowExport gives an export of a person with the files that are there, whose
// downloads it signs.
//
// Problems: not_found, also when its time is over.
func (s *Service) ShowExport(ctx context.Context, userID, id string) (*Export, error) {
	row, err := get[exportRow](ctx, s.Store, exportKey(userID, id))
	if errors.Is(err, errNotFound) || (row != nil && !s.Now().Before(row.ExpiresAt)) {
		return nil, problem.New(problem.NotFound)
	}
	if err != nil {
		return nil, err
	}
	request := event.ExportRequested{UserID: userID, ExportID: id}
	x := &Export{ID: id, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt}
	if x.Files, err = s.Exports.files(ctx, request); err != nil {
		return nil, err
	}
	missing := func(p export.Part) bool {
		return !slices.ContainsFunc(x.Files, func(f ExportFile) bool { return f.Name == p.File() })
	}
	if missing(export.Auth) {
		return x, s.writeExport(ctx, request)
	}
	x.Ready = !slices.ContainsFunc(export.Parts(), missing)
	return x, nil
}

// files lists the files of an export, and signs their downloads.
func (x *Exports) files(ctx context.Context, r event.ExportRequested) ([]ExportFile, error) {
	prefix := export.Prefix(r)
	out, err := x.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &x.Bucket, Prefix: &prefix})
	if err != nil {
		return nil, fmt.Errorf("list export: %w", err)
	}
	files := make([]ExportFile, len(out.Contents))
	for i, object := range out.Contents {
		name := strings.TrimPrefix(*object.Key, prefix)
		signed, err := s3.NewPresignClient(x.S3, s3.WithPresignExpires(exportValidity)).PresignGetObject(ctx, &s3.GetObjectInput{
			Bucket: &x.Bucket, Key: object.Key,
			ResponseContentDisposition: aws.String(`attachment; filename="fotograma-` + name + `"`),
		})
		if err != nil {
			return nil, fmt.Errorf("sign export: %w", err)
		}
		files[i] = ExportFile{Name: name, Size: aws.ToInt64(object.Size), URL: signed.URL}
	}
	return files, nil
}

// told says which attributes of which kinds of rows people get to see of
// themselves. No secret is among them, nor the hash of one.
var told = export.Kinds{
	"profile": {"id", "email", "name", "locale", "created_at", "email_verified"},
	"session": {"created_at", "last_used_at", "network", "user_agent", "ttl"},
	"device":  {"name", "network", "at", "ttl"},
	"audit":   {"at", "action", "result", "network", "user_agent", "session_id", "detail"},
	"apikey":  {"name", "scopes", "hint", "created_at", "expires_at", "last_used_at"},
	"export":  {"created_at", "expires_at"},
}

// writeExport writes down what this service keeps of a person: all rows that lie
// under their key, by kind.
func (s *Service) writeExport(ctx context.Context, r event.ExportRequested) error {
	kinds, err := told.Tell(ctx, s.Eraser.People, r.UserID)
	if err != nil {
		return err
	}
	return s.Exports.Write(ctx, r, export.Auth, kinds)
}
