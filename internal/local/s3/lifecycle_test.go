package s3

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

func (f *fixture) lifecycle(t *testing.T, rules ...types.LifecycleRule) {
	t.Helper()
	for i := range rules {
		rules[i].Status = types.ExpirationStatusEnabled
	}
	f.putLifecycle(t, rules...)
}

func (f *fixture) putLifecycle(t *testing.T, rules ...types.LifecycleRule) {
	t.Helper()
	if _, err := f.client.PutBucketLifecycleConfiguration(t.Context(), &awss3.PutBucketLifecycleConfigurationInput{
		Bucket: uploads, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
	}); err != nil {
		t.Fatal(err)
	}
}

// sweepAt sweeps as if it were then, and returns the keys that are left.
func (f *fixture) sweepAt(t *testing.T, now time.Time) []string {
	t.Helper()
	f.clock.set(now)
	if err := f.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := f.client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: uploads})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, object := range list.Contents {
		keys = append(keys, *object.Key)
	}
	return keys
}

// midnight is the next one, UTC, from when days count.
func midnight() time.Time { return time.Now().UTC().Truncate(day).Add(day) }

func TestExpiration(t *testing.T) {
	days := func(n int32) *types.LifecycleExpiration { return &types.LifecycleExpiration{Days: &n} }
	tag := func(value string) types.Tag { return types.Tag{Key: aws.String("kind"), Value: &value} }
	all := []string{"in/large", "in/small", "out/small"}
	for name, c := range map[string]struct {
		rule types.LifecycleRule
		left []string // after seven days
	}{
		"everything":             {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")}, Expiration: days(7)}, nil},
		"empty filter":           {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{}, Expiration: days(7)}, nil},
		"prefix":                 {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: aws.String("in/")}, Expiration: days(7)}, []string{"out/small"}},
		"prefix in the old form": {types.LifecycleRule{Prefix: aws.String("out/"), Expiration: days(7)}, []string{"in/large", "in/small"}}, //nolint:staticcheck // templates still use it
		"size":                   {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{ObjectSizeGreaterThan: aws.Int64(100)}, Expiration: days(7)}, []string{"in/small", "out/small"}},
		"small size":             {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{ObjectSizeLessThan: aws.Int64(100)}, Expiration: days(7)}, []string{"in/large"}},
		"tag":                    {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Tag: new(tag("video"))}, Expiration: days(7)}, []string{"in/small", "out/small"}},
		"another tag":            {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Tag: new(tag("audio"))}, Expiration: days(7)}, all},
		"several conditions": {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{
			Prefix: aws.String("in/"), ObjectSizeLessThan: aws.Int64(100),
		}}, Expiration: days(7)}, []string{"in/large", "out/small"}},
		"later":                            {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{}, Expiration: days(8)}, all},
		"by date":                          {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Date: new(midnight())}}, nil},
		"a transition, which is only kept": {types.LifecycleRule{Filter: &types.LifecycleRuleFilter{}, Transitions: []types.Transition{{Days: aws.Int32(1), StorageClass: types.TransitionStorageClassGlacier}}}, all},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			f.put(t, "in/small", "x")
			f.put(t, "in/large", strings.Repeat("x", 1000))
			f.put(t, "out/small", "x")
			if _, err := f.client.PutObjectTagging(t.Context(), &awss3.PutObjectTaggingInput{Bucket: uploads, Key: aws.String("in/large"), Tagging: &types.Tagging{TagSet: []types.Tag{tag("video")}}}); err != nil {
				t.Fatal(err)
			}
			f.lifecycle(t, c.rule)
			if name != "by date" {
				if left := f.sweepAt(t, midnight().Add(7*day-time.Second)); !slices.Equal(left, all) {
					t.Errorf("a second early, only %v are left", left)
				}
			}
			if diff := cmp.Diff(c.left, f.sweepAt(t, midnight().Add(7*day))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDisabledRuleDoesNothing(t *testing.T) {
	f := start(t)
	f.put(t, "k", "x")
	f.putLifecycle(t, types.LifecycleRule{Status: types.ExpirationStatusDisabled, Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}})
	if left := f.sweepAt(t, midnight().Add(100*day)); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

func TestExpirationHasItsOwnEvent(t *testing.T) {
	f := start(t)
	f.put(t, "k", "x")
	f.notifyQueue(t, nil, "s3:LifecycleExpiration:*")
	f.lifecycle(t, types.LifecycleRule{Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}})
	f.sweepAt(t, midnight().Add(day))
	record := f.queues.records(t, 1)[0]
	if record.EventName != "LifecycleExpiration:Delete" || record.S3.Object.Key != "k" || record.UserIdentity.PrincipalID != "s3.amazonaws.com" {
		t.Errorf("%+v", record)
	}
}

func TestManyObjectsExpire(t *testing.T) {
	f := start(t)
	for i := range int(pageSize) + 5 {
		f.put(t, fmt.Sprintf("%d/%d", i%7, i), "")
	}
	f.lifecycle(t, types.LifecycleRule{Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}})
	if left := f.sweepAt(t, midnight().Add(day)); len(left) != 0 {
		t.Errorf("%d objects are left", len(left))
	}
}

func TestIncompleteUploadsAreAborted(t *testing.T) {
	f := start(t)
	begin := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	f.clock.set(begin)
	old := f.startUpload(t, "in/old", "part")
	other := f.startUpload(t, "out/old", "part")
	f.clock.set(begin.Add(day))
	f.startUpload(t, "in/new", "part")
	f.lifecycle(t, types.LifecycleRule{
		Filter: &types.LifecycleRuleFilter{Prefix: aws.String("in/")}, AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(2)},
	})
	uploading := func() []string {
		out, err := f.client.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: uploads})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, upload := range out.Uploads {
			keys = append(keys, *upload.Key)
		}
		return keys
	}
	due := time.Date(2031, 5, 9, 0, 0, 0, 0, time.UTC)
	f.sweepAt(t, due.Add(-time.Second))
	if diff := cmp.Diff([]string{"in/new", "in/old", "out/old"}, uploading()); diff != "" {
		t.Errorf("a second early: %s", diff)
	}
	f.sweepAt(t, due)
	if diff := cmp.Diff([]string{"in/new", "out/old"}, uploading()); diff != "" {
		t.Error(diff)
	}
	if _, err := f.client.CompleteMultipartUpload(t.Context(), old); code(err) != "NoSuchUpload" {
		t.Errorf("completing an aborted upload: %v", err)
	}
	if _, err := f.client.CompleteMultipartUpload(t.Context(), other); err != nil {
		t.Errorf("completing the other: %v", err)
	}
}

func TestNoncurrentVersionsExpire(t *testing.T) {
	f := start(t)
	if _, err := f.client.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{
		Bucket: uploads, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"one", "two", "three", "four"} {
		f.put(t, "k", content)
	}
	f.put(t, "gone", "x")
	if _, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("gone")}); err != nil {
		t.Fatal(err)
	}
	versions := func() []string {
		out, err := f.client.ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: uploads})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, v := range out.Versions {
			body, err := f.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: uploads, Key: v.Key, VersionId: v.VersionId})
			if err != nil {
				t.Fatal(err)
			}
			content := make([]byte, *v.Size)
			_, _ = body.Body.Read(content)
			found = append(found, *v.Key+" "+string(content))
		}
		for _, m := range out.DeleteMarkers {
			found = append(found, *m.Key+" deleted")
		}
		slices.Sort(found)
		return found
	}
	f.lifecycle(t,
		types.LifecycleRule{ID: aws.String("old"), Filter: &types.LifecycleRuleFilter{}, NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(3), NewerNoncurrentVersions: aws.Int32(1)}},
		types.LifecycleRule{ID: aws.String("gone"), Filter: &types.LifecycleRuleFilter{Prefix: aws.String("gone")}, NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(3)}},
		types.LifecycleRule{ID: aws.String("markers"), Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}},
	)
	f.sweepAt(t, midnight().Add(3*day-time.Second))
	if diff := cmp.Diff([]string{"gone deleted", "gone x", "k four", "k one", "k three", "k two"}, versions()); diff != "" {
		t.Errorf("a second early: %s", diff)
	}
	f.sweepAt(t, midnight().Add(3*day))
	if diff := cmp.Diff([]string{"k four", "k three"}, versions()); diff != "" {
		t.Error(diff)
	}
}

func TestCurrentVersionExpiresIntoADeleteMarker(t *testing.T) {
	f := start(t)
	if _, err := f.client.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{
		Bucket: uploads, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	f.put(t, "k", "x")
	f.lifecycle(t, types.LifecycleRule{Filter: &types.LifecycleRuleFilter{}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}})
	if left := f.sweepAt(t, midnight().Add(day)); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	out, err := f.client.ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: uploads})
	if err != nil || len(out.Versions) != 1 || len(out.DeleteMarkers) != 1 {
		t.Errorf("%+v %v", out, err)
	}
}

func TestLifecycleConfigurationsRefused(t *testing.T) {
	const filter, expire = "<Filter/>", "<Expiration><Days>1</Days></Expiration>"
	rule := func(inner string) string { return "<Rule><Status>Enabled</Status>" + inner + "</Rule>" }
	for name, c := range map[string]struct{ rules, want string }{
		"no rule":              {"", "MalformedXML"},
		"no filter":            {rule(expire), "MalformedXML"},
		"two filters":          {rule(filter + "<Prefix/>" + expire), "MalformedXML"},
		"no action":            {rule(filter), "InvalidRequest"},
		"unknown status":       {strings.Replace(rule(filter+expire), "Enabled", "On", 1), "MalformedXML"},
		"zero days":            {rule(filter + "<Expiration><Days>0</Days></Expiration>"), "InvalidArgument"},
		"days and date":        {rule(filter + "<Expiration><Days>1</Days><Date>2031-01-01T00:00:00Z</Date></Expiration>"), "MalformedXML"},
		"noon":                 {rule(filter + "<Expiration><Date>2031-01-01T12:00:00Z</Date></Expiration>"), "InvalidArgument"},
		"the same id twice":    {rule("<ID>a</ID>"+filter+expire) + rule("<ID>a</ID>"+filter+expire), "InvalidArgument"},
		"no days for versions": {rule(filter + "<NoncurrentVersionExpiration/>"), "InvalidArgument"},
		"no days for uploads":  {rule(filter + "<AbortIncompleteMultipartUpload/>"), "InvalidArgument"},
		"uploads by tag":       {rule("<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"), "InvalidRequest"},
		"good":                 {rule(filter + expire), ""},
	} {
		got := ""
		if _, err := parseLifecycle([]byte("<LifecycleConfiguration>" + c.rules + "</LifecycleConfiguration>")); err != nil {
			got = apiCode(err)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestLifecycleConfigurationRoundTrip(t *testing.T) {
	f := start(t)
	f.lifecycle(t, types.LifecycleRule{
		ID: aws.String("everything"), Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{
			Prefix: aws.String("in/"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}, ObjectSizeGreaterThan: aws.Int64(1), ObjectSizeLessThan: aws.Int64(9),
		}},
		Expiration:                   &types.LifecycleExpiration{Days: aws.Int32(30)},
		NoncurrentVersionExpiration:  &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(3), NewerNoncurrentVersions: aws.Int32(2)},
		Transitions:                  []types.Transition{{Days: aws.Int32(5), StorageClass: types.TransitionStorageClassStandardIa}},
		NoncurrentVersionTransitions: []types.NoncurrentVersionTransition{{NoncurrentDays: aws.Int32(1), StorageClass: types.TransitionStorageClassGlacier}},
	})
	out, err := f.client.GetBucketLifecycleConfiguration(t.Context(), &awss3.GetBucketLifecycleConfigurationInput{Bucket: uploads})
	if err != nil || len(out.Rules) != 1 {
		t.Fatalf("%+v %v", out, err)
	}
	r := out.Rules[0]
	and := r.Filter.And
	got := []any{
		*r.ID, *and.Prefix, *and.Tags[0].Value, *and.ObjectSizeGreaterThan, *and.ObjectSizeLessThan, *r.Expiration.Days,
		*r.NoncurrentVersionExpiration.NoncurrentDays, *r.NoncurrentVersionExpiration.NewerNoncurrentVersions,
		*r.Transitions[0].Days, string(r.Transitions[0].StorageClass), *r.NoncurrentVersionTransitions[0].NoncurrentDays,
	}
	want := []any{"everything", "in/", "b", int64(1), int64(9), int32(30), int32(3), int32(2), int32(5), "STANDARD_IA", int32(1)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := f.client.DeleteBucketLifecycle(t.Context(), &awss3.DeleteBucketLifecycleInput{Bucket: uploads}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.GetBucketLifecycleConfiguration(t.Context(), &awss3.GetBucketLifecycleConfigurationInput{Bucket: uploads}); code(err) != "NoSuchLifecycleConfiguration" {
		t.Errorf("%v", err)
	}
}
