package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// zeros is a body of n bytes that takes no memory.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// status reads a value in MiB of a process from /proc.
func (c *child) status(t testing.TB, name string) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Skip("needs Linux's /proc")
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatalf("no %s in %s", name, text)
	return 0
}

// upload puts an object of n zero bytes through a presigned URL.
func (c *child) upload(t testing.TB, key string, n int64) {
	t.Helper()
	signed, err := awss3.NewPresignClient(c.client).PresignPutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("uploads"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, signed.URL, zeros(n))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = n
	if resp, body := exchange(t, r); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, body)
	}
}

// download reads an object and wants n bytes.
func (c *child) download(t testing.TB, key string, n int64) {
	t.Helper()
	out, err := c.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("uploads"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.Copy(io.Discard, out.Body)
	if err := errors.Join(err, out.Body.Close()); err != nil || got != n {
		t.Fatalf("%d bytes of %d: %v", got, n, err)
	}
}

func startWithBucket(t testing.TB) *child {
	t.Helper()
	c := startChild(t, t.TempDir(), "")
	if _, err := c.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("uploads")}); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBodiesStream: an object many times the limit passes in both directions
// without the server's memory growing with it.
func TestBodiesStream(t *testing.T) {
	const size, limit = 512 << 20, 60
	c := startWithBucket(t)
	before := c.status(t, "VmHWM")
	c.upload(t, "k", size)
	c.download(t, "k", size)
	if grown := c.status(t, "VmHWM") - before; grown > limit {
		t.Errorf("an object of %d MiB made the server grow by %.0f MiB, more than %d", size>>20, grown, limit)
	}
}

func BenchmarkPut1GiB(b *testing.B) { benchmark(b, 1<<30, (*child).upload) }

func BenchmarkPut4KiB(b *testing.B) { benchmark(b, 4<<10, (*child).upload) }

func BenchmarkGet1GiB(b *testing.B) { benchmark(b, 1<<30, (*child).download) }

func BenchmarkGet4KiB(b *testing.B) { benchmark(b, 4<<10, (*child).download) }

func benchmark(b *testing.B, size int64, do func(*child, testing.TB, string, int64)) {
	c := startWithBucket(b)
	c.upload(b, "k", size)
	before := c.status(b, "VmRSS")
	b.SetBytes(size)
	for b.Loop() {
		do(c, b, "k", size)
	}
	b.ReportMetric(before, "MiB-before")
	b.ReportMetric(c.status(b, "VmHWM"), "MiB-peak")
}

// BenchmarkPutWithEvent shows what the outbox adds to a small upload.
func BenchmarkPutWithEvent(b *testing.B) {
	f := start(b)
	f.notifyQueue(b, nil, "s3:ObjectCreated:*")
	for b.Loop() {
		f.put(b, "k", "x")
	}
}

func BenchmarkPutWithoutEvent(b *testing.B) {
	f := start(b)
	for b.Loop() {
		f.put(b, "k", "x")
	}
}
