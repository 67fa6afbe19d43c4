package notification

import (
	"bytes"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/locale"
)

// Mail is a mail without its addresses.
type Mail struct {
	Subject string
	Text    string
	HTML    string

	// Unsubscribe is where mail programs switch off mails of its kind (RFC 8058);
	// empty if that cannot be done.
	Unsubscribe string

	// UserID is whom it is for, in what SES tells of it; its own header has no such
	// thing.
	UserID string
}

// kind is what a mail is about; its templates are named after it.
type kind string

const (
	kindCompleted       kind = "completed"
	kindFailed          kind = "failed"
	kindExpiring        kind = "expiring"
	kindVerifyEmail     kind = event.PurposeVerifyEmail
	kindResetPassword   kind = event.PurposeResetPassword
	kindChangeEmail     kind = event.PurposeChangeEmail
	kindPasswordChanged kind = "password_changed"
	kindEmailChanged    kind = "email_changed"
	kindNewLogin        kind = "new_login"
)

// content is what templates may use.
type content struct {
	Name      string // of the person; may be empty
	Filename  string
	Frames    int
	Size      int64 // bytes
	ExpiresAt time.Time
	Notices   []string // codes; templates see sentences
	Link      string
	Code      string
	Device    string // somebody has logged in from; may be empty
	Network   string // of the device
	At        time.Time

	Digest digest // the videos, of a mail that tells of many

	Unsubscribe string // page that switches off mails of its kind
}

// fill fills in templates in a language. The text's first line is the subject. Neither
// the text nor the HTML gets longer than room, in bytes.
func fill(s Source, layout string, l locale.Locale, c content, room int) (Mail, error) {
	c = c.readable(l)

	text, err := texttemplate.New("text").Funcs(texttemplate.FuncMap(functions(l))).Parse(s.Text)
	if err != nil {
		return Mail{}, fmt.Errorf("read template: %w", err)
	}
	plain := &bounded{room: room}
	if err := text.Execute(plain, c); err != nil {
		return Mail{}, fmt.Errorf("write mail: %w", err)
	}
	subject, body, _ := strings.Cut(plain.String(), "\n")

	html, err := htmltemplate.New("layout").Funcs(htmltemplate.FuncMap(functions(l))).Parse(layout)
	if err == nil {
		_, err = html.New("html").Parse(s.HTML)
	}
	if err != nil {
		return Mail{}, fmt.Errorf("read template: %w", err)
	}
	rich := &bounded{room: room}
	if err := html.ExecuteTemplate(rich, "layout", map[string]any{"Lang": l, "Subject": subject, "Content": c}); err != nil {
		return Mail{}, fmt.Errorf("write mail: %w", err)
	}
	return Mail{Subject: subject, Text: strings.TrimSpace(body) + "\n", HTML: rich.String()}, nil
}

// readable gives the content as people can read it.
func (c content) readable(l locale.Locale) content {
	c.Notices = sentences(c.Notices, l)
	c.Name, c.Filename = visible(c.Name), visible(c.Filename)
	c.Digest = c.Digest.readable(l)
	return c
}

// bounded keeps what is written to it, and fails when it has no room for more.
type bounded struct {
	bytes.Buffer
	room int // bytes
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.room {
		return 0, fmt.Errorf("it is longer than %d bytes", b.room)
	}
	return b.Buffer.Write(p)
}

// visible leaves out of a name what does not show, or shows the rest as another
// than it is: characters that turn the direction of text, break lines, join others.
func visible(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
}

// readableSize is a size in the unit that suits it.
func readableSize(p *message.Printer, bytes int64) string {
	size, units := float64(bytes)/1e3, []string{"kB", "MB", "GB", "TB"}
	for size >= 999.95 && len(units) > 1 { // which would be written as 1,000.0
		size, units = size/1e3, units[1:]
	}
	return p.Sprintf("%.1f %s", size, units[0])
}

// functions are what templates can call, speaking one language.
func functions(l locale.Locale) map[string]any {
	printer := message.NewPrinter(language.MustParse(string(l)))
	return map[string]any{
		"number": func(n int) string { return printer.Sprintf("%d", n) },
		"size":   func(bytes int64) string { return readableSize(printer, bytes) },
		"date": func(t time.Time) string {
			if l == locale.Portuguese {
				return t.UTC().Format("02/01/2006, 15:04 UTC")
			}
			return t.UTC().Format("2 January 2006, 15:04 UTC")
		},
	}
}
