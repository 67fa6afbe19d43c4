package provision

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/fotograma/fotograma/internal/local/sam"
)

func (p *provisioner) bucket(ctx context.Context, b sam.Bucket) error {
	var d bucketDefinition
	if err := decode(b.Definition, &d); err != nil {
		return err
	}
	if err := p.createBucket(ctx, b.Name); err != nil {
		return err
	}
	steps := []func(context.Context, string, bucketDefinition) error{
		p.ownership, p.publicAccess, p.encryption, p.versioning, p.cors, p.lifecycle,
	}
	for _, step := range steps {
		if err := step(ctx, b.Name, d); err != nil {
			return err
		}
	}
	if err := p.policy(ctx, b); err != nil {
		return err
	}
	return p.notification(ctx, b, d) // last: S3 asks the queues
}

func (p *provisioner) createBucket(ctx context.Context, name string) error {
	in := &s3.CreateBucketInput{Bucket: &name}
	if region := p.s3.Options().Region; region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(region),
		}
	}
	_, err := p.s3.CreateBucket(ctx, in)
	if err == nil || isCode(err, "BucketAlreadyOwnedByYou") {
		return nil
	}
	if isCode(err, "BucketAlreadyExists") {
		// Some endpoints say this of one's own bucket too.
		if _, head := p.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name}); head == nil {
			return nil
		}
	}
	return fmt.Errorf("create: %w", err)
}

func (p *provisioner) ownership(ctx context.Context, name string, d bucketDefinition) error {
	if d.OwnershipControls == nil {
		return nil
	}
	controls := &types.OwnershipControls{}
	for _, r := range d.OwnershipControls.Rules {
		controls.Rules = append(controls.Rules, types.OwnershipControlsRule{ObjectOwnership: types.ObjectOwnership(r.ObjectOwnership)})
	}
	_, err := p.s3.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: &name, OwnershipControls: controls})
	return p.optional(ctx, "set object ownership", name, err)
}

func (p *provisioner) publicAccess(ctx context.Context, name string, d bucketDefinition) error {
	c := d.PublicAccessBlockConfiguration
	if c == nil {
		return nil
	}
	_, err := p.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: &name,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: &c.BlockPublicAcls, BlockPublicPolicy: &c.BlockPublicPolicy,
			IgnorePublicAcls: &c.IgnorePublicAcls, RestrictPublicBuckets: &c.RestrictPublicBuckets,
		},
	})
	return p.optional(ctx, "block public access", name, err)
}

func (p *provisioner) encryption(ctx context.Context, name string, d bucketDefinition) error {
	if d.BucketEncryption == nil {
		return nil
	}
	configuration := &types.ServerSideEncryptionConfiguration{}
	for _, r := range d.BucketEncryption.ServerSideEncryptionConfiguration {
		rule := types.ServerSideEncryptionRule{BucketKeyEnabled: r.BucketKeyEnabled}
		if by := r.ServerSideEncryptionByDefault; by != nil {
			rule.ApplyServerSideEncryptionByDefault = &types.ServerSideEncryptionByDefault{
				SSEAlgorithm: types.ServerSideEncryption(by.SSEAlgorithm),
			}
			if by.KMSMasterKeyID != "" && isOwnKey(by.KMSMasterKeyID) {
				rule.ApplyServerSideEncryptionByDefault.KMSMasterKeyID = &by.KMSMasterKeyID
			}
		}
		configuration.Rules = append(configuration.Rules, rule)
	}
	_, err := p.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: &name, ServerSideEncryptionConfiguration: configuration,
	})
	return p.optional(ctx, "set encryption", name, err)
}

func (p *provisioner) versioning(ctx context.Context, name string, d bucketDefinition) error {
	if d.VersioningConfiguration == nil {
		return nil
	}
	_, err := p.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{
			Status: types.BucketVersioningStatus(d.VersioningConfiguration.Status),
		},
	})
	if err != nil {
		return fmt.Errorf("set versioning: %w", err)
	}
	return nil
}

func (p *provisioner) cors(ctx context.Context, name string, d bucketDefinition) error {
	if d.CorsConfiguration == nil {
		_, err := p.s3.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: &name})
		return p.optional(ctx, "delete CORS rules", name, err)
	}
	configuration := &types.CORSConfiguration{}
	for _, r := range d.CorsConfiguration.CorsRules {
		rule := types.CORSRule{
			AllowedHeaders: r.AllowedHeaders, AllowedMethods: r.AllowedMethods, AllowedOrigins: r.AllowedOrigins,
			ExposeHeaders: r.ExposedHeaders, MaxAgeSeconds: r.MaxAge,
		}
		if r.Id != "" {
			rule.ID = &r.Id
		}
		configuration.CORSRules = append(configuration.CORSRules, rule)
	}
	_, err := p.s3.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: &name, CORSConfiguration: configuration})
	if err != nil {
		return fmt.Errorf("set CORS rules: %w", err)
	}
	return nil
}

func (p *provisioner) lifecycle(ctx context.Context, name string, d bucketDefinition) error {
	if d.LifecycleConfiguration == nil {
		_, err := p.s3.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: &name})
		return p.optional(ctx, "delete lifecycle rules", name, err)
	}
	in := &s3.PutBucketLifecycleConfigurationInput{
		Bucket:                             &name,
		LifecycleConfiguration:             &types.BucketLifecycleConfiguration{},
		TransitionDefaultMinimumObjectSize: types.TransitionDefaultMinimumObjectSize(d.LifecycleConfiguration.TransitionDefaultMinimumObjectSize),
	}
	for _, r := range d.LifecycleConfiguration.Rules {
		rule, err := r.api()
		if err != nil {
			return fmt.Errorf("lifecycle rule %s: %w", r.Id, err)
		}
		in.LifecycleConfiguration.Rules = append(in.LifecycleConfiguration.Rules, rule)
	}
	_, err := p.s3.PutBucketLifecycleConfiguration(ctx, in)
	return p.optional(ctx, "set lifecycle rules", name, err)
}

func (r lifecycleRule) api() (types.LifecycleRule, error) {
	filter, err := r.filter()
	if err != nil {
		return types.LifecycleRule{}, err
	}
	out := types.LifecycleRule{Status: types.ExpirationStatus(r.Status), Filter: filter}
	if r.Id != "" {
		out.ID = &r.Id
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil {
		out.AbortIncompleteMultipartUpload = &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: &a.DaysAfterInitiation}
	}
	if out.Expiration, err = r.expiration(); err != nil {
		return types.LifecycleRule{}, err
	}
	for _, t := range withSingle(r.Transition, r.Transitions) {
		date, err := when(t.TransitionDate)
		if err != nil {
			return types.LifecycleRule{}, err
		}
		out.Transitions = append(out.Transitions, types.Transition{
			StorageClass: types.TransitionStorageClass(t.StorageClass), Days: t.TransitionInDays, Date: date,
		})
	}
	if e := r.NoncurrentVersionExpiration; e != nil {
		out.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{
			NoncurrentDays: &e.NoncurrentDays, NewerNoncurrentVersions: e.NewerNoncurrentVersions,
		}
	} else if days := r.NoncurrentVersionExpirationInDays; days != nil {
		out.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: days}
	}
	for _, t := range withSingle(r.NoncurrentVersionTransition, r.NoncurrentVersionTransitions) {
		out.NoncurrentVersionTransitions = append(out.NoncurrentVersionTransitions, types.NoncurrentVersionTransition{
			StorageClass: types.TransitionStorageClass(t.StorageClass), NoncurrentDays: t.TransitionInDays,
			NewerNoncurrentVersions: t.NewerNoncurrentVersions,
		})
	}
	return out, nil
}

// withSingle joins a list with the old property for one.
func withSingle[T any](single *T, list []T) []T {
	if single == nil {
		return list
	}
	return append(slices.Clone(list), *single)
}

func (r lifecycleRule) expiration() (*types.LifecycleExpiration, error) {
	date, err := when(r.ExpirationDate)
	if err != nil || date == nil && r.ExpirationInDays == nil && r.ExpiredObjectDeleteMarker == nil {
		return nil, err
	}
	return &types.LifecycleExpiration{
		Date: date, Days: r.ExpirationInDays, ExpiredObjectDeleteMarker: r.ExpiredObjectDeleteMarker,
	}, nil
}

func when(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no date is no error
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return &t, nil
		}
	}
	return nil, fmt.Errorf("%q is no date", text)
}

// filter makes one filter of the properties that CloudFormation has beside each
// other.
func (r lifecycleRule) filter() (*types.LifecycleRuleFilter, error) {
	both := types.LifecycleRuleAndOperator{}
	count := len(r.TagFilters)
	if r.Prefix != "" {
		both.Prefix = &r.Prefix
		count++
	}
	for _, t := range r.TagFilters {
		both.Tags = append(both.Tags, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	for size, to := range map[*json.Number]**int64{
		r.ObjectSizeGreaterThan: &both.ObjectSizeGreaterThan, r.ObjectSizeLessThan: &both.ObjectSizeLessThan,
	} {
		if size == nil {
			continue
		}
		n, err := strconv.ParseInt(size.String(), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no size in bytes", *size)
		}
		*to = &n
		count++
	}
	if count > 1 {
		return &types.LifecycleRuleFilter{And: &both}, nil
	}
	out := &types.LifecycleRuleFilter{
		Prefix: both.Prefix, ObjectSizeGreaterThan: both.ObjectSizeGreaterThan, ObjectSizeLessThan: both.ObjectSizeLessThan,
	}
	if len(both.Tags) == 1 {
		out.Tag = &both.Tags[0]
	}
	if count == 0 {
		out.Prefix = aws.String("") // everything
	}
	return out, nil
}

// policy sets the bucket's policy. Over plain HTTP, statements that refuse plain
// HTTP are left out: they would refuse everybody.
func (p *provisioner) policy(ctx context.Context, b sam.Bucket) error {
	document := b.Policy
	if strings.HasPrefix(aws.ToString(p.s3.Options().BaseEndpoint), "http://") && document != nil {
		var err error
		if document, err = withoutTLS(document); err != nil {
			return fmt.Errorf("read its policy: %w", err)
		}
	}
	if document == nil {
		_, err := p.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &b.Name})
		return p.optional(ctx, "delete the policy", b.Name, err)
	}
	_, err := p.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b.Name, Policy: aws.String(string(document))})
	return p.optional(ctx, "set the policy", b.Name, err)
}

// withoutTLS leaves out the statements that deny what does not come over TLS;
// nil if there is no other.
func withoutTLS(document json.RawMessage) (json.RawMessage, error) {
	var policy map[string]json.RawMessage
	if err := json.Unmarshal(document, &policy); err != nil {
		return nil, err
	}
	var statements []json.RawMessage
	if err := json.Unmarshal(policy["Statement"], &statements); err != nil {
		statements = []json.RawMessage{policy["Statement"]} // one may stand alone
	}
	var kept []json.RawMessage
	for _, raw := range statements {
		var s struct {
			Effect    string                    `json:"Effect"`
			Condition map[string]map[string]any `json:"Condition"`
		}
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		if s.Effect != "Deny" || !demandsTLS(s.Condition) {
			kept = append(kept, raw)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	var err error
	if policy["Statement"], err = json.Marshal(kept); err != nil {
		return nil, err
	}
	return json.Marshal(policy)
}

// demandsTLS tells whether a condition holds for plain HTTP and nothing else.
func demandsTLS(condition map[string]map[string]any) bool {
	if len(condition) != 1 || len(condition["Bool"]) != 1 {
		return false
	}
	for key, value := range condition["Bool"] {
		if strings.EqualFold(key, "aws:SecureTransport") && strings.EqualFold(fmt.Sprint(value), "false") {
			return true
		}
	}
	return false
}

// notification sets where the bucket's events go, unless it is so already: S3
// sends a test event each time.
func (p *provisioner) notification(ctx context.Context, b sam.Bucket, d bucketDefinition) error {
	wants := []types.QueueConfiguration{}
	if d.NotificationConfiguration != nil {
		for i, q := range d.NotificationConfiguration.QueueConfigurations {
			wants = append(wants, q.api(fmt.Sprintf("%s-%d", b.LogicalID, i)))
		}
	}
	has, err := p.s3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &b.Name})
	switch {
	case err != nil && len(wants) == 0 && isNotImplemented(err):
		return nil
	case err != nil:
		return fmt.Errorf("read where its events go: %w", err)
	case reflect.DeepEqual(normal(has.QueueConfigurations), normal(wants)):
		return nil
	}
	_, err = p.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: &b.Name, NotificationConfiguration: &types.NotificationConfiguration{
			QueueConfigurations: wants,
			// What others set up beside the template is not taken away.
			EventBridgeConfiguration:     has.EventBridgeConfiguration,
			LambdaFunctionConfigurations: has.LambdaFunctionConfigurations,
			TopicConfigurations:          has.TopicConfigurations,
		},
	})
	if err != nil {
		return fmt.Errorf("send its events to a queue: %w", err)
	}
	return nil
}

func (q queueNotification) api(id string) types.QueueConfiguration {
	out := types.QueueConfiguration{Id: &id, QueueArn: &q.Queue, Events: []types.Event{types.Event(q.Event)}}
	if q.Filter != nil {
		key := &types.S3KeyFilter{}
		for _, r := range q.Filter.S3Key.Rules {
			key.FilterRules = append(key.FilterRules, types.FilterRule{
				Name: types.FilterRuleName(strings.ToLower(r.Name)), Value: aws.String(r.Value),
			})
		}
		out.Filter = &types.NotificationConfigurationFilter{Key: key}
	}
	return out
}

// normal spells configurations such that equal ones are equal, whatever the
// endpoint makes of case and order.
func normal(configurations []types.QueueConfiguration) []string {
	out := make([]string, 0, len(configurations))
	for _, c := range configurations {
		events, rules := make([]string, 0, len(c.Events)), []string{}
		for _, e := range c.Events {
			events = append(events, string(e))
		}
		if c.Filter != nil && c.Filter.Key != nil {
			for _, r := range c.Filter.Key.FilterRules {
				rules = append(rules, strings.ToLower(string(r.Name))+"="+aws.ToString(r.Value))
			}
		}
		slices.Sort(events)
		slices.Sort(rules)
		out = append(out, fmt.Sprint(aws.ToString(c.QueueArn), events, rules))
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}
