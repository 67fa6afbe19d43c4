// Package mailbox reads the mails that a stand-in for SES keeps instead of sending
// them, where LocalStack has them: GET /_aws/ses. The built-in SES answers there, too.
package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/wneessen/go-mail"
)

// Path is where the mails are, at the address of the AWS services.
const Path = "/_aws/ses"

// Mail is one that was sent.
type Mail struct {
	ID      string
	To      []string // addresses
	Subject string
	Text    string // empty if the mail has no such part
	HTML    string // the same
}

// ErrNone says that nothing keeps mails at an address.
var ErrNone = errors.New("nothing keeps mails there")

// To gives the mails that went to an address, as All does.
func To(ctx context.Context, url, address string) ([]Mail, error) {
	mails, err := All(ctx, url)
	return slices.DeleteFunc(mails, func(m Mail) bool {
		return !slices.ContainsFunc(m.To, func(to string) bool { return strings.EqualFold(to, address) })
	}), err
}

// All gives the mails that were sent, newest first, from the AWS services at url
// ("http://127.0.0.1:4566"). An endpoint that keeps none is an ErrNone. LocalStack
// itself is one until SES is called for the first time.
func All(ctx context.Context, url string) ([]Mail, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+Path, nil)
	if err != nil {
		return nil, fmt.Errorf("read the mails: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read the mails: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s says %s", ErrNone, url+Path, resp.Status)
	}
	var kept struct {
		Messages []message `json:"messages"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&kept); err != nil {
		return nil, fmt.Errorf("read the mails: %w", err)
	}
	var mails []Mail
	for _, m := range slices.Backward(kept.Messages) { // they come oldest first
		one, err := m.mail()
		if err != nil {
			return nil, fmt.Errorf("read mail %s: %w", m.ID, err)
		}
		mails = append(mails, one)
	}
	return mails, nil
}

// message is a mail as LocalStack tells of it. Of one that was sent as it is
// (SendRawEmail) it has nothing but that.
type message struct {
	ID          string `json:"Id"`
	Destination struct {
		ToAddresses []string `json:"ToAddresses"`
	} `json:"Destination"`
	Subject string `json:"Subject"`
	Body    struct {
		Text string `json:"text_part"`
		HTML string `json:"html_part"`
	} `json:"Body"`
	RawData string `json:"RawData"`
}

// decoder decodes the words of headers (RFC 2047).
var decoder mime.WordDecoder

func (m message) mail() (Mail, error) {
	if m.RawData == "" {
		return Mail{ID: m.ID, To: m.Destination.ToAddresses, Subject: m.Subject, Text: m.Body.Text, HTML: m.Body.HTML}, nil
	}
	raw, err := mail.EMLToMsgFromString(m.RawData)
	if err != nil {
		return Mail{}, err
	}
	out := Mail{ID: m.ID}
	for _, to := range raw.GetTo() {
		out.To = append(out.To, to.Address)
	}
	if subject := raw.GetGenHeader(mail.HeaderSubject); len(subject) > 0 {
		if out.Subject, err = decoder.DecodeHeader(subject[0]); err != nil {
			return Mail{}, err
		}
	}
	for _, part := range raw.GetParts() {
		content, err := part.GetContent()
		if err != nil {
			return Mail{}, err
		}
		switch part.GetContentType() {
		case mail.TypeTextPlain:
			out.Text = string(content)
		case mail.TypeTextHTML:
			out.HTML = string(content)
		}
	}
	return out, nil
}
