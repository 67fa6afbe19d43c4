package s3

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/versity/versitygw/s3err"
)

// xmlNamespace is the namespace of all S3 documents.
const xmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// notificationConfiguration is the body of PutBucketNotificationConfiguration.
type notificationConfiguration struct {
	XMLName   xml.Name             `xml:"NotificationConfiguration"`
	Namespace string               `xml:"xmlns,attr,omitempty"`
	Queues    []notificationRule   `xml:"QueueConfiguration"`
	Topics    []foreignDestination `xml:"TopicConfiguration"`
	Functions []foreignDestination `xml:"CloudFunctionConfiguration"`
	Bridge    *foreignDestination  `xml:"EventBridgeConfiguration"`
}

// foreignDestination stands for a destination that is recognised and refused.
type foreignDestination struct{}

// notificationRule sends the events of the listed types, on keys that pass the
// filter, to one queue.
type notificationRule struct {
	ID     string              `xml:"Id,omitempty"`
	Queue  string              `xml:"Queue"`
	Events []string            `xml:"Event"`
	Filter *notificationFilter `xml:"Filter,omitempty"`
}

type notificationFilter struct {
	Rules []filterRule `xml:"S3Key>FilterRule"`
}

// filterRule has the name "prefix" or "suffix", in any case.
type filterRule struct {
	Name  string `xml:"Name"`
	Value string `xml:"Value"`
}

// knownEvents are the event types that can happen here. Amazon's others
// (restores, replication, tagging, …) would never fire, so asking for one is an
// error instead of a silence.
var knownEvents = []string{
	"s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post",
	"s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload",
	"s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
	"s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
}

var queueARN = regexp.MustCompile(`^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?$`)

// parseNotification reads and checks a configuration as S3 does, and gives
// rules without an Id one. It does not ask whether the queues exist.
func parseNotification(document []byte, newID func() string) (*notificationConfiguration, error) {
	var config notificationConfiguration
	if err := xml.Unmarshal(document, &config); err != nil {
		return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	if len(config.Topics) > 0 || len(config.Functions) > 0 || config.Bridge != nil {
		return nil, invalidArgument("Only queue configurations are supported by the local S3: no topics, functions or EventBridge.")
	}
	ids := map[string]bool{}
	for i := range config.Queues {
		rule := &config.Queues[i]
		if rule.ID == "" {
			rule.ID = newID()
		}
		if ids[rule.ID] {
			return nil, invalidArgument("Same ID used for multiple configurations. IDs must be unique")
		}
		ids[rule.ID] = true
		if err := rule.validate(); err != nil {
			return nil, err
		}
	}
	if err := refuseOverlaps(config.Queues); err != nil {
		return nil, err
	}
	config.XMLName = xml.Name{Local: "NotificationConfiguration"}
	config.Namespace = xmlNamespace
	return &config, nil
}

func (r *notificationRule) validate() error {
	if !queueARN.MatchString(r.Queue) {
		return invalidArgument("The ARN is not well formed")
	}
	if len(r.Events) == 0 {
		return s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	for _, event := range r.Events {
		if !slices.Contains(knownEvents, event) {
			return invalidArgument(fmt.Sprintf("The event '%s' is not supported for notifications by the local S3", event))
		}
	}
	return r.validateFilter()
}

func (r *notificationRule) validateFilter() error {
	if r.Filter == nil {
		return nil
	}
	seen := map[string]bool{}
	for i := range r.Filter.Rules {
		rule := &r.Filter.Rules[i]
		name := strings.ToLower(rule.Name)
		if name != "prefix" && name != "suffix" {
			return invalidArgument("filter rule name must be either prefix or suffix")
		}
		if seen[name] {
			return invalidArgument("Cannot specify more than one " + name + " rule in a filter.")
		}
		seen[name] = true
	}
	return nil
}

// filter returns the rule's prefix and suffix; each is empty if not given.
func (r *notificationRule) filter() (prefix, suffix string) {
	if r.Filter == nil {
		return "", ""
	}
	for _, rule := range r.Filter.Rules {
		if strings.EqualFold(rule.Name, "prefix") {
			prefix = rule.Value
		} else {
			suffix = rule.Value
		}
	}
	return prefix, suffix
}

// refuseOverlaps reports two rules that would both hear of one event, which S3
// does not allow.
func refuseOverlaps(rules []notificationRule) error {
	for i := range rules {
		for j := range rules[:i] {
			if shareEvent(rules[i].Events, rules[j].Events) && shareKeys(&rules[i], &rules[j]) {
				return invalidArgument("Configurations overlap. Configurations on the same bucket cannot share a common event type.")
			}
		}
	}
	return nil
}

func shareEvent(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { return eventMatches(x, y) || eventMatches(y, x) })
	})
}

func shareKeys(a, b *notificationRule) bool {
	prefixA, suffixA := a.filter()
	prefixB, suffixB := b.filter()
	prefixes := strings.HasPrefix(prefixA, prefixB) || strings.HasPrefix(prefixB, prefixA)
	suffixes := strings.HasSuffix(suffixA, suffixB) || strings.HasSuffix(suffixB, suffixA)
	return prefixes && suffixes
}

// eventMatches reports whether a rule's event type covers an event such as
// "s3:ObjectCreated:Put".
func eventMatches(pattern, event string) bool {
	group, wild := strings.CutSuffix(pattern, "*")
	if wild {
		return strings.HasPrefix(event, group)
	}
	return pattern == event
}

// concerns reports whether some event whose type begins with the given group
// ("ObjectCreated", "ObjectRemoved", …) on this key could go to the rule.
func (r *notificationRule) concerns(group, key string) bool {
	prefix, suffix := r.filter()
	if !strings.HasPrefix(key, prefix) || !strings.HasSuffix(key, suffix) {
		return false
	}
	return slices.ContainsFunc(r.Events, func(event string) bool { return strings.HasPrefix(event, "s3:"+group+":") })
}

// matches reports whether the rule asks for this event on this key. The event
// is named as in a record, without "s3:".
func (r *notificationRule) matches(event, key string) bool {
	prefix, suffix := r.filter()
	if !strings.HasPrefix(key, prefix) || !strings.HasSuffix(key, suffix) {
		return false
	}
	return slices.ContainsFunc(r.Events, func(pattern string) bool { return eventMatches(pattern, "s3:"+event) })
}

func invalidArgument(message string) error {
	return s3err.APIError{Code: "InvalidArgument", Description: message, HTTPStatusCode: http.StatusBadRequest}
}
