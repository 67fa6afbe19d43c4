package video

import (
	"context"
	"time"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
)

type usageOutput struct {
	Body struct {
		Quotas quotas `json:"quotas"`
	}
}

// quotas are a person's, as they see them.
type quotas struct {
	VideosPerMinute  timedQuota `json:"videos_per_minute" doc:"Videos registered or retried."`
	VideosPerDay     timedQuota `json:"videos_per_day" doc:"Videos registered or retried."`
	MinutesPerDay    timedQuota `json:"minutes_per_day" doc:"Minutes of video that were processed."`
	BytesStored      quota      `json:"bytes_stored" doc:"Uploads, from when they are announced, and frames."`
	ConcurrentVideos quota      `json:"concurrent_videos" doc:"Videos that are awaited, queued or being processed."`
}

type quota struct {
	Used  int64 `json:"used"`
	Limit int64 `json:"limit"`
}

type timedQuota struct {
	Used     int64     `json:"used"`
	Limit    int64     `json:"limit"`
	ResetsAt time.Time `json:"resets_at"`
}

// quotas shows what was spent at a time.
func (u spent) quotas(l Limits, now time.Time) quotas {
	timed := func(used, limit int, length time.Duration) timedQuota {
		return timedQuota{int64(used), int64(limit), now.UTC().Truncate(length).Add(length)}
	}
	return quotas{
		VideosPerMinute:  timed(u.minute.Videos, l.VideosPerMinute, time.Minute),
		VideosPerDay:     timed(u.today.Videos, l.VideosPerDay, day),
		MinutesPerDay:    timed(u.today.minutes(), l.MinutesPerDay, day),
		BytesStored:      quota{u.Bytes, l.StoredBytes},
		ConcurrentVideos: quota{int64(u.Active), int64(l.VideosAtOnce)},
	}
}

// GET /v1/usage
func (h handlers) usage(ctx context.Context, _ *struct{}) (*usageOutput, error) {
	now := h.Now()
	u, err := h.Store.Spent(ctx, httpapi.MustCaller(ctx).UserID, now)
	if err != nil {
		return nil, err
	}
	var out usageOutput
	out.Body.Quotas = u.quotas(h.Limits, now)
	return &out, nil
}
