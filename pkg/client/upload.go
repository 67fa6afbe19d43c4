package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"time"
)

// NewVideo is a video to be uploaded.
type NewVideo struct {
	Filename    string          `json:"filename"`
	Size        int64           `json:"size"` // bytes
	ContentType string          `json:"content_type"`
	SHA256      string          `json:"sha256,omitempty"`     // lower-case hex; worked out by Upload
	Extraction  json.RawMessage `json:"extraction,omitempty"` // default: one JPEG a second

	// IdempotencyKey makes it safe to register the video again; optional.
	IdempotencyKey string `json:"-"`
}

// signedUpload is how a video is to be uploaded.
type signedUpload struct {
	Method    string            `json:"method"` // "POST" or "MULTIPART"
	URL       string            `json:"url"`
	Fields    map[string]string `json:"fields"`
	UploadID  string            `json:"upload_id"`
	PartSize  int64             `json:"part_size"` // bytes
	ExpiresAt time.Time         `json:"expires_at"`
}

// Upload registers a video and uploads its file, in parts if it is large, and
// gives the video as it was registered. progress, which may be nil, is told how
// many more bytes were sent.
func (c *Client) Upload(ctx context.Context, file io.ReaderAt, v NewVideo, progress func(bytes int)) (*Video, error) {
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(file, 0, v.Size)); err != nil {
		return nil, fmt.Errorf("hash file: %w", err)
	}
	v.SHA256 = hex.EncodeToString(hash.Sum(nil))

	header := http.Header{}
	if v.IdempotencyKey != "" {
		header.Set("Idempotency-Key", v.IdempotencyKey)
	}
	var out struct {
		Video  Video        `json:"video"`
		Upload signedUpload `json:"upload"`
	}
	if err := c.authorized(ctx, http.MethodPost, "/v1/videos", header, v, &out); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(int) {}
	}
	var parts []completedPart
	var err error
	if out.Upload.Method == http.MethodPost {
		err = c.post(ctx, file, v, out.Upload, progress)
	} else {
		parts, err = c.putParts(ctx, file, v.Size, out.Video.ID, out.Upload.PartSize, progress)
	}
	if err != nil {
		return nil, err
	}
	body := map[string]any{"parts": parts}
	if parts == nil {
		body = map[string]any{}
	}
	return &out.Video, c.authorized(ctx, http.MethodPost, videoPath(out.Video.ID, "/complete"), nil, body, nil)
}

// post sends the file as the last field of a form, without holding it in
// memory.
func (c *Client) post(ctx context.Context, file io.ReaderAt, v NewVideo, u signedUpload, progress func(int)) error {
	pipe, sink := io.Pipe()
	form := multipart.NewWriter(sink)
	overhead, err := formOverhead(form.Boundary(), u.Fields, v.Filename)
	if err != nil {
		return err
	}
	go func() {
		sink.CloseWithError(writeForm(form, u.Fields, v.Filename, io.NewSectionReader(file, 0, v.Size), progress))
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.URL, pipe)
	if err != nil {
		return fmt.Errorf("make upload: %w", err)
	}
	req.ContentLength = overhead + v.Size // S3 takes no chunked bodies here
	req.Header.Set("Content-Type", form.FormDataContentType())
	_, err = c.store(req)
	return err
}

func writeForm(form *multipart.Writer, fields map[string]string, filename string, file io.Reader, progress func(int)) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := form.WriteField(name, fields[name]); err != nil {
			return err //nolint:wrapcheck // of the pipe
		}
	}
	part, err := form.CreateFormFile("file", filename)
	if err != nil {
		return err //nolint:wrapcheck // of the pipe
	}
	if _, err := io.Copy(part, &counting{file, progress}); err != nil {
		return err //nolint:wrapcheck // of the pipe or the file
	}
	return form.Close() //nolint:wrapcheck // of the pipe
}

// formOverhead is how many bytes the form has beside the file's.
func formOverhead(boundary string, fields map[string]string, filename string) (int64, error) {
	var size counter
	form := multipart.NewWriter(&size)
	if err := form.SetBoundary(boundary); err != nil {
		return 0, fmt.Errorf("make form: %w", err)
	}
	err := writeForm(form, fields, filename, eof{}, func(int) {})
	return int64(size), err
}

type completedPart struct {
	PartNumber int    `json:"part_number"`
	ETag       string `json:"etag"`
}

// signAtOnce is how many parts are signed in one call: few enough that they are
// sent while the signatures are valid.
const signAtOnce = 20

// putParts uploads the parts one after the other.
func (c *Client) putParts(ctx context.Context, file io.ReaderAt, size int64, id string, partSize int64, progress func(int)) ([]completedPart, error) {
	count := int((size + partSize - 1) / partSize)
	parts := make([]completedPart, 0, count)
	for len(parts) < count {
		signed, err := c.signParts(ctx, id, len(parts)+1, min(signAtOnce, count-len(parts)))
		if err != nil {
			return nil, err
		}
		for _, s := range signed {
			begin := int64(s.PartNumber-1) * partSize
			length := min(partSize, size-begin)
			body := &counting{io.NewSectionReader(file, begin, length), progress}
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.URL, body)
			if err != nil {
				return nil, fmt.Errorf("make upload of part %d: %w", s.PartNumber, err)
			}
			req.ContentLength = length
			etag, err := c.store(req)
			if err != nil {
				return nil, fmt.Errorf("part %d: %w", s.PartNumber, err)
			}
			parts = append(parts, completedPart{s.PartNumber, etag})
		}
	}
	return parts, nil
}

type signedPart struct {
	PartNumber int    `json:"part_number"`
	URL        string `json:"url"`
}

func (c *Client) signParts(ctx context.Context, id string, first, count int) ([]signedPart, error) {
	numbers := make([]int, count)
	for i := range numbers {
		numbers[i] = first + i
	}
	var out struct {
		Parts []signedPart `json:"parts"`
	}
	err := c.authorized(ctx, http.MethodPost, videoPath(id, "/parts"), nil, map[string]any{"part_numbers": numbers}, &out)
	if err != nil {
		return nil, err
	}
	if len(out.Parts) != count {
		return nil, errors.New("the API signed other parts than were asked for")
	}
	return out.Parts, nil
}

// store sends bytes to S3 and gives the ETag of what was stored.
func (c *Client) store(req *http.Request) (string, error) {
	resp, err := c.raw.Do(req)
	if err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return "", fmt.Errorf("upload: S3 answered %s: %s", resp.Status, answer)
	}
	return resp.Header.Get("ETag"), nil
}

// counting tells how much is read through it.
type counting struct {
	io.Reader
	seen func(int)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.seen(n)
	return n, err //nolint:wrapcheck // transparent
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// eof is an empty reader.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
