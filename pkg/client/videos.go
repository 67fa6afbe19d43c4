package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
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
	Media       *Media          `json:"media,omitempty"`
	Archive     *Archive        `json:"archive,omitempty"`
	Warnings    []Notice        `json:"warnings,omitempty"`
	Error       *Notice         `json:"error,omitempty"`
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
	Size      int64     `json:"size"`             // bytes
	SHA256    string    `json:"sha256,omitempty"` // lower-case hex; empty if it is not known
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
	NextCursor string  `json:"next_cursor,omitempty"` // empty on the last page
}

// Videos lists videos, newest first: of one status if one is given, from a
// cursor on if one is given, at most limit of them (0: as the API likes).
func (c *Client) Videos(ctx context.Context, status, cursor string, limit int) (*Page, error) {
	var page Page
	if err := c.authorized(ctx, http.MethodGet, "/v1/videos"+query(map[string]string{"status": status, "cursor": cursor, "limit": positive(limit)}), nil, nil, &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// Delete deletes a video, its frames and all that is known of it.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.authorized(ctx, http.MethodDelete, videoPath(id), nil, nil, nil)
}

// Cancel has processing of a video stop soon; what has ended stays as it is. Code
// "not_cancellable" if its upload was abandoned.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.authorized(ctx, http.MethodPost, videoPath(id, "/cancel"), nil, nil, nil)
}

// Retry processes a video again, with other options if given; nil for the same.
// Code "not_retryable" if it has not ended.
func (c *Client) Retry(ctx context.Context, id string, extraction json.RawMessage) error {
	return c.authorized(ctx, http.MethodPost, videoPath(id, "/retry"), nil, retryVideo{extraction}, nil)
}

type retryVideo struct {
	Extraction json.RawMessage `json:"extraction,omitempty"`
}

// Wait returns when a video has ended; how it ended stands in its status. Every
// change on the way is told to seen, which may be nil. Code "not_found" if the video
// is deleted meanwhile.
func (c *Client) Wait(ctx context.Context, id string, seen func(*Video)) (*Video, error) {
	const first, longest = 200 * time.Millisecond, 5 * time.Second
	const unseen = 20 // times, which is more than a minute
	pause, etag := first, ""
	for tries := 1; ; tries++ {
		v, now, err := c.videoUnless(ctx, id, etag)
		early := etag == "" && tries < unseen // reads follow writes, but not at once
		if err != nil && (!early || !IsCode(err, "not_found")) {
			return nil, err
		}
		if v != nil {
			pause, etag = first, now
			if seen != nil {
				seen(v)
			}
			if v.Ended() {
				return v, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
			pause = min(pause*3/2, longest)
		}
	}
}

// videoUnless shows one video and its ETag; nil if it still has the ETag that is
// given.
func (c *Client) videoUnless(ctx context.Context, id, etag string) (*Video, string, error) {
	header := http.Header{}
	if etag != "" {
		header.Set("If-None-Match", etag)
	}
	var v *Video
	err := c.withToken(ctx, func(token http.Header) error {
		maps.Copy(header, token)
		resp, err := c.send(ctx, http.MethodGet, videoPath(id), header, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusNotModified:
			return nil
		case resp.StatusCode >= http.StatusBadRequest:
			return readProblem(resp)
		}
		etag = resp.Header.Get("ETag")
		if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
			return fmt.Errorf("read the video: %w", err)
		}
		return nil
	})
	return v, etag, err
}
