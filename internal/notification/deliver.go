package notification

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// DelivererConfig is what the environment says of the function that calls webhooks.
type DelivererConfig struct {
	Table         string `env:"NOTIFICATION_TABLE,required"`
	QueueURL      string `env:"WEBHOOK_QUEUE_URL,required"`
	WebhookSecret string `env:"WEBHOOK_SECRET,required"` // name or ARN
	WebhookReach
}

// WebhookReach is what the environment says of where webhooks may be.
type WebhookReach struct {
	Stage           string `env:"STAGE" envDefault:"production"`
	LoopbackAllowed bool   `env:"LOOPBACK_WEBHOOKS" envDefault:"false"`
}

// Loopback tells whether webhooks may be on this machine: where the parameter says so,
// and nowhere but on a machine of one's own. In a Lambda there is the Runtime API.
func (r WebhookReach) Loopback() bool { return r.LoopbackAllowed && r.Stage == "local" }

// waits are how long to wait after each try: nine tries in 27 hours and a half. SQS
// hides a message for at most twelve hours.
var waits = []time.Duration{
	5 * time.Second, 30 * time.Second, 5 * time.Minute, 30 * time.Minute,
	2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
}

// Deliverer calls webhooks. A message goes out at least once, and after that with the
// same ID and body: what a receiver has taken twice it knows by the ID. A worker that
// dies between the answer and the row that tells of it sends again.
//
// IAM: dynamodb:GetItem, UpdateItem, Query and BatchWriteItem on the table;
// secretsmanager:GetSecretValue on the key of the secrets.
type Deliverer struct {
	Store   *Store
	Secrets *WebhookSecrets
	Client  *http.Client // see NewWebhookClient
	Metrics *metrics.Recorder
	Now     func() time.Time
}

// HandleMessage makes the delivery that a message asks for. A *batch.PostponedError
// says when to try again.
func (d *Deliverer) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	e, err := event.Parse([]byte(m.Body))
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	return event.With(e, func(due event.WebhookDue) error {
		ctx := logging.With(ctx, slog.String("delivery", due.DeliveryID))
		return d.Store.People.Guard(ctx, due.UserID, func() error { return d.deliver(ctx, due) })
	})
}

func (d *Deliverer) deliver(ctx context.Context, due event.WebhookDue) error {
	found, err := d.Store.delivery(ctx, due.UserID, due.DeliveryID)
	if err != nil {
		return err
	}
	if found == nil || found.State != deliveryWaiting {
		slog.InfoContext(ctx, "nothing to deliver")
		return nil
	}
	if early := time.UnixMilli(found.NextAt).Sub(d.Now()); early >= time.Second {
		return &batch.PostponedError{By: early, Cause: errors.New("the message came twice, and early")}
	}
	one, err := d.try(ctx, due.UserID, *found)
	if err != nil {
		return err
	}
	return d.settle(context.WithoutCancel(ctx), *found, one)
}

// try calls the webhook that the person has now.
func (d *Deliverer) try(ctx context.Context, userID string, found delivery) (try, error) {
	hook, err := d.Store.webhook(ctx, userID)
	if err != nil {
		return try{}, err
	}
	one := try{At: d.Now()}
	if hook == nil {
		one.Fault = faultRemoved
		return one, nil
	}
	secret, err := d.Secrets.secret(ctx, userID, *hook)
	if errors.Is(err, errSecretLost) {
		slog.ErrorContext(ctx, "webhook cannot be signed", "error", err)
		one.Fault = faultSecretLost
		return one, nil
	}
	if err != nil {
		return try{}, err
	}
	request, err := d.request(ctx, hook.URL, secret, found)
	if err != nil {
		return try{}, err
	}
	one.Status, one.Fault = call(ctx, d.Client, request)
	one.Millis = d.Now().Sub(one.At).Milliseconds()
	return one, nil
}

// request writes a message as the Standard Webhooks specification has it.
func (d *Deliverer) request(ctx context.Context, address, secret string, found delivery) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader([]byte(found.Body)))
	if err != nil {
		return nil, errors.New("the webhook's address cannot be called") // err has the address in it
	}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	now := d.Now()
	signature, err := signer.Sign(found.id(), now, []byte(found.Body))
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	r.Header.Set(standardwebhooks.HeaderWebhookID, found.id())
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Fotograma-Webhooks/1")
	return r, nil
}

// settle records a try, and asks for another if that makes sense.
func (d *Deliverer) settle(ctx context.Context, found delivery, one try) error {
	count := len(found.Tries) + 1
	switch {
	case one.Fault == "":
		metrics.Record(d.Metrics, metrics.None{}, metrics.WebhooksDelivered.Of(1))
		slog.InfoContext(ctx, "webhook delivered", "tries", count)
		return d.Store.recordTry(ctx, found, one, deliveryDelivered, one.At)
	case one.Fault.final(one.Status) || count > len(waits) || found.Type == hookTest:
		metrics.Record(d.Metrics, metrics.None{}, metrics.WebhooksFailed.Of(1))
		slog.WarnContext(ctx, "webhook given up", "fault", string(one.Fault), "status", one.Status, "tries", count)
		return d.Store.recordTry(ctx, found, one, deliveryFailed, one.At)
	}
	wait := waits[count-1]
	if err := d.Store.recordTry(ctx, found, one, deliveryWaiting, d.Now().Add(wait)); err != nil {
		return err
	}
	return &batch.PostponedError{By: wait, Cause: fmt.Errorf("webhook: %s, status %d", one.Fault, one.Status)}
}
