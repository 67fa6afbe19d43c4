package processing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/fotograma/fotograma/internal/event"
)

// Objects reads uploads and writes archives.
//
// IAM: s3:GetObject and DeleteObject on the uploads bucket's objects, and
// s3:ListBucket on it, without which S3 answers 403 for an object that is not
// there; s3:PutObject, DeleteObject and AbortMultipartUpload on the archives
// bucket's objects.
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
}

// Find looks for an uploaded file, whose reads are bound to ctx; errGone if
// there is none.
func (o *Objects) Find(ctx context.Context, key string) (*Source, error) {
	out, err := o.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.Uploads, Key: &key})
	if isCode(err, "NotFound") {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("find upload: %w", err)
	}
	return &Source{
		ctx: ctx, objects: o, key: key, etag: aws.ToString(out.ETag), size: aws.ToInt64(out.ContentLength),
		meta: out.Metadata[event.MetadataKey],
	}, nil
}

// Upload is what was signed with the file. The error wraps event.ErrMalformed
// when that is not what the video service would have signed for this key.
func (s *Source) Upload() (event.Upload, error) {
	u, err := event.DecodeUpload(s.meta)
	if err != nil {
		return event.Upload{}, fmt.Errorf("read upload metadata: %w", err)
	}
	if event.UploadKey(u.OwnerID, u.VideoID) != s.key {
		return event.Upload{}, fmt.Errorf("%w: upload metadata is of another key", event.ErrMalformed)
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
	if isCode(err, "NoSuchKey") || isCode(err, "PreconditionFailed") {
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

// Put writes an object of the archives bucket while it is read: in parts, with
// nothing left behind when it fails.
func (o *Objects) Put(ctx context.Context, key, contentType string, body io.Reader) error {
	manager := transfermanager.New(o.S3, func(t *transfermanager.Options) {
		t.PartSizeBytes, t.Concurrency, t.FailTimeout = partSize, uploads, margin
	})
	_, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: &o.Archives, Key: &key, Body: body, ContentType: &contentType,
	})
	if err != nil {
		return fmt.Errorf("upload %s: %w", key, err)
	}
	return nil
}

// Remove deletes objects of the archives bucket; empty keys are passed over.
func (o *Objects) Remove(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if key == "" {
			continue
		}
		if _, err := o.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.Archives, Key: &key}); err != nil {
			return fmt.Errorf("delete %s: %w", key, err)
		}
	}
	return nil
}

// RemoveUpload deletes an uploaded file.
func (o *Objects) RemoveUpload(ctx context.Context, key string) error {
	if _, err := o.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.Uploads, Key: &key}); err != nil {
		return fmt.Errorf("delete upload: %w", err)
	}
	return nil
}

func isCode(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
}
