package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/locale"
)

// Register adds the service's routes to an API.
func Register(api *httpapi.API, s *Service) {
	h := handlers{s}
	open := func(id, path, summary string, status int, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Tags: []string{"auth"}, DefaultStatus: status,
			Errors: append(errors, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError),
		}
	}
	closed := func(id, method, path, summary string, status int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"auth"}, DefaultStatus: status,
			Security: httpapi.Login(), Errors: []int{http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusInternalServerError},
		}
	}
	huma.Register(api, open("register", "/v1/auth/register", "Open an account", http.StatusCreated, http.StatusConflict), h.register)
	huma.Register(api, open("login", "/v1/auth/login", "Begin a session", http.StatusOK, http.StatusUnauthorized), h.login)

	refresh := open("refresh", "/v1/auth/refresh", "Exchange a refresh token for new tokens", http.StatusOK, http.StatusUnauthorized)
	refresh.Description = "The refresh token is spent by it. A spent token that comes again ends the session: session_revoked. " +
		"When two requests with one token overlap, exactly one gets new tokens and the other session_revoked, " +
		"so refresh in one place at a time."
	huma.Register(api, refresh, h.refresh)

	logout := closed("logout", http.MethodPost, "/v1/auth/logout", "End the session", http.StatusNoContent)
	logout.Description = "Its refresh token is worthless at once, its access tokens within half a minute."
	huma.Register(api, logout, h.logout)
	huma.Register(api, closed("get-account", http.MethodGet, "/v1/auth/me", "Show the account", http.StatusOK), h.me)
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
}

func renderUser(u User) userBody {
	return userBody{ID: u.ID, Email: u.Email, Name: u.Name, Locale: u.Locale, CreatedAt: u.CreatedAt.UTC()}
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
	}
}

type tokensOutput struct {
	Body struct {
		AccessToken  string `json:"access_token" doc:"Send it as a bearer token."`
		RefreshToken string `json:"refresh_token" doc:"Good for one refresh, within 30 days."`
		TokenType    string `json:"token_type" enum:"Bearer"`
		ExpiresIn    int    `json:"expires_in" doc:"Seconds until the access token expires." example:"900"`
	}
}

func renderTokens(t Tokens, err error) (*tokensOutput, error) {
	if err != nil {
		return nil, err
	}
	var out tokensOutput
	out.Body.AccessToken, out.Body.RefreshToken = t.Access, t.Refresh
	out.Body.TokenType, out.Body.ExpiresIn = "Bearer", int(t.Lifetime.Seconds())
	return &out, nil
}

// POST /v1/auth/login
func (h handlers) login(ctx context.Context, in *loginInput) (*tokensOutput, error) {
	return renderTokens(h.Login(ctx, in.Body.Email, in.Body.Password))
}

type refreshInput struct {
	Body struct {
		RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"1000"`
	}
}

// POST /v1/auth/refresh
func (h handlers) refresh(ctx context.Context, in *refreshInput) (*tokensOutput, error) {
	return renderTokens(h.Refresh(ctx, in.Body.RefreshToken))
}

// POST /v1/auth/logout
func (h handlers) logout(ctx context.Context, _ *struct{}) (*struct{}, error) {
	caller := httpapi.MustCaller(ctx)
	return nil, h.Logout(ctx, caller.UserID, caller.SessionID)
}

type meOutput struct {
	Body userBody
}

// GET /v1/auth/me
func (h handlers) me(ctx context.Context, _ *struct{}) (*meOutput, error) {
	u, err := h.Account(ctx, httpapi.MustCaller(ctx).UserID)
	if err != nil {
		return nil, err
	}
	return &meOutput{Body: renderUser(u)}, nil
}
