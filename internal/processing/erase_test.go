package processing_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/processing"
)

// of gives the keys of all rows that are about a person.
func (w *world) of(person string) []string {
	w.t.Helper()
	out, err := dynamodb.NewFromConfig(w.cloud.Config).Scan(w.t.Context(), &dynamodb.ScanInput{TableName: &w.cfg.Table})
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, item := range out.Items {
		raw, err := json.Marshal(item)
		if err != nil {
			w.t.Fatal(err)
		}
		key, err := dynamo.Unmarshal[dynamo.Key](item)
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(string(raw), person) {
			keys = append(keys, key.PK+" "+key.SK)
		}
	}
	slices.Sort(keys)
	return keys
}

// wantErased checks that nothing is kept of Ana but the tombstone, and what is to be
// repeated.
func (w *world) wantErased() {
	w.t.Helper()
	if got := w.of("ana"); !slices.Equal(got, []string{"erasures ana", "user#ana erased"}) {
		w.t.Errorf("kept: %q", got)
	}
	if got := w.of("v1"); len(got) > 0 {
		w.t.Errorf("kept of the video: %q", got)
	}
	w.wantLeft()
}

// ends gives what status was told of how runs ended.
func (w *world) ends() string {
	w.t.Helper()
	return strings.TrimSpace(strings.ReplaceAll(types(w.told(w.cfg.StatusQueueURL)), "started", ""))
}

func TestAnErasureInTheMiddleOfAJob(t *testing.T) {
	for name, engine := range map[string]*noiseEngine{
		"of one worker":  {sizes: []int{17 * mega}, end: 100},
		"of many":        {sizes: []int{30 * mega, 60 * mega, 1000}, end: 100},
		"of one by one":  {sizes: []int{11 * mega, 1000}, end: 100, chained: true},
		"of small units": {sizes: []int{1000, 1000}, end: 100},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.place("")
			erased := false
			engine.during = func(context.Context, int) error {
				if !erased {
					erased = true
					w.command(event.AccountErased{UserID: "ana"})
				}
				return nil // and goes on, as a worker does until it finds out
			}
			w.begin(engine, 2)
			w.carryOut(nil)
			if !erased {
				t.Fatal("it was never in the middle")
			}
			w.wantErased()
			if ends := w.ends(); ends != "" {
				t.Errorf("told of the erased person's run: %s", ends)
			}
		})
	}
}

func TestWorkersStopWhenTheirPersonIsErased(t *testing.T) {
	w := newWorld(t)
	w.place("")
	engine := &noiseEngine{sizes: []int{30 * mega, 60 * mega, 1000}, end: 100}
	arrived, _ := stopped(engine) // they end only when they are told to
	w.plan(engine, 2)
	done := w.sideBySide(arrived)
	w.command(event.AccountErased{UserID: "ana"})
	for _, err := range done() {
		if err != nil {
			t.Errorf("a worker did not give up: %v", err)
		}
	}
	w.wantErased()
}

func TestWhatComesAfterAnErasureBringsNothingBack(t *testing.T) {
	w := newWorld(t)
	w.place("")
	w.begin(&noiseEngine{sizes: []int{1000, 2000}, end: 100}, 2)
	w.carryOut(nil)
	w.told(w.cfg.StatusQueueURL)
	for range 2 { // the event comes twice
		w.command(event.AccountErased{UserID: "ana"})
		w.wantErased()
	}
	w.send(w.cfg.SegmentsQueueURL, event.SegmentRequested{VideoRef: ref(2)})
	w.send(w.cfg.SegmentsQueueURL, event.AssemblyRequested{VideoRef: ref(2)})
	w.carryOut(nil)
	upload := w.upload([]byte("a film"), `{}`, "") // by a signature that is still good
	w.work(upload)
	if _, err := w.objects.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &w.cfg.UploadsBucket, Key: aws.String(key)}); err == nil {
		t.Error("what was uploaded is kept")
	}
	w.begin(&noiseEngine{sizes: []int{1000}, end: 100}, 3) // a retry
	w.carryOut(nil)
	w.command(event.CancelRequested{VideoRef: ref(2)})
	w.command(event.VideoDeleted{VideoRef: ref(2)})
	w.command(event.ExportRequested{UserID: "ana", ExportID: "x"})
	if err := w.control.HandleDeadLetter(t.Context(), upload); err != nil {
		t.Error(err)
	}
	w.wantErased()
	if ends := w.ends(); ends != "" {
		t.Errorf("told of the erased person's runs: %s", ends)
	}

	w.clock.Add(31 * 60)
	w.sweep()
	if got := w.of("ana"); !slices.Equal(got, []string{"user#ana erased"}) {
		t.Errorf("kept: %q", got)
	}
}

func TestAnErasureThatDiesGoesOn(t *testing.T) {
	for n, survived := 1, false; !survived; n++ {
		t.Run(fmt.Sprintf("at change %d", n), func(t *testing.T) { survived = erasureDies(t, n) })
	}
}

// erasureDies lets an erasure die at its nth change of anything outside, and checks
// that it goes on; true if it has not so many.
func erasureDies(t *testing.T, n int) (survived bool) {
	w := newWorld(t)
	w.place("")
	engine := &noiseEngine{sizes: []int{11 * mega, 1000, 12 * mega}, end: 100}
	w.plan(engine, 2)
	w.work(w.waiting(w.cfg.SegmentsQueueURL)[0])

	config := w.cloud.Config.Copy()
	death := &mortal{}
	death.left.Store(int64(n))
	config.HTTPClient, config.RetryMaxAttempts = death, 1
	reach := processing.AWS{DB: dynamodb.NewFromConfig(config), S3: s3.NewFromConfig(config), Q: sqs.NewFromConfig(config)}
	e, err := event.New("/auth", "erased", time.Now(), event.AccountErased{UserID: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	m := events.SQSMessage{Body: string(body)}
	err = processing.NewControl(w.cfg.Config, reach, nil, w.now, w.id).HandleCommand(t.Context(), m)
	survived = death.left.Load() > 0
	if survived != (err == nil) {
		t.Errorf("it gave %v", err)
	}
	if n == 1 { // it was dead before it had begun, and the message comes again
		if err := w.control.HandleCommand(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
	w.sweep()
	w.wantErased()
	return survived
}

// A worker that had seen the job before the erasure, and claims its unit after it.
func TestAUnitThatIsClaimedTooLateIsSwept(t *testing.T) {
	w := newWorld(t)
	w.command(event.AccountErased{UserID: "ana"})
	unit := dynamo.Key{PK: "video#v1", SK: "segment#1#0000"}
	_, err := w.worker.Store.ClaimUnit(t.Context(), unit, processing.Lease{
		Ref: ref(1), MessageID: "m", Token: "t", Now: w.now(), Until: w.now().Add(time.Minute),
	})
	if err != nil || len(w.of("v1")) != 1 {
		t.Fatalf("%v, there is %q", err, w.of("v1"))
	}
	w.sweep()
	w.wantErased()
}

func TestSomebodyElsesJobsStay(t *testing.T) {
	w := newWorld(t)
	w.place("")
	engine := &noiseEngine{sizes: []int{1000}, end: 100}
	w.begin(engine, 2)
	w.carryOut(nil)
	w.command(event.AccountErased{UserID: "an"}) // whose ID Ana's begins with
	w.command(event.AccountErased{UserID: "bob"})
	w.wantArchive(2, engine)
	if got := w.of("v1"); !slices.Contains(got, "video#v1 job") {
		t.Errorf("kept of the video: %q", got)
	}
}

func TestJobsAreWrittenDown(t *testing.T) {
	w := newWorld(t)
	w.place("")
	w.begin(&noiseEngine{sizes: []int{1000, 1000}, end: 100}, 2)
	w.carryOut(nil)
	w.command(event.ExportRequested{UserID: "ana", ExportID: "x"})
	w.command(event.ExportRequested{UserID: "bob", ExportID: "y"})
	var export struct {
		Jobs []struct {
			VideoID          string    `json:"video_id"`
			State            string    `json:"state"`
			Run              int       `json:"run"`
			Segments         int       `json:"segments"`
			ArchiveExpiresAt time.Time `json:"archive_expires_at"`
		} `json:"jobs"`
	}
	raw := w.get(w.cfg.ArchivesBucket, "exports/ana/x/processing.json")
	if err := json.Unmarshal(raw, &export); err != nil {
		t.Fatal(err)
	}
	if len(export.Jobs) != 1 || export.Jobs[0].VideoID != "v1" || export.Jobs[0].State != "completed" ||
		export.Jobs[0].Run != 2 || export.Jobs[0].Segments != 2 || export.Jobs[0].ArchiveExpiresAt.Before(time.Now()) {
		t.Errorf("%s", raw)
	}
	if raw := w.get(w.cfg.ArchivesBucket, "exports/bob/y/processing.json"); !strings.Contains(string(raw), `"jobs": []`) {
		t.Errorf("%s", raw)
	}
}
