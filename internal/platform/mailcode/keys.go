package mailcode

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// minKey is the shortest key that is used, in bytes: HMAC-SHA-256 wants 32
// (RFC 7518, section 3.2).
const minKey = 32

// SecretReader is what Keys needs of *secretsmanager.Client.
type SecretReader interface {
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Keys are the keys of codes, or of what else mails bring: the versions of one secret
// in AWS Secrets Manager. Each version is read once in a process. A request names the
// version that its code is made with, so that both services make the same one also
// while the secret is rotated.
//
// IAM: secretsmanager:GetSecretValue on the secret.
type Keys struct {
	Secrets SecretReader
	Secret  string // name or ARN

	mu      sync.Mutex
	current string            // ID of the version that was current at the first use
	known   map[string][]byte // by ID
}

// Current gives the key of new codes, and its ID.
func (k *Keys) Current(ctx context.Context) (id string, key []byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == "" {
		id, _, err := k.read(ctx, "")
		if err != nil {
			return "", nil, err
		}
		k.current = id
	}
	return k.current, k.known[k.current], nil
}

// Version gives the key of an ID.
func (k *Keys) Version(ctx context.Context, id string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.known[id]; ok {
		return key, nil
	}
	_, key, err := k.read(ctx, id)
	return key, err
}

// read reads a version, the current one for no ID.
func (k *Keys) read(ctx context.Context, version string) (id string, key []byte, err error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &k.Secret}
	if version != "" {
		in.VersionId = &version
	}
	out, err := k.Secrets.GetSecretValue(ctx, in)
	if err != nil {
		return "", nil, fmt.Errorf("get the key in secret %s: %w", k.Secret, err)
	}
	id, key = aws.ToString(out.VersionId), []byte(aws.ToString(out.SecretString))
	if len(key) < minKey {
		return "", nil, fmt.Errorf("the key in secret %s has %d bytes: at least %d are needed", k.Secret, len(key), minKey)
	}
	if k.known == nil {
		k.known = map[string][]byte{}
	}
	k.known[id] = key
	return id, key, nil
}
