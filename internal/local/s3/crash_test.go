package s3

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

const (
	childEnv = "FOTOGRAMA_S3_TEST_CHILD" // the data directory a child serves
	dieEnv   = "FOTOGRAMA_S3_TEST_DIE"   // when it kills itself: see dying
)

// runChild is the test binary's other life: a server that can be killed.
func runChild(dir string) {
	server, err := Open(dir, Options{
		Notify: func(_ context.Context, _, body string) error {
			if strings.Contains(body, "s3:TestEvent") {
				return nil
			}
			return errors.New("the queue is down")
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	server.backend.Backend = &dying{Backend: server.backend.Backend, when: os.Getenv(dieEnv)}
	front := httptest.NewServer(server)
	fmt.Println(front.URL)
	// The parent closes standard input, or dies, or kills.
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// dying is a backend in whose process the power cord is pulled "before" or
// "after" it changes an object.
type dying struct {
	backend.Backend

	when string
}

func (d *dying) at(when string) {
	if d.when == when {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (d *dying) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	d.at("before")
	out, err := d.Backend.PutObject(ctx, in)
	d.at("after")
	return out, err
}

func (d *dying) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	d.at("before")
	out, err := d.Backend.CopyObject(ctx, in)
	d.at("after")
	return out, err
}

func (d *dying) CompleteMultipartUpload(ctx context.Context, in *awss3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	d.at("before")
	out, version, err := d.Backend.CompleteMultipartUpload(ctx, in)
	d.at("after")
	return out, version, err
}

func (d *dying) DeleteObject(ctx context.Context, in *awss3.DeleteObjectInput) (*awss3.DeleteObjectOutput, error) {
	d.at("before")
	out, err := d.Backend.DeleteObject(ctx, in)
	d.at("after")
	return out, err
}

// child is a server in a process of its own.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	client *awss3.Client
	url    string
}

func startChild(t testing.TB, dir, die string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+dir, dieEnv+"="+die)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error:") {
		t.Fatalf("child: %q %v", line, err)
	}
	url := strings.TrimSpace(line)
	c := &child{cmd: cmd, stdin: stdin, url: url, client: newClient(url, "test", "test")}
	t.Cleanup(c.kill)
	return c
}

// kill is kill -9; it does nothing to a child already dead.
func (c *child) kill() {
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	_ = c.cmd.Wait()
}

// prepared is a directory with bucket uploads, whose object "old" exists and
// whose every event goes to the test queue; and a multipart upload of "mp".
func prepared(t *testing.T) (dir string, upload *awss3.CompleteMultipartUploadInput) {
	t.Helper()
	dir = t.TempDir()
	f := startIn(t, dir, &queues{})
	if _, err := f.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("uploads")}); err != nil {
		t.Fatal(err)
	}
	f.put(t, "old", "old content")
	f.notifyQueue(t, nil, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
	upload = f.startUpload(t, "mp", "the only part")
	f.stopServing()
	return dir, upload
}

func TestEventSurvivesKill(t *testing.T) {
	uploads := aws.String("uploads")
	operations := map[string]struct {
		do    func(ctx context.Context, c *awss3.Client, upload *awss3.CompleteMultipartUploadInput) error
		event string
		key   string
	}{
		"put": {func(ctx context.Context, c *awss3.Client, _ *awss3.CompleteMultipartUploadInput) error {
			_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("new"), Body: strings.NewReader("new content")})
			return err
		}, "ObjectCreated:Put", "new"},
		"overwrite with the same content": {func(ctx context.Context, c *awss3.Client, _ *awss3.CompleteMultipartUploadInput) error {
			_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("old"), Body: strings.NewReader("old content")})
			return err
		}, "ObjectCreated:Put", "old"},
		"copy": {func(ctx context.Context, c *awss3.Client, _ *awss3.CompleteMultipartUploadInput) error {
			_, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: uploads, Key: aws.String("copy"), CopySource: aws.String("uploads/old")})
			return err
		}, "ObjectCreated:Copy", "copy"},
		"multipart completion": {func(ctx context.Context, c *awss3.Client, upload *awss3.CompleteMultipartUploadInput) error {
			_, err := c.CompleteMultipartUpload(ctx, upload)
			return err
		}, "ObjectCreated:CompleteMultipartUpload", "mp"},
		"deletion": {func(ctx context.Context, c *awss3.Client, _ *awss3.CompleteMultipartUploadInput) error {
			_, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("old")})
			return err
		}, "ObjectRemoved:Delete", "old"},
	}
	for name, op := range operations {
		t.Run(name+", killed after it was acknowledged", func(t *testing.T) {
			dir, upload := prepared(t)
			c := startChild(t, dir, "")
			if err := op.do(t.Context(), c.client, upload); err != nil {
				t.Fatal(err)
			}
			c.kill()
			expectOneEvent(t, dir, op.event, op.key)
		})
		t.Run(name+", killed between commit and event", func(t *testing.T) {
			dir, upload := prepared(t)
			c := startChild(t, dir, "after")
			if err := op.do(t.Context(), c.client, upload); err == nil {
				t.Fatal("the child outlived its death")
			}
			c.kill()
			expectOneEvent(t, dir, op.event, op.key)
		})
		t.Run(name+", killed before commit", func(t *testing.T) {
			dir, upload := prepared(t)
			c := startChild(t, dir, "before")
			if err := op.do(t.Context(), c.client, upload); err == nil {
				t.Fatal("the child outlived its death")
			}
			c.kill()
			expectNoEvent(t, dir)
		})
	}
}

// expectOneEvent opens the directory and wants this event from it, and no
// second one.
func expectOneEvent(t *testing.T, dir, event, key string) {
	t.Helper()
	f := startIn(t, dir, &queues{})
	record := f.queues.records(t, 1)[0]
	if record.EventName != event || record.S3.Object.Key != key {
		t.Errorf("event %s of %s, want %s of %s", record.EventName, record.S3.Object.Key, event, key)
	}
	content, exists := f.content(t, key)
	if removed := strings.HasPrefix(event, "ObjectRemoved"); removed == exists {
		t.Errorf("after %s, object %s exists: %v", event, key, exists)
	}
	if size := record.S3.Object.Size; exists && (size == nil || *size != int64(len(content))) {
		t.Errorf("event has size %v, the object %d", size, len(content))
	}
	expectQuiet(t, f, 1)
}

func expectNoEvent(t *testing.T, dir string) {
	t.Helper()
	f := startIn(t, dir, &queues{})
	if content, _ := f.content(t, "old"); content != "old content" {
		t.Errorf("object old is %q", content)
	}
	expectQuiet(t, f, 0)
}

// expectQuiet wants n events and then, of one more upload, only its own.
func expectQuiet(t *testing.T, f *fixture, n int) {
	t.Helper()
	f.put(t, "last", "")
	records := f.queues.records(t, n+1)
	if len(records) != n+1 || records[n].S3.Object.Key != "last" {
		t.Errorf("want %d events before that of the last upload, got %+v", n, records)
	}
	left, err := f.store.intents(t.Context())
	if err != nil || len(left) != 0 {
		t.Errorf("intents left: %v %v", left, err)
	}
}

// TestInPlaceCopySurvivesKill: such a copy changes neither content nor time, so
// nothing tells whether it happened, and the event must come in either case.
func TestInPlaceCopySurvivesKill(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			dir, _ := prepared(t)
			c := startChild(t, dir, when)
			_, err := c.client.CopyObject(t.Context(), &awss3.CopyObjectInput{
				Bucket: aws.String("uploads"), Key: aws.String("old"), CopySource: aws.String("uploads/old"),
				MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"a": "b"},
			})
			if err == nil {
				t.Fatal("the child outlived its death")
			}
			c.kill()
			expectOneEvent(t, dir, "ObjectCreated:Copy", "old")
		})
	}
}

func TestKillDuringUploadLeavesNothing(t *testing.T) {
	dir, _ := prepared(t)
	c := startChild(t, dir, "")
	body, feed := io.Pipe()
	signed, err := awss3.NewPresignClient(c.client).PresignPutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("uploads"), Key: aws.String("old")})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, signed.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 64 << 20
	failed := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			err = errors.Join(fmt.Errorf("answered %s", resp.Status), resp.Body.Close())
		}
		failed <- err
	}()
	if _, err := feed.Write(bytes.Repeat([]byte("x"), 32<<20)); err != nil {
		t.Fatal(err)
	}
	c.kill()
	_ = feed.CloseWithError(errors.New("enough"))
	if err := <-failed; err == nil || strings.Contains(err.Error(), "answered") {
		t.Errorf("upload to a killed server: %v", err)
	}
	expectNoEvent(t, dir)
}

// TestCompletionCutShort: a crash amid a completion leaves the upload's
// directory under the name the backend gives it while it works.
func TestCompletionCutShort(t *testing.T) {
	inProgress := func(t *testing.T, dir string, upload *awss3.CompleteMultipartUploadInput) (from, to string) {
		t.Helper()
		from = filepath.Join(dir, "buckets", uploadDir("uploads", "mp", *upload.UploadId))
		return from, from + ".0123456789abcdef0123456789abcdef-1" + inProgressSuffix
	}
	t.Run("before there is an object, it can be completed again", func(t *testing.T) {
		dir, upload := prepared(t)
		from, to := inProgress(t, dir, upload)
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
		f := startIn(t, dir, &queues{})
		if _, err := f.client.CompleteMultipartUpload(t.Context(), upload); err != nil {
			t.Fatal(err)
		}
		if content, _ := f.content(t, "mp"); content != "the only part" {
			t.Errorf("content %q", content)
		}
		expectQuiet(t, f, 1)
	})
	t.Run("after there is an object, repeating it succeeds and nothing is left", func(t *testing.T) {
		dir, upload := prepared(t)
		f := startIn(t, dir, &queues{})
		first, err := f.client.CompleteMultipartUpload(t.Context(), upload)
		if err != nil {
			t.Fatal(err)
		}
		other := f.startUpload(t, "mp", "of another upload") // makes the key's directory again
		f.stopServing()
		_, to := inProgress(t, dir, upload)
		if err := os.Mkdir(to, 0o700); err != nil {
			t.Fatal(err)
		}
		f = startIn(t, dir, f.queues)
		if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("directory still there: %v", err)
		}
		again, err := f.client.CompleteMultipartUpload(t.Context(), upload)
		if err != nil || *again.ETag != *first.ETag {
			t.Errorf("again: %v %v, want %s", again, err, *first.ETag)
		}
		if _, err := f.client.CompleteMultipartUpload(t.Context(), other); err != nil {
			t.Errorf("the other upload: %v", err)
		}
	})
}

func TestDirectoryInUseIsRefused(t *testing.T) {
	dir, _ := prepared(t)
	c := startChild(t, dir, "")
	if server, err := Open(dir, Options{Notify: (&queues{}).notify}); err == nil {
		t.Errorf("opened a directory that another process serves: %v", server.Close())
	}
	c.kill()
	deadline := time.Now().Add(5 * time.Second)
	for {
		server, err := Open(dir, Options{Notify: (&queues{}).notify})
		if err == nil {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still refused: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
