package video_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/video"
)

const aVideo = `{"filename":"a.mp4","size":5,"content_type":"video/mp4"}`

// tell lets the service hear of an event, at its own time.
func (w *world) tell(id string, data event.Data) {
	w.t.Helper()
	if err := w.hear(id, data); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) hear(id string, data event.Data) error {
	w.t.Helper()
	e, err := event.New("/test", id, w.service.Now(), data)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	listener := &video.Listener{Service: w.service, Exports: export.Writer{S3: w.objects, Bucket: w.archives}}
	return listener.HandleMessage(context.Background(), events.SQSMessage{Body: string(body)})
}

// used gives what a person has used, by quota.
func (w *world) used(user string) map[string]float64 {
	w.t.Helper()
	status, answer := w.call(user, "GET", "/v1/usage", "")
	if status != http.StatusOK {
		w.t.Fatalf("usage: %d %v", status, answer)
	}
	used := map[string]float64{}
	for name := range dig[map[string]any](answer, "quotas") {
		used[name] = dig[float64](answer, "quotas", name, "used")
	}
	return used
}

func (w *world) wantUsed(user string, want map[string]float64) {
	w.t.Helper()
	got := w.used(user)
	for _, name := range []string{"videos_per_minute", "videos_per_day"} { // those that tests do not name
		if _, named := want[name]; !named {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("usage (-want +got):\n%s", diff)
	}
}

// refused checks that a request is refused because of a quota, and gives how long
// to wait.
func (w *world) refused(user, method, path, body, quota string) time.Duration {
	w.t.Helper()
	r := w.record(user, method, path, body)
	var said struct {
		Code   string `json:"code"`
		Errors []struct {
			Location string `json:"location"`
			Message  string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(r.Body.Bytes(), &said); err != nil {
		w.t.Fatal(err)
	}
	if r.Code != http.StatusTooManyRequests || said.Code != "quota_exceeded" ||
		len(said.Errors) != 1 || said.Errors[0].Location != "quota."+quota || said.Errors[0].Message == "" {
		w.t.Fatalf("%d %s, want a refusal by %s", r.Code, r.Body, quota)
	}
	seconds, err := strconv.Atoi(r.Header().Get("Retry-After"))
	if err != nil || seconds < 1 {
		w.t.Fatalf("Retry-After %q", r.Header().Get("Retry-After"))
	}
	return time.Duration(seconds) * time.Second
}

func ref(id string, run int) event.VideoRef {
	return event.VideoRef{VideoID: id, OwnerID: "ana", Run: run}
}

func completed(id string, run int, seconds float64, size int64) event.ProcessingCompleted {
	return event.ProcessingCompleted{
		VideoRef: ref(id, run), Media: event.Media{Duration: seconds}, Archive: event.Archive{Size: size},
	}
}

func TestQuotasHoldUnderARace(t *testing.T) {
	for quota, set := range map[string]func(l *video.Limits){
		"videos_per_minute": func(l *video.Limits) { l.VideosPerMinute = 12 },
		"videos_per_day":    func(l *video.Limits) { l.VideosPerDay = 12 },
		"concurrent_videos": func(l *video.Limits) { l.VideosAtOnce = 12 },
		"bytes_stored":      func(l *video.Limits) { l.StoredBytes = 12*5 + 4 },
	} {
		t.Run(quota, func(t *testing.T) {
			w := newWorld(t)
			w.atTheBeginningOfADay()
			set(&w.service.Limits)
			var created, refused atomic.Int64
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					switch status, answer := w.call("ana", "POST", "/v1/videos", aVideo); {
					case status == http.StatusCreated:
						created.Add(1)
					case status == http.StatusTooManyRequests && answer["code"] == "quota_exceeded":
						refused.Add(1)
					default:
						t.Errorf("%d %v", status, answer)
					}
				})
			}
			wg.Wait()
			if created.Load() != 12 || refused.Load() != 38 {
				t.Errorf("%d created and %d refused, want 12 and 38", created.Load(), refused.Load())
			}
			w.wantUsed("ana", map[string]float64{
				"videos_per_minute": 12, "videos_per_day": 12, "minutes_per_day": 0, "bytes_stored": 12 * 5, "concurrent_videos": 12,
			})
			w.create("bob", 5) // who has quotas of his own
		})
	}
}

func TestRetryAfterIsTrue(t *testing.T) {
	w := newWorld(t)
	w.atTheBeginningOfADay()
	w.service.Limits.VideosPerMinute, w.service.Limits.VideosPerDay, w.service.Limits.MinutesPerDay = 2, 3, 10
	w.create("ana", 5)
	id, _ := w.create("ana", 5)
	wait := w.refused("ana", "POST", "/v1/videos", aVideo, "videos_per_minute")
	if wait > time.Minute {
		t.Errorf("a minute's quota has room after %s", wait)
	}
	w.clock.Add(int64(wait.Seconds()))
	w.create("ana", 5)
	wait = w.refused("ana", "POST", "/v1/videos", aVideo, "videos_per_day")
	if wait > 24*time.Hour || wait < 23*time.Hour {
		t.Errorf("a day's quota has room after %s, early in that day", wait)
	}
	w.clock.Add(int64(wait.Seconds()))
	w.create("ana", 5)
	w.tell("1", completed(id, 1, 600, 1))
	wait = w.refused("ana", "POST", "/v1/videos", aVideo, "minutes_per_day")
	w.clock.Add(int64(wait.Seconds()))
	w.create("ana", 5)
}

func TestARetryIsAnotherVideo(t *testing.T) {
	w := newWorld(t)
	w.atTheBeginningOfADay()
	id, upload := w.create("ana", 5)
	w.post(upload, []byte("hello"), nil)
	w.service.Limits.VideosPerDay, w.service.Limits.VideosAtOnce = 3, 1
	retry := "/v1/videos/" + id + "/retry"
	for n := range 2 {
		if status, answer := w.call("ana", "POST", retry, ""); status != http.StatusAccepted {
			t.Fatalf("retry %d: %d %v", n+1, status, answer)
		}
	}
	w.wantUsed("ana", map[string]float64{
		"videos_per_day": 3, "videos_per_minute": 3, "minutes_per_day": 0, "bytes_stored": 5, "concurrent_videos": 1,
	})
	w.refused("ana", "POST", retry, "", "videos_per_day")

	w.service.Limits.VideosPerDay = 10
	w.tell("ended", event.ProcessingFailed{VideoRef: ref(id, 3), Code: "not_a_video"})
	w.create("ana", 5) // it has the only place now
	w.refused("ana", "POST", retry, "", "concurrent_videos")
}

func TestAVideoCountsForWhatItIs(t *testing.T) {
	w := newWorld(t)
	w.atTheBeginningOfADay()
	id, upload := w.create("ana", 5)
	other, _ := w.create("ana", 7)
	want := func(minutes, bytes, active float64) {
		t.Helper()
		w.wantUsed("ana", map[string]float64{"minutes_per_day": minutes, "bytes_stored": bytes, "concurrent_videos": active})
	}
	want(0, 12, 2)
	w.post(upload, []byte("hello"), nil)
	w.call("ana", "POST", "/v1/videos/"+id+"/complete", "")
	want(0, 12, 2)
	for range 2 { // the second time is of no effect
		w.tell("completed", completed(id, 1, 61, 100))
		want(2, 112, 1)
	}
	w.call("ana", "POST", "/v1/videos/"+id+"/retry", "")
	want(2, 112, 2)
	w.tell("late", event.ProcessingFailed{VideoRef: ref(id, 1), Code: "stalled"}) // of the run before
	want(2, 112, 2)
	w.tell("cancelled", event.ProcessingCancelled{VideoRef: ref(id, 2)})
	want(2, 112, 1)
	w.call("ana", "POST", "/v1/videos/"+id+"/retry", "")
	w.tell("completed again", completed(id, 3, 60, 30)) // whose archive takes the other's place
	want(3, 42, 1)
	w.tell("completed late", completed(id, 1, 61, 100))
	want(3, 42, 1)
	w.tell("the first expired", event.ArchiveExpired{VideoRef: ref(id, 1)})
	want(3, 42, 1)
	for range 2 {
		w.tell("expired", event.ArchiveExpired{VideoRef: ref(id, 3)})
		want(3, 12, 1)
	}
	w.call("ana", "DELETE", "/v1/videos/"+id, "")
	want(3, 7, 1)
	w.tell("after the deletion", completed(id, 4, 600, 100))
	want(3, 7, 1)
	w.call("ana", "DELETE", "/v1/videos/"+other, "")
	want(3, 0, 0)
}

func TestRunsThatCompleteOutOfOrderAllCount(t *testing.T) {
	w := newWorld(t)
	w.atTheBeginningOfADay()
	id, upload := w.create("ana", 5)
	w.post(upload, []byte("hello"), nil)
	w.call("ana", "POST", "/v1/videos/"+id+"/retry", "")
	w.tell("second", completed(id, 2, 60, 20))
	w.tell("first", completed(id, 1, 60, 100))
	w.wantUsed("ana", map[string]float64{"minutes_per_day": 2, "bytes_stored": 25, "concurrent_videos": 0})
}

func TestFilesCountUntilTheyAreGone(t *testing.T) {
	w := newWorld(t)
	w.atTheBeginningOfADay()
	id, upload := w.create("ana", 5)
	w.post(upload, []byte("hello"), nil)
	w.call("ana", "POST", "/v1/videos/"+id+"/complete", "")
	w.create("ana", 200<<20) // never comes
	want := func(after time.Duration, bytes, active float64) {
		t.Helper()
		w.clock.Add(int64(after.Seconds()))
		if err := w.service.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantUsed("ana", map[string]float64{"minutes_per_day": 0, "bytes_stored": bytes, "concurrent_videos": active})
	}
	want(0, 5+200<<20, 2)
	want(26*time.Hour, 5, 1) // the upload that never came is given up
	w.tell("failed", event.ProcessingFailed{VideoRef: ref(id, 1), Code: "not_a_video"})
	want(6*24*time.Hour, 5, 0)
	want(2*24*time.Hour, 0, 0)
	if status, answer := w.call("ana", "POST", "/v1/videos/"+id+"/retry", ""); status != http.StatusConflict {
		t.Errorf("its file does not count, and can be processed: %d %v", status, answer)
	}
}

func TestEventsOfManyVideosAtOnceAddUp(t *testing.T) {
	w := newWorld(t)
	w.atTheBeginningOfADay()
	var wg sync.WaitGroup
	for n := range 12 {
		id, _ := w.create("ana", 5)
		for again := range 3 {
			wg.Go(func() {
				if err := w.hear(fmt.Sprint(n, again), completed(id, 1, 60, 10)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	w.wantUsed("ana", map[string]float64{"minutes_per_day": 12, "bytes_stored": 12 * 15, "concurrent_videos": 0})
}

func TestQuotasAreRefusedInPortuguese(t *testing.T) {
	w := newWorld(t)
	w.service.Limits.VideosAtOnce = 0
	r := w.record("ana", "POST", "/v1/videos", aVideo, "Accept-Language", "pt-BR")
	if !strings.Contains(r.Body.String(), "em andamento ao mesmo tempo") {
		t.Errorf("%s", r.Body)
	}
}
