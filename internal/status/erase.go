package status

import (
	"context"
	"log/slog"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// erase removes everything of a person but for the tombstone, which keeps events
// that come later from bringing anything back.
func (p *Projector) erase(ctx context.Context, userID string) error {
	if err := p.Store.People.Bury(ctx, userID); err != nil {
		return err
	}
	slog.InfoContext(ctx, "person erased")
	return p.Store.People.Clear(ctx, userID)
}

// export writes down what this service keeps of a person: the videos, as the API
// shows them.
func (p *Projector) export(ctx context.Context, r event.ExportRequested) error {
	videos := []rest.Video{}
	err := p.Store.People.Rows(ctx, r.UserID, func(items []dynamo.Item) error {
		for _, item := range items {
			found, err := dynamo.Unmarshal[row](item)
			if err != nil {
				return err
			}
			if found.visible() {
				videos = append(videos, render(found.video(), locale.English))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.Exports.Write(ctx, r, export.Status, map[string]any{"videos": videos})
}
