package notification_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/mail"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ses"

	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/notification"
)

// takenMail is a mail as SES took it.
type takenMail struct {
	To      []string `json:"to"`
	From    string   `json:"from"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	HTML    string   `json:"html"`
}

// sent sends a mail through the local SES, and gives it as it was taken, and its
// header.
func sent(t *testing.T, m notification.Mail) (takenMail, mail.Header) {
	t.Helper()
	cloud := localtest.Start(t)
	sender := &notification.SES{Client: ses.NewFromConfig(cloud.Config), From: cloud.Env(t, "NotifyFunction")["MAIL_FROM"]}
	id, err := sender.Send(t.Context(), "ana@example.com", m)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		resp, err := http.Get(cloud.URL + "/_fotograma/inbox/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	var inbox struct {
		Messages []takenMail `json:"messages"`
	}
	if err := json.Unmarshal([]byte(get("messages")), &inbox); err != nil || len(inbox.Messages) != 1 {
		t.Fatalf("%d mails, %v", len(inbox.Messages), err)
	}
	message, err := mail.ReadMessage(strings.NewReader(get("mails/" + id + "/source")))
	if err != nil {
		t.Fatal(err)
	}
	return inbox.Messages[0], message.Header
}

func TestAMailIsTakenAsItWasWritten(t *testing.T) {
	m := notification.Mail{
		Subject: "Seus quadros estão prontos: " + strings.Repeat("férias ", 40) + "🎞.mp4", Text: "Olá, Ana!\n\nPronto.\n", HTML: "<p>Olá, Ana!</p>\n",
		Unsubscribe: "https://app.example/v1/notifications/unsubscribe?token=" + strings.Repeat("a", 130),
	}
	taken, header := sent(t, m)
	if taken.Subject != m.Subject || taken.Text != m.Text || taken.HTML != m.HTML || len(taken.To) != 1 || taken.To[0] != "ana@example.com" ||
		taken.From != "Fotograma <no-reply@fotograma.example>" {
		t.Errorf("taken as %+v", taken)
	}
	if got := header.Get("List-Unsubscribe"); got != "<"+m.Unsubscribe+">" {
		t.Errorf("List-Unsubscribe: %s", got)
	}
	if got := header.Get("List-Unsubscribe-Post"); got != "List-Unsubscribe=One-Click" {
		t.Errorf("List-Unsubscribe-Post: %s", got)
	}
}

func TestAMailThatMustComeHasNoWayOut(t *testing.T) {
	_, header := sent(t, notification.Mail{Subject: "Your password was changed", Text: "t\n", HTML: "<p>t</p>"})
	for _, name := range []string{"List-Unsubscribe", "List-Unsubscribe-Post"} {
		if got, there := header[name]; there {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestASubjectCannotForgeHeaders(t *testing.T) {
	_, header := sent(t, notification.Mail{Subject: "a\r\nBcc: eve@example.com", Text: "t\n", HTML: "<p>t</p>"})
	if bcc := header.Get("Bcc"); bcc != "" {
		t.Errorf("Bcc: %s", bcc)
	}
}
