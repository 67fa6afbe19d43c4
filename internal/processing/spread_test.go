package processing_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/processing"
)

func TestALongVideoIsSharedOut(t *testing.T) {
	w := newWorld(t)
	w.place("")
	for i, c := range []struct {
		name   string
		engine *noiseEngine
	}{
		{"one segment is not shared out", &noiseEngine{sizes: []int{3 * mega}, end: 100}},
		{"three tiny ones", &noiseEngine{sizes: []int{1000, 2000, 3000}, end: 100}},
		{"tiny and large ones", &noiseEngine{sizes: []int{1, 40 * mega, 300 * kilo, 12 * mega, 11*mega + 1, 2 * mega}, end: 6 * mega}},
		{"large ones", &noiseEngine{sizes: []int{30 * mega, 30 * mega, 30 * mega}, end: 10 * kilo}},
		{"heads that just are parts, and just are not", &noiseEngine{sizes: []int{5 * mega, 5*mega - 1, 10 * mega, 10*mega + 1, 1}, end: 10}},
		{"segments without frames", &noiseEngine{sizes: []int{0, 0, 7 * mega, 0, 20 * mega, 0}, end: 10}},
		{"nothing but an end", &noiseEngine{sizes: []int{0, 0}, end: 10}},
		{"a hundred", &noiseEngine{sizes: sizes(100, func(i int) int { return 1 + i%9*100*kilo + i/97*8*mega }), end: 50 * kilo}},
		{"one after the other", &noiseEngine{sizes: []int{1000, 20 * mega, 6 * mega, 10}, end: 100, chained: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			run := i + 2
			w.begin(c.engine, run)
			w.carryOut(nil)
			w.wantArchive(run, c.engine)
		})
	}
}

func TestTheHashOfASharedOutVideoIsChecked(t *testing.T) {
	sum := sha256.Sum256([]byte("a film"))
	for name, c := range map[string]struct{ sha, code string }{
		"the announced one": {hex.EncodeToString(sum[:]), ""},
		"another":           {strings.Repeat("0", 64), "checksum_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.place(c.sha)
			engine := &noiseEngine{sizes: []int{1000, 11 * mega}, end: 100}
			w.begin(engine, 2)
			w.carryOut(nil)
			if c.code == "" {
				w.wantArchive(2, engine)
				return
			}
			if failed := last[event.ProcessingFailed](t, w.ended()); failed.Code != c.code || failed.Filename != "a.mp4" {
				t.Errorf("%+v", failed)
			}
			w.wantLeft()
		})
	}
}

// Every message comes twice at the same moment, under another ID, as SQS may
// deliver it; so there are two that assemble, too.
func TestMessagesThatComeTwiceAreDoneOnce(t *testing.T) {
	w := newWorld(t)
	sum := sha256.Sum256([]byte("a film"))
	w.place(hex.EncodeToString(sum[:]))
	for i, chained := range []bool{false, true} {
		run := i + 2
		var extracted atomic.Int64
		engine := &noiseEngine{sizes: []int{1000, 11 * mega, 6 * mega, 12 * mega}, end: 100, chained: chained}
		engine.during = func(context.Context, int) error { extracted.Add(1); return nil }
		w.begin(engine, run)
		w.carryOut(func(ctx context.Context, m events.SQSMessage) error {
			other := m
			other.MessageId += "-again"
			var both [2]error
			var wg sync.WaitGroup
			for i, m := range []events.SQSMessage{m, other} {
				wg.Go(func() { both[i] = w.worker.HandleMessage(ctx, m) })
			}
			wg.Wait()
			return errors.Join(append(both[:], w.worker.HandleMessage(ctx, m))...) // and once more
		})
		w.wantArchive(run, engine)
		if n := extracted.Load(); n != 4 {
			t.Errorf("segments were extracted %d times", n)
		}
	}
}

// mortal lets a worker die: from its nth change of anything outside on, nothing it
// does arrives anywhere. If late, that one change does, and only its answer is
// lost.
type mortal struct {
	left atomic.Int64
	late bool
}

var errDead = errors.New("this worker is dead")

func (m *mortal) Do(r *http.Request) (*http.Response, error) {
	target := r.Header.Get("X-Amz-Target")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead ||
		strings.HasSuffix(target, ".GetItem") || strings.HasSuffix(target, ".Query")
	left := m.left.Load()
	if !reads {
		left = m.left.Add(-1)
	}
	switch {
	case left > 0, left == 0 && reads:
		return http.DefaultClient.Do(r)
	case left == 0 && m.late:
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = response.Body.Close()
		}
	}
	return nil, errDead
}

func TestAWorkerMayDieAtAnyMoment(t *testing.T) {
	w := newWorld(t)
	sum := sha256.Sum256([]byte("a film"))
	w.place(hex.EncodeToString(sum[:]))
	run := 1
	for _, engine := range []*noiseEngine{
		{sizes: []int{1000, 11 * mega, 300}, end: 100},
		{sizes: []int{2000, 1000}, end: 100, chained: true},
		{sizes: []int{17 * mega}, end: 100},
	} {
		for _, late := range []bool{false, true} {
			for n := 1; ; n++ {
				run++
				config := w.cloud.Config.Copy()
				death := &mortal{late: late}
				death.left.Store(int64(n))
				config.HTTPClient, config.RetryMaxAttempts = death, 1
				reach := processing.AWS{DB: dynamodb.NewFromConfig(config), S3: s3.NewFromConfig(config), Q: sqs.NewFromConfig(config)}
				doomed := processing.NewWorker(w.cfg, reach, engine, metrics.New(io.Discard, "Test", time.Now), w.now, w.id)
				w.begin(engine, run)
				w.carryOut(func(ctx context.Context, m events.SQSMessage) error {
					if death.left.Load() > 0 {
						return doomed.HandleMessage(ctx, m)
					}
					return w.worker.HandleMessage(ctx, m)
				})
				w.wantArchive(run, engine)
				if t.Failed() {
					t.Fatalf("%d segments, death at change %d, late: %t", len(engine.sizes), n, late)
				}
				if death.left.Load() > 0 {
					t.Logf("%d segments: %d changes", len(engine.sizes), n)
					break
				}
			}
		}
	}
}

// stopped makes an engine whose segments stop in the middle, until they are let
// go or their worker is told to stop.
func stopped(engine *noiseEngine) (arrived chan int, letGo chan struct{}) {
	arrived, letGo = make(chan int, 100), make(chan struct{})
	engine.during = func(ctx context.Context, segment int) error {
		arrived <- segment
		select {
		case <-letGo:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return arrived, letGo
}

// sideBySide handles all messages of the segments queue at once, and waits until
// all have arrived in the middle of their segments.
func (w *world) sideBySide(arrived chan int) (done func() []error) {
	w.t.Helper()
	all := w.waiting(w.cfg.SegmentsQueueURL)
	failures := make([]error, len(all))
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() {
			if failures[i] = w.worker.HandleMessage(w.t.Context(), m); failures[i] == nil {
				w.delete(w.cfg.SegmentsQueueURL, m)
			}
		})
	}
	for range all {
		<-arrived
	}
	return func() []error {
		wg.Wait()
		return failures
	}
}

// plan has the run planned, and no more.
func (w *world) plan(engine *noiseEngine, run int) {
	w.t.Helper()
	w.begin(engine, run)
	for _, m := range w.waiting(w.cfg.QueueURL) {
		w.work(m)
		w.delete(w.cfg.QueueURL, m)
	}
}

func TestASharedOutJobThatIsEndedLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world)
		told string
	}{
		"cancelled": {func(w *world) { w.command(event.CancelRequested{VideoRef: ref(2)}) }, "cancelled"},
		"deleted":   {func(w *world) { w.command(event.VideoDeleted{VideoRef: ref(2)}) }, ""},
		"a dead letter of a segment": {func(w *world) {
			e, _ := event.New("/processing", "dead", time.Now(), event.SegmentRequested{VideoRef: ref(2), Segment: 1})
			body, _ := json.Marshal(e)
			if err := w.control.HandleDeadLetter(w.t.Context(), events.SQSMessage{Body: string(body)}); err != nil {
				w.t.Error(err)
			}
		}, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.place("")
			engine := &noiseEngine{sizes: []int{30 * mega, 60 * mega, 1000}, end: 100}
			arrived, _ := stopped(engine)
			w.plan(engine, 2)
			done := w.sideBySide(arrived)
			c.end(w)
			for _, err := range done() {
				if err != nil {
					t.Errorf("a worker did not give up: %v", err)
				}
			}
			w.wantTold(strings.TrimSpace("started "+c.told), strings.ReplaceAll(c.told, "cancelled", ""))
			w.wantLeft()
			// And while nobody works on it.
			if name != "deleted" {
				engine.during = nil
				w.plan(engine, 3)
				m := w.waiting(w.cfg.SegmentsQueueURL)
				w.work(m[0])
				switch name {
				case "cancelled":
					w.command(event.CancelRequested{VideoRef: ref(3)})
				default:
					if err := w.control.HandleDeadLetter(t.Context(), m[1]); err != nil {
						t.Error(err)
					}
				}
				w.wantLeft()
				w.work(m[1])
				w.work(m[2])
				w.wantLeft()
			}
		})
	}
}

func TestALaterRunTakesTheEarlierOnesPlace(t *testing.T) {
	w := newWorld(t)
	w.place("")
	engine := &noiseEngine{sizes: []int{11 * mega, 1000, 12 * mega}, end: 100}
	w.plan(engine, 2)
	old := w.waiting(w.cfg.SegmentsQueueURL)
	w.work(old[0])
	w.plan(engine, 3)
	w.work(w.waiting(w.cfg.SegmentsQueueURL)[0])
	// What comes of the earlier run now takes nothing from the later one.
	w.work(old[1])
	if err := w.control.HandleDeadLetter(t.Context(), old[2]); err != nil {
		t.Error(err)
	}
	w.command(event.CancelRequested{VideoRef: ref(2)})
	for i := range engine.sizes {
		w.send(w.cfg.SegmentsQueueURL, event.SegmentRequested{VideoRef: ref(3), Segment: i})
	}
	w.carryOut(nil)
	w.wantArchive(3, engine)
}

func TestAFailingSegmentEndsTheRunWithItsCode(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code problem.Code
	}{
		"the engine's verdict": {&frames.Error{Code: frames.CodeUndecodable}, problem.Undecodable},
		"the file is gone":     {nil, problem.SourceGone},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.place("")
			engine := &noiseEngine{sizes: []int{11 * mega, 1000, 20 * mega}, end: 100}
			engine.during = func(_ context.Context, segment int) error {
				if segment == 1 {
					return c.err
				}
				return nil
			}
			w.plan(engine, 2)
			if c.err == nil { // another file under the same key is not the one that was planned
				w.upload([]byte("another film"), `{}`, "")
			}
			w.carryOut(nil)
			if failed := last[event.ProcessingFailed](t, w.ended()); failed.Code != string(c.code) || failed.Filename != "a.mp4" {
				t.Errorf("%+v", failed)
			}
			w.wantLeft()
		})
	}
}

func TestASegmentThatFailsOnOurSideIsTriedAgainAlone(t *testing.T) {
	w := newWorld(t)
	w.place("")
	var tries [3]atomic.Int64
	engine := &noiseEngine{sizes: []int{11 * mega, 30 * mega, 20 * mega}, end: 100}
	engine.during = func(_ context.Context, segment int) error {
		if tries[segment].Add(1) < 3 && segment == 1 {
			return &frames.Error{Code: frames.CodeEngineFailed}
		}
		return nil
	}
	w.begin(engine, 2)
	w.carryOut(nil)
	w.wantArchive(2, engine)
	if tries[0].Load() != 1 || tries[1].Load() != 3 || tries[2].Load() != 1 {
		t.Errorf("tries: %d, %d, %d", tries[0].Load(), tries[1].Load(), tries[2].Load())
	}
}

// The dead attempt has uploaded more parts than the one that counts.
func TestPartsOfADeadAttemptAreNotInTheArchive(t *testing.T) {
	w := newWorld(t)
	w.place("")
	engine := &noiseEngine{sizes: []int{90 * mega, 1000}, end: 100}
	engine.during = func(context.Context, int) error { return errDead }
	w.plan(engine, 2)
	segments := w.waiting(w.cfg.SegmentsQueueURL)
	for _, m := range segments {
		if err := w.worker.HandleMessage(t.Context(), m); !errors.Is(err, errDead) {
			t.Errorf("error %v", err)
		}
		w.again(w.cfg.SegmentsQueueURL, m)
	}
	engine.sizes, engine.during = []int{12 * mega, 1000}, nil
	w.carryOut(nil)
	w.wantArchive(2, engine)
}

func TestAWorkerThatLostItsSegmentChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.place("")
	engine := &noiseEngine{sizes: []int{30 * mega, 1000}, end: 100}
	arrived, letGo := stopped(engine)
	w.plan(engine, 2)
	done := w.sideBySide(arrived)
	// Nobody has heard of them for longer than a lease.
	w.clock.Add(int64(w.cfg.LeaseSeconds) + 1)
	w.worker.Engine = &noiseEngine{sizes: engine.sizes, end: engine.end}
	for i := range engine.sizes {
		w.send(w.cfg.SegmentsQueueURL, event.SegmentRequested{VideoRef: ref(2), Segment: i})
	}
	w.carryOut(nil)
	close(letGo)
	for _, err := range done() {
		if err != nil {
			t.Error(err)
		}
	}
	w.wantArchive(2, engine)
}

func TestProgressAddsUp(t *testing.T) {
	w := newWorld(t)
	w.place("")
	engine := &noiseEngine{sizes: []int{1000, 2000, 3000, 4000}, end: 100}
	arrived, letGo := stopped(engine)
	w.plan(engine, 2)
	done := w.sideBySide(arrived)
	var all []event.ProcessingProgressed
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		for _, body := range localtest.Drain(t, w.queues, w.cfg.StatusQueueURL) {
			e, err := event.Parse([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if progress, err := event.As[event.ProcessingProgressed](e); err == nil {
				all = append(all, progress)
			}
		}
		if len(all) > 0 && all[len(all)-1].Progress == 0.5 {
			break
		}
	}
	close(letGo)
	done()
	for _, p := range all { // each segment is half done, and so an eighth of the whole
		if eighths := p.Progress * 8; eighths < 1 || eighths > 4 || eighths != math.Trunc(eighths) || p.Run != 2 {
			t.Errorf("told of %+v", p)
		}
	}
	if len(all) == 0 || all[len(all)-1].Progress != 0.5 {
		t.Errorf("told of %+v, want half in the end", all)
	}
	w.carryOut(nil)
	w.wantArchive(2, engine)
}

// A worker that was killed in the middle of an archive has left its upload.
func TestTheUploadOfAKilledWorkerIsAborted(t *testing.T) {
	for name, engine := range map[string]*noiseEngine{
		"whole": {sizes: []int{20 * mega}, end: 100}, "shared out": {sizes: []int{1000, 11 * mega}, end: 100},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.place("")
			for _, run := range []int{2, 3} {
				_, err := w.objects.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
					Bucket: &w.cfg.ArchivesBucket, Key: aws.String(fmt.Sprintf("ana/v1/%d.zip", run)),
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			w.begin(engine, 2)
			w.carryOut(nil)
			if left := w.unfinished(); len(left) != 1 { // of the other run
				t.Errorf("unfinished uploads: %v", left)
			}
			w.command(event.CancelRequested{VideoRef: ref(3)})
			if got := types(w.told(w.cfg.StatusQueueURL)); got != "started completed cancelled" {
				t.Errorf("status was told %q", got)
			}
			w.wantLeft("ana/v1/2.json", "ana/v1/2.zip")
		})
	}
}

// What S3 itself has aborted cannot be completed: the run must not hang.
func TestAnUploadThatIsGoneEndsTheRun(t *testing.T) {
	w := newWorld(t)
	w.place("")
	engine := &noiseEngine{sizes: []int{11 * mega, 1000}, end: 100}
	w.plan(engine, 2)
	for _, id := range w.unfinished() {
		if _, err := w.objects.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{
			Bucket: &w.cfg.ArchivesBucket, Key: aws.String("ana/v1/2.zip"), UploadId: &id,
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range w.waiting(w.cfg.SegmentsQueueURL) {
		if strings.Contains(m.Body, `"segment":0`) {
			if err := w.worker.HandleMessage(t.Context(), m); err == nil {
				t.Error("the message was forgotten")
			}
			if err := w.control.HandleDeadLetter(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
	}
	if failed := last[event.ProcessingFailed](t, w.ended()); failed.Code != "processing_failed" {
		t.Errorf("%+v", failed)
	}
	w.wantLeft()
}

// The real engine, carried out whole and in segments.
func TestASharedOutArchiveIsTheWholeOneByteForByte(t *testing.T) {
	w := newWorld(t)
	film := localtest.Media(t, bottles)
	sum := sha256.Sum256(film)
	w.upload(film, `{}`, hex.EncodeToString(sum[:]))
	localtest.Drain(t, w.queues, w.cfg.QueueURL)
	run := 1
	for _, extraction := range []string{
		`{"fps":5}`,
		`{"fps":12,"format":"png","start":3,"end":17}`,
		`{"mode":"timestamps","timestamps":[0,1.5,20,39]}`,
		`{"fps":25,"width":64,"sprite":true}`,
		`{"mode":"every_nth","every_nth":7,"format":"webp"}`,
		`{"mode":"scenes","threshold":0.02}`,
		`{"fps":10,"dedupe":true}`,
	} {
		t.Run(extraction, func(t *testing.T) {
			w.t = t
			var archives [2][]byte
			var told [2]event.ProcessingCompleted
			for i, work := range []int64{0, 40} {
				run++
				w.worker.Plan = frames.PlanOptions{Work: work, MaxSegments: 7}
				w.send(w.cfg.QueueURL, event.RetryRequested{VideoRef: ref(run), Extraction: json.RawMessage(extraction)})
				w.carryOut(nil)
				told[i] = last[event.ProcessingCompleted](t, w.ended())
				archives[i] = w.get(w.cfg.ArchivesBucket, told[i].Archive.Key)
				w.wantLeft(told[i].Archive.Key, told[i].Archive.ManifestKey)
			}
			if !bytes.Equal(archives[0], archives[1]) {
				t.Errorf("the whole archive has %d bytes, the shared out one %d others", len(archives[0]), len(archives[1]))
			}
			whole, spread := told[0], told[1]
			// This film cannot be divided where dedupe must find the kept pictures again.
			divided := !strings.Contains(extraction, "dedupe")
			if whole.Archive.SHA256 == "" || (spread.Archive.SHA256 == "") != divided {
				t.Errorf("hashes %q and %q: what was shared out has none", whole.Archive.SHA256, spread.Archive.SHA256)
			}
			if spread.Archive.Frames != whole.Archive.Frames || spread.Archive.Size != whole.Archive.Size || spread.Media != whole.Media {
				t.Errorf("%+v, whole %+v", spread, whole)
			}
		})
	}
}
