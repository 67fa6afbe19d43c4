package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// refreshCookieName is that of the cookie in which a browser keeps its refresh
// token. Its prefix has browsers take it only over TLS, for this host alone and
// for all of it, so that no other host of the domain can plant one (RFC 6265bis,
// section 4.1.3.2). They count 127.0.0.1 and localhost as if it were TLS.
//
// No script can read it (HttpOnly), and it goes with no request of another site
// (SameSite=Strict). What it authorizes must come from the web app's own page
// besides: see httpapi.FromOwnPage. The two together leave nobody who could have
// a browser send it: other sites' requests go without it, and those of a sibling
// domain, which is the same site, say another origin. A token that the two hold
// in common would add nothing.
const refreshCookieName = "__Host-fotograma_refresh"

// refreshCookie writes the Set-Cookie header for a refresh token.
func refreshCookie(token string, lifetime time.Duration) string {
	return cookie(token, int(lifetime.Seconds()))
}

// noRefreshCookie writes the Set-Cookie header that takes the cookie away.
func noRefreshCookie() string { return cookie("", -1) }

func cookie(value string, maxAge int) string {
	c := http.Cookie{
		Name: refreshCookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
	}
	return c.String()
}

// WithCookie is the part of a request that has the refresh token's cookie. It is
// exported since huma passes over embedded structs that are not.
type WithCookie struct {
	Cookie string `cookie:"__Host-fotograma_refresh" maxLength:"1000" doc:"The refresh token of a login with cookie; counts in requests of the web app's own page only."`
}

// fromOwnPage gives problem.CrossSite for a request that another page sent.
func fromOwnPage(ctx context.Context) error {
	if !httpapi.FromOwnPage(ctx) {
		return problem.New(problem.CrossSite)
	}
	return nil
}
