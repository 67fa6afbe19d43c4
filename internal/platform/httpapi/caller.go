package httpapi

import (
	"context"
	"crypto/subtle"
	"net/http"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// The members of the authorizer's context that tell who calls: with a session,
// or with an API key and what it may do.
const (
	ClaimUser    = "user_id"
	ClaimSession = "session_id"
	ClaimKey     = "key_id"
	ClaimScopes  = "scopes" // as JoinScopes writes them
)

// Caller is the person who sent a request, as the authorizer found.
type Caller struct {
	UserID    string
	SessionID string // empty when an API key was sent; a session may do everything

	KeyID  string  // of the API key; empty with a session
	Scopes []Scope // of the API key
}

type (
	callerKey struct{}
	infoKey   struct{}
)

// requestInfo is what the edge knows of a request.
type requestInfo struct {
	id       string
	locale   locale.Locale
	sourceIP string
	agent    string
	ownPage  bool // the web app's own page sent it

	code problem.Code // of the problem that was answered
}

// WithCaller puts the caller into a context.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom gives the caller of the request; false when the route is open and
// nobody is logged in.
func CallerFrom(ctx context.Context) (Caller, bool) {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok {
		return c, true
	}
	gateway, ok := core.GetAPIGatewayContextFromContext(ctx)
	if !ok {
		return Caller{}, false
	}
	c := CallerOf(gateway.Authorizer)
	return c, c.UserID != ""
}

// Claims writes the caller into an authorizer's context.
func (c Caller) Claims() map[string]any {
	claims := map[string]any{ClaimUser: c.UserID}
	if c.SessionID != "" {
		claims[ClaimSession] = c.SessionID
	}
	if c.KeyID != "" {
		claims[ClaimKey], claims[ClaimScopes] = c.KeyID, JoinScopes(c.Scopes)
	}
	return claims
}

// CallerOf reads an authorizer's context.
func CallerOf(claims map[string]any) Caller {
	text := func(name string) string {
		value, _ := claims[name].(string)
		return value
	}
	return Caller{
		UserID: text(ClaimUser), SessionID: text(ClaimSession),
		KeyID: text(ClaimKey), Scopes: splitScopes(text(ClaimScopes)),
	}
}

// MustCaller gives the caller on a route that needs a login, where there always
// is one.
func MustCaller(ctx context.Context) Caller {
	c, ok := CallerFrom(ctx)
	if !ok {
		panic("httpapi: no caller on a route that needs a login")
	}
	return c
}

// LocaleFrom gives the language that the request asked for.
func LocaleFrom(ctx context.Context) locale.Locale { return requestOf(ctx).locale }

// SourceFrom gives the network address and the user agent of the caller.
func SourceFrom(ctx context.Context) (ip, userAgent string) {
	info := requestOf(ctx)
	return info.sourceIP, info.agent
}

// FromOwnPage tells whether the request comes from a page of the web app: what a
// cookie authorizes must.
//
// A browser says in Origin which page's script or form sent a POST; neither can
// change it, and a program that is no browser has nobody's cookies. In
// Sec-Fetch-Site it says the same in another way (Fetch Metadata); browsers that
// do not know it leave it out. The cookie's own SameSite=Strict keeps it from
// requests of other sites; the origin also tells apart sites that share a domain
// with ours, which SameSite does not.
func FromOwnPage(ctx context.Context) bool { return requestOf(ctx).ownPage }

func (a *API) isOwnPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "same-site":
		return a.isOwnOrigin(r)
	default:
		return false
	}
}

// isOwnOrigin tells whether a browser says that the web app sent the request.
func (a *API) isOwnOrigin(r *http.Request) bool {
	origin := r.Header.Values("Origin")
	return a.cfg.Origin != "" && len(origin) == 1 && origin[0] == a.cfg.Origin
}

func (a *API) newRequestInfo(r *http.Request) *requestInfo {
	info := &requestInfo{
		locale:   locale.Match(r.Header.Get("Accept-Language")),
		sourceIP: a.sourceOf(r),
		agent:    r.UserAgent(),
		ownPage:  a.isOwnPage(r),
	}
	if gateway, ok := core.GetAPIGatewayContextFromContext(r.Context()); ok {
		info.id = gateway.RequestID
	}
	if info.id == "" {
		info.id = a.cfg.NewID()
	}
	return info
}

// What the distribution that serves the web app adds to requests of the API: who
// sent them, and a secret by which it is known (template.yaml, ApiEdge).
const (
	viewerHeader = "X-Fotograma-Viewer"
	edgeHeader   = "X-Fotograma-Edge"
)

// sourceOf gives the address that a request came from: what API Gateway saw, or,
// for one that came by way of our own distribution, what that saw. What anybody
// else says in a header does not count.
func (a *API) sourceOf(r *http.Request) string {
	viewer, said := r.Header.Get(viewerHeader), r.Header.Get(edgeHeader)
	if a.cfg.EdgeSecret != "" && viewer != "" && subtle.ConstantTimeCompare([]byte(said), []byte(a.cfg.EdgeSecret)) == 1 {
		return viewer
	}
	return r.RemoteAddr
}

func withInfo(ctx context.Context, info *requestInfo) context.Context {
	return context.WithValue(ctx, infoKey{}, info)
}

func requestOf(ctx context.Context) *requestInfo {
	if info, ok := ctx.Value(infoKey{}).(*requestInfo); ok {
		return info
	}
	return &requestInfo{locale: locale.English}
}
