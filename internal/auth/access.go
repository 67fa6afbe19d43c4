package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// What every access token says of its issuer and audience.
const (
	tokenIssuer   = "fotograma"
	tokenAudience = "fotograma-api" //nolint:gosec // a name, not a credential
)

const (
	// clockSkew is by how much the clocks of two functions may differ.
	clockSkew = 5 * time.Second

	// maxAccessToken is the longest token that is looked at, in bytes; ours
	// have less than 500.
	maxAccessToken = 2048
)

// errBadToken is for access tokens that are malformed, not signed by us, expired
// or not for this API.
var errBadToken = errors.New("access token refused")

// AccessTokens issues and verifies access tokens: JSON Web Tokens (RFC 7519)
// signed with HMAC-SHA-256. No other algorithm is accepted, whatever a token's
// header says (RFC 8725, section 3.1).
type AccessTokens struct {
	Keys     *Keys
	Lifetime time.Duration // of those that are issued
	Now      func() time.Time
}

// identity is whom a token was issued to.
type identity struct {
	userID, sessionID string
}

type claims struct {
	jwt.RegisteredClaims

	SessionID string `json:"sid"`
}

// Validate implements jwt.ClaimsValidator: the parser checks the times that are
// there, and that exp is; here that none is missing.
func (c *claims) Validate() error {
	if c.Subject == "" || c.SessionID == "" || c.NotBefore == nil || c.IssuedAt == nil {
		return errors.New("a claim is missing")
	}
	return nil
}

func (t *AccessTokens) issue(ctx context.Context, who identity) (string, error) {
	signer, err := t.Keys.signing(ctx)
	if err != nil {
		return "", err
	}
	now := t.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    tokenIssuer,
			Audience:  jwt.ClaimStrings{tokenAudience},
			Subject:   who.userID,
			IssuedAt:  jwt.NewNumericDate(now),
			NotBefore: jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(t.Lifetime)),
		},
		SessionID: who.sessionID,
	})
	token.Header["kid"] = signer.id
	signed, err := token.SignedString(signer.secret)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return signed, nil
}

// verify tells whom a token was issued to. It gives errBadToken for a token that
// is not, or no longer, good, and other errors when that cannot be found out.
// Whether the session still lives is for the caller to check.
func (t *AccessTokens) verify(ctx context.Context, raw string) (identity, error) {
	if len(raw) > maxAccessToken {
		return identity{}, errBadToken
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithIssuer(tokenIssuer),
		jwt.WithAudience(tokenAudience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(clockSkew),
		jwt.WithTimeFunc(t.Now),
	)
	var c claims
	var unavailable error
	_, err := parser.ParseWithClaims(raw, &c, func(token *jwt.Token) (any, error) {
		id, _ := token.Header["kid"].(string)
		found, err := t.Keys.verifying(ctx, id)
		if err != nil && !errors.Is(err, errUnknownKey) {
			unavailable = err
		}
		return found.secret, err
	})
	switch {
	case unavailable != nil:
		return identity{}, unavailable
	case err != nil:
		return identity{}, errBadToken // its text may quote the token
	}
	return identity{userID: c.Subject, sessionID: c.SessionID}, nil
}

// parseBearer takes the token out of an Authorization header (RFC 6750, section
// 2.1; RFC 9110, section 11.4: the scheme is free of case). ok is false when the
// header is anything else.
func parseBearer(header string) (token string, ok bool) {
	scheme, rest, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	token = strings.TrimLeft(rest, " ")
	body := strings.TrimRight(token, "=")
	if body == "" || strings.ContainsFunc(body, notToken68) {
		return "", false
	}
	return token, true
}

// notToken68 holds for the characters that cannot be in a token68 (RFC 9110,
// section 11.2) before its padding.
func notToken68(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	default:
		return !strings.ContainsRune("-._~+/", r)
	}
}
