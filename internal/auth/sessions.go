package auth

import (
	"context"
	"slices"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// sessions gives the sessions of a person that have not ended, the last one begun
// first.
func (s *Service) sessions(ctx context.Context, userID string) ([]session, error) {
	all, err := s.Store.sessions(ctx, userID)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	return slices.DeleteFunc(all, func(one session) bool { return !one.expiresAt.After(now) }), nil
}

// EndSession ends one of a person's sessions. It gives problem.NotFound when they
// have none of this ID.
func (s *Service) EndSession(ctx context.Context, userID, sessionID string) error {
	ended, err := s.Store.endSession(ctx, userID, sessionID)
	if err != nil {
		return err
	}
	if !ended {
		return problem.New(problem.NotFound)
	}
	return s.audit(ctx, userID, actionSessionEnded, succeeded, sessionID)
}

// EndOtherSessions ends all of a person's sessions but one.
func (s *Service) EndOtherSessions(ctx context.Context, userID, except string) error {
	if _, err := s.Store.endSessions(ctx, userID, except); err != nil {
		return err
	}
	return s.audit(ctx, userID, actionSessionsEnded, succeeded, "")
}
