package notification

import (
	"bytes"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/wneessen/go-mail"
)

// SES sends mails through Amazon SES.
//
// IAM: ses:SendRawEmail on the identity that From belongs to, and on the set.
type SES struct {
	Client *ses.Client
	From   string // as in the From header: "Name <address>"
	Set    string // configuration set, by which Feedback hears of mails; may be empty
}

// Send implements Sender. It gives a *busyError or a *refusedError for what SES says so
// of.
func (s *SES) Send(ctx context.Context, to string, m Mail) (string, error) {
	raw, err := s.compose(to, m)
	if err != nil {
		return "", err
	}
	in := &ses.SendRawEmailInput{Destinations: []string{to}, RawMessage: &types.RawMessage{Data: raw}}
	if s.Set != "" {
		in.ConfigurationSetName = &s.Set
		in.Tags = []types.MessageTag{{Name: aws.String(userTag), Value: &m.UserID}}
	}
	out, err := s.Client.SendRawEmail(ctx, in)
	if err != nil {
		return "", fmt.Errorf("send mail: %w", classify(err, s.From))
	}
	return aws.ToString(out.MessageId), nil
}

// compose writes a mail as RFC 5322 has it. SES puts its own Message-ID in.
func (s *SES) compose(to string, m Mail) ([]byte, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(s.From); err != nil {
		return nil, fmt.Errorf("write the sender: %w", err)
	}
	if err := msg.To(to); err != nil {
		return nil, fmt.Errorf("write the recipient: %w", err)
	}
	msg.Subject(m.Subject)
	if m.Unsubscribe != "" {
		msg.SetListUnsubscribe(m.Unsubscribe)
		msg.SetListUnsubscribePost()
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		return nil, fmt.Errorf("write mail: %w", err)
	}
	return raw.Bytes(), nil
}
