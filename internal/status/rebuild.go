package status

import (
	"context"
	"log/slog"
	"strings"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/rebuild"
)

// rebuild has the read model made again. The services that own the videos are asked to
// tell of all of them, which does no harm to what is there. From scratch, that is
// deleted first: what events tell meanwhile is told again.
func (p *Projector) rebuild(ctx context.Context, e event.Event, r event.RebuildRequested) error {
	if r.FromScratch {
		last, err := p.Walk.Page(ctx, r, func(items []dynamo.Item) error { return p.forget(ctx, items) })
		if err != nil || !last {
			return err
		}
	}
	told, err := event.New(source, e.ID(), p.Walk.Now(), event.RebuildRequested{RebuildID: r.RebuildID})
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "owners asked to tell of their videos", "from_scratch", r.FromScratch)
	for _, url := range p.Owners {
		if err := rebuild.Send(ctx, p.Walk.SQS, url, []event.Event{told}); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes the videos among rows, and has the cache forget them.
func (p *Projector) forget(ctx context.Context, items []dynamo.Item) error {
	if err := p.Store.Forget(ctx, items); err != nil {
		return err
	}
	last := ""
	for _, item := range items {
		k, err := dynamo.Unmarshal[dynamo.Key](item)
		if err != nil {
			return err
		}
		person, ok := strings.CutPrefix(k.PK, "user#")
		if ok && person != last { // a person's rows follow each other
			p.Cache.Forget(ctx, person)
			last = person
		}
	}
	return nil
}
