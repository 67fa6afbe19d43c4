package notification

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"
)

// SES sends mails through Amazon SES.
//
// IAM: ses:SendEmail on the identity that From belongs to.
type SES struct {
	Client *ses.Client
	From   string // as in the From header: "Name <address>"
}

// Send implements Sender.
func (s *SES) Send(ctx context.Context, to string, m Mail) (string, error) {
	utf8 := func(text string) *types.Content {
		return &types.Content{Data: &text, Charset: aws.String("UTF-8")}
	}
	out, err := s.Client.SendEmail(ctx, &ses.SendEmailInput{
		Source:      &s.From,
		Destination: &types.Destination{ToAddresses: []string{to}},
		Message: &types.Message{
			Subject: utf8(m.Subject),
			Body:    &types.Body{Text: utf8(m.Text), Html: utf8(m.HTML)},
		},
	})
	if err != nil {
		return "", fmt.Errorf("send mail: %w", err)
	}
	return aws.ToString(out.MessageId), nil
}
