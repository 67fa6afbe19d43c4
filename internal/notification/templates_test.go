package notification_test

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

func template(t *testing.T, kind, locale string) notification.TemplateName {
	t.Helper()
	n, err := notification.FindTemplate(kind, locale)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// shipped gives a template as this release has it.
func shipped(t *testing.T, n notification.TemplateName) notification.Source {
	t.Helper()
	v, err := (&notification.Templates{}).Version(t.Context(), n, 0)
	if err != nil {
		t.Fatal(err)
	}
	return v.Source
}

// templates are those that an operator sees, in another process than the service's.
func (w *world) templates() *notification.Templates {
	return &notification.Templates{Store: w.store(w.cloud.Env(w.t, "NotifyFunction")), Now: w.clock}
}

func (w *world) state(n notification.TemplateName) notification.TemplateState {
	w.t.Helper()
	state, err := w.templates().State(w.t.Context(), n)
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

// edit puts something in place of something in the text and the HTML of a template.
func (w *world) edit(n notification.TemplateName, before, after string) int {
	w.t.Helper()
	s := shipped(w.t, n)
	s.Text, s.HTML = strings.ReplaceAll(s.Text, before, after), strings.ReplaceAll(s.HTML, before, after)
	version, err := w.templates().Set(w.t.Context(), n, w.state(n), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return version
}

func (w *world) use(n notification.TemplateName, version int) {
	w.t.Helper()
	if err := w.templates().Use(w.t.Context(), n, w.state(n), version); err != nil {
		w.t.Fatal(err)
	}
}

// nextMail gives the mail of an event that comes when processes look anew at which
// templates are in use.
func (w *world) nextMail(id string, data event.Data) notification.Mail {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	before := len(w.post.mails)
	w.must(id, data)
	if len(w.post.mails) != before+1 {
		w.t.Fatalf("%d mails came", len(w.post.mails)-before)
	}
	return w.post.mails[before]
}

func (w *world) verified(locale string) {
	w.t.Helper()
	w.must("registered", person(locale))
	w.must("verified", verified(locale))
}

func TestTheShippedTemplatesAreGood(t *testing.T) {
	var expected []string
	for _, n := range notification.TemplateNames() {
		if err := n.Check(shipped(t, n)); err != nil {
			t.Errorf("%s: %v", n, err)
		}
		if n.Kind == notification.LayoutKind {
			expected = append(expected, "layout.html")
			continue
		}
		expected = append(expected, n.Kind+"."+string(n.Locale)+".html", n.Kind+"."+string(n.Locale)+".txt")
	}
	entries, err := fs.ReadDir(notification.Shipped, "templates")
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	slices.Sort(expected)
	if diff := cmp.Diff(expected, there); diff != "" {
		t.Errorf("files of templates (-of kinds that have samples +there):\n%s", diff)
	}
}

// It is how html/template marks what it has left out.
func TestNoNameOfAFilePutsAnEditedTemplateOutOfUse(t *testing.T) {
	w := newWorld(t)
	w.verified("en")
	w.edit(template(t, "completed", "en"), "Your frames are ready", "Come and get them")
	data := completed()
	data.Filename = "ZgotmplZ.mp4"
	if m := w.nextMail("odd", data); m.Subject != "Come and get them: ZgotmplZ.mp4" {
		t.Errorf("subject %q", m.Subject)
	}
}

func TestAnEditedTemplateIsUsedWithinAMinute(t *testing.T) {
	w := newWorld(t)
	w.verified("en")
	completedMail, code := template(t, "completed", "en"), template(t, "verify_email", "pt-BR")
	w.must("before", completed())
	w.edit(completedMail, "Your frames are ready", "Come and get them")
	w.edit(code, "Confirme o seu e-mail", "Diga que é você")
	w.now = w.now.Add(59 * time.Second)
	w.must("a moment later", completed())
	if m := w.post.mails[1]; !strings.HasPrefix(m.Subject, "Your frames are ready") {
		t.Errorf("within the minute the subject is %q", m.Subject)
	}
	if m := w.nextMail("later", completed()); m.Subject != "Come and get them: <b>férias</b>.mp4" {
		t.Errorf("subject %q", m.Subject)
	}
	data, _ := w.requested(event.PurposeVerifyEmail, "pt-BR")
	data.ExpiresAt = w.now.Add(time.Hour)
	m := w.nextMail("code", data)
	if !strings.Contains(m.Text, "Diga que é você") || !strings.Contains(m.HTML, "Diga que é você") {
		t.Errorf("the mail is\n%s\n%s", m.Text, m.HTML)
	}
	if m := w.nextMail("failed", event.ProcessingFailed{VideoRef: completed().VideoRef, Filename: "a.mp4", Code: "stalled"}); m.Subject != "We could not process a.mp4" {
		t.Errorf("a template that nobody has edited gives %q", m.Subject)
	}
}

func TestAnEditedLayoutIsAroundAllMails(t *testing.T) {
	w := newWorld(t)
	w.verified("pt-BR")
	w.edit(template(t, notification.LayoutKind, ""), "</body>", `<p>{{if eq .Lang "pt-BR"}}Obrigado{{else}}Thank you{{end}}</p></body>`)
	for id, data := range map[string]event.Data{"e1": completed(), "e2": event.PasswordChanged{UserID: "ana"}} {
		if m := w.nextMail(id, data); !strings.Contains(m.HTML, "<p>Obrigado</p>") {
			t.Errorf("the mail is\n%s", m.HTML)
		}
	}
}

func TestOneCanGoBackToEveryVersionOfATemplate(t *testing.T) {
	w := newWorld(t)
	w.verified("en")
	n := template(t, "completed", "en")
	if versions, err := w.templates().History(t.Context(), n); err != nil || len(versions) != 0 {
		t.Errorf("before there is one: %v, %v", versions, err)
	}
	subject := func(id, want string) {
		t.Helper()
		if m := w.nextMail(id, completed()); !strings.HasPrefix(m.Subject, want) {
			t.Errorf("subject %q, want %q", m.Subject, want)
		}
	}
	w.use(n, 0) // which it is already
	w.edit(n, "Your frames are ready", "First")
	w.edit(n, "Your frames are ready", "Second")
	subject("e1", "Second")
	w.use(n, 1)
	subject("e2", "First")
	w.use(n, 0)
	subject("e3", "Your frames are ready")
	if third := w.edit(n, "Your frames are ready", "Third"); third != 3 {
		t.Errorf("the next is version %d", third)
	}
	subject("e4", "Third")
	w.use(n, 2)
	subject("e5", "Second")

	versions, err := w.templates().History(t.Context(), n)
	if err != nil || len(versions) != 3 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	for i, want := range []string{"Third", "Second", "First"} {
		if v := versions[i]; v.Version != 3-i || !strings.HasPrefix(v.Text, want) || v.At.Before(noon) || v.ShippedChanged {
			t.Errorf("version %d: %+v", 3-i, v)
		}
	}
	if err := w.templates().Use(t.Context(), n, w.state(n), 4); !errors.Is(err, notification.ErrNoVersion) {
		t.Errorf("a version that is not there: %v", err)
	}
}

func TestTwoEditorsDoNotOverwriteEachOther(t *testing.T) {
	w := newWorld(t)
	n := template(t, "completed", "en")
	for _, edits := range []int{0, 1} { // of a shipped template, and of an edited one
		before := w.state(n)
		w.edit(n, "Your frames are ready", "Mine")
		if _, err := w.templates().Set(t.Context(), n, before, shipped(t, n)); !errors.Is(err, notification.ErrEditedMeanwhile) {
			t.Errorf("after %d edits: set: %v", edits, err)
		}
		if edits > 0 {
			if err := w.templates().Use(t.Context(), n, before, 0); !errors.Is(err, notification.ErrEditedMeanwhile) {
				t.Errorf("after %d edits: reset: %v", edits, err)
			}
		}
		if state := w.state(n); state.InUse != edits+1 || state.Newest != edits+1 {
			t.Errorf("after %d edits: %+v", edits, state)
		}
	}
	w.use(n, 1)
	before := w.state(n)
	w.use(n, 2)
	if _, err := w.templates().Set(t.Context(), n, before, shipped(t, n)); !errors.Is(err, notification.ErrEditedMeanwhile) {
		t.Errorf("somebody has gone back meanwhile: %v", err)
	}
}

// row puts a template into the table as an earlier release took it.
func (w *world) row(n notification.TemplateName, text, html string) {
	w.t.Helper()
	w.use(n, w.edit(n, "", ""))
	v := w.state(n).InUse
	_, err := w.service.Store.DB.UpdateItem(w.t.Context(), &dynamodb.UpdateItemInput{
		TableName: &w.service.Store.Table, Key: versionKey(n, v).Item(),
		UpdateExpression:         aws.String("SET #text = :text, html = :html, shipped = :shipped"),
		ExpressionAttributeNames: map[string]string{"#text": "text"},
		ExpressionAttributeValues: dynamo.Item{
			":text": dynamo.S(text), ":html": dynamo.S(html), ":shipped": dynamo.S("of that release"),
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func versionKey(n notification.TemplateName, version int) dynamo.Key {
	pk := "template#" + n.Kind
	if n.Locale != "" {
		pk += "#" + string(n.Locale)
	}
	return dynamo.Key{PK: pk, SK: "version#000000000" + string(rune('0'+version))}
}

func TestATemplateThatIsNoGoodAnyMoreLosesNoMail(t *testing.T) {
	mail, layout := template(t, "completed", "en"), template(t, notification.LayoutKind, "")
	good := shipped(t, mail)
	for name, spoil := range map[string]func(w *world){
		"the text uses what a release took away": func(w *world) { w.row(mail, "Ready\nHi {{.Nickname}} {{.Link}}", good.HTML) },
		"the HTML cannot be read":                func(w *world) { w.row(mail, good.Text, `{{define "content"}}{{.Link}`) },
		"it calls what a release took away":      func(w *world) { w.row(mail, good.Text+"{{roman .Frames}}", good.HTML) },
		"a mail must now have what it has not":   func(w *world) { w.row(mail, "Ready\nCome {{.Link}}", good.HTML) },
		"its subject is empty":                   func(w *world) { w.row(mail, "{{range .Notices}}{{end}}"+"\n"+good.Text, good.HTML) },
		"it has no end": func(w *world) {
			w.row(mail, good.Text+`{{define "a"}}x{{template "a"}}{{end}}{{template "a"}}`, good.HTML)
		},
		"it is too long": func(w *world) { w.row(mail, good.Text+`{{range 1000}}{{printf "%1000d" 1}}{{end}}`, good.HTML) },
		"the layout has no place for the content": func(w *world) { w.row(layout, "", "<p>{{.Subject}}</p>") },
		"the layout cannot be read":               func(w *world) { w.row(layout, "", "{{") },
		"the version is lost": func(w *world) {
			key := versionKey(mail, w.edit(mail, "ready", "done")).Item()
			if _, err := w.service.Store.DB.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &w.service.Store.Table, Key: key}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.verified("en")
			expected := w.nextMail("before", completed())
			var counted bytes.Buffer
			w.service.Templates.Metrics = metrics.New(&counted, "Test", w.clock)
			spoil(w)
			m := w.nextMail("after", completed())
			expected.Unsubscribe, m.Unsubscribe = "", ""
			if diff := cmp.Diff(expected, m); diff != "" {
				t.Errorf("(-shipped +sent):\n%s", diff)
			}
			if !strings.Contains(counted.String(), `"TemplatesFailed":1`) || !strings.Contains(counted.String(), `"Kind":"completed"`) {
				t.Errorf("counted was %s", counted.String())
			}
		})
	}
}

// A release may have something new to tell, which an edited template does not know.
func TestItIsToldThatTheShippedTemplateHasChanged(t *testing.T) {
	w := newWorld(t)
	n := template(t, "completed", "en")
	s := shipped(t, n)
	w.row(n, s.Text, s.HTML)
	if v, err := w.templates().InUse(t.Context(), n); err != nil || !v.ShippedChanged {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestTemplatesAreAboutNobody(t *testing.T) {
	w := newWorld(t)
	w.verified("en")
	n := template(t, "completed", "en")
	w.edit(n, "Your frames are ready", "Come and get them")
	w.must("gone", event.AccountErased{UserID: "ana"})
	if state := w.state(n); state.InUse != 1 {
		t.Errorf("after somebody has left: %+v", state)
	}
}

func TestATemplateThatIsNoGoodIsNotTaken(t *testing.T) {
	const content = `{{define "content"}}`
	for _, c := range []struct {
		name       string
		kind       string
		text, html string // in place of the shipped ones
		want       string
	}{
		{"an action that is not closed", "completed", "Ready\nline two\n{{if .Name}}", "", "text:3: unexpected EOF"},
		{"a function that there is not", "completed", "Ready\n\n{{upper .Name}}", "", `text:3: function "upper" not defined`},
		{"a field that there is not", "completed", "Ready\n{{.Nickname}}", "", "text:2:2: executing"},
		{"a field where it is used wrongly", "completed", "Ready\n{{number .Name}}", "", "text:2:9: executing"},
		{"a fault that only some mails have", "completed", "Ready\n{{.Link}} {{.Unsubscribe}} {{index .Notices 0}}", "", "in a mail with no notices: text:2:"},
		{"HTML that is not closed", "completed", "", content + `<a href="{{.Link}}{{end}}`, "something is not closed"},
		{"HTML that cannot be read", "completed", "", content + "\n{{.Link", "html:2: unclosed action"},
		{"HTML without content", "completed", "", "<p>{{.Link}}</p>", `does not define "content"`},
		{"a value in a script", "completed", "", content + `<a href="{{.Link}}">x</a><a href="{{.Unsubscribe}}">y</a><a href="{{.Name}}">z</a>{{end}}`, "in a mail with names that are scripts: the HTML has a value where it is not safe"},
		{"no subject", "completed", "\nReady\n{{.Link}} {{.Unsubscribe}}", "", "the subject, is empty"},
		{"a subject that somebody's name is", "completed", "{{.Name}}\n{{.Link}} {{.Unsubscribe}}", "", "in a mail to somebody without a name: the first line"},
		{"a subject that goes on", "completed", "Ready\rBcc: eve@example.com\n{{.Link}} {{.Unsubscribe}}", "", "characters that do not show"},
		{"a subject without end", "completed", strings.Repeat("Ready ", 30) + "\n{{.Link}} {{.Unsubscribe}}", "", "the subject has"},
		{"a subject alone", "password_changed", "Ready\n", "", "nothing below the first line"},
		{"a text without the link", "completed", "Ready\n{{.Unsubscribe}}", "", "the text does not have {{.Link}}"},
		{"HTML without the link", "failed", "", content + `<a href="{{.Unsubscribe}}">x</a>{{end}}`, "the HTML does not have {{.Link}}"},
		{"a text that people cannot unsubscribe by", "completed", "Ready\n{{.Link}}", "", "the text does not have {{.Unsubscribe}}"},
		{"HTML that people cannot unsubscribe by", "failed", "", content + `<a href="{{.Link}}">x</a>{{end}}`, "the HTML does not have {{.Unsubscribe}}"},
		{"a digest that leads nowhere", "digest", "News\n{{.Unsubscribe}}", "", "the text does not have {{.Link}}"},
		{"a digest of nothing", "digest", "News\n{{.Link}} {{.Unsubscribe}}", "", "the text does not have the {{.Link}} of each of the .Videos"},
		{"a text without the code", "verify_email", "Your code\nIt is a secret.", "", "the text has neither {{.Code}} nor {{.Link}}"},
		{"HTML without the code", "reset_password", "", content + "It is a secret.{{end}}", "the HTML has neither {{.Code}} nor {{.Link}}"},
		{"a text that is too long", "completed", strings.Repeat("x", 64<<10+1), "", "the text has 65537 bytes"},
		{"a mail that is too long", "completed", "Ready\n{{.Link}} {{.Unsubscribe}}{{range .Frames}}frame {{.}}{{end}}", "", "in a mail with a million frames: it is longer than 100000 bytes"},
		{"what is not UTF-8", "completed", "\xff", "", "the text is not in UTF-8"},
		{"a layout without content", notification.LayoutKind, "", "<p>{{.Subject}}</p>", "around the mail"},
		{"a layout that cannot be read", notification.LayoutKind, "", "<p>\n{{</p>", "layout:2:"},
		{"a layout that has a text", notification.LayoutKind, "Ready", "", "has no text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			locale := "en"
			if c.kind == notification.LayoutKind {
				locale = ""
			}
			n := template(t, c.kind, locale)
			s := shipped(t, n)
			if c.text != "" {
				s.Text = c.text
			}
			if c.html != "" {
				s.HTML = c.html
			}
			_, err := (&notification.Templates{}).Set(t.Context(), n, notification.TemplateState{}, s)
			if _, known := errors.AsType[*notification.TemplateError](err); !known || !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused with %v, want …%s…", err, c.want)
			}
		})
	}
}

func TestOnlyTemplatesThatThereAreHaveNames(t *testing.T) {
	for _, c := range []struct{ kind, locale, want string }{
		{"welcome", "en", "no kind of mail"},
		{"completed", "", "say in which language"},
		{"completed", "pt", "only in [en pt-BR]"},
		{notification.LayoutKind, "en", "one for all languages"},
	} {
		if n, err := notification.FindTemplate(c.kind, c.locale); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want …%s…", n, err, c.want)
		}
	}
}

func TestAPreviewShowsWhatIsInUse(t *testing.T) {
	w := newWorld(t)
	w.edit(template(t, notification.LayoutKind, ""), "</body>", "<p>Our footer</p></body>")
	for _, n := range notification.TemplateNames() {
		m, err := w.templates().Preview(t.Context(), n, shipped(t, n), "pt-BR")
		if err != nil {
			t.Errorf("%s: %v", n, err)
			continue
		}
		if !strings.Contains(m.Text, "Ana") || !strings.Contains(m.HTML, "Ana") || strings.Contains(m.HTML, "Our footer") != (n.Kind != notification.LayoutKind) {
			t.Errorf("%s is\n%s\n%s", n, m.Text, m.HTML)
		}
	}
}
