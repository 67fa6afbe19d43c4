package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/locale"
)

// openRoute describes a route that needs no login.
func openRoute(id, path, summary string, status int, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Tags: []string{"auth"}, DefaultStatus: status,
		Errors: append(errors, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError),
	}
}

// closedRoute describes a route that needs a session, since it manages the account;
// one that API keys may use says with which scope.
func closedRoute(id, method, path, summary string, status int, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"auth"}, DefaultStatus: status,
		Security: httpapi.Session(), Errors: append(errors, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusInternalServerError),
	}
}

// Register adds the service's routes to an API.
func Register(api *httpapi.API, s *Service) {
	h := handlers{s}
	huma.Register(api, openRoute("register", "/v1/auth/register", "Open an account", http.StatusCreated, http.StatusConflict), h.register)
	login := openRoute("login", "/v1/auth/login", "Begin a session", http.StatusOK, http.StatusUnauthorized, http.StatusForbidden)
	login.Description = "With cookie, which is for the web app, the refresh token is in a cookie that no script can read, and not in the answer."
	huma.Register(api, login, h.login)

	refresh := openRoute("refresh", "/v1/auth/refresh", "Exchange a refresh token for new tokens", http.StatusOK, http.StatusUnauthorized, http.StatusForbidden)
	refresh.Description = "Without one in the body, the cookie's is taken, and the next one is in a cookie again. " +
		"The refresh token is spent by it. A spent token that comes again ends the session: session_revoked. " +
		"When two requests with one token overlap, exactly one gets new tokens and the other session_revoked, " +
		"so refresh in one place at a time."
	huma.Register(api, refresh, h.refresh)

	logout := closedRoute("logout", http.MethodPost, "/v1/auth/logout", "End the session", http.StatusNoContent)
	logout.Description = "Its refresh token is worthless at once, its access tokens within half a minute. A cookie's session ends with it."
	huma.Register(api, logout, h.logout)
	me := closedRoute("get-account", http.MethodGet, "/v1/auth/me", "Show the account", http.StatusOK)
	me.Security = httpapi.Login(httpapi.AccountRead)
	huma.Register(api, me, h.me)
	registerAPIKeys(api, h)
	h.registerAccount(api)
	h.registerSessions(api)
	registerPrivacy(api, h)
}

type handlers struct{ *Service }

// userBody is an account as its owner sees it.
type userBody struct {
	ID        string        `json:"id" format:"uuid"`
	Email     string        `json:"email" format:"email" doc:"In lower case." example:"ana@example.com"`
	Name      string        `json:"name" doc:"Empty if none was given." example:"Ana"`
	Locale    locale.Locale `json:"locale" enum:"en,pt-BR" doc:"The language of mails." example:"pt-BR"`
	CreatedAt time.Time     `json:"created_at"`

	EmailVerified bool `json:"email_verified" doc:"Whether a code that was mailed to the address has come back."`
}

func renderUser(u User) userBody {
	return userBody{ID: u.ID, Email: u.Email, Name: u.Name, Locale: u.Locale, CreatedAt: u.CreatedAt.UTC(), EmailVerified: u.EmailVerified}
}

type registerInput struct {
	Body struct {
		Email    string        `json:"email" maxLength:"320" doc:"Where mails go. Upper and lower case are the same." example:"ana@example.com"`
		Password string        `json:"password" maxLength:"1000" format:"password" doc:"At least 10 characters and at most 1,000 bytes, not easily guessed." example:"a horse of many staples"`
		Name     string        `json:"name,omitempty" maxLength:"200" doc:"How mails address the person." example:"Ana"`
		Locale   locale.Locale `json:"locale,omitempty" enum:"en,pt-BR" doc:"The language of mails; default is what Accept-Language asks for."`
	}
}

type registerOutput struct {
	Body struct {
		User userBody `json:"user"`
	}
}

// POST /v1/auth/register
func (h handlers) register(ctx context.Context, in *registerInput) (*registerOutput, error) {
	r := Registration{Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name, Locale: in.Body.Locale}
	if r.Locale == "" {
		r.Locale = httpapi.LocaleFrom(ctx)
	}
	u, err := h.Register(ctx, r)
	if err != nil {
		return nil, err
	}
	var out registerOutput
	out.Body.User = renderUser(u)
	return &out, nil
}

type loginInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"320" example:"ana@example.com"`
		Password string `json:"password" maxLength:"1000" format:"password" example:"a horse of many staples"`
		Cookie   bool   `json:"cookie,omitempty" doc:"Keep the refresh token in a cookie; for the web app's own page."`
	}
}

type tokensOutput struct {
	SetCookie string `header:"Set-Cookie" doc:"The refresh token, where a cookie was asked for."`
	Body      struct {
		AccessToken  string `json:"access_token" doc:"Send it as a bearer token."`
		RefreshToken string `json:"refresh_token,omitempty" doc:"Good for one refresh, within 30 days. Absent where it is in a cookie."`
		TokenType    string `json:"token_type" enum:"Bearer"`
		ExpiresIn    int    `json:"expires_in" doc:"Seconds until the access token expires." example:"900"`
	}
}

// renderTokens shows tokens, or the error of what made them; the refresh token in
// a cookie or in the body.
func (h handlers) renderTokens(inCookie bool, t Tokens, err error) (*tokensOutput, error) {
	if err != nil {
		return nil, err
	}
	var out tokensOutput
	out.Body.AccessToken = t.Access
	if inCookie {
		out.SetCookie = refreshCookie(t.Refresh, h.Limits.SessionLifetime)
	} else {
		out.Body.RefreshToken = t.Refresh
	}
	out.Body.TokenType, out.Body.ExpiresIn = "Bearer", int(t.Lifetime.Seconds())
	return &out, nil
}

// POST /v1/auth/login
func (h handlers) login(ctx context.Context, in *loginInput) (*tokensOutput, error) {
	if in.Body.Cookie {
		if err := fromOwnPage(ctx); err != nil { // nobody else may log a browser in, to whatever account
			return nil, err
		}
	}
	tokens, err := h.Login(ctx, in.Body.Email, in.Body.Password)
	return h.renderTokens(in.Body.Cookie, tokens, err)
}

type refreshInput struct {
	WithCookie
	Body *struct {
		RefreshToken string `json:"refresh_token,omitempty" minLength:"1" maxLength:"1000" doc:"By default the cookie's."`
	}
}

// POST /v1/auth/refresh
func (h handlers) refresh(ctx context.Context, in *refreshInput) (*tokensOutput, error) {
	if in.Body != nil && in.Body.RefreshToken != "" {
		tokens, err := h.Refresh(ctx, in.Body.RefreshToken)
		return h.renderTokens(false, tokens, err)
	}
	if in.Cookie != "" {
		if err := fromOwnPage(ctx); err != nil {
			return nil, err
		}
	}
	tokens, err := h.Refresh(ctx, in.Cookie)
	return h.renderTokens(true, tokens, err)
}

type logoutInput struct {
	WithCookie
}

type logoutOutput struct {
	SetCookie string `header:"Set-Cookie" doc:"Takes the cookie away, if one came."`
}

// POST /v1/auth/logout
//
// The access token authorizes it, which no other site has. The cookie may be of
// another session, of a login that came after; it would live on where nobody could
// end it.
func (h handlers) logout(ctx context.Context, in *logoutInput) (*logoutOutput, error) {
	caller := httpapi.MustCaller(ctx)
	if err := h.Logout(ctx, caller.UserID, caller.SessionID); err != nil {
		return nil, err
	}
	if in.Cookie == "" {
		return &logoutOutput{}, nil
	}
	if err := fromOwnPage(ctx); err != nil {
		return nil, err
	}
	return &logoutOutput{SetCookie: noRefreshCookie()}, h.LogoutToken(ctx, in.Cookie)
}

type meOutput struct {
	Body userBody
}

// GET /v1/auth/me
func (h handlers) me(ctx context.Context, _ *struct{}) (*meOutput, error) {
	return renderMe(h.Account(ctx, httpapi.MustCaller(ctx).UserID))
}
