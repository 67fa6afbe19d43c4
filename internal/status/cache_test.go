package status_test

import (
	"encoding/json"
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
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/cache"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// remember puts a cache in the queries' own memory before them.
func remember(w *world) {
	w.cache = cache.NewMemory(metrics.New(io.Discard, "Test", w.clock), w.clock)
}

// share puts a Redis before the queries, and lets the projector know of it.
func share(t *testing.T) func(*world) {
	redis := localtest.StartRedis(t)
	return func(w *world) {
		var open [2]*cache.Shared
		for i := range open {
			s, err := cache.Open(redis.URL(), "videos")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			open[i] = s
		}
		w.shared = open[0]
		w.cache = cache.New(open[1], metrics.New(io.Discard, "Test", w.clock), w.clock)
	}
}

// corrupt changes a row behind everybody's back, so that it shows where an answer
// comes from.
func (w *world) corrupt(id, filename string) {
	w.t.Helper()
	_, err := w.projector.Store.DB.UpdateItem(w.t.Context(), &dynamodb.UpdateItemInput{
		TableName: &w.projector.Store.Table, Key: dynamo.Key{PK: "user#ana", SK: "video#" + id}.Item(),
		UpdateExpression: aws.String("SET filename = :f"), ExpressionAttributeValues: dynamo.Item{":f": dynamo.S(filename)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

const (
	oneVideo = "/v1/videos/v1"
	allOfIt  = "/v1/videos"
)

func TestAPollOutOfMemoryIsToldOnlyThatNothingHasChanged(t *testing.T) {
	w := newWorld(t, remember)
	w.project(registered("v1"))
	for _, path := range []string{oneVideo, allOfIt} {
		etag := w.get("ana", path).Header().Get("ETag")
		w.corrupt("v1", "changed.mp4")
		if rec := w.get("ana", path, "If-None-Match", etag); rec.Code != http.StatusNotModified || rec.Body.Len() > 0 {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
		if rec := w.get("ana", path, "If-None-Match", `"of something newer"`); !strings.Contains(rec.Body.String(), "changed.mp4") {
			t.Errorf("%s: what may be older was shown: %s", path, rec.Body)
		}
		w.corrupt("v1", "v1.mp4")
		w.now = w.now.Add(cache.MemoryTTL)
		etag = w.get("ana", path).Header().Get("ETag")
		w.corrupt("v1", "changed.mp4")
		w.now = w.now.Add(cache.MemoryTTL)
		if rec := w.get("ana", path, "If-None-Match", etag); rec.Code != http.StatusOK {
			t.Errorf("%s: %d after the time that an answer may be old", path, rec.Code)
		}
		w.corrupt("v1", "v1.mp4")
		w.now = w.now.Add(cache.MemoryTTL)
	}
}

func TestWhatIsProjectedIsSeenAtOnceThroughASharedCache(t *testing.T) {
	w := newWorld(t, share(t))
	for i, step := range story("v1") {
		w.project(step.data)
		for range 2 {
			if got := decode(t, w.get("ana", oneVideo))["status"]; got != step.status {
				t.Errorf("after step %d: %v, want %s", i, got, step.status)
			}
			list, _ := decode(t, w.get("ana", allOfIt))["videos"].([]any)
			if len(list) != 1 || list[0].(map[string]any)["status"] != step.status {
				t.Errorf("after step %d the list is %v, want %s", i, list, step.status)
			}
		}
	}
	w.corrupt("v1", "changed.mp4")
	for _, path := range []string{oneVideo, allOfIt} {
		if rec := w.get("ana", path); !strings.Contains(rec.Body.String(), "v1.mp4") {
			t.Errorf("%s was read again: %s", path, rec.Body)
		}
	}
	if rec := w.get("bob", oneVideo); rec.Code != http.StatusNotFound {
		t.Errorf("somebody else's: %d %s", rec.Code, rec.Body)
	}
}

func TestAVideoThatWasProjectedIsShownWithoutAReadOfTheTable(t *testing.T) {
	w := newWorld(t, share(t))
	for i, step := range story("v1") {
		w.project(step.data)
		want := w.get("bob", oneVideo) // nothing of it is kept for others
		if want.Code != http.StatusNotFound {
			t.Fatalf("somebody else's: %d", want.Code)
		}
		w.corrupt("v1", "changed.mp4")
		if rec := w.get("ana", oneVideo); !strings.Contains(rec.Body.String(), "v1.mp4") || decode(t, rec)["status"] != step.status {
			t.Errorf("after step %d: %s", i, rec.Body)
		}
		w.corrupt("v1", "v1.mp4")
	}
}

func TestNothingErasedIsSeenThroughASharedCache(t *testing.T) {
	w := newWorld(t, share(t))
	w.project(registered("v1"))
	w.get("ana", oneVideo)
	w.get("ana", allOfIt)
	w.project(event.AccountErased{UserID: "ana"})
	if rec := w.get("ana", oneVideo); rec.Code != http.StatusNotFound {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if list := decode(t, w.get("ana", allOfIt))["videos"].([]any); len(list) > 0 {
		t.Errorf("the list is %v", list)
	}
}

func TestNothingIsSignedForWhatWasDeletedMeanwhile(t *testing.T) {
	w := newWorld(t, remember)
	w.project(registered("v1"))
	w.project(completed("v1", 1))
	w.get("ana", oneVideo)
	w.project(event.VideoDeleted{VideoRef: ref("v1", 1)})
	if rec := w.get("ana", oneVideo+"/download"); rec.Code != http.StatusNotFound {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// logged gives the entries of the log of what a person asked.
func (w *world) logged(person string) []map[string]any {
	w.t.Helper()
	rows, err := dynamo.QueryAll[map[string]any](w.t.Context(), w.projector.Store.DB, &dynamodb.QueryInput{
		TableName: &w.projector.Store.Table, KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S("queries#" + person)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

func TestWhatIsAskedIsLogged(t *testing.T) {
	w := newWorld(t, remember)
	w.project(registered("v1"))
	etag := w.get("ana", oneVideo).Header().Get("ETag")
	w.get("ana", oneVideo, "If-None-Match", etag)
	w.get("ana", "/v1/videos/v1/download")
	w.get("bob", oneVideo)
	if got := w.logged("ana"); len(got) != 2 || got[0]["route"] != "GET /v1/videos/{id}" || got[0]["asked"] != 1.0 {
		t.Errorf("at once: %v", got)
	}
	w.now = w.now.Add(5 * time.Minute)
	w.get("ana", oneVideo)
	got := w.logged("ana")
	if len(got) != 3 || got[0]["asked"] != 2.0 || got[0]["cached"] != 1.0 || got[0]["status_304"] != 1.0 || got[1]["status_409"] != 1.0 {
		t.Errorf("later: %v", got)
	}
	if ends := got[0]["ttl"].(float64); int64(ends) != noon.AddDate(0, 0, 30).Unix() {
		t.Errorf("it ends at %v", ends)
	}
	if got := w.logged("bob"); len(got) != 1 || got[0]["status_404"] != 1.0 {
		t.Errorf("bob's: %v", got)
	}

	w.project(event.ExportRequested{UserID: "ana", ExportID: "x"})
	out, err := w.objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &w.archives, Key: aws.String("exports/ana/x/status.json")})
	if err != nil {
		t.Fatal(err)
	}
	var export struct {
		Queries []struct {
			Since  time.Time      `json:"since"`
			Route  string         `json:"route"`
			Counts map[string]int `json:"counts"`
		} `json:"queries"`
	}
	if err := json.NewDecoder(out.Body).Decode(&export); err != nil || len(export.Queries) != 3 ||
		!export.Queries[0].Since.Equal(noon) || export.Queries[0].Counts["asked"] != 2 {
		t.Errorf("%v: %+v", err, export)
	}

	w.project(event.AccountErased{UserID: "ana"})
	w.now = w.now.Add(5 * time.Minute)
	w.get("ana", oneVideo) // with a token that is good for some seconds more
	if left := w.logged("ana"); len(left) > 0 {
		t.Errorf("of an erased person there is %v", left)
	}
}

// followed delivers the messages of the status queue to the projector until there are
// none, and gives how many there were.
func (w *world) followed() (n int) {
	w.t.Helper()
	for {
		bodies := localtest.Drain(w.t, w.queues, w.config.StatusQueueURL)
		if len(bodies) == 0 {
			return n
		}
		for _, body := range bodies {
			w.deliver(messageOf(body))
			n++
		}
	}
}

func TestFromScratchTheTableIsEmptiedPageByPageAndItsOwnersAreAsked(t *testing.T) {
	w := newWorld(t, share(t))
	const people, each = 3, 70 // more than a page
	for p := range people {
		for i := range each {
			v := registered(strings.Repeat("v", i+1))
			v.OwnerID = string(rune('a' + p))
			w.project(v)
		}
	}
	w.project(event.AccountErased{UserID: "left"})
	w.get("a", oneVideo)
	w.get("a", allOfIt)

	w.project(event.RebuildRequested{RebuildID: "r", FromScratch: true})
	if n := w.followed(); n < people*each/100+1 {
		t.Errorf("it took %d messages", n)
	}
	for p := range people {
		if left := w.rowsOf(string(rune('a' + p))); len(left) > 0 {
			t.Errorf("%q is left", left)
		}
	}
	if list := decode(t, w.get("a", allOfIt))["videos"].([]any); len(list) > 0 {
		t.Errorf("the list is %v", list)
	}
	if got := w.rowsOf("left"); !slices.Equal(got, []string{"erased"}) {
		t.Errorf("of who has left there is %q", got)
	}
	for _, queue := range []string{w.config.VideoEventsQueueURL, w.config.ControlQueueURL} {
		asked := localtest.Drain(t, w.queues, queue)
		if len(asked) != 1 {
			t.Fatalf("asked %d times: %q", len(asked), asked)
		}
		e, err := event.Parse([]byte(asked[0]))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := event.As[event.RebuildRequested](e); err != nil || r != (event.RebuildRequested{RebuildID: "r"}) {
			t.Errorf("asked for %+v, %v", r, err)
		}
	}
}
