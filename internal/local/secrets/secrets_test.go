package secrets

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// bench is a server on a file, its clock, and the real SDK's client of it.
type bench struct {
	*secretsmanager.Client

	t      *testing.T
	path   string
	now    time.Time
	server *Server
	http   *httptest.Server
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "secrets.db"), now: time.Unix(1_700_000_000, 0)}
	b.open()
	t.Cleanup(b.close)
	return b
}

func (b *bench) open() {
	b.t.Helper()
	server, err := Open(b.path, Options{Now: func() time.Time { return b.now }})
	if err != nil {
		b.t.Fatal(err)
	}
	b.server = server
	b.http = httptest.NewServer(server)
	b.Client = secretsmanager.New(secretsmanager.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(b.http.URL),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), Retryer: aws.NopRetryer{},
	})
}

func (b *bench) close() {
	b.http.Close()
	if err := b.server.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) create(name, text string) *secretsmanager.CreateSecretOutput {
	b.t.Helper()
	out, err := b.CreateSecret(b.t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) put(id, text string, stages ...string) *secretsmanager.PutSecretValueOutput {
	b.t.Helper()
	out, err := b.PutSecretValue(b.t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: &text, VersionStages: stages})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// text reads a secret's value; id may have a stage after "#".
func (b *bench) text(id string) string {
	b.t.Helper()
	in := &secretsmanager.GetSecretValueInput{}
	id, stage, ok := strings.Cut(id, "#")
	in.SecretId = &id
	if ok {
		in.VersionStage = &stage
	}
	out, err := b.GetSecretValue(b.t.Context(), in)
	if err != nil {
		b.t.Fatalf("GetSecretValue %s: %v", id, err)
	}
	return aws.ToString(out.SecretString)
}

func wantCode(t *testing.T, err error, code, part string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), part) {
		t.Errorf("error %v, want %s with %q", err, code, part)
	}
}

func TestASecretIsFoundByNameAndByARN(t *testing.T) {
	b := newBench(t)
	made := b.create("demo/signing", "s3cret")
	if !regexp.MustCompile(`^arn:aws:secretsmanager:us-east-1:000000000000:secret:demo/signing-[A-Za-z0-9]{6}$`).MatchString(*made.ARN) {
		t.Errorf("ARN %s", *made.ARN)
	}
	for _, id := range []string{"demo/signing", *made.ARN, (*made.ARN)[:len(*made.ARN)-7]} {
		if got := b.text(id); got != "s3cret" {
			t.Errorf("%s: %q", id, got)
		}
	}
	for _, id := range []string{
		"demo/other", "demo", "arn:aws:secretsmanager:eu-west-1:000000000000:secret:demo/signing",
		"arn:aws:secretsmanager:us-east-1:000000000000:secret:demo/signing-AAAAAA",
	} {
		_, err := b.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
		if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestAValueMayBeBytes(t *testing.T) {
	b := newBench(t)
	blob := []byte{0, 1, 0xff}
	_, err := b.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("blob"), SecretBinary: blob})
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("blob")})
	if err != nil || cmp.Diff(blob, out.SecretBinary) != "" || out.SecretString != nil {
		t.Errorf("%v %+v", err, out)
	}
}

func TestPuttingAValueMovesTheStages(t *testing.T) {
	b := newBench(t)
	made := b.create("s", "one")
	second := b.put("s", "two")
	if got := b.text("s") + " " + b.text("s#AWSPREVIOUS"); got != "two one" {
		t.Fatalf("after the second: %q", got)
	}
	b.now = b.now.Add(time.Minute)
	third := b.put("s", "three")
	pending := b.put("s", "four", "PENDING")
	if got := b.text("s") + " " + b.text("s#AWSPREVIOUS") + " " + b.text("s#PENDING"); got != "three two four" {
		t.Fatalf("after the fourth: %q", got)
	}
	if d := cmp.Diff([]string{"PENDING"}, pending.VersionStages); d != "" {
		t.Error(d)
	}
	d, err := b.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		*third.VersionId: {"AWSCURRENT"}, *second.VersionId: {"AWSPREVIOUS"}, *pending.VersionId: {"PENDING"},
	}
	if diff := cmp.Diff(want, d.VersionIdsToStages); diff != "" {
		t.Error(diff)
	}
	if !d.CreatedDate.Equal(time.Unix(1_700_000_000, 0)) || !d.LastChangedDate.Equal(b.now) {
		t.Errorf("created %v, changed %v", d.CreatedDate, d.LastChangedDate)
	}

	// A version without a stage can be read by its ID, for a day.
	out, err := b.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: made.VersionId})
	if err != nil || *out.SecretString != "one" || len(out.VersionStages) != 0 {
		t.Errorf("%v %+v", err, out)
	}
	b.now = b.now.Add(25 * time.Hour)
	b.put("s", "five")
	_, err = b.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: made.VersionId})
	wantCode(t, err, "ResourceNotFoundException", *made.VersionId)
}

func TestASecretWithoutAValue(t *testing.T) {
	b := newBench(t)
	made, err := b.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("empty")})
	if err != nil || made.VersionId != nil {
		t.Fatalf("%v %+v", err, made)
	}
	_, err = b.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("empty")})
	wantCode(t, err, "ResourceNotFoundException", "staging label: AWSCURRENT")
	put := b.put("empty", "first", "PENDING")
	if d := cmp.Diff([]string{"AWSCURRENT", "PENDING"}, put.VersionStages); d != "" {
		t.Error(d)
	}
}

func TestTheSameCallTwiceIsOne(t *testing.T) {
	b := newBench(t)
	token := strings.Repeat("t", 32)
	in := &secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("v"), ClientRequestToken: &token}
	first, err := b.CreateSecret(t.Context(), in)
	if err != nil || *first.VersionId != token {
		t.Fatalf("%v %+v", err, first)
	}
	again, err := b.CreateSecret(t.Context(), in)
	if err != nil || *again.ARN != *first.ARN {
		t.Errorf("%v %+v", err, again)
	}
	in.SecretString = aws.String("other")
	_, err = b.CreateSecret(t.Context(), in)
	wantCode(t, err, "ResourceExistsException", "the secret s already exists")

	put := &secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), SecretString: aws.String("v"), ClientRequestToken: &token}
	if _, err := b.PutSecretValue(t.Context(), put); err != nil {
		t.Error(err)
	}
	put.SecretString = aws.String("other")
	_, err = b.PutSecretValue(t.Context(), put)
	wantCode(t, err, "ResourceExistsException", token)
	if got := b.text("s"); got != "v" {
		t.Errorf("the value is %q", got)
	}
}

func TestDeletingAndRestoring(t *testing.T) {
	b := newBench(t)
	b.create("s", "v")
	out, err := b.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("s"), RecoveryWindowInDays: aws.Int64(7)})
	if err != nil || !out.DeletionDate.Equal(b.now.AddDate(0, 0, 7)) {
		t.Fatalf("%v %+v", err, out)
	}
	_, err = b.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
	wantCode(t, err, "InvalidRequestException", "marked for deletion")
	_, err = b.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), SecretString: aws.String("w")})
	wantCode(t, err, "InvalidRequestException", "marked for deletion")
	_, err = b.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("s")})
	wantCode(t, err, "InvalidRequestException", "scheduled for deletion")

	if _, err := b.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	if got := b.text("s"); got != "v" {
		t.Errorf("restored: %q", got)
	}

	if _, err := b.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.AddDate(0, 0, 30)
	b.create("s", "new life")
	_, err = b.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("s"), ForceDeleteWithoutRecovery: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("s")})
	wantCode(t, err, "ResourceNotFoundException", "can't find")
}

func TestListingInPages(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"a", "b", "c"} {
		b.create(name, "v")
	}
	if _, err := b.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("b")}); err != nil {
		t.Fatal(err)
	}
	list := func(in secretsmanager.ListSecretsInput) (names string) {
		in.MaxResults = aws.Int32(1)
		pages := secretsmanager.NewListSecretsPaginator(b.Client, &in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.SecretList {
				names += *s.Name
				if len(s.SecretVersionsToStages) != 1 {
					t.Errorf("%s: stages %v", *s.Name, s.SecretVersionsToStages)
				}
			}
		}
		return names
	}
	if got := list(secretsmanager.ListSecretsInput{}); got != "ac" {
		t.Errorf("ascending: %q", got)
	}
	if got := list(secretsmanager.ListSecretsInput{SortOrder: types.SortOrderTypeDesc, IncludePlannedDeletion: aws.Bool(true)}); got != "cba" {
		t.Errorf("descending, with the deleted one: %q", got)
	}
}

func TestWhatIsRefused(t *testing.T) {
	b := newBench(t)
	b.create("s", "v")
	ctx := t.Context()
	long := strings.Repeat("x", maxValue+1)
	cases := map[string]struct {
		call       func() error
		code, part string
	}{
		"a name with a space": {func() error {
			_, err := b.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("a b")})
			return err
		}, "InvalidParameterException", "Invalid name"},
		"text and bytes": {func() error {
			_, err := b.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("x"), SecretString: aws.String("a"), SecretBinary: []byte("b")})
			return err
		}, "InvalidParameterException", "both"},
		"too large a value": {func() error {
			_, err := b.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("x"), SecretString: &long})
			return err
		}, "InvalidParameterException", "65536"},
		"a replica": {func() error {
			_, err := b.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("x"), AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String("r")}}})
			return err
		}, "InvalidParameterException", "AddReplicaRegions"},
		"a short token": {func() error {
			_, err := b.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("x"), SecretString: aws.String("a"), ClientRequestToken: aws.String("t")})
			return err
		}, "InvalidParameterException", "32-64"},
		"no value to put": {func() error {
			_, err := b.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("s")})
			return err
		}, "InvalidParameterException", "SecretString or SecretBinary"},
		"a stage that is elsewhere": {func() error {
			_, err := b.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s"), VersionId: aws.String(strings.Repeat("v", 32)), VersionStage: aws.String("AWSCURRENT")})
			return err
		}, "InvalidRequestException", "not associated"},
		"a window and none": {func() error {
			_, err := b.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String("s"), RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)})
			return err
		}, "InvalidParameterException", "in conjunction"},
		"a short window": {func() error {
			_, err := b.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: aws.String("s"), RecoveryWindowInDays: aws.Int64(1)})
			return err
		}, "InvalidParameterException", "between 7 and 30"},
		"a filter": {func() error {
			_, err := b.ListSecrets(ctx, &secretsmanager.ListSecretsInput{Filters: []types.Filter{{Key: "name", Values: []string{"a"}}}})
			return err
		}, "InvalidParameterException", "Filters"},
		"a token of nobody": {func() error {
			_, err := b.ListSecrets(ctx, &secretsmanager.ListSecretsInput{NextToken: aws.String("?")})
			return err
		}, "InvalidNextTokenException", ""},
		"an operation that is not built": {func() error {
			_, err := b.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: aws.String("s")})
			return err
		}, "UnknownOperationException", "RotateSecret"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { wantCode(t, c.call(), c.code, c.part) })
	}
	if got := b.text("s"); got != "v" {
		t.Errorf("the value is %q", got)
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	b := newBench(t)
	for name, body := range map[string]string{"no JSON": "{", "a number for a name": `{"SecretId": 5}`} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
		w := httptest.NewRecorder()
		b.server.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"__type":"SerializationException"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestSecretsOutliveTheProcessAndAreTheOwnersAlone(t *testing.T) {
	b := newBench(t)
	b.create("s", "v")
	for _, path := range []string{b.path, b.path + "-wal", b.path + "-shm"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(path), mode)
		}
	}
	b.close()
	b.open()
	if got := b.text("s"); got != "v" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestAnInternalErrorIsNotShown(t *testing.T) {
	b := newBench(t)
	if err := b.server.store.db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := b.ListSecrets(context.Background(), &secretsmanager.ListSecretsInput{})
	wantCode(t, err, "InternalServiceError", "An error occurred on the server side.")
	if strings.Contains(err.Error(), "sql") {
		t.Errorf("the cause is shown: %v", err)
	}
}
