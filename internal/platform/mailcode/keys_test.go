package mailcode_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
)

// While the secret is rotated, one service knows the old version and another the
// new one: both must find the key that a request names.
func TestEveryVersionOfTheSecretIsFound(t *testing.T) {
	cloud := localtest.Start(t)
	secrets := secretsmanager.NewFromConfig(cloud.Config)
	name := cloud.Env(t, "AuthFunction")["MAIL_CODE_SECRET"]
	before := &mailcode.Keys{Secrets: secrets, Secret: name}
	oldID, old, err := before.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &name, SecretString: aws.String("the second key has at least 32 bytes"),
	}); err != nil {
		t.Fatal(err)
	}

	after := &mailcode.Keys{Secrets: secrets, Secret: name}
	newID, _, err := after.Current(t.Context())
	if err != nil || newID == oldID {
		t.Fatalf("after the rotation the current version is %s, %v; before %s", newID, err, oldID)
	}
	if id, _, err := before.Current(t.Context()); err != nil || id != oldID {
		t.Errorf("the secret was read again: %s, %v", id, err)
	}
	if found, err := after.Version(t.Context(), oldID); err != nil || !bytes.Equal(found, old) {
		t.Errorf("the old version is %q, %v", found, err)
	}
	if found, err := before.Version(t.Context(), newID); err != nil || string(found) != "the second key has at least 32 bytes" {
		t.Errorf("the new version is %q, %v", found, err)
	}
	if _, err := after.Version(t.Context(), "00000000-0000-0000-0000-000000000000"); err == nil {
		t.Error("a version that there is not was found")
	}
}

func TestAShortKeyIsRefused(t *testing.T) {
	cloud := localtest.Start(t)
	secrets := secretsmanager.NewFromConfig(cloud.Config)
	name := cloud.Env(t, "AuthFunction")["MAIL_CODE_SECRET"]
	if _, err := secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &name, SecretString: aws.String("short"),
	}); err != nil {
		t.Fatal(err)
	}
	keys := &mailcode.Keys{Secrets: secrets, Secret: name}
	if _, _, err := keys.Current(t.Context()); err == nil {
		t.Error("a key of five bytes is used")
	}
}
