package auth

import (
	"context"
	"log/slog"

	"github.com/fotograma/fotograma/internal/platform/outbox"
)

// Sweep makes a Lambda handler that publishes the events whose first
// publication failed. Whatever triggers it, a schedule, has nothing to say.
func Sweep(o *outbox.Outbox) func(context.Context) error {
	return func(ctx context.Context) error {
		published, err := o.Sweep(ctx)
		if published > 0 || err != nil {
			slog.InfoContext(ctx, "outbox swept", "published", published)
		}
		return err
	}
}
