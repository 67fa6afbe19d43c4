package auth

import (
	"context"
	"time"

	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/ratelimit"
)

// bounds limit how often one thing may be tried on one address and by one
// network. Both are counted whether or not anybody has the address, so that
// neither tells.
type bounds struct {
	what                   string
	perAddress, perNetwork int
	window                 time.Duration
}

func (l Limits) logins() bounds {
	return bounds{"login", l.LoginAttempts, l.LoginsPerNetwork, l.LoginWindow}
}

func (l Limits) registrations() bounds {
	return bounds{"register", l.RegistrationsPerAddress, l.RegistrationsPerNetwork, l.RegistrationWindow}
}

func (l Limits) codes() bounds {
	return bounds{"code", l.CodesPerAddress, l.CodesPerNetwork, l.CodeWindow}
}

func (l Limits) guesses() bounds {
	return bounds{"guess", l.GuessesPerAddress, l.GuessesPerNetwork, l.GuessWindow}
}

// attempt counts an attempt. It gives problem.TooManyAttempts when there were too
// many already. The network's come first: what is refused there must not use up
// somebody else's address.
func (s *Service) attempt(ctx context.Context, b bounds, address string) error {
	network := ratelimit.Network(originOf(ctx).network)
	if err := s.count(ctx, b.what, network, ratelimit.Limit{Allowed: b.perNetwork, Window: b.window}); err != nil {
		return err
	}
	return s.count(ctx, b.what, address, ratelimit.Limit{Allowed: b.perAddress, Window: b.window})
}

func (s *Service) count(ctx context.Context, what, subject string, limit ratelimit.Limit) error {
	wait, err := s.Attempts.Count(ctx, what, subject, limit, s.Now())
	if err != nil {
		return err
	}
	if wait > 0 {
		return &problem.Error{Code: problem.TooManyAttempts, RetryAfter: wait}
	}
	return nil
}
