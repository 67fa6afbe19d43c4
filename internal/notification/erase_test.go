package notification_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// items gives a person's rows.
func (w *world) items(person string) []dynamo.Item {
	w.t.Helper()
	out, err := w.service.Store.DB.Query(w.t.Context(), &dynamodb.QueryInput{
		TableName: &w.service.Store.Table, KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S("user#" + person)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Items
}

// rows gives the sort keys of a person's rows.
func (w *world) rows(person string) []string {
	w.t.Helper()
	var keys []string
	for _, item := range w.items(person) {
		key, err := dynamo.Unmarshal[dynamo.Key](item)
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, key.SK)
	}
	return keys
}

func (w *world) wantErased() {
	w.t.Helper()
	if got := w.rows("ana"); !slices.Equal(got, []string{"erased"}) {
		w.t.Errorf("of Ana there is %q", got)
	}
}

func TestNoMailGoesToAnErasedPerson(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("ended", completed())
	for range 2 { // the event comes twice
		w.must("erased", event.AccountErased{UserID: "ana"})
		w.wantErased()
	}
	w.must("ended again", completed())
	w.must("failed", event.ProcessingFailed{VideoRef: completed().VideoRef, Filename: "a.mp4", Code: "stalled"})
	w.must("registered late", person("en")) // before it had come
	w.must("export", event.ExportRequested{UserID: "ana", ExportID: "x"})
	if len(w.post.mails) != 1 {
		t.Errorf("%d mails went out, want the one from before", len(w.post.mails))
	}
	w.wantErased()
}

func TestAnErasureThatComesBeforeTheRegistration(t *testing.T) {
	w := newWorld(t)
	w.must("erased", event.AccountErased{UserID: "ana"})
	w.must("registered", person("en"))
	w.wantErased()
}

func TestAnErasureWhileAMailGoesOut(t *testing.T) {
	for name, failure := range map[string]error{"that is sent": nil, "that fails": errors.New("SES is down")} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must("registered", person("en"))
			w.post.fail = failure
			w.post.during = func() { w.must("erased", event.AccountErased{UserID: "ana"}) }
			w.must("ended", completed()) // there is nothing to try again
			w.wantErased()
		})
	}
}

func TestContactsAndMailsAreWrittenDown(t *testing.T) {
	w := newWorld(t)
	w.must("registered", person("en"))
	w.must("ended", completed())
	w.prefer(`{"email":{"failed":false}}`)
	w.wantExported(`"email": "ana@example.com"`, `"name": "Ana"`, `"kind": "completed"`, `"video_id": "v1"`, `"sent_at": "2026-11-24T12:00:00Z"`, `"failed": false`)
}

// wantExported has all that is kept of Ana written down, and checks that parts are in it.
func (w *world) wantExported(parts ...string) {
	w.t.Helper()
	w.must("export", event.ExportRequested{UserID: "ana", ExportID: "x"})
	out, err := w.service.Exports.S3.GetObject(w.t.Context(), &s3.GetObjectInput{
		Bucket: &w.service.Exports.Bucket, Key: aws.String("exports/ana/x/notification.json"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(out.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, part := range parts {
		if !strings.Contains(string(raw), part) {
			w.t.Errorf("no %s in %s", part, raw)
		}
	}
}

// deleteTombstone does what DynamoDB does when Ana's tombstone has had its time.
func (w *world) deleteTombstone() {
	w.t.Helper()
	_, err := w.service.Store.DB.DeleteItem(w.t.Context(), &dynamodb.DeleteItemInput{
		TableName: &w.service.Store.Table, Key: dynamo.Key{PK: "user#ana", SK: "erased"}.Item(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
