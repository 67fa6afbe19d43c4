package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"
)

// secretLength is the length of a refresh token's secret, in bytes: 256 bits.
const secretLength = 32

var errBadRefreshToken = errors.New("not a refresh token")

// refreshToken is what a refresh token consists of. Clients see base64url of
// the two IDs and the secret, 86 characters, and should make nothing of it; the
// IDs are there so that all rows of a person lie under one key.
type refreshToken struct {
	user, session uuid.UUID
	secret        [secretLength]byte
}

// newRefreshToken makes a token for a session, with a secret read from random.
func newRefreshToken(userID, sessionID string, random io.Reader) (refreshToken, error) {
	var t refreshToken
	var err error
	if t.user, err = uuid.Parse(userID); err != nil {
		return t, fmt.Errorf("make refresh token: user ID: %w", err)
	}
	if t.session, err = uuid.Parse(sessionID); err != nil {
		return t, fmt.Errorf("make refresh token: session ID: %w", err)
	}
	if _, err := io.ReadFull(random, t.secret[:]); err != nil {
		return t, fmt.Errorf("make refresh token: %w", err)
	}
	return t, nil
}

// parseRefreshToken reads what encode wrote, and nothing else: a token has one
// spelling. Otherwise it gives errBadRefreshToken.
func parseRefreshToken(s string) (refreshToken, error) {
	var t refreshToken
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) != len(t.user)+len(t.session)+len(t.secret) {
		return t, errBadRefreshToken
	}
	copy(t.user[:], raw)
	copy(t.session[:], raw[len(t.user):])
	copy(t.secret[:], raw[len(t.user)+len(t.session):])
	if t.encode() != s { // line breaks, which the decoder skips, or stray bits
		return t, errBadRefreshToken
	}
	return t, nil
}

func (t refreshToken) encode() string {
	return base64.RawURLEncoding.EncodeToString(slices.Concat(t.user[:], t.session[:], t.secret[:]))
}

// hash is what is stored of a token. The secret is random, so that SHA-256 is
// as good as a slow hash.
func (t refreshToken) hash() string {
	sum := sha256.Sum256(t.secret[:])
	return hex.EncodeToString(sum[:])
}
