package mailbox_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/mailbox"
)

// kept is what LocalStack 4.14.0 tells of a mail of SendEmail and of one of
// SendRawEmail.
const kept = `{"messages": [
	{"Id": "1", "Region": "us-east-1", "Source": "Fotograma <no-reply@fotograma.example>", "Timestamp": "2026-11-26T13:20:49",
	 "Destination": {"ToAddresses": ["ana@example.com"]}, "Subject": "Olá", "Body": {"text_part": "em partes", "html_part": "<p>em partes</p>"}},
	{"Id": "2", "Region": "us-east-1", "Source": "Fotograma <no-reply@fotograma.example>", "Timestamp": "2026-11-26T13:20:50", "RawData": %RAW%},
	{"Id": "3", "Region": "us-east-1", "Source": "x@example.com", "Timestamp": "2026-11-26T13:20:51",
	 "Destination": {"ToAddresses": ["bia@example.com"]}, "Subject": "hers", "Body": {"text_part": "x", "html_part": null}}]}`

const raw = "From: Fotograma <no-reply@fotograma.example>\r\nTo: <Ana@example.com>\r\nSubject: =?UTF-8?q?Seus_quadros_est=C3=A3o_prontos?=\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nol=C3=A1\r\n" +
	"--b\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+b2zDoTwvcD4=\r\n--b--\r\n"

func TestToReadsMailsInPartsAndRawOnes(t *testing.T) {
	quoted, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_aws/ses" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = w.Write([]byte(strings.Replace(kept, "%RAW%", string(quoted), 1)))
	}))
	defer server.Close()

	got, err := mailbox.To(t.Context(), server.URL, "ana@example.com")
	want := []mailbox.Mail{
		{ID: "2", To: []string{"Ana@example.com"}, Subject: "Seus quadros estão prontos", Text: "olá", HTML: "<p>olá</p>"},
		{ID: "1", To: []string{"ana@example.com"}, Subject: "Olá", Text: "em partes", HTML: "<p>em partes</p>"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestToSaysThatNothingKeepsMails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if _, err := mailbox.To(t.Context(), server.URL, "ana@example.com"); !errors.Is(err, mailbox.ErrNone) {
		t.Errorf("it says %v", err)
	}
}
