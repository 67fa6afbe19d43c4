package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

var uploads = aws.String("uploads")

func TestObjectWithItsMetadata(t *testing.T) {
	f := start(t)
	key := "in/a+b ç/%41 ~'!*().mp4"
	tags := url.Values{"kind": {"video"}, "from": {"the test"}}
	_, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: uploads, Key: &key, Body: strings.NewReader("0123456789"), ContentType: aws.String("video/mp4"),
		CacheControl: aws.String("no-store"), Metadata: map[string]string{"Extraction": `{"mode":"fps","fps":1}`}, Tagging: aws.String(tags.Encode()),
	})
	if err != nil {
		t.Fatal(err)
	}
	head, err := f.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: uploads, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"length": *head.ContentLength, "type": *head.ContentType, "cache": *head.CacheControl,
		"metadata": head.Metadata, "etag": *head.ETag, "ranges": *head.AcceptRanges,
	}
	want := map[string]any{
		"length": int64(10), "type": "video/mp4", "cache": "no-store",
		"metadata": map[string]string{"extraction": `{"mode":"fps","fps":1}`}, "etag": `"781e5e245d69b566979b86e28d23f2c7"`, "ranges": "bytes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	tagging, err := f.client.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: uploads, Key: &key})
	if err != nil || len(tagging.TagSet) != 2 {
		t.Errorf("tags: %+v %v", tagging, err)
	}
	list, err := f.client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: uploads, Prefix: aws.String("in/")})
	if err != nil || len(list.Contents) != 1 || *list.Contents[0].Key != key {
		t.Errorf("list: %+v %v", list, err)
	}
}

// TestHeaderSpelling: boto3 shows metadata keys as they are spelled on the wire.
func TestHeaderSpelling(t *testing.T) {
	f := start(t)
	if _, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("k"), Metadata: map[string]string{"opts": "1"}}); err != nil {
		t.Fatal(err)
	}
	signed, err := awss3.NewPresignClient(f.client).PresignHeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: uploads, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	raw := rawExchange(t, f, "HEAD "+strings.TrimPrefix(signed.URL, f.url)+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(f.url, "http://")+"\r\nConnection: close\r\n\r\n")
	for _, line := range []string{"\r\nx-amz-meta-opts: 1\r\n", "\r\nETag: ", "\r\nx-amz-request-id: "} {
		if !strings.Contains(raw, line) {
			t.Errorf("no %q in\n%s", line, raw)
		}
	}
}

func TestRanges(t *testing.T) {
	f := start(t)
	f.put(t, "k", "0123456789")
	for name, c := range map[string]struct{ asked, body, header, code string }{
		"from the middle": {"bytes=2-4", "234", "bytes 2-4/10", ""},
		"the last bytes":  {"bytes=-3", "789", "bytes 7-9/10", ""},
		"open end":        {"bytes=8-", "89", "bytes 8-9/10", ""},
		"beyond the end":  {"bytes=8-99", "89", "bytes 8-9/10", ""},
		"behind the end":  {"bytes=20-30", "", "", "InvalidRange"},
	} {
		out, err := f.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: uploads, Key: aws.String("k"), Range: &c.asked})
		if code(err) != c.code {
			t.Errorf("%s: %q, want %q", name, code(err), c.code)
		}
		if err != nil {
			continue
		}
		body, err := io.ReadAll(out.Body)
		if err != nil || string(body) != c.body || *out.ContentRange != c.header {
			t.Errorf("%s: %q %s %v", name, body, *out.ContentRange, err)
		}
	}
}

func TestConditions(t *testing.T) {
	f := start(t)
	etag := f.put(t, "k", "first").ETag
	other := aws.String(`"00000000000000000000000000000000"`)
	put := func(key string, match, noneMatch *string) error {
		_, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: &key, Body: strings.NewReader("second"), IfMatch: match, IfNoneMatch: noneMatch})
		return err
	}
	get := func(match, noneMatch *string) error {
		_, err := f.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: uploads, Key: aws.String("k"), IfMatch: match, IfNoneMatch: noneMatch})
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"create what exists", put("k", nil, aws.String("*")), "PreconditionFailed"},
		{"replace another version", put("k", other, nil), "PreconditionFailed"},
		{"read another version", get(other, nil), "PreconditionFailed"},
		{"read what I have", get(nil, etag), "NotModified"},
		{"read this version", get(etag, nil), ""},
		{"create what does not exist", put("new", nil, aws.String("*")), ""},
		{"replace this version", put("k", etag, nil), ""},
	} {
		got := code(c.err)
		if strings.Contains(got, "304") {
			got = "NotModified"
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCopyAndDelete(t *testing.T) {
	f := start(t)
	f.put(t, "a", "content")
	if _, err := f.client.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: uploads, Key: aws.String("b"), CopySource: aws.String("uploads/a")}); err != nil {
		t.Fatal(err)
	}
	if content, _ := f.content(t, "b"); content != "content" {
		t.Errorf("copy is %q", content)
	}
	out, err := f.client.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: uploads, Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("a")}, {Key: aws.String("b")}, {Key: aws.String("never was")}},
	}})
	if err != nil || len(out.Deleted) != 3 || len(out.Errors) != 0 {
		t.Fatalf("%+v %v", out, err)
	}
	if _, exists := f.content(t, "a"); exists {
		t.Error("a is still there")
	}
	if _, err := f.client.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: uploads}); err != nil {
		t.Errorf("delete empty bucket: %v", err)
	}
}

func TestCreatingABucketAgain(t *testing.T) {
	f := start(t)
	f.put(t, "k", "content")
	if _, err := f.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: uploads}); err != nil {
		t.Errorf("us-east-1 answers success: %v", err)
	}
	if content, _ := f.content(t, "k"); content != "content" {
		t.Errorf("content %q", content)
	}
}

func TestVersions(t *testing.T) {
	f := start(t)
	if _, err := f.client.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{
		Bucket: uploads, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	f.notifyQueue(t, nil, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
	first := f.put(t, "k", "one").VersionId
	f.put(t, "k", "two")
	marker, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	if _, exists := f.content(t, "k"); exists {
		t.Error("deleted object can be read")
	}
	out, err := f.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: uploads, Key: aws.String("k"), VersionId: first})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(out.Body); err != nil || string(body) != "one" {
		t.Errorf("first version: %q %v", body, err)
	}
	if _, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("k"), VersionId: marker.VersionId}); err != nil {
		t.Fatal(err)
	}
	if content, _ := f.content(t, "k"); content != "two" {
		t.Errorf("without the delete marker: %q", content)
	}
	var got []string
	for _, record := range f.queues.records(t, 4) {
		got = append(got, record.EventName)
	}
	if diff := cmp.Diff([]string{"ObjectCreated:Put", "ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete"}, got); diff != "" {
		t.Error(diff)
	}
	records := f.queues.records(t, 4)
	if records[0].S3.Object.VersionID != *first || records[2].S3.Object.VersionID != *marker.VersionId || records[3].S3.Object.VersionID != *marker.VersionId {
		t.Errorf("versions in events: %+v", records)
	}
}

func TestWrongCredentials(t *testing.T) {
	f := start(t)
	list := func(c *awss3.Client, options ...func(*awss3.Options)) error {
		_, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: uploads}, options...)
		return err
	}
	put := func(c *awss3.Client) error {
		// Large enough for the SDK to say Expect: 100-continue, which it does
		// without waiting for the answer.
		_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("k"), Body: bytes.NewReader(make([]byte, 8<<20))})
		return err
	}
	settings := func(c *awss3.Client) error {
		_, err := c.GetBucketNotificationConfiguration(t.Context(), &awss3.GetBucketNotificationConfigurationInput{Bucket: uploads})
		return err
	}
	anonymous := awss3.New(awss3.Options{Region: "us-east-1", BaseEndpoint: &f.url, UsePathStyle: true, Credentials: aws.AnonymousCredentials{}, Retryer: aws.NopRetryer{}})
	session := awss3.New(awss3.Options{Region: "us-east-1", BaseEndpoint: &f.url, UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "a session token")})
	for name, c := range map[string]struct {
		client *awss3.Client
		want   string
	}{
		"wrong secret":    {newClient(f.url, "test", "wrong"), "SignatureDoesNotMatch"},
		"unknown key":     {newClient(f.url, "AKIAUNKNOWN", "test"), "InvalidAccessKeyId"},
		"no credentials":  {anonymous, "AccessDenied"},
		"a session token": {session, "InvalidToken"},
	} {
		for operation, err := range map[string]error{"list": list(c.client), "put": put(c.client), "settings": settings(c.client)} {
			if code(err) != c.want {
				t.Errorf("%s, %s: %q, want %s", name, operation, code(err), c.want)
			}
		}
	}
	if _, exists := f.content(t, "k"); exists {
		t.Error("an object was stored")
	}
	if err := list(f.client, func(o *awss3.Options) { o.Region = "eu-west-1" }); code(err) != "AuthorizationHeaderMalformed" {
		t.Errorf("wrong region: %q", code(err))
	}
}

func TestNotFound(t *testing.T) {
	f := start(t)
	_, err := f.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: uploads, Key: aws.String("none")})
	if code(err) != "NoSuchKey" {
		t.Errorf("object: %q", code(err))
	}
	_, err = f.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("nowhere"), Key: aws.String("none")})
	if code(err) != "NoSuchBucket" {
		t.Errorf("bucket: %q", code(err))
	}
	_, err = f.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: uploads, Key: aws.String("none")})
	if code(err) != "NotFound" {
		t.Errorf("head: %q", code(err))
	}
	_, err = f.client.GetBucketLifecycleConfiguration(t.Context(), &awss3.GetBucketLifecycleConfigurationInput{Bucket: aws.String("nowhere")})
	if code(err) != "NoSuchBucket" {
		t.Errorf("setting of no bucket: %q", code(err))
	}
}

func TestPresigned(t *testing.T) {
	f := start(t)
	presign := awss3.NewPresignClient(f.client)
	in := &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("a b/ç"), ContentType: aws.String("video/mp4"), ContentLength: aws.Int64(5)}
	signed, err := presign.PresignPutObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	send := func(url, body string) (int, string) {
		r := request(t, http.MethodPut, url, []byte(body), map[string]string{"Content-Type": "video/mp4"})
		resp, answer := exchange(t, r)
		if resp.StatusCode == http.StatusOK {
			return resp.StatusCode, ""
		}
		return resp.StatusCode, errorCode(answer)
	}
	past := func(o *awss3.PresignOptions) {
		o.Presigner = presignerAt{v4.NewSigner(), time.Now().Add(-20 * time.Minute)}
		o.Expires = time.Minute
	}
	expired, err := presign.PresignPutObject(t.Context(), in, past)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url, body string
		status          int
		code            string
	}{
		{"expired", expired.URL, "hello", 403, "AccessDenied"},
		{"for another key", strings.Replace(signed.URL, "/a%20b/", "/another/", 1), "hello", 403, "SignatureDoesNotMatch"},
		{"longer than signed", signed.URL, "hello!", 403, "SignatureDoesNotMatch"},
		{"as signed", signed.URL, "hello", 200, ""},
	} {
		if status, code := send(c.url, c.body); status != c.status || code != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, status, code, c.status, c.code)
		}
	}
	get, err := presign.PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: uploads, Key: in.Key, ResponseContentDisposition: aws.String(`attachment; filename="x.zip"`)})
	if err != nil {
		t.Fatal(err)
	}
	resp, body := exchange(t, request(t, http.MethodGet, get.URL, nil, nil))
	if body != "hello" || resp.Header.Get("Content-Disposition") != `attachment; filename="x.zip"` {
		t.Errorf("%s %q %v", resp.Status, body, resp.Header)
	}
}

// presignerAt signs as if it were another time.
type presignerAt struct {
	*v4.Signer

	at time.Time
}

func (p presignerAt) PresignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, options ...func(*v4.SignerOptions)) (string, http.Header, error) {
	return p.Signer.PresignHTTP(ctx, c, r, hash, service, region, p.at, options...)
}

// TestTrailingChecksums sends what SDKs send over TLS: aws-chunked bodies with
// their checksum behind them.
func TestTrailingChecksums(t *testing.T) {
	f := start(t)
	content := strings.Repeat("frame ", 30_000)
	crc := crc32.ChecksumIEEE([]byte(content))
	for name, c := range map[string]struct {
		trailer, value string
		status         int
	}{
		"CRC32":           {"x-amz-checksum-crc32", base64.StdEncoding.EncodeToString([]byte{byte(crc >> 24), byte(crc >> 16), byte(crc >> 8), byte(crc)}), 200},
		"wrong CRC32":     {"x-amz-checksum-crc32", "AAAAAA==", 400},
		"SHA256":          {"x-amz-checksum-sha256", base64.StdEncoding.EncodeToString(sum256(content)), 200},
		"CRC64NVME":       {"x-amz-checksum-crc64nvme", "", 200},
		"wrong CRC64NVME": {"x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", 400},
	} {
		t.Run(name, func(t *testing.T) {
			if c.value == "" {
				// The default checksum of what is stored without one.
				f.put(t, "reference", "x")
				c.value = crc64(t, f, content)
			}
			chunked := "10000\r\n" + content[:0x10000] + "\r\n" + hex.EncodeToString([]byte{byte((len(content) - 0x10000) >> 16), byte((len(content) - 0x10000) >> 8), byte(len(content) - 0x10000)}) +
				"\r\n" + content[0x10000:] + "\r\n0\r\n" + c.trailer + ":" + c.value + "\r\n\r\n"
			r := request(t, http.MethodPut, f.url+"/uploads/trailing", []byte(chunked), map[string]string{
				"Content-Encoding": "aws-chunked", "X-Amz-Trailer": c.trailer,
				"X-Amz-Decoded-Content-Length": "180000", "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
			})
			sign(t, r, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
			resp, body := exchange(t, r)
			if resp.StatusCode != c.status {
				t.Fatalf("%s %s", resp.Status, body)
			}
			stored, exists := f.content(t, "trailing")
			if c.status == http.StatusOK && stored != content {
				t.Errorf("stored %d bytes", len(stored))
			}
			if c.status != http.StatusOK && (exists || errorCode(body) != "BadDigest") {
				t.Errorf("exists %v, %s", exists, body)
			}
			if _, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("trailing")}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func sum256(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// crc64 lets the server compute a checksum: it is the default algorithm.
func crc64(t *testing.T, f *fixture, content string) string {
	t.Helper()
	out, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("reference"), Body: strings.NewReader(content), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ChecksumCRC64NVME
}

func sign(t *testing.T, r *http.Request, payloadHash string) {
	t.Helper()
	err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, r, payloadHash, "s3", "us-east-1", time.Now(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		t.Fatal(err)
	}
}

func TestWrongDigests(t *testing.T) {
	f := start(t)
	_, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("k"), Body: strings.NewReader("x"), ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum256("y")))})
	if code(err) != "BadDigest" {
		t.Errorf("SHA-256: %q", code(err))
	}
	r := request(t, http.MethodPut, f.url+"/uploads/k", []byte("x"), map[string]string{"X-Amz-Content-Sha256": hex.EncodeToString(sum256("y"))})
	sign(t, r, hex.EncodeToString(sum256("y")))
	if resp, body := exchange(t, r); errorCode(body) != "XAmzContentSHA256Mismatch" {
		t.Errorf("payload: %s %s", resp.Status, body)
	}
	if _, exists := f.content(t, "k"); exists {
		t.Error("an object was stored")
	}
}

func TestOneServerPerProcess(t *testing.T) {
	f := start(t)
	if _, err := Open(t.TempDir(), Options{Notify: f.queues.notify}); !errors.Is(err, ErrOpen) {
		t.Errorf("second server: %v", err)
	}
	f.put(t, "k", "still works")
}

func TestOpenNeedsNotify(t *testing.T) {
	if server, err := Open(t.TempDir(), Options{}); err == nil {
		t.Errorf("opened without Notify: %v", server.Close())
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	f := start(t)
	f.put(t, "k", "content")
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	f.stopServing()
	f = startIn(t, f.dir, f.queues)
	if content, _ := f.content(t, "k"); content != "content" {
		t.Errorf("content %q", content)
	}
	f.put(t, "k2", "content")
	if records := f.queues.records(t, 1); records[0].S3.Object.Key != "k2" {
		t.Errorf("events %+v", records)
	}
}

func TestVirtualHostStyle(t *testing.T) {
	f := start(t)
	host := "uploads.localhost:" + strings.Split(f.url, ":")[2]
	c := awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://localhost:" + strings.Split(f.url, ":")[2]),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), Retryer: aws.NopRetryer{},
		HTTPClient: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != host {
				t.Errorf("the SDK asked %s, want %s", r.URL.Host, host)
			}
			r.URL.Host = strings.TrimPrefix(f.url, "http://") // the name need not resolve
			r.Host = host
			return http.DefaultTransport.RoundTrip(r)
		}),
	})
	if _, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("a b/ç"), Body: strings.NewReader("content")}); err != nil {
		t.Fatal(err)
	}
	if content, _ := f.content(t, "a b/ç"); content != "content" {
		t.Errorf("content %q", content)
	}
	if _, err := c.GetBucketNotificationConfiguration(t.Context(), &awss3.GetBucketNotificationConfigurationInput{Bucket: uploads}); err != nil {
		t.Errorf("settings: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) { return f(r) }
