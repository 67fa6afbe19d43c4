package notification

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/fotograma/fotograma/internal/platform/mailcode"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Unsubscribes makes and reads the tokens by which whoever has a mail switches off
// mails of its kind, without a login (RFC 8058).
//
// A token is good for that alone, and for as long as Secrets Manager keeps the version
// of the key that it names:
//
//	<key ID>.<user ID>.<kind>.<HMAC-SHA-256 of the purpose, the user ID and the kind, base64url>
type Unsubscribes struct {
	Keys      *mailcode.Keys
	WebOrigin string
}

// unsubscribePurpose sets these MACs apart from all others.
const unsubscribePurpose = "fotograma unsubscribe v1"

// token makes the token of a person and a kind of mails.
func (u *Unsubscribes) token(ctx context.Context, userID string, k kind) (string, error) {
	keyID, key, err := u.Keys.Current(ctx)
	if err != nil {
		return "", err
	}
	return strings.Join([]string{keyID, userID, string(k), unsubscribeMAC(key, userID, k)}, "."), nil
}

// read gives whose mails of which kind a token switches off; problem.InvalidLink
// if nobody made it.
func (u *Unsubscribes) read(ctx context.Context, token string) (userID string, k kind, err error) {
	refused := problem.New(problem.InvalidLink)
	parts := strings.Split(token, ".")
	if len(parts) != 4 {
		return "", "", refused
	}
	keyID, userID, k, mac := parts[0], parts[1], kind(parts[2]), parts[3]
	if !k.optional() || !versionID.MatchString(keyID) {
		return "", "", refused
	}
	key, err := u.Keys.Version(ctx, keyID)
	if _, unknown := errors.AsType[*types.ResourceNotFoundException](err); unknown {
		slog.InfoContext(ctx, "no such version of the unsubscribe key", "error", err)
		return "", "", refused
	}
	if err != nil {
		return "", "", err
	}
	if !hmac.Equal([]byte(mac), []byte(unsubscribeMAC(key, userID, k))) {
		return "", "", refused
	}
	return userID, k, nil
}

// versionID is how IDs of a secret's versions look. Secrets Manager fails for those of
// another length, which must not count as a fault of ours.
var versionID = regexp.MustCompile("^[0-9A-Za-z-]{32,64}$")

func unsubscribeMAC(key []byte, userID string, k kind) string {
	return base64.RawURLEncoding.EncodeToString(mailcode.MAC(key, unsubscribePurpose, userID, string(k)))
}

// address is where a mail program sends the request of RFC 8058.
func (u *Unsubscribes) address(token string) string {
	return u.WebOrigin + "/v1/notifications/unsubscribe?" + url.Values{"token": {token}}.Encode()
}

// page is where a person goes; the token is in the fragment, which a browser sends
// to nobody.
func (u *Unsubscribes) page(token string) string {
	return u.WebOrigin + "/unsubscribe#" + url.Values{"token": {token}}.Encode()
}
