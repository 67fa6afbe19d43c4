package video

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/bucket"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Uploads signs uploads into the uploads bucket and looks at what arrived.
//
// IAM: s3:PutObject, GetObject, DeleteObject, AbortMultipartUpload and
// ListMultipartUploadParts on the bucket's objects; s3:ListBucket on the bucket,
// without which S3 answers 403 for an object that is not there.
type Uploads struct {
	S3     *s3.Client
	Bucket string
}

// Form is a signed POST of multipart/form-data: the fields come first, the
// file's own field last.
type Form struct {
	URL    string
	Fields map[string]string
}

// SignPost signs the upload of a whole video: exactly this key, type, size and
// metadata.
func (u *Uploads) SignPost(ctx context.Context, v *Video, validity time.Duration) (Form, error) {
	metadata, err := objectMetadata(ctx, v)
	if err != nil {
		return Form{}, err
	}
	fields := map[string]string{"Content-Type": v.ContentType, "success_action_status": "201"}
	for name, value := range metadata {
		fields["x-amz-meta-"+name] = value
	}
	conditions := []any{[]any{"content-length-range", v.Size, v.Size}}
	for name, value := range fields {
		conditions = append(conditions, map[string]string{name: value})
	}
	signed, err := s3.NewPresignClient(u.S3).PresignPostObject(ctx,
		&s3.PutObjectInput{Bucket: &u.Bucket, Key: aws.String(v.Key())},
		func(o *s3.PresignPostOptions) { o.Expires, o.Conditions = validity, conditions })
	if err != nil {
		return Form{}, fmt.Errorf("sign upload: %w", err)
	}
	maps.Copy(fields, signed.Values)
	return Form{URL: signed.URL, Fields: fields}, nil
}

// objectMetadata is what lies with the file, and can be changed by nobody who uploads
// it: the Upload, and the trace that what comes of it belongs to.
func objectMetadata(ctx context.Context, v *Video) (map[string]string, error) {
	upload, err := v.metadata()
	if err != nil {
		return nil, err
	}
	metadata := map[string]string{event.MetadataKey: upload}
	if parent := tracing.Parent(ctx); parent != "" {
		metadata[tracing.Name] = parent
	}
	return metadata, nil
}

// Begin starts a multipart upload and gives its ID.
func (u *Uploads) Begin(ctx context.Context, v *Video) (string, error) {
	metadata, err := objectMetadata(ctx, v)
	if err != nil {
		return "", err
	}
	out, err := u.S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &u.Bucket, Key: aws.String(v.Key()), ContentType: &v.ContentType,
		Metadata: metadata,
	})
	if err != nil {
		return "", fmt.Errorf("begin multipart upload: %w", err)
	}
	return *out.UploadId, nil
}

// SignPart signs the upload of part n, 1 being the first, of exactly the size
// that the part has.
func (u *Uploads) SignPart(ctx context.Context, v *Video, n int, validity time.Duration) (string, error) {
	signed, err := s3.NewPresignClient(u.S3, s3.WithPresignExpires(validity)).PresignUploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.Bucket, Key: aws.String(v.Key()), UploadId: &v.UploadID,
		PartNumber:    aws.Int32(int32(n)),
		ContentLength: aws.Int64(v.partBytes(n)),
	})
	if err != nil {
		return "", fmt.Errorf("sign part %d: %w", n, err)
	}
	return signed.URL, nil
}

// Part is a part that S3 has.
type Part struct {
	Number int
	ETag   string
	Size   int64 // bytes
}

// errNoUpload tells that S3 does not know the multipart upload: it was
// completed or aborted.
var errNoUpload = errors.New("no such multipart upload")

// Parts lists the parts that S3 has, by number.
func (u *Uploads) Parts(ctx context.Context, v *Video) ([]Part, error) {
	var parts []Part
	pages := s3.NewListPartsPaginator(u.S3, &s3.ListPartsInput{
		Bucket: &u.Bucket, Key: aws.String(v.Key()), UploadId: &v.UploadID,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if bucket.IsCode(err, "NoSuchUpload") {
			return nil, errNoUpload
		}
		if err != nil {
			return nil, fmt.Errorf("list parts: %w", err)
		}
		for _, p := range page.Parts {
			parts = append(parts, Part{Number: int(*p.PartNumber), ETag: *p.ETag, Size: *p.Size})
		}
	}
	return parts, nil
}

// Finish makes the object out of its parts.
func (u *Uploads) Finish(ctx context.Context, v *Video, parts []Part) error {
	completed := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		completed[i] = types.CompletedPart{
			ETag: &p.ETag, PartNumber: aws.Int32(int32(p.Number)),
		}
	}
	_, err := u.S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.Bucket, Key: aws.String(v.Key()), UploadId: &v.UploadID,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed},
	})
	if bucket.IsCode(err, "NoSuchUpload") {
		return errNoUpload
	}
	if err != nil {
		return fmt.Errorf("complete multipart upload: %w", err)
	}
	return nil
}

// Arrived tells whether the file is there.
func (u *Uploads) Arrived(ctx context.Context, v *Video) (bool, error) {
	_, err := u.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.Bucket, Key: aws.String(v.Key())})
	if bucket.IsCode(err, "NotFound") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the upload: %w", err)
	}
	return true, nil
}

// Clear deletes the files of a person, and aborts their multipart uploads.
//
// IAM: beside what is said above, s3:ListBucketMultipartUploads on the bucket.
func (u *Uploads) Clear(ctx context.Context, ownerID string) error {
	return u.bucket().Clear(ctx, ownerID+"/")
}

// Remove deletes the file and aborts its multipart upload, as far as they
// exist.
func (u *Uploads) Remove(ctx context.Context, v *Video) error {
	if err := u.Abort(ctx, v); err != nil {
		return err
	}
	return u.bucket().Delete(ctx, v.Key())
}

// Abort aborts the video's multipart upload, if it has one that goes on.
func (u *Uploads) Abort(ctx context.Context, v *Video) error {
	if v.UploadID == "" {
		return nil
	}
	return u.bucket().Abort(ctx, v.Key(), v.UploadID)
}

func (u *Uploads) bucket() bucket.Bucket { return bucket.Bucket{S3: u.S3, Name: u.Bucket} }
