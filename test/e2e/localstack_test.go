package e2e

import (
	"bytes"
	"mime"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/google/go-cmp/cmp"
	gomail "github.com/wneessen/go-mail"

	"github.com/fotograma/fotograma/internal/local/smtptest"
)

// docker-compose.yml has infra/localstack/mail.py run beside LocalStack. The built-in
// SES tells of its mails as LocalStack does.
func TestMailsOfLocalStackAreHandedOn(t *testing.T) {
	notWith(t, "moto", onePart)
	t.Parallel()
	const from, inParts, asItIs = "no-reply@fotograma.example", "parts@example.com", "raw@example.com"
	server := smtptest.Start(t, "127.0.0.1:0", nil)
	client := ses.NewFromConfig(shared.awsConfig())
	content := func(text string) *types.Content { return &types.Content{Data: &text, Charset: aws.String("UTF-8")} }
	_, err := client.SendEmail(t.Context(), &ses.SendEmailInput{
		Source: aws.String("Fotograma <" + from + ">"), Destination: &types.Destination{ToAddresses: []string{inParts}},
		Message: &types.Message{
			Subject: content("Seus quadros estão prontos"),
			Body:    &types.Body{Text: content("Olá, aqui estão."), Html: content("<p>Olá, aqui estão.</p>")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const stop, body = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", ".A line that begins with a dot, in UTF-8: é.\r\n"
	raw := "From: Fotograma <" + from + ">\r\nTo: Ana <" + asItIs + ">\r\n" + stop +
		"Subject: As it is\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body
	if _, err := client.SendRawEmail(t.Context(), &ses.SendRawEmailInput{
		Destinations: []string{asItIs}, RawMessage: &types.RawMessage{Data: []byte(raw)},
	}); err != nil {
		t.Fatal(err)
	}

	relay := exec.CommandContext(t.Context(), "python3", root+"/infra/localstack/mail.py")
	relay.Env = append(os.Environ(), "SMTP="+server.Address(), "SES=http://"+shared.aws)
	var log bytes.Buffer
	relay.Stdout, relay.Stderr = &log, &log
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = relay.Process.Kill()
		_ = relay.Wait()
		if t.Failed() {
			t.Logf("mail.py said: %s", &log)
		}
	}()
	// It hands on those of other tests, too.
	to := func(address string) (mails []smtptest.Mail) {
		for _, m := range server.Mails() {
			if cmp.Equal(m.To, []string{address}) {
				mails = append(mails, m)
			}
		}
		return mails
	}
	until(t, "both mails were handed on", func() bool { return len(to(inParts)) > 0 && len(to(asItIs)) > 0 })

	handed := to(asItIs)[0]
	headers, text, _ := strings.Cut(handed.Data, "\r\n\r\n")
	if handed.From != from || text != body || !strings.Contains(headers, stop) {
		t.Errorf("of the raw mail came %+v", handed)
	}
	m, err := gomail.EMLToMsgFromString(to(inParts)[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.GetGenHeader(gomail.HeaderSubject)[0])
	if subject != "Seus quadros estão prontos" || m.GetFrom()[0].Address != from || m.GetTo()[0].Address != inParts {
		t.Errorf("the mail in parts is %q from %v to %v", subject, m.GetFromString(), m.GetToString())
	}
	var got []string
	for _, part := range m.GetParts() {
		content, err := part.GetContent()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(part.GetContentType())+" "+strings.TrimSpace(string(content)))
	}
	if diff := cmp.Diff([]string{"text/plain Olá, aqui estão.", "text/html <p>Olá, aqui estão.</p>"}, got); diff != "" {
		t.Errorf("the mail in parts (-want +got):\n%s", diff)
	}
}
