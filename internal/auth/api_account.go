package auth

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/locale"
)

// registerAccount adds the routes that change an account.
func (h handlers) registerAccount(api *httpapi.API) {
	verify := openRoute("verify-email", "/v1/auth/email/verify", "Verify the e-mail address", http.StatusNoContent)
	verify.Description = "With the code that was mailed when the account was opened, or asked for with POST /v1/auth/email/verification; " +
		"good for 24 hours, and only the newest is. invalid_code is the answer to every code that is not good, and to every address that has none. " +
		"Until the address is verified, few mails are sent to it."
	huma.Register(api, verify, h.verifyEmail)

	again := closedRoute("request-verification", http.MethodPost, "/v1/auth/email/verification", "Mail another code to verify the address", http.StatusAccepted)
	again.Description = "Nothing is mailed if the address is verified already."
	huma.Register(api, again, h.requestVerification)

	forgot := openRoute("forgot-password", "/v1/auth/password/forgot", "Mail a code to set a new password", http.StatusAccepted)
	forgot.Description = "The answer is the same whether or not there is an account of the address. The code is good for 30 minutes, and only the newest is."
	huma.Register(api, forgot, h.forgotPassword)

	reset := openRoute("reset-password", "/v1/auth/password/reset", "Set a new password with the mailed code", http.StatusNoContent)
	reset.Description = "All sessions end, all API keys are revoked, and the address counts as verified. invalid_code is the answer to every code that is not good, " +
		"and to every address without an account; after five of them, ask for a new code."
	huma.Register(api, reset, h.resetPassword)

	change := closedRoute("change-password", http.MethodPost, "/v1/auth/password", "Change the password", http.StatusNoContent, http.StatusUnprocessableEntity)
	change.Description = "All other sessions end."
	huma.Register(api, change, h.changePassword)

	profile := closedRoute("change-account", http.MethodPatch, "/v1/auth/me", "Change name and language", http.StatusOK, http.StatusUnprocessableEntity)
	profile.Description = "What is left out stays as it is."
	huma.Register(api, profile, h.changeProfile)

	move := closedRoute("change-email", http.MethodPost, "/v1/auth/email", "Mail a code to another address", http.StatusAccepted, http.StatusUnprocessableEntity)
	move.Description = "The address changes when the code comes back: POST /v1/auth/email/confirm, within 24 hours. " +
		"Nothing is mailed to an address that an account has already; the answer is the same."
	huma.Register(api, move, h.changeEmail)

	confirm := closedRoute("confirm-email", http.MethodPost, "/v1/auth/email/confirm", "Change the address with the mailed code", http.StatusOK, http.StatusUnprocessableEntity)
	confirm.Description = "A mail tells so at the address before."
	huma.Register(api, confirm, h.confirmEmail)
}

type verifyEmailInput struct {
	Body struct {
		Email string `json:"email" maxLength:"320" example:"ana@example.com"`
		Code  string `json:"code" maxLength:"50" doc:"As it was mailed; capitals and the dash do not matter." example:"7K2M-9XQ4"`
	}
}

// POST /v1/auth/email/verify
func (h handlers) verifyEmail(ctx context.Context, in *verifyEmailInput) (*struct{}, error) {
	return nil, h.VerifyEmail(ctx, in.Body.Email, in.Body.Code)
}

// POST /v1/auth/email/verification
func (h handlers) requestVerification(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, h.RequestVerification(ctx, httpapi.MustCaller(ctx).UserID)
}

type forgotPasswordInput struct {
	Body struct {
		Email string `json:"email" maxLength:"320" example:"ana@example.com"`
	}
}

// POST /v1/auth/password/forgot
func (h handlers) forgotPassword(ctx context.Context, in *forgotPasswordInput) (*struct{}, error) {
	return nil, h.ForgotPassword(ctx, in.Body.Email)
}

type resetPasswordInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"320" example:"ana@example.com"`
		Code     string `json:"code" maxLength:"50" doc:"As it was mailed; capitals and the dash do not matter." example:"7K2M-9XQ4"`
		Password string `json:"password" maxLength:"1000" format:"password" doc:"The new one, as for registering." example:"a horse of many staples"`
	}
}

// POST /v1/auth/password/reset
func (h handlers) resetPassword(ctx context.Context, in *resetPasswordInput) (*struct{}, error) {
	return nil, h.ResetPassword(ctx, in.Body.Email, in.Body.Code, in.Body.Password)
}

type changePasswordInput struct {
	Body struct {
		Current string `json:"current_password" maxLength:"1000" format:"password" example:"a horse of many staples"`
		New     string `json:"new_password" maxLength:"1000" format:"password" doc:"As for registering." example:"another horse of more staples"`
	}
}

// POST /v1/auth/password
func (h handlers) changePassword(ctx context.Context, in *changePasswordInput) (*struct{}, error) {
	caller := httpapi.MustCaller(ctx)
	return nil, h.ChangePassword(ctx, caller.UserID, caller.SessionID, in.Body.Current, in.Body.New)
}

type changeProfileInput struct {
	Body struct {
		Name   *string        `json:"name,omitempty" maxLength:"200" doc:"How mails address the person; may be empty." example:"Ana"`
		Locale *locale.Locale `json:"locale,omitempty" enum:"en,pt-BR" doc:"The language of mails."`
	}
}

// PATCH /v1/auth/me
func (h handlers) changeProfile(ctx context.Context, in *changeProfileInput) (*meOutput, error) {
	return renderMe(h.ChangeProfile(ctx, httpapi.MustCaller(ctx).UserID, Profile{Name: in.Body.Name, Locale: in.Body.Locale}))
}

type changeEmailInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"320" doc:"The new address." example:"ana.souza@example.com"`
		Password string `json:"password" maxLength:"1000" format:"password" doc:"The account's." example:"a horse of many staples"`
	}
}

// POST /v1/auth/email
func (h handlers) changeEmail(ctx context.Context, in *changeEmailInput) (*struct{}, error) {
	return nil, h.ChangeEmail(ctx, httpapi.MustCaller(ctx).UserID, in.Body.Email, in.Body.Password)
}

type confirmEmailInput struct {
	Body struct {
		Code string `json:"code" maxLength:"50" doc:"As it was mailed; capitals and the dash do not matter." example:"7K2M-9XQ4"`
	}
}

// POST /v1/auth/email/confirm
func (h handlers) confirmEmail(ctx context.Context, in *confirmEmailInput) (*meOutput, error) {
	return renderMe(h.ConfirmEmail(ctx, httpapi.MustCaller(ctx).UserID, in.Body.Code))
}

func renderMe(u User, err error) (*meOutput, error) {
	if err != nil {
		return nil, err
	}
	return &meOutput{Body: renderUser(u)}, nil
}
