package httpapi

import (
	"context"
	"net/http"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// The members of the authorizer's context that tell who calls.
const (
	ClaimUser    = "user_id"
	ClaimSession = "session_id"
)

// Caller is the person who sent a request, as the authorizer found.
type Caller struct {
	UserID    string
	SessionID string
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
	user, _ := gateway.Authorizer[ClaimUser].(string)
	session, _ := gateway.Authorizer[ClaimSession].(string)
	return Caller{UserID: user, SessionID: session}, user != ""
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

func newRequestInfo(r *http.Request, newID func() string) *requestInfo {
	info := &requestInfo{
		locale:   locale.Match(r.Header.Get("Accept-Language")),
		sourceIP: r.RemoteAddr,
		agent:    r.UserAgent(),
	}
	if gateway, ok := core.GetAPIGatewayContextFromContext(r.Context()); ok {
		info.id = gateway.RequestID
	}
	if info.id == "" {
		info.id = newID()
	}
	return info
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

// requireCaller refuses requests without a caller on routes that need one.
// API Gateway has done so before; this holds where a route was misconfigured.
func requireCaller(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if len(ctx.Operation().Security) > 0 {
			if _, ok := CallerFrom(ctx.Context()); !ok {
				_ = huma.WriteErr(api, ctx, http.StatusUnauthorized, "", problem.New(problem.Unauthorized))
				return
			}
		}
		next(ctx)
	}
}
