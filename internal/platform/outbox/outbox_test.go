package outbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/outbox"
)

type world struct {
	t     *testing.T
	box   *outbox.Outbox
	queue string
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud := localtest.Start(t)
	env := cloud.Env(t, "VideoFunction")
	w := &world{t: t, queue: env["STATUS_QUEUE_URL"], now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	w.box = &outbox.Outbox{
		DB: dynamodb.NewFromConfig(cloud.Config), SQS: sqs.NewFromConfig(cloud.Config), Table: env["VIDEO_TABLE"],
		Now: func() time.Time { return w.now },
	}
	w.route(w.queue)
	return w
}

func (w *world) route(urls ...string) {
	w.box.Routes = map[string][]string{event.VideoDeleted{}.EventType(): urls}
}

func (w *world) event(id string) event.Event {
	w.t.Helper()
	e, err := event.New("/video", id, w.now, event.VideoDeleted{VideoRef: event.VideoRef{VideoID: "v1", OwnerID: "ana"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// change writes a row, if there is none of its name.
func (w *world) change(name string) []types.TransactWriteItem {
	return []types.TransactWriteItem{{Put: &types.Put{
		TableName: &w.box.Table, Item: dynamo.Key{PK: "row#" + name, SK: "row"}.Item(),
		ConditionExpression: aws.String("attribute_not_exists(pk)"),
	}}}
}

// received gives the IDs of the events in the queue, and empties it.
func (w *world) received() string {
	w.t.Helper()
	ids := []string{}
	for _, body := range localtest.Drain(w.t, w.box.SQS, w.queue) {
		e, err := event.Parse([]byte(body))
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, e.ID())
	}
	return fmt.Sprint(ids)
}

func (w *world) sweep(want int) {
	w.t.Helper()
	if n, err := w.box.Sweep(w.t.Context()); n != want || err != nil {
		w.t.Errorf("the sweep published %d, %v; want %d", n, err, want)
	}
}

func TestAnEventGoesWithItsChange(t *testing.T) {
	w := newWorld(t)
	if err := w.box.Commit(t.Context(), w.change("a"), w.event("e1")); err != nil {
		t.Fatal(err)
	}
	err := w.box.Commit(t.Context(), w.change("a"), w.event("e2"))
	if failed := dynamo.FailedConditions(err); len(failed) != 1 || failed[0] != 0 {
		t.Errorf("conditions %v failed (%v), want the first", failed, err)
	}
	if got := w.received(); got != "[e1]" {
		t.Errorf("events %s, want e1 only: e2's change did not happen", got)
	}
	w.now = w.now.Add(time.Hour)
	w.sweep(0)
}

func TestAnEventThatCouldNotBeSentIsSwept(t *testing.T) {
	w := newWorld(t)
	w.route(w.queue + "-that-is-not-there")
	if err := w.box.Commit(t.Context(), w.change("a"), w.event("e1")); err != nil {
		t.Errorf("the caller was told of it: %v", err)
	}
	w.route(w.queue)
	w.sweep(0) // its own publication may be under way
	w.now = w.now.Add(time.Minute)
	w.sweep(1)
	w.sweep(0)
	if got := w.received(); got != "[e1]" {
		t.Errorf("events %s, want e1 once", got)
	}
}

func TestTheSweepGoesOnPastWhatFailsAgain(t *testing.T) {
	w := newWorld(t)
	w.route(w.queue + "-that-is-not-there")
	for n := range 20 {
		if err := w.box.Commit(t.Context(), nil, w.event(fmt.Sprint("e", n))); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(time.Minute)
	if n, err := w.box.Sweep(t.Context()); n != 0 || err == nil {
		t.Errorf("the sweep published %d, %v", n, err)
	}
	w.route(w.queue)
	w.sweep(20)
}

func TestAnEventThatGoesNowhereIsRefused(t *testing.T) {
	w := newWorld(t)
	w.box.Routes = nil
	if err := w.box.Commit(t.Context(), w.change("a"), w.event("e1")); err == nil {
		t.Error("it was committed")
	}
}

func TestEventsAboutAPersonAreForgotten(t *testing.T) {
	w := newWorld(t)
	w.route(w.queue, "http://127.0.0.1:1/gone") // nothing can be published
	w.box.Routes[event.AccountErased{}.EventType()] = []string{"http://127.0.0.1:1/gone"}
	of := func(id string, data event.Data) event.Event {
		t.Helper()
		e, err := event.New("/test", id, w.now, data)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, e := range []event.Event{
		w.event("of-ana"), of("erasure-of-ana", event.AccountErased{UserID: "ana"}),
		of("of-bob", event.VideoDeleted{VideoRef: event.VideoRef{VideoID: "v2", OwnerID: "bob"}}),
	} {
		if err := w.box.Commit(t.Context(), nil, e); err != nil {
			t.Fatal(err)
		}
	}
	w.received()
	if err := w.box.Forget(t.Context(), "ana"); err != nil {
		t.Fatal(err)
	}
	w.route(w.queue)
	w.box.Routes[event.AccountErased{}.EventType()] = []string{w.queue}
	w.now = w.now.Add(time.Minute)
	if _, err := w.box.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(strings.Trim(w.received(), "[]"))
	slices.Sort(got)
	if want := []string{"erasure-of-ana", "of-bob"}; !slices.Equal(got, want) {
		t.Errorf("published later: %q, want %q", got, want)
	}
}
