package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// root is the repository's folder, which S3 must not change.
func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheSystemComesThrough plays some of the scenarios of `make chaos`, for shorter.
func TestTheSystemComesThrough(t *testing.T) {
	repository := root(t)
	chosen := []string{"S3 failing", "DynamoDB hanging up", "SES unheard", "messages twice and in any order", "process killed"}
	for _, sc := range scenarios() {
		if !slices.Contains(chosen, sc.name) {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			r := sc.play(t.Context(), repository, options{length: 6 * time.Second, every: 9})
			t.Log(line(r))
			if r.Failure != "" || r.Skipped != "" {
				t.Error(r.Failure, r.Skipped)
			}
			if r.Disturbed == 0 {
				t.Error("nothing was disturbed")
			}
		})
	}
}

// TestWhatIsWrongIsFound does to a system at rest what no fault may do to one.
func TestWhatIsWrongIsFound(t *testing.T) {
	s, err := startSystem(t.Context(), root(t), t.TempDir(), settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	d, err := scenario{}.newDrive(t.Context(), s, options{length: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.check(t.Context(), d.reference, 1); err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	video := d.videos[0]
	key := func(sk string) dynamo.Item { return dynamo.Key{PK: "user#" + d.id, SK: sk}.Item() }

	t.Run("an orphan object", func(t *testing.T) {
		orphan := s3.PutObjectInput{Bucket: bucketName("archives"), Key: aws.String("lost/1.zip"), Body: strings.NewReader("x")}
		if _, err := s.s3.PutObject(t.Context(), &orphan); err != nil {
			t.Fatal(err)
		}
		d.isLeft(t, "the orphan archives/lost/1.zip")
		s.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: orphan.Bucket, Key: orphan.Key})
	})
	t.Run("an unfinished upload", func(t *testing.T) {
		begun, err := s.s3.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucketName("uploads"), Key: aws.String("begun")})
		if err != nil {
			t.Fatal(err)
		}
		d.isLeft(t, "the multipart upload uploads/begun")
		s.s3.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: begun.Bucket, Key: begun.Key, UploadId: begun.UploadId})
	})
	t.Run("an event that was not sent", func(t *testing.T) {
		item := dynamo.Key{PK: "outbox#0", SK: "x"}.Item()
		if _, err := s.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("fotograma-auth"), Item: item}); err != nil {
			t.Fatal(err)
		}
		d.isLeft(t, "an event in the outbox of auth")
		s.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("fotograma-auth"), Key: item})
	})
	t.Run("a dead letter", func(t *testing.T) {
		url, err := s.queueURL(t.Context(), "status-dead-letters")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")}); err != nil {
			t.Fatal(err)
		}
		finds(t, "1 dead letters of status", s.noDeadLetters(t.Context()))
	})
	t.Run("a counter that is no sum", func(t *testing.T) {
		s.set(t, "video", key("usage"), "bytes", &types.AttributeValueMemberN{Value: "1"})
		finds(t, "1 bytes are counted", d.quotas(t.Context()))
	})
	t.Run("other frames", func(t *testing.T) {
		finds(t, "has other frames", d.right(t.Context(), video.ID, frames{"frames/000001.jpg": "0"}))
	})
	t.Run("a read model that is behind", func(t *testing.T) {
		s.set(t, "status", key("video#"+video.ID), "filename", dynamo.S("another.mp4"))
		wrong, err := s.readModel(t.Context())
		if err == nil {
			err = s.rebuild(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		row := "user#" + d.id + " video#" + video.ID
		err = s.until(t.Context(), 2*time.Minute, "the row is made again", func(ctx context.Context) (bool, error) {
			model, err := s.readModel(ctx)
			return model[row] != "" && model[row] != wrong[row], err
		})
		if err != nil {
			t.Fatal(err)
		}
		finds(t, "is made again as", s.sameAs(t.Context(), wrong))
	})
}

// isLeft checks that something is told to be left behind.
func (d *drive) isLeft(t *testing.T, what string) {
	t.Helper()
	left, err := d.left(t.Context())
	if err != nil || !slices.Contains(left, what) {
		t.Errorf("left is %q, %v; want %q", left, err, what)
	}
}

func finds(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), what) {
		t.Errorf("it finds %v, want %q", err, what)
	}
}

func (s *system) set(t *testing.T, table string, key dynamo.Item, name string, value types.AttributeValue) {
	t.Helper()
	_, err := s.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String("fotograma-" + table), Key: key, UpdateExpression: aws.String("SET #n = :v"),
		ExpressionAttributeNames: map[string]string{"#n": name}, ExpressionAttributeValues: dynamo.Item{":v": value},
	})
	if err != nil {
		t.Fatal(err)
	}
}
