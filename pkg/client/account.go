package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Tokens are a session's.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
}

// Renew gives tokens in place of those of which the access token has expired. A
// refresh token is good once: used a second time, it ends the session.
type Renew func(ctx context.Context, expired Tokens) (Tokens, error)

// User is an account.
type User struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Locale    string    `json:"locale"`
	CreatedAt time.Time `json:"created_at"`

	EmailVerified bool `json:"email_verified"`
}

// NewUser is an account to be.
type NewUser struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Name     string `json:"name,omitempty"`
	Locale   string `json:"locale,omitempty"` // "en" or "pt-BR"
}

// Health tells whether the API answers.
func (c *Client) Health(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/v1/health", nil, nil, nil)
}

// Register makes an account; code "email_taken" if there is one already.
func (c *Client) Register(ctx context.Context, u NewUser) (User, error) {
	var out struct {
		User User `json:"user"`
	}
	err := c.call(ctx, http.MethodPost, "/v1/auth/register", nil, u, &out)
	return out.User, err
}

// VerifyEmail gives back the code that was mailed to an address; code
// "invalid_code" if it is not good.
func (c *Client) VerifyEmail(ctx context.Context, email, code string) error {
	return c.call(ctx, http.MethodPost, "/v1/auth/email/verify", nil, verification{email, code}, nil)
}

type verification struct {
	Email string `json:"email"`
	Code  string `json:"code"`
}

// RequestVerification has another code mailed to the account's address.
func (c *Client) RequestVerification(ctx context.Context) error {
	return c.authorized(ctx, http.MethodPost, "/v1/auth/email/verification", nil, nil, nil)
}

// ChangeEmail has a code mailed to a new address, which [Client.ConfirmEmail]
// takes; code "wrong_password" if that is not the account's.
func (c *Client) ChangeEmail(ctx context.Context, email, password string) error {
	return c.authorized(ctx, http.MethodPost, "/v1/auth/email", nil, credentials{email, password}, nil)
}

// ConfirmEmail makes the new address the account's; code "invalid_code".
func (c *Client) ConfirmEmail(ctx context.Context, code string) (User, error) {
	var user User
	return user, c.authorized(ctx, http.MethodPost, "/v1/auth/email/confirm", nil, confirmation{code}, &user)
}

type confirmation struct {
	Code string `json:"code"`
}

// Login begins a session, which the following calls use; code
// "invalid_credentials".
func (c *Client) Login(ctx context.Context, email, password string) error {
	var tokens Tokens
	if err := c.call(ctx, http.MethodPost, "/v1/auth/login", nil, credentials{email, password}, &tokens); err != nil {
		return err
	}
	c.setTokens(tokens)
	return nil
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// Refresh spends a refresh token and gives the tokens that come in its place;
// code "session_revoked" if it was spent before. The client does so by itself.
func (c *Client) Refresh(ctx context.Context, spent Tokens) (Tokens, error) {
	var tokens Tokens
	err := c.call(ctx, http.MethodPost, "/v1/auth/refresh", nil, refresh{spent.RefreshToken}, &tokens)
	return tokens, err
}

type refresh struct {
	RefreshToken string `json:"refresh_token"`
}

// Logout ends the session.
func (c *Client) Logout(ctx context.Context) error {
	return c.authorized(ctx, http.MethodPost, "/v1/auth/logout", nil, nil, nil)
}

// ForgotPassword has a code mailed that [Client.ResetPassword] takes. Whether
// there is an account with the address is not told.
func (c *Client) ForgotPassword(ctx context.Context, email string) error {
	return c.call(ctx, http.MethodPost, "/v1/auth/password/forgot", nil, address{email}, nil)
}

type address struct {
	Email string `json:"email"`
}

// ResetPassword sets a new password with a mailed code, and ends all sessions;
// codes "invalid_code" and "weak_password".
func (c *Client) ResetPassword(ctx context.Context, email, code, password string) error {
	return c.call(ctx, http.MethodPost, "/v1/auth/password/reset", nil, reset{email, code, password}, nil)
}

type reset struct {
	Email    string `json:"email"`
	Code     string `json:"code"`
	Password string `json:"password"`
}

// ChangePassword sets a new password; codes "wrong_password" and "weak_password".
func (c *Client) ChangePassword(ctx context.Context, current, next string) error {
	return c.authorized(ctx, http.MethodPost, "/v1/auth/password", nil, passwords{current, next}, nil)
}

type passwords struct {
	Current string `json:"current_password"`
	New     string `json:"new_password"`
}

// Account shows the account.
func (c *Client) Account(ctx context.Context) (User, error) {
	var user User
	return user, c.authorized(ctx, http.MethodGet, "/v1/auth/me", nil, nil, &user)
}

// Profile is what a person may change of their account; nil leaves it as it is.
type Profile struct {
	Name   *string `json:"name,omitempty"`
	Locale *string `json:"locale,omitempty"` // "en" or "pt-BR"
}

// ChangeAccount changes the account.
func (c *Client) ChangeAccount(ctx context.Context, p Profile) (User, error) {
	var user User
	return user, c.authorized(ctx, http.MethodPatch, "/v1/auth/me", nil, p, &user)
}

// EraseAccount erases the person's data everywhere; code "wrong_password".
func (c *Client) EraseAccount(ctx context.Context, password string) error {
	return c.authorized(ctx, http.MethodDelete, "/v1/auth/me", nil, erasure{password}, nil)
}

type erasure struct {
	Password string `json:"password"`
}

// Session is where the person is logged in.
type Session struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	Network    string    `json:"network"` // IP address
	UserAgent  string    `json:"user_agent"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// Sessions lists where the person is logged in.
func (c *Client) Sessions(ctx context.Context) ([]Session, error) {
	var out struct {
		Sessions []Session `json:"sessions"`
	}
	return out.Sessions, c.authorized(ctx, http.MethodGet, "/v1/auth/sessions", nil, nil, &out)
}

// EndSession ends one session; code "not_found".
func (c *Client) EndSession(ctx context.Context, id string) error {
	return c.authorized(ctx, http.MethodDelete, "/v1/auth/sessions/"+url.PathEscape(id), nil, nil, nil)
}

// EndOtherSessions ends all sessions but this one.
func (c *Client) EndOtherSessions(ctx context.Context) error {
	return c.authorized(ctx, http.MethodDelete, "/v1/auth/sessions", nil, nil, nil)
}

// Scopes of an API key; none includes another.
const (
	VideosRead         = "videos:read"
	VideosWrite        = "videos:write"
	NotificationsRead  = "notifications:read"
	NotificationsWrite = "notifications:write"
	AccountRead        = "account:read"
)

// APIKey is an API key, without its secret.
type APIKey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes"`
	Hint       string     `json:"hint"` // how the secret ends
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`   // nil: never
	LastUsedAt *time.Time `json:"last_used_at,omitempty"` // within some minutes; nil: never
}

// NewAPIKey is an API key to be.
type NewAPIKey struct {
	Name          string   `json:"name"`
	Scopes        []string `json:"scopes"`
	ExpiresInDays int      `json:"expires_in_days,omitempty"` // 0: never
}

// CreatedAPIKey is an API key with its secret, which is shown this once.
type CreatedAPIKey struct {
	Key    APIKey `json:"key"`
	Secret string `json:"secret"`
}

// APIKeys lists the account's API keys.
func (c *Client) APIKeys(ctx context.Context) ([]APIKey, error) {
	var out struct {
		Keys []APIKey `json:"keys"`
	}
	return out.Keys, c.authorized(ctx, http.MethodGet, "/v1/auth/keys", nil, nil, &out)
}

// CreateAPIKey makes an API key; code "too_many_keys".
func (c *Client) CreateAPIKey(ctx context.Context, k NewAPIKey) (*CreatedAPIKey, error) {
	var out CreatedAPIKey
	if err := c.authorized(ctx, http.MethodPost, "/v1/auth/keys", nil, k, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// RevokeAPIKey ends an API key; code "not_found".
func (c *Client) RevokeAPIKey(ctx context.Context, id string) error {
	return c.authorized(ctx, http.MethodDelete, "/v1/auth/keys/"+url.PathEscape(id), nil, nil, nil)
}

// AuditEntry is something that was done with the account, or tried.
type AuditEntry struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Action    string    `json:"action"`
	Result    string    `json:"result"` // "success" or "failure"
	Detail    string    `json:"detail,omitempty"`
	Network   string    `json:"network"` // IP address
	UserAgent string    `json:"user_agent"`
	SessionID string    `json:"session_id,omitempty"`
}

// AuditPage is a part of the audit log.
type AuditPage struct {
	Entries    []AuditEntry `json:"entries"`
	NextCursor string       `json:"next_cursor,omitempty"` // empty on the last page
}

// Audit lists what was done with the account, newest first: from a cursor on if
// one is given, at most limit entries (0: as the API likes).
func (c *Client) Audit(ctx context.Context, cursor string, limit int) (*AuditPage, error) {
	var page AuditPage
	path := "/v1/auth/audit" + query(map[string]string{"cursor": cursor, "limit": positive(limit)})
	if err := c.authorized(ctx, http.MethodGet, path, nil, nil, &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// Export is all that is kept of a person, to be fetched.
type Export struct {
	ID        string       `json:"id"`
	Status    string       `json:"status"` // "pending" or "ready"
	CreatedAt time.Time    `json:"created_at"`
	ExpiresAt time.Time    `json:"expires_at"`
	Files     []ExportFile `json:"files"`
}

// ExportFile is a file of an export, at a signed address.
type ExportFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes
	URL  string `json:"url"`
}

// RequestExport asks for all that is kept of the person.
func (c *Client) RequestExport(ctx context.Context) (*Export, error) {
	var out struct {
		Export Export `json:"export"`
	}
	if err := c.authorized(ctx, http.MethodPost, "/v1/auth/exports", nil, nil, &out); err != nil {
		return nil, err
	}
	return &out.Export, nil
}

// Export shows an export and signs what is there of it; code "not_found".
func (c *Client) Export(ctx context.Context, id string) (*Export, error) {
	var e Export
	if err := c.authorized(ctx, http.MethodGet, "/v1/auth/exports/"+url.PathEscape(id), nil, nil, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// Quota is a limit of an account, and how much of it is used.
type Quota struct {
	Limit int64 `json:"limit"`
	Used  int64 `json:"used"`
}

// TimedQuota is a quota that begins anew.
type TimedQuota struct {
	Limit    int64     `json:"limit"`
	Used     int64     `json:"used"`
	ResetsAt time.Time `json:"resets_at"`
}

// Quotas are an account's.
type Quotas struct {
	BytesStored      Quota      `json:"bytes_stored"`
	ConcurrentVideos Quota      `json:"concurrent_videos"`
	MinutesPerDay    TimedQuota `json:"minutes_per_day"` // of video
	VideosPerDay     TimedQuota `json:"videos_per_day"`
	VideosPerMinute  TimedQuota `json:"videos_per_minute"`
}

// Usage tells what the account uses.
func (c *Client) Usage(ctx context.Context) (*Quotas, error) {
	var out struct {
		Quotas Quotas `json:"quotas"`
	}
	if err := c.authorized(ctx, http.MethodGet, "/v1/usage", nil, nil, &out); err != nil {
		return nil, err
	}
	return &out.Quotas, nil
}

// query makes a query of those members that have a value.
func query(members map[string]string) string {
	values := url.Values{}
	for name, value := range members {
		if value != "" {
			values.Set(name, value)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}
