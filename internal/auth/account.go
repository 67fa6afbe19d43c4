package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// change is what is done to an account in one transaction.
type change struct {
	set    expression.UpdateBuilder // of the profile
	writes []types.TransactWriteItem
	events []event.Data
}

// change changes an account, as plan says of what it is at that moment: of several
// changes at once each sees the ones before. plan puts into the account what it is
// then, which is what change gives.
// Where another condition than the account's does not hold, that is
// problem.InvalidCode: it was that of a code which has just been spent, or of an
// address which somebody else has got.
func (s *Service) change(ctx context.Context, userID string, plan func(account *profileRow) (change, error)) (User, error) {
	for range 5 {
		account, err := s.Store.profile(ctx, userID)
		if errors.Is(err, errNotFound) {
			return User{}, problem.New(problem.Unauthorized)
		}
		if err != nil {
			return User{}, err
		}
		next, err := plan(account)
		if err != nil {
			return User{}, err
		}
		err = s.commit(ctx, account, next)
		switch broken := dynamo.FailedConditions(err); {
		case err == nil:
			return account.user(), nil
		case len(broken) == 0:
			return User{}, fmt.Errorf("change account: %w", err)
		case slices.Contains(broken, 0): // it was changed meanwhile
		default:
			return User{}, problem.New(problem.InvalidCode)
		}
	}
	return User{}, errors.New("change account: others are always faster")
}

// commit writes a change; the first of its writes fails if the account is not as
// it was.
func (s *Service) commit(ctx context.Context, account *profileRow, c change) error {
	profile, err := s.Store.updateProfile(account, c.set)
	if err != nil {
		return err
	}
	events := make([]event.Event, len(c.events))
	for i, data := range c.events {
		if events[i], err = event.New(source, s.NewID(), s.Now(), data); err != nil {
			return fmt.Errorf("change account: %w", err)
		}
	}
	return s.Outbox.Commit(ctx, append([]types.TransactWriteItem{profile}, c.writes...), events...)
}

// contact is how a person is reached once an account that is about to be changed
// has been.
func (r *profileRow) contact() event.ContactChanged {
	return event.ContactChanged{
		UserID: r.ID, Email: r.Email, Name: r.Name, Locale: string(r.Locale), Verified: r.EmailVerified,
		Version: r.Changes + 2, // the registration had 1
	}
}

// Profile is what a person may change about themselves; nil leaves it as it is.
type Profile struct {
	Name   *string
	Locale *locale.Locale
}

// ChangeProfile changes name and language. It gives problem.InvalidRequest.
func (s *Service) ChangeProfile(ctx context.Context, userID string, p Profile) (User, error) {
	if p.Name != nil {
		name, err := checkName(*p.Name, maxName)
		if err != nil {
			return User{}, err
		}
		p.Name = &name
	}
	return s.change(ctx, userID, func(account *profileRow) (change, error) {
		if p.Name != nil {
			account.Name = *p.Name
		}
		if p.Locale != nil {
			account.Locale = *p.Locale
		}
		entry, err := s.audited(ctx, userID, actionProfileChanged, succeeded, "")
		return change{
			set: expression.Set(expression.Name("name"), expression.Value(account.Name)).
				Set(expression.Name("locale"), expression.Value(account.Locale)),
			writes: []types.TransactWriteItem{entry},
			events: []event.Data{account.contact()},
		}, err
	})
}

// RequestVerification mails a code for the account's address, unless it is
// verified. It gives problem.TooManyAttempts.
func (s *Service) RequestVerification(ctx context.Context, userID string) error {
	u, err := s.Account(ctx, userID)
	if err != nil || u.EmailVerified {
		return err
	}
	if err := s.attempt(ctx, s.Limits.codes(), u.Email); err != nil {
		return err
	}
	return s.mailCode(ctx, codeRequest{to: u, purpose: event.PurposeVerifyEmail, lifetime: verifyLifetime}, actionVerificationRequested)
}

// mailCode makes a code and has it mailed, unless the account has gone.
func (s *Service) mailCode(ctx context.Context, r codeRequest, a action) error {
	code, requested, err := s.newCode(ctx, r)
	if err != nil {
		return err
	}
	entry, err := s.audited(ctx, r.to.ID, a, succeeded, "")
	if err != nil {
		return err
	}
	e, err := event.New(source, s.NewID(), s.Now(), requested)
	if err != nil {
		return fmt.Errorf("request a code: %w", err)
	}
	err = s.Outbox.Commit(ctx, []types.TransactWriteItem{s.Store.stillThere(r.to.ID), code, entry}, e)
	if err != nil && len(dynamo.FailedConditions(err)) == 0 {
		return fmt.Errorf("request a code: %w", err)
	}
	return nil
}

// VerifyEmail takes the code that was mailed to an address. It gives
// problem.InvalidCode, also where there is no account of the address, and
// problem.TooManyAttempts.
func (s *Service) VerifyEmail(ctx context.Context, email, code string) error {
	account, checked, err := s.takeCode(ctx, email, code, event.PurposeVerifyEmail, actionEmailVerified)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, account.ID, func(now *profileRow) (change, error) {
		if now.Email != checked.Email {
			return change{}, problem.New(problem.InvalidCode)
		}
		now.EmailVerified = true
		entry, err := s.audited(ctx, now.ID, actionEmailVerified, succeeded, "")
		return change{
			set:    expression.Set(expression.Name("email_verified"), expression.Value(true)),
			writes: []types.TransactWriteItem{s.Store.spendCode(checked), entry},
			events: []event.Data{now.contact()},
		}, err
	})
	return err
}

// takeCode finds the account of an address and checks the code that was mailed to
// it. What it does, answers and writes down does not depend on whether there is
// such an account. It gives problem.InvalidCode and problem.TooManyAttempts.
func (s *Service) takeCode(ctx context.Context, email, code, purpose string, a action) (*profileRow, *codeRow, error) {
	address, err := normaliseEmail(email)
	if err != nil {
		return nil, nil, problem.In(problem.InvalidRequest, "body.email", err.Error())
	}
	if err := s.attempt(ctx, s.Limits.guesses(), address); err != nil {
		return nil, nil, err
	}
	account, err := s.profileOrNobody(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	checked, err := s.checkCode(ctx, account.ID, purpose, code)
	// Nobody has a code too, if one was asked for, and an account may still have
	// one that went to the address before.
	if err == nil && (isNobody(account.ID) || checked.Email != address) {
		err = problem.New(problem.InvalidCode)
	}
	if problem.Is(err, problem.InvalidCode) {
		err = s.refused(ctx, account.ID, a, err)
	}
	if err != nil {
		return nil, nil, err
	}
	return account, checked, nil
}

// profileOrNobody finds the account of an address, or an empty one of nobody.
func (s *Service) profileOrNobody(ctx context.Context, address string) (*profileRow, error) {
	account, err := s.Store.profileByEmail(ctx, address)
	if errors.Is(err, errNotFound) {
		return &profileRow{ID: nobody(address)}, nil
	}
	return account, err
}

// ForgotPassword mails a code with which to set a new password, if there is an
// account of the address. What it answers and how long that takes does not depend
// on that: for others it requests a code of which no mail tells. It gives
// problem.TooManyAttempts.
func (s *Service) ForgotPassword(ctx context.Context, email string) error {
	address, err := normaliseEmail(email)
	if err != nil {
		return problem.In(problem.InvalidRequest, "body.email", err.Error())
	}
	if err := s.attempt(ctx, s.Limits.codes(), address); err != nil {
		return err
	}
	account, err := s.profileOrNobody(ctx, address)
	if err != nil {
		return err
	}
	return s.mailCode(ctx, codeRequest{
		to: account.user(), purpose: event.PurposeResetPassword, lifetime: resetLifetime,
	}, actionPasswordResetRequested)
}

// ResetPassword sets a new password with the code that was mailed, ends all
// sessions and revokes all API keys. The address is then verified as well. It gives
// problem.InvalidCode, also where there is no account of the address,
// problem.WeakPassword and problem.TooManyAttempts.
func (s *Service) ResetPassword(ctx context.Context, email, code, password string) error {
	// What is wrong with it for anybody comes first and costs no attempt; what is
	// because of the person's name is told to who has the code.
	if err := checkPassword(password, email, ""); err != nil {
		return err
	}
	account, checked, err := s.takeCode(ctx, email, code, event.PurposeResetPassword, actionPasswordReset)
	if err != nil {
		return err
	}
	if err := checkPassword(password, account.Email, account.Name); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	err = s.endingSessions(ctx, account.ID, "", func() error {
		// Whoever had the old password may have made keys with it: those go before
		// it, and after it what was made meanwhile.
		if err := s.revokeAPIKeys(ctx, account.ID); err != nil {
			return err
		}
		_, err := s.change(ctx, account.ID, func(now *profileRow) (change, error) {
			if now.Email != checked.Email {
				return change{}, problem.New(problem.InvalidCode)
			}
			now.EmailVerified = true
			entry, err := s.audited(ctx, now.ID, actionPasswordReset, succeeded, "")
			return change{
				set:    now.setPassword(hash).Set(expression.Name("email_verified"), expression.Value(true)),
				writes: []types.TransactWriteItem{s.Store.spendCode(checked), s.Store.dropCode(now.ID, event.PurposeChangeEmail), entry},
				events: []event.Data{now.contact(), event.PasswordChanged{UserID: now.ID}},
			}, err
		})
		return err
	})
	if err != nil {
		return err
	}
	return s.revokeAPIKeys(context.WithoutCancel(ctx), account.ID)
}

// setPassword puts a new password in the place of the one that an account has.
func (r *profileRow) setPassword(hash string) expression.UpdateBuilder {
	return expression.Set(expression.Name("password_hash"), expression.Value(hash)).
		Set(expression.Name("passwords"), expression.Value(r.Passwords+1))
}

// endingSessions does something that ends all sessions of a person but one, if
// that is given. They end before it, so that none is left should the process end
// right after; and after it, for those that began meanwhile.
func (s *Service) endingSessions(ctx context.Context, userID, except string, do func() error) error {
	if _, err := s.Store.endSessions(ctx, userID, except); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	ended, err := s.Store.endSessions(context.WithoutCancel(ctx), userID, except)
	if ended > 0 {
		slog.InfoContext(ctx, "sessions ended that began meanwhile", "sessions", ended)
	}
	return err
}

// confirmPassword finds the account of a person who gives their password once
// more. It gives problem.WrongPassword about the member of the request, and
// counts attempts with those to log in: problem.TooManyAttempts.
func (s *Service) confirmPassword(ctx context.Context, userID, password, member string, a action) (*profileRow, error) {
	account, err := s.Store.profile(ctx, userID)
	if errors.Is(err, errNotFound) {
		return nil, problem.New(problem.Unauthorized)
	}
	if err != nil {
		return nil, err
	}
	if err := s.attempt(ctx, s.Limits.logins(), account.Email); err != nil {
		return nil, err
	}
	err = s.verify(ctx, account, password)
	if problem.Is(err, problem.InvalidCredentials) {
		wrong := problem.In(problem.WrongPassword, member, "is not your current password")
		return nil, s.refused(ctx, userID, a, wrong)
	}
	if err != nil {
		return nil, err
	}
	return account, s.Attempts.Forget(ctx, s.Limits.logins().what, account.Email)
}

// ChangePassword sets a new password for a person who knows the current one, and
// ends all sessions but the one that asks. It gives problem.WrongPassword,
// WeakPassword and TooManyAttempts.
func (s *Service) ChangePassword(ctx context.Context, userID, sessionID, current, password string) error {
	known, err := s.confirmPassword(ctx, userID, current, "body.current_password", actionPasswordChanged)
	if err != nil {
		return err
	}
	if err := checkPasswordIn("body.new_password", password, known.Email, known.Name); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return s.endingSessions(ctx, userID, sessionID, func() error {
		_, err := s.change(ctx, userID, func(now *profileRow) (change, error) {
			if now.Passwords != known.Passwords { // another request was faster
				return change{}, problem.In(problem.WrongPassword, "body.current_password", "is not your current password")
			}
			entry, err := s.audited(ctx, userID, actionPasswordChanged, succeeded, "")
			return change{
				set: now.setPassword(hash),
				writes: []types.TransactWriteItem{
					s.Store.dropCode(userID, event.PurposeResetPassword), s.Store.dropCode(userID, event.PurposeChangeEmail), entry,
				},
				events: []event.Data{event.PasswordChanged{UserID: userID}},
			}, err
		})
		return err
	})
}

// ChangeEmail mails a code to the address that a person wants to have. Where
// another account has it, the answer and the work are the same, but no mail is
// sent. It gives problem.WrongPassword, InvalidRequest and TooManyAttempts.
func (s *Service) ChangeEmail(ctx context.Context, userID, email, password string) error {
	address, err := normaliseEmail(email)
	if err != nil {
		return problem.In(problem.InvalidRequest, "body.email", err.Error())
	}
	account, err := s.confirmPassword(ctx, userID, password, "body.password", actionEmailChangeRequested)
	if err != nil {
		return err
	}
	if err := s.attempt(ctx, s.Limits.codes(), address); err != nil {
		return err
	}
	taken, err := s.Store.emailTaken(ctx, address)
	if err != nil {
		return err
	}
	to := account.user()
	to.Email, to.EmailVerified = address, false
	return s.mailCode(ctx, codeRequest{
		to: to, purpose: event.PurposeChangeEmail, lifetime: changeLifetime, silent: taken,
	}, actionEmailChangeRequested)
}

// ConfirmEmail takes the code that was mailed to the new address, which then is
// the account's. The one before is told. It gives problem.InvalidCode, also when
// somebody else has got the address meanwhile, and problem.TooManyAttempts.
func (s *Service) ConfirmEmail(ctx context.Context, userID, code string) (User, error) {
	u, err := s.Account(ctx, userID)
	if err != nil {
		return User{}, err
	}
	if err := s.attempt(ctx, s.Limits.guesses(), u.Email); err != nil {
		return User{}, err
	}
	checked, err := s.checkCode(ctx, userID, event.PurposeChangeEmail, code)
	if problem.Is(err, problem.InvalidCode) {
		err = s.refused(ctx, userID, actionEmailChanged, err)
	}
	if err != nil {
		return User{}, err
	}
	return s.change(ctx, userID, func(account *profileRow) (change, error) {
		return s.moveTo(ctx, account, checked)
	})
}

// moveTo plans the change of the address to the one that a code was mailed to.
func (s *Service) moveTo(ctx context.Context, account *profileRow, checked *codeRow) (change, error) {
	if account.Email == checked.Email { // of which no mail told
		return change{}, problem.New(problem.InvalidCode)
	}
	before := event.EmailChanged{UserID: account.ID, Email: account.Email, Locale: string(account.Locale)}
	if account.EmailVerified {
		before.Name = account.Name
	}
	move, err := s.Store.moveEmail(account.ID, account.Email, checked.Email)
	if err != nil {
		return change{}, err
	}
	entry, err := s.audited(ctx, account.ID, actionEmailChanged, succeeded, "")
	if err != nil {
		return change{}, err
	}
	account.Email, account.EmailVerified = checked.Email, true
	return change{
		set: expression.Set(expression.Name("email"), expression.Value(account.Email)).
			Set(expression.Name("email_verified"), expression.Value(true)),
		writes: append(move, s.Store.spendCode(checked), entry),
		events: []event.Data{account.contact(), before},
	}, nil
}
