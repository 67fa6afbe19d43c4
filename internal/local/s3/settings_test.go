package s3

import (
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/versity/versitygw/s3err"
)

func apiCode(err error) string {
	if api, ok := errors.AsType[s3err.S3Error](err); ok {
		return api.BaseError().Code
	}
	return err.Error()
}

func TestPublicAccessBlock(t *testing.T) {
	f := start(t)
	get := func() (*types.PublicAccessBlockConfiguration, error) {
		out, err := f.client.GetPublicAccessBlock(t.Context(), &awss3.GetPublicAccessBlockInput{Bucket: uploads})
		if err != nil {
			return nil, err
		}
		return out.PublicAccessBlockConfiguration, nil
	}
	if _, err := get(); code(err) != "NoSuchPublicAccessBlockConfiguration" {
		t.Errorf("before: %v", err)
	}
	want := &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(false), RestrictPublicBuckets: aws.Bool(true)}
	if _, err := f.client.PutPublicAccessBlock(t.Context(), &awss3.PutPublicAccessBlockInput{Bucket: uploads, PublicAccessBlockConfiguration: want}); err != nil {
		t.Fatal(err)
	}
	got, err := get()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(*want)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := f.client.DeletePublicAccessBlock(t.Context(), &awss3.DeletePublicAccessBlockInput{Bucket: uploads}); err != nil {
		t.Fatal(err)
	}
	if _, err := get(); code(err) != "NoSuchPublicAccessBlockConfiguration" {
		t.Errorf("after: %v", err)
	}
}

func TestEncryption(t *testing.T) {
	f := start(t)
	get := func() string {
		out, err := f.client.GetBucketEncryption(t.Context(), &awss3.GetBucketEncryptionInput{Bucket: uploads})
		if err != nil {
			t.Fatal(err)
		}
		rule := out.ServerSideEncryptionConfiguration.Rules[0]
		return string(rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm) + " " + aws.ToString(rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID)
	}
	put := func(algorithm types.ServerSideEncryption, key *string) error {
		_, err := f.client.PutBucketEncryption(t.Context(), &awss3.PutBucketEncryptionInput{Bucket: uploads, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
			Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: algorithm, KMSMasterKeyID: key}, BucketKeyEnabled: aws.Bool(true)}},
		}})
		return err
	}
	if got := get(); got != "AES256 " {
		t.Errorf("of a new bucket: %q", got)
	}
	if err := put("aws:kms", aws.String("alias/videos")); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != "aws:kms alias/videos" {
		t.Errorf("as set: %q", got)
	}
	if err := put("ROT13", nil); code(err) != "MalformedXML" {
		t.Errorf("unknown algorithm: %v", err)
	}
	if _, err := f.client.DeleteBucketEncryption(t.Context(), &awss3.DeleteBucketEncryptionInput{Bucket: uploads}); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != "AES256 " {
		t.Errorf("after deletion: %q", got)
	}
}

// TestTLSOnlyPolicy: the policy that template.yaml gives its buckets must not
// lock the local stack out, which speaks plain HTTP, but is kept.
func TestTLSOnlyPolicy(t *testing.T) {
	f := start(t)
	policy := `{"Version":"2012-10-17","Statement":[{"Sid":"TLSOnly","Effect":"Deny","Principal":"*","Action":"s3:*",` +
		`"Resource":["arn:aws:s3:::uploads","arn:aws:s3:::uploads/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	if _, err := f.client.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: uploads, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	out, err := f.client.GetBucketPolicy(t.Context(), &awss3.GetBucketPolicyInput{Bucket: uploads})
	if err != nil || *out.Policy != policy {
		t.Errorf("%v %v", out, err)
	}
	f.put(t, "k", "x")
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	if resp, body := f.form(t, "posted", nil).submit(t, []byte("x"), nil); resp.StatusCode != http.StatusNoContent {
		t.Errorf("POST: %s %s", resp.Status, body)
	}
	if _, exists := f.content(t, "k"); !exists {
		t.Error("object is gone")
	}
}

func TestOtherBucketSettings(t *testing.T) {
	f := start(t)
	if _, err := f.client.PutBucketOwnershipControls(t.Context(), &awss3.PutBucketOwnershipControlsInput{Bucket: uploads, OwnershipControls: &types.OwnershipControls{
		Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}},
	}}); err != nil {
		t.Error(err)
	}
	owner, err := f.client.GetBucketOwnershipControls(t.Context(), &awss3.GetBucketOwnershipControlsInput{Bucket: uploads})
	if err != nil || owner.OwnershipControls.Rules[0].ObjectOwnership != types.ObjectOwnershipBucketOwnerEnforced {
		t.Errorf("ownership: %+v %v", owner, err)
	}
	if _, err := f.client.PutBucketTagging(t.Context(), &awss3.PutBucketTaggingInput{Bucket: uploads, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("app"), Value: aws.String("fotograma")}}}}); err != nil {
		t.Error(err)
	}
	tags, err := f.client.GetBucketTagging(t.Context(), &awss3.GetBucketTaggingInput{Bucket: uploads})
	if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Value != "fotograma" {
		t.Errorf("tags: %+v %v", tags, err)
	}
}

// TestSettingNamesInObjectKeys: a query parameter named like a setting does not
// turn a call on an object into one on its bucket.
func TestSettingNamesInObjectKeys(t *testing.T) {
	f := start(t)
	f.put(t, "lifecycle", "x")
	r := request(t, http.MethodGet, f.url+"/uploads/lifecycle?lifecycle=", nil, map[string]string{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"})
	sign(t, r, "UNSIGNED-PAYLOAD")
	if resp, body := exchange(t, r); body != "x" {
		t.Errorf("%s %s", resp.Status, body)
	}
}
