package processing_test

import (
	"archive/zip"
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
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	"github.com/caarlos0/env/v11"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/frames/framestest"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/processing"
)

const bottles = "bottle-detection.mp4"

// world is the processing service over local AWS and the real FFmpeg, with a
// clock of its own.
type world struct {
	t       *testing.T
	cfg     processing.WorkerConfig
	worker  *processing.Worker
	control *processing.Control
	queues  *sqs.Client
	objects *s3.Client
	clock   atomic.Int64 // seconds after now
	sent    atomic.Int64 // messages, by tests themselves
	cloud   *localtest.AWS
	now     func() time.Time
	id      func() string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud := localtest.Start(t)
	w := &world{t: t, cloud: cloud, queues: sqs.NewFromConfig(cloud.Config), objects: s3.NewFromConfig(cloud.Config)}
	if err := env.ParseWithOptions(&w.cfg, env.Options{Environment: cloud.Env(t, "ProcessFunction")}); err != nil {
		t.Fatal(err)
	}
	engine := newEngine(t, w.cfg.Limits())
	w.now = func() time.Time { return time.Now().Add(time.Duration(w.clock.Load()) * time.Second) }
	var n atomic.Int64
	w.id = func() string { return fmt.Sprintf("id-%06d", n.Add(1)) }
	reach := processing.AWS{DB: dynamodb.NewFromConfig(cloud.Config), S3: w.objects, Q: w.queues}
	w.worker = processing.NewWorker(w.cfg, reach, engine, metrics.New(io.Discard, "Test", w.now), w.now, w.id)
	w.control = processing.NewControl(w.cfg.Config, reach, nil, w.now, w.id)
	return w
}

func ref(run int) event.VideoRef { return event.VideoRef{VideoID: "v1", OwnerID: "ana", Run: run} }

const key = "ana/v1"

// upload puts a file where a person's upload would be, and gives S3's message
// of it as a worker receives it.
func (w *world) upload(file []byte, extraction, sha string) events.SQSMessage {
	w.t.Helper()
	signed, err := event.Upload{VideoRef: ref(1), Filename: "a.mp4", SHA256: sha, Extraction: json.RawMessage(extraction)}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = w.objects.PutObject(w.t.Context(), &s3.PutObjectInput{
		Bucket: &w.cfg.UploadsBucket, Key: aws.String(key), Body: bytes.NewReader(file),
		Metadata: map[string]string{event.MetadataKey: signed},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.receive()
}

// receive gives the next message of the processing queue that is an upload.
func (w *world) receive() events.SQSMessage {
	w.t.Helper()
	for range 10 {
		out, err := w.queues.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.cfg.QueueURL, WaitTimeSeconds: 5})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range out.Messages {
			if !strings.Contains(*m.Body, "s3:TestEvent") {
				return events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body}
			}
		}
	}
	w.t.Fatal("S3 sent no message")
	return events.SQSMessage{}
}

func (w *world) work(m events.SQSMessage) {
	w.t.Helper()
	if err := w.worker.HandleMessage(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

// told gives the events in a queue, and empties it.
func (w *world) told(url string) []event.Event {
	w.t.Helper()
	var all []event.Event
	for _, body := range localtest.Drain(w.t, w.queues, url) {
		e, err := event.Parse([]byte(body))
		if err != nil {
			w.t.Fatal(err)
		}
		if e.Type() != (event.ProcessingProgressed{}).EventType() {
			all = append(all, e)
		}
	}
	return all
}

func types(all []event.Event) string {
	var names []string
	for _, e := range all {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(e.Type(), "fotograma.processing."), ".v1"))
	}
	return strings.Join(names, " ")
}

func (w *world) wantTold(status, notification string) []event.Event {
	w.t.Helper()
	all := w.told(w.cfg.StatusQueueURL)
	if got := types(all); got != status {
		w.t.Errorf("status was told %q, want %q", got, status)
	}
	if got := types(w.told(w.cfg.NotificationQueueURL)); got != notification {
		w.t.Errorf("notification was told %q, want %q", got, notification)
	}
	return all
}

func last[T event.Data](t *testing.T, all []event.Event) T {
	t.Helper()
	if len(all) == 0 {
		t.Fatal("no event")
	}
	data, err := event.As[T](all[len(all)-1])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// archives lists the keys in the archives bucket.
func (w *world) archives() []string {
	w.t.Helper()
	out, err := w.objects.ListObjectsV2(w.t.Context(), &s3.ListObjectsV2Input{Bucket: &w.cfg.ArchivesBucket})
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

func (w *world) get(bucket, key string) []byte {
	w.t.Helper()
	out, err := w.objects.GetObject(w.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func TestAnUploadBecomesAnArchive(t *testing.T) {
	w := newWorld(t)
	file := localtest.Media(t, bottles)
	sum := sha256.Sum256(file)
	m := w.upload(file, `{"mode":"fps","fps":1}`, hex.EncodeToString(sum[:]))
	w.work(m)

	done := last[event.ProcessingCompleted](t, w.wantTold("started completed", "completed"))
	if done.Archive.Frames != 40 || done.Media.Width != 640 || done.Media.Codec != "h264" || done.Filename != "a.mp4" {
		t.Errorf("%+v", done)
	}
	archive := w.get(w.cfg.ArchivesBucket, done.Archive.Key)
	if got := sha256.Sum256(archive); hex.EncodeToString(got[:]) != done.Archive.SHA256 || int64(len(archive)) != done.Archive.Size {
		t.Errorf("the archive is not what was told: %d bytes", len(archive))
	}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil || len(r.File) != 41 {
		t.Fatalf("%v, %d entries", err, len(r.File))
	}
	var manifest frames.Manifest
	if err := json.Unmarshal(w.get(w.cfg.ArchivesBucket, done.Archive.ManifestKey), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Video.SHA256 != hex.EncodeToString(sum[:]) || len(manifest.Frames) != 40 {
		t.Errorf("manifest of %s with %d frames", manifest.Video.SHA256, len(manifest.Frames))
	}

	// The same message again, and S3's event again under another ID.
	w.work(m)
	again := m
	again.MessageId = "another"
	w.work(again)
	w.wantTold("", "")
}

func TestAMessageOfAWorkerThatDiedIsTakenOver(t *testing.T) {
	w := newWorld(t)
	m := w.upload(localtest.Media(t, bottles), `{}`, "")
	w.claim(m.MessageId) // by a worker that then dies

	other := m
	other.MessageId = "a duplicate of S3's event"
	w.work(other)
	w.wantTold("started", "") // forgotten: the first message's worker may be alive

	w.work(m) // comes again
	w.wantTold("started completed", "completed")
}

// failing is a queue, of which so many first calls fail.
func (w *world) failing(calls int64) *batch.Queue {
	var made atomic.Int64
	client := sqs.NewFromConfig(w.cloud.Config, func(o *sqs.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			if made.Add(1) <= calls {
				return nil, errors.New("no network")
			}
			return http.DefaultClient.Do(r)
		})
	})
	return &batch.Queue{SQS: client, URL: w.cfg.QueueURL}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestAVideoIsProcessedWhileItsMessageCannotBeExtended(t *testing.T) {
	w := newWorld(t)
	m := w.upload(localtest.Media(t, bottles), `{}`, "")
	w.worker.Processing = w.failing(math.MaxInt64)
	w.work(m)
	w.wantTold("started completed", "completed")
}

func TestAMessageThatCouldNotBeExtendedComesAgainAfterTheLease(t *testing.T) {
	w := newWorld(t)
	m := w.upload(localtest.Media(t, bottles), `{}`, "")
	w.worker.Processing, w.worker.Lease = w.failing(1), time.Second
	w.worker.Engine = &noiseEngine{sizes: []int{kilo}, during: func(context.Context, int) error { return errors.New("no storage") }}
	if err := w.worker.HandleMessage(t.Context(), m); err == nil {
		t.Fatal("the work has not failed")
	}
	if again := w.receive(); again.MessageId != m.MessageId {
		t.Errorf("received %s, want %s again", again.MessageId, m.MessageId)
	}
}

func TestALeaseThatIsOverIsTakenByAnyMessage(t *testing.T) {
	w := newWorld(t)
	m := w.upload(localtest.Media(t, bottles), `{}`, "")
	w.claim("the message of a worker that died")
	w.wantTold("started", "")
	w.clock.Store(int64(w.cfg.LeaseSeconds) + 1)
	w.work(m)
	w.wantTold("started completed", "completed")
}

// claim takes the job as a worker does, and leaves it.
func (w *world) claim(messageID string) *processing.Job {
	w.t.Helper()
	started, err := event.New("/processing", "claim-"+messageID, time.Now(), event.ProcessingStarted{VideoRef: ref(1)})
	if err != nil {
		w.t.Fatal(err)
	}
	job, err := w.worker.Store.Claim(w.t.Context(), processing.Lease{
		Ref: ref(1), MessageID: messageID, Token: "of-" + messageID,
		Now: time.Now(), Until: time.Now().Add(w.cfg.Lease()),
	}, started)
	if err != nil {
		w.t.Fatal(err)
	}
	return job
}

func TestAWorkerThatLostItsJobChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.claim("first")
	m := w.upload(localtest.Media(t, bottles), `{}`, "")
	w.clock.Store(int64(w.cfg.LeaseSeconds) + 1)
	w.work(m)
	w.wantTold("started started completed", "completed")

	failed, _ := event.New("/processing", "late", time.Now(), event.ProcessingFailed{VideoRef: ref(1), Code: "undecodable"})
	if err := w.worker.Store.Fail(t.Context(), ref(1), "of-first", failed); err == nil {
		t.Error("the first worker failed the job")
	}
	w.wantTold("", "")
}

func TestACancelledJobStopsAndLeavesNothing(t *testing.T) {
	w := newWorld(t)
	// Long enough to be cancelled in the middle of.
	m := w.upload(film(t, "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=60", "-c:v", "mpeg4", "-q:v", "2"), `{"fps":30,"format":"png"}`, "")
	var wg sync.WaitGroup
	wg.Go(func() { w.work(m) })
	w.await("started")
	w.command(event.CancelRequested{VideoRef: ref(1)})
	w.wantTold("cancelled", "")
	wg.Wait()
	if left := w.archives(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	uploads, err := w.objects.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &w.cfg.ArchivesBucket})
	if err != nil || len(uploads.Uploads) != 0 {
		t.Errorf("%v, multipart uploads left behind: %v", err, uploads.Uploads)
	}
	w.work(m)
	w.wantTold("", "")
}

// await waits until the status queue was told of something.
func (w *world) await(want string) {
	w.t.Helper()
	for range 200 {
		if got := types(w.told(w.cfg.StatusQueueURL)); strings.Contains(got, want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Fatalf("%s was not told", want)
}

func (w *world) command(data event.Data) {
	w.t.Helper()
	e, err := event.New("/video", "command", time.Now(), data)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.control.HandleCommand(w.t.Context(), events.SQSMessage{Body: string(body)}); err != nil {
		w.t.Fatal(err)
	}
}

func TestAVideoCancelledOrDeletedBeforeItsUploadIsNotProcessed(t *testing.T) {
	for name, data := range map[string]event.Data{
		"cancelled": event.CancelRequested{VideoRef: ref(1)},
		"deleted":   event.VideoDeleted{VideoRef: ref(1)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.command(data)
			w.told(w.cfg.StatusQueueURL)
			w.work(w.upload(localtest.Media(t, bottles), `{}`, ""))
			w.wantTold("", "")
			if left := w.archives(); len(left) != 0 {
				t.Errorf("archives %v", left)
			}
			_, err := w.objects.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &w.cfg.UploadsBucket, Key: aws.String(key)})
			if there := err == nil; there != (name == "cancelled") { // which may still be retried
				t.Errorf("the upload is there: %v", there)
			}
		})
	}
}

func TestARetryReplacesTheArchive(t *testing.T) {
	w := newWorld(t)
	m := w.upload(localtest.Media(t, bottles), `{"fps":1}`, "")
	w.work(m)
	first := w.archives()
	retry, _ := event.New("/video", "retry", time.Now(), event.RetryRequested{VideoRef: ref(2), Extraction: json.RawMessage(`{"mode":"fps","fps":0.1}`)})
	body, _ := json.Marshal(retry)
	w.told(w.cfg.StatusQueueURL)
	w.told(w.cfg.NotificationQueueURL)
	again := events.SQSMessage{MessageId: "retry", ReceiptHandle: m.ReceiptHandle, Body: string(body)}
	w.work(again)
	done := last[event.ProcessingCompleted](t, w.wantTold("started completed", "completed"))
	if done.Archive.Frames != 4 || done.Run != 2 {
		t.Errorf("%+v", done)
	}
	if now := w.archives(); len(now) != 2 || now[0] == first[0] {
		t.Errorf("archives %v, before %v", now, first)
	}
	w.work(m) // S3's first event, late
	w.wantTold("", "")
}

func TestADeletedVideoLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.work(w.upload(localtest.Media(t, bottles), `{"fps":0.1}`, ""))
	w.command(event.VideoDeleted{VideoRef: ref(1)})
	if left := w.archives(); len(left) != 0 {
		t.Errorf("archives %v", left)
	}
	if _, err := w.objects.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &w.cfg.UploadsBucket, Key: aws.String(key)}); err == nil {
		t.Error("the upload is still there")
	}
}

func TestAnArchiveExpires(t *testing.T) {
	w := newWorld(t)
	w.work(w.upload(localtest.Media(t, bottles), `{"fps":0.1}`, ""))
	done := last[event.ProcessingCompleted](t, w.wantTold("started completed", "completed"))
	// The row itself says until when: the index by which it is found may be behind.
	job, err := w.control.Store.Get(t.Context(), "v1")
	if err != nil || !job.ArchiveExpiresAt.Equal(done.Archive.ExpiresAt) {
		t.Errorf("job %+v, %v; the archive expires at %s", job, err, done.Archive.ExpiresAt)
	}
	expires := int64(w.cfg.RetentionDays) * 24 * 60 * 60
	w.clock.Store(expires - 24*60*60 - 60)
	w.sweep()
	w.wantTold("", "")
	w.clock.Add(120)
	w.sweep()
	w.sweep()
	soon := last[event.ArchiveExpiring](t, w.told(w.cfg.NotificationQueueURL))
	if soon.VideoRef != done.VideoRef || soon.Filename != done.Filename || soon.Archive != done.Archive {
		t.Errorf("%+v after %+v", soon, done)
	}
	w.clock.Store(expires - 60)
	w.sweep()
	w.wantTold("", "")
	w.clock.Add(120)
	w.sweep()
	w.sweep()
	w.wantTold("archive_expired", "")
	if left := w.archives(); len(left) != 0 {
		t.Errorf("archives %v", left)
	}
}

func TestNobodyIsToldThatAnArchiveExpiresWhichIsGone(t *testing.T) {
	w := newWorld(t)
	w.work(w.upload(localtest.Media(t, bottles), `{"fps":0.1}`, ""))
	w.wantTold("started completed", "completed")
	w.clock.Store(int64(w.cfg.RetentionDays)*24*60*60 + 60) // nothing ran for a week
	w.sweep()
	w.wantTold("archive_expired", "")
}

func TestNobodyIsToldThatAnArchiveExpiresWhoseVideoIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.work(w.upload(localtest.Media(t, bottles), `{"fps":0.1}`, ""))
	w.wantTold("started completed", "completed")
	w.command(event.CancelRequested{VideoRef: ref(2)})
	w.wantTold("cancelled", "")
	w.clock.Store(int64(w.cfg.RetentionDays)*24*60*60 - 60)
	w.sweep()
	w.wantTold("", "")
	w.clock.Add(120)
	w.sweep()
	if left := w.archives(); len(left) != 0 {
		t.Errorf("archives %v", left)
	}
}

func TestAnArchiveIsAnnouncedIfItIsKeptForTwiceTheNotice(t *testing.T) {
	for days, told := range map[int]string{1: "", 2: "archive_expiring"} {
		t.Run(fmt.Sprintf("kept for %d days", days), func(t *testing.T) {
			w := newWorld(t)
			w.worker.RetentionDays = days
			w.work(w.upload(localtest.Media(t, bottles), `{"fps":0.1}`, ""))
			w.wantTold("started completed", "completed")
			w.clock.Store(int64(days)*24*60*60 - 60)
			w.sweep()
			w.wantTold("", told)
			w.clock.Add(120)
			w.sweep()
			w.wantTold("archive_expired", "")
		})
	}
}

func (w *world) sweep() {
	w.t.Helper()
	if err := w.control.Sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestWhatCannotBeProcessedFailsWithItsCode(t *testing.T) {
	w := newWorld(t)
	whole := localtest.Media(t, bottles)
	for _, c := range []struct {
		name       string
		file       []byte
		extraction string
		sha        string
		code       string
	}{
		{"an empty file", nil, `{}`, "", "empty_file"},
		{"a text", []byte("this is not a video, whatever it is called\n"), `{}`, "", "not_a_video"},
		{"sound only", film(t, "-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac"), `{}`, "", "no_video_stream"},
		{"half a video without its index", film(t, "-f", "lavfi", "-i", "testsrc2=d=2")[:20000], `{}`, "", "not_a_video undecodable"},
		{"a start after the end", whole, `{"start":100}`, "", "no_frames"},
		{"more frames than allowed", whole, `{"fps":1000,"format":"png","width":16}`, "", "too_many_frames"},
		{"another file than announced", whole, `{"fps":0.1}`, strings.Repeat("0", 64), "checksum_mismatch"},
	} {
		w.worker.Engine = limited(t, 10_000)
		m := w.upload(c.file, c.extraction, c.sha)
		w.work(m)
		failed := last[event.ProcessingFailed](t, w.wantTold("started failed", "failed"))
		if !strings.Contains(c.code, failed.Code) || failed.Filename != "a.mp4" {
			t.Errorf("%s: %+v, want %s", c.name, failed, c.code)
		}
		if left := w.archives(); len(left) != 0 {
			t.Errorf("%s: archives %v", c.name, left)
		}
		w.command(event.VideoDeleted{VideoRef: ref(1)})
		w.forget()
	}
}

// limited is an engine that makes few frames.
func limited(t *testing.T, frameLimit int64) *frames.Engine {
	t.Helper()
	limits := frames.DefaultLimits()
	limits.Frames = frameLimit
	return newEngine(t, limits)
}

func newEngine(t *testing.T, limits frames.Limits) *frames.Engine {
	t.Helper()
	program, err := framestest.Program()
	if err != nil {
		t.Fatal(err)
	}
	engine, err := frames.New(frames.Config{Program: program, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// forget removes the job's row, so that the same video can come anew.
func (w *world) forget() {
	w.t.Helper()
	_, err := w.worker.Store.DB.DeleteItem(w.t.Context(), &dynamodb.DeleteItemInput{
		TableName: &w.cfg.Table,
		Key:       dynamo.Key{PK: "video#v1", SK: "job"}.Item(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestATruncatedVideoCompletesWithAWarning(t *testing.T) {
	w := newWorld(t)
	whole := film(t, "-f", "lavfi", "-i", "testsrc2=d=10:r=25", "-c:v", "mpeg4", "-f", "matroska")
	w.work(w.upload(whole[:len(whole)/2], `{}`, ""))
	done := last[event.ProcessingCompleted](t, w.wantTold("started completed", "completed"))
	if done.Archive.Frames < 2 || done.Archive.Frames > 8 || fmt.Sprint(done.Warnings) != "[truncated]" {
		t.Errorf("%+v", done)
	}
}

func TestAnUploadWithoutItsSignedMetadataFails(t *testing.T) {
	w := newWorld(t)
	foreign, _ := event.Upload{VideoRef: event.VideoRef{VideoID: "v2", OwnerID: "bob", Run: 1}, Extraction: json.RawMessage(`{}`)}.Encode()
	for name, metadata := range map[string]map[string]string{
		"none": nil, "garbage": {event.MetadataKey: "!"}, "of another video": {event.MetadataKey: foreign},
	} {
		_, err := w.objects.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &w.cfg.UploadsBucket, Key: aws.String(key), Body: strings.NewReader("x"), Metadata: metadata,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.work(w.receive())
		if failed := last[event.ProcessingFailed](t, w.wantTold("started failed", "failed")); failed.Code != "upload_unsigned" {
			t.Errorf("%s: %+v", name, failed)
		}
		w.forget()
	}
}

func TestAnUploadOfAnotherSizeThanWasSignedFails(t *testing.T) {
	w := newWorld(t)
	metadata, _ := event.Upload{VideoRef: ref(1), Filename: "a.mp4", Size: 2, Extraction: json.RawMessage(`{}`)}.Encode()
	_, err := w.objects.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &w.cfg.UploadsBucket, Key: aws.String(key), Body: strings.NewReader("x"), Metadata: map[string]string{event.MetadataKey: metadata},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.work(w.receive())
	failed := last[event.ProcessingFailed](t, w.wantTold("started failed", "failed"))
	if failed.Code != "size_mismatch" || failed.Filename != "a.mp4" {
		t.Errorf("%+v", failed)
	}
}

// A worker that is near the end of the function's time says so while it can.
func TestAWorkerGivesUpInTime(t *testing.T) {
	w := newWorld(t)
	w.worker.Engine = &noiseEngine{sizes: []int{mega}, during: func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	m := w.upload([]byte("x"), `{}`, "")
	ctx, cancel := context.WithTimeout(t.Context(), 16*time.Second) // a second, and what it keeps to say so
	defer cancel()
	if err := w.worker.HandleMessage(ctx, m); err != nil {
		t.Fatal(err)
	}
	if failed := last[event.ProcessingFailed](t, w.wantTold("started failed", "failed")); failed.Code != "time_limit" {
		t.Errorf("%+v", failed)
	}
}

func TestAnUploadThatIsGoneFails(t *testing.T) {
	w := newWorld(t)
	m := w.upload(localtest.Media(t, bottles), `{}`, "")
	if _, err := w.objects.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &w.cfg.UploadsBucket, Key: aws.String(key)}); err != nil {
		t.Fatal(err)
	}
	w.work(m)
	if failed := last[event.ProcessingFailed](t, w.wantTold("started failed", "failed")); failed.Code != "source_gone" {
		t.Errorf("%+v", failed)
	}
}

func TestADeadLetterEndsTheVideoOnce(t *testing.T) {
	w := newWorld(t)
	m := w.upload(localtest.Media(t, bottles), `{}`, "")
	for range 2 {
		if err := w.control.HandleDeadLetter(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	failed := last[event.ProcessingFailed](t, w.wantTold("failed", "failed"))
	if failed.Code != "processing_failed" || failed.Filename != "a.mp4" {
		t.Errorf("%+v", failed)
	}
	w.work(m) // a late worker
	w.wantTold("", "")
}

func TestADeadLetterThatNamesNoVideoStays(t *testing.T) {
	w := newWorld(t)
	if err := w.control.HandleDeadLetter(t.Context(), events.SQSMessage{Body: "what is this"}); !errors.Is(err, event.ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
}

// What the engine says must be known in every language.
func TestTheCatalogueKnowsTheEnginesCodes(t *testing.T) {
	for _, code := range []string{
		frames.CodeEmptyFile, frames.CodeNotAVideo, frames.CodeNoVideoStream, frames.CodeUnsupportedCodec,
		frames.CodeUndecodable, frames.CodeNoFrames, frames.CodeTooLong, frames.CodeTooManyPixels,
		frames.CodeTooManyFrames, frames.CodeTooMuchMemory, frames.CodeTooMuchCPU, frames.CodeOutputTooLarge, frames.CodeStalled,
		frames.WarnTruncated, frames.WarnDamaged, frames.WarnHDR,
	} {
		if !slices.Contains(problem.Codes(), problem.Code(code)) {
			t.Errorf("%s is not in the catalogue", code)
		}
	}
}

func FuzzParseTasks(f *testing.F) {
	f.Add(`{"Records":[{"s3":{"object":{"key":"ana/v1"}}}]}`)
	f.Add(`{"Event":"s3:TestEvent"}`)
	f.Add(`{"specversion":"1.0","id":"1","source":"/video","type":"fotograma.video.retry_requested.v1","data":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		if _, err := processing.ParseTasks(body); err != nil && !errors.Is(err, event.ErrMalformed) {
			t.Errorf("error %v is not ErrMalformed", err)
		}
	})
}

// film makes a video of FFmpeg's own pictures.
func film(t *testing.T, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "film.mp4")
	args = append(append([]string{"-v", "error", "-y"}, args...), path)
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
