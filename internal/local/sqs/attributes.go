package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Names of queue attributes that the code itself acts on.
const (
	attrDelay              = "DelaySeconds"
	attrMaxSize            = "MaximumMessageSize"
	attrRetention          = "MessageRetentionPeriod"
	attrWait               = "ReceiveMessageWaitTimeSeconds"
	attrVisibility         = "VisibilityTimeout"
	attrPolicy             = "Policy"
	attrRedrivePolicy      = "RedrivePolicy"
	attrRedriveAllowPolicy = "RedriveAllowPolicy"
	attrKmsKey             = "KmsMasterKeyId"
	attrKmsReuse           = "KmsDataKeyReusePeriodSeconds"
	attrManagedSse         = "SqsManagedSseEnabled"
)

// maxMessageBytes is the limit of a message and of a batch: 1 MiB.
const maxMessageBytes = 1 << 20

// numberRange is what SetQueueAttributes documents for an attribute that is a
// number: bounds, both included, and the default.
type numberRange struct{ min, max, def int }

func numberAttributes() map[string]numberRange {
	return map[string]numberRange{
		attrDelay:      {0, 900, 0},                              // seconds
		attrMaxSize:    {1024, maxMessageBytes, maxMessageBytes}, // bytes
		attrRetention:  {60, 14 * 24 * 3600, 4 * 24 * 3600},      // seconds
		attrWait:       {0, 20, 0},                               // seconds
		attrVisibility: {0, maxVisibilitySeconds, 30},            // seconds
		attrKmsReuse:   {60, 24 * 3600, 300},                     // seconds
	}
}

// computedAttributes are answered by GetQueueAttributes and cannot be set.
func computedAttributes() []string {
	return []string{
		"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed",
		"ApproximateNumberOfMessagesNotVisible", "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn",
	}
}

func fifoAttribute(name string) bool {
	return slices.Contains([]string{"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"}, name)
}

// errNoFIFO refuses what belongs to FIFO queues.
func errNoFIFO(what string) error {
	return errUnsupported(what + " belongs to FIFO queues, which this local SQS does not have; use a standard queue.")
}

// attributes are the values that were set on a queue, in canonical form. What is
// not in the map has its default.
type attributes map[string]string

// number is the value of one of numberAttributes.
func (a attributes) number(name string) int {
	if n, err := strconv.Atoi(a[name]); err == nil {
		return n
	}
	return numberAttributes()[name].def
}

// settings are the attributes with their defaults, as GetQueueAttributes gives
// them; attributes without a default appear when they were set.
func (a attributes) settings() map[string]string {
	all := make(map[string]string, len(a)+8)
	for name := range numberAttributes() {
		all[name] = strconv.Itoa(a.number(name))
	}
	all[attrManagedSse] = strconv.FormatBool(a[attrKmsKey] == "")
	maps.Copy(all, a)
	if a[attrKmsKey] == "" {
		delete(all, attrKmsReuse)
	}
	return all
}

// with gives a copy of the attributes in which the changes are made. An empty
// policy takes the policy away.
func (a attributes) with(changes attributes) attributes {
	merged := make(attributes, len(a)+len(changes))
	maps.Copy(merged, a)
	for name, value := range changes {
		if value == "" {
			delete(merged, name)
			continue
		}
		merged[name] = value
	}
	return merged
}

// parseAttributes checks the attributes of CreateQueue and SetQueueAttributes, as
// far as that is possible without looking at other queues, and gives them in
// canonical form. Errors are InvalidAttributeName, InvalidAttributeValue,
// InvalidParameterValue, or UnsupportedOperation for FIFO.
func parseAttributes(given map[string]string) (attributes, error) {
	parsed := make(attributes, len(given))
	for name, value := range given {
		canonical, err := parseAttribute(name, value)
		if err != nil {
			return nil, err
		}
		parsed[name] = canonical
	}
	return parsed, nil
}

func parseAttribute(name, value string) (string, error) {
	if limits, ok := numberAttributes()[name]; ok {
		return parseNumber(name, value, limits)
	}
	switch name {
	case attrPolicy:
		return parsePolicyAttribute(value)
	case attrRedrivePolicy:
		return canonicalRedrivePolicy(value)
	case attrRedriveAllowPolicy:
		return canonicalRedriveAllowPolicy(value)
	case attrKmsKey:
		return value, nil
	case attrManagedSse:
		if value != "true" && value != "false" {
			return "", errInvalidAttributeValue(name)
		}
		return value, nil
	}
	if fifoAttribute(name) {
		return "", errNoFIFO("Attribute " + name)
	}
	return "", errInvalidAttributeName(name)
}

func parseNumber(name, value string, limits numberRange) (string, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < limits.min || n > limits.max {
		return "", errInvalidAttributeValue(name)
	}
	return strconv.Itoa(n), nil
}

// parsePolicyAttribute checks that a policy is a JSON object; what it says is not
// looked at.
func parsePolicyAttribute(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(value), &object); err != nil || object == nil {
		return "", errInvalidAttributeValue(attrPolicy)
	}
	return value, nil
}

// redrivePolicy says after how many receives a message goes to which queue.
type redrivePolicy struct {
	TargetARN       string   `json:"deadLetterTargetArn"`
	MaxReceiveCount looseInt `json:"maxReceiveCount"`
}

// looseInt is a number that callers write as a JSON number or as a string of digits.
type looseInt int

func (n *looseInt) UnmarshalJSON(data []byte) error {
	v, err := strconv.Atoi(strings.Trim(string(data), `"`))
	if err != nil {
		return fmt.Errorf("not an integer: %s", data)
	}
	*n = looseInt(v)
	return nil
}

func errPolicyValue(name, value, reason string) error {
	return errInvalidParameter("Value %s for parameter %s is invalid. Reason: %s", value, name, reason)
}

// parseRedrivePolicy reads a policy that canonicalRedrivePolicy let through; ok is
// false if there is none.
func parseRedrivePolicy(value string) (policy redrivePolicy, ok bool) {
	if value == "" {
		return redrivePolicy{}, false
	}
	err := json.Unmarshal([]byte(value), &policy)
	return policy, err == nil
}

func canonicalRedrivePolicy(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	var policy redrivePolicy
	if err := json.Unmarshal([]byte(value), &policy); err != nil {
		return "", errPolicyValue(attrRedrivePolicy, value, "Redrive policy is not a valid JSON map.")
	}
	if policy.TargetARN == "" {
		return "", errPolicyValue(attrRedrivePolicy, value, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	if policy.MaxReceiveCount < 1 || policy.MaxReceiveCount > 1000 {
		return "", errPolicyValue(attrRedrivePolicy, value,
			"Invalid value for maxReceiveCount: it must be between 1 and 1000.")
	}
	return encode(policy)
}

// redriveAllowPolicy says which queues may use this one for their dead letters.
type redriveAllowPolicy struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

// allows says whether the queue with this ARN may send its dead letters.
func (p redriveAllowPolicy) allows(sourceARN string) bool {
	switch p.Permission {
	case "denyAll":
		return false
	case "byQueue":
		return slices.Contains(p.Sources, sourceARN)
	default:
		return true
	}
}

// parseRedriveAllowPolicy reads a stored policy; without one, everything is allowed.
func parseRedriveAllowPolicy(value string) redriveAllowPolicy {
	var policy redriveAllowPolicy
	if json.Unmarshal([]byte(value), &policy) != nil {
		return redriveAllowPolicy{}
	}
	return policy
}

func canonicalRedriveAllowPolicy(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	var policy redriveAllowPolicy
	if err := json.Unmarshal([]byte(value), &policy); err != nil {
		return "", errPolicyValue(attrRedriveAllowPolicy, value,
			"Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.")
	}
	if reason := policy.fault(); reason != "" {
		return "", errPolicyValue(attrRedriveAllowPolicy, value, "Amazon SQS can't create the redrive allow policy. "+reason)
	}
	return encode(policy)
}

// fault says what is wrong with the policy, or nothing.
func (p redriveAllowPolicy) fault() string {
	if !slices.Contains([]string{"allowAll", "denyAll", "byQueue"}, p.Permission) {
		return "redrivePermission must be allowAll, denyAll or byQueue."
	}
	if p.Permission != "byQueue" {
		if len(p.Sources) > 0 {
			return "To specify one or more source queue ARNs, you must set redrivePermission to byQueue."
		}
		return ""
	}
	switch {
	case len(p.Sources) == 0:
		return "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values."
	case len(p.Sources) > 10:
		return "You can specify up to 10 source queue ARNs; to let more than 10 queues use this one, set redrivePermission to allowAll."
	}
	return ""
}

func encode(v any) (string, error) {
	out, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(out), nil
}
