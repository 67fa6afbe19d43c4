package notification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Queue is a queue that this service writes to.
//
// IAM: sqs:SendMessage on the queue.
type Queue struct {
	SQS *sqs.Client
	URL string
}

// send puts an event into the queue, to come out after a while, which is at most a
// quarter of an hour.
func (q Queue) send(ctx context.Context, id string, at time.Time, data event.Data, after time.Duration) error {
	e, err := event.New("/notification", id, at, data)
	if err != nil {
		return err
	}
	tracing.Mark(ctx, &e)
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode %s: %w", e.Type(), err)
	}
	_, err = q.SQS.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.URL, MessageBody: aws.String(string(body)), DelaySeconds: int32(after.Seconds()),
	})
	if err != nil {
		return fmt.Errorf("send %s: %w", e.Type(), err)
	}
	return nil
}

// What webhooks are told of.
const (
	hookCompleted = "video.completed"
	hookFailed    = "video.failed"
	hookExpiring  = "video.expiring"
	hookTest      = "webhook.test"
)

// hookMessage is the body of a message to a webhook, as the Standard Webhooks
// specification has it. There are IDs, codes and facts in it, and no name that a
// person gave to anything.
type hookMessage struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when it happened
	Data      hookData  `json:"data"`
}

type hookData struct {
	VideoID  string       `json:"video_id,omitempty"`
	Run      int          `json:"run,omitempty"`
	Media    *event.Media `json:"media,omitempty"`
	Archive  *hookArchive `json:"archive,omitempty"`
	Warnings []string     `json:"warnings,omitempty"` // codes
	Error    *hookError   `json:"error,omitempty"`
}

type hookArchive struct {
	Frames    int       `json:"frames"`
	Size      int64     `json:"size"` // bytes
	SHA256    string    `json:"sha256,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`
}

type hookError struct {
	Code string `json:"code"`
}

func archiveOf(a event.Archive) *hookArchive {
	return &hookArchive{Frames: a.Frames, Size: a.Size, SHA256: a.SHA256, ExpiresAt: a.ExpiresAt}
}

// Webhooks brings messages to webhooks on their way.
type Webhooks struct {
	Store *Store
	Queue Queue // that the Deliverer reads
	Now   func() time.Time
}

// tell has a person's webhook told of an event, if they have one. It can be called
// again for the same event.
func (w *Webhooks) tell(ctx context.Context, userID, eventID string, m hookMessage) error {
	hook, err := w.Store.webhook(ctx, userID)
	if err != nil || hook == nil {
		return err
	}
	return w.begin(ctx, userID, eventID, m)
}

// begin begins a delivery, or does so again. It gives errNobody if the person was
// erased.
func (w *Webhooks) begin(ctx context.Context, userID, eventID string, m hookMessage) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	now := w.Now()
	kept := w.Store.keepDelivery(ctx, userID, delivery{
		Key: deliveryKey(userID, eventID), Type: m.Type, VideoID: m.Data.VideoID, Body: string(body),
		State: deliveryWaiting, At: now, Tries: []try{}, NextAt: now.UnixMilli(), TTL: now.Add(keepDeliveries).Unix(),
	})
	if errors.Is(kept, errKept) {
		return w.again(ctx, userID, eventID)
	}
	if kept != nil {
		return kept
	}
	return w.enqueue(ctx, userID, eventID)
}

// again puts a delivery into the queue once more that was kept before: perhaps its
// worker died before it was there. A delivery that was tried was there.
func (w *Webhooks) again(ctx context.Context, userID, id string) error {
	found, err := w.Store.delivery(ctx, userID, id)
	if err != nil || found == nil || len(found.Tries) > 0 {
		return err
	}
	return w.enqueue(ctx, userID, id)
}

func (w *Webhooks) enqueue(ctx context.Context, userID, id string) error {
	return w.Queue.send(ctx, id, w.Now(), event.WebhookDue{UserID: userID, DeliveryID: id}, 0)
}
