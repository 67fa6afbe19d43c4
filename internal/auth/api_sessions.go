package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
)

// registerSessions adds the routes that show where somebody is logged in and what
// was done in their name.
func (h handlers) registerSessions(api *httpapi.API) {
	list := closedRoute("list-sessions", http.MethodGet, "/v1/auth/sessions", "List where one is logged in", http.StatusOK)
	list.Description = "The last one begun comes first."
	huma.Register(api, list, h.listSessions)

	end := closedRoute("end-session", http.MethodDelete, "/v1/auth/sessions/{id}", "End a session", http.StatusNoContent, http.StatusNotFound)
	end.Description = "Its refresh token is worthless at once, its access tokens within half a minute."
	huma.Register(api, end, h.endSession)

	huma.Register(api, closedRoute("end-other-sessions", http.MethodDelete, "/v1/auth/sessions", "End all other sessions", http.StatusNoContent), h.endOtherSessions)

	audit := closedRoute("list-audit", http.MethodGet, "/v1/auth/audit", "List what was done with the account", http.StatusOK, http.StatusUnprocessableEntity)
	audit.Security = httpapi.Login(httpapi.AccountRead)
	audit.Description = "Logins, changes and what was refused, newest first."
	huma.Register(api, audit, h.listAudit)
}

type sessionBody struct {
	ID         string    `json:"id" format:"uuid"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at" doc:"When its tokens were last renewed."`
	ExpiresAt  time.Time `json:"expires_at" doc:"When it ends if its tokens are not renewed."`
	Network    string    `json:"network" doc:"The IP address of its last use." example:"203.0.113.7"`
	UserAgent  string    `json:"user_agent" doc:"The program of its last use, as it calls itself."`
	Current    bool      `json:"current" doc:"Whether it is the one that asks."`
}

type sessionsOutput struct {
	Body struct {
		Sessions []sessionBody `json:"sessions"`
	}
}

// GET /v1/auth/sessions
func (h handlers) listSessions(ctx context.Context, _ *struct{}) (*sessionsOutput, error) {
	caller := httpapi.MustCaller(ctx)
	all, err := h.sessions(ctx, caller.UserID)
	if err != nil {
		return nil, err
	}
	var out sessionsOutput
	out.Body.Sessions = make([]sessionBody, len(all))
	for i, one := range all {
		out.Body.Sessions[i] = sessionBody{
			ID: one.id, CreatedAt: one.createdAt.UTC(), LastUsedAt: one.lastUsedAt.UTC(), ExpiresAt: one.expiresAt.UTC(),
			Network: one.from.network, UserAgent: one.from.userAgent, Current: one.id == caller.SessionID,
		}
	}
	return &out, nil
}

type sessionInput struct {
	ID string `path:"id" maxLength:"100"`
}

// DELETE /v1/auth/sessions/{id}
func (h handlers) endSession(ctx context.Context, in *sessionInput) (*struct{}, error) {
	return nil, h.EndSession(ctx, httpapi.MustCaller(ctx).UserID, in.ID)
}

// DELETE /v1/auth/sessions
func (h handlers) endOtherSessions(ctx context.Context, _ *struct{}) (*struct{}, error) {
	caller := httpapi.MustCaller(ctx)
	return nil, h.EndOtherSessions(ctx, caller.UserID, caller.SessionID)
}

type auditInput struct {
	Cursor string `query:"cursor" maxLength:"200" doc:"next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Most entries on the page."`
}

type auditBody struct {
	ID        string    `json:"id" format:"uuid"`
	At        time.Time `json:"at"`
	Action    action    `json:"action" example:"logged_in"`
	Result    result    `json:"result" enum:"success,failure"`
	Network   string    `json:"network" doc:"The IP address that it came from." example:"203.0.113.7"`
	UserAgent string    `json:"user_agent" doc:"The program that it came from, as it calls itself."`
	SessionID string    `json:"session_id,omitempty" format:"uuid" doc:"The session that it was done in."`
	Detail    string    `json:"detail,omitempty" doc:"What it was done to, or the code of the refusal."`
}

type auditOutput struct {
	Body struct {
		Entries    []auditBody `json:"entries"`
		NextCursor string      `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

// GET /v1/auth/audit
func (h handlers) listAudit(ctx context.Context, in *auditInput) (*auditOutput, error) {
	entries, next, err := h.auditLog(ctx, httpapi.MustCaller(ctx).UserID, in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	var out auditOutput
	out.Body.NextCursor = next
	out.Body.Entries = make([]auditBody, len(entries))
	for i, e := range entries {
		out.Body.Entries[i] = auditBody{
			ID: e.id, At: e.at, Action: e.action, Result: e.result, Network: e.network,
			UserAgent: e.userAgent, SessionID: e.sessionID, Detail: e.detail,
		}
	}
	return &out, nil
}
