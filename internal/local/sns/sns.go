// Package sns is as much of Amazon SNS on one machine as brings what SES tells of
// mails into a queue: topics, and subscriptions of queues to them, by the query
// protocol (a form with Action=…&Version=2010-03-31, XML answers).
//
// It keeps nothing: whoever starts the stack makes the topics anew. Messages are in
// their queues when Publish returns.
package sns

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// Version is by which calls of SNS are known among those of the query protocol.
const Version = "2010-03-31"

// Options configures a server.
type Options struct {
	Region, AccountID string

	// Send puts a body into the queue of an ARN.
	Send func(ctx context.Context, queueARN, body string) error
}

// Server answers SNS calls. It is safe for concurrent use.
type Server struct {
	opts   Options
	mu     sync.Mutex
	topics map[string][]subscription // by ARN
}

type subscription struct {
	arn, queue string
	raw        bool // the message as it is, rather than within what SNS says of it
}

// New makes a server without topics.
func New(opts Options) *Server {
	return &Server{opts: opts, topics: map[string][]subscription{}}
}

// apiError is an error that the caller is told of, by the codes of the API's model.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

// ServeHTTP answers the AWS API, whatever the path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		writeError(w, &apiError{"MalformedInput", err.Error()})
		return
	}
	action := r.Form.Get("Action")
	var result any
	var err error
	switch action {
	case "CreateTopic":
		result, err = s.createTopic(r.Form)
	case "Subscribe":
		result, err = s.subscribe(r.Form)
	case "Publish":
		result, err = s.publish(r.Context(), r.Form)
	default:
		err = &apiError{"InvalidAction", fmt.Sprintf("Could not find operation %q in the local SNS.", action)}
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeXML(w, http.StatusOK, response{action: action, result: result})
}

func (s *Server) createTopic(form url.Values) (any, error) {
	name := form.Get("Name")
	if name == "" {
		return nil, &apiError{"InvalidParameter", "Invalid parameter: Topic Name"}
	}
	arn := fmt.Sprintf("arn:aws:sns:%s:%s:%s", s.opts.Region, s.opts.AccountID, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.topics[arn]; !there {
		s.topics[arn] = nil
	}
	return struct {
		ARN string `xml:"TopicArn"`
	}{arn}, nil
}

func (s *Server) subscribe(form url.Values) (any, error) {
	topic, queue := form.Get("TopicArn"), form.Get("Endpoint")
	if protocol := form.Get("Protocol"); protocol != "sqs" {
		return nil, &apiError{"InvalidParameter", fmt.Sprintf("Protocol %q is not supported on one machine, only sqs.", protocol)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.topics[topic]
	if !ok {
		return nil, errNoTopic
	}
	wanted := subscription{arn: fmt.Sprintf("%s:%d", topic, len(known)+1), queue: queue, raw: attribute(form, "RawMessageDelivery") == "true"}
	if at := slices.IndexFunc(known, func(one subscription) bool { return one.queue == queue }); at >= 0 {
		wanted.arn, known[at].raw = known[at].arn, wanted.raw
	} else {
		s.topics[topic] = append(known, wanted)
	}
	return struct {
		ARN string `xml:"SubscriptionArn"`
	}{wanted.arn}, nil
}

var errNoTopic = &apiError{"NotFound", "Topic does not exist"}

// attribute reads one of Attributes.entry.1.key, Attributes.entry.1.value, …
func attribute(form url.Values, name string) string {
	for i := 1; form.Has(fmt.Sprintf("Attributes.entry.%d.key", i)); i++ {
		if form.Get(fmt.Sprintf("Attributes.entry.%d.key", i)) == name {
			return form.Get(fmt.Sprintf("Attributes.entry.%d.value", i))
		}
	}
	return ""
}

func (s *Server) publish(ctx context.Context, form url.Values) (any, error) {
	id, err := s.Publish(ctx, form.Get("TopicArn"), form.Get("Message"))
	if err != nil {
		return nil, err
	}
	return struct {
		ID string `xml:"MessageId"`
	}{id}, nil
}

// Publish puts a message into the queues that are subscribed to a topic, and gives its
// ID. It fails if there is no such topic.
func (s *Server) Publish(ctx context.Context, topic, message string) (id string, err error) {
	s.mu.Lock()
	subscribed, ok := s.topics[topic]
	subscribed = slices.Clone(subscribed)
	s.mu.Unlock()
	if !ok {
		return "", errNoTopic
	}
	id = uuid.NewString()
	wrapped, err := json.Marshal(map[string]string{"Type": "Notification", "MessageId": id, "TopicArn": topic, "Message": message})
	if err != nil {
		return "", fmt.Errorf("wrap message: %w", err)
	}
	for _, one := range subscribed {
		body := string(wrapped)
		if one.raw {
			body = message
		}
		err = errors.Join(err, s.opts.Send(ctx, one.queue, body))
	}
	return id, err
}

// response is <ActionResponse><ActionResult>…</ActionResult></ActionResponse>.
type response struct {
	action string
	result any
}

// MarshalXML implements xml.Marshaler.
func (r response) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	root := xml.StartElement{Name: xml.Name{Space: "http://sns.amazonaws.com/doc/2010-03-31/", Local: r.action + "Response"}}
	return errors.Join(
		e.EncodeToken(root),
		e.EncodeElement(r.result, xml.StartElement{Name: xml.Name{Local: r.action + "Result"}}),
		e.EncodeToken(root.End()),
	)
}

type errorResponse struct {
	XMLName xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

func writeError(w http.ResponseWriter, err error) {
	if api, ok := errors.AsType[*apiError](err); ok {
		writeXML(w, http.StatusBadRequest, errorResponse{Type: "Sender", Code: api.code, Message: api.message})
		return
	}
	writeXML(w, http.StatusInternalServerError, errorResponse{Type: "Receiver", Code: "InternalFailure", Message: err.Error()})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	out, err := xml.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(out) // who has gone away needs no answer
}
