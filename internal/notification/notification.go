// Package notification is the service that tells people by mail how their
// videos ended. It keeps whom to write to, and what was sent, so that a mail
// goes out once per event and recipient however often the event comes.
//
// Between SES taking a mail and the row that says so lies one moment in which a
// crash makes the mail go out twice: SES has no idempotency key that could
// close it.
package notification

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// Config is what the environment says of the notification service.
type Config struct {
	Table     string `env:"NOTIFICATION_TABLE,required"`
	MailFrom  string `env:"MAIL_FROM,required"`
	WebOrigin string `env:"WEB_ORIGIN,required"`

	ArchivesBucket string `env:"ARCHIVES_BUCKET,required"`
}

// Contact is whom to write to, and how.
type Contact struct {
	UserID string
	Email  string
	Name   string // may be empty
	Locale locale.Locale
}

// Sender sends a mail and gives the ID under which the provider knows it.
type Sender interface {
	Send(ctx context.Context, to string, m Mail) (id string, err error)
}

// Service handles the events of the notification queue.
type Service struct {
	Store     *Store
	Sender    Sender
	Exports   export.Writer
	WebOrigin string // links in mails begin with it
	Metrics   *metrics.Recorder
	Now       func() time.Time
}

// HandleMessage handles the event of one message.
func (s *Service) HandleMessage(ctx context.Context, m events.SQSMessage) error {
	e, err := event.Parse([]byte(m.Body))
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	person, err := event.Person(e)
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	ctx = logging.With(ctx, slog.String("event", e.Type()), slog.String("subject", e.Subject()))
	if e.Type() == (event.AccountErased{}).EventType() {
		return s.erase(ctx, person)
	}
	return s.Store.People.Guard(ctx, person, func() error { return s.handle(ctx, e) })
}

func (s *Service) handle(ctx context.Context, e event.Event) error {
	switch e.Type() {
	case event.ExportRequested{}.EventType():
		return s.export(ctx, e)
	case event.UserRegistered{}.EventType():
		return s.registered(ctx, e)
	case event.ProcessingCompleted{}.EventType():
		return s.completed(ctx, e)
	case event.ProcessingFailed{}.EventType():
		return s.failed(ctx, e)
	default:
		return fmt.Errorf("%w: no mail for %s", event.ErrMalformed, e.Type())
	}
}

func (s *Service) registered(ctx context.Context, e event.Event) error {
	data, err := event.As[event.UserRegistered](e)
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	return s.Store.PutContact(ctx, Contact{
		UserID: data.UserID, Email: data.Email, Name: data.Name, Locale: locale.Match(data.Locale),
	})
}

func (s *Service) completed(ctx context.Context, e event.Event) error {
	data, err := event.As[event.ProcessingCompleted](e)
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	return s.mail(ctx, e, data.OwnerID, kindCompleted, content{
		Filename:  data.Filename,
		Frames:    data.Archive.Frames,
		Size:      data.Archive.Size,
		ExpiresAt: data.Archive.ExpiresAt,
		Notices:   data.Warnings,
		Link:      s.link(data.VideoID),
	})
}

func (s *Service) failed(ctx context.Context, e event.Event) error {
	data, err := event.As[event.ProcessingFailed](e)
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	return s.mail(ctx, e, data.OwnerID, kindFailed, content{
		Filename: data.Filename,
		Notices:  []string{data.Code},
		Link:     s.link(data.VideoID),
	})
}

func (s *Service) link(videoID string) string { return s.WebOrigin + "/videos/" + videoID }

// mail sends one mail about an event, unless it was sent before.
func (s *Service) mail(ctx context.Context, e event.Event, userID string, k kind, c content) error {
	contact, err := s.Store.Contact(ctx, userID)
	if err != nil {
		return err // not known yet is an error too: the registration's event is under way
	}
	c.Name = contact.Name
	m, err := write(k, contact.Locale, c)
	if err != nil {
		return err
	}
	claim := Claim{UserID: userID, EventID: e.ID(), Kind: string(k), VideoID: e.Subject(), At: s.Now()}
	if err := s.Store.Claim(ctx, claim); errors.Is(err, errSent) {
		slog.InfoContext(ctx, "mail was sent before")
		return nil
	} else if err != nil {
		return err
	}
	id, err := s.Sender.Send(ctx, contact.Email, m)
	if err != nil {
		return errors.Join(err, s.Store.Release(context.WithoutCancel(ctx), claim))
	}
	s.Metrics.Record(map[string]string{"Kind": string(k)}, metrics.Value{Name: "MailsSent", Unit: metrics.Count, Value: 1})
	slog.InfoContext(ctx, "mail sent", "kind", string(k), "ses_message_id", id)
	return s.Store.Confirm(context.WithoutCancel(ctx), claim, id)
}

// sentences gives the sentences of codes in a language.
func sentences(codes []string, l locale.Locale) []string {
	texts := make([]string, len(codes))
	for i, code := range codes {
		texts[i] = problem.Code(code).In(l).Detail
	}
	return texts
}
