package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

const (
	// apiKeyPrefix begins every API key, so that programs which look for leaked
	// secrets find it, and so that it is never taken for an access token.
	apiKeyPrefix = "fotograma_"

	// hintLength is how many characters of a key its owner sees later. They are
	// the last ones, which belong to the checksum.
	hintLength = 4

	maxKeyName = 100 // characters

	// keyUseInterval is how old last_used_at may be before it is written anew.
	keyUseInterval = 5 * time.Minute

	// keyUsePatience is how long a request waits for that.
	keyUsePatience = 500 * time.Millisecond
)

// What the audit log tells of API keys; its detail is the key's ID.
const (
	actionAPIKeyCreated action = "api_key_created"
	actionAPIKeyRevoked action = "api_key_revoked"
)

var errBadAPIKey = errors.New("not an API key")

// apiKeySecret is what an API key consists of, as its owner has it. It is written
// as the prefix and base64url of the two IDs, the secret and a checksum of these:
// 101 characters. Scripts should make nothing of it; the IDs are there so that all
// rows of a person lie under one key, and the checksum (CRC-32, as in GitHub's
// tokens) so that a mistyped key is refused without a look into the table.
type apiKeySecret struct {
	user, id uuid.UUID
	secret   [secretLength]byte
}

// newAPIKeySecret makes a key of a person, with a secret read from random.
func newAPIKeySecret(userID, keyID string, random io.Reader) (apiKeySecret, error) {
	var k apiKeySecret
	var err error
	if k.user, err = uuid.Parse(userID); err != nil {
		return k, fmt.Errorf("make API key: user ID: %w", err)
	}
	if k.id, err = uuid.Parse(keyID); err != nil {
		return k, fmt.Errorf("make API key: ID: %w", err)
	}
	if _, err := io.ReadFull(random, k.secret[:]); err != nil {
		return k, fmt.Errorf("make API key: %w", err)
	}
	return k, nil
}

// parseAPIKey reads what encode wrote, and nothing else: a key has one spelling.
// Otherwise it gives errBadAPIKey.
func parseAPIKey(s string) (apiKeySecret, error) {
	var k apiKeySecret
	body, found := strings.CutPrefix(s, apiKeyPrefix)
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if !found || err != nil || len(raw) != len(k.user)+len(k.id)+len(k.secret)+crc32.Size {
		return k, errBadAPIKey
	}
	copy(k.user[:], raw)
	copy(k.id[:], raw[len(k.user):])
	copy(k.secret[:], raw[len(k.user)+len(k.id):])
	if k.encode() != s { // another checksum, line breaks, which the decoder skips, or stray bits
		return apiKeySecret{}, errBadAPIKey
	}
	return k, nil
}

func (k apiKeySecret) encode() string {
	raw := slices.Concat(k.user[:], k.id[:], k.secret[:])
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	return apiKeyPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// hash is what is stored of a key. The secret is 256 random bits: nobody can try
// them all, however fast the hash, so that SHA-256 is as good as a slow one, which
// every request would have to wait for.
func (k apiKeySecret) hash() string {
	sum := sha256.Sum256(k.secret[:])
	return hex.EncodeToString(sum[:])
}

// fits tells whether a stored hash is this key's, in a time that does not depend
// on where they differ.
func (k apiKeySecret) fits(hash string) bool {
	return subtle.ConstantTimeCompare([]byte(k.hash()), []byte(hash)) == 1
}

// APIKey lets a program act for a person, within scopes.
type APIKey struct {
	ID         string
	Name       string // what its owner calls it
	Scopes     []httpapi.Scope
	Hint       string // how the secret ends
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // zero: never; some minutes behind
}

// NewAPIKey is what a person says to get one.
type NewAPIKey struct {
	Name     string
	Scopes   []httpapi.Scope
	Lifetime time.Duration // 0: without end
}

// CreateAPIKey makes a key and gives it with its secret, which nobody can find
// out later. It gives problem.InvalidRequest for a name that cannot be, and
// problem.TooManyKeys: of any number of calls at the same moment no more succeed
// than are allowed. The session must live on: what it may still do while the
// authorizer's answer is kept must not outlive that.
func (s *Service) CreateAPIKey(ctx context.Context, caller httpapi.Caller, in NewAPIKey) (APIKey, string, error) {
	name, err := checkKeyName(in.Name)
	if err != nil {
		return APIKey{}, "", err
	}
	secret, err := newAPIKeySecret(caller.UserID, s.NewID(), s.Rand)
	if err != nil {
		return APIKey{}, "", err
	}
	written := secret.encode()
	now := s.Now().UTC().Truncate(time.Millisecond)
	key := APIKey{
		ID: secret.id.String(), Name: name, Scopes: sortedScopes(in.Scopes), Hint: written[len(written)-hintLength:], CreatedAt: now,
	}
	if in.Lifetime > 0 {
		key.ExpiresAt = now.Add(in.Lifetime)
	}
	entry, err := s.audited(ctx, caller.UserID, actionAPIKeyCreated, succeeded, key.ID)
	if err != nil {
		return APIKey{}, "", err
	}
	err = s.Store.createAPIKey(ctx, caller, key, secret.hash(), s.Limits.APIKeys, entry)
	switch {
	case errors.Is(err, errTooManyKeys):
		return APIKey{}, "", problem.New(problem.TooManyKeys)
	case errors.Is(err, errNotFound): // the account or the session has gone while a token was still good
		return APIKey{}, "", problem.New(problem.Unauthorized)
	case err != nil:
		return APIKey{}, "", err
	}
	slog.InfoContext(ctx, "API key created", "key_id", key.ID, "scopes", httpapi.JoinScopes(key.Scopes))
	return key, written, nil
}

// checkKeyName gives a name without surrounding space. It gives
// problem.InvalidRequest for an empty or a long one.
func checkKeyName(name string) (string, error) {
	name, err := checkName(name, maxKeyName)
	if err == nil && name == "" {
		err = problem.In(problem.InvalidRequest, "body.name", "must not be empty")
	}
	return name, err
}

// sortedScopes gives each scope once, in the order of httpapi.Scopes.
func sortedScopes(scopes []httpapi.Scope) []httpapi.Scope {
	return slices.DeleteFunc(httpapi.Scopes(), func(s httpapi.Scope) bool { return !slices.Contains(scopes, s) })
}

// APIKeys lists a person's keys, oldest first, those that have expired among them.
func (s *Service) APIKeys(ctx context.Context, userID string) ([]APIKey, error) {
	return s.Store.apiKeys(ctx, userID)
}

// RevokeAPIKey deletes a key. Within the time for which API Gateway keeps what the
// authorizer said, it is refused everywhere. It gives problem.NotFound.
func (s *Service) RevokeAPIKey(ctx context.Context, userID, keyID string) error {
	entry, err := s.audited(ctx, userID, actionAPIKeyRevoked, succeeded, keyID)
	if err != nil {
		return err
	}
	err = s.Store.deleteAPIKey(ctx, userID, keyID, entry)
	if errors.Is(err, errNotFound) {
		return problem.New(problem.NotFound)
	}
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "API key revoked", "key_id", keyID)
	return nil
}

// revokeAPIKeys deletes all keys of a person.
func (s *Service) revokeAPIKeys(ctx context.Context, userID string) error {
	keys, err := s.Store.apiKeys(ctx, userID)
	if err != nil {
		return err
	}
	for _, key := range keys {
		err := s.RevokeAPIKey(ctx, userID, key.ID)
		if err != nil && !problem.Is(err, problem.NotFound) { // somebody else was faster
			return err
		}
	}
	return nil
}

// verifyAPIKey tells whom a key belongs to. It gives errBadAPIKey for one that is
// not, or no longer, good, and other errors when that cannot be found out.
func (a *Authorizer) verifyAPIKey(ctx context.Context, token string) (httpapi.Caller, error) {
	presented, err := parseAPIKey(token)
	if err != nil {
		return httpapi.Caller{}, err
	}
	row, err := a.Store.apiKey(ctx, presented)
	if errors.Is(err, errNotFound) {
		return httpapi.Caller{}, errBadAPIKey
	}
	if err != nil {
		return httpapi.Caller{}, err
	}
	now := a.Now()
	if !presented.fits(row.Hash) || row.expired(now) {
		return httpapi.Caller{}, errBadAPIKey
	}
	if now.Sub(moment(row.LastUsedAt)) >= keyUseInterval {
		a.noteUse(ctx, presented, now)
	}
	return httpapi.Caller{UserID: presented.user.String(), KeyID: presented.id.String(), Scopes: row.Scopes}, nil
}

// noteUse writes down that a key is used. That is for its owner to look at:
// whether it succeeds or not, the answer to the request is the same.
func (a *Authorizer) noteUse(ctx context.Context, key apiKeySecret, now time.Time) {
	bounded, cancel := context.WithTimeout(ctx, keyUsePatience)
	defer cancel()
	if err := a.Store.noteKeyUse(bounded, key, now, now.Add(-keyUseInterval)); err != nil {
		slog.WarnContext(ctx, "use of an API key not noted", "key_id", key.id.String(), "error", err)
	}
}
