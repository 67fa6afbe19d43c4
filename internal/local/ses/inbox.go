package ses

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fotograma/fotograma/internal/local/mailbox"
)

// InboxPath is where the stack mounts Inbox.
const InboxPath = "/_fotograma/inbox/"

// LocalStackPath is where LocalStack keeps the mails that were sent; Inbox answers
// there too, in LocalStack's shape.
const LocalStackPath = mailbox.Path

const (
	pageSize    = 50
	maxPageSize = 500
)

//go:embed inbox/*.html inbox/style.css
var inboxFiles embed.FS

// Policies of the two kinds of page. What the inbox itself shows needs no script and
// nothing of other hosts. A mail's HTML gets less: sandboxed into an origin of its
// own, it has its inline styles and the images that it carries; a link in it may
// open a new tab, as reading a mail is for following its links.
const (
	inboxPolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	mailPolicy  = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; " +
		"img-src data:%s; form-action 'none'; frame-ancestors 'self'"
)

// Inbox gives the pages in which a person reads the mails, and the same as JSON:
//
//	GET /_fotograma/inbox/                         the newest mails
//	GET /_fotograma/inbox/mails/{id}               one mail
//	GET /_fotograma/inbox/mails/{id}/html          its HTML part, for a sandboxed frame
//	GET /_fotograma/inbox/mails/{id}/source        the mail as it went over the wire
//	GET /_fotograma/inbox/mails/{id}/attachments/{n}
//	GET /_fotograma/inbox/messages?to=&before=&limit=   {"messages": […]}, newest first
//	GET /_fotograma/inbox/messages/{id}
//	GET, DELETE /_aws/ses?id=                      as LocalStack has it
//
// The handler wants the full path: mount it without http.StripPrefix. Everything
// that comes out of a mail is shown as text or inside the frame.
func (s *Server) Inbox() http.Handler {
	pages := template.Must(template.New("").Funcs(template.FuncMap{
		"clock": clockTime, "day": dayAndTime, "join": func(all []string) string { return strings.Join(all, ", ") },
		"preview": preview, "links": links, "size": humanSize, "root": func() string { return InboxPath },
	}).ParseFS(inboxFiles, "inbox/*.html"))
	in := &inbox{store: s.store, pages: pages, region: s.opts.Region, log: s.opts.Logger}
	if s.relay != nil {
		in.relayHost = s.relay.target.host
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+InboxPath+"{$}", in.list)
	mux.HandleFunc("GET "+InboxPath+"style.css", in.style)
	mux.HandleFunc("GET "+InboxPath+"mails/{id}", in.mail)
	mux.HandleFunc("GET "+InboxPath+"mails/{id}/html", in.html)
	mux.HandleFunc("GET "+InboxPath+"mails/{id}/source", in.source)
	mux.HandleFunc("GET "+InboxPath+"mails/{id}/attachments/{n}", in.attachment)
	mux.HandleFunc("GET "+InboxPath+"messages", in.messages)
	mux.HandleFunc("GET "+InboxPath+"messages/{id}", in.message)
	mux.HandleFunc("GET "+LocalStackPath, in.localStack)
	mux.HandleFunc("DELETE "+LocalStackPath, in.localStackDelete)
	return guard(mux)
}

// guard sets what holds for every answer.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", inboxPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-DNS-Prefetch-Control", "off")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

type inbox struct {
	store     *store
	pages     *template.Template
	region    string
	log       *slog.Logger
	relayHost string // "" if no mail leaves this machine
}

// listPage is what list.html shows.
type listPage struct {
	Mails []mailView
	To    string
	Older string // id to go on from, if there are more
	First bool
	Relay string // host, or "" without a relay
}

func (in *inbox) list(w http.ResponseWriter, r *http.Request) {
	q := mailQuery{to: r.FormValue("to"), before: r.FormValue("before"), limit: pageSize + 1}
	mails, err := in.store.mails(r.Context(), q)
	if err != nil {
		in.fail(w, r, err)
		return
	}
	page := listPage{To: q.to, First: q.before == "", Relay: in.relayHost}
	if len(mails) > pageSize {
		mails = mails[:pageSize]
		page.Older = mails[pageSize-1].id
	}
	for _, m := range mails {
		page.Mails = append(page.Mails, m.view())
	}
	in.render(w, r, http.StatusOK, "list.html", page)
}

// mailPage is what mail.html shows.
type mailPage struct {
	mailView

	Source string
	Images bool // remote images are asked for
	Remote bool // there may be remote images
}

// shownSource bounds what of a large mail's source the page itself has.
const shownSource = 64 << 10

var remoteImage = regexp.MustCompile(`(?i)(src|srcset|background)\s*=\s*["']?\s*https?:|url\(\s*["']?\s*https?:`)

func (in *inbox) mail(w http.ResponseWriter, r *http.Request) {
	m, raw, err := in.store.mail(r.Context(), r.PathValue("id"))
	if err != nil {
		in.fail(w, r, err)
		return
	}
	page := mailPage{mailView: m.view(), Images: r.FormValue("images") != "", Remote: remoteImage.MatchString(m.html)}
	page.Source = strings.ToValidUTF8(string(raw[:min(len(raw), shownSource)]), "\ufffd")
	in.render(w, r, http.StatusOK, "mail.html", page)
}

// html serves the HTML part for the frame. Its images of Content-IDs are put in.
func (in *inbox) html(w http.ResponseWriter, r *http.Request) {
	m, raw, err := in.store.mail(r.Context(), r.PathValue("id"))
	if err != nil {
		in.fail(w, r, err)
		return
	}
	remote := ""
	if r.FormValue("images") != "" {
		remote = " https: http:"
	}
	w.Header().Set("Content-Security-Policy", fmt.Sprintf(mailPolicy, remote))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	in.write(w, r, []byte(`<!doctype html><meta charset="utf-8"><base target="_blank">`+inlineImages(m.html, raw)))
}

var contentIDReference = regexp.MustCompile(`(?i)cid:[^"'\s)>]+`)

// inlineImages replaces cid: references by the images that the mail carries.
func inlineImages(html string, raw []byte) string {
	if !contentIDReference.MatchString(html) {
		return html
	}
	images := make(map[string]string)
	for _, a := range parseMail(raw).attachments {
		if a.contentID != "" && safeImage(a.ContentType) {
			images[a.contentID] = "data:" + a.ContentType + ";base64," + base64.StdEncoding.EncodeToString(a.data)
		}
	}
	return contentIDReference.ReplaceAllStringFunc(html, func(ref string) string {
		if data, ok := images[ref[len("cid:"):]]; ok {
			return data
		}
		return ref
	})
}

// safeImage allows only types that are plain words, as they come from the mail.
func safeImage(contentType string) bool {
	switch contentType {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return true
	}
	return false
}

func (in *inbox) source(w http.ResponseWriter, r *http.Request) {
	_, raw, err := in.store.mail(r.Context(), r.PathValue("id"))
	if err != nil {
		in.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	in.write(w, r, raw)
}

// attachment is always a download, whatever type it claims to be.
func (in *inbox) attachment(w http.ResponseWriter, r *http.Request) {
	_, raw, err := in.store.mail(r.Context(), r.PathValue("id"))
	if err != nil {
		in.fail(w, r, err)
		return
	}
	all := parseMail(raw).attachments
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(all) {
		in.fail(w, r, errNoMail)
		return
	}
	name := fileName(all[n].Filename)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	in.write(w, r, all[n].data)
}

// fileName is a name to store an attachment under: the last part of what it claims.
func fileName(claimed string) string {
	name := claimed[strings.LastIndexAny(claimed, `/\`)+1:]
	if name == "" || name == "." || name == ".." {
		return "attachment"
	}
	return name
}

func (in *inbox) style(w http.ResponseWriter, r *http.Request) {
	css, err := inboxFiles.ReadFile("inbox/style.css")
	if err != nil {
		in.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	in.write(w, r, css)
}

// mailView is a mail as the JSON has it and the pages show it.
type mailView struct {
	ID               string            `json:"id"`
	SentAt           time.Time         `json:"sent_at"`
	Action           string            `json:"action"`
	Source           string            `json:"source"`
	From             string            `json:"from"`
	To               []string          `json:"to"`
	Cc               []string          `json:"cc"`
	Bcc              []string          `json:"bcc"`
	Subject          string            `json:"subject"`
	Text             string            `json:"text"`
	HTML             string            `json:"html"`
	Attachments      []attachment      `json:"attachments"`
	ConfigurationSet string            `json:"configuration_set,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	Relay            relayStatus       `json:"relay"`
}

func (m *storedMail) view() mailView {
	orEmpty := func(all []string) []string { return append([]string{}, all...) }
	return mailView{
		ID: m.id, SentAt: time.UnixMilli(m.sent).UTC(), Action: m.action, Source: m.source, From: m.sender,
		To: orEmpty(m.envelope.To), Cc: orEmpty(m.envelope.Cc), Bcc: orEmpty(m.envelope.Bcc),
		Subject: m.subject, Text: m.text, HTML: m.html, Attachments: m.attachments,
		ConfigurationSet: m.labels.ConfigurationSet, Tags: m.labels.Tags, Relay: m.relay,
	}
}

func (in *inbox) messages(w http.ResponseWriter, r *http.Request) {
	q := mailQuery{to: r.FormValue("to"), before: r.FormValue("before"), limit: pageSize}
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPageSize {
			in.json(w, r, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("limit must be between 1 and %d", maxPageSize)})
			return
		}
		q.limit = n
	}
	mails, err := in.store.mails(r.Context(), q)
	if err != nil {
		in.failJSON(w, r, err)
		return
	}
	views := make([]mailView, len(mails))
	for i, m := range mails {
		views[i] = m.view()
	}
	in.json(w, r, http.StatusOK, map[string]any{"messages": views})
}

func (in *inbox) message(w http.ResponseWriter, r *http.Request) {
	m, _, err := in.store.mail(r.Context(), r.PathValue("id"))
	if err != nil {
		in.failJSON(w, r, err)
		return
	}
	in.json(w, r, http.StatusOK, m.view())
}

// localStackMail is a mail in the shape of LocalStack's /_aws/ses.
type localStackMail struct {
	ID          string `json:"Id"`
	Region      string
	Timestamp   string
	Source      string
	Destination struct{ ToAddresses, CcAddresses, BccAddresses []string }
	Subject     string
	Body        localStackBody
	RawData     string `json:",omitempty"`
}

type localStackBody struct {
	Text string `json:"text_part"`
	HTML string `json:"html_part"`
}

// localStack gives all mails, oldest first, or those of ?id= or ?email=, the sender.
func (in *inbox) localStack(w http.ResponseWriter, r *http.Request) {
	mails, err := in.store.mails(r.Context(), mailQuery{source: r.FormValue("email"), limit: 10 * maxPageSize})
	if err != nil {
		in.failJSON(w, r, err)
		return
	}
	out := []localStackMail{}
	for _, m := range slices.Backward(mails) {
		if id := r.FormValue("id"); id != "" && id != m.id {
			continue
		}
		one, err := in.localStackMail(r, m)
		if err != nil {
			in.failJSON(w, r, err)
			return
		}
		out = append(out, one)
	}
	in.json(w, r, http.StatusOK, map[string]any{"messages": out})
}

func (in *inbox) localStackMail(r *http.Request, m *storedMail) (localStackMail, error) {
	v := m.view()
	out := localStackMail{
		ID: v.ID, Region: in.region, Timestamp: v.SentAt.Format(time.RFC3339), Source: v.Source,
		Subject: v.Subject, Body: localStackBody{Text: v.Text, HTML: v.HTML},
	}
	out.Destination.ToAddresses, out.Destination.CcAddresses, out.Destination.BccAddresses = v.To, v.Cc, v.Bcc
	if v.Action == "SendRawEmail" {
		_, raw, err := in.store.mail(r.Context(), v.ID)
		if err != nil {
			return localStackMail{}, err
		}
		out.RawData = string(raw)
	}
	return out, nil
}

func (in *inbox) localStackDelete(w http.ResponseWriter, r *http.Request) {
	if err := in.store.deleteMails(r.Context(), r.FormValue("id")); err != nil {
		in.failJSON(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (in *inbox) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var buf bytes.Buffer
	if err := in.pages.ExecuteTemplate(&buf, name, data); err != nil {
		in.log.ErrorContext(r.Context(), "render inbox", "page", name, "error", err)
		http.Error(w, "The inbox could not be shown; the log of the local stack says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	in.write(w, r, buf.Bytes())
}

func (in *inbox) write(w http.ResponseWriter, r *http.Request, body []byte) {
	if _, err := w.Write(body); err != nil {
		in.log.DebugContext(r.Context(), "write inbox answer", "error", err)
	}
}

func (in *inbox) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errNoMail) {
		in.render(w, r, http.StatusNotFound, "missing.html", nil)
		return
	}
	in.log.ErrorContext(r.Context(), "read inbox", "error", err)
	http.Error(w, "The inbox could not be read; the log of the local stack says why.", http.StatusInternalServerError)
}

func (in *inbox) failJSON(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errNoMail) {
		in.json(w, r, http.StatusNotFound, map[string]string{"error": "there is no such mail"})
		return
	}
	in.log.ErrorContext(r.Context(), "read inbox", "error", err)
	in.json(w, r, http.StatusInternalServerError, map[string]string{"error": "the inbox could not be read"})
}

func (in *inbox) json(w http.ResponseWriter, r *http.Request, status int, v any) {
	out, err := json.Marshal(v)
	if err != nil {
		in.log.ErrorContext(r.Context(), "encode inbox answer", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	in.write(w, r, append(out, '\n'))
}

// here is the time by the clock of whoever reads the inbox, which is on this machine.
func here(t time.Time) time.Time {
	return t.Local() //nolint:gosmopolitan // meant
}

func clockTime(t time.Time) string { return here(t).Format("2 Jan 15:04:05") }

func dayAndTime(t time.Time) string { return here(t).Format("Monday, 2 January 2006, 15:04:05 MST") }

// preview is the beginning of a mail's text in one line.
func preview(text string) string {
	const most = 140
	line := []rune(strings.Join(strings.Fields(text[:min(len(text), 16*most)]), " "))
	if len(line) > most {
		return string(line[:most]) + "…"
	}
	return string(line)
}

// span is a piece of a text: a web address or what is between two of them.
type span struct {
	Text string
	Link bool
}

var webAddress = regexp.MustCompile(`https?://[^\s<>"'\x60]*[^\s<>"'\x60.,;:!?)\]}]`)

// links cuts a text at its web addresses, so that the page can make links of them.
func links(text string) []span {
	var spans []span
	end := 0
	for _, at := range webAddress.FindAllStringIndex(text, -1) {
		spans = append(spans, span{Text: text[end:at[0]]}, span{Text: text[at[0]:at[1]], Link: true})
		end = at[1]
	}
	return append(spans, span{Text: text[end:]})
}

func humanSize(bytes int) string {
	switch {
	case bytes < 1<<10:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}
