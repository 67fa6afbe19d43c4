package sqs

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

func (e *endpoint) wantAges(t *testing.T, when string, want map[string]time.Duration) {
	t.Helper()
	got, err := e.server.OldestMessages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func TestAgeOfTheOldestMessage(t *testing.T) {
	e := start(t)
	work, dead := e.createWithDLQ(t, "work", "1")
	e.wantAges(t, "nothing sent", map[string]time.Duration{})
	e.put(t, work, "a")
	e.clock.advance(10 * time.Second)
	e.put(t, work, "b")
	e.clock.advance(5 * time.Second)
	e.wantAges(t, "two sent", map[string]time.Duration{"work": 15 * time.Second})

	e.take(t, work)
	e.wantAges(t, "in flight", map[string]time.Duration{"work": 15 * time.Second})

	e.clock.advance(time.Minute)
	e.wantNone(t, work, "after its only receive")
	e.clock.advance(7 * time.Second)
	e.wantAges(t, "dead letters age from when they became such", map[string]time.Duration{"work-dlq": 7 * time.Second})

	e.take(t, dead)
	e.clock.advance(time.Minute)
	e.wantAges(t, "looking at them makes them no younger", map[string]time.Duration{"work-dlq": 67 * time.Second})

	if _, err := e.StartMessageMoveTask(t.Context(), &awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("work-dlq"))}); err != nil {
		t.Fatal(err)
	}
	e.finished(t, arn("work-dlq"))
	e.wantAges(t, "moved back they are new", map[string]time.Duration{"work": 0})
}

func TestAFileFromBeforeAgesWereKeptIsOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sqs.db")
	e := startAt(t, path, newClock())
	e.put(t, e.create(t, "work"), "a")
	if err := e.server.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`ALTER TABLE messages DROP COLUMN moved`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := Open(path, Options{Now: e.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	e.server = again
	e.clock.advance(time.Second)
	e.wantAges(t, "opened again", map[string]time.Duration{"work": time.Second})
}
