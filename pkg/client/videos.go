package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Statuses of a video.
const (
	AwaitingUpload = "awaiting_upload"
	Queued         = "queued"
	Processing     = "processing"
	Completed      = "completed"
	Failed         = "failed"
	Cancelled      = "cancelled"
	Expired        = "expired"
)

// Video is a video as its owner sees it.
type Video struct {
	ID          string          `json:"id"`
	Filename    string          `json:"filename"`
	Size        int64           `json:"size"` // bytes
	ContentType string          `json:"content_type"`
	Status      string          `json:"status"`
	Progress    float64         `json:"progress"` // 0 to 1
	Extraction  json.RawMessage `json:"extraction"`
	Media       *Media          `json:"media"`
	Archive     *Archive        `json:"archive"`
	Warnings    []Notice        `json:"warnings"`
	Error       *Notice         `json:"error"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	ExpiresAt   time.Time       `json:"expires_at"`
}

// Ended tells whether a video will not change by itself any more.
func (v *Video) Ended() bool {
	switch v.Status {
	case Completed, Failed, Cancelled, Expired:
		return true
	}
	return false
}

// Media is what was found out about a file: duration in seconds, sizes in
// pixels, rotation in degrees.
type Media struct {
	Duration  float64 `json:"duration"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	FrameRate float64 `json:"frame_rate"`
	Codec     string  `json:"codec"`
	Rotation  int     `json:"rotation"`
}

// Archive is the ZIP with the frames.
type Archive struct {
	Frames    int       `json:"frames"`
	Size      int64     `json:"size"`   // bytes
	SHA256    string    `json:"sha256"` // lower-case hex; empty if it is not known
	ExpiresAt time.Time `json:"expires_at"`
}

// Notice is a stable code and a sentence for a person.
type Notice struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Video shows one video.
func (c *Client) Video(ctx context.Context, id string) (*Video, error) {
	var v Video
	if err := c.authorized(ctx, http.MethodGet, videoPath(id), nil, nil, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// Page is a part of the list of videos.
type Page struct {
	Videos     []Video `json:"videos"`
	NextCursor string  `json:"next_cursor"` // empty on the last page
}

// Videos lists videos, newest first: of one status if one is given, from a
// cursor on if one is given, at most limit of them (0: as the API likes).
func (c *Client) Videos(ctx context.Context, status, cursor string, limit int) (*Page, error) {
	query := url.Values{}
	for name, value := range map[string]string{"status": status, "cursor": cursor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var page Page
	if err := c.authorized(ctx, http.MethodGet, "/v1/videos?"+query.Encode(), nil, nil, &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// Delete deletes a video, its frames and all that is known of it.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.authorized(ctx, http.MethodDelete, videoPath(id), nil, nil, nil)
}

// Cancel stops processing a video.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.authorized(ctx, http.MethodPost, videoPath(id, "/cancel"), nil, nil, nil)
}

// Retry processes a video again, with other options if given.
func (c *Client) Retry(ctx context.Context, id string, extraction json.RawMessage) error {
	body := map[string]any{}
	if extraction != nil {
		body["extraction"] = extraction
	}
	return c.authorized(ctx, http.MethodPost, videoPath(id, "/retry"), nil, body, nil)
}

// Wait returns when a video has ended; how it ended stands in its status. Every
// change on the way is told to seen, which may be nil.
func (c *Client) Wait(ctx context.Context, id string, seen func(*Video)) (*Video, error) {
	const first, longest = 200 * time.Millisecond, 5 * time.Second
	pause, updated := first, time.Time{}
	for {
		v, err := c.Video(ctx, id)
		if err != nil && !IsCode(err, "not_found") { // reads follow writes, but not at once
			return nil, err
		}
		if err == nil {
			if !v.UpdatedAt.Equal(updated) {
				pause, updated = first, v.UpdatedAt
				if seen != nil {
					seen(v)
				}
			}
			if v.Ended() {
				return v, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err() //nolint:wrapcheck // the caller's own
		case <-time.After(pause):
			pause = min(pause*3/2, longest)
		}
	}
}

// Download is a signed download.
type Download struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
	Size      int64     `json:"size"`   // bytes
	SHA256    string    `json:"sha256"` // lower-case hex; empty if it is not known
}

// SignDownload signs the download of a video's frames.
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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	resp, err := c.raw.Do(req)
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
	if size != d.Size {
		return nil, fmt.Errorf("download: %d bytes, not %d", size, d.Size)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); d.SHA256 != "" && sum != d.SHA256 {
		return nil, fmt.Errorf("download: SHA-256 is %s, not %s", sum, d.SHA256)
	}
	return d, nil
}
