package notification

import (
	"context"
	"errors"
	"time"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

type webhookBody struct {
	URL    string    `json:"url"`
	Since  time.Time `json:"since" doc:"When its secret was made."`
	Secret string    `json:"secret,omitempty" doc:"Verifies signatures (Standard Webhooks). Only in the answer to the request that made it."`
}

func (w *webhook) body() *webhookBody {
	if w == nil {
		return nil
	}
	return &webhookBody{URL: w.URL, Since: w.Since.UTC()}
}

type webhookChange struct {
	URL       string `json:"url" maxLength:"2000" doc:"Where events are POSTed to, over HTTPS; empty for no webhook any more."`
	NewSecret bool   `json:"new_secret,omitempty" doc:"Whether to make another secret; the one before is good no more."`
}

func (c webhookChange) check(loopback bool) error {
	if c.URL == "" {
		return nil
	}
	return checkWebhookURL(c.URL, loopback)
}

// changeWebhook sets or removes a person's webhook. It gives the secret if that is
// new; errNobody if the person was erased.
func (h handlers) changeWebhook(ctx context.Context, userID string, c webhookChange) (secret string, err error) {
	if c.URL == "" {
		return "", h.Store.deleteWebhook(ctx, userID)
	}
	hook, err := h.Store.webhook(ctx, userID)
	if err != nil {
		return "", err
	}
	if hook == nil {
		hook, c.NewSecret = &webhook{}, true
	}
	hook.URL = c.URL
	if c.NewSecret {
		if secret, err = h.Secrets.renew(ctx, userID, hook, h.Now()); err != nil {
			return "", err
		}
	}
	return secret, h.Store.putWebhook(ctx, userID, *hook)
}

type tryBody struct {
	At       time.Time `json:"at"`
	Duration float64   `json:"duration" doc:"Seconds until the answer was there, or was given up."`
	Status   int       `json:"status,omitempty" doc:"Of HTTP. Absent if there was no answer."`
	Fault    fault     `json:"fault,omitempty" enum:"status,redirect,timeout,no_host,forbidden_host,tls,connection,webhook_removed,secret_lost" doc:"What was wrong. Absent if the webhook took the message."`
}

type deliveryBody struct {
	ID        string        `json:"id" doc:"Of the event, and of the message: its webhook-id header."`
	Type      string        `json:"type" enum:"video.completed,video.failed,video.expiring,webhook.test"`
	VideoID   string        `json:"video_id,omitempty" doc:"The video that it is about, if it is about one."`
	State     deliveryState `json:"state" enum:"waiting,delivered,failed" doc:"Whether the webhook took it, or it was given up."`
	CreatedAt time.Time     `json:"created_at"`
	NextAt    *time.Time    `json:"next_at,omitempty" doc:"When it is tried again."`
	Tries     []tryBody     `json:"tries"`
}

func (d delivery) body() deliveryBody {
	out := deliveryBody{ID: d.id(), Type: d.Type, VideoID: d.VideoID, State: d.State, CreatedAt: d.At.UTC(), Tries: make([]tryBody, len(d.Tries))}
	for i, t := range d.Tries {
		out.Tries[i] = tryBody{At: t.At.UTC(), Duration: float64(t.Millis) / 1000, Status: t.Status, Fault: t.Fault}
	}
	if d.State == deliveryWaiting {
		next := time.UnixMilli(d.NextAt).UTC()
		out.NextAt = &next
	}
	return out
}

type deliveriesOutput struct {
	Body struct {
		Deliveries []deliveryBody `json:"deliveries"`
		NextCursor string         `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

// GET /v1/notifications/webhook/deliveries
func (h handlers) deliveries(ctx context.Context, in *listInput) (*deliveriesOutput, error) {
	after, err := httpapi.ParseCursor(in.Cursor, "")
	if err != nil {
		return nil, err
	}
	found, more, err := h.Store.deliveries(ctx, httpapi.MustCaller(ctx).UserID, after, in.Limit)
	if err != nil {
		return nil, err
	}
	var out deliveriesOutput
	out.Body.Deliveries = make([]deliveryBody, len(found))
	for i, d := range found {
		out.Body.Deliveries[i] = d.body()
	}
	if more {
		out.Body.NextCursor = httpapi.MakeCursor(found[len(found)-1].id())
	}
	return &out, nil
}

type testOutput struct {
	Body struct {
		ID string `json:"id" doc:"Of the delivery."`
	}
}

// POST /v1/notifications/webhook/test
func (h handlers) testWebhook(ctx context.Context, _ *struct{}) (*testOutput, error) {
	userID := httpapi.MustCaller(ctx).UserID
	hook, err := h.Store.webhook(ctx, userID)
	if err != nil {
		return nil, err
	}
	if hook == nil {
		return nil, problem.New(problem.NoWebhook)
	}
	wait, err := h.Store.countTest(ctx, userID, h.Now())
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		return nil, &problem.Error{Code: problem.TooManyAttempts, RetryAfter: wait}
	}
	var out testOutput
	out.Body.ID = h.NewID()
	err = h.Webhooks.begin(ctx, userID, out.Body.ID, hookMessage{Type: hookTest, Timestamp: h.Now().UTC()})
	if errors.Is(err, errNobody) {
		return nil, problem.New(problem.Unauthorized)
	}
	if err != nil {
		return nil, err
	}
	return &out, nil
}
