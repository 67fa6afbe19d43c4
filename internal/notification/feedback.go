package notification

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// FeedbackConfig is what the environment says of the function that hears what became
// of mails.
type FeedbackConfig struct {
	Table string `env:"NOTIFICATION_TABLE,required"`
}

// userTag is the tag of a mail that names whom it is for, in what SES tells of it.
const userTag = "user"

// Feedback hears from SES, by SNS and a queue, which mails have bounced and which were
// called spam, and keeps further ones from those addresses.
//
// IAM: dynamodb:GetItem, UpdateItem, Query and BatchWriteItem on the table.
type Feedback struct {
	Store   *Store
	Metrics *metrics.Recorder
}

// sesEvent is what SES publishes of a mail, as far as it matters here: see "Contents of
// event data that Amazon SES publishes to Amazon SNS" in its developer guide.
type sesEvent struct {
	EventType string `json:"eventType"`
	Mail      struct {
		MessageID string              `json:"messageId"`
		Tags      map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		Type       string         `json:"bounceType"` // "Permanent", "Transient" or "Undetermined"
		SubType    string         `json:"bounceSubType"`
		At         time.Time      `json:"timestamp"`
		Recipients []sesRecipient `json:"bouncedRecipients"`
	} `json:"bounce"`
	Complaint struct {
		Type       string         `json:"complaintFeedbackType"`
		At         time.Time      `json:"timestamp"`
		Recipients []sesRecipient `json:"complainedRecipients"`
	} `json:"complaint"`
}

type sesRecipient struct {
	Email string `json:"emailAddress"`
}

// validation is what SES says when it is given the topic, which is no event.
const validation = "Successfully validated SNS topic"

// HandleMessage handles what SES says of one mail. It comes twice, late and out of
// order, which makes no difference.
func (f *Feedback) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	if strings.HasPrefix(m.Body, validation) {
		return nil
	}
	var e sesEvent
	if err := json.Unmarshal([]byte(m.Body), &e); err != nil {
		return fmt.Errorf("read what SES says: %w: %w", event.ErrMalformed, err)
	}
	users := e.Mail.Tags[userTag]
	if len(users) != 1 {
		slog.WarnContext(ctx, "SES tells of a mail that is for nobody known", "ses_message_id", e.Mail.MessageID)
		return nil
	}
	ctx = logging.With(ctx, slog.String("ses_message_id", e.Mail.MessageID))
	return f.Store.People.Guard(ctx, users[0], func() error { return f.handle(ctx, users[0], e) })
}

func (f *Feedback) handle(ctx context.Context, userID string, e sesEvent) error {
	switch e.EventType {
	case "Bounce":
		metrics.Record(f.Metrics, metrics.ByBounce{Bounce: metrics.Bounce(strings.ToLower(e.Bounce.Type))}, metrics.MailsBounced.Of(1))
		if e.Bounce.Type != "Permanent" {
			slog.InfoContext(ctx, "mail bounced for now", "type", e.Bounce.Type, "sub_type", e.Bounce.SubType)
			return nil
		}
		return f.suppress(ctx, userID, reasonBounce, e.Bounce.At, e.Bounce.Recipients)
	case "Complaint":
		if e.Complaint.Type == "not-spam" {
			return nil
		}
		metrics.Record(f.Metrics, metrics.None{}, metrics.MailsComplained.Of(1))
		return f.suppress(ctx, userID, reasonComplaint, e.Complaint.At, e.Complaint.Recipients)
	default:
		return fmt.Errorf("%w: SES tells of %q", event.ErrMalformed, e.EventType)
	}
}

func (f *Feedback) suppress(ctx context.Context, userID string, reason feedbackReason, at time.Time, recipients []sesRecipient) error {
	for _, r := range recipients {
		slog.WarnContext(ctx, "an address gets no mails any more", "reason", string(reason), "user", userID)
		if err := f.Store.suppress(ctx, userID, r.Email, reason, at); err != nil {
			return err
		}
	}
	return nil
}
