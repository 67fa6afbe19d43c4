// Package bucket empties parts of S3 buckets, and reads S3's errors.
//
// IAM: s3:DeleteObject on the objects and s3:ListBucket on the bucket; to abort,
// s3:AbortMultipartUpload on the objects and s3:ListBucketMultipartUploads on the
// bucket.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// Bucket is an S3 bucket.
type Bucket struct {
	S3   *s3.Client
	Name string
}

// Unfinished lists the multipart uploads that are under way under a prefix.
func (b Bucket) Unfinished(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	var all []types.MultipartUpload
	pages := s3.NewListMultipartUploadsPaginator(b.S3, &s3.ListMultipartUploadsInput{Bucket: &b.Name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list unfinished uploads: %w", err)
		}
		all = append(all, page.Uploads...)
	}
	return all, nil
}

// abortAll aborts the multipart uploads that are under way under a prefix.
func (b Bucket) abortAll(ctx context.Context, prefix string) error {
	unfinished, err := b.Unfinished(ctx, prefix)
	if err != nil {
		return err
	}
	for _, upload := range unfinished {
		if err := b.Abort(ctx, aws.ToString(upload.Key), aws.ToString(upload.UploadId)); err != nil {
			return err
		}
	}
	return nil
}

// Abort ends a multipart upload without an object; one that has ended is none.
func (b Bucket) Abort(ctx context.Context, key, uploadID string) error {
	_, err := b.S3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &b.Name, Key: &key, UploadId: &uploadID,
	})
	if IsCode(err, "NoSuchUpload") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("abort upload of %s: %w", key, err)
	}
	return nil
}

// DeleteAll deletes the objects under a prefix, all but the keys to keep.
func (b Bucket) DeleteAll(ctx context.Context, prefix string, keep ...string) error {
	pages := s3.NewListObjectsV2Paginator(b.S3, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		var gone []string
		for _, object := range page.Contents {
			if !slices.Contains(keep, *object.Key) {
				gone = append(gone, *object.Key)
			}
		}
		if err := b.Delete(ctx, gone...); err != nil {
			return err
		}
	}
	return nil
}

// Clear aborts what is being uploaded under a prefix, and deletes what lies there,
// all but the keys to keep.
func (b Bucket) Clear(ctx context.Context, prefix string, keep ...string) error {
	if err := b.abortAll(ctx, prefix); err != nil {
		return err
	}
	return b.DeleteAll(ctx, prefix, keep...)
}

// Delete deletes objects; empty keys are passed over.
func (b Bucket) Delete(ctx context.Context, keys ...string) error {
	const atOnce = 1000 // S3 takes so many
	for chunk := range slices.Chunk(keys, atOnce) {
		var gone []types.ObjectIdentifier
		for _, key := range chunk {
			if key != "" {
				gone = append(gone, types.ObjectIdentifier{Key: &key})
			}
		}
		if len(gone) == 0 {
			continue
		}
		out, err := b.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &b.Name, Delete: &types.Delete{Objects: gone, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return fmt.Errorf("delete objects: %w", err)
		}
		if len(out.Errors) > 0 {
			return fmt.Errorf("delete %s: %s", aws.ToString(out.Errors[0].Key), aws.ToString(out.Errors[0].Message))
		}
	}
	return nil
}

// IsCode tells whether an error is S3's answer with a code.
func IsCode(err error, code string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == code
}
