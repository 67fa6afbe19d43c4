package client

import (
	"context"
	"net/http"
	"time"
)

// Notification is something that was sent to the person.
type Notification struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`               // such as "completed" or "password_changed"
	VideoID string    `json:"video_id,omitempty"` // empty if it is about none
	Channel string    `json:"channel"`            // "email"
	SentAt  time.Time `json:"sent_at"`
}

// NotificationPage is a part of what was sent.
type NotificationPage struct {
	Notifications []Notification `json:"notifications"`
	NextCursor    string         `json:"next_cursor,omitempty"` // empty on the last page
}

// Notifications lists what was sent to the person, of the newest events first: from a
// cursor on if one is given, at most limit of them (0: as the API likes).
func (c *Client) Notifications(ctx context.Context, cursor string, limit int) (*NotificationPage, error) {
	var page NotificationPage
	path := "/v1/notifications" + query(map[string]string{"cursor": cursor, "limit": positive(limit)})
	if err := c.authorized(ctx, http.MethodGet, path, nil, nil, &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// EmailPreferences tells which mails a person wants.
type EmailPreferences struct {
	Completed bool `json:"completed"` // when frames are ready
	Failed    bool `json:"failed"`    // when a video could not be processed
	Expiring  bool `json:"expiring"`  // before frames are deleted
	Digest    bool `json:"digest"`    // one when there is news of many videos, rather than of each
}

// EmailChanges switches mails on or off; nil leaves them as they are.
type EmailChanges struct {
	Completed *bool `json:"completed,omitempty"`
	Failed    *bool `json:"failed,omitempty"`
	Expiring  *bool `json:"expiring,omitempty"`
	Digest    *bool `json:"digest,omitempty"`
}

// Webhook is where a person's programs are told of their videos.
type Webhook struct {
	URL    string    `json:"url"`
	Since  time.Time `json:"since"`            // when its secret was made
	Secret string    `json:"secret,omitempty"` // verifies signatures; only in the answer to what made it
}

// WebhookChange sets the webhook, and makes another secret if that is wanted. An empty
// URL removes it.
type WebhookChange struct {
	URL       string `json:"url"`
	NewSecret bool   `json:"new_secret,omitempty"`
}

// Preferences tells what a person wants to be told, and how.
type Preferences struct {
	Email   EmailPreferences `json:"email"`
	Webhook *Webhook         `json:"webhook,omitempty"` // nil if there is none

	Suppressed *Suppression `json:"suppressed,omitempty"` // nil if mails reach the person
}

// Suppression is why no mails go to the person's address.
type Suppression struct {
	Reason   string    `json:"reason"` // "bounce" or "complaint"
	Since    time.Time `json:"since"`
	Liftable bool      `json:"liftable"` // by LiftSuppression
}

// LiftSuppression has mails sent again to the person's address after one has bounced;
// code "suppression_stays".
func (c *Client) LiftSuppression(ctx context.Context) error {
	return c.authorized(ctx, http.MethodDelete, "/v1/notifications/suppression", nil, nil, nil)
}

// PreferenceChanges changes preferences; nil leaves them as they are.
type PreferenceChanges struct {
	Email   *EmailChanges  `json:"email,omitempty"`
	Webhook *WebhookChange `json:"webhook,omitempty"`
}

// NotificationPreferences tells what the person wants to be told.
func (c *Client) NotificationPreferences(ctx context.Context) (*Preferences, error) {
	var out Preferences
	if err := c.authorized(ctx, http.MethodGet, "/v1/notifications/preferences", nil, nil, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// ChangeNotificationPreferences changes what the person wants to be told, and gives
// what it is then.
func (c *Client) ChangeNotificationPreferences(ctx context.Context, changes PreferenceChanges) (*Preferences, error) {
	var out Preferences
	if err := c.authorized(ctx, http.MethodPut, "/v1/notifications/preferences", nil, changes, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Delivery is a message to the person's webhook, and what became of it.
type Delivery struct {
	ID        string     `json:"id"`                 // of the event, and the message's webhook-id header
	Type      string     `json:"type"`               // such as "video.completed"
	VideoID   string     `json:"video_id,omitempty"` // empty if it is about none
	State     string     `json:"state"`              // "waiting", "delivered" or "failed"
	CreatedAt time.Time  `json:"created_at"`
	NextAt    *time.Time `json:"next_at,omitempty"` // when it is tried again; nil if it is not
	Tries     []Try      `json:"tries"`
}

// Try is one request to a webhook.
type Try struct {
	At       time.Time `json:"at"`
	Duration float64   `json:"duration"`         // seconds
	Status   int       `json:"status,omitempty"` // of HTTP; 0 if there was no answer
	Fault    string    `json:"fault,omitempty"`  // such as "timeout"; empty if the webhook took the message
}

// DeliveryPage is a part of the deliveries.
type DeliveryPage struct {
	Deliveries []Delivery `json:"deliveries"`
	NextCursor string     `json:"next_cursor,omitempty"` // empty on the last page
}

// WebhookDeliveries lists what the person's webhook was told, the newest events first:
// from a cursor on if one is given, at most limit of them (0: as the API likes).
func (c *Client) WebhookDeliveries(ctx context.Context, cursor string, limit int) (*DeliveryPage, error) {
	var page DeliveryPage
	path := "/v1/notifications/webhook/deliveries" + query(map[string]string{"cursor": cursor, "limit": positive(limit)})
	if err := c.authorized(ctx, http.MethodGet, path, nil, nil, &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// TestWebhook sends the person's webhook a message to try it, and gives the ID of the
// delivery; code "no_webhook".
func (c *Client) TestWebhook(ctx context.Context) (id string, err error) {
	var out struct {
		ID string `json:"id"`
	}
	err = c.authorized(ctx, http.MethodPost, "/v1/notifications/webhook/test", nil, nil, &out)
	return out.ID, err
}

// Unsubscribe switches off mails of one kind with the token of such a mail, which needs
// no session; code "invalid_link". The token of a digest switches off all mails about
// videos.
func (c *Client) Unsubscribe(ctx context.Context, token string) error {
	return c.call(ctx, http.MethodPost, "/v1/notifications/unsubscribe"+query(map[string]string{"token": token}), nil, nil, nil)
}
