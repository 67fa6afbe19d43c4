package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/sync/errgroup"
)

// NewVideo is a video to be uploaded.
type NewVideo struct {
	Filename    string          `json:"filename"`
	Size        int64           `json:"size"` // bytes
	ContentType string          `json:"content_type"`
	SHA256      string          `json:"sha256,omitempty"`     // hex; worked out by Upload if it is empty
	Extraction  json.RawMessage `json:"extraction,omitempty"` // see [Extraction.JSON]; default: one JPEG a second

	// IdempotencyKey makes it safe to register the video again, and to go on with
	// its upload, for a day; optional.
	IdempotencyKey string `json:"-"`
}

// SignedUpload is how a video is to be uploaded: in one POST of Fields and file to
// URL, or in parts of PartSize bytes, the last of which may be smaller.
type SignedUpload struct {
	Method    string            `json:"method"` // "POST" or "MULTIPART"
	URL       string            `json:"url,omitempty"`
	Fields    map[string]string `json:"fields,omitempty"`
	UploadID  string            `json:"upload_id,omitempty"`
	PartSize  int64             `json:"part_size,omitempty"` // bytes
	ExpiresAt time.Time         `json:"expires_at"`
}

// CreatedVideo is a video that is to be uploaded, and how.
type CreatedVideo struct {
	Video  Video        `json:"video"`
	Upload SignedUpload `json:"upload"`
}

// CreateVideo registers a video and signs its upload. Called again with the same
// IdempotencyKey it gives the same video. Codes "invalid_extraction", "too_large",
// "unsupported_media", "quota_exceeded", "idempotency_key_reused", "upload_closed".
func (c *Client) CreateVideo(ctx context.Context, v NewVideo) (*CreatedVideo, error) {
	header := http.Header{}
	if v.IdempotencyKey != "" {
		header.Set("Idempotency-Key", v.IdempotencyKey)
	}
	var out CreatedVideo
	if err := c.authorized(ctx, http.MethodPost, "/v1/videos", header, v, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// StoredPart is a part of an upload that S3 has.
type StoredPart struct {
	PartNumber int    `json:"part_number"` // from 1
	ETag       string `json:"etag"`
	Size       int64  `json:"size"` // bytes
}

// Parts lists the parts that S3 has; code "upload_closed" if the upload has ended.
func (c *Client) Parts(ctx context.Context, id string) ([]StoredPart, error) {
	var out struct {
		Parts []StoredPart `json:"parts"`
	}
	return out.Parts, c.authorized(ctx, http.MethodGet, videoPath(id, "/parts"), nil, nil, &out)
}

// SignedPart is where to PUT a part.
type SignedPart struct {
	PartNumber int    `json:"part_number"` // from 1
	URL        string `json:"url"`
}

// SignedParts are parts that may be PUT before ExpiresAt.
type SignedParts struct {
	Parts     []SignedPart `json:"parts"`
	ExpiresAt time.Time    `json:"expires_at"`
}

// SignParts signs the upload of parts, counted from 1; codes "upload_closed" and
// "invalid_parts".
func (c *Client) SignParts(ctx context.Context, id string, numbers ...int) (*SignedParts, error) {
	var out SignedParts
	if err := c.authorized(ctx, http.MethodPost, videoPath(id, "/parts"), nil, partNumbers{numbers}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

type partNumbers struct {
	PartNumbers []int `json:"part_numbers"`
}

// CompletedPart is a part that was uploaded, with the ETag that S3 answered.
type CompletedPart struct {
	PartNumber int    `json:"part_number"`
	ETag       string `json:"etag"`
}

// CompleteUpload says that the upload is complete: of all parts, in order, or of
// the one POST if there are none. Codes "upload_closed", "upload_missing",
// "invalid_parts".
func (c *Client) CompleteUpload(ctx context.Context, id string, parts []CompletedPart) (*Video, error) {
	var v Video
	if err := c.authorized(ctx, http.MethodPost, videoPath(id, "/complete"), nil, completion{parts}, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

type completion struct {
	Parts []CompletedPart `json:"parts,omitempty"`
}

// UploadOptions is what [Client.Upload] may know besides the video.
type UploadOptions struct {
	// Parallel is how many parts are sent at once; 4 if it is 0.
	Parallel int
	// Stored is told how many bytes S3 had already when the upload was begun.
	Stored func(bytes int64)
	// Sent is told how many more bytes were sent; less than none where a part has
	// to be sent again. Several goroutines call it.
	Sent func(bytes int)
	// Body may wrap what is sent, to slow it down for instance.
	Body func(io.Reader) io.Reader
}

// Upload registers a video and uploads its file, in parts if it is large, and
// gives the video as it was registered. o may be nil.
//
// An upload in parts that was broken off, in this process or in another, goes on
// with what S3 does not have yet when Upload is called again with the same video
// and the same IdempotencyKey. A file that has changed meanwhile is refused with
// code "idempotency_key_reused".
func (c *Client) Upload(ctx context.Context, file io.ReaderAt, v NewVideo, o *UploadOptions) (*Video, error) {
	if v.SHA256 == "" {
		hash := sha256.New()
		if _, err := io.Copy(hash, &cancellable{ctx, io.NewSectionReader(file, 0, v.Size)}); err != nil {
			return nil, fmt.Errorf("hash file: %w", err)
		}
		v.SHA256 = hex.EncodeToString(hash.Sum(nil))
	}
	ctx = traced(ctx)
	created, err := c.CreateVideo(ctx, v)
	if err != nil {
		return nil, err
	}
	u := &upload{client: c, file: file, video: v, created: created, options: o.withDefaults()}
	switch {
	case created.Video.Status != AwaitingUpload: // it was complete when it was broken off
		u.options.Stored(v.Size)
		return &created.Video, nil
	case created.Upload.Method == http.MethodPost:
		err = u.post(ctx)
	default:
		err = u.putParts(ctx)
	}
	if err != nil {
		return nil, err
	}
	_, err = c.CompleteUpload(ctx, created.Video.ID, u.parts)
	return &created.Video, err
}

func (o *UploadOptions) withDefaults() UploadOptions {
	var all UploadOptions
	if o != nil {
		all = *o
	}
	if all.Parallel <= 0 {
		all.Parallel = 4
	}
	if all.Stored == nil {
		all.Stored = func(int64) {}
	}
	if all.Sent == nil {
		all.Sent = func(int) {}
	}
	if all.Body == nil {
		all.Body = func(r io.Reader) io.Reader { return r }
	}
	return all
}

// upload is one upload under way.
type upload struct {
	client  *Client
	file    io.ReaderAt
	video   NewVideo
	created *CreatedVideo
	options UploadOptions

	mu    sync.Mutex
	parts []CompletedPart
}

// post sends the file as the last field of a form, without holding it in
// memory.
func (u *upload) post(ctx context.Context) error {
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	fields := u.created.Upload.Fields
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		_ = form.WriteField(name, fields[name]) // a buffer takes everything
	}
	_, _ = form.CreateFormFile("file", u.video.Filename)
	before := text.Len()
	_ = form.Close()
	head, tail := text.Bytes()[:before], text.Bytes()[before:]
	body := func(file io.Reader) io.Reader {
		return io.MultiReader(bytes.NewReader(head), file, bytes.NewReader(tail))
	}
	_, err := u.store(ctx, http.MethodPost, u.created.Upload.URL, form.FormDataContentType(), section{0, u.video.Size, int64(text.Len())}, body)
	return err
}

// putParts uploads the parts that S3 does not have, several at once.
func (u *upload) putParts(ctx context.Context) error {
	stored, err := u.client.Parts(ctx, u.created.Video.ID)
	if err != nil {
		return err
	}
	missing := u.missing(stored)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(u.options.Parallel)
	for _, n := range missing {
		group.Go(func() error {
			if err := u.putPart(ctx, n); err != nil {
				return fmt.Errorf("part %d: %w", n, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	slices.SortFunc(u.parts, func(a, b CompletedPart) int { return a.PartNumber - b.PartNumber })
	return nil
}

// missing takes over the parts that S3 has, and lists the numbers of the others.
func (u *upload) missing(stored []StoredPart) []int {
	size := u.created.Upload.PartSize
	have := map[int]bool{}
	bytes := int64(0)
	for _, p := range stored {
		if p.Size != u.section(p.PartNumber).length {
			continue
		}
		have[p.PartNumber] = true
		bytes += p.Size
		u.parts = append(u.parts, CompletedPart{p.PartNumber, p.ETag})
	}
	u.options.Stored(bytes)
	var numbers []int
	for n := 1; int64(n-1)*size < u.video.Size; n++ {
		if !have[n] {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// section is a piece of the file, sent with so many bytes around it.
type section struct{ begin, length, around int64 }

func (u *upload) section(part int) section {
	size := u.created.Upload.PartSize
	begin := int64(part-1) * size
	return section{begin, min(size, u.video.Size-begin), 0}
}

func (u *upload) putPart(ctx context.Context, n int) error {
	signed, err := u.client.SignParts(ctx, u.created.Video.ID, n)
	if err != nil {
		return err
	}
	if len(signed.Parts) != 1 || signed.Parts[0].PartNumber != n {
		return fmt.Errorf("the API signed other parts: %v", signed.Parts)
	}
	etag, err := u.store(ctx, http.MethodPut, signed.Parts[0].URL, "", u.section(n), func(file io.Reader) io.Reader { return file })
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts = append(u.parts, CompletedPart{n, etag})
	return nil
}

// store sends a piece of the file to S3, again if need be, and gives the ETag of
// what was stored.
func (u *upload) store(ctx context.Context, method, url, contentType string, s section, body func(io.Reader) io.Reader) (string, error) {
	var last *counting
	again := retryablehttp.ReaderFunc(func() (io.Reader, error) {
		if last != nil {
			last.takeBack()
		}
		last = &counting{Reader: u.options.Body(io.NewSectionReader(u.file, s.begin, s.length)), seen: u.options.Sent}
		return body(last), nil
	})
	req, err := retryablehttp.NewRequestWithContext(ctx, method, url, again)
	if err != nil {
		return "", fmt.Errorf("make upload: %w", err)
	}
	req.ContentLength = s.length + s.around // S3 takes no chunked bodies here
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := u.client.raw.Do(req)
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

	mu    sync.Mutex
	total int
	ended bool
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.total += n
		c.seen(n)
	}
	return n, err
}

// takeBack tells that what was read has to be read again, by another.
func (c *counting) takeBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.total > 0 {
		c.seen(-c.total)
	}
}

// cancellable is a reader that fails once a context has ended.
type cancellable struct {
	ctx context.Context
	io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}
