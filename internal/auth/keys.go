package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"golang.org/x/sync/errgroup"
)

// The staging labels of Secrets Manager: the newest version, which signs, and
// the one before, whose tokens are still valid.
const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
)

const (
	// keysPause is how long the secret is not read again after it was read,
	// whatever key IDs are asked for.
	keysPause = time.Minute

	// keysMaxAge is when it is read again unasked, so that a key that was
	// rotated away is not trusted for as long as the process happens to live.
	keysMaxAge = 10 * time.Minute

	// minSecret is the shortest secret that is used, in bytes: HMAC-SHA-256
	// wants 32 (RFC 7518, section 3.2).
	minSecret = 32
)

// errUnknownKey is for key IDs that are neither the current nor the previous
// version's.
var errUnknownKey = errors.New("unknown signing key")

// SecretReader is what Keys needs of *secretsmanager.Client.
type SecretReader interface {
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Keys are the keys of access tokens: the versions of one secret in AWS Secrets
// Manager. AWSCURRENT signs, and AWSPREVIOUS still verifies. A rotation interrupts
// nobody: the new version signs once it is so old that every process has read it,
// and until then the one before goes on.
//
// The secret is read at the first use, when a token names a key that is not
// known (at most once a minute), and when what was read is ten minutes old.
//
// IAM: secretsmanager:GetSecretValue on the secret.
type Keys struct {
	Secrets SecretReader
	Secret  string // name or ARN
	Now     func() time.Time

	mu      sync.Mutex
	signers []key // the newest first
	known   map[string]key
	read    time.Time // when known was read
	tried   time.Time // when it was last tried to read it
}

type key struct {
	id      string // the kid of tokens
	secret  []byte
	created time.Time
}

// signing gives the key that signs: the newest that all processes know, or the
// oldest where none is known for so long.
func (k *Keys) signing(ctx context.Context) (key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(ctx); err != nil {
		return key{}, err
	}
	for _, signer := range k.signers {
		if k.Now().Sub(signer.created) >= keysMaxAge {
			return signer, nil
		}
	}
	return k.signers[len(k.signers)-1], nil
}

// verifying gives the key of an ID. It gives errUnknownKey when there is none.
func (k *Keys) verifying(ctx context.Context, id string) (key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(ctx); err != nil {
		return key{}, err
	}
	if found, ok := k.known[id]; ok {
		return found, nil
	}
	if k.mayRead() {
		if err := k.load(ctx); err != nil {
			return key{}, err
		}
	}
	if found, ok := k.known[id]; ok {
		return found, nil
	}
	return key{}, errUnknownKey
}

func (k *Keys) mayRead() bool { return k.Now().Sub(k.tried) >= keysPause }

// refresh reads the secret if it was never read, or too long ago. While it
// cannot be read again, the old keys do.
func (k *Keys) refresh(ctx context.Context) error {
	if k.known == nil {
		return k.load(ctx)
	}
	if k.Now().Sub(k.read) >= keysMaxAge && k.mayRead() {
		if err := k.load(ctx); err != nil {
			slog.WarnContext(ctx, "signing keys not read again", "error", err)
		}
	}
	return nil
}

func (k *Keys) load(ctx context.Context) error {
	k.tried = k.Now()
	var current, previous key
	var hasPrevious bool
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		current, err = k.version(ctx, stageCurrent)
		return err
	})
	group.Go(func() (err error) {
		previous, err = k.version(ctx, stagePrevious)
		if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing { // never rotated
			return nil
		}
		hasPrevious = err == nil
		return err
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("read the signing keys: %w", err)
	}
	k.signers, k.read = []key{current}, k.tried
	if hasPrevious {
		k.signers = append(k.signers, previous)
	}
	k.known = map[string]key{}
	for _, signer := range k.signers {
		k.known[signer.id] = signer
	}
	return nil
}

func (k *Keys) version(ctx context.Context, stage string) (key, error) {
	out, err := k.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
		SecretId: &k.Secret, VersionStage: aws.String(stage),
	})
	if err != nil {
		return key{}, fmt.Errorf("get the %s secret: %w", stage, err)
	}
	secret := []byte(aws.ToString(out.SecretString))
	if len(secret) < minSecret {
		return key{}, fmt.Errorf("the %s secret has %d bytes: at least %d are needed", stage, len(secret), minSecret)
	}
	return key{id: keyID(aws.ToString(out.VersionId)), secret: secret, created: aws.ToTime(out.CreatedDate)}, nil
}

// keyID gives the kid of a secret's version: short, and no name within AWS.
func keyID(versionID string) string {
	sum := sha256.Sum256([]byte(versionID))
	return hex.EncodeToString(sum[:6])
}
