// Package export writes down what a service keeps of a person, for that person to
// download.
//
// Every service writes its own part; the auth service, which people ask for it, looks
// whether all are there.
//
// IAM: s3:PutObject on the archives bucket's objects exports/*/<service>.json.
package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
)

// Part is what one service keeps of a person.
type Part string

// The parts of an export, one of each service that keeps something.
const (
	Auth         Part = "auth"
	Video        Part = "video"
	Processing   Part = "processing"
	Status       Part = "status"
	Notification Part = "notification"
)

// Parts lists them.
func Parts() []Part { return []Part{Auth, Video, Processing, Status, Notification} }

// File is the name of the part's file.
func (p Part) File() string { return string(p) + ".json" }

// PersonPrefix is what the keys of all exports of a person begin with.
func PersonPrefix(userID string) string { return "exports/" + userID + "/" }

// Prefix is what the keys of one export begin with.
func Prefix(r event.ExportRequested) string { return PersonPrefix(r.UserID) + r.ExportID + "/" }

// Kinds says which attributes of which kinds of rows people get to see of
// themselves. A kind is what a row's sort key begins with, up to a "#"; what follows
// is the row's id. Of kinds that are not named, nothing is shown.
type Kinds map[string][]string

// Tell makes, of all rows of a person, what they get to see, by kind.
func (k Kinds) Tell(ctx context.Context, people *erasure.Table, userID string) (map[string][]map[string]any, error) {
	shown := map[string][]map[string]any{}
	for kind := range k {
		shown[kind] = []map[string]any{} // rather than null
	}
	err := people.Rows(ctx, userID, func(items []dynamo.Item) error {
		for _, item := range items {
			var row map[string]any
			if err := attributevalue.UnmarshalMap(item, &row); err != nil {
				return fmt.Errorf("unmarshal row: %w", err)
			}
			sk, _ := row["sk"].(string)
			kind, id, _ := strings.Cut(sk, "#")
			if _, ok := k[kind]; ok {
				shown[kind] = append(shown[kind], k.pick(kind, id, row))
			}
		}
		return nil
	})
	return shown, err
}

// pick picks what people get to see of a row.
func (k Kinds) pick(kind, id string, row map[string]any) map[string]any {
	shown := map[string]any{}
	if id != "" {
		shown["id"] = id
	}
	for _, name := range k[kind] {
		if value, ok := row[name]; ok {
			shown[name] = value
		}
	}
	if ends, ok := shown["ttl"].(float64); ok { // in DynamoDB's words
		delete(shown, "ttl")
		shown["ends_at"] = time.Unix(int64(ends), 0).UTC()
	}
	return shown
}

// Writer writes parts into the archives bucket.
type Writer struct {
	S3     *s3.Client
	Bucket string
}

// Write writes a part as JSON that people can read. Written again it is replaced.
func (w Writer) Write(ctx context.Context, r event.ExportRequested, part Part, value any) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("encode export: %w", err)
	}
	_, err := w.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &w.Bucket, Key: aws.String(Prefix(r) + part.File()),
		Body: bytes.NewReader(body.Bytes()), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	return nil
}
