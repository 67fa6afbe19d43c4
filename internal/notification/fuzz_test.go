package notification

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/fotograma/fotograma/internal/platform/mailcode"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// oneKey is a secret of one version.
type oneKey struct{}

const keyID = "5a0e1c7d-3f0b-4f7e-9c55-0d7d1f3f1a01"

func (oneKey) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	if in.VersionId != nil && *in.VersionId != keyID {
		return nil, &types.ResourceNotFoundException{}
	}
	return &secretsmanager.GetSecretValueOutput{VersionId: aws.String(keyID), SecretString: aws.String(strings.Repeat("k", 64))}, nil
}

// A token is read as what it was made for, or refused.
func FuzzToken(f *testing.F) {
	u := &Unsubscribes{Keys: &mailcode.Keys{Secrets: oneKey{}, Secret: "s"}}
	good, err := u.token(f.Context(), "019cb0a1-7c00-7000-8000-000000000001", kindFailed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(strings.Replace(good, "failed", "completed", 1))
	f.Add(keyID + ".x.failed.")
	f.Add(good + "\n")
	f.Add("...")
	f.Fuzz(func(t *testing.T, token string) {
		userID, k, err := u.read(t.Context(), token)
		if known, ok := errors.AsType[*problem.Error](err); err != nil && (!ok || known.Code != problem.InvalidLink) {
			t.Errorf("refused with %v", err)
		}
		if err != nil {
			return
		}
		if again, err := u.token(t.Context(), userID, k); err != nil || again != token {
			t.Errorf("%q says %s of %s, whose token is %q, %v", token, k, userID, again, err)
		}
	})
}
