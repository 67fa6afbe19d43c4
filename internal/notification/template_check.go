package notification

import (
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fotograma/fotograma/internal/platform/locale"
)

const (
	// maxSource is how long a text, or an HTML, of a template may be, in bytes.
	maxSource = 64 << 10

	// maxSubject is how long a subject may be with sample content, in characters. Most
	// mail programs show less than half of it.
	maxSubject = 150
)

// TemplateError is what is wrong with a template, or its name, in words for whoever has
// made it. Lines are counted in the "text", the "html" or the "layout".
type TemplateError struct{ reason string }

// Error implements error.
func (e *TemplateError) Error() string { return e.reason }

func faulty(format string, args ...any) error {
	return &TemplateError{fmt.Sprintf(format, args...)}
}

// Check tries a template with sample content of its kind. What is wrong with it is a
// *TemplateError.
func (n TemplateName) Check(s Source) error {
	if err := checkSize(s); err != nil {
		return err
	}
	if n == layoutName {
		return checkLayout(s)
	}
	parsed, err := htmltemplate.New("html").Funcs(htmltemplate.FuncMap(functions(n.Locale))).Parse(s.HTML)
	if err != nil {
		return faulty("%s", reasonOf(err))
	}
	if parsed.Lookup("content") == nil {
		return faulty(`the HTML does not define "content": it begins with {{define "content"}} and ends with {{end}}`)
	}
	layout, err := shipped(layoutName)
	if err != nil {
		return err
	}
	err = parsed.ExecuteTemplate(io.Discard, "content", sample(kind(n.Kind)))
	if wrong, ok := errors.AsType[*htmltemplate.Error](err); ok && wrong.ErrorCode == htmltemplate.ErrEndContext {
		return faulty("the HTML ends within a tag, a script or a style: something is not closed")
	}
	return checkMails(kind(n.Kind), n.Locale, s, layout.HTML)
}

func checkSize(s Source) error {
	for part, text := range map[string]string{"text": s.Text, "HTML": s.HTML} {
		if len(text) > maxSource {
			return faulty("the %s has %d bytes: at most %d are taken", part, len(text), maxSource)
		}
		if !utf8.ValidString(text) {
			return faulty("the %s is not in UTF-8", part)
		}
	}
	return nil
}

// checkLayout tries a layout around every mail that is shipped.
func checkLayout(s Source) error {
	if s.Text != "" {
		return faulty("the layout is of HTML alone: it has no text")
	}
	for _, n := range TemplateNames() {
		if n == layoutName {
			continue
		}
		content, err := shipped(n)
		if err != nil {
			return err
		}
		if err := checkMails(kind(n.Kind), n.Locale, content, s.HTML); err != nil {
			return faulty("around the mail %s: %v", n, err)
		}
	}
	return nil
}

// checkMails writes mails of a kind in all variations.
func checkMails(k kind, l locale.Locale, s Source, layout string) error {
	for _, v := range variations {
		c := sample(k)
		v.change(&c)
		m, err := writeEdited(s, layout, l, c)
		if err == nil && strings.Contains(m.HTML, "ZgotmplZ") { // see html/template
			err = errors.New("the HTML has a value where it is not safe: in a style, a script or the name of an attribute")
		}
		if length := utf8.RuneCountInString(m.Subject); err == nil && length > maxSubject {
			err = fmt.Errorf("the subject has %d characters: at most %d are taken", length, maxSubject)
		}
		if err != nil && v.when != "" {
			return faulty("in a mail %s: %s", v.when, reasonOf(err))
		}
		if err != nil {
			return faulty("%s", reasonOf(err))
		}
	}
	return nil
}

// templatePrefix is how errors of text/template and html/template begin.
var templatePrefix = regexp.MustCompile(`^(html/)?template: ?`)

// aTitle is what readers of a mail's HTML do not see of it.
var aTitle = regexp.MustCompile(`(?is)<title>.*?</title>`)

// reasonOf is what the packages of templates say, from where the line begins.
func reasonOf(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without what we were doing
	}
	return templatePrefix.ReplaceAllString(err.Error(), "")
}

// lacks says what a mail must have and has not. Its content has what it must have: the
// links that are in it, and the code, by itself or in the link.
func lacks(m Mail, c content) error {
	switch {
	case strings.TrimSpace(m.Subject) == "":
		return errors.New("the first line of the text, which is the subject, is empty")
	case visible(m.Subject) != m.Subject:
		return errors.New("the first line of the text, which is the subject, has characters that do not show")
	case strings.TrimSpace(m.Text) == "":
		return errors.New("there is nothing below the first line of the text, which is the subject")
	}
	for _, part := range []struct{ name, written string }{{"text", m.Text}, {"HTML", html.UnescapeString(aTitle.ReplaceAllString(m.HTML, ""))}} {
		has := func(value string) bool { return strings.Contains(part.written, value) }
		links := part.written
		if c.Unsubscribe != "" {
			links = strings.ReplaceAll(links, c.Unsubscribe, "") // it may begin as another link does
		}
		switch {
		case c.Code != "" && !has(c.Code):
			return fmt.Errorf("the %s has neither {{.Code}} nor {{.Link}}, which has the code in it", part.name)
		case c.Code == "" && c.Link != "" && !strings.Contains(links, c.Link):
			return fmt.Errorf("the %s does not have {{.Link}}", part.name)
		case c.Unsubscribe != "" && !has(c.Unsubscribe):
			return fmt.Errorf("the %s does not have {{.Unsubscribe}}, by which people switch off mails of its kind", part.name)
		case slices.ContainsFunc(c.Digest.videos(), func(video content) bool { return !has(video.Link) }):
			return fmt.Errorf("the %s does not have the {{.Link}} of each of the .Videos", part.name)
		}
	}
	return nil
}
