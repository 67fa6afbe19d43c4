package processing

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fotograma/fotograma/internal/event"
)

// Step is what is to be done of a run.
type Step int

// The steps of a run. Only Begin comes through the processing queue, the others
// through the segments queue.
const (
	Begin    Step = iota // plan it, and carry it out if that is little work
	Extract              // one segment
	Check                // the file's hash
	Assemble             // the archive
)

// Task is what a message asks for: a step of one run of one video.
type Task struct {
	Ref  event.VideoRef
	Step Step

	// Segment is which one to extract, from 0.
	Segment int

	// Extraction replaces the one that was signed with the upload, when a
	// person tries again with other options.
	Extraction json.RawMessage

	// Notified tells that S3 itself told of the file.
	Notified bool
}

// Key is where the file lies in the uploads bucket.
func (t Task) Key() string { return event.UploadKey(t.Ref.OwnerID, t.Ref.VideoID) }

// ParseTasks reads the body of a message: S3's notification, with one record or
// more, a retry, or what workers send each other. S3's test message asks for
// nothing. The error wraps
// event.ErrMalformed.
func ParseTasks(body string) ([]Task, error) {
	var probe struct {
		SpecVersion string                 `json:"specversion"`
		Event       string                 `json:"Event"`
		Records     []events.S3EventRecord `json:"Records"`
	}
	if err := json.Unmarshal([]byte(body), &probe); err != nil {
		return nil, fmt.Errorf("%w: %w", event.ErrMalformed, err)
	}
	switch {
	case probe.SpecVersion != "":
		return parseEvent(body)
	case probe.Event == "s3:TestEvent":
		return nil, nil
	case len(probe.Records) > 0:
		return parseRecords(probe.Records)
	}
	return nil, fmt.Errorf("%w: neither an S3 event nor one of ours", event.ErrMalformed)
}

func parseEvent(body string) ([]Task, error) {
	e, err := event.Parse([]byte(body))
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	task, err := taskOf(e)
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	return []Task{task}, nil
}

func taskOf(e event.Event) (Task, error) {
	switch e.Type() {
	case event.SegmentRequested{}.EventType():
		data, err := event.As[event.SegmentRequested](e)
		return Task{Ref: data.VideoRef, Step: Extract, Segment: data.Segment}, err
	case event.CheckRequested{}.EventType():
		data, err := event.As[event.CheckRequested](e)
		return Task{Ref: data.VideoRef, Step: Check}, err
	case event.AssemblyRequested{}.EventType():
		data, err := event.As[event.AssemblyRequested](e)
		return Task{Ref: data.VideoRef, Step: Assemble}, err
	default:
		data, err := event.As[event.RetryRequested](e)
		return Task{Ref: data.VideoRef, Step: Begin, Extraction: data.Extraction}, err
	}
}

func parseRecords(records []events.S3EventRecord) ([]Task, error) {
	var tasks []Task
	var failures []error
	for _, r := range records {
		owner, video, err := event.ParseUploadKey(r.S3.Object.URLDecodedKey)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		tasks = append(tasks, Task{Ref: event.VideoRef{VideoID: video, OwnerID: owner, Run: 1}, Notified: true})
	}
	return tasks, errors.Join(failures...)
}
