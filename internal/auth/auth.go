// Package auth knows who people are: accounts, sessions, and the tokens that
// prove them.
//
// A person who logs in begins a session and gets two tokens. The access token, a
// JSON Web Token, goes with every request; API Gateway has it checked by the
// [Authorizer], and lets it pass for a quarter of an hour. The refresh token is
// opaque, and good for one thing once: two new tokens.
//
// # Refresh tokens
//
// A refresh spends the token that it was asked with. A spent token that comes
// again was copied, by whom cannot be told, so the session ends: neither its
// refresh token nor, once the authorizer's cache has forgotten them, its access
// tokens are good for anything any more. When two requests with the same token
// overlap, so that both found it unspent, exactly one of them wins; the other is
// refused with session_revoked as well, but does not end the session. Since the
// server cannot promise that two requests overlap, a client should refresh in one
// place at a time.
//
// A browser keeps its refresh token in a cookie, where no script finds it: see
// refreshCookieName.
//
// # Mailed codes
//
// To verify an address, to set a forgotten password and to change the address a
// person gives back a code that was mailed. It travels in no event and lies in no
// table: this service and notification make it of the request and of a key that
// only they can read (package mailcode). It is good once, for a while and a few
// guesses, and only the newest of a purpose is. Guesses are counted before they
// are looked at.
//
// # Sessions and passwords
//
// A new password ends sessions: all of them if it was forgotten, else all but the
// one that asks. A login that looked at the old password begins none any more, and
// codes that were asked for with it change nothing any more.
//
// # API keys
//
// An API key goes where an access token goes, and acts for its owner within its
// scopes (httpapi.Scope). It manages nothing of the account, so that whoever finds
// one cannot make another, or lock its owner out. It ends when it expires or is
// revoked, not with a session or a change of password: scripts go on when people
// log out. Only a password that was forgotten takes all keys with it, since
// somebody else may have had the account.
//
// # What is not told
//
// A login is refused in the same words and after the same work whether the
// address is unknown or the password wrong, and attempts are counted alike. So it
// is with forgotten passwords, with mailed codes and with a change to an address
// that is taken: where there is nobody to write to, the same rows are written
// under the key of nobody, and the same event is sent, without an address, of
// which no mail comes. Only a registration tells that an address has an account,
// and is limited for that. No address, name, password, code or token is ever
// logged.
//
// # Limits
//
// What can be guessed or makes mails is limited on each address and for each
// network (attempts.go; Limits has the figures). A network is what API Gateway
// or our own distribution saw, not what anybody's header says. Whoever knows an address can use up its attempts
// and keep its owner from logging in, or from using a code, for a while: that is
// the price, and sessions that have begun go on.
package auth

import (
	"time"

	"github.com/fotograma/fotograma/internal/platform/locale"
)

// User is a person's account.
type User struct {
	ID        string
	Email     string // as normaliseEmail gives it
	Name      string // may be empty
	Locale    locale.Locale
	CreatedAt time.Time

	// EmailVerified is whether the person has shown that mails to Email reach
	// them.
	EmailVerified bool
}

// Registration is what a person says to get an account.
type Registration struct {
	Email    string
	Password string
	Name     string // may be empty
	Locale   locale.Locale
}

// Tokens are what a login or a refresh gives.
type Tokens struct {
	Access  string
	Refresh string

	// Lifetime is how long the access token is valid.
	Lifetime time.Duration
}

// session is one login of a person, on one device.
type session struct {
	id, userID string
	createdAt  time.Time
	lastUsedAt time.Time // when it began, or when its tokens were last renewed
	expiresAt  time.Time
	from       origin // of its last use
}
