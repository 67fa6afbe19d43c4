package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

const (
	// The posix backend's names for what it keeps of multipart uploads: on an
	// upload's directory the object's key, on a finished object its upload, and
	// the ending of the directory's name while a completion is at work.
	keyAttribute     = "objname"
	partsAttribute   = "mp-metadata"
	inProgressSuffix = ".inprogress"

	// initiatedAttribute is set here on an upload's directory, whose time of
	// modification, which the backend reports, moves with every part.
	initiatedAttribute = "fotograma-initiated"
)

// attributes keeps the metadata of objects in extended attributes.
type attributes struct{ meta.XattrMeta }

// StoreAttribute sets an attribute. ext4 has about 4 KiB for all attributes of a
// file, too little for the sizes of more than some 700 parts. If they do not fit
// they are left out: the object is whole but cannot be read by part numbers.
func (a attributes) StoreAttribute(f *os.File, bucket, object, attribute string, value []byte) error {
	err := a.XattrMeta.StoreAttribute(f, bucket, object, attribute, value)
	if err == nil || attribute != partsAttribute {
		return err
	}
	upload, decodeErr := backend.UnmarshalMpUploadMetadata(value, false)
	if decodeErr != nil {
		return errors.Join(err, decodeErr)
	}
	short, encodeErr := backend.MarshalMpUploadMetadata(backend.MpUploadMetadata{UploadID: upload.UploadID}, false)
	if encodeErr != nil {
		return errors.Join(err, encodeErr)
	}
	return a.XattrMeta.StoreAttribute(f, bucket, object, attribute, short)
}

// uploadDir is the directory of an upload's parts, relative to dir/buckets.
func uploadDir(bucket, key, uploadID string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(bucket, posix.MetaTmpMultipartDir, hex.EncodeToString(sum[:]), uploadID)
}

// CreateMultipartUpload starts an upload and keeps when it did.
func (b *observed) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	out, err := b.Backend.CreateMultipartUpload(ctx, in)
	if err != nil {
		return out, err
	}
	initiated := []byte(b.outbox.now().UTC().Format(time.RFC3339Nano))
	if err := (attributes{}).StoreAttribute(nil, uploadDir(*in.Bucket, *in.Key, out.UploadId), "", initiatedAttribute, initiated); err != nil {
		return s3response.InitiateMultipartUploadResult{}, fmt.Errorf("keep initiation time: %w", err)
	}
	return out, nil
}

// ListMultipartUploads lists uploads with the times they were initiated.
func (b *observed) ListMultipartUploads(ctx context.Context, in *awss3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	out, err := b.Backend.ListMultipartUploads(ctx, in)
	if err != nil {
		return out, err
	}
	for i := range out.Uploads {
		upload := &out.Uploads[i]
		if at, ok := initiated(uploadDir(*in.Bucket, upload.Key, upload.UploadID)); ok {
			upload.Initiated = at
		}
	}
	return out, nil
}

func initiated(dir string) (time.Time, bool) {
	value, err := (attributes{}).RetrieveAttribute(nil, dir, "", initiatedAttribute)
	if err != nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(value))
	return at, err == nil
}

// AbortMultipartUpload discards an upload, after a completion under way ended.
func (b *observed) AbortMultipartUpload(ctx context.Context, in *awss3.AbortMultipartUploadInput) error {
	defer b.uploads.lock(text(in.UploadId))()
	return b.Backend.AbortMultipartUpload(ctx, in)
}

// CompleteMultipartUpload makes an object of an upload's parts. Repeating a
// completion that succeeded succeeds again, without another event. Calls for
// one upload take turns, because the backend answers a second one with success
// while the first is still at work, before there is an object.
func (b *observed) CompleteMultipartUpload(ctx context.Context, in *awss3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	bucket, key, uploadID := text(in.Bucket), text(in.Key), text(in.UploadId)
	defer b.uploads.lock(uploadID)()

	if _, err := os.Stat(uploadDir(bucket, key, uploadID)); uploadID == "" || errors.Is(err, fs.ErrNotExist) {
		return b.completedBefore(ctx, bucket, key, uploadID)
	}
	var out s3response.CompleteMultipartUploadResult
	var version string
	err := b.create(ctx, bucket, key, "ObjectCreated:CompleteMultipartUpload", false, func() (err error) {
		out, version, err = b.Backend.CompleteMultipartUpload(ctx, in)
		return err
	})
	return out, version, err
}

// completedBefore answers the completion of an upload that is not there: with
// the object if that came from it, else with NoSuchUpload. The backend would
// take any object under the key for the upload's.
func (b *observed) completedBefore(ctx context.Context, bucket, key, uploadID string) (s3response.CompleteMultipartUploadResult, string, error) {
	object, err := b.probe(ctx, bucket, key, "")
	if err != nil {
		return s3response.CompleteMultipartUploadResult{}, "", err
	}
	if !object.exists || !cameFrom(bucket, key, uploadID) {
		return s3response.CompleteMultipartUploadResult{}, "", s3err.GetNoSuchUploadErr(uploadID)
	}
	return s3response.CompleteMultipartUploadResult{Bucket: &bucket, Key: &key, ETag: &object.etag}, object.versionID, nil
}

// cameFrom tells whether the object under the key was made by the upload.
func cameFrom(bucket, key, uploadID string) bool {
	value, err := (attributes{}).RetrieveAttribute(nil, bucket, key, partsAttribute)
	if err != nil {
		return false
	}
	upload, err := backend.UnmarshalMpUploadMetadata(value, false)
	return err == nil && upload.UploadID == uploadID
}

// repairUploads mends uploads whose completion a crash cut short, under the
// directory of buckets. While it works, the backend keeps an upload under
// another name, and would forever answer a repeated completion with a success
// that never comes. What has become an object is cleaned up; what has not can be
// completed or aborted again.
func repairUploads(buckets string) error {
	cut, err := filepath.Glob(filepath.Join(buckets, "*", posix.MetaTmpMultipartDir, "*", "*"+inProgressSuffix))
	if err != nil {
		return fmt.Errorf("look for interrupted uploads: %w", err)
	}
	for _, dir := range cut {
		if err := repairUpload(buckets, dir); err != nil {
			return fmt.Errorf("repair upload %s: %w", dir, err)
		}
	}
	return nil
}

func repairUpload(buckets, dir string) error {
	key, err := (attributes{}).RetrieveAttribute(nil, filepath.Dir(dir), "", keyAttribute)
	if err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	// <upload id>.<etag>.inprogress
	uploadID, _, _ := strings.Cut(filepath.Base(dir), ".")
	bucket, err := filepath.Rel(buckets, dir)
	if err != nil {
		return err
	}
	bucket, _, _ = strings.Cut(bucket, string(filepath.Separator))
	if !cameFrom(filepath.Join(buckets, bucket), string(key), uploadID) {
		return os.Rename(dir, filepath.Join(filepath.Dir(dir), uploadID)) //nolint:gosec // a path that Glob found in the data directory
	}
	if err := os.RemoveAll(dir); err != nil { //nolint:gosec // as above
		return err
	}
	// The key's directory goes too unless another upload is in it.
	if err := os.Remove(filepath.Dir(dir)); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as above
		return err
	}
	return nil
}
