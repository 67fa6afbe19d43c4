package notification

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// Source is what mails are made of: templates of text/template and html/template. The
// text's first line is the subject. The HTML defines "content", which the layout has
// inside; the layout is HTML alone.
type Source struct {
	Text string `dynamodbav:"text" json:"text,omitempty"`
	HTML string `dynamodbav:"html" json:"html"`
}

// LayoutKind is the kind of the template that all mails' HTML is put into. It is one for
// all languages.
const LayoutKind = "layout"

// TemplateName says which template is meant.
type TemplateName struct {
	Kind   string        // of mail, or LayoutKind
	Locale locale.Locale // empty for the layout
}

var layoutName = TemplateName{Kind: LayoutKind}

// String implements fmt.Stringer.
func (n TemplateName) String() string {
	if n == layoutName {
		return n.Kind
	}
	return n.Kind + " in " + string(n.Locale)
}

// TemplateNames gives the names of all templates.
func TemplateNames() []TemplateName {
	all, locales := kinds(), locale.All()
	names := make([]TemplateName, 0, 1+len(all)*len(locales))
	names = append(names, layoutName)
	for _, k := range all {
		for _, l := range locales {
			names = append(names, TemplateName{string(k), l})
		}
	}
	return names
}

//go:embed templates
var files embed.FS

// shipped gives a template as this release has it.
func shipped(n TemplateName) (Source, error) {
	if n == layoutName {
		html, err := files.ReadFile("templates/layout.html")
		return Source{HTML: string(html)}, err
	}
	path := "templates/" + n.Kind + "." + string(n.Locale)
	text, err := files.ReadFile(path + ".txt")
	if err != nil {
		return Source{}, fmt.Errorf("read template: %w", err)
	}
	html, err := files.ReadFile(path + ".html")
	if err != nil {
		return Source{}, fmt.Errorf("read template: %w", err)
	}
	return Source{Text: string(text), HTML: string(html)}, nil
}

// templatesKept is for how long a process uses a template without looking whether
// another is in use by now.
const templatesKept = time.Minute

// maxMail is how long the text and the HTML of a mail of an edited template may be, in
// bytes. Gmail hides what goes beyond 102 kB.
const maxMail = 100_000

// Templates are those of mails. Each is the one that is shipped with the program until
// somebody edits it; then it is a row of the table, and no deployment changes it. Every
// edit is a version of its own, so that one can go back to each.
//
// What is written of an edited template has all that its mail must have, or the shipped
// template is used: a release may take away what an edited one uses.
type Templates struct {
	Store   *Store
	Metrics *metrics.Recorder // counts mails that an edited template was no good for
	Now     func() time.Time

	mu   sync.Mutex
	kept map[TemplateName]keptTemplate
}

// keptTemplate is a template that was in use at a time.
type keptTemplate struct {
	TemplateVersion
	at time.Time
}

// write writes a mail of a kind in a language.
func (t *Templates) write(ctx context.Context, k kind, l locale.Locale, c content) (Mail, error) {
	name := TemplateName{string(k), l}
	used, err := t.recent(ctx, name)
	layout, layoutErr := t.recent(ctx, layoutName)
	if err = errors.Join(err, layoutErr); err != nil && !errors.Is(err, ErrNoVersion) {
		return Mail{}, err // the message comes again
	}
	if used.Version == 0 && layout.Version == 0 && err == nil {
		return writeShipped(name, c)
	}
	if err == nil {
		var m Mail
		if m, err = writeEdited(used.Source, layout.HTML, l, c); err == nil {
			return m, nil
		}
	}
	slog.ErrorContext(ctx, "edited template is no good, the shipped one is used", "kind", name.Kind, "locale", string(l),
		"version", used.Version, "layout_version", layout.Version, "error", err)
	metrics.Record(t.Metrics, metrics.ByKind{Kind: name.Kind}, metrics.TemplatesFailed.Of(1))
	return writeShipped(name, c)
}

// writeEdited writes a mail, and looks whether it has what it must have.
func writeEdited(s Source, layout string, l locale.Locale, c content) (Mail, error) {
	m, err := fill(s, layout, l, c, maxMail)
	if err != nil {
		return Mail{}, err
	}
	return m, lacks(m, c)
}

// writeShipped writes a mail without any edited template.
func writeShipped(n TemplateName, c content) (Mail, error) {
	source, err := shipped(n)
	if err != nil {
		return Mail{}, err
	}
	layout, err := shipped(layoutName)
	if err != nil {
		return Mail{}, err
	}
	return fill(source, layout.HTML, n.Locale, c, math.MaxInt)
}

// recent gives the template that is in use, or was a moment ago.
func (t *Templates) recent(ctx context.Context, n TemplateName) (TemplateVersion, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Now()
	if kept, ok := t.kept[n]; ok && now.Before(kept.at.Add(templatesKept)) {
		return kept.TemplateVersion, nil
	}
	found, err := t.InUse(ctx, n)
	if err != nil {
		return found, err
	}
	if t.kept == nil {
		t.kept = map[TemplateName]keptTemplate{}
	}
	t.kept[n] = keptTemplate{found, now}
	return found, nil
}

// FindTemplate gives the name of a template. The layout has no locale. Errors are
// *TemplateError.
func FindTemplate(kind, l string) (TemplateName, error) {
	n := TemplateName{kind, locale.Locale(l)}
	switch {
	case slices.Contains(TemplateNames(), n):
		return n, nil
	case kind == LayoutKind:
		return n, faulty("the layout is one for all languages: leave the locale out")
	case !slices.ContainsFunc(TemplateNames(), func(n TemplateName) bool { return n.Kind == kind }):
		return n, faulty("there is no kind of mail %q", kind)
	case l == "":
		return n, faulty("say in which language: %v", locale.All())
	default:
		return n, faulty("there are no mails in %q, only in %v", l, locale.All())
	}
}

// Preview writes a mail of a template with sample content. A layout is shown around a
// mail of completed videos, in a language that is of no matter to other templates. What
// is wrong with a template is a *TemplateError.
func (t *Templates) Preview(ctx context.Context, n TemplateName, s Source, language string) (Mail, error) {
	k, layout := kind(n.Kind), s.HTML
	if n == layoutName {
		around, err := FindTemplate(string(kindCompleted), language)
		if err != nil {
			return Mail{}, err
		}
		if s, err = shipped(around); err != nil {
			return Mail{}, err
		}
		n, k = around, kindCompleted
	} else {
		used, err := t.InUse(ctx, layoutName)
		if err != nil {
			return Mail{}, err
		}
		layout = used.HTML
	}
	m, err := fill(s, layout, n.Locale, sample(k), maxMail)
	if err != nil {
		return Mail{}, faulty("%s", reasonOf(err))
	}
	return m, nil
}
