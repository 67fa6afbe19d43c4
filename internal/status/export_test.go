package status

import (
	"context"

	"github.com/fotograma/fotograma/internal/event"
)

// Describe writes what a projection does that has begun, whatever guards it.
func Describe(ctx context.Context, s *Store, v event.VideoRegistered) error {
	_, err := s.Merge(ctx, v.VideoRef, func(r *row) { r.describe(v) })
	return err
}
