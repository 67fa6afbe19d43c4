package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Archives reads the archives bucket.
//
// IAM: s3:GetObject on the bucket's objects, and s3:ListBucket on the bucket,
// without which S3 answers 403 for an object that is not there.
type Archives struct {
	S3     *s3.Client
	Bucket string
}

// SignDownload signs the download of an object, which the browser saves under
// the name.
func (a *Archives) SignDownload(ctx context.Context, key, name string, validity time.Duration) (string, error) {
	signed, err := s3.NewPresignClient(a.S3, s3.WithPresignExpires(validity)).PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &a.Bucket, Key: &key,
		ResponseContentDisposition: aws.String(attachment(name)),
	})
	if err != nil {
		return "", fmt.Errorf("sign download: %w", err)
	}
	return signed.URL, nil
}

// Read gives an object's bytes, or nil and no error when it has more than most
// of them. It gives problem.Expired when the object is gone.
func (a *Archives) Read(ctx context.Context, key string, most int64) ([]byte, error) {
	out, err := a.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &a.Bucket, Key: &key})
	if _, gone := errors.AsType[*types.NoSuchKey](err); gone {
		return nil, problem.New(problem.Expired)
	}
	if err != nil {
		return nil, fmt.Errorf("get object: %w", err)
	}
	defer out.Body.Close()
	if aws.ToInt64(out.ContentLength) > most {
		return nil, nil
	}
	raw, err := io.ReadAll(io.LimitReader(out.Body, most))
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	return raw, nil
}
