package processing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/bucket"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Objects reads uploads and writes archives.
//
// IAM: s3:GetObject and DeleteObject on the uploads bucket's objects, and
// s3:ListBucket on it, without which S3 answers 403 for an object that is not
// there; s3:GetObject, PutObject, DeleteObject and AbortMultipartUpload on the
// archives bucket's objects, and s3:ListBucket and ListBucketMultipartUploads on
// it.
type Objects struct {
	S3       *s3.Client
	Uploads  string
	Archives string
}

// errGone tells that the uploaded file is not there.
var errGone = errors.New("upload is gone")

// Source is an uploaded file, as it was when it was found: reads fail when
// another has taken its place.
type Source struct {
	ctx     context.Context //nolint:containedctx // io.ReaderAt takes none
	objects *Objects
	key     string
	etag    string
	size    int64
	meta    string
	trace   string // of the request that registered it; empty if it named none
}

// Find looks for an uploaded file, whose reads are bound to ctx; errGone if
// there is none.
func (o *Objects) Find(ctx context.Context, key string) (*Source, error) {
	out, err := o.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.Uploads, Key: &key})
	if bucket.IsCode(err, "NotFound") {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("find upload: %w", err)
	}
	return &Source{
		ctx: ctx, objects: o, key: key, etag: aws.ToString(out.ETag), size: aws.ToInt64(out.ContentLength),
		meta: out.Metadata[event.MetadataKey], trace: out.Metadata[tracing.Name],
	}, nil
}

// Upload is what was signed with the file. The error wraps event.ErrMalformed
// when that is not what the video service would have signed for this key, and is
// problem.SizeMismatch when the file has another size than was signed.
func (s *Source) Upload() (event.Upload, error) {
	u, err := event.DecodeUpload(s.meta)
	if err != nil {
		return event.Upload{}, fmt.Errorf("read upload metadata: %w", err)
	}
	if event.UploadKey(u.OwnerID, u.VideoID) != s.key {
		return event.Upload{}, fmt.Errorf("%w: upload metadata is of another key", event.ErrMalformed)
	}
	if u.Size != 0 && u.Size != s.size {
		return u, problem.New(problem.SizeMismatch)
	}
	return u, nil
}

// bound is the same file with reads that end with ctx.
func (s *Source) bound(ctx context.Context) *Source {
	other := *s
	other.ctx = ctx
	return &other
}

// Size is the file's size in bytes.
func (s *Source) Size() int64 { return s.size }

// ReadAt implements io.ReaderAt by one ranged request.
func (s *Source) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	short := false
	if most := s.size - off; int64(len(p)) > most {
		p, short = p[:most], true
	}
	body, err := s.open(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := io.ReadFull(body, p)
	if err != nil {
		return n, fmt.Errorf("read upload: %w", err)
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

func (s *Source) open(byteRange string) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &s.objects.Uploads, Key: &s.key, IfMatch: &s.etag}
	if byteRange != "" {
		in.Range = &byteRange
	}
	out, err := s.objects.S3.GetObject(s.ctx, in)
	if bucket.IsCode(err, "NoSuchKey") || bucket.IsCode(err, "PreconditionFailed") {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("get upload: %w", err)
	}
	return out.Body, nil
}

// SHA256 reads the whole file and gives its hash in lower-case hex.
func (s *Source) SHA256() (string, error) {
	hash := sha256.New()
	if s.size > 0 { // S3 knows no range of nothing, and GET of nothing is not worth a request
		body, err := s.open("")
		if err != nil {
			return "", err
		}
		defer body.Close()
		if _, err := io.Copy(hash, body); err != nil {
			return "", fmt.Errorf("hash upload: %w", err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// put writes an object of the archives bucket.
func (o *Objects) put(ctx context.Context, key, contentType string, data []byte) error {
	_, err := o.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &o.Archives, Key: &key, Body: bytes.NewReader(data), ContentType: &contentType,
	})
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// get reads a whole object of the archives bucket.
func (o *Objects) get(ctx context.Context, key string) ([]byte, error) {
	out, err := o.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.Archives, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return data, nil
}

// putJSON and getJSON keep a value in an object of the archives bucket.
func (o *Objects) putJSON(ctx context.Context, key string, value any) error {
	w := o.Create(ctx, key, "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		w.Abandon()
		return fmt.Errorf("write %s: %w", key, err)
	}
	return w.Close()
}

func (o *Objects) getJSON(ctx context.Context, key string, value any) error {
	data, err := o.get(ctx, key)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, value); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}

// length gives the size of an object of the archives bucket; -1 if there is none.
func (o *Objects) length(ctx context.Context, key string) (int64, error) {
	out, err := o.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.Archives, Key: &key})
	if bucket.IsCode(err, "NotFound") {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for %s: %w", key, err)
	}
	return aws.ToInt64(out.ContentLength), nil
}

// begin begins a multipart upload, and gives its ID.
func (o *Objects) begin(ctx context.Context, key, contentType string) (string, error) {
	out, err := o.S3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &o.Archives, Key: &key, ContentType: &contentType, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return "", fmt.Errorf("begin upload of %s: %w", key, err)
	}
	return aws.ToString(out.UploadId), nil
}

func (o *Objects) putPart(ctx context.Context, key, uploadID string, number int32, data []byte) (Part, error) {
	out, err := o.S3.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &o.Archives, Key: &key, UploadId: &uploadID, PartNumber: &number,
		Body: bytes.NewReader(data), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return Part{}, fmt.Errorf("upload part %d of %s: %w", number, key, err)
	}
	return Part{Number: number, ETag: aws.ToString(out.ETag), CRC32: aws.ToString(out.ChecksumCRC32)}, nil
}

// copyPart makes a part of another object, without its bytes passing here.
func (o *Objects) copyPart(ctx context.Context, key, uploadID string, number int32, from string) (Part, error) {
	out, err := o.S3.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket: &o.Archives, Key: &key, UploadId: &uploadID, PartNumber: &number,
		CopySource: aws.String(o.Archives + "/" + from), // of characters that need no escape
	})
	if err != nil {
		return Part{}, fmt.Errorf("copy %s into part %d of %s: %w", from, number, key, err)
	}
	return Part{
		Number: number,
		ETag:   aws.ToString(out.CopyPartResult.ETag), CRC32: aws.ToString(out.CopyPartResult.ChecksumCRC32),
	}, nil
}

// complete makes the object of these parts, and of no others that may be there.
func (o *Objects) complete(ctx context.Context, key, uploadID string, all []Part) error {
	list := make([]types.CompletedPart, len(all))
	for i, part := range all {
		list[i] = types.CompletedPart{PartNumber: &part.Number, ETag: &part.ETag}
		if part.CRC32 != "" {
			list[i].ChecksumCRC32 = &part.CRC32
		}
	}
	_, err := o.S3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &o.Archives, Key: &key, UploadId: &uploadID, MultipartUpload: &types.CompletedMultipartUpload{Parts: list},
	})
	if err != nil {
		return fmt.Errorf("complete upload of %s: %w", key, err)
	}
	return nil
}

// archives is the archives bucket, for what is of no more use in it.
func (o *Objects) archives() bucket.Bucket { return bucket.Bucket{S3: o.S3, Name: o.Archives} }

// abort ends a multipart upload without an object; one that has ended is none.
func (o *Objects) abort(ctx context.Context, key, uploadID string) error {
	return o.archives().Abort(ctx, key, uploadID)
}

// unfinished lists the multipart uploads that are under way under a prefix.
func (o *Objects) unfinished(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	return o.archives().Unfinished(ctx, prefix)
}

// Clear aborts what is being uploaded to the archives bucket under a prefix, and
// deletes what lies there, all but the keys to keep.
func (o *Objects) Clear(ctx context.Context, prefix string, keep ...string) error {
	return o.archives().Clear(ctx, prefix, keep...)
}

// Remove deletes objects of the archives bucket; empty keys are passed over.
func (o *Objects) Remove(ctx context.Context, keys ...string) error {
	return o.archives().Delete(ctx, keys...)
}

// RemoveUpload deletes an uploaded file.
func (o *Objects) RemoveUpload(ctx context.Context, key string) error {
	if _, err := o.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.Uploads, Key: &key}); err != nil {
		return fmt.Errorf("delete upload: %w", err)
	}
	return nil
}
