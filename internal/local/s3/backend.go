package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// observed is a storage backend that records every change of an object in the
// outbox around making it.
//
// It wraps the backend rather than using versitygw's event senders because
// those are told after the fact, and not the key of a POST upload.
type observed struct {
	backend.Backend // the posix backend, for all that is not overridden

	outbox   *outbox
	settings *settings
	uploads  keyedLock // by upload id: one completion or abort at a time
}

// PutObject stores an object that came by PUT or by a form's POST.
func (b *observed) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	event := "ObjectCreated:Put"
	if rc, ok := ctx.(*fasthttp.RequestCtx); ok && rc.IsPost() {
		event = "ObjectCreated:Post"
	}
	var out s3response.PutObjectOutput
	err := b.create(ctx, *in.Bucket, *in.Key, event, false, func() (err error) {
		out, err = b.Backend.PutObject(ctx, in)
		return err
	})
	return out, err
}

// CopyObject copies an object, possibly onto itself.
func (b *observed) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	var out s3response.CopyObjectOutput
	// A copy onto itself changes metadata in place: ETag and time of
	// modification stay, and so cannot tell whether it happened.
	inPlace := false
	if bucket, key, _, err := backend.ParseCopySource(*in.CopySource); err == nil {
		inPlace = bucket == *in.Bucket && key == *in.Key
	}
	err := b.create(ctx, *in.Bucket, *in.Key, "ObjectCreated:Copy", inPlace, func() (err error) {
		out, err = b.Backend.CopyObject(ctx, in)
		return err
	})
	return out, err
}

// create makes an object by calling do, between the intent and its outcome. If
// inPlace, an object that stands there afterwards always counts as changed.
func (b *observed) create(ctx context.Context, bucket, key, event string, inPlace bool, do func() error) error {
	// Cloned because fasthttp reuses a request's memory, strings included, while
	// an intent can outlive its request.
	c := change{Bucket: strings.Clone(bucket), Key: strings.Clone(key), Event: event}
	if !b.outbox.concerned(&c) {
		return do()
	}
	prior, err := b.probe(ctx, bucket, key, "")
	if err != nil {
		return err
	}
	if !inPlace {
		c.Prior = prior.identity()
	}
	c.Origin = requestOrigin(ctx)
	intents, err := b.outbox.begin(ctx, []change{c})
	if err != nil {
		return err
	}
	err = do()
	b.conclude(ctx, intents[0], err)
	return err
}

// conclude decides an intent to create an object after the backend was asked to.
func (b *observed) conclude(ctx context.Context, in *intent, err error) {
	if in == nil {
		return
	}
	if err != nil {
		b.failed(ctx, in, err)
		return
	}
	object, err := b.probe(ctx, in.Bucket, in.Key, "")
	if err != nil || !object.exists {
		b.outbox.release(in)
		return
	}
	b.outbox.settle(ctx, in, object)
}

// failed decides an intent whose operation returned an error. The backend can
// fail after the object became visible (in setting its tags), so usually only a
// look at the object tells.
func (b *observed) failed(ctx context.Context, in *intent, err error) {
	if refusal, ok := errors.AsType[s3err.S3Error](err); ok && refusal.BaseError().HTTPStatusCode == http.StatusPreconditionFailed {
		b.outbox.drop(ctx, in)
		return
	}
	b.outbox.release(in)
}

// DeleteObject removes an object, or a version of it, or marks it deleted.
func (b *observed) DeleteObject(ctx context.Context, in *awss3.DeleteObjectInput) (*awss3.DeleteObjectOutput, error) {
	return b.remove(ctx, in, "ObjectRemoved", requestOrigin(ctx))
}

// remove deletes one object; group is what the event's name begins with.
func (b *observed) remove(ctx context.Context, in *awss3.DeleteObjectInput, group string, by origin) (*awss3.DeleteObjectOutput, error) {
	target := types.ObjectIdentifier{Key: in.Key, VersionId: in.VersionId}
	intents, err := b.beginRemoval(ctx, *in.Bucket, []types.ObjectIdentifier{target}, group, by)
	if err != nil {
		return nil, err
	}
	out, err := b.Backend.DeleteObject(ctx, in)
	if intents[0] == nil {
		return out, err
	}
	if err != nil {
		b.failed(ctx, intents[0], err)
		return out, err
	}
	b.outbox.settle(ctx, intents[0], objectState{versionID: text(out.VersionId)})
	return out, nil
}

// DeleteObjects removes many objects, each with its own outcome.
func (b *observed) DeleteObjects(ctx context.Context, in *awss3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	intents, err := b.beginRemoval(ctx, *in.Bucket, in.Delete.Objects, "ObjectRemoved", requestOrigin(ctx))
	if err != nil {
		return s3response.DeleteResult{}, err
	}
	result, err := b.Backend.DeleteObjects(ctx, in)
	deleted := map[string]types.DeletedObject{}
	for _, d := range result.Deleted {
		deleted[text(d.Key)+"\x00"+text(d.VersionId)] = d
	}
	for _, pending := range intents {
		if pending == nil {
			continue
		}
		d, ok := deleted[pending.Key+"\x00"+pending.VersionID]
		if !ok {
			b.outbox.release(pending)
			continue
		}
		version := text(d.VersionId)
		if version == "" {
			version = text(d.DeleteMarkerVersionId)
		}
		b.outbox.settle(ctx, pending, objectState{versionID: version})
	}
	return result, err
}

// beginRemoval records the intents to remove those targets that exist.
func (b *observed) beginRemoval(ctx context.Context, bucket string, targets []types.ObjectIdentifier, group string, by origin) ([]*intent, error) {
	intents := make([]*intent, len(targets))
	var changes []change
	var places []int
	for i, target := range targets {
		c := change{
			Bucket: strings.Clone(bucket), Key: strings.Clone(text(target.Key)), VersionID: strings.Clone(text(target.VersionId)),
			Event: group + ":Delete", Origin: by,
		}
		if !b.outbox.concerned(&c) {
			continue
		}
		prior, err := b.probe(ctx, bucket, c.Key, c.VersionID)
		if err != nil {
			return nil, err
		}
		if !prior.exists {
			continue
		}
		c.Prior = prior.identity()
		if c.VersionID == "" && b.versioned(ctx, bucket) {
			c.Event = group + ":DeleteMarkerCreated"
		}
		changes = append(changes, c)
		places = append(places, i)
	}
	begun, err := b.outbox.begin(ctx, changes)
	if err != nil {
		return nil, err
	}
	for i, in := range begun {
		intents[places[i]] = in
	}
	return intents, nil
}

// versioned tells whether versioning was ever turned on for the bucket.
func (b *observed) versioned(ctx context.Context, bucket string) bool {
	out, err := b.GetBucketVersioning(ctx, bucket)
	return err == nil && out.Status != nil && *out.Status != ""
}

// probe looks at an object or a version of one. That there is none is no error.
func (b *observed) probe(ctx context.Context, bucket, key, versionID string) (objectState, error) {
	in := &awss3.HeadObjectInput{Bucket: &bucket, Key: &key}
	if versionID != "" {
		in.VersionId = &versionID
	}
	out, err := b.HeadObject(ctx, in)
	if _, refused := errors.AsType[s3err.S3Error](err); refused {
		// A delete marker addressed by its version is there, but not an object.
		marker := out != nil && out.DeleteMarker != nil && *out.DeleteMarker
		return objectState{exists: marker, versionID: versionID}, nil
	}
	if err != nil {
		return objectState{}, err
	}
	state := objectState{exists: true, etag: text(out.ETag), versionID: text(out.VersionId)}
	if out.ContentLength != nil {
		state.size = *out.ContentLength
	}
	if out.LastModified != nil {
		state.modified = *out.LastModified
	}
	return state, nil
}

// CreateBucket makes a bucket. In us-east-1, unlike elsewhere, S3 answers success
// for a bucket that its owner makes again.
func (b *observed) CreateBucket(ctx context.Context, in *awss3.CreateBucketInput, acl []byte) error {
	err := b.Backend.CreateBucket(ctx, in, acl)
	if refusal, ok := errors.AsType[s3err.S3Error](err); ok && refusal.BaseError().Code == "BucketAlreadyOwnedByYou" && b.outbox.region == "us-east-1" {
		return nil
	}
	return err
}

// DeleteBucket removes an empty bucket and all that was configured for it.
func (b *observed) DeleteBucket(ctx context.Context, bucket string) error {
	if err := b.Backend.DeleteBucket(ctx, bucket); err != nil {
		return err
	}
	return b.settings.forget(context.WithoutCancel(ctx), bucket)
}

// requestOrigin reads who is behind the request a backend call serves.
func requestOrigin(ctx context.Context) origin {
	rc, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return origin{Principal: "s3.amazonaws.com"}
	}
	by := origin{SourceIP: rc.RemoteIP().String()}
	by.RequestID, _ = rc.UserValue(string(utils.ContextKeyRequestID)).(string)
	by.HostID, _ = rc.UserValue(string(utils.ContextKeyHostID)).(string)
	by.Principal = "Anonymous"
	if account, ok := rc.UserValue(string(utils.ContextKeyAccount)).(auth.Account); ok && account.Access != "" {
		by.Principal = "AWS:" + account.Access
	}
	return by
}

// text is the string a pointer points to, or "".
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// keyedLock is a mutex per name.
type keyedLock struct {
	mu    sync.Mutex
	locks map[string]*sharedMutex
}

type sharedMutex struct {
	sync.Mutex

	users int
}

// lock waits for the name and returns the function that frees it.
func (k *keyedLock) lock(name string) func() {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*sharedMutex{}
	}
	m := k.locks[name]
	if m == nil {
		m = &sharedMutex{}
		k.locks[strings.Clone(name)] = m // the name may be in a request's reused memory
	}
	m.users++
	k.mu.Unlock()

	m.Lock()
	return func() {
		m.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if m.users--; m.users == 0 {
			delete(k.locks, name)
		}
	}
}
