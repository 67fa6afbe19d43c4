package status_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/status"
)

// rowsOf gives the keys of a person's rows.
func (w *world) rowsOf(person string) []string {
	w.t.Helper()
	out, err := w.projector.Store.DB.Query(w.t.Context(), &dynamodb.QueryInput{
		TableName: &w.projector.Store.Table, KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S("user#" + person)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, item := range out.Items {
		key, err := dynamo.Unmarshal[dynamo.Key](item)
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, key.SK)
	}
	return keys
}

func TestNoEventBringsAnErasedPersonBack(t *testing.T) {
	w := newWorld(t)
	ref := event.VideoRef{VideoID: "v1", OwnerID: "ana", Run: 1}
	all := []event.Data{
		event.VideoRegistered{VideoRef: ref, Filename: "a.mp4", CreatedAt: noon, ExpiresAt: noon},
		event.VideoUploaded{VideoRef: ref},
		event.UploadAbandoned{VideoRef: ref},
		event.RetryRequested{VideoRef: ref},
		event.ProcessingStarted{VideoRef: ref},
		event.ProcessingProgressed{VideoRef: ref, Progress: 0.5},
		event.ProcessingCompleted{VideoRef: ref, Filename: "a.mp4"},
		event.ProcessingFailed{VideoRef: ref, Filename: "a.mp4", Code: "stalled"},
		event.ProcessingCancelled{VideoRef: ref},
		event.ArchiveExpired{VideoRef: ref},
		event.VideoSnapshot{VideoRef: ref, CreatedAt: noon},
		event.VideoDeleted{VideoRef: ref},
		event.ExportRequested{UserID: "ana", ExportID: "x"},
		event.AccountErased{UserID: "ana"},
	}
	w.project(event.VideoRegistered{VideoRef: event.VideoRef{VideoID: "v1", OwnerID: "bob", Run: 1}, CreatedAt: noon})
	w.project(all[0])
	w.project(event.AccountErased{UserID: "ana"})
	for _, data := range all {
		w.project(data)
		if got := w.rowsOf("ana"); !slices.Equal(got, []string{"erased"}) {
			t.Fatalf("after %s there is %q", data.EventType(), got)
		}
	}
	if rec := w.get("ana", "/v1/videos/v1"); rec.Code != http.StatusNotFound {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := w.get("bob", "/v1/videos/v1"); rec.Code != http.StatusOK {
		t.Errorf("somebody else's: %d %s", rec.Code, rec.Body)
	}
	if left, err := w.objects.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &w.archives}); err != nil || len(left.Contents) > 0 {
		t.Errorf("an export was written: %v, %v", left, err)
	}
}

// A projection that had begun before the erasure, and ends after it, leaves nothing.
func TestAnErasureDuringAProjectionWins(t *testing.T) {
	w := newWorld(t)
	err := w.projector.Store.People.Guard(t.Context(), "ana", func() error {
		w.project(event.AccountErased{UserID: "ana"})
		return status.Describe(t.Context(), w.projector.Store, event.VideoRegistered{
			VideoRef: event.VideoRef{VideoID: "v1", OwnerID: "ana", Run: 1}, CreatedAt: noon,
		})
	})
	if got := w.rowsOf("ana"); err != nil || !slices.Equal(got, []string{"erased"}) {
		t.Errorf("%v, there is %q", err, got)
	}
}

func TestTheReadModelIsWrittenDown(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"v1", "v2"} {
		w.project(event.VideoRegistered{
			VideoRef: event.VideoRef{VideoID: id, OwnerID: "ana", Run: 1}, Filename: "férias.mp4",
			Extraction: json.RawMessage(`{"mode":"fps"}`), CreatedAt: noon, ExpiresAt: noon,
		})
	}
	w.project(event.VideoDeleted{VideoRef: event.VideoRef{VideoID: "v2", OwnerID: "ana", Run: 1}})
	w.project(event.ExportRequested{UserID: "ana", ExportID: "x"})
	out, err := w.objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &w.archives, Key: aws.String("exports/ana/x/status.json")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	var export struct {
		Videos []struct {
			ID       string `json:"id"`
			Filename string `json:"filename"`
			Status   string `json:"status"`
		} `json:"videos"`
	}
	if err := json.Unmarshal(raw, &export); err != nil || len(export.Videos) != 1 || export.Videos[0].ID != "v1" ||
		export.Videos[0].Filename != "férias.mp4" || export.Videos[0].Status != "awaiting_upload" || !strings.Contains(string(raw), "\n  ") {
		t.Errorf("%v: %s", err, raw)
	}
}
