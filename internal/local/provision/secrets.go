package provision

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// secret makes a secret with a random value, and never touches one that exists:
// what was signed with it would no longer hold.
func (p *provisioner) secret(ctx context.Context, s sam.Secret) error {
	there, err := p.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.Name})
	if err == nil {
		if there.DeletedDate != nil {
			return errors.New("it is scheduled for deletion: restore it (aws secretsmanager restore-secret), or delete it without recovery")
		}
		return nil
	}
	if _, none := errors.AsType[*types.ResourceNotFoundException](err); !none {
		return fmt.Errorf("look for it: %w", err)
	}
	in := &secretsmanager.CreateSecretInput{Name: &s.Name}
	if s.Length > 0 {
		value, err := randomText(rand.Reader, s.Length, s.Exclude)
		if err != nil {
			return fmt.Errorf("draw its value: %w", err)
		}
		in.SecretString = &value
	}
	if _, err := p.secrets.CreateSecret(ctx, in); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	return nil
}

// randomText draws characters of printable ASCII without those in exclude, as
// Secrets Manager does: of capitals, small letters, digits and punctuation there
// is at least one each, unless all of a kind are excluded.
func randomText(random io.Reader, length int, exclude string) (string, error) {
	without := func(from, to rune) string {
		var out strings.Builder
		for c := from; c <= to; c++ {
			if !strings.ContainsRune(exclude, c) {
				out.WriteRune(c)
			}
		}
		return out.String()
	}
	kinds := []string{
		without('A', 'Z'), without('a', 'z'), without('0', '9'),
		without('!', '/') + without(':', '@') + without('[', '`') + without('{', '~'),
	}
	alphabet := strings.Join(kinds, "") + without(' ', ' ')
	var text []byte
	for _, kind := range kinds {
		if kind != "" {
			c, err := pick(random, kind)
			if err != nil {
				return "", err
			}
			text = append(text, c)
		}
	}
	if alphabet == "" || len(text) > length {
		return "", fmt.Errorf("%d characters without %q cannot hold one of each kind", length, exclude)
	}
	for len(text) < length {
		c, err := pick(random, alphabet)
		if err != nil {
			return "", err
		}
		text = append(text, c)
	}
	// Nobody should know where the one of each kind stands.
	for i := len(text) - 1; i > 0; i-- {
		j, err := rand.Int(random, big.NewInt(int64(i)+1))
		if err != nil {
			return "", err
		}
		text[i], text[j.Int64()] = text[j.Int64()], text[i]
	}
	return string(text), nil
}

func pick(random io.Reader, from string) (byte, error) {
	i, err := rand.Int(random, big.NewInt(int64(len(from))))
	if err != nil {
		return 0, err
	}
	return from[i.Int64()], nil
}
