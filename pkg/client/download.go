package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Download is a signed download.
type Download struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
	Size      int64     `json:"size"`             // bytes
	SHA256    string    `json:"sha256,omitempty"` // lower-case hex; empty if it is not known
}

// SignDownload signs the download of a video's frames; codes "not_ready" and
// "expired".
func (c *Client) SignDownload(ctx context.Context, id string) (*Download, error) {
	var d Download
	if err := c.authorized(ctx, http.MethodGet, videoPath(id, "/download"), nil, nil, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// Download writes the ZIP of a video's frames to w, and checks its size, and its
// hash if that is known. The manifest in the ZIP has the hash of every frame.
func (c *Client) Download(ctx context.Context, id string, w io.Writer) (*Download, error) {
	d, err := c.SignDownload(ctx, id)
	if err != nil {
		return nil, err
	}
	resp, err := c.fetch(ctx, d.URL, "")
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("download: S3 answered %s", resp.Status)
	}
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(w, hash), resp.Body)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	return d, d.check(size, hex.EncodeToString(hash.Sum(nil)))
}

func (d *Download) check(size int64, sum string) error {
	if size != d.Size {
		return fmt.Errorf("download: %d bytes, not %d", size, d.Size)
	}
	if d.SHA256 != "" && sum != d.SHA256 {
		return fmt.Errorf("download: SHA-256 is %s, not %s", sum, d.SHA256)
	}
	return nil
}

// DownloadFile writes the ZIP of a video's frames to a file, which appears under
// its name once it is complete and has been checked as [Client.Download] does.
// received, which may be nil, is told how many more bytes are there; less than
// none where some have to be fetched again.
//
// What has come lies beside the file, as name.ETAG.part. A download that was
// broken off, in this process or in another, goes on with the rest, if the ZIP is
// still the same.
func (c *Client) DownloadFile(ctx context.Context, id, name string, received func(bytes int)) (*Download, error) {
	if received == nil {
		received = func(int) {}
	}
	t := &transfer{client: c, name: name, received: received}
	const tries = 5 // in a row without a byte
	for failed := 0; ; {
		d, err := c.SignDownload(ctx, id) // anew: signatures expire
		if err != nil {
			return nil, err
		}
		before := t.have
		err = t.fetch(ctx, d)
		if err == nil {
			return d, t.finish(d)
		}
		if failed++; t.have > before {
			failed = 0
		}
		if ctx.Err() != nil || failed == tries || !errors.Is(err, errBroken) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(c.raw.Backoff(c.raw.RetryWaitMin, c.raw.RetryWaitMax, failed, nil)):
		}
	}
}

// errBroken tells of a connection that ended early.
var errBroken = errors.New("download broken off")

// transfer is one download under way.
type transfer struct {
	client   *Client
	name     string
	received func(int)

	have int64 // bytes told to received
}

// fetch gets what is missing.
func (t *transfer) fetch(ctx context.Context, d *Download) error {
	part, etag := t.part()
	have := sizeOf(part)
	if have == d.Size && d.SHA256 != "" { // else nothing tells whether it is still the same ZIP
		t.tell(have)
		return nil
	}
	ranges := ""
	if have > 0 && have < d.Size {
		ranges = fmt.Sprintf("bytes=%d-", have)
	}
	resp, err := t.client.fetch(ctx, d.URL, ranges)
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	defer resp.Body.Close()
	now := strings.Trim(resp.Header.Get("ETag"), `"`)
	switch {
	case resp.StatusCode == http.StatusPartialContent && now == etag:
	case resp.StatusCode == http.StatusPartialContent: // of another ZIP than the one that was begun
		if err := os.Remove(part); err != nil {
			return fmt.Errorf("remove what is out of date: %w", err)
		}
		t.tell(0)
		return fmt.Errorf("%w: the ZIP has changed", errBroken)
	case resp.StatusCode == http.StatusOK:
		if part != "" {
			_ = os.Remove(part)
		}
		part, have = fmt.Sprintf("%s.%s.part", t.name, filepath.Base(now)), 0
	default:
		return fmt.Errorf("download: S3 answered %s", resp.Status)
	}
	t.tell(have)
	return t.write(part, resp.Body)
}

// part finds what an earlier download left, and the ETag that it has.
func (t *transfer) part() (path, etag string) {
	entries, _ := os.ReadDir(filepath.Dir(t.name))
	for _, entry := range entries {
		rest, ours := strings.CutPrefix(entry.Name(), filepath.Base(t.name)+".")
		if etag, isPart := strings.CutSuffix(rest, ".part"); ours && isPart && !strings.Contains(etag, ".") {
			return filepath.Join(filepath.Dir(t.name), entry.Name()), etag
		}
	}
	return "", ""
}

func (t *transfer) write(part string, body io.Reader) error {
	file, err := os.OpenFile(part, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // the umask decides
	if err != nil {
		return fmt.Errorf("write the ZIP: %w", err)
	}
	_, err = io.Copy(&countingWriter{file, t}, body)
	if closeErr := file.Close(); closeErr != nil {
		return fmt.Errorf("write the ZIP: %w", closeErr)
	}
	if failed, ours := errors.AsType[*os.PathError](err); ours {
		return fmt.Errorf("write the ZIP: %w", failed)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

// tell tells how many bytes are there.
func (t *transfer) tell(have int64) {
	if have != t.have {
		t.received(int(have - t.have))
	}
	t.have = have
}

// finish checks what has come and gives it its name. What is wrong is removed: it
// would be as wrong the next time.
func (t *transfer) finish(d *Download) error {
	part, _ := t.part()
	file, err := os.Open(part)
	if err != nil {
		return fmt.Errorf("check the ZIP: %w", err)
	}
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	_ = file.Close()
	if err != nil {
		return fmt.Errorf("check the ZIP: %w", err)
	}
	if err := d.check(size, hex.EncodeToString(hash.Sum(nil))); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, t.name); err != nil {
		return fmt.Errorf("name the ZIP: %w", err)
	}
	return nil
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

type countingWriter struct {
	file *os.File
	t    *transfer
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.t.tell(w.t.have + int64(n))
	return n, err
}
