// Package event holds the messages that cross service borders.
//
// Every message is a CloudEvents 1.0 event in its JSON form. Its type names
// what happened and the version of its data, "fotograma.video.deleted.v1"; its
// subject is the ID of the video or person that it is about; its id is the
// same however often the event is delivered, so consumers know duplicates by
// it. A change that old consumers cannot read gets a new version.
//
// The one thing that does not travel as an event is what processing must know
// of an upload: see [Upload].
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
)

// Event is a CloudEvents 1.0 event.
type Event = cloudevents.Event

// ErrMalformed is wrapped by the errors of Parse and Data: the message can
// never be understood, however often it is tried.
var ErrMalformed = errors.New("malformed event")

// New makes the event that data describes. The ID must be unique within the
// source ("/auth", "/video", "/processing"), and at is when it happened.
func New(source, id string, at time.Time, data Data) (Event, error) {
	e := cloudevents.New()
	e.SetID(id)
	e.SetSource(source)
	e.SetType(data.EventType())
	e.SetSubject(data.EventSubject())
	e.SetTime(at.UTC())
	if err := e.SetData(cloudevents.ApplicationJSON, data); err != nil {
		return Event{}, fmt.Errorf("encode %s: %w", data.EventType(), err)
	}
	if err := e.Validate(); err != nil {
		return Event{}, fmt.Errorf("make %s: %w", data.EventType(), err)
	}
	return e, nil
}

// Parse reads an event from the body of a message. The error wraps
// ErrMalformed.
func Parse(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := e.Validate(); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return e, nil
}

// As reads the data of an event. The error wraps ErrMalformed, also when the
// event is of another type than T.
func As[T Data](e Event) (T, error) {
	var data T
	if want := data.EventType(); e.Type() != want {
		return data, fmt.Errorf("%w: type is %q, want %q", ErrMalformed, e.Type(), want)
	}
	if err := e.DataAs(&data); err != nil {
		return data, fmt.Errorf("%w: data of %s: %w", ErrMalformed, e.Type(), err)
	}
	return data, nil
}

// Person gives the ID of the person whom an event is about: the owner of its video
// or the person themselves. The error wraps ErrMalformed when it names nobody.
func Person(e Event) (string, error) {
	var data struct {
		OwnerID string `json:"owner_id"`
		UserID  string `json:"user_id"`
	}
	if err := e.DataAs(&data); err != nil {
		return "", fmt.Errorf("%w: data of %s: %w", ErrMalformed, e.Type(), err)
	}
	if person := data.OwnerID + data.UserID; person != "" { // an event has one of them
		return person, nil
	}
	return "", fmt.Errorf("%w: %s names nobody", ErrMalformed, e.Type())
}

// With reads the data of an event and hands it on. The error is As's, or do's.
func With[T Data](e Event, do func(T) error) error {
	data, err := As[T](e)
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	return do(data)
}
