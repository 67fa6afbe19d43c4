package auth

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	localsecrets "github.com/fotograma/fotograma/internal/local/secrets"
)

func newKeys() (*Keys, *fakeSecrets, *clock) {
	c, secrets := newClock(), newSecrets()
	return &Keys{Secrets: secrets, Secret: "fotograma/signing", Now: c.now}, secrets, c
}

// wantKey checks the key of a version's ID; secret is empty if there must be none.
func wantKey(t *testing.T, k *Keys, version, secret string) {
	t.Helper()
	got, err := k.verifying(t.Context(), keyID(version))
	if secret == "" {
		if !errors.Is(err, errUnknownKey) {
			t.Errorf("the key of %s gives %v, want errUnknownKey", version, err)
		}
		return
	}
	if err != nil || string(got.secret) != secret {
		t.Errorf("the key of %s is %q, %v; want %q", version, got.secret, err, secret)
	}
}

func wantSigner(t *testing.T, k *Keys, version, secret string) {
	t.Helper()
	got, err := k.signing(t.Context())
	if err != nil || got.id != keyID(version) || string(got.secret) != secret {
		t.Errorf("the signing key is %s %q, %v; want %s of %s", got.id, got.secret, err, keyID(version), version)
	}
}

func TestTheSecretIsReadOnce(t *testing.T) {
	t.Parallel()
	k, secrets, c := newKeys()
	for range 3 {
		wantSigner(t, k, "version-1", firstSecret)
		wantKey(t, k, "version-1", firstSecret)
		c.advance(time.Minute)
	}
	if n := secrets.count(); n != 1 {
		t.Errorf("the secret was read %d times, want once", n)
	}
}

func TestAnUnknownKeyIsLookedForOnceAMinute(t *testing.T) {
	t.Parallel()
	k, secrets, c := newKeys()
	wantSigner(t, k, "version-1", firstSecret)
	secrets.rotate("version-2", secondSecret)

	c.advance(59 * time.Second)
	wantKey(t, k, "version-2", "") // read a moment ago
	c.advance(time.Second)
	wantKey(t, k, "version-2", secondSecret)
	wantKey(t, k, "version-1", firstSecret)
	wantSigner(t, k, "version-2", secondSecret)
	before := secrets.count()
	for range 100 {
		wantKey(t, k, "made up", "")
	}
	if n := secrets.count() - before; n != 0 {
		t.Errorf("made-up key IDs had the secret read %d times within a minute", n)
	}
	c.advance(time.Minute)
	for range 100 {
		wantKey(t, k, "made up", "")
	}
	if n := secrets.count() - before; n != 1 {
		t.Errorf("made-up key IDs had the secret read %d times in the next minute, want once", n)
	}
}

func TestAKeyThatWasRotatedAwayIsForgotten(t *testing.T) {
	t.Parallel()
	k, secrets, c := newKeys()
	wantSigner(t, k, "version-1", firstSecret)
	secrets.rotate("version-2", secondSecret)
	secrets.rotate("version-3", thirdSecret)
	c.advance(10*time.Minute - time.Second)
	wantKey(t, k, "version-1", firstSecret)
	c.advance(time.Second)
	wantKey(t, k, "version-1", "")
	wantKey(t, k, "version-2", secondSecret)
	wantSigner(t, k, "version-3", thirdSecret)
}

func TestKnownKeysServeWhileTheSecretCannotBeRead(t *testing.T) {
	t.Parallel()
	k, secrets, c := newKeys()
	wantSigner(t, k, "version-1", firstSecret)
	secrets.fail(errors.New("no network"))
	c.advance(time.Hour)
	before := secrets.count()
	for range 10 {
		wantKey(t, k, "version-1", firstSecret)
		wantSigner(t, k, "version-1", firstSecret)
	}
	if n := secrets.count() - before; n != 1 {
		t.Errorf("it was tried %d times within a minute, want once", n)
	}
	secrets.fail(nil)
	secrets.rotate("version-2", secondSecret)
	c.advance(time.Minute)
	wantSigner(t, k, "version-2", secondSecret)
}

func TestNoKeysWithoutASecret(t *testing.T) {
	t.Parallel()
	k, secrets, _ := newKeys()
	secrets.fail(errors.New("no network"))
	if _, err := k.signing(t.Context()); err == nil {
		t.Error("there is a key though the secret cannot be read")
	}
	secrets.fail(nil)
	wantSigner(t, k, "version-1", firstSecret) // at once, not after a minute

	missing := &Keys{Secrets: secrets, Secret: "another", Now: newClock().now}
	if _, err := missing.signing(t.Context()); err == nil {
		t.Error("there is a key of a secret that does not exist")
	}
	short := newSecrets()
	short.rotate("version-2", "hunter2")
	if _, err := (&Keys{Secrets: short, Secret: "fotograma/signing", Now: newClock().now}).signing(t.Context()); err == nil {
		t.Error("a secret of 7 bytes is used")
	}
}

func TestKeysServeManyAtOnce(t *testing.T) {
	t.Parallel()
	k, secrets, _ := newKeys()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			wantSigner(t, k, "version-1", firstSecret)
			wantKey(t, k, "version-1", firstSecret)
			wantKey(t, k, "made up", "")
		})
	}
	wg.Wait()
	if n := secrets.count(); n != 1 {
		t.Errorf("the secret was read %d times, want once", n)
	}
}

// The same over the wire, where a missing staging label is what the SDK makes
// of an answer.
func TestKeysOfSecretsManager(t *testing.T) {
	t.Parallel()
	server, err := localsecrets.Open(filepath.Join(t.TempDir(), "secrets.db"), localsecrets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	endpoint := httptest.NewServer(server)
	defer func() {
		endpoint.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	client := secretsmanager.NewFromConfig(aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}, func(o *secretsmanager.Options) { o.BaseEndpoint = &endpoint.URL })
	made, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("fotograma/signing"), SecretString: aws.String(firstSecret),
	})
	if err != nil {
		t.Fatal(err)
	}

	c := &clock{at: time.Now()} // as Secrets Manager's
	k := &Keys{Secrets: client, Secret: *made.ARN, Now: c.now}
	wantSigner(t, k, *made.VersionId, firstSecret)
	next, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: made.ARN, SecretString: aws.String(secondSecret),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	wantKey(t, k, *next.VersionId, secondSecret)
	wantKey(t, k, *made.VersionId, firstSecret)
	wantSigner(t, k, *made.VersionId, firstSecret)
	c.advance(10 * time.Minute)
	wantSigner(t, k, *next.VersionId, secondSecret)
}

// A process that read the secret a moment before a rotation does not know the new
// key for a minute. Nobody may have signed with it by then.
func TestANewKeySignsOnceEverybodyKnowsIt(t *testing.T) {
	t.Parallel()
	c, secrets := newClock(), newSecrets()
	reader := func() *Keys { return &Keys{Secrets: secrets, Secret: "fotograma/signing", Now: c.now} }
	before := reader()
	wantSigner(t, before, "version-1", firstSecret)
	c.advance(time.Second)
	secrets.rotateAt("version-2", secondSecret, c.now())
	after := reader() // of a function that starts now
	for range 10 {
		wantSigner(t, after, "version-1", firstSecret)
		wantSigner(t, before, "version-1", firstSecret)
		c.advance(time.Minute)
	}
	for _, signer := range []*Keys{before, after} {
		wantSigner(t, signer, "version-2", secondSecret)
	}
	for name, verifier := range map[string]*Keys{"before": before, "after": after, "new": reader()} {
		for version, secret := range map[string]string{"version-1": firstSecret, "version-2": secondSecret} {
			t.Log(name, version)
			wantKey(t, verifier, version, secret)
		}
	}
}

// A first key is as new as the stack.
func TestTheOnlyKeySignsHoweverNewItIs(t *testing.T) {
	t.Parallel()
	c, secrets := newClock(), &fakeSecrets{}
	secrets.rotateAt("version-1", firstSecret, c.now())
	wantSigner(t, &Keys{Secrets: secrets, Secret: "fotograma/signing", Now: c.now}, "version-1", firstSecret)
}
