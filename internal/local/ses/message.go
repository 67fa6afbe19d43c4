package ses

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // every charset that mail comes in
	messagemail "github.com/emersion/go-message/mail"
)

// maxParts bounds how much of a mail made of very many parts is looked at.
const maxParts = 200

// header is a mail's header.
type header struct{ messagemail.Header }

func parseHeader(raw []byte) (header, error) {
	h, err := message.Read(bytes.NewReader(raw))
	if err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return header{}, err
	}
	return header{messagemail.Header{Header: h.Header}}, nil
}

// from gives the sender, of whom there must be exactly one.
func (h header) from() (*mail.Address, error) {
	all, err := h.AddressList("From")
	if err != nil {
		return nil, errInvalidParameter("Illegal address in header 'From'.")
	}
	switch len(all) {
	case 0:
		return nil, errInvalidParameter("Missing required header 'From'.")
	case 1:
		return &mail.Address{Name: all[0].Name, Address: all[0].Address}, nil
	}
	return nil, errInvalidParameter("Header 'From' must have exactly one address.")
}

// addresses gives the addresses of a header field; what cannot be read is no address.
func (h header) addresses(field string) []string {
	all, _ := h.AddressList(field)
	found := make([]string, 0, len(all))
	for _, a := range all {
		found = append(found, a.Address)
	}
	return found
}

// completeHeader does what SES does to a raw mail: blind copies leave the header, and
// Message-ID and Date are added where they are missing.
func completeHeader(raw []byte, h header, m *storedMail) []byte {
	var out bytes.Buffer
	if !h.Has("Message-Id") {
		fmt.Fprintf(&out, "Message-ID: <%s>\r\n", m.messageID())
	}
	if !h.Has("Date") {
		fmt.Fprintf(&out, "Date: %s\r\n", time.UnixMilli(m.sent).UTC().Format(time.RFC1123Z))
	}
	rest := raw
	dropping := false
	for len(rest) > 0 {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		rest = rest[len(line):]
		if continued := line[0] == ' ' || line[0] == '\t'; !continued {
			name, _, _ := bytes.Cut(line, []byte(":"))
			dropping = textproto.CanonicalMIMEHeaderKey(string(bytes.TrimSpace(name))) == "Bcc"
		}
		if !dropping {
			out.Write(line)
		}
	}
	out.Write(rest)
	return out.Bytes()
}

// read fills in what the inbox shows of the mail. A mail that is broken shows as
// far as it can be read: nothing that is sent may make it disappear.
func (m *storedMail) read(raw []byte) {
	m.sender = m.source
	m.attachments = []attachment{}
	parsed := parseMail(raw)
	if parsed.from != "" {
		m.sender = parsed.from
	}
	m.subject, m.text, m.html = parsed.subject, parsed.text, parsed.html
	if parsed.attachments != nil {
		m.attachments = parsed.attachments
	}
}

// parsedMail is a mail taken apart.
type parsedMail struct {
	from, subject, text, html string
	attachments               []attachment
}

var errEnough = errors.New("enough parts")

func parseMail(raw []byte) *parsedMail {
	var p parsedMail
	entity, err := message.Read(bytes.NewReader(raw))
	if entity == nil || err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		p.text = strings.ToValidUTF8(string(raw), "\ufffd")
		return &p
	}
	p.from, p.subject = senderText(entity), headerText(entity, "Subject")
	parts := 0
	// What Walk cannot read any further ends it; what came before is kept.
	_ = entity.Walk(func(_ []int, part *message.Entity, err error) error {
		if part == nil {
			return err
		}
		if parts++; parts > maxParts {
			return errEnough
		}
		return p.add(part)
	})
	return &p
}

// shown is a part's text with the line ends of a text rather than those of a mail.
func shown(body []byte) string {
	return strings.ToValidUTF8(strings.ReplaceAll(string(body), "\r\n", "\n"), "\ufffd")
}

// senderText is the From header as a person writes it: Name <address>, or the address
// alone.
func senderText(e *message.Entity) string {
	h := messagemail.Header{Header: e.Header}
	all, err := h.AddressList("From")
	if err != nil || len(all) != 1 {
		return headerText(e, "From")
	}
	if all[0].Name == "" {
		return all[0].Address
	}
	return strings.ToValidUTF8(all[0].Name+" <"+all[0].Address+">", "\ufffd")
}

func headerText(e *message.Entity, field string) string {
	text, err := e.Header.Text(field)
	if err != nil {
		text = e.Header.Get(field)
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

// add takes one part. The first text and the first HTML are the mail's own, unless
// they are marked as attachments.
func (p *parsedMail) add(part *message.Entity) error {
	kind, params, err := part.Header.ContentType()
	if err != nil || kind == "" {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") {
		return nil
	}
	disposition, dispositionParams, _ := part.Header.ContentDisposition()
	body, err := io.ReadAll(io.LimitReader(part.Body, maxMessageBytes))
	if err != nil && len(body) == 0 {
		return nil
	}
	switch inline := disposition != "attachment"; {
	case inline && kind == "text/plain" && p.text == "":
		p.text = shown(body)
	case inline && kind == "text/html" && p.html == "":
		p.html = shown(body)
	default:
		name := dispositionParams["filename"]
		if name == "" {
			name = params["name"]
		}
		p.attachments = append(p.attachments, attachment{
			Filename: name, ContentType: kind, Size: len(body),
			contentID: strings.Trim(part.Header.Get("Content-Id"), "<> "), data: body,
		})
	}
	return nil
}
