package ses

import (
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsses "github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/google/go-cmp/cmp"
)

func TestSendEmail(t *testing.T) {
	e := startVerified(t)
	out, err := e.SendEmail(t.Context(), &awsses.SendEmailInput{
		Source: aws.String("Fotograma – Vídeos <" + sender + ">"),
		Destination: &types.Destination{
			ToAddresses:  []string{"Ana <ana@example.com>", "bo@example.com"},
			CcAddresses:  []string{"cy@example.com"},
			BccAddresses: []string{"secret@example.com"},
		},
		ReplyToAddresses:     []string{"help@fotograma.test"},
		ReturnPath:           aws.String("bounces@fotograma.test"),
		ConfigurationSetName: aws.String("default"),
		Tags:                 []types.MessageTag{{Name: aws.String("event"), Value: aws.String("completed")}},
		Message: &types.Message{
			Subject: text("Seus quadros estão prontos 🎞"),
			Body:    &types.Body{Text: text("Olá, Ana.\nBaixe: http://127.0.0.1:8080/v/1\n"), Html: text("<p>Olá, <b>Ana</b>.</p>")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := e.message(t, *out.MessageId)
	want := mailView{
		ID: *out.MessageId, SentAt: e.clock.now(), Action: "SendEmail", Source: sender, From: "Fotograma – Vídeos <" + sender + ">",
		To: []string{"ana@example.com", "bo@example.com"}, Cc: []string{"cy@example.com"}, Bcc: []string{"secret@example.com"},
		Subject: "Seus quadros estão prontos 🎞", Text: "Olá, Ana.\nBaixe: http://127.0.0.1:8080/v/1\n", HTML: "<p>Olá, <b>Ana</b>.</p>",
		Attachments: []attachment{}, ConfigurationSet: "default", Tags: map[string]string{"event": "completed"}, Relay: relayStatus{State: relayOff},
	}
	if diff := cmp.Diff(want, m, cmp.AllowUnexported(attachment{})); diff != "" {
		t.Errorf("stored mail (-want +got):\n%s", diff)
	}

	_, source := e.get(t, InboxPath+"mails/"+*out.MessageId+"/source")
	if strings.Contains(source, "secret@example.com") {
		t.Error("the blind copy shows in the source")
	}
	parsed, err := mail.ReadMessage(strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Message-Id": "<" + *out.MessageId + "@email.amazonses.com>",
		"Date":       "Sun, 01 Mar 2026 12:00:00 +0000",
		"Reply-To":   "<help@fotograma.test>",
		"Cc":         "<cy@example.com>",
	} {
		if got := parsed.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if kind := parsed.Header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/alternative") {
		t.Errorf("Content-Type: %s", kind)
	}
}

func TestSendEmailRefuses(t *testing.T) {
	e := startVerified(t)
	base := func() *awsses.SendEmailInput {
		return &awsses.SendEmailInput{
			Source: aws.String(sender), Destination: &types.Destination{ToAddresses: []string{"ana@example.com"}},
			Message: &types.Message{Subject: text("s"), Body: &types.Body{Text: text("t")}},
		}
	}
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("p%d@example.com", i))
	}
	for name, tc := range map[string]struct {
		change func(*awsses.SendEmailInput)
		code   string
	}{
		"a sender that is not verified":      {func(in *awsses.SendEmailInput) { in.Source = aws.String("eve@example.com") }, "MessageRejected"},
		"a sender of a lookalike domain":     {func(in *awsses.SendEmailInput) { in.Source = aws.String(sender + ".example.com") }, "MessageRejected"},
		"nobody to send to":                  {func(in *awsses.SendEmailInput) { in.Destination.ToAddresses = nil }, "InvalidParameterValue"},
		"more than 50 recipients":            {func(in *awsses.SendEmailInput) { in.Destination.BccAddresses = many }, "InvalidParameterValue"},
		"an address without a domain":        {func(in *awsses.SendEmailInput) { in.Destination.ToAddresses = []string{"ana"} }, "InvalidParameterValue"},
		"a header hidden in an address":      {func(in *awsses.SendEmailInput) { in.Destination.ToAddresses = []string{"a@b.c\r\nBcc: x@y.z"} }, "InvalidParameterValue"},
		"a header hidden in the sender":      {func(in *awsses.SendEmailInput) { in.Source = aws.String(sender + "\r\nX: y") }, "InvalidParameterValue"},
		"a body without text and HTML":       {func(in *awsses.SendEmailInput) { in.Message.Body = &types.Body{} }, "ValidationError"},
		"more than 10 MiB":                   {func(in *awsses.SendEmailInput) { in.Message.Body.Text = text(strings.Repeat("0123456789\n", 1<<20)) }, "InvalidParameterValue"},
		"a return path that is no address":   {func(in *awsses.SendEmailInput) { in.ReturnPath = aws.String("x") }, "InvalidParameterValue"},
		"a reply address that is no address": {func(in *awsses.SendEmailInput) { in.ReplyToAddresses = []string{"@"} }, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			in := base()
			tc.change(in)
			_, err := e.SendEmail(t.Context(), in)
			wantCode(t, err, tc.code)
		})
	}
	if stored := e.messages(t, ""); len(stored) != 0 {
		t.Errorf("%d refused mails are in the inbox", len(stored))
	}
	_, err := e.SendEmail(t.Context(), func() *awsses.SendEmailInput { in := base(); in.Source = aws.String("eve@example.com"); return in }())
	var rejected *types.MessageRejected
	if !errors.As(err, &rejected) || !strings.Contains(err.Error(), "not verified. The following identities failed the check in region US-EAST-1: eve@example.com") {
		t.Errorf("error %v", err)
	}
}

func TestSubjectCannotForgeHeaders(t *testing.T) {
	e := startVerified(t)
	id := e.send(t, "ana@example.com", "Hello\r\nBcc: eve@example.com\r\n\r\nforged body", types.Body{Text: text("real body")})
	_, source := e.get(t, InboxPath+"mails/"+id+"/source")
	parsed, err := mail.ReadMessage(strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Header.Get("Bcc") != "" || !strings.Contains(e.message(t, id).Text, "real body") {
		t.Errorf("forged:\n%s", source)
	}
}

const rawMail = "From: Fotograma <" + sender + ">\r\n" +
	"To: ana@example.com\r\n" +
	"bcc: secret@example.com,\r\n other@example.com\r\n" +
	"Subject: =?utf-8?q?Pronto=21_=C3=A9?=\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=outer\r\n\r\n" +
	"--outer\r\nContent-Type: multipart/related; boundary=inner\r\n\r\n" +
	"--inner\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"<p>caf=E9 <img src=3D\"cid:logo@x\"></p>\r\n" +
	"--inner\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n" +
	"--inner--\r\n" +
	"--outer\r\nContent-Type: text/plain\r\n\r\nplain\r\n" +
	"--outer\r\nContent-Type: application/zip\r\nContent-Disposition: attachment; filename=\"../../frames.zip\"\r\n\r\nPK\r\n" +
	"--outer--\r\n"

func TestSendRawEmail(t *testing.T) {
	e := startVerified(t)
	id, err := e.sendRaw(t.Context(), rawMail)
	if err != nil {
		t.Fatal(err)
	}
	m := e.message(t, id)
	if m.Subject != "Pronto! é" || m.Text != "plain" || m.HTML != `<p>café <img src="cid:logo@x"></p>` {
		t.Errorf("subject %q, text %q, HTML %q", m.Subject, m.Text, m.HTML)
	}
	if !slices.Equal(m.To, []string{"ana@example.com"}) || !slices.Equal(m.Bcc, []string{"secret@example.com", "other@example.com"}) {
		t.Errorf("to %v, bcc %v", m.To, m.Bcc)
	}
	if len(m.Attachments) != 2 || m.Attachments[1].Filename != "../../frames.zip" || m.Attachments[1].Size != 2 {
		t.Errorf("attachments %+v", m.Attachments)
	}
	_, source := e.get(t, InboxPath+"mails/"+id+"/source")
	if strings.Contains(source, "secret") || strings.Contains(source, "other@") {
		t.Errorf("blind copies are left in the header:\n%s", source)
	}
	if !strings.HasPrefix(source, "Message-ID: <"+id+"@email.amazonses.com>\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nFrom: ") {
		t.Errorf("header:\n%s", source)
	}
	_, rest, _ := strings.Cut(rawMail, "Subject:")
	if !strings.HasSuffix(source, rest) {
		t.Errorf("the rest is not as it was sent:\n%s", source)
	}

	t.Run("named destinations win over the header", func(t *testing.T) {
		id, err := e.sendRaw(t.Context(), rawMail, "ANA@example.com", "third@example.com")
		if err != nil {
			t.Fatal(err)
		}
		m := e.message(t, id)
		if !slices.Equal(m.To, []string{"ANA@example.com"}) || !slices.Equal(m.Bcc, []string{"third@example.com"}) {
			t.Errorf("to %v, bcc %v", m.To, m.Bcc)
		}
	})
	t.Run("source and From are both checked", func(t *testing.T) {
		_, err := e.SendRawEmail(t.Context(), &awsses.SendRawEmailInput{
			Source: aws.String(sender), RawMessage: &types.RawMessage{Data: []byte("From: eve@example.com\r\nTo: a@b.c\r\n\r\nx")},
		})
		wantCode(t, err, "MessageRejected")
	})
	for name, raw := range map[string]string{
		"no From":       "To: a@b.c\r\n\r\nx",
		"two From":      "From: " + sender + ", eve@example.com\r\nTo: a@b.c\r\n\r\nx",
		"no header":     "just text without any colon\r\n\r\nx",
		"no recipients": "From: " + sender + "\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.sendRaw(t.Context(), raw)
			wantCode(t, err, "InvalidParameterValue")
		})
	}
}

func TestIdentities(t *testing.T) {
	e := start(t)
	for _, address := range []string{"b@example.com", "A@Example.com", "c@example.com"} {
		e.verify(t, address)
	}
	domain, err := e.VerifyDomainIdentity(t.Context(), &awsses.VerifyDomainIdentityInput{Domain: aws.String("fotograma.test")})
	if err != nil || *domain.VerificationToken == "" {
		t.Fatalf("%v, %v", domain, err)
	}
	again, err := e.VerifyDomainIdentity(t.Context(), &awsses.VerifyDomainIdentityInput{Domain: aws.String("fotograma.test")})
	if err != nil || *again.VerificationToken != *domain.VerificationToken {
		t.Errorf("a domain's token changed: %v, %v", again, err)
	}
	if err := e.server.VerifyIdentity(t.Context(), "in-process@example.org"); err != nil {
		t.Fatal(err)
	}

	var names []string
	pages := awsses.NewListIdentitiesPaginator(e.Client, &awsses.ListIdentitiesInput{IdentityType: types.IdentityTypeEmailAddress, MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, page.Identities...)
	}
	if want := []string{"a@example.com", "b@example.com", "c@example.com", "in-process@example.org"}; !slices.Equal(names, want) {
		t.Errorf("addresses %v, want %v", names, want)
	}
	domains, err := e.ListIdentities(t.Context(), &awsses.ListIdentitiesInput{IdentityType: types.IdentityTypeDomain})
	if err != nil || !slices.Equal(domains.Identities, []string{"fotograma.test"}) {
		t.Errorf("domains %v, %v", domains, err)
	}

	status, err := e.GetIdentityVerificationAttributes(t.Context(), &awsses.GetIdentityVerificationAttributesInput{
		Identities: []string{"a@example.com", "fotograma.test", "never@example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := status.VerificationAttributes
	if len(got) != 2 || got["a@example.com"].VerificationStatus != types.VerificationStatusSuccess ||
		aws.ToString(got["fotograma.test"].VerificationToken) != *domain.VerificationToken {
		t.Errorf("status %v", got)
	}

	for name, tc := range map[string]struct {
		source string
		ok     bool
	}{
		"a verified address":                      {"b@example.com", true},
		"the same in other letters":               {"B@EXAMPLE.com", true},
		"another address of its domain":           {"d@example.com", false},
		"any address of a verified domain":        {"anyone@fotograma.test", true},
		"an address of its subdomain":             {"anyone@mail.fotograma.test", true},
		"an address of a domain that ends alike":  {"anyone@notfotograma.test", false},
		"an address with the domain in its local": {"fotograma.test@example.net", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.SendEmail(t.Context(), &awsses.SendEmailInput{
				Source: &tc.source, Destination: &types.Destination{ToAddresses: []string{"x@example.com"}},
				Message: &types.Message{Subject: text("s"), Body: &types.Body{Text: text("t")}},
			})
			if tc.ok && err != nil {
				t.Fatal(err)
			}
			if !tc.ok {
				wantCode(t, err, "MessageRejected")
			}
		})
	}

	t.Run("deleted", func(t *testing.T) {
		if _, err := e.DeleteIdentity(t.Context(), &awsses.DeleteIdentityInput{Identity: aws.String("fotograma.test")}); err != nil {
			t.Fatal(err)
		}
		_, err := e.SendEmail(t.Context(), &awsses.SendEmailInput{
			Source: aws.String("a@fotograma.test"), Destination: &types.Destination{ToAddresses: []string{"x@example.com"}},
			Message: &types.Message{Subject: text("s"), Body: &types.Body{Text: text("t")}},
		})
		wantCode(t, err, "MessageRejected")
	})
	t.Run("no address", func(t *testing.T) {
		_, err := e.VerifyEmailIdentity(t.Context(), &awsses.VerifyEmailIdentityInput{EmailAddress: aws.String("not an address")})
		wantCode(t, err, "InvalidParameterValue")
		_, err = e.VerifyDomainIdentity(t.Context(), &awsses.VerifyDomainIdentityInput{Domain: aws.String("no domain!")})
		wantCode(t, err, "InvalidParameterValue")
	})
	t.Run("the old name of the call", func(t *testing.T) {
		if _, err := e.VerifyEmailAddress(t.Context(), &awsses.VerifyEmailAddressInput{EmailAddress: aws.String("old@example.com")}); err != nil {
			t.Fatal(err)
		}
		out, err := e.ListVerifiedEmailAddresses(t.Context(), &awsses.ListVerifiedEmailAddressesInput{})
		if err != nil || !slices.Contains(out.VerifiedEmailAddresses, "old@example.com") {
			t.Errorf("%v, %v", out, err)
		}
	})
}

func TestQuotaAndStatistics(t *testing.T) {
	e := startVerified(t)
	e.send(t, "a@example.com", "one", types.Body{Text: text("t")})
	e.clock.advance(23 * time.Hour)
	e.send(t, "a@example.com", "two", types.Body{Text: text("t")})
	e.send(t, "a@example.com", "three", types.Body{Text: text("t")})
	e.clock.advance(2 * time.Hour)

	quota, err := e.GetSendQuota(t.Context(), &awsses.GetSendQuotaInput{})
	if err != nil || quota.SentLast24Hours != 2 || quota.Max24HourSend != 50000 {
		t.Errorf("quota %+v, %v", quota, err)
	}
	stats, err := e.GetSendStatistics(t.Context(), &awsses.GetSendStatisticsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.SendDataPoints) != 2 || stats.SendDataPoints[1].DeliveryAttempts != 2 || !stats.SendDataPoints[0].Timestamp.Equal(newClock().now()) {
		t.Errorf("statistics %+v", stats.SendDataPoints)
	}
	enabled, err := e.GetAccountSendingEnabled(t.Context(), &awsses.GetAccountSendingEnabledInput{})
	if err != nil || !enabled.Enabled {
		t.Errorf("%v, %v", enabled, err)
	}
}

func TestTemplates(t *testing.T) {
	e := startVerified(t)
	ready := &types.Template{
		TemplateName: aws.String("ready"), SubjectPart: aws.String("{{video.name}} is ready"),
		TextPart: aws.String("{{ frames }} frames"), HtmlPart: aws.String("<b>{{frames}}</b>"),
	}
	if _, err := e.CreateTemplate(t.Context(), &awsses.CreateTemplateInput{Template: ready}); err != nil {
		t.Fatal(err)
	}
	_, err := e.CreateTemplate(t.Context(), &awsses.CreateTemplateInput{Template: ready})
	wantCode(t, err, "AlreadyExists")
	send := func(name, data string) (*awsses.SendTemplatedEmailOutput, error) {
		return e.SendTemplatedEmail(t.Context(), &awsses.SendTemplatedEmailInput{
			Source: aws.String(sender), Destination: &types.Destination{ToAddresses: []string{"ana@example.com"}},
			Template: &name, TemplateData: &data,
		})
	}
	out, err := send("ready", `{"video":{"name":"bunny.mp4"},"frames":1000000}`)
	if err != nil {
		t.Fatal(err)
	}
	if m := e.message(t, *out.MessageId); m.Subject != "bunny.mp4 is ready" || m.Text != "1000000 frames" || m.HTML != "<b>1000000</b>" {
		t.Errorf("sent %+v", m)
	}
	for name, tc := range map[string]struct{ template, data, code string }{
		"a value that is missing":     {"ready", `{"video":{},"frames":1}`, "MissingRenderingAttribute"},
		"data that is no object":      {"ready", `[]`, "InvalidRenderingParameter"},
		"a template that is not here": {"absent", `{}`, "TemplateDoesNotExist"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := send(tc.template, tc.data)
			wantCode(t, err, tc.code)
		})
	}
	t.Run("what is not understood is refused at once", func(t *testing.T) {
		for _, part := range []string{"{{#if a}}x{{/if}}", "{{> partial}}", "{{{raw}}}", "{{a b}}", "{{}}"} {
			_, err := e.CreateTemplate(t.Context(), &awsses.CreateTemplateInput{Template: &types.Template{
				TemplateName: aws.String("bad"), SubjectPart: aws.String("s"), TextPart: &part,
			}})
			wantCode(t, err, "InvalidTemplate")
		}
	})
	t.Run("update, list, get, delete", func(t *testing.T) {
		ready.TextPart = aws.String("changed")
		if _, err := e.UpdateTemplate(t.Context(), &awsses.UpdateTemplateInput{Template: ready}); err != nil {
			t.Fatal(err)
		}
		_, err := e.UpdateTemplate(t.Context(), &awsses.UpdateTemplateInput{Template: &types.Template{TemplateName: aws.String("absent"), SubjectPart: aws.String("s")}})
		wantCode(t, err, "TemplateDoesNotExist")
		list, err := e.ListTemplates(t.Context(), &awsses.ListTemplatesInput{})
		if err != nil || len(list.TemplatesMetadata) != 1 || !list.TemplatesMetadata[0].CreatedTimestamp.Equal(e.clock.now()) {
			t.Errorf("%v, %v", list, err)
		}
		got, err := e.GetTemplate(t.Context(), &awsses.GetTemplateInput{TemplateName: aws.String("ready")})
		if err != nil || *got.Template.TextPart != "changed" || *got.Template.SubjectPart != *ready.SubjectPart {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := e.DeleteTemplate(t.Context(), &awsses.DeleteTemplateInput{TemplateName: aws.String("ready")}); err != nil {
			t.Fatal(err)
		}
		_, err = e.GetTemplate(t.Context(), &awsses.GetTemplateInput{TemplateName: aws.String("ready")})
		wantCode(t, err, "TemplateDoesNotExist")
	})
}

func TestProtocolErrors(t *testing.T) {
	e := start(t)
	for name, tc := range map[string]struct{ body, code string }{
		"no action":            {"Version=2010-12-01", "MissingAction"},
		"an action not here":   {"Action=CreateReceiptRule", "InvalidAction"},
		"a form that is none":  {"Action=%zz", "MalformedInput"},
		"nothing to verify":    {"Action=VerifyEmailIdentity", "ValidationError"},
		"raw mail, not base64": {"Action=SendRawEmail&RawMessage.Data=%25", "InvalidParameterValue"},
		"a page size of none":  {"Action=ListIdentities&MaxItems=0", "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := e.post(t, tc.body)
			want := `<ErrorResponse xmlns="` + namespace + `"><Error><Type>Sender</Type><Code>` + tc.code + `</Code>`
			if res.StatusCode != http.StatusBadRequest || !strings.HasPrefix(body, want) {
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
}

func TestListReadsMembersInOrder(t *testing.T) {
	form := url.Values{"A.member.1": {"x"}, "A.member.2": {""}, "A.member.4": {"beyond a gap"}, "AB.member.1": {"y"}}
	if got := list(form, "A"); !slices.Equal(got, []string{"x", ""}) {
		t.Errorf("%q", got)
	}
}

func TestRestartKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space & %41?.db")
	var id string
	t.Run("before", func(t *testing.T) {
		e := startAt(t, path, Options{})
		e.verify(t, sender)
		id = e.send(t, "ana@example.com", "kept", types.Body{Html: text("<p>kept</p>")})
	})
	t.Run("after", func(t *testing.T) {
		e := startAt(t, path, Options{})
		if m := e.message(t, id); m.Subject != "kept" || m.HTML != "<p>kept</p>" {
			t.Errorf("mail %+v", m)
		}
		e.send(t, "ana@example.com", "the sender is still verified", types.Body{Text: text("t")})
	})
}
