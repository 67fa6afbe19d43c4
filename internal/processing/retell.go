package processing

import (
	"context"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// retell sends the read model once more the events that told of the jobs on one page
// of the table. They are the very same, so that they say when it was. Nothing is to be
// told of deleted videos: the video service does that.
func (c *Control) retell(ctx context.Context, r event.RebuildRequested) error {
	return c.Walk.Tell(ctx, r, c.StatusQueueURL, toldOf)
}

// toldOf gives what was told of a job: how far it is, and, where that does not say so,
// what came of it or of a run before.
func toldOf(item dynamo.Item) ([]event.Event, error) {
	row, err := dynamo.Unmarshal[jobRow](item)
	if err != nil {
		return nil, err
	}
	var told []event.Event
	for i, body := range []string{row.Result, row.Told} {
		if body == "" || i > 0 && body == row.Result {
			continue
		}
		e, err := event.Parse([]byte(body))
		if err != nil {
			return nil, err
		}
		told = append(told, e)
	}
	return told, nil
}
