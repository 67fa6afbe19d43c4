package erasure

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/logging"
)

// Receive reads an event from the body of a message and has it handled, under
// Guard, or the person erased if that is what it says. What is about nobody is handled
// as it is. The error wraps event.ErrMalformed when it can never be understood.
func (t *Table) Receive(
	ctx context.Context, body string, erase func(ctx context.Context, userID string) error, handle func(context.Context, event.Event) error,
) error {
	e, err := event.Parse([]byte(body))
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	_, err = t.ReceiveEvent(ctx, e, erase, handle)
	return err
}

// ReceiveEvent is Receive for an event that has been read, and tells whether what was
// handled stands: not if the person was erased.
func (t *Table) ReceiveEvent(
	ctx context.Context, e event.Event, erase func(ctx context.Context, userID string) error, handle func(context.Context, event.Event) error,
) (stands bool, err error) {
	if e.Type() == (event.RebuildRequested{}).EventType() {
		return true, handle(logging.With(ctx, slog.String("event", e.Type()), slog.String("rebuild_id", e.Subject())), e)
	}
	person, err := event.Person(e)
	if err != nil {
		return false, fmt.Errorf("read event: %w", err)
	}
	ctx = logging.With(ctx, slog.String("event", e.Type()), slog.String("subject", e.Subject()))
	if e.Type() == (event.AccountErased{}).EventType() {
		return false, erase(ctx, person)
	}
	return t.guard(ctx, person, func() error { return handle(ctx, e) })
}
