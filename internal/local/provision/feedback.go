package provision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	sestypes "github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// topic makes a topic that queues are subscribed to. One of people alone, who are
// told of alarms, has no meaning on one machine.
func (p *provisioner) topic(ctx context.Context, t sam.Topic) error {
	if len(t.Queues) == 0 {
		return nil
	}
	if _, err := p.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: &t.Name}); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	protocol := "sqs"
	for _, q := range t.Queues {
		_, err := p.sns.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: &t.ARN, Protocol: &protocol, Endpoint: &q.QueueARN,
			Attributes: map[string]string{"RawMessageDelivery": strconv.FormatBool(q.Raw)},
		})
		if err != nil {
			return fmt.Errorf("subscribe %s: %w", q.QueueARN, err)
		}
	}
	return nil
}

// mailSet makes a configuration set of mails, and says who is told of their events.
// An endpoint that knows no such thing sends mails all the same.
func (p *provisioner) mailSet(ctx context.Context, set sam.ConfigurationSet) error {
	_, err := p.ses.CreateConfigurationSet(ctx, &ses.CreateConfigurationSetInput{
		ConfigurationSet: &sestypes.ConfigurationSet{Name: &set.Name},
	})
	if isNotImplemented(err) {
		return p.optional(ctx, "make a configuration set", set.Name, err)
	}
	if err != nil && !isCode(err, "ConfigurationSetAlreadyExists", "ConfigurationSetAlreadyExistsException") {
		return fmt.Errorf("create: %w", err)
	}
	for _, d := range set.Destinations {
		if err := p.optional(ctx, "tell of mails' events", set.Name, p.destination(ctx, set.Name, d)); err != nil {
			return err
		}
	}
	return nil
}

// isPage tells whether the endpoint has failed with a page for people, which has no code
// of an error. So does moto where it does not implement something.
func isPage(err error) bool {
	response, ok := errors.AsType[*awshttp.ResponseError](err)
	_, coded := errors.AsType[smithy.APIError](err)
	return ok && response.HTTPStatusCode() == http.StatusInternalServerError && !coded
}

func (p *provisioner) destination(ctx context.Context, set string, d sam.EventDestination) error {
	wanted := &sestypes.EventDestination{
		Name: &d.Name, Enabled: d.Enabled, SNSDestination: &sestypes.SNSDestination{TopicARN: &d.TopicARN},
	}
	for _, kind := range d.Types {
		wanted.MatchingEventTypes = append(wanted.MatchingEventTypes, sestypes.EventType(strings.ToLower(kind)))
	}
	_, err := p.ses.CreateConfigurationSetEventDestination(ctx, &ses.CreateConfigurationSetEventDestinationInput{
		ConfigurationSetName: &set, EventDestination: wanted,
	})
	if isCode(err, "EventDestinationAlreadyExists", "EventDestinationAlreadyExistsException") {
		_, err = p.ses.UpdateConfigurationSetEventDestination(ctx, &ses.UpdateConfigurationSetEventDestinationInput{
			ConfigurationSetName: &set, EventDestination: wanted,
		})
		if isPage(err) {
			p.log.WarnContext(ctx, "the endpoint cannot change where it tells of mails; going on as it is", "set", set, "error", err)
			return nil
		}
	}
	return err
}
