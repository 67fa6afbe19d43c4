package provision

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fotograma/fotograma/internal/local/sam"
)

func TestDeadLetterQueuesComeFirst(t *testing.T) {
	queue := func(name, target string) sam.Queue {
		q := sam.Queue{Name: name, ARN: "arn:" + name, Attributes: map[string]string{}}
		if target != "" {
			q.Attributes["RedrivePolicy"] = `{"deadLetterTargetArn":"arn:` + target + `","maxReceiveCount":1}`
		}
		return q
	}
	var names []string
	for _, q := range deadLettersFirst([]sam.Queue{queue("a", "b"), queue("b", "c"), queue("d", ""), queue("c", ""), queue("e", "elsewhere")}) {
		names = append(names, q.Name)
	}
	if d := cmp.Diff([]string{"c", "b", "a", "d", "e"}, names); d != "" {
		t.Error(d)
	}
}

func TestRandomText(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		text, err := randomText(rand.Reader, 12, " abcXYZ!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
		if err != nil {
			t.Fatal(err)
		}
		if len(text) != 12 || strings.ContainsAny(text, " abcXYZ!-~") {
			t.Errorf("%q", text)
		}
		for _, kind := range []string{"ABCDEFGHIJKLMNOPQRSTUVW", "defghijklmnopqrstuvwxyz", "0123456789"} {
			if !strings.ContainsAny(text, kind) {
				t.Errorf("%q has none of %s", text, kind)
			}
		}
		if seen[text] {
			t.Errorf("%q twice", text)
		}
		seen[text] = true
	}
	if _, err := randomText(rand.Reader, 3, ""); err == nil {
		t.Error("three characters cannot hold one of four kinds")
	}
	failed := errors.New("no randomness")
	if _, err := randomText(failing{failed}, 8, ""); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestUnknownPropertiesAreErrors(t *testing.T) {
	for definition, part := range map[string]string{
		`{"CorsConfiguration":{"CorsRules":[{"Foo":1}]}}`:                 `unknown property "Foo"`,
		`{"LifecycleConfiguration":{"Rules":[{"ExpirationInDays":"x"}]}}`: "ExpirationInDays",
		`{"NotificationConfiguration":{"LambdaConfigurations":[]}}`:       `unknown property "LambdaConfigurations"`,
		`{} {}`: "more than one",
	} {
		var d bucketDefinition
		if err := decode(json.RawMessage(definition), &d); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", definition, err)
		}
	}
}

func TestPolicyOverPlainHTTP(t *testing.T) {
	const tls = `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`
	const other = `{"Effect":"Deny","Condition":{"Bool":{"aws:SecureTransport":"false"},"StringEquals":{"a":"b"}}}`
	cases := map[string]struct{ policy, want string }{
		"nothing else":           {`{"Version":"2012-10-17","Statement":[` + tls + `]}`, ""},
		"one that stands alone":  {`{"Statement":` + tls + `}`, ""},
		"one that stays":         {`{"Statement":[` + tls + `,{"Effect":"Allow"}]}`, `{"Statement":[{"Effect":"Allow"}]}`},
		"a further condition":    {`{"Statement":[` + other + `]}`, `{"Statement":[` + other + `]}`},
		"an alone one that stay": {`{"Statement":{"Effect":"Allow"}}`, `{"Statement":[{"Effect":"Allow"}]}`},
	}
	for name, c := range cases {
		got, err := withoutTLS(json.RawMessage(c.policy))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
	if _, err := withoutTLS(json.RawMessage(`{"Statement":[5]}`)); err == nil {
		t.Error("a number for a statement is accepted")
	}
}

func TestLifecycleRules(t *testing.T) {
	cases := map[string]struct {
		rule string
		want types.LifecycleRule
	}{
		"everything expires": {
			`{"Id":"a","Status":"Enabled","ExpirationInDays":7}`,
			types.LifecycleRule{
				ID: aws.String("a"), Status: "Enabled", Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
				Expiration: &types.LifecycleExpiration{Days: aws.Int32(7)},
			},
		},
		"one tag, transitions old and new": {
			`{"Status":"Disabled","TagFilters":[{"Key":"k","Value":"v"}],
			  "Transition":{"StorageClass":"GLACIER","TransitionInDays":9},"Transitions":[{"StorageClass":"STANDARD_IA","TransitionInDays":3}],
			  "NoncurrentVersionExpirationInDays":5,
			  "NoncurrentVersionTransition":{"StorageClass":"GLACIER","TransitionInDays":4,"NewerNoncurrentVersions":2}}`,
			types.LifecycleRule{
				Status: "Disabled",
				Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String("k"), Value: aws.String("v")}},
				Transitions: []types.Transition{
					{StorageClass: "STANDARD_IA", Days: aws.Int32(3)}, {StorageClass: "GLACIER", Days: aws.Int32(9)},
				},
				NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(5)},
				NoncurrentVersionTransitions: []types.NoncurrentVersionTransition{
					{StorageClass: "GLACIER", NoncurrentDays: aws.Int32(4), NewerNoncurrentVersions: aws.Int32(2)},
				},
			},
		},
		"a prefix and a size": {
			`{"Status":"Enabled","Prefix":"p/","ObjectSizeGreaterThan":"100","AbortIncompleteMultipartUpload":{"DaysAfterInitiation":1},
			  "NoncurrentVersionExpiration":{"NoncurrentDays":3,"NewerNoncurrentVersions":1}}`,
			types.LifecycleRule{
				Status: "Enabled",
				Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{
					Prefix: aws.String("p/"), ObjectSizeGreaterThan: aws.Int64(100),
				}},
				AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(1)},
				NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{
					NoncurrentDays: aws.Int32(3), NewerNoncurrentVersions: aws.Int32(1),
				},
			},
		},
	}
	for name, c := range cases {
		var rule lifecycleRule
		if err := decode(json.RawMessage(c.rule), &rule); err != nil {
			t.Fatal(err)
		}
		got, err := rule.api()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(
			types.LifecycleRule{}, types.LifecycleRuleFilter{}, types.LifecycleRuleAndOperator{}, types.LifecycleExpiration{}, types.Tag{},
			types.Transition{}, types.NoncurrentVersionExpiration{}, types.NoncurrentVersionTransition{}, types.AbortIncompleteMultipartUpload{},
		)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	for _, wrong := range []string{`{"ExpirationDate":"soon"}`, `{"Transition":{"TransitionDate":"soon"}}`} {
		var rule lifecycleRule
		if err := decode(json.RawMessage(wrong), &rule); err != nil {
			t.Fatal(err)
		}
		if _, err := rule.api(); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
