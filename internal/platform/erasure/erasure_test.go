package erasure_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
)

// world is a table with a clock of its own.
type world struct {
	*erasure.Table
	t   *testing.T
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud := localtest.Start(t)
	w := &world{t: t, now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	w.Table = &erasure.Table{
		DB: dynamodb.NewFromConfig(cloud.Config), Name: cloud.Env(t, "ProjectorFunction")["STATUS_TABLE"],
		Now: func() time.Time { return w.now },
	}
	return w
}

func (w *world) put(pk, sk string) {
	w.t.Helper()
	_, err := w.DB.PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: &w.Name, Item: dynamo.Key{PK: pk, SK: sk}.Item()})
	if err != nil {
		w.t.Fatal(err)
	}
}

// keys lists the rows of the whole table.
func (w *world) keys() []string {
	w.t.Helper()
	out, err := w.DB.Scan(w.t.Context(), &dynamodb.ScanInput{TableName: &w.Name})
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, item := range out.Items {
		k, err := dynamo.Unmarshal[dynamo.Key](item)
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, k.PK+" "+k.SK)
	}
	slices.Sort(keys)
	return keys
}

func (w *world) want(keys ...string) {
	w.t.Helper()
	if got := w.keys(); !slices.Equal(got, keys) {
		w.t.Errorf("there is %q, want %q", got, keys)
	}
}

func TestAllRowsOfAPersonGoAndNoOthers(t *testing.T) {
	w := newWorld(t)
	for n := range 60 { // more than fit into one batch
		w.put("user#ana", fmt.Sprintf("kind#%02d", n))
	}
	w.put("user#ana2", "kind#1")
	w.put("user#an", "kind#1")
	if err := errors.Join(w.Schedule(t.Context(), "ana"), w.Clear(t.Context(), "ana")); err != nil {
		t.Fatal(err)
	}
	w.want("erasures ana", "user#an kind#1", "user#ana erased", "user#ana2 kind#1")
}

func TestStandingFailsForWhoWasErased(t *testing.T) {
	w := newWorld(t)
	write := func() error {
		_, err := w.DB.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			w.Standing("ana"), {Put: &types.Put{TableName: &w.Name, Item: dynamo.Key{PK: "user#ana", SK: "late"}.Item()}},
		}})
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Bury(t.Context(), "ana"), w.Clear(t.Context(), "ana")); err != nil {
		t.Fatal(err)
	}
	if failed := dynamo.FailedConditions(write()); !slices.Equal(failed, []int{0}) {
		t.Errorf("conditions %v failed, want the first", failed)
	}
	w.want("user#ana erased")
}

func TestWritersUnderGuardAndAnErasureAtOnceLeaveNothing(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for n := range 30 {
		wg.Go(func() {
			err := w.Guard(context.Background(), "ana", func() error {
				w.put("user#ana", fmt.Sprint("row#", n))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if err := errors.Join(w.Bury(context.Background(), "ana"), w.Clear(context.Background(), "ana")); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	w.want("user#ana erased")
}

func TestGuardTellsWhatWentWrongWhilePeopleAreThere(t *testing.T) {
	w := newWorld(t)
	failure := errors.New("no network")
	if err := w.Guard(t.Context(), "ana", func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
	if err := w.Bury(t.Context(), "ana"); err != nil {
		t.Fatal(err)
	}
	w.put("user#ana", "of a worker that died between its write and its look at the tombstone")
	if err := w.Guard(t.Context(), "ana", func() error { return failure }); err != nil {
		t.Errorf("there is nothing to do for who was erased, but it gave %v", err)
	}
	w.want("user#ana erased")
}

func TestWhatWasHandledStandsUnlessItsPersonWasErased(t *testing.T) {
	w := newWorld(t)
	e, err := event.New("/test", "1", time.Now(), event.ProcessingStarted{VideoRef: event.VideoRef{VideoID: "v", OwnerID: "ana", Run: 1}})
	if err != nil {
		t.Fatal(err)
	}
	receive := func(handle func() error) (bool, error) {
		return w.ReceiveEvent(t.Context(), e, nil, func(context.Context, event.Event) error { return handle() })
	}
	for _, c := range []struct {
		what   string
		handle func() error
		stands bool
	}{
		{"handled", func() error { return nil }, true},
		{"erased meanwhile", func() error { return w.Bury(t.Context(), "ana") }, false},
		{"erased before", func() error { return nil }, false},
	} {
		if stands, err := receive(c.handle); stands != c.stands || err != nil {
			t.Errorf("%s: stands %v, %v", c.what, stands, err)
		}
	}
}

func TestErasuresAreRepeatedForAWhile(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"ana", "bob"} {
		if err := w.Schedule(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	stuck := errors.New("S3 is down")
	var erased []string
	repeat := func(fail string) error {
		erased = nil
		_, err := w.Repeat(t.Context(), func(_ context.Context, id string) error {
			erased = append(erased, id)
			if id == fail {
				return stuck
			}
			return nil
		})
		return err
	}
	if err := repeat("ana"); !errors.Is(err, stuck) || !slices.Equal(erased, []string{"ana", "bob"}) {
		t.Errorf("%v, erased %v: one that fails must not hold up the others", err, erased)
	}
	w.now = w.now.Add(31 * time.Minute) // as long as no function runs
	if err := repeat("ana"); !errors.Is(err, stuck) {
		t.Errorf("%v", err)
	}
	w.want("erasures ana", "user#ana erased", "user#bob erased") // Ana's has not succeeded after that time
	if err := repeat(""); err != nil || !slices.Equal(erased, []string{"ana"}) {
		t.Errorf("%v, erased %v", err, erased)
	}
	w.want("user#ana erased", "user#bob erased")
}
