package s3

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/oklog/ulid/v2"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// lifecycleConfiguration is the body of PutBucketLifecycleConfiguration.
type lifecycleConfiguration struct {
	XMLName   xml.Name        `xml:"LifecycleConfiguration"`
	Namespace string          `xml:"xmlns,attr,omitempty"`
	Rules     []lifecycleRule `xml:"Rule"`
}

// lifecycleRule says what becomes of the objects its filter selects. Transitions
// are kept but have no effect: there is one storage class.
type lifecycleRule struct {
	ID                   string                         `xml:"ID"`
	Status               string                         `xml:"Status"` // Enabled or Disabled
	Prefix               *string                        `xml:"Prefix,omitempty"`
	Filter               *lifecycleFilter               `xml:"Filter,omitempty"`
	Expiration           *lifecycleExpiration           `xml:"Expiration,omitempty"`
	NoncurrentExpiration *lifecycleNoncurrentExpiration `xml:"NoncurrentVersionExpiration,omitempty"`
	AbortUploads         *lifecycleAbort                `xml:"AbortIncompleteMultipartUpload,omitempty"`
	Transitions          []lifecycleTransition          `xml:"Transition,omitempty"`
	NoncurrentTransition []lifecycleTransition          `xml:"NoncurrentVersionTransition,omitempty"`
}

// lifecycleFilter holds one condition, or several in And, or none.
type lifecycleFilter struct {
	lifecycleConditions

	And *lifecycleConditions `xml:"And,omitempty"`
}

type lifecycleConditions struct {
	Prefix      *string        `xml:"Prefix,omitempty"`
	Tags        []lifecycleTag `xml:"Tag,omitempty"`
	GreaterThan *int64         `xml:"ObjectSizeGreaterThan,omitempty"` // bytes
	LessThan    *int64         `xml:"ObjectSizeLessThan,omitempty"`    // bytes
}

type lifecycleTag struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

type lifecycleExpiration struct {
	Days         *int   `xml:"Days,omitempty"`
	Date         string `xml:"Date,omitempty"` // ISO 8601, midnight UTC
	DeleteMarker *bool  `xml:"ExpiredObjectDeleteMarker,omitempty"`
}

type lifecycleNoncurrentExpiration struct {
	Days *int `xml:"NoncurrentDays,omitempty"`
	Keep *int `xml:"NewerNoncurrentVersions,omitempty"`
}

type lifecycleAbort struct {
	Days int `xml:"DaysAfterInitiation"`
}

type lifecycleTransition struct {
	Days           *int   `xml:"Days,omitempty"`
	Date           string `xml:"Date,omitempty"`
	NoncurrentDays *int   `xml:"NoncurrentDays,omitempty"`
	Keep           *int   `xml:"NewerNoncurrentVersions,omitempty"`
	StorageClass   string `xml:"StorageClass"`
}

// maxLifecycleRules is how many rules S3 allows in a configuration.
const maxLifecycleRules = 1000

func parseLifecycleDocument(body []byte) (any, error) { return parseLifecycle(body) }

// parseLifecycle reads and checks a configuration, and gives rules without an
// ID one.
func parseLifecycle(body []byte) (*lifecycleConfiguration, error) {
	var config lifecycleConfiguration
	if err := unmarshal(body, &config); err != nil {
		return nil, err
	}
	if len(config.Rules) == 0 || len(config.Rules) > maxLifecycleRules {
		return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	ids := map[string]bool{}
	for i := range config.Rules {
		rule := &config.Rules[i]
		if rule.ID == "" {
			rule.ID = rand.Text()
		}
		if ids[rule.ID] {
			return nil, invalidArgument("Rule ID must be unique. Found same ID for more than one rule")
		}
		ids[rule.ID] = true
		if err := rule.validate(); err != nil {
			return nil, err
		}
	}
	config.XMLName, config.Namespace = xml.Name{Local: "LifecycleConfiguration"}, xmlNamespace
	return &config, nil
}

func (r *lifecycleRule) validate() error {
	known := r.Status == "Enabled" || r.Status == "Disabled"
	filtered := (r.Prefix == nil) != (r.Filter == nil)
	acts := r.Expiration != nil || r.NoncurrentExpiration != nil || r.AbortUploads != nil ||
		len(r.Transitions) > 0 || len(r.NoncurrentTransition) > 0
	if !known || !filtered {
		return s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	if !acts {
		return s3err.APIError{Code: "InvalidRequest", Description: "At least one action needs to be specified in a rule", HTTPStatusCode: http.StatusBadRequest}
	}
	return errors.Join(r.validateExpiration(), r.validateNoncurrent(), r.validateAbort())
}

func (r *lifecycleRule) validateExpiration() error {
	e := r.Expiration
	if e == nil {
		return nil
	}
	given := 0
	for _, present := range []bool{e.Days != nil, e.Date != "", e.DeleteMarker != nil} {
		if present {
			given++
		}
	}
	if given != 1 {
		return s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	if e.Days != nil && *e.Days <= 0 {
		return invalidArgument("'Days' for Expiration action must be a positive integer")
	}
	if e.Date == "" {
		return nil
	}
	if at, err := time.Parse(time.RFC3339, e.Date); err != nil || !at.Equal(at.UTC().Truncate(day)) {
		return invalidArgument("'Date' must be at midnight GMT")
	}
	return nil
}

func (r *lifecycleRule) validateNoncurrent() error {
	n := r.NoncurrentExpiration
	if n != nil && (n.Days == nil || *n.Days <= 0) {
		return invalidArgument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
	}
	return nil
}

func (r *lifecycleRule) validateAbort() error {
	if r.AbortUploads == nil {
		return nil
	}
	if r.AbortUploads.Days <= 0 {
		return invalidArgument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	}
	if c := r.conditions(); len(c.Tags) > 0 || c.GreaterThan != nil || c.LessThan != nil {
		return s3err.APIError{Code: "InvalidRequest", Description: "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.", HTTPStatusCode: http.StatusBadRequest}
	}
	return nil
}

// conditions returns what selects the rule's objects, wherever it is written.
func (r *lifecycleRule) conditions() lifecycleConditions {
	switch {
	case r.Filter == nil:
		return lifecycleConditions{Prefix: r.Prefix}
	case r.Filter.And != nil:
		return *r.Filter.And
	default:
		return r.Filter.lifecycleConditions
	}
}

// fits reports whether an object of this size is selected, tags aside.
func (c *lifecycleConditions) fits(size int64) bool {
	return (c.GreaterThan == nil || size > *c.GreaterThan) && (c.LessThan == nil || size < *c.LessThan)
}

const day = 24 * time.Hour

// due is when an action some days after a time happens: S3 adds the days and
// rounds up to the next midnight UTC.
func due(since time.Time, days int) time.Time {
	at := since.UTC().Add(time.Duration(days) * day)
	if midnight := at.Truncate(day); midnight.Equal(at) {
		return at
	}
	return at.Truncate(day).Add(day)
}

// expired reports whether an object last modified then is to go now.
func (e *lifecycleExpiration) expired(modified, now time.Time) bool {
	if e.Days != nil {
		return !due(modified, *e.Days).After(now)
	}
	at, err := time.Parse(time.RFC3339, e.Date)
	return err == nil && !at.After(now)
}

// Sweep carries out the lifecycle rules of all buckets once: it deletes what
// has expired and aborts incomplete multipart uploads. S3 does this once a day;
// how often it happens here is the caller's choice. One rule's failure does not
// keep the others from being applied.
func (s *Server) Sweep(ctx context.Context) error {
	configurations, err := s.store.settingsNamed(ctx, lifecycleSetting)
	if err != nil {
		return err
	}
	for _, stored := range configurations {
		config, parseErr := parseLifecycle(stored.document)
		if parseErr != nil {
			err = errors.Join(err, fmt.Errorf("lifecycle of bucket %s: %w", stored.bucket, parseErr))
			continue
		}
		for i := range config.Rules {
			sw := sweep{server: s, bucket: stored.bucket, rule: &config.Rules[i], conditions: config.Rules[i].conditions(), now: s.options.Now()}
			if sweepErr := sw.apply(ctx); sweepErr != nil {
				err = errors.Join(err, fmt.Errorf("lifecycle rule %s of bucket %s: %w", sw.rule.ID, sw.bucket, sweepErr))
			}
		}
	}
	return err
}

// sweep applies one rule to its bucket.
type sweep struct {
	server     *Server
	bucket     string
	rule       *lifecycleRule
	conditions lifecycleConditions
	now        time.Time
}

func (s *sweep) apply(ctx context.Context) error {
	if s.rule.Status != "Enabled" {
		return nil
	}
	var err error
	if s.rule.AbortUploads != nil {
		err = errors.Join(err, s.abortUploads(ctx))
	}
	if e := s.rule.Expiration; e != nil && e.DeleteMarker == nil {
		err = errors.Join(err, s.expireObjects(ctx))
	}
	if s.rule.NoncurrentExpiration != nil || (s.rule.Expiration != nil && s.rule.Expiration.DeleteMarker != nil) {
		err = errors.Join(err, s.expireVersions(ctx))
	}
	return err
}

// pageSize is how many entries a sweep lists at once.
const pageSize = int32(1000)

func (s *sweep) expireObjects(ctx context.Context) error {
	prefix, token := text(s.conditions.Prefix), ""
	for {
		size := pageSize
		page, err := s.server.backend.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: &prefix, ContinuationToken: &token, MaxKeys: &size,
			Delimiter: new(string), StartAfter: new(string), FetchOwner: new(bool),
		})
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		for _, object := range page.Contents {
			if err := s.expireObject(ctx, object); err != nil {
				return err
			}
		}
		if page.IsTruncated == nil || !*page.IsTruncated {
			return nil
		}
		token = text(page.NextContinuationToken)
	}
}

func (s *sweep) expireObject(ctx context.Context, object s3response.Object) error {
	if !s.rule.Expiration.expired(*object.LastModified, s.now) || !s.conditions.fits(*object.Size) {
		return nil
	}
	tagged, err := s.tagged(ctx, text(object.Key), "")
	if err != nil || !tagged {
		return err
	}
	etag := strings.Trim(text(object.ETag), `"`) // the backend compares without quotes
	return s.delete(ctx, text(object.Key), "", &awss3.DeleteObjectInput{
		// An object that was replaced since it was listed stays.
		IfMatch: &etag, IfMatchLastModifiedTime: object.LastModified,
	})
}

// tagged reports whether an object has all the tags the rule asks for.
func (s *sweep) tagged(ctx context.Context, key, versionID string) (bool, error) {
	if len(s.conditions.Tags) == 0 {
		return true, nil
	}
	tags, err := s.server.backend.GetObjectTagging(ctx, s.bucket, key, versionID)
	if _, refused := errors.AsType[s3err.S3Error](err); refused {
		return false, nil // no tags, or no object any more
	}
	if err != nil {
		return false, fmt.Errorf("read tags of %s: %w", key, err)
	}
	for _, want := range s.conditions.Tags {
		if value, ok := tags[want.Key]; !ok || value != want.Value {
			return false, nil
		}
	}
	return true, nil
}

func (s *sweep) delete(ctx context.Context, key, versionID string, in *awss3.DeleteObjectInput) error {
	in.Bucket, in.Key = &s.bucket, &key
	if versionID != "" {
		in.VersionId = &versionID
	}
	_, err := s.server.backend.remove(ctx, in, "LifecycleExpiration", origin{Principal: "s3.amazonaws.com"})
	if refusal, ok := errors.AsType[s3err.S3Error](err); ok && refusal.BaseError().HTTPStatusCode < http.StatusInternalServerError {
		return nil // changed or gone since it was listed, or locked
	}
	if err != nil {
		return fmt.Errorf("expire %s: %w", key, err)
	}
	s.server.options.Logger.InfoContext(ctx, "S3 object expired", "bucket", s.bucket, "key", key, "version", versionID, "rule", s.rule.ID)
	return nil
}

func (s *sweep) abortUploads(ctx context.Context) error {
	most, none := int32(math.MaxInt32), ""
	uploads, err := s.server.backend.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{
		Bucket: &s.bucket, Prefix: s.conditions.Prefix, MaxUploads: &most,
		KeyMarker: &none, UploadIdMarker: &none, Delimiter: &none,
	})
	if err != nil {
		return fmt.Errorf("list multipart uploads: %w", err)
	}
	for _, upload := range uploads.Uploads {
		if due(upload.Initiated, s.rule.AbortUploads.Days).After(s.now) {
			continue
		}
		err := s.server.backend.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &upload.Key, UploadId: &upload.UploadID})
		if _, refused := errors.AsType[s3err.S3Error](err); err != nil && !refused {
			return fmt.Errorf("abort upload %s of %s: %w", upload.UploadID, upload.Key, err)
		}
		s.server.options.Logger.InfoContext(ctx, "S3 multipart upload aborted", "bucket", s.bucket, "key", upload.Key, "rule", s.rule.ID)
	}
	return nil
}

// version is an object's version or a delete marker, as listed.
type version struct {
	key, id  string
	modified time.Time
	size     int64
	latest   bool
	marker   bool
}

// expireVersions applies what a rule says of versions that are not current, and
// of delete markers that are all that is left of an object.
func (s *sweep) expireVersions(ctx context.Context) error {
	byKey, order, err := s.versions(ctx)
	if err != nil {
		return err
	}
	for _, key := range order {
		if err := s.expireVersionsOf(ctx, byKey[key]); err != nil {
			return err
		}
	}
	return nil
}

// versions lists all versions under the rule's prefix by key, newest first, and
// the keys in the order listed.
func (s *sweep) versions(ctx context.Context) (map[string][]version, []string, error) {
	byKey, order := map[string][]version{}, []string(nil)
	keyMarker, versionMarker, prefix := "", "", text(s.conditions.Prefix)
	for {
		size := pageSize
		page, err := s.server.backend.ListObjectVersions(ctx, &awss3.ListObjectVersionsInput{
			Bucket: &s.bucket, Prefix: &prefix, MaxKeys: &size, Delimiter: new(string),
			KeyMarker: &keyMarker, VersionIdMarker: &versionMarker,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("list object versions: %w", err)
		}
		for _, v := range pageVersions(&page) {
			if byKey[v.key] == nil {
				order = append(order, v.key)
			}
			byKey[v.key] = insertByAge(byKey[v.key], v)
		}
		if page.IsTruncated == nil || !*page.IsTruncated {
			return byKey, order, nil
		}
		keyMarker, versionMarker = text(page.NextKeyMarker), text(page.NextVersionIdMarker)
	}
}

func pageVersions(page *s3response.ListVersionsResult) []version {
	found := make([]version, 0, len(page.Versions)+len(page.DeleteMarkers))
	for _, v := range page.Versions {
		found = append(found, version{key: text(v.Key), id: text(v.VersionId), modified: *v.LastModified, size: *v.Size, latest: *v.IsLatest})
	}
	for _, m := range page.DeleteMarkers {
		found = append(found, version{key: text(m.Key), id: text(m.VersionId), modified: *m.LastModified, latest: *m.IsLatest, marker: true})
	}
	return found
}

// insertByAge keeps versions newest first. Version ids are ULIDs, so they sort
// by time; "null", a version from before versioning, is the oldest.
func insertByAge(versions []version, v version) []version {
	at := 0
	for at < len(versions) && newer(versions[at], v) {
		at++
	}
	versions = append(versions, version{})
	copy(versions[at+1:], versions[at:])
	versions[at] = v
	return versions
}

func newer(a, b version) bool {
	if a.latest != b.latest {
		return a.latest
	}
	if (a.id == "null") != (b.id == "null") {
		return b.id == "null"
	}
	return strings.Compare(a.id, b.id) > 0
}

// replaced is when a version became noncurrent: when the next newer one was made,
// which its id, a ULID, tells. (The listed times do not: a delete marker is the
// file of the object it hides.) A version replaced while versioning was suspended
// has a successor without a time, but was itself written aside at that moment.
func replaced(versions []version, i int) time.Time {
	id, err := ulid.Parse(versions[i-1].id)
	if err != nil {
		return versions[i].modified
	}
	return ulid.Time(id.Time())
}

func (s *sweep) expireVersionsOf(ctx context.Context, versions []version) error {
	if e := s.rule.Expiration; e != nil && e.DeleteMarker != nil && *e.DeleteMarker && len(versions) == 1 && versions[0].marker {
		return s.delete(ctx, versions[0].key, versions[0].id, &awss3.DeleteObjectInput{})
	}
	n := s.rule.NoncurrentExpiration
	if n == nil {
		return nil
	}
	keep := 0
	if n.Keep != nil {
		keep = *n.Keep
	}
	for i := 1 + keep; i < len(versions); i++ {
		if due(replaced(versions, i), *n.Days).After(s.now) || !s.conditions.fits(versions[i].size) {
			continue
		}
		tagged, err := s.tagged(ctx, versions[i].key, versions[i].id)
		if err != nil {
			return err
		}
		if !tagged {
			continue
		}
		if err := s.delete(ctx, versions[i].key, versions[i].id, &awss3.DeleteObjectInput{}); err != nil {
			return err
		}
	}
	return nil
}
