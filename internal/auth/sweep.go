package auth

import (
	"context"
	"errors"
	"log/slog"
)

// Sweep makes a Lambda handler that publishes the events whose first
// publication failed, and goes on with erasures. Whatever triggers it, a schedule,
// has nothing to say.
func Sweep(e *Eraser) func(context.Context) error {
	return func(ctx context.Context) error {
		published, outboxErr := e.Outbox.Sweep(ctx)
		erasing, err := e.People.Repeat(ctx, e.erase)
		if err = errors.Join(outboxErr, err); published > 0 || erasing > 0 || err != nil {
			slog.InfoContext(ctx, "swept", "published", published, "erasing", erasing)
		}
		return err
	}
}
