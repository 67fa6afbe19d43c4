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
}

// EmailChanges switches mails on or off; nil leaves them as they are.
type EmailChanges struct {
	Completed *bool `json:"completed,omitempty"`
	Failed    *bool `json:"failed,omitempty"`
}

// NotificationPreferences tells which mails the person wants.
func (c *Client) NotificationPreferences(ctx context.Context) (EmailPreferences, error) {
	var out preferences[EmailPreferences]
	err := c.authorized(ctx, http.MethodGet, "/v1/notifications/preferences", nil, nil, &out)
	return out.Email, err
}

// ChangeNotificationPreferences switches mails on or off, and tells which the person
// wants now.
func (c *Client) ChangeNotificationPreferences(ctx context.Context, changes EmailChanges) (EmailPreferences, error) {
	var out preferences[EmailPreferences]
	err := c.authorized(ctx, http.MethodPut, "/v1/notifications/preferences", nil, preferences[EmailChanges]{changes}, &out)
	return out.Email, err
}

type preferences[T any] struct {
	Email T `json:"email"`
}

// Unsubscribe switches off mails of one kind with the token of such a mail, which needs
// no session; code "invalid_link".
func (c *Client) Unsubscribe(ctx context.Context, token string) error {
	return c.call(ctx, http.MethodPost, "/v1/notifications/unsubscribe"+query(map[string]string{"token": token}), nil, nil, nil)
}
