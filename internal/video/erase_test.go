package video_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// kept gives the keys of all rows that are about a person, and of what there is of
// them in the uploads bucket.
func (w *world) kept(user string) []string {
	w.t.Helper()
	out, err := w.db.Scan(w.t.Context(), &dynamodb.ScanInput{TableName: &w.cfg.Table})
	if err != nil {
		w.t.Fatal(err)
	}
	var kept []string
	for _, item := range out.Items {
		raw, err := json.Marshal(item)
		if err != nil {
			w.t.Fatal(err)
		}
		if key, err := dynamo.Unmarshal[dynamo.Key](item); err != nil {
			w.t.Fatal(err)
		} else if strings.Contains(string(raw), user) {
			kept = append(kept, key.PK+" "+key.SK)
		}
	}
	objects, err := w.objects.ListObjectsV2(w.t.Context(), &s3.ListObjectsV2Input{Bucket: &w.cfg.UploadsBucket, Prefix: aws.String(user + "/")})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range objects.Contents {
		kept = append(kept, "file "+*o.Key)
	}
	unfinished, err := w.objects.ListMultipartUploads(w.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &w.cfg.UploadsBucket, Prefix: aws.String(user + "/")})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, u := range unfinished.Uploads {
		kept = append(kept, "unfinished "+*u.Key)
	}
	slices.Sort(kept)
	return kept
}

func (w *world) wantKept(user string, want ...string) {
	w.t.Helper()
	if got := w.kept(user); !slices.Equal(got, want) {
		w.t.Errorf("of %s there is %q, want %q", user, got, want)
	}
}

// busy does whatever leaves something behind.
func (w *world) busy(user string) (id string) {
	w.t.Helper()
	id, upload := w.create(user, 5)
	w.post(upload, []byte("hello"), nil)
	w.call(user, "POST", "/v1/videos/"+id+"/complete", "")
	w.call(user, "POST", "/v1/videos/"+id+"/retry", "")
	w.call(user, "POST", "/v1/videos", aVideo, "Idempotency-Key", "k")
	w.create(user, 200<<20)
	gone, _ := w.create(user, 5)
	w.call(user, "DELETE", "/v1/videos/"+gone, "")
	return id
}

func TestNothingIsLeftOfAnErasedPerson(t *testing.T) {
	w := newWorld(t)
	w.busy("bob")
	before := w.kept("bob")
	id := w.busy("ana")
	w.service.Outbox.Routes[event.CancelRequested{}.EventType()] = []string{"http://127.0.0.1:1/gone"} // stays in the outbox
	w.call("ana", "POST", "/v1/videos/"+id+"/cancel", "")
	if kept := w.kept("ana"); len(kept) < 8 {
		t.Fatalf("only %q", kept)
	}
	for range 2 { // the event comes twice
		w.tell("erased", event.AccountErased{UserID: "ana"})
		w.wantKept("ana", "erasures ana", "user#ana erased")
	}
	w.tell("late", completed(id, 1, 60, 100))
	w.tell("late too", event.ArchiveExpired{VideoRef: ref(id, 1)})
	w.tell("and this", event.ExportRequested{UserID: "ana", ExportID: "x"})
	w.wantKept("ana", "erasures ana", "user#ana erased")
	if left, err := w.objects.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &w.archives}); err != nil || len(left.Contents) > 0 {
		t.Errorf("an export was written: %v, %v", left, err)
	}
	w.wantKept("bob", before...)

	w.clock.Store(31 * 60)
	if err := w.service.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantKept("ana", "user#ana erased")
}

func TestATombstoneHoldsNothingButTheID(t *testing.T) {
	w := newWorld(t)
	w.busy("ana")
	w.tell("erased", event.AccountErased{UserID: "ana"})
	out, err := w.db.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &w.cfg.Table, KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S("user#ana")},
	})
	if err != nil || len(out.Items) != 1 {
		t.Fatalf("%v, %v", out, err)
	}
	stone, err := dynamo.Unmarshal[struct {
		dynamo.Key
		TTL int64 `dynamodbav:"ttl"`
	}](out.Items[0])
	if err != nil || len(out.Items[0]) != 3 {
		t.Errorf("tombstone %v, %v", out.Items[0], err)
	}
	if days := time.Unix(stone.TTL, 0).Sub(w.service.Now()).Hours() / 24; days < 39 || days > 41 {
		t.Errorf("it stays for %g days, want 40", days)
	}
}

func TestWhoWasErasedMakesNothingMore(t *testing.T) {
	w := newWorld(t)
	id := w.busy("ana")
	before := w.service
	v, err := before.Store.Get(t.Context(), "ana", id)
	if err != nil {
		t.Fatal(err)
	}
	w.tell("erased", event.AccountErased{UserID: "ana"})
	for _, size := range []string{"5", "209715200"} { // whose access token is in the authorizer's cache
		status, answer := w.call("ana", "POST", "/v1/videos", `{"filename":"a.mp4","size":`+size+`,"content_type":"video/mp4"}`)
		if status != http.StatusUnauthorized || answer["code"] != "unauthorized" {
			t.Errorf("create: %d %v", status, answer)
		}
	}
	after := *v
	if err := before.Store.Update(t.Context(), v, &after); err == nil { // which was read before
		t.Error("a row was written back")
	}
	w.wantKept("ana", "erasures ana", "user#ana erased")
}

// breaking fails every request of a kind, so that whoever makes it dies there.
type breaking struct{ target string }

func (b breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+b.target) || (b.target == "S3" && r.URL.Query().Has("list-type")) {
		return nil, errors.New("the process died here")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestAnErasureThatDiesGoesOn(t *testing.T) {
	for name, target := range map[string]string{"before the files": "S3", "before the rows": "BatchWriteItem", "before the rows are found": "Query"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.busy("ana")
			dying := w.over(&http.Client{Transport: breaking{target}})
			if err := dying.hear("erased", event.AccountErased{UserID: "ana"}); err == nil {
				t.Fatal("it did not die")
			}
			if kept := w.kept("ana"); len(kept) < 3 {
				t.Fatalf("it died too late: %q", kept)
			}
			// Neither the message that comes again is needed for it, nor anything but time.
			if err := w.service.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.wantKept("ana", "erasures ana", "user#ana erased")
		})
	}
}

func TestVideosAreWrittenDown(t *testing.T) {
	w := newWorld(t)
	id := w.busy("ana")
	w.busy("bob")
	w.tell("export", event.ExportRequested{UserID: "ana", ExportID: "x"})
	out, err := w.objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &w.archives, Key: aws.String("exports/ana/x/video.json")})
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
			Run      int    `json:"run"`
		} `json:"videos"`
		Quotas map[string]any `json:"quotas"`
	}
	if err := json.Unmarshal(raw, &export); err != nil {
		t.Fatal(err)
	}
	if len(export.Videos) != 4 || export.Videos[0].ID != id || export.Videos[0].Filename != "a.mp4" || export.Videos[0].Run != 2 || len(export.Quotas) != 5 {
		t.Errorf("%s", raw)
	}
	if strings.Contains(string(raw), "bob") || strings.Contains(string(raw), "upload_id") {
		t.Errorf("%s", raw)
	}
}
