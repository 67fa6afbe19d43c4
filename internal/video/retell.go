package video

import (
	"context"
	"strings"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
)

// retell tells the read model once more of the videos on one page of the table, and
// of those that were deleted and the people who were erased.
func (l *Listener) retell(ctx context.Context, r event.RebuildRequested) error {
	return l.Walk.Tell(ctx, r, l.StatusQueueURL, l.tellOf)
}

// tellOf makes the event that tells of a row; none if there is nothing to tell.
func (l *Listener) tellOf(item dynamo.Item) ([]event.Event, error) {
	if person, ok := erasure.Buried(item); ok {
		e, err := event.New(source, l.NewID(), l.Now(), event.AccountErased{UserID: person})
		return []event.Event{e}, err
	}
	row, err := dynamo.Unmarshal[videoRow](item)
	if err != nil || !strings.HasPrefix(row.SK, "video#") {
		return nil, err
	}
	var data event.Data = event.VideoDeleted{VideoRef: row.ref()}
	if row.State != Deleted {
		data = row.snapshot()
	}
	e, err := event.New(source, l.NewID(), row.ChangedAt, data)
	return []event.Event{e}, err
}

func (r *videoRow) ref() event.VideoRef {
	return event.VideoRef{VideoID: r.ID, OwnerID: r.OwnerID, Run: r.Run}
}

func (r *videoRow) snapshot() event.VideoSnapshot {
	upload := map[State]string{
		Awaited: event.UploadAwaited, Uploaded: event.UploadArrived, Abandoned: event.UploadGivenUp,
	}
	return event.VideoSnapshot{
		VideoRef: r.ref(), Filename: r.Filename, Size: r.Size, ContentType: r.ContentType,
		Extraction: []byte(r.Extraction), CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, Upload: upload[r.State],
	}
}
