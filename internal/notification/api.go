package notification

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Settings tells a person what they were sent, and keeps what they want to be sent.
type Settings struct {
	Store        *Store
	Unsubscribes *Unsubscribes
	Secrets      *WebhookSecrets
	Webhooks     *Webhooks
	NewID        func() string
	Now          func() time.Time

	// Loopback allows webhooks on this machine, over plain HTTP: see WebhookReach.
	Loopback bool
}

// Register adds the routes of the settings to an API.
func Register(api *httpapi.API, s *Settings) {
	h := handlers{s}
	operation := func(id, method, path, summary string, scope httpapi.Scope) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"notifications"}, Security: httpapi.Login(scope),
			Errors: []int{http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusInternalServerError},
		}
	}
	list := operation("list-notifications", http.MethodGet, "/v1/notifications", "List the mails that were sent", httpapi.NotificationsRead)
	list.Description = "Those of the newest events come first. They are kept for 90 days."
	huma.Register(api, list, h.list)

	huma.Register(api, operation("get-notification-preferences", http.MethodGet, "/v1/notifications/preferences",
		"Show which mails one wants, and one's webhook", httpapi.NotificationsRead), h.preferences)

	change := operation("change-notification-preferences", http.MethodPut, "/v1/notifications/preferences",
		"Switch mails on or off, and set one's webhook", httpapi.NotificationsWrite)
	change.Description = "What is not named stays as it is. Mails about the safety of the account always come. A new webhook's secret is in the answer, and never shown again."
	huma.Register(api, change, h.changePreferences)

	deliveries := operation("list-webhook-deliveries", http.MethodGet, "/v1/notifications/webhook/deliveries",
		"List what one's webhook was told", httpapi.NotificationsRead)
	deliveries.Description = "Those of the newest events come first. They are kept for 30 days."
	huma.Register(api, deliveries, h.deliveries)

	test := operation("test-webhook", http.MethodPost, "/v1/notifications/webhook/test", "Send one's webhook a message to try it", httpapi.NotificationsWrite)
	test.Description = "What became of it is among the deliveries a moment later. It is not tried again."
	test.DefaultStatus = http.StatusAccepted
	test.Errors = append(test.Errors, http.StatusConflict, http.StatusTooManyRequests)
	huma.Register(api, test, h.testWebhook)

	lift := operation("lift-suppression", http.MethodDelete, "/v1/notifications/suppression",
		"Have mails sent again to an address to which one has bounced", httpapi.NotificationsWrite)
	lift.Description = "Three times for each address. One from which a mail was called spam stays without."
	lift.DefaultStatus = http.StatusNoContent
	lift.Errors = append(lift.Errors, http.StatusConflict)
	huma.Register(api, lift, h.lift)

	h.registerUnsubscribe(api)
}

// registerUnsubscribe adds the routes that mails link to; they need no login.
func (h handlers) registerUnsubscribe(api *httpapi.API) {
	unsubscribe := huma.Operation{
		OperationID: "unsubscribe", Method: http.MethodPost, Path: "/v1/notifications/unsubscribe", Tags: []string{"notifications"},
		Summary:     "Switch off mails of one kind with the token of such a mail",
		Description: "The one click of RFC 8058: what is in the body does not matter. The token of a mail about many videos switches off all mails about videos.",
		Errors:      []int{http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError},

		DefaultStatus: http.StatusNoContent,
	}
	huma.Register(api, unsubscribe, h.unsubscribe)

	show := unsubscribe
	show.OperationID, show.Method, show.DefaultStatus = "show-unsubscribe", http.MethodGet, http.StatusSeeOther
	show.Summary = "Lead a browser to the page that switches mails off"
	show.Description = "It changes nothing: programs that look at links before people do may follow it."
	huma.Register(api, show, h.showUnsubscribe)
}

type handlers struct{ *Settings }

type listInput struct {
	Cursor string `query:"cursor" maxLength:"200" doc:"next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Most notifications on the page."`
}

type notificationBody struct {
	ID      string    `json:"id" doc:"Of the event that it tells of."`
	Kind    kind      `json:"kind" enum:"completed,failed,expiring,digest,verify_email,reset_password,change_email,password_changed,email_changed,new_login" doc:"What it is about."`
	VideoID string    `json:"video_id,omitempty" doc:"The video that it is about, if it is about one."`
	Channel string    `json:"channel" enum:"email" doc:"How it was sent."`
	SentAt  time.Time `json:"sent_at"`
}

type notificationsOutput struct {
	Body struct {
		Notifications []notificationBody `json:"notifications"`
		NextCursor    string             `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

// GET /v1/notifications
func (h handlers) list(ctx context.Context, in *listInput) (*notificationsOutput, error) {
	after, err := httpapi.ParseCursor(in.Cursor, "")
	if err != nil {
		return nil, err
	}
	mails, more, err := h.Store.sent(ctx, httpapi.MustCaller(ctx).UserID, after, in.Limit)
	if err != nil {
		return nil, err
	}
	var out notificationsOutput
	out.Body.Notifications = make([]notificationBody, len(mails))
	for i, m := range mails {
		out.Body.Notifications[i] = notificationBody{
			ID: m.eventID(), Kind: m.Kind, VideoID: m.VideoID, Channel: "email", SentAt: m.SentAt.UTC(),
		}
	}
	if more {
		out.Body.NextCursor = httpapi.MakeCursor(mails[len(mails)-1].eventID())
	}
	return &out, nil
}

type emailPreferences struct {
	Completed bool `json:"completed" doc:"Whether to write when frames are ready."`
	Failed    bool `json:"failed" doc:"Whether to write when a video could not be processed."`
	Expiring  bool `json:"expiring" doc:"Whether to write before frames are deleted."`
	Digest    bool `json:"digest" doc:"Whether to write once when there is news of many videos, rather than of each."`
}

type preferencesOutput struct {
	Body struct {
		Email   emailPreferences `json:"email"`
		Webhook *webhookBody     `json:"webhook,omitempty" doc:"Absent if there is none."`

		Suppressed *suppressionBody `json:"suppressed,omitempty" doc:"Why no mails go to the person's address. Absent if they do."`
	}
}

type suppressionBody struct {
	Reason   feedbackReason `json:"reason" enum:"bounce,complaint" doc:"A mail bounced for good, or was called spam."`
	Since    time.Time      `json:"since"`
	Liftable bool           `json:"liftable" doc:"Whether DELETE /v1/notifications/suppression has mails sent again. Verifying the address, or taking another, does so too."`
}

// suppressed tells why no mails go to a person's address; nil if they do.
func (h handlers) suppressed(ctx context.Context, userID string) (*suppression, error) {
	contact, err := h.Store.Contact(ctx, userID)
	if errors.Is(err, errUnknownContact) {
		return nil, nil //nolint:nilnil // somebody who has just registered
	}
	if err != nil {
		return nil, err
	}
	found, err := h.Store.suppression(ctx, userID, contact.Email)
	if err != nil || found == nil || found.Lifted {
		return nil, err
	}
	return found, nil
}

func (s *suppression) body() *suppressionBody {
	if s == nil {
		return nil
	}
	return &suppressionBody{Reason: s.Reason, Since: s.At.UTC(), Liftable: s.liftable()}
}

// DELETE /v1/notifications/suppression
func (h handlers) lift(ctx context.Context, _ *struct{}) (*struct{}, error) {
	found, err := h.suppressed(ctx, httpapi.MustCaller(ctx).UserID)
	if err != nil || found == nil {
		return nil, err
	}
	lifted, err := h.Store.lift(ctx, found, 1)
	if err == nil && !lifted {
		return nil, problem.New(problem.SuppressionStays)
	}
	return nil, err
}

// GET /v1/notifications/preferences
func (h handlers) preferences(ctx context.Context, _ *struct{}) (*preferencesOutput, error) {
	userID := httpapi.MustCaller(ctx).UserID
	found, err := h.Store.switches(ctx, userID)
	if err != nil {
		return nil, err
	}
	hook, err := h.Store.webhook(ctx, userID)
	if err != nil {
		return nil, err
	}
	var out preferencesOutput
	out.Body.Email = emailPreferences{
		Completed: found.on(kindCompleted), Failed: found.on(kindFailed), Expiring: found.on(kindExpiring), Digest: found.on(kindDigest),
	}
	out.Body.Webhook = hook.body()
	suppressed, err := h.suppressed(ctx, userID)
	out.Body.Suppressed = suppressed.body()
	return &out, err
}

type emailChanges struct {
	Completed *bool `json:"completed,omitempty" doc:"Whether to write when frames are ready."`
	Failed    *bool `json:"failed,omitempty" doc:"Whether to write when a video could not be processed."`
	Expiring  *bool `json:"expiring,omitempty" doc:"Whether to write before frames are deleted."`
	Digest    *bool `json:"digest,omitempty" doc:"Whether to write once when there is news of many videos, rather than of each."`
}

func (c emailChanges) switches() switches {
	changes := switches{}
	for k, on := range map[kind]*bool{
		kindCompleted: c.Completed, kindFailed: c.Failed, kindExpiring: c.Expiring, kindDigest: c.Digest,
	} {
		if on != nil {
			changes[k] = *on
		}
	}
	return changes
}

type preferencesInput struct {
	Body struct {
		Email   *emailChanges  `json:"email,omitempty"`
		Webhook *webhookChange `json:"webhook,omitempty"`
	}
}

// PUT /v1/notifications/preferences
func (h handlers) changePreferences(ctx context.Context, in *preferencesInput) (*preferencesOutput, error) {
	userID := httpapi.MustCaller(ctx).UserID
	if in.Body.Email == nil && in.Body.Webhook == nil {
		return nil, problem.In(problem.InvalidRequest, "body", "must have email or webhook")
	}
	if in.Body.Webhook != nil { // before anything is changed
		if err := in.Body.Webhook.check(h.Loopback); err != nil {
			return nil, err
		}
	}
	var err error
	if in.Body.Email != nil {
		err = h.Store.turn(ctx, userID, in.Body.Email.switches())
	}
	var secret string
	if err == nil && in.Body.Webhook != nil {
		secret, err = h.changeWebhook(ctx, userID, *in.Body.Webhook)
	}
	if errors.Is(err, errNobody) {
		return nil, problem.New(problem.Unauthorized)
	}
	if err != nil {
		return nil, err
	}
	out, err := h.preferences(ctx, nil)
	if err == nil && out.Body.Webhook != nil {
		out.Body.Webhook.Secret = secret
	}
	return out, err
}

type unsubscribeInput struct {
	Token string `query:"token" required:"true" maxLength:"500" doc:"As in the mail's List-Unsubscribe header."`
}

// POST /v1/notifications/unsubscribe
//
// Whether the person is still there is not told.
func (h handlers) unsubscribe(ctx context.Context, in *unsubscribeInput) (*struct{}, error) {
	userID, k, err := h.Unsubscribes.read(ctx, in.Token)
	if err != nil {
		return nil, err
	}
	switch err = h.Store.turnOff(ctx, userID, k); {
	case err == nil:
		slog.InfoContext(ctx, "mails switched off by one click", "kind", string(k))
	case errors.Is(err, errNobody):
		err = nil
	}
	return nil, err
}

type pageOutput struct {
	Location string `header:"Location"`
}

// GET /v1/notifications/unsubscribe
func (h handlers) showUnsubscribe(_ context.Context, in *unsubscribeInput) (*pageOutput, error) {
	return &pageOutput{Location: h.Unsubscribes.page(in.Token)}, nil
}
