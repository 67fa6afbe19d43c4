package s3

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/versity/versitygw/backend"
)

// startUpload uploads parts through presigned URLs, as a browser does, and
// returns what completes the upload.
func (f *fixture) startUpload(t *testing.T, key string, parts ...string) *awss3.CompleteMultipartUploadInput {
	t.Helper()
	created, err := f.client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{
		Bucket: aws.String("uploads"), Key: &key, ContentType: aws.String("video/mp4"), Metadata: map[string]string{"options": `{"mode":"fps"}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &awss3.CompleteMultipartUploadInput{Bucket: aws.String("uploads"), Key: &key, UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{}}
	for i, part := range parts {
		number := aws.Int32(int32(i + 1))
		signed, err := awss3.NewPresignClient(f.client).PresignUploadPart(t.Context(), &awss3.UploadPartInput{Bucket: in.Bucket, Key: &key, UploadId: in.UploadId, PartNumber: number})
		if err != nil {
			t.Fatal(err)
		}
		resp, body := exchange(t, request(t, signed.Method, signed.URL, []byte(part), nil))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("part %d: %s %s", i+1, resp.Status, body)
		}
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, types.CompletedPart{PartNumber: number, ETag: aws.String(resp.Header.Get("ETag"))})
	}
	return in
}

func TestMultipartUpload(t *testing.T) {
	f := start(t)
	first, last := strings.Repeat("a", 5<<20), "the end"
	in := f.startUpload(t, "in/video.mp4", first, last)

	parts, err := f.client.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId})
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for i, part := range parts.Parts {
		listed = append(listed, fmt.Sprint(*part.PartNumber, " ", *part.Size, " ", *part.ETag == *in.MultipartUpload.Parts[i].ETag))
	}
	if diff := cmp.Diff([]string{"1 5242880 true", "2 7 true"}, listed); diff != "" {
		t.Errorf("parts: %s", diff)
	}
	if _, exists := f.content(t, "in/video.mp4"); exists {
		t.Error("there is an object before the completion")
	}
	if _, err := f.client.CompleteMultipartUpload(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if content, _ := f.content(t, "in/video.mp4"); content != first+last {
		t.Errorf("content has %d bytes", len(content))
	}
	head, err := f.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key})
	if err != nil {
		t.Fatal(err)
	}
	if *head.ContentType != "video/mp4" || head.Metadata["options"] != `{"mode":"fps"}` || !strings.HasSuffix(*head.ETag, `-2"`) {
		t.Errorf("type %s, metadata %v, ETag %s", *head.ContentType, head.Metadata, *head.ETag)
	}
}

func TestMultipartRefusals(t *testing.T) {
	f := start(t)
	f.put(t, "taken", "by something else")
	small := f.startUpload(t, "small", "too small", "for a first part")
	aborted := f.startUpload(t, "taken", "never mind")
	if _, err := f.client.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: aborted.Bucket, Key: aborted.Key, UploadId: aborted.UploadId}); err != nil {
		t.Fatal(err)
	}
	wrongPart := f.startUpload(t, "wrong", "part")
	wrongPart.MultipartUpload.Parts[0].ETag = aws.String(`"00000000000000000000000000000000"`)
	conditional := f.startUpload(t, "taken", "part")
	conditional.IfNoneMatch = aws.String("*")

	for name, c := range map[string]struct {
		in   *awss3.CompleteMultipartUploadInput
		want string
	}{
		"a part under 5 MiB that is not the last":         {small, "EntityTooSmall"},
		"an aborted upload, though its key has an object": {aborted, "NoSuchUpload"},
		"a part that was not uploaded so":                 {wrongPart, "InvalidPart"},
		"an object where there must be none":              {conditional, "PreconditionFailed"},
	} {
		if _, err := f.client.CompleteMultipartUpload(t.Context(), c.in); code(err) != c.want {
			t.Errorf("%s: %q, want %s", name, code(err), c.want)
		}
	}
	if content, _ := f.content(t, "taken"); content != "by something else" {
		t.Errorf("object changed to %q", content)
	}
}

func TestRepeatedCompletionIsOneEvent(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	in := f.startUpload(t, "video", "part")
	etags := make(chan string, 4)
	for range cap(etags) {
		go func() {
			out, err := f.client.CompleteMultipartUpload(t.Context(), in)
			if err != nil {
				etags <- err.Error()
				return
			}
			etags <- *out.ETag
		}()
	}
	first := <-etags
	for range cap(etags) - 1 {
		if other := <-etags; other != first {
			t.Errorf("one completion says %s, another %s", first, other)
		}
	}
	expectQuiet(t, f, 1)
}

func TestUploadsAreListedWithTheirBeginning(t *testing.T) {
	f := start(t)
	begin := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	f.clock.set(begin)
	created, err := f.client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: aws.String("uploads"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	f.clock.set(begin.Add(time.Hour))
	if _, err := f.client.UploadPart(t.Context(), &awss3.UploadPartInput{
		Bucket: aws.String("uploads"), Key: aws.String("k"), UploadId: created.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte("x")),
	}); err != nil {
		t.Fatal(err)
	}
	uploads, err := f.client.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String("uploads")})
	if err != nil {
		t.Fatal(err)
	}
	if len(uploads.Uploads) != 1 || *uploads.Uploads[0].UploadId != *created.UploadId || !uploads.Uploads[0].Initiated.Equal(begin) {
		t.Errorf("uploads: %+v", uploads.Uploads)
	}
}

func TestUploadPartCopy(t *testing.T) {
	f := start(t)
	f.put(t, "source", "0123456789")
	in := f.startUpload(t, "target")
	out, err := f.client.UploadPartCopy(t.Context(), &awss3.UploadPartCopyInput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId, PartNumber: aws.Int32(1),
		CopySource: aws.String("uploads/source"), CopySourceRange: aws.String("bytes=2-5"),
	})
	if err != nil {
		t.Fatal(err)
	}
	in.MultipartUpload.Parts = []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: out.CopyPartResult.ETag}}
	if _, err := f.client.CompleteMultipartUpload(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if content, _ := f.content(t, "target"); content != "2345" {
		t.Errorf("content %q", content)
	}
}

// TestManyParts: the sizes of the most parts an upload can have do not fit into
// the attributes of a file on ext4.
func TestManyParts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "object")
	if err := os.WriteFile(file, nil, fileMode); err != nil {
		t.Fatal(err)
	}
	parts := make([]int64, 10_000)
	for i := range parts {
		parts[i] = int64(i+1) * 8 << 20
	}
	value, err := backend.MarshalMpUploadMetadata(backend.MpUploadMetadata{UploadID: "the upload", Parts: parts}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := (attributes{}).StoreAttribute(nil, file, "", partsAttribute, value); err != nil {
		t.Fatal(err)
	}
	if !cameFrom(file, "", "the upload") || cameFrom(file, "", "another") {
		t.Error("the object does not know its upload")
	}
}
