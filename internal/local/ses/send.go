package ses

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// maxRecipients is the quota of To, Cc and Bcc together.
const maxRecipients = 50

type sendResult struct {
	MessageID string `xml:"MessageId"`
}

// content is what a mail says: at least one of text and HTML is not empty.
type content struct{ subject, text, html string }

// sendEmail composes a mail out of its parts.
func (s *Server) sendEmail(ctx context.Context, form url.Values) (any, error) {
	c := content{
		subject: form.Get("Message.Subject.Data"),
		text:    form.Get("Message.Body.Text.Data"),
		html:    form.Get("Message.Body.Html.Data"),
	}
	if !form.Has("Message.Subject.Data") {
		return nil, errValidation("message.subject")
	}
	return s.sendComposed(ctx, "SendEmail", form, c)
}

// sendComposed sends what SendEmail and SendTemplatedEmail have in common.
func (s *Server) sendComposed(ctx context.Context, action string, form url.Values, c content) (any, error) {
	if c.text == "" && c.html == "" {
		return nil, errValidation("message.body")
	}
	source, err := parseAddress("Source", form.Get("Source"))
	if err != nil {
		return nil, err
	}
	headers := composedHeaders{from: source}
	for name, to := range map[string]*[]*mail.Address{
		"Destination.ToAddresses": &headers.to, "Destination.CcAddresses": &headers.cc,
		"Destination.BccAddresses": &headers.bcc, "ReplyToAddresses": &headers.replyTo,
	} {
		if *to, err = parseAddresses(name, list(form, name)); err != nil {
			return nil, err
		}
	}
	m, err := s.newMail(action, source, form)
	if err != nil {
		return nil, err
	}
	m.envelope = envelope{To: bare(headers.to), Cc: bare(headers.cc), Bcc: bare(headers.bcc)}
	raw, err := compose(m, headers, c)
	if err != nil {
		return nil, err
	}
	return s.accept(ctx, m, raw, source)
}

// sendRawEmail takes a mail that the caller made.
func (s *Server) sendRawEmail(ctx context.Context, form url.Values) (any, error) {
	raw, err := base64.StdEncoding.DecodeString(form.Get("RawMessage.Data"))
	if err != nil {
		return nil, errInvalidParameter("RawMessage.Data is not base64.")
	}
	if len(raw) == 0 {
		return nil, errValidation("rawMessage.data")
	}
	header, err := parseHeader(raw)
	if err != nil {
		return nil, errInvalidParameter("The message has no header that can be read: %v", err)
	}
	from, err := header.from()
	if err != nil {
		return nil, err
	}
	source := from
	if text := form.Get("Source"); text != "" {
		if source, err = parseAddress("Source", text); err != nil {
			return nil, err
		}
	}
	m, err := s.newMail("SendRawEmail", source, form)
	if err != nil {
		return nil, err
	}
	if m.envelope, err = rawEnvelope(header, list(form, "Destinations")); err != nil {
		return nil, err
	}
	return s.accept(ctx, m, completeHeader(raw, header, m), source, from)
}

// rawEnvelope takes the recipients from the header, or those named in the call; their
// role is then that of the header, and who is not in it is a blind copy.
func rawEnvelope(header header, destinations []string) (envelope, error) {
	inHeader := envelope{To: header.addresses("To"), Cc: header.addresses("Cc"), Bcc: header.addresses("Bcc")}
	if len(destinations) == 0 {
		return inHeader, nil
	}
	named, err := parseAddresses("Destinations", destinations)
	if err != nil {
		return envelope{}, err
	}
	var e envelope
	for _, address := range bare(named) {
		switch {
		case containsFold(inHeader.To, address):
			e.To = append(e.To, address)
		case containsFold(inHeader.Cc, address):
			e.Cc = append(e.Cc, address)
		default:
			e.Bcc = append(e.Bcc, address)
		}
	}
	return e, nil
}

func containsFold(all []string, wanted string) bool {
	for _, one := range all {
		if strings.EqualFold(one, wanted) {
			return true
		}
	}
	return false
}

// newMail is a mail with everything that does not depend on its content.
func (s *Server) newMail(action string, source *mail.Address, form url.Values) (*storedMail, error) {
	now := s.opts.Now()
	m := &storedMail{
		// As the real ones look: 16 hex digits of time, a UUID, six zeroes.
		id:     fmt.Sprintf("%016x-%s-000000", now.UnixMilli(), newID()),
		sent:   now.UnixMilli(),
		action: action,
		source: source.Address,
		labels: labels{ConfigurationSet: form.Get("ConfigurationSetName")},
		relay:  relayStatus{State: relayOff},
	}
	if text := form.Get("ReturnPath"); text != "" {
		address, err := parseAddress("ReturnPath", text)
		if err != nil {
			return nil, err
		}
		m.returnPath = address.Address
	}
	for i := 1; form.Has(fmt.Sprintf("Tags.member.%d.Name", i)); i++ {
		if m.labels.Tags == nil {
			m.labels.Tags = make(map[string]string)
		}
		m.labels.Tags[form.Get(fmt.Sprintf("Tags.member.%d.Name", i))] = form.Get(fmt.Sprintf("Tags.member.%d.Value", i))
	}
	if s.relay != nil {
		m.relay.State = relayPending
	}
	return m, nil
}

// accept checks senders and limits, and stores the mail.
func (s *Server) accept(ctx context.Context, m *storedMail, raw []byte, senders ...*mail.Address) (any, error) {
	if len(raw) > maxMessageBytes {
		return nil, errInvalidParameter("Message length is more than %d bytes long: '%d'.", maxMessageBytes, len(raw))
	}
	switch n := len(m.envelope.all()); {
	case n == 0:
		return nil, errInvalidParameter("Missing required header 'To'.")
	case n > maxRecipients:
		return nil, errInvalidParameter("Recipient count exceeds %d.", maxRecipients)
	}
	for _, sender := range senders {
		ok, err := s.verified(ctx, sender.Address)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errRejected("Email address is not verified. The following identities failed the check in region %s: %s",
				strings.ToUpper(s.opts.Region), sender.Address)
		}
	}
	m.read(raw)
	if err := s.store.addMail(ctx, m, raw); err != nil {
		return nil, err
	}
	if s.relay != nil {
		s.relay.wake()
	}
	s.simulate(ctx, m)
	return sendResult{m.id}, nil
}

func parseAddress(name, text string) (*mail.Address, error) {
	if text == "" {
		return nil, errValidation(strings.ToLower(name[:1]) + name[1:])
	}
	address, err := mail.ParseAddress(text)
	if err != nil {
		if !strings.Contains(text, "@") {
			return nil, errInvalidParameter("Missing final '@domain'")
		}
		return nil, errInvalidParameter("Illegal address")
	}
	return address, nil
}

func parseAddresses(name string, texts []string) ([]*mail.Address, error) {
	var all []*mail.Address
	for _, text := range texts {
		address, err := parseAddress(name, text)
		if err != nil {
			return nil, err
		}
		all = append(all, address)
	}
	return all, nil
}

func bare(addresses []*mail.Address) []string {
	all := make([]string, 0, len(addresses))
	for _, a := range addresses {
		all = append(all, a.Address)
	}
	return all
}

// composedHeaders are the addresses of a mail that is made of parts.
type composedHeaders struct {
	from                 *mail.Address
	to, cc, bcc, replyTo []*mail.Address
}

// compose makes the mail that SES would make: multipart/alternative if there are
// both a text and an HTML part. Blind copies are not in the header.
func compose(m *storedMail, h composedHeaders, c content) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(h.from)
	msg.ToMailAddress(h.to...)
	msg.CcMailAddress(h.cc...)
	if len(h.replyTo) > 0 {
		msg.ReplyToMailAddress(h.replyTo...)
	}
	msg.Subject(c.subject)
	msg.SetDateWithValue(time.UnixMilli(m.sent).UTC())
	msg.SetMessageIDWithValue(m.messageID())
	switch {
	case c.html == "":
		msg.SetBodyString(gomail.TypeTextPlain, c.text)
	case c.text == "":
		msg.SetBodyString(gomail.TypeTextHTML, c.html)
	default:
		msg.SetBodyString(gomail.TypeTextPlain, c.text)
		msg.AddAlternativeString(gomail.TypeTextHTML, c.html)
	}
	var buf bytes.Buffer
	if _, err := msg.WriteTo(&buf); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	return buf.Bytes(), nil
}

// messageID is the mail's Message-ID header without the angle brackets.
func (m *storedMail) messageID() string { return m.id + "@email.amazonses.com" }
