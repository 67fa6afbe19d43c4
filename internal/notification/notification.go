// Package notification is the service that writes mails to people: how their
// videos ended, which frames will be deleted soon, the codes that they asked for, and
// what was changed about their account. It keeps whom to write to, and what was sent, so
// that a mail goes out once per event and recipient however often the event comes.
//
// Between SES taking a mail and the row that says so lies one moment in which a
// crash makes the mail go out twice: SES has no idempotency key that could
// close it.
//
// # Mails that SES does not take
//
// While SES has too many mails in a second or a day, the message goes back into the
// queue, for longer each time. What SES refuses for good, such as mails to addresses
// that are not verified while the account is in its sandbox, is logged, counted and
// not tried again. A sender that is not verified is another matter: somebody mends
// that, and moves the dead letters back.
//
// # Addresses that take no mails
//
// What bounces for good, or is called spam, is told by SES: see Feedback. No mails go to
// that address any more, those about the safety of the account included, until the
// person asks for them or verifies it. Codes go there once more, since that is how one
// verifies it; after a complaint not even they do.
//
// # Addresses that are not verified
//
// Anybody can open an account with somebody else's address. So that nobody can
// have us flood it, an address that is not verified gets few mails
// (Config.UnverifiedMails), enough to see how one's first videos ended, and after
// them none until it is verified. Mails with codes are not among them: auth limits
// how often they can be asked for. Nor are those that tell of a changed address,
// of which there is one for each.
//
// # Many videos at once
//
// When many videos of a person end or expire together, the first three mails go out at
// once, and nobody waits for the mail of a single video, unless many have just ended. From
// the first of them a window of time is open (Config.DigestSeconds), and what comes after
// the third is collected, and told of in one mail when the window ends: the digest. While
// videos keep on ending, the next windows have no such first three.
//
// Which of the two becomes of an event is decided once: the row of its mail is the claim
// of who sends it alone, or names the window whose digest tells of it. So however often
// an event comes, and whatever window is open by then, it is told of once. The digest is
// asked for by a message that the queue holds back, event.DigestDue, and has the claim of
// one mail.
//
// # Mails that are not wanted
//
// People switch off mails about their videos, in their settings or by a link in such a
// mail. What is switched off while such a mail is on its way to SES still comes. Mails
// about the safety of the account cannot be switched off.
package notification

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/mailcode"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Config is what the environment says of the notification service.
type Config struct {
	Table     string `env:"NOTIFICATION_TABLE,required"`
	MailFrom  string `env:"MAIL_FROM,required"`
	MailSet   string `env:"MAIL_CONFIGURATION_SET"` // empty: nobody hears what became of mails
	WebOrigin string `env:"WEB_ORIGIN,required"`

	MailCodeSecret    string `env:"MAIL_CODE_SECRET,required"`   // name or ARN
	UnsubscribeSecret string `env:"UNSUBSCRIBE_SECRET,required"` // name or ARN

	// UnverifiedMails is how many mails are sent to an address that is not
	// verified, codes and notices of a changed address not counted.
	UnverifiedMails int    `env:"UNVERIFIED_MAILS" envDefault:"5"`
	ArchivesBucket  string `env:"ARCHIVES_BUCKET,required"`
	WebhookQueueURL string `env:"WEBHOOK_QUEUE_URL,required"`
	QueueURL        string `env:"NOTIFICATION_QUEUE_URL,required"`

	// DigestSeconds is for how long mails about a person's videos are collected when
	// there are many, to go out as one; 0 for never.
	DigestSeconds int `env:"DIGEST_SECONDS" envDefault:"600"`
}

// SettingsConfig is what the environment says of the HTTP side.
type SettingsConfig struct {
	Table             string `env:"NOTIFICATION_TABLE,required"`
	WebOrigin         string `env:"WEB_ORIGIN,required"`
	UnsubscribeSecret string `env:"UNSUBSCRIBE_SECRET,required"` // name or ARN
	WebhookSecret     string `env:"WEBHOOK_SECRET,required"`     // name or ARN
	WebhookQueueURL   string `env:"WEBHOOK_QUEUE_URL,required"`
	WebhookReach
}

// Contact is whom to write to, and how.
type Contact struct {
	UserID   string
	Email    string
	Name     string // may be empty
	Locale   locale.Locale
	Verified bool // Email: the person has shown that mails reach them
}

// Sender sends a mail and gives the ID under which the provider knows it.
type Sender interface {
	Send(ctx context.Context, to string, m Mail) (id string, err error)
}

// Service handles the events of the notification queue.
type Service struct {
	Store        *Store
	Templates    *Templates
	Sender       Sender
	Codes        *mailcode.Keys
	Unsubscribes *Unsubscribes
	Webhooks     *Webhooks
	Exports      export.Writer
	WebOrigin    string // links in mails begin with it
	Metrics      *metrics.Recorder
	Now          func() time.Time

	// UnverifiedMails is as in Config.
	UnverifiedMails int

	Queue        Queue         // whose events are handled
	DigestWindow time.Duration // Config.DigestSeconds
}

// HandleMessage handles the event of one message. A *batch.PostponedError says when to
// try again.
func (s *Service) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	return postpone(s.Store.People.Receive(ctx, m.Body, s.erase, s.handle), m)
}

func (s *Service) handle(ctx context.Context, e event.Event) error {
	switch e.Type() {
	case event.ExportRequested{}.EventType():
		return event.With(e, func(d event.ExportRequested) error { return s.export(ctx, d) })
	case event.UserRegistered{}.EventType():
		return event.With(e, func(d event.UserRegistered) error { return s.registered(ctx, d) })
	case event.ContactChanged{}.EventType():
		return event.With(e, func(d event.ContactChanged) error { return s.contactChanged(ctx, e, d) })
	case event.CodeRequested{}.EventType():
		return event.With(e, func(d event.CodeRequested) error { return s.codeRequested(ctx, e, d) })
	case event.PasswordChanged{}.EventType():
		return event.With(e, func(d event.PasswordChanged) error { return s.passwordChanged(ctx, e, d) })
	case event.NewLogin{}.EventType():
		return event.With(e, func(d event.NewLogin) error { return s.newLogin(ctx, e, d) })
	case event.EmailChanged{}.EventType():
		return event.With(e, func(d event.EmailChanged) error { return s.emailChanged(ctx, e, d) })
	case event.ProcessingCompleted{}.EventType():
		return event.With(e, func(d event.ProcessingCompleted) error { return s.completed(ctx, e, d) })
	case event.ProcessingFailed{}.EventType():
		return event.With(e, func(d event.ProcessingFailed) error { return s.failed(ctx, e, d) })
	case event.ArchiveExpiring{}.EventType():
		return event.With(e, func(d event.ArchiveExpiring) error { return s.expiring(ctx, e, d) })
	case event.DigestDue{}.EventType():
		return event.With(e, func(d event.DigestDue) error { return s.digestDue(ctx, e, d) })
	default:
		return fmt.Errorf("%w: no mail for %s", event.ErrMalformed, e.Type())
	}
}

func (s *Service) registered(ctx context.Context, data event.UserRegistered) error {
	return s.Store.PutContact(ctx, Contact{
		UserID: data.UserID, Email: data.Email, Name: data.Name, Locale: locale.Match(data.Locale),
	}, 1)
}

// contactChanged keeps how a person is reached. An address that they have verified after
// a mail to it had bounced takes mails again.
func (s *Service) contactChanged(ctx context.Context, e event.Event, data event.ContactChanged) error {
	if data.Verified {
		found, err := s.Store.suppression(ctx, data.UserID, data.Email)
		if err == nil && found != nil && e.Time().After(found.At) {
			_, err = s.Store.lift(ctx, found, 0)
		}
		if err != nil {
			return err
		}
	}
	return s.Store.PutContact(ctx, Contact{
		UserID: data.UserID, Email: data.Email, Name: data.Name, Locale: locale.Match(data.Locale), Verified: data.Verified,
	}, data.Version)
}

// codeRequested mails a code to where the event says: the person is perhaps not
// known yet, or the address not theirs yet.
func (s *Service) codeRequested(ctx context.Context, e event.Event, data event.CodeRequested) error {
	if data.Email == "" {
		return nil // see event.CodeRequested
	}
	if !s.Now().Before(data.ExpiresAt) {
		slog.InfoContext(ctx, "code expired before it was mailed")
		return nil
	}
	k := kind(data.Purpose)
	if k != kindVerifyEmail && k != kindResetPassword && k != kindChangeEmail {
		return fmt.Errorf("%w: no mail for a code to %s", event.ErrMalformed, data.Purpose)
	}
	key, err := s.Codes.Version(ctx, data.KeyID)
	if err != nil {
		return err
	}
	to := Contact{UserID: data.UserID, Email: data.Email, Name: data.Name, Locale: locale.Match(data.Locale)}
	return s.sendTo(ctx, e, to, k, s.codeContent(k, data, mailcode.Code(key, data)))
}

// codePages are the web app's pages where the codes are typed.
var codePages = map[kind]string{
	kindVerifyEmail:   "/verify-email",
	kindResetPassword: "/reset-password",
	kindChangeEmail:   "/confirm-email",
}

// codeContent is what a mail with a code says. Its link has the code in the
// fragment, which a browser sends to nobody: no server's log and no Referer has it.
func (s *Service) codeContent(k kind, data event.CodeRequested, code string) content {
	fragment := url.Values{"email": {data.Email}, "code": {code}}
	return content{Code: code, ExpiresAt: data.ExpiresAt, Link: s.WebOrigin + codePages[k] + "#" + fragment.Encode()}
}

func (s *Service) passwordChanged(ctx context.Context, e event.Event, data event.PasswordChanged) error {
	return s.mail(ctx, e, data.UserID, kindPasswordChanged, content{})
}

func (s *Service) newLogin(ctx context.Context, e event.Event, data event.NewLogin) error {
	return s.mail(ctx, e, data.UserID, kindNewLogin, content{
		Device: data.Device, Network: data.Network, At: data.At, Link: s.WebOrigin + "/settings",
	})
}

// emailChanged tells the address that was a person's, at most once for each
// address that they have verified since.
func (s *Service) emailChanged(ctx context.Context, e event.Event, data event.EmailChanged) error {
	to := Contact{UserID: data.UserID, Email: data.Email, Name: data.Name, Locale: locale.Match(data.Locale)}
	return s.sendTo(ctx, e, to, kindEmailChanged, content{})
}

func (s *Service) completed(ctx context.Context, e event.Event, data event.ProcessingCompleted) error {
	told := s.Webhooks.tell(ctx, data.OwnerID, e.ID(), hookMessage{Type: hookCompleted, Timestamp: e.Time(), Data: hookData{
		VideoID: data.VideoID, Run: data.Run, Media: &data.Media, Archive: archiveOf(data.Archive), Warnings: data.Warnings,
	}})
	return errors.Join(told, s.mail(ctx, e, data.OwnerID, kindCompleted, content{
		Filename:  data.Filename,
		Frames:    data.Archive.Frames,
		Size:      data.Archive.Size,
		ExpiresAt: data.Archive.ExpiresAt,
		Notices:   data.Warnings,
		Link:      s.link(data.VideoID),
	}))
}

func (s *Service) failed(ctx context.Context, e event.Event, data event.ProcessingFailed) error {
	told := s.Webhooks.tell(ctx, data.OwnerID, e.ID(), hookMessage{Type: hookFailed, Timestamp: e.Time(), Data: hookData{
		VideoID: data.VideoID, Run: data.Run, Error: &hookError{Code: data.Code},
	}})
	return errors.Join(told, s.mail(ctx, e, data.OwnerID, kindFailed, content{
		Filename: data.Filename,
		Notices:  []string{data.Code},
		Link:     s.link(data.VideoID),
	}))
}

// expiring tells of an archive that will be deleted soon. An event that was under way
// for so long that the archive is gone tells nobody.
func (s *Service) expiring(ctx context.Context, e event.Event, data event.ArchiveExpiring) error {
	if !s.Now().Before(data.Archive.ExpiresAt) {
		slog.InfoContext(ctx, "archive expired before its owner was told that it will")
		return nil
	}
	told := s.Webhooks.tell(ctx, data.OwnerID, e.ID(), hookMessage{Type: hookExpiring, Timestamp: e.Time(), Data: hookData{
		VideoID: data.VideoID, Run: data.Run, Archive: archiveOf(data.Archive),
	}})
	return errors.Join(told, s.mail(ctx, e, data.OwnerID, kindExpiring, content{
		Filename:  data.Filename,
		Frames:    data.Archive.Frames,
		ExpiresAt: data.Archive.ExpiresAt,
		Link:      s.link(data.VideoID),
	}))
}

func (s *Service) link(videoID string) string { return s.WebOrigin + "/videos/" + videoID }

// mail sends a person one mail about an event, unless it was sent before, a digest is to
// tell of it, they do not want mails of its kind, or their address is not verified and has
// had enough.
func (s *Service) mail(ctx context.Context, e event.Event, userID string, k kind, c content) error {
	contact, err := s.Store.Contact(ctx, userID)
	if err != nil {
		return err // not known yet is an error too: the registration's event is under way
	}
	wanted, err := s.switches(ctx, userID, k)
	if err != nil {
		return err
	}
	if !wanted.on(k) {
		slog.InfoContext(ctx, "mail not sent: the person has switched its kind off", "kind", string(k))
		return nil
	}
	if alone, err := s.alone(ctx, e, userID, k, c, wanted); err != nil || !alone {
		return err
	}
	return s.deliver(ctx, e, contact, k, c)
}

// deliver sends a person a mail that they want, unless it was sent before, or their
// address takes none, or is not verified and has had enough.
func (s *Service) deliver(ctx context.Context, e event.Event, contact Contact, k kind, c content) error {
	if reached, err := s.reaches(ctx, contact, k); err != nil || !reached {
		return err
	}
	if !contact.Verified {
		counted, err := s.Store.CountUnverified(ctx, contact.UserID, e.ID(), s.UnverifiedMails)
		if err != nil {
			return err
		}
		if !counted {
			slog.InfoContext(ctx, "mail not sent: the address is not verified", "kind", string(k))
			return nil
		}
		contact.Name = "" // it may be a stranger's, who must not get what somebody else calls themselves
	}
	return s.send(ctx, e, contact, k, c)
}

// switches gives a person's switches where mails of a kind depend on them. Every delivery of an event asks
// anew, so that what is switched off while a mail waits to be tried again does not go out.
func (s *Service) switches(ctx context.Context, userID string, k kind) (switches, error) {
	if !k.optional() {
		return switches{}, nil
	}
	return s.Store.switches(ctx, userID)
}

// reaches tells whether a person's address takes mails of a kind.
func (s *Service) reaches(ctx context.Context, to Contact, k kind) (bool, error) {
	suppressed, err := s.Store.suppression(ctx, to.UserID, to.Email)
	if err != nil {
		return false, err
	}
	if suppressed.stops(k) {
		slog.WarnContext(ctx, "mail not sent: the address takes none", "kind", string(k), "reason", string(suppressed.Reason))
		return false, nil
	}
	return true, nil
}

// sendTo sends one mail about an event to an address, unless it takes none.
func (s *Service) sendTo(ctx context.Context, e event.Event, to Contact, k kind, c content) error {
	reached, err := s.reaches(ctx, to, k)
	if err != nil || !reached {
		return err
	}
	return s.send(ctx, e, to, k, c)
}

// send sends one mail about an event, unless it was sent before.
func (s *Service) send(ctx context.Context, e event.Event, contact Contact, k kind, c content) error {
	c.Name = contact.Name
	m, err := s.write(ctx, contact, k, c)
	if err != nil {
		return err
	}
	m.UserID = contact.UserID
	claim := Claim{UserID: contact.UserID, EventID: e.ID(), Kind: string(k), At: s.Now()}
	if e.Subject() != contact.UserID {
		claim.VideoID = e.Subject()
	}
	switch err := s.Store.Claim(ctx, claim); {
	case errors.Is(err, errSent):
		slog.InfoContext(ctx, "mail was sent before")
		return nil
	case errors.Is(err, errRefused):
		slog.InfoContext(ctx, "mail was refused before")
		return nil
	case errors.Is(err, errUnderWay):
		return &batch.PostponedError{By: claimValidity, Cause: err}
	case err != nil:
		return err
	}
	id, err := s.Sender.Send(ctx, contact.Email, m)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return s.refused(context.WithoutCancel(ctx), claim, refused)
	}
	if err != nil {
		metrics.Record(s.Metrics, metrics.ByKind{Kind: string(k)}, metrics.MailsRefused.Of(1))
		return errors.Join(err, s.Store.Release(context.WithoutCancel(ctx), claim))
	}
	metrics.Record(s.Metrics, metrics.ByKind{Kind: string(k)}, metrics.MailsSent.Of(1))
	slog.InfoContext(ctx, "mail sent", "kind", string(k), "ses_message_id", id)
	return s.Store.Confirm(context.WithoutCancel(ctx), claim, id)
}

// refused says that a mail will never be sent: nobody need try it again.
func (s *Service) refused(ctx context.Context, claim Claim, refused *refusedError) error {
	metrics.Record(s.Metrics, metrics.ByKind{Kind: claim.Kind}, metrics.MailsRefused.Of(1))
	slog.ErrorContext(ctx, "mail refused by SES for good", "kind", claim.Kind, "reason", string(refused.reason))
	return s.Store.Refuse(ctx, claim, string(refused.reason))
}

// write writes a mail to a person, with the way to switch off its kind if there is one.
func (s *Service) write(ctx context.Context, to Contact, k kind, c content) (Mail, error) {
	if !k.optional() {
		return s.Templates.write(ctx, k, to.Locale, c)
	}
	token, err := s.Unsubscribes.token(ctx, to.UserID, k)
	if err != nil {
		return Mail{}, err
	}
	c.Unsubscribe = s.Unsubscribes.page(token)
	m, err := s.Templates.write(ctx, k, to.Locale, c)
	m.Unsubscribe = s.Unsubscribes.address(token)
	return m, err
}

// sentences gives the sentences of codes in a language.
func sentences(codes []string, l locale.Locale) []string {
	texts := make([]string, len(codes))
	for i, code := range codes {
		texts[i] = problem.Code(code).In(l).Detail
	}
	return texts
}
