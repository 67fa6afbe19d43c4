package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// Attributes by what has to be known of them.
var (
	// documents are JSON; they are taken away where the template has none.
	documents = []string{"Policy", "RedriveAllowPolicy", "RedrivePolicy"}

	// encryption has no meaning on one machine.
	encryption = []string{"KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "SqsManagedSseEnabled"}

	// fixed can only be said when a queue is made.
	fixed = []string{"FifoQueue"}
)

// deadLettersFirst orders queues such that the one to which another's dead
// letters go comes before it.
func deadLettersFirst(queues []sam.Queue) []sam.Queue {
	byARN := map[string]sam.Queue{}
	for _, q := range queues {
		byARN[q.ARN] = q
	}
	var out []sam.Queue
	placed := map[string]bool{}
	var place func(q sam.Queue)
	place = func(q sam.Queue) {
		if placed[q.ARN] {
			return
		}
		placed[q.ARN] = true
		var redrive struct {
			Target string `json:"deadLetterTargetArn"`
		}
		// What is no JSON is for the endpoint to refuse.
		if err := json.Unmarshal([]byte(q.Attributes["RedrivePolicy"]), &redrive); err == nil {
			if target, ok := byARN[redrive.Target]; ok {
				place(target)
			}
		}
		out = append(out, q)
	}
	for _, q := range queues {
		place(q)
	}
	return out
}

func (p *provisioner) queue(ctx context.Context, q sam.Queue) error {
	url, has, err := p.existingQueue(ctx, q)
	if err != nil {
		return err
	}
	wants := maps.Clone(q.Attributes)
	if !isOwnKey(wants["KmsMasterKeyId"]) {
		delete(wants, "KmsMasterKeyId")
	}
	if url == "" {
		attributes := maps.Clone(wants)
		maps.DeleteFunc(attributes, func(name, _ string) bool { return slices.Contains(encryption, name) })
		out, err := p.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.Name, Attributes: attributes})
		if err != nil {
			return fmt.Errorf("create: %w", err)
		}
		url, has = *out.QueueUrl, attributes
	}
	if got, want := account(url), account(q.URL); got != want {
		return fmt.Errorf("the endpoint calls the queue %s: its account is %s, but the template was worked out for %s", url, got, want)
	}
	for _, name := range documents {
		if _, ok := wants[name]; !ok && has[name] != "" {
			wants[name] = ""
		}
	}
	maps.DeleteFunc(wants, func(name, value string) bool {
		return slices.Contains(fixed, name) || equalAttribute(name, value, has[name])
	})
	return p.setAttributes(ctx, q.Name, url, wants)
}

// account is the last but one part of a queue's URL, whatever stands before.
func account(url string) string {
	parts := strings.Split(url, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[len(parts)-2]
}

// existingQueue gives the URL and attributes of a queue, an empty URL if there
// is none.
func (p *provisioner) existingQueue(ctx context.Context, q sam.Queue) (url string, attributes map[string]string, err error) {
	out, err := p.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &q.Name})
	_, none := errors.AsType[*types.QueueDoesNotExist](err)
	if none || isCode(err, "AWS.SimpleQueueService.NonExistentQueue") {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("look for it: %w", err)
	}
	all, err := p.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: out.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return "", nil, fmt.Errorf("read its attributes: %w", err)
	}
	return *out.QueueUrl, all.Attributes, nil
}

func equalAttribute(name, a, b string) bool {
	if !slices.Contains(documents, name) || a == "" || b == "" {
		return a == b
	}
	var left, right any
	return json.Unmarshal([]byte(a), &left) == nil && json.Unmarshal([]byte(b), &right) == nil && reflect.DeepEqual(left, right)
}

// setAttributes sets what is about encryption by itself, since not every
// endpoint knows that.
func (p *provisioner) setAttributes(ctx context.Context, name, url string, wants map[string]string) error {
	about := map[bool]map[string]string{false: {}, true: {}}
	for attribute, value := range wants {
		about[slices.Contains(encryption, attribute)][attribute] = value
	}
	if attributes := about[false]; len(attributes) > 0 {
		if _, err := p.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes}); err != nil {
			return fmt.Errorf("set %v: %w", slices.Sorted(maps.Keys(attributes)), err)
		}
	}
	if attributes := about[true]; len(attributes) > 0 {
		_, err := p.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes})
		if isCode(err, "InvalidAttributeName") {
			p.log.WarnContext(ctx, "the endpoint has no such attribute of queues; going on without", "queue", name, "error", err)
			return nil
		}
		return p.optional(ctx, "set its encryption", name, err)
	}
	return nil
}
