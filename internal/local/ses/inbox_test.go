package ses

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsses "github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"
	"golang.org/x/net/html"
)

func TestMessagesAreListedNewestFirst(t *testing.T) {
	e := startVerified(t)
	var ids []string
	for i := range 5 {
		to := fmt.Sprintf("p%d@example.com", i%2)
		ids = append(ids, e.send(t, to, fmt.Sprint("mail ", i), types.Body{Text: text("t")}))
		e.clock.advance(time.Second)
	}
	subjects := func(mails []mailView) string {
		var all []string
		for _, m := range mails {
			all = append(all, strings.TrimPrefix(m.Subject, "mail "))
		}
		return strings.Join(all, "")
	}
	for name, tc := range map[string]struct{ query, want string }{
		"all":                        {"", "43210"},
		"by recipient":               {"?to=p1@example.com", "31"},
		"by recipient, any case":     {"?to=P1@EXAMPLE.com", "31"},
		"by a recipient without any": {"?to=nobody@example.com", ""},
		"a page":                     {"?limit=2", "43"},
		"the page after":             {"?limit=2&before=" + ids[3], "21"},
		"before what is not there":   {"?before=absent", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := subjects(e.messages(t, tc.query)); got != tc.want {
				t.Errorf("mails %s, want %s", got, tc.want)
			}
		})
	}
	if res, _ := e.get(t, InboxPath+"messages?limit=0"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("limit=0: status %d", res.StatusCode)
	}
	if res, body := e.get(t, InboxPath+"messages/absent"); res.StatusCode != http.StatusNotFound || !strings.Contains(body, `"error"`) {
		t.Errorf("absent: %d %s", res.StatusCode, body)
	}
}

func TestCopiesAreFoundByRecipient(t *testing.T) {
	e := startVerified(t)
	_, err := e.SendEmail(t.Context(), &awsses.SendEmailInput{
		Source:      aws.String(sender),
		Destination: &types.Destination{ToAddresses: []string{"a@example.com"}, BccAddresses: []string{"Blind <blind@example.com>"}},
		Message:     &types.Message{Subject: text("s"), Body: &types.Body{Text: text("t")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := e.messages(t, "?to=blind@example.com"); len(got) != 1 {
		t.Errorf("%d mails to the blind copy's address, want 1", len(got))
	}
}

func TestListPage(t *testing.T) {
	e := startVerified(t)
	res, empty := e.get(t, InboxPath)
	if res.StatusCode != http.StatusOK || !strings.Contains(empty, "No mail yet") || !strings.Contains(empty, `http-equiv="refresh"`) {
		t.Errorf("empty inbox: %d\n%s", res.StatusCode, empty)
	}
	for i := range pageSize + 2 {
		e.send(t, "ana@example.com", fmt.Sprintf("<b>mail %03d</b>", i), types.Body{Text: text("line one\n\n  line two")})
	}
	_, first := e.get(t, InboxPath)
	if !strings.Contains(first, "&lt;b&gt;mail 051&lt;/b&gt;") || strings.Contains(first, "mail 001") || !strings.Contains(first, "line one line two") {
		t.Errorf("first page:\n%s", first)
	}
	older := hrefs(t, first, "?before=")
	if len(older) != 1 {
		t.Fatalf("links to older mail: %q", older)
	}
	_, second := e.get(t, InboxPath+older[0])
	if !strings.Contains(second, "mail 001") || strings.Contains(second, "mail 002") || strings.Contains(second, "refresh") {
		t.Errorf("second page:\n%s", second)
	}
}

// hrefs gives the link targets of a page that begin so.
func hrefs(t *testing.T, page, prefix string) []string {
	t.Helper()
	var found []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) {
				t.Fatal(z.Err())
			}
			return found
		case html.StartTagToken:
			for _, a := range z.Token().Attr {
				if a.Key == "href" && strings.HasPrefix(a.Val, prefix) {
					found = append(found, a.Val)
				}
			}
		}
	}
}

// hostile is in every field that a sender can fill.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>`

// elements gives the tags of a page outside of what the page itself has.
func elements(t *testing.T, page string) map[string]int {
	t.Helper()
	count := make(map[string]int)
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return count
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			count[token.Data]++
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
					t.Errorf("<%s %s=%q>", token.Data, a.Key, a.Val)
				}
			}
		}
	}
}

func TestHostileMailIsInert(t *testing.T) {
	e := startVerified(t)
	raw := "From: \"" + strings.ReplaceAll(hostile, `"`, `\"`) + "\" <" + sender + ">\r\n" +
		"To: ana@example.com\r\nSubject: " + hostile + "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\n" + hostile + " https://example.com/\"onclick=alert(1) javascript:alert(1)\r\n" +
		"--b\r\nContent-Type: text/html\r\n\r\n" + hostile + "<base target=_top><form action=https://evil.example/><input></form>\r\n" +
		"--b\r\nContent-Type: text/html; name=\"a\r\n b.html\"\r\nContent-Disposition: attachment; filename=\"x" + strings.ReplaceAll(hostile, `"`, `\"`) + ".html\"\r\n\r\n" + hostile + "\r\n" +
		"--b--\r\n"
	out, err := e.SendRawEmail(t.Context(), &awsses.SendRawEmailInput{
		RawMessage:           &types.RawMessage{Data: []byte(raw)},
		ConfigurationSetName: aws.String(hostile), Tags: []types.MessageTag{{Name: aws.String(hostile), Value: aws.String(hostile)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := *out.MessageId

	for _, path := range []string{InboxPath, InboxPath + "mails/" + id, InboxPath + "?to=" + "%22%3E%3Cscript%3E"} {
		res, page := e.get(t, path)
		got := elements(t, page)
		if got["script"] != 0 || got["img"] != 0 || got["form"] != 0 {
			t.Errorf("%s has elements of the mail: %v", path, got)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %s", path, csp)
		}
	}

	res, frame := e.get(t, InboxPath+"mails/"+id+"/html")
	csp := res.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "sandbox ") || strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") ||
		strings.Contains(csp, "allow-forms") || !strings.Contains(csp, "img-src data:;") || strings.Contains(csp, "script-src") {
		t.Errorf("policy of the frame: %s", csp)
	}
	if !strings.HasPrefix(frame, `<!doctype html><meta charset="utf-8"><base target="_blank">`) {
		t.Errorf("the frame's links would open inside it: %s", frame)
	}
	if res, _ := e.get(t, InboxPath+"mails/"+id+"/html?images=1"); !strings.Contains(res.Header.Get("Content-Security-Policy"), "img-src data: https:") {
		t.Error("remote images cannot be asked for")
	}

	res, _ = e.get(t, InboxPath+"mails/"+id+"/attachments/0")
	disposition, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition"))
	if err != nil || disposition != "attachment" || params["filename"] == "" || strings.ContainsAny(params["filename"], `/\`) || res.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("attachment: %v, %v", res.Header, err)
	}
	res, _ = e.get(t, InboxPath+"mails/"+id+"/source")
	if kind := res.Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("source: %v", res.Header)
	}
}

func TestMailPage(t *testing.T) {
	e := startVerified(t)
	id := e.send(t, "ana@example.com", "Ready", types.Body{
		Text: text("Download (https://example.com/a?b=1&c=2). Bye."),
		Html: text(`<p>Hi</p><img src="https://example.com/pixel.png">`),
	})
	_, page := e.get(t, InboxPath+"mails/"+id)
	if !strings.Contains(page, `sandbox="allow-popups allow-popups-to-escape-sandbox"`) || !strings.Contains(page, "Images of other hosts are not loaded") {
		t.Errorf("page:\n%s", page)
	}
	if got := hrefs(t, page, "https:"); !slices.Equal(got, []string{"https://example.com/a?b=1&c=2"}) {
		t.Errorf("links in the text: %q", got)
	}
	if _, page := e.get(t, InboxPath+"mails/"+id+"?images=1"); !strings.Contains(page, "/html?images=1") {
		t.Error("the frame does not get the images")
	}
	for _, path := range []string{"mails/absent", "mails/absent/html", "mails/absent/source", "mails/" + id + "/attachments/0", "mails/" + id + "/attachments/-1"} {
		if res, _ := e.get(t, InboxPath+path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, res.StatusCode)
		}
	}
	if res, css := e.get(t, InboxPath+"style.css"); res.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(css, "prefers-color-scheme: dark") {
		t.Errorf("style: %v", res.Header)
	}
}

func TestImagesThatTheMailCarriesAreShown(t *testing.T) {
	e := startVerified(t)
	id, err := e.sendRaw(t.Context(), rawMail)
	if err != nil {
		t.Fatal(err)
	}
	if _, frame := e.get(t, InboxPath+"mails/"+id+"/html"); !strings.Contains(frame, `<img src="data:image/png;base64,iVBORw0KGgo=">`) {
		t.Errorf("frame: %s", frame)
	}
	id, err = e.sendRaw(t.Context(), strings.Replace(rawMail, "image/png", "image/svg+xml", 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, frame := e.get(t, InboxPath+"mails/"+id+"/html"); !strings.Contains(frame, `src="cid:logo@x"`) {
		t.Errorf("an SVG was put in: %s", frame)
	}
}

func TestAttachmentsHaveNamesWithoutFolders(t *testing.T) {
	for claimed, want := range map[string]string{
		"frames.zip": "frames.zip", "../../frames.zip": "frames.zip", `C:\temp\a b.txt`: "a b.txt", "": "attachment", "..": "attachment", "a/": "attachment",
	} {
		if got := fileName(claimed); got != want {
			t.Errorf("%q is stored as %q, want %q", claimed, got, want)
		}
	}
}

func TestBrokenMailStillShows(t *testing.T) {
	e := startVerified(t)
	head := "From: " + sender + "\r\nTo: a@example.com\r\n"
	for name, tc := range map[string]struct{ raw, wantText string }{
		"an unknown charset":           {head + "Content-Type: text/plain; charset=klingon\r\n\r\nhello", "hello"},
		"an unknown transfer encoding": {head + "Content-Transfer-Encoding: rot13\r\n\r\nhello", "hello"},
		"a multipart without boundary": {head + "Content-Type: multipart/mixed\r\n\r\nhello", ""},
		"a multipart cut off":          {head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Ty", "hello"},
		"bytes that are no UTF-8":      {head + "Subject: \xff\xfe\r\n\r\nhel\xfflo", "hel\ufffdlo"},
		"broken base64":                {head + "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=!!!!", "hello"},
		"a content type of rubbish":    {head + "Content-Type: ;;;\r\n\r\nhello", "hello"},
		"very many parts":              {head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n" + strings.Repeat("--b\r\nContent-Type: a/b\r\n\r\nx\r\n", 1000) + "--b--\r\n", "hello"},
		"deeply nested parts":          {head + nested(60), ""},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := e.sendRaw(t.Context(), tc.raw)
			if err != nil {
				t.Fatal(err)
			}
			if m := e.message(t, id); tc.wantText != "" && !strings.HasPrefix(m.Text, tc.wantText) {
				t.Errorf("text %q, want %q", m.Text, tc.wantText)
			}
			if res, _ := e.get(t, InboxPath+"mails/"+id); res.StatusCode != http.StatusOK {
				t.Errorf("page: status %d", res.StatusCode)
			}
			if _, source := e.get(t, InboxPath+"mails/"+id+"/source"); !strings.HasSuffix(source, tc.raw) {
				t.Error("the source is not what was sent")
			}
		})
	}
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return b.String() + "\r\nhello"
}

func TestLocalStackShape(t *testing.T) {
	e := startVerified(t)
	first := e.send(t, "ana@example.com", "one", types.Body{Text: text("t"), Html: text("<p>h</p>")})
	second, err := e.sendRaw(t.Context(), "From: "+sender+"\r\nTo: bo@example.com\r\nSubject: two\r\n\r\nraw")
	if err != nil {
		t.Fatal(err)
	}
	list := func(query string) []map[string]any {
		_, body := e.get(t, LocalStackPath+query)
		var out struct {
			Messages []map[string]any `json:"messages"`
		}
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return out.Messages
	}
	all := list("")
	if len(all) != 2 || all[0]["Id"] != first || all[1]["Id"] != second {
		t.Fatalf("mails %v, want oldest first", all)
	}
	m := all[0]
	body, destination := m["Body"].(map[string]any), m["Destination"].(map[string]any)
	if m["Source"] != sender || m["Subject"] != "one" || m["Region"] != "us-east-1" || m["Timestamp"] != "2026-03-01T12:00:00Z" ||
		body["text_part"] != "t" || body["html_part"] != "<p>h</p>" || fmt.Sprint(destination["ToAddresses"]) != "[ana@example.com]" {
		t.Errorf("mail %v", m)
	}
	if _, ok := m["RawData"]; ok || !strings.HasSuffix(all[1]["RawData"].(string), "\r\n\r\nraw") {
		t.Errorf("raw data: %v, %v", m["RawData"], all[1]["RawData"])
	}
	if got := list("?id=" + second); len(got) != 1 || got[0]["Id"] != second {
		t.Errorf("by id: %v", got)
	}
	if got := list("?email=nobody@example.com"); len(got) != 0 {
		t.Errorf("by another sender: %v", got)
	}

	if res, _ := e.do(t, http.MethodDelete, LocalStackPath+"?id="+first, ""); res.StatusCode != http.StatusNoContent {
		t.Errorf("delete one: status %d", res.StatusCode)
	}
	if got := e.messages(t, ""); len(got) != 1 || got[0].ID != second {
		t.Errorf("left: %v", got)
	}
	if res, _ := e.do(t, http.MethodDelete, LocalStackPath, ""); res.StatusCode != http.StatusNoContent {
		t.Errorf("delete all: status %d", res.StatusCode)
	}
	if got := e.messages(t, ""); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func FuzzParseMail(f *testing.F) {
	f.Add([]byte(rawMail))
	f.Add([]byte("From: a@b.c\r\nContent-Type: multipart/mixed; boundary=\"\"\r\n\r\n----\r\n"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := parseMail(raw)
		for _, s := range []string{p.from, p.subject, p.text, p.html} {
			if strings.ToValidUTF8(s, "") != s {
				t.Fatalf("%q is no UTF-8", s)
			}
		}
		_ = inlineImages(p.html, raw)
		h, err := parseHeader(raw)
		if err != nil {
			return
		}
		m := &storedMail{id: "id"}
		if out := string(completeHeader(raw, h, m)); len(out) == 0 && len(raw) > 0 && h.Len() > 0 && !h.Has("Bcc") {
			t.Fatalf("%q became nothing", raw)
		}
	})
}
