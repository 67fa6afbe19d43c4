package ses

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// configurationSets are the configuration sets, and where the events of mails that are
// sent with one of them go. They are kept in memory: whoever starts the stack makes
// them anew.
type configurationSets struct {
	mu   sync.Mutex
	sets map[string]map[string]destination // by the names of sets and destinations
}

// destination is an SNS topic, and the types of events that go there.
type destination struct {
	topic string
	types []string // in lower case
}

func (s *Server) createConfigurationSet(_ context.Context, form url.Values) (any, error) {
	name := form.Get("ConfigurationSet.Name")
	if name == "" {
		return nil, errValidation("configurationSet.name")
	}
	s.sets.mu.Lock()
	defer s.sets.mu.Unlock()
	if _, there := s.sets.sets[name]; there {
		return nil, &apiError{"ConfigurationSetAlreadyExists", fmt.Sprintf("Configuration set <%s> already exists.", name)}
	}
	s.sets.sets[name] = map[string]destination{}
	return empty{}, nil
}

func (s *Server) createEventDestination(_ context.Context, form url.Values) (any, error) {
	return s.putEventDestination(form, false)
}

func (s *Server) updateEventDestination(_ context.Context, form url.Values) (any, error) {
	return s.putEventDestination(form, true)
}

func (s *Server) putEventDestination(form url.Values, there bool) (any, error) {
	set, name := form.Get("ConfigurationSetName"), form.Get("EventDestination.Name")
	d := destination{topic: form.Get("EventDestination.SNSDestination.TopicARN")}
	if d.topic == "" {
		return nil, errInvalidParameter("The local SES tells nobody of events but SNS.")
	}
	for _, one := range list(form, "EventDestination.MatchingEventTypes") {
		d.types = append(d.types, strings.ToLower(one))
	}
	s.sets.mu.Lock()
	defer s.sets.mu.Unlock()
	destinations, ok := s.sets.sets[set]
	if !ok {
		return nil, &apiError{"ConfigurationSetDoesNotExist", fmt.Sprintf("Configuration set <%s> does not exist.", set)}
	}
	if _, known := destinations[name]; known != there {
		if known {
			return nil, &apiError{"EventDestinationAlreadyExists", fmt.Sprintf("Event destination <%s> already exists.", name)}
		}
		return nil, &apiError{"EventDestinationDoesNotExist", fmt.Sprintf("Event destination <%s> does not exist.", name)}
	}
	if form.Get("EventDestination.Enabled") != "true" {
		d.types = nil
	}
	destinations[name] = d
	return empty{}, nil
}

// topics gives the topics that are told of a type of events of a set's mails.
func (c *configurationSets) topics(set, kind string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var topics []string
	for _, d := range c.sets[set] {
		if slices.Contains(d.types, kind) {
			topics = append(topics, d.topic)
		}
	}
	return topics
}

// simulatorDomain is that of SES' mailbox simulator. What stands after a plus in an
// address there does not matter.
const simulatorDomain = "@simulator.amazonses.com"

// simulate tells of mails to the mailbox simulator what becomes of them: bounce@ is
// nobody's address, and complaint@ calls them spam.
func (s *Server) simulate(ctx context.Context, m *storedMail) {
	if s.opts.Publish == nil {
		return
	}
	for _, address := range m.envelope.all() {
		local, ok := strings.CutSuffix(strings.ToLower(address), simulatorDomain)
		kind, _, _ := strings.Cut(local, "+")
		if !ok || kind != "bounce" && kind != "complaint" {
			continue
		}
		event, err := json.Marshal(s.feedback(kind, address, m))
		for _, topic := range s.sets.topics(m.labels.ConfigurationSet, kind) {
			if err == nil {
				err = s.opts.Publish(ctx, topic, string(event))
			}
		}
		if err != nil {
			s.opts.Logger.ErrorContext(ctx, "tell what became of a mail", "mail", m.id, "error", err)
		}
	}
}

// feedback is an event as SES publishes it: see "Contents of event data that Amazon SES
// publishes to Amazon SNS" in its developer guide.
func (s *Server) feedback(kind, address string, m *storedMail) map[string]any {
	now := s.opts.Now().UTC().Format(time.RFC3339Nano)
	tags := map[string][]string{"ses:configuration-set": {m.labels.ConfigurationSet}}
	for name, value := range m.labels.Tags {
		tags[name] = []string{value}
	}
	event := map[string]any{"mail": map[string]any{
		"timestamp": time.UnixMilli(m.sent).UTC().Format(time.RFC3339Nano), "messageId": m.id, "source": m.source,
		"destination": m.envelope.all(), "tags": tags,
	}}
	if kind == "bounce" {
		event["eventType"] = "Bounce"
		event["bounce"] = map[string]any{
			"bounceType": "Permanent", "bounceSubType": "General", "timestamp": now, "feedbackId": newID(),
			"bouncedRecipients": []map[string]string{{
				"emailAddress": address, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown",
			}},
		}
		return event
	}
	event["eventType"] = "Complaint"
	event["complaint"] = map[string]any{
		"timestamp": now, "feedbackId": newID(), "complaintFeedbackType": "abuse",
		"complainedRecipients": []map[string]string{{"emailAddress": address}},
	}
	return event
}
