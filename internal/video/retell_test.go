package video_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/video"
)

// However many videos there are, each is told once more, by messages of a page each,
// and with it who was erased and what was deleted.
func TestAllVideosAreToldOnceMore(t *testing.T) {
	w := newWorld(t)
	listener := video.NewListener(w.listening, w.db, w.queues, w.objects, nil, time.Now, w.service.NewID)
	handle := func(body string) {
		if err := listener.HandleMessage(context.Background(), events.SQSMessage{Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	const people, each = 8, 55
	want := map[string]string{} // the upload of each video
	for p := range people {
		person := fmt.Sprintf("person-%d", p)
		for range each {
			_, answer := w.call(person, "POST", "/v1/videos", aVideo)
			want[dig[string](answer, "video", "id")] = event.UploadAwaited
		}
	}
	_, answer := w.call("ana", "POST", "/v1/videos", aVideo)
	deleted := dig[string](answer, "video", "id")
	w.call("ana", "DELETE", "/v1/videos/"+deleted, "")
	w.call("left", "POST", "/v1/videos", aVideo)
	w.tell("erasure", event.AccountErased{UserID: "left"})
	localtest.Drain(t, w.queues, w.cfg.StatusQueueURL)

	e, err := event.New("/status", "asked", time.Now(), event.RebuildRequested{RebuildID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	handle(string(body))
	pages := 0
	for asked := localtest.Drain(t, w.queues, w.listening.QueueURL); len(asked) > 0; asked = localtest.Drain(t, w.queues, w.listening.QueueURL) {
		for _, body := range asked {
			pages++
			handle(body)
		}
	}
	if pages < 5 {
		t.Errorf("%d pages for %d rows", pages, people*each)
	}

	var erased, buried []string
	for _, body := range localtest.Drain(t, w.queues, w.cfg.StatusQueueURL) {
		e, err := event.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		switch e.Type() {
		case event.VideoSnapshot{}.EventType():
			s, err := event.As[event.VideoSnapshot](e)
			if err != nil || want[s.VideoID] != s.Upload || s.Filename != "a.mp4" || e.Time().Before(s.CreatedAt) {
				t.Errorf("told of %+v at %s, %v", s, e.Time(), err)
			}
			delete(want, s.VideoID)
		case event.VideoDeleted{}.EventType():
			buried = append(buried, e.Subject())
		case event.AccountErased{}.EventType():
			erased = append(erased, e.Subject())
		default:
			t.Errorf("told %s", e.Type())
		}
	}
	if len(want) > 0 || fmt.Sprint(buried, erased) != fmt.Sprintf("[%s] [left]", deleted) {
		t.Errorf("not told of %v; deleted %q, erased %q", want, buried, erased)
	}
}
