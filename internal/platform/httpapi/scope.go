package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Scope is a part of what a person may do, which an API key can be given.
type Scope string

// The scopes there are. None includes another: a key that uploads videos and
// watches them has two.
const (
	VideosRead         Scope = "videos:read"         // list, watch and download
	VideosWrite        Scope = "videos:write"        // upload, retry, cancel and delete
	NotificationsRead  Scope = "notifications:read"  // what was sent, which mails are wanted, the webhook
	NotificationsWrite Scope = "notifications:write" // which mails are wanted, the webhook
	AccountRead        Scope = "account:read"        // the account, its usage and its audit log
)

// Scopes lists all of them.
func Scopes() []Scope {
	return []Scope{VideosRead, VideosWrite, NotificationsRead, NotificationsWrite, AccountRead}
}

// Schema implements huma.SchemaProvider.
func (Scope) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, scope := range Scopes() {
		s.Enum = append(s.Enum, string(scope))
	}
	return s
}

// JoinScopes writes scopes as OAuth does (RFC 6749, section 3.3).
func JoinScopes(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}

// splitScopes reads what JoinScopes wrote.
func splitScopes(joined string) []Scope {
	var scopes []Scope
	for word := range strings.FieldsSeq(joined) {
		scopes = append(scopes, Scope(word))
	}
	return scopes
}

// The security schemes of the contract. Both are sent as bearer tokens.
const (
	accessToken = "access_token"
	apiKey      = "api_key"
)

// Login is the security requirement of a route for everybody who has a session,
// and for API keys that have the scope.
func Login(scope Scope) []map[string][]string {
	return []map[string][]string{{accessToken: {}}, {apiKey: {string(scope)}}}
}

// Session is the security requirement of a route that takes a session: no API key
// may use it, whatever its scopes.
func Session() []map[string][]string {
	return []map[string][]string{{accessToken: {}}}
}

// requirement is what a route asks of its caller.
type requirement struct {
	open  bool  // nothing
	scope Scope // of API keys; empty if none may use it
}

// requirementOf reads what Login or Session wrote; anything else is an error, so
// that no route needs a login without saying which scope.
func requirementOf(security []map[string][]string) (requirement, error) {
	if len(security) == 0 {
		return requirement{open: true}, nil
	}
	if session, ok := security[0][accessToken]; !ok || len(security[0]) != 1 || len(session) != 0 {
		return requirement{}, fmt.Errorf("security %v is neither httpapi.Login's nor httpapi.Session's", security)
	}
	if len(security) == 1 {
		return requirement{}, nil
	}
	key := security[1][apiKey]
	if len(security) != 2 || len(security[1]) != 1 || len(key) != 1 || !slices.Contains(Scopes(), Scope(key[0])) {
		return requirement{}, fmt.Errorf("security %v names no scope that there is", security)
	}
	return requirement{scope: Scope(key[0])}, nil
}

// DocumentOperation implements huma.OperationDocumenter. It refuses to register a
// route whose requirement cannot be read.
func (a *API) DocumentOperation(op *huma.Operation) {
	required, err := requirementOf(op.Security)
	if err != nil {
		panic(fmt.Sprintf("httpapi: %s: %v", op.OperationID, err))
	}
	if refused := op.Responses["401"]; refused != nil && !required.open {
		forbidden := *refused
		forbidden.Description = http.StatusText(http.StatusForbidden)
		op.Responses["403"] = &forbidden
	}
	a.OpenAPI().AddOperation(op)
}

// requireCaller refuses requests whose caller is not what the route requires.
// That there is one, API Gateway has seen to before, so that this holds where a
// route was misconfigured; what scopes a key has is checked here alone.
func requireCaller(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if err := admit(ctx); err != nil {
			_ = huma.WriteErr(api, ctx, http.StatusInternalServerError, "", err)
			return
		}
		next(ctx)
	}
}

// admit gives problem.Unauthorized or problem.InsufficientScope.
func admit(ctx huma.Context) error {
	required, err := requirementOf(ctx.Operation().Security)
	if err != nil || required.open {
		return err
	}
	caller, ok := CallerFrom(ctx.Context())
	switch {
	case !ok:
		return problem.New(problem.Unauthorized)
	case caller.SessionID != "":
		return nil
	case required.scope == "":
		return problem.In(problem.InsufficientScope, "header.Authorization", "must be a session's access token, not an API key")
	case !slices.Contains(caller.Scopes, required.scope):
		return problem.In(problem.InsufficientScope, "header.Authorization", fmt.Sprintf("must have the scope %s", required.scope))
	}
	return nil
}
