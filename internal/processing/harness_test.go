package processing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/processing"
)

const (
	kilo = 1 << 10
	mega = 1 << 20
)

// noiseEngine is an engine whose archives are noise: each segment has its own,
// of a given size, and so has what follows them.
type noiseEngine struct {
	sizes   []int
	end     int
	chained bool

	// during is called in the middle of each segment, if it is set.
	during func(ctx context.Context, segment int) error
}

// noise gives equal bytes for an equal place.
func noise(place, size int) []byte {
	if known, ok := noises.Load([2]int{place, size}); ok {
		return known.([]byte)
	}
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(place), byte(place >> 8)}).Read(data)
	noises.Store([2]int{place, size}, data)
	return data
}

var noises sync.Map

// archive is what the segments and the end make.
func (e *noiseEngine) archive() []byte {
	var all []byte
	for i, size := range e.sizes {
		all = append(all, noise(i, size)...)
	}
	return append(all, noise(len(e.sizes), e.end)...)
}

func (e *noiseEngine) Plan(_ context.Context, _ frames.Source, x frames.Extraction, _ frames.PlanOptions) (frames.Plan, error) {
	return frames.Plan{Extraction: x, Chained: e.chained, Segments: make([]frames.Segment, len(e.sizes))}, nil
}

func (e *noiseEngine) Extract(ctx context.Context, _ frames.Source, _ frames.Extraction, opts frames.ExtractOptions, w io.Writer) (frames.Result, error) {
	if opts.MaxWork > 0 && len(e.sizes) > 1 {
		return frames.Result{}, frames.ErrTooMuch
	}
	if e.during != nil {
		if err := e.during(ctx, 0); err != nil {
			return frames.Result{}, err
		}
	}
	opts.Progress(1, len(e.sizes))
	_, err := w.Write(e.archive())
	return e.result(), err
}

func (e *noiseEngine) ExtractSegment(ctx context.Context, src frames.Source, p frames.Plan, segment int, state json.RawMessage, opts frames.ExtractOptions, w io.Writer) (frames.Run, error) {
	var before int
	if e.chained && segment > 0 {
		if err := json.Unmarshal(state, &before); err != nil || before != segment-1 {
			return frames.Run{}, fmt.Errorf("segment %d got the state %q", segment, state)
		}
	}
	if len(p.Segments) != len(e.sizes) {
		return frames.Run{}, fmt.Errorf("a plan of %d segments", len(p.Segments))
	}
	if _, err := src.ReadAt(make([]byte, 1), 0); err != nil && !errors.Is(err, io.EOF) {
		return frames.Run{}, err
	}
	data := noise(segment, e.sizes[segment])
	half := len(data) / 2
	if _, err := w.Write(data[:half]); err != nil {
		return frames.Run{}, err
	}
	opts.Progress(0.5, 0)
	if e.during != nil {
		if err := e.during(ctx, segment); err != nil {
			return frames.Run{}, err
		}
	}
	if _, err := w.Write(data[half:]); err != nil {
		return frames.Run{}, err
	}
	opts.Progress(1, 1)
	run := frames.Run{Frames: []frames.Frame{{Index: segment + 1, Size: int64(len(data))}}, Size: int64(len(data))}
	if e.chained {
		run.State, _ = json.Marshal(segment)
	}
	return run, ctx.Err()
}

func (e *noiseEngine) Finish(_ frames.Plan, runs []frames.Run, _ frames.ExtractOptions, w io.Writer) (frames.Result, error) {
	for i, run := range runs {
		if run.Size != int64(e.sizes[i]) {
			return frames.Result{}, fmt.Errorf("run %d is of %d bytes", i, run.Size)
		}
	}
	_, err := w.Write(noise(len(e.sizes), e.end))
	return e.result(), err
}

func (e *noiseEngine) result() frames.Result {
	result := frames.Result{Frames: len(e.sizes), Size: int64(e.end)}
	for i, size := range e.sizes {
		result.Size += int64(size)
		result.Manifest.Frames = append(result.Manifest.Frames, frames.Frame{Index: i + 1, Size: int64(size)})
	}
	return result
}

// begin has a person try the video again with this engine, and gives the run.
// The first run's upload must be there.
func (w *world) begin(engine processing.Engine, run int) event.VideoRef {
	w.t.Helper()
	w.worker.Engine = engine
	w.send(w.cfg.QueueURL, event.RetryRequested{VideoRef: ref(run), Extraction: json.RawMessage(`{}`)})
	return ref(run)
}

func (w *world) send(url string, data event.Data) {
	w.t.Helper()
	e, err := event.New("/test", fmt.Sprint("sent-", w.sent.Add(1)), time.Now(), data)
	if err != nil {
		w.t.Fatal(err)
	}
	body, _ := json.Marshal(e)
	if _, err := w.queues.SendMessage(w.t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(string(body))}); err != nil {
		w.t.Fatal(err)
	}
}

// place puts a file where the upload of the video would be, without S3's message.
func (w *world) place(sha string) {
	w.t.Helper()
	w.upload([]byte("a film"), `{}`, sha)
	localtest.Drain(w.t, w.queues, w.cfg.QueueURL)
}

// waiting gives the messages that are visible in a queue.
func (w *world) waiting(url string) []events.SQSMessage {
	w.t.Helper()
	var all []events.SQSMessage
	for w.visible(url) > 0 { // an empty queue would be waited for
		out, err := w.queues.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 600,
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range out.Messages {
			all = append(all, events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body})
		}
	}
	return all
}

func (w *world) delete(url string, m events.SQSMessage) {
	w.t.Helper()
	_, err := w.queues.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: &m.ReceiptHandle})
	if err != nil {
		w.t.Fatal(err)
	}
}

// again makes a message visible.
func (w *world) again(url string, m events.SQSMessage) {
	w.t.Helper()
	_, err := w.queues.ChangeMessageVisibility(w.t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &url, ReceiptHandle: &m.ReceiptHandle, VisibilityTimeout: 0,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// carryOut handles messages as Lambda would, until none is left, each by handle;
// nil is the worker. What fails comes again, after its lease, and what could not
// be published is swept.
func (w *world) carryOut(handle func(context.Context, events.SQSMessage) error) {
	w.t.Helper()
	if handle == nil {
		handle = w.worker.HandleMessage
	}
	for range 200 {
		handled := 0
		for _, url := range []string{w.cfg.QueueURL, w.cfg.SegmentsQueueURL} {
			for _, m := range w.waiting(url) {
				handled++
				if err := handle(w.t.Context(), m); err != nil {
					w.t.Logf("message failed: %v", err)
					w.clock.Add(int64(w.cfg.LeaseSeconds) + 1)
					w.again(url, m)
					continue
				}
				w.delete(url, m)
			}
		}
		if handled > 0 {
			continue
		}
		w.clock.Add(60)
		w.sweep()
		if w.visible(w.cfg.SegmentsQueueURL) == 0 {
			return
		}
	}
	w.t.Fatal("there is no end to the messages")
}

func (w *world) visible(url string) int {
	w.t.Helper()
	out, err := w.queues.GetQueueAttributes(w.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameApproximateNumberOfMessages},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var n int
	fmt.Sscan(out.Attributes["ApproximateNumberOfMessages"], &n)
	return n
}

// ended gives the events by which a run has ended, each once, and checks that it
// has ended only once for each queue.
func (w *world) ended() []event.Event {
	w.t.Helper()
	seen := map[string]bool{}
	var ends []event.Event
	for _, e := range w.told(w.cfg.StatusQueueURL) {
		if !seen[e.ID()] && e.Type() != (event.ProcessingStarted{}).EventType() {
			ends = append(ends, e)
		}
		seen[e.ID()] = true
	}
	w.told(w.cfg.NotificationQueueURL)
	if len(ends) != 1 {
		w.t.Fatalf("the run ended with %q", types(ends))
	}
	return ends
}

func (w *world) wantArchive(run int, engine *noiseEngine) event.ProcessingCompleted {
	w.t.Helper()
	done := last[event.ProcessingCompleted](w.t, w.ended())
	want := engine.archive()
	got := w.get(w.cfg.ArchivesBucket, done.Archive.Key)
	if !bytes.Equal(got, want) {
		w.t.Errorf("the archive of %d bytes is not the one of %d that was wanted", len(got), len(want))
	}
	if done.Run != run || done.Archive.Frames != len(engine.sizes) || done.Archive.Size != int64(len(want)) || done.Filename != "a.mp4" {
		w.t.Errorf("%+v", done)
	}
	var manifest frames.Manifest
	if err := json.Unmarshal(w.get(w.cfg.ArchivesBucket, done.Archive.ManifestKey), &manifest); err != nil || len(manifest.Frames) != len(engine.sizes) {
		w.t.Errorf("manifest of %d frames, %v", len(manifest.Frames), err)
	}
	w.wantLeft(done.Archive.Key, done.Archive.ManifestKey)
	return done
}

// wantLeft checks that nothing is in the archives bucket but these.
func (w *world) wantLeft(keys ...string) {
	w.t.Helper()
	slices.Sort(keys)
	if left := w.archives(); !slices.Equal(left, keys) {
		w.t.Errorf("in the archives bucket are %v, want %v", left, keys)
	}
	if unfinished := w.unfinished(); len(unfinished) != 0 {
		w.t.Errorf("unfinished uploads: %v", unfinished)
	}
}

func (w *world) unfinished() []string {
	w.t.Helper()
	out, err := w.objects.ListMultipartUploads(w.t.Context(), &s3.ListMultipartUploadsInput{Bucket: &w.cfg.ArchivesBucket})
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, upload := range out.Uploads {
		all = append(all, *upload.UploadId)
	}
	return all
}

func sizes(n int, size func(i int) int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = size(i)
	}
	return all
}
