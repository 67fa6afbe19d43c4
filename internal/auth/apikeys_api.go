package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
)

// registerAPIKeys adds the routes of API keys.
func registerAPIKeys(api *httpapi.API, h handlers) {
	create := closedRoute("create-api-key", http.MethodPost, "/v1/auth/keys", "Make an API key", http.StatusCreated,
		http.StatusConflict, http.StatusUnprocessableEntity)
	create.Description = "The secret is in this answer and in no other. Send it as a bearer token, where an access token would be."
	huma.Register(api, create, h.createAPIKey)
	huma.Register(api, closedRoute("list-api-keys", http.MethodGet, "/v1/auth/keys", "List API keys, oldest first", http.StatusOK), h.listAPIKeys)
	revoke := closedRoute("revoke-api-key", http.MethodDelete, "/v1/auth/keys/{id}", "Revoke an API key", http.StatusNoContent, http.StatusNotFound)
	revoke.Description = "It is refused within half a minute."
	huma.Register(api, revoke, h.revokeAPIKey)
}

// apiKeyBody is an API key as its owner sees it.
type apiKeyBody struct {
	ID         string          `json:"id" format:"uuid"`
	Name       string          `json:"name" example:"nightly export"`
	Scopes     []httpapi.Scope `json:"scopes" nullable:"false" doc:"What it may do; no scope includes another."`
	Hint       string          `json:"hint" doc:"How the secret ends." example:"k2Tg"`
	CreatedAt  time.Time       `json:"created_at"`
	ExpiresAt  *time.Time      `json:"expires_at,omitempty" doc:"Absent if it never does."`
	LastUsedAt *time.Time      `json:"last_used_at,omitempty" doc:"Within some minutes; absent if it never was."`
}

func renderAPIKey(k APIKey) apiKeyBody {
	given := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	return apiKeyBody{
		ID: k.ID, Name: k.Name, Scopes: k.Scopes, Hint: k.Hint, CreatedAt: k.CreatedAt.UTC(),
		ExpiresAt: given(k.ExpiresAt), LastUsedAt: given(k.LastUsedAt),
	}
}

type createAPIKeyInput struct {
	Body struct {
		Name          string          `json:"name" minLength:"1" maxLength:"100" doc:"What it is for." example:"nightly export"`
		Scopes        []httpapi.Scope `json:"scopes" nullable:"false" minItems:"1" maxItems:"20" doc:"What it may do; no scope includes another." example:"[\"videos:read\"]"`
		ExpiresInDays int             `json:"expires_in_days,omitempty" minimum:"1" maximum:"3650" doc:"By default it does not expire." example:"90"`
	}
}

type createAPIKeyOutput struct {
	Body struct {
		Key    apiKeyBody `json:"key"`
		Secret string     `json:"secret" doc:"Shown this once."`
	}
}

// POST /v1/auth/keys
func (h handlers) createAPIKey(ctx context.Context, in *createAPIKeyInput) (*createAPIKeyOutput, error) {
	key, secret, err := h.CreateAPIKey(ctx, httpapi.MustCaller(ctx), NewAPIKey{
		Name: in.Body.Name, Scopes: in.Body.Scopes, Lifetime: time.Duration(in.Body.ExpiresInDays) * 24 * time.Hour,
	})
	if err != nil {
		return nil, err
	}
	var out createAPIKeyOutput
	out.Body.Key, out.Body.Secret = renderAPIKey(key), secret
	return &out, nil
}

type listAPIKeysOutput struct {
	Body struct {
		Keys []apiKeyBody `json:"keys" nullable:"false"`
	}
}

// GET /v1/auth/keys
func (h handlers) listAPIKeys(ctx context.Context, _ *struct{}) (*listAPIKeysOutput, error) {
	keys, err := h.APIKeys(ctx, httpapi.MustCaller(ctx).UserID)
	if err != nil {
		return nil, err
	}
	var out listAPIKeysOutput
	out.Body.Keys = make([]apiKeyBody, len(keys))
	for i, k := range keys {
		out.Body.Keys[i] = renderAPIKey(k)
	}
	return &out, nil
}

type apiKeyRef struct {
	ID string `path:"id" maxLength:"64" doc:"The key's ID."`
}

// DELETE /v1/auth/keys/{id}
func (h handlers) revokeAPIKey(ctx context.Context, in *apiKeyRef) (*struct{}, error) {
	return nil, h.RevokeAPIKey(ctx, httpapi.MustCaller(ctx).UserID, in.ID)
}
