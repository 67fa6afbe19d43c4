package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/pkg/client"
)

// header gives the header of a mail as the person's mail program got it.
func (p *person) header(m mail) netmail.Header {
	p.t.Helper()
	resp, err := http.Get("http://" + p.stack.aws + "/_fotograma/inbox/mails/" + m.ID + "/source")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	message, err := netmail.ReadMessage(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return message.Header
}

// oneClick does what a mail program does when somebody clicks on its "unsubscribe".
func (p *person) oneClick(m mail) {
	p.t.Helper()
	header := p.header(m)
	address := strings.Trim(header.Get("List-Unsubscribe"), "<>")
	if !strings.HasPrefix(address, "http://"+p.stack.web+"/v1/") || header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		p.t.Fatalf("the mail's headers are %v", header)
	}
	resp, err := http.PostForm(address, url.Values{"List-Unsubscribe": {"One-Click"}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		p.t.Fatalf("status %d", resp.StatusCode)
	}
}

// failing uploads what is no video, and waits until it has failed.
func (p *person) failing() {
	p.t.Helper()
	if v := p.wait(p.upload("notes.mp4", []byte("not a video"), "").ID); v.Status != client.Failed {
		p.t.Fatalf("it is %s", v.Status)
	}
}

func TestMailsThatAreNotWantedDoNotCome(t *testing.T) {
	needsBuiltIn(t, noHeaders)
	t.Parallel()
	p := shared.person(t, "en")
	file := film(t, "mp4", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1")
	p.failing()
	mails := p.waitMails(1)
	p.oneClick(mails[0])
	wanted, err := p.NotificationPreferences(t.Context())
	if err != nil || wanted.Email != (client.EmailPreferences{Completed: true, Expiring: true, Digest: true}) {
		t.Fatalf("after one click they want %+v, %v", wanted, err)
	}
	p.failing()
	p.completed(p.upload("film.mp4", file, "").ID)
	p.waitMails(2) // of two that failed, one

	no, yes := false, true
	wanted, err = p.ChangeNotificationPreferences(t.Context(), client.PreferenceChanges{Email: &client.EmailChanges{Completed: &no, Failed: &yes}})
	if err != nil || wanted.Email != (client.EmailPreferences{Failed: true, Expiring: true, Digest: true}) {
		t.Fatalf("after a change they want %+v, %v", wanted, err)
	}
	p.completed(p.upload("film.mp4", file, "").ID)
	p.failing()
	p.waitMails(3)

	page, err := p.Notifications(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, n := range page.Notifications {
		kinds = append(kinds, n.Kind)
	}
	if want := []string{"failed", "completed", "failed", "verify_email"}; !slices.Equal(kinds, want) {
		t.Errorf("they were sent %v, want %v", kinds, want)
	}
}

// withoutDigests has a mail come for each video of a person's.
func (p *person) withoutDigests() {
	p.t.Helper()
	no := false
	if _, err := p.ChangeNotificationPreferences(p.t.Context(), client.PreferenceChanges{Email: &client.EmailChanges{Digest: &no}}); err != nil {
		p.t.Fatal(err)
	}
}

// waitTold waits until all of a person's videos are told of, and checks that each is in
// one mail, and that there are fewer mails than videos.
func (p *person) waitTold(ids []string) {
	p.t.Helper()
	told := func(id string) (n int) {
		for _, m := range p.mails() {
			n += strings.Count(m.Text, "/videos/"+id+"\n")
		}
		return n
	}
	for _, id := range ids {
		until(p.t, "a mail tells of "+id, func() bool { return told(id) > 0 })
	}
	for _, id := range ids {
		if n := told(id); n != 1 {
			p.t.Errorf("%s is told of %d times", id, n)
		}
	}
	if mails := p.mails(); len(mails) >= len(ids) {
		p.t.Errorf("%d mails tell of %d videos", len(mails), len(ids))
	}
}

func TestManyVideosThatFinishTogetherAreToldOfTogether(t *testing.T) {
	t.Parallel()
	s := newStack(t, t.TempDir())
	s.run(t, "DigestSeconds=30")
	p := s.person(t, "en")
	file := film(t, "mp4", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1")
	var ids []string
	for i := range 8 {
		content := file
		if i%4 == 3 {
			content = []byte("not a video")
		}
		ids = append(ids, p.upload(fmt.Sprintf("%d.mp4", i), content, "").ID)
	}
	p.waitTold(ids)
	page, err := p.Notifications(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if newest := page.Notifications[0]; newest.Kind != "digest" || newest.VideoID != "" {
		t.Errorf("the last mail is %+v", newest)
	}
	p.oneClick(p.mails()[0])
	wanted, err := p.NotificationPreferences(t.Context())
	if err != nil || wanted.Email != (client.EmailPreferences{Digest: true}) {
		t.Errorf("after one click they want %+v, %v", wanted, err)
	}
}

func TestAMailsFooterLeadsToThePageThatStopsIt(t *testing.T) {
	needsBuiltIn(t, noHeaders)
	t.Parallel()
	p := shared.person(t, "pt-BR")
	p.failing()
	address := strings.Trim(p.header(p.waitMails(1)[0]).Get("List-Unsubscribe"), "<>")
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || !strings.Contains(p.mails()[0].Text, page) {
		t.Errorf("%d to %q, which the mail does not have:\n%s", resp.StatusCode, page, p.mails()[0].Text)
	}
	_, token, _ := strings.Cut(page, "#token=")
	if err := p.Unsubscribe(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if wanted, err := p.NotificationPreferences(t.Context()); err != nil || wanted.Email.Failed {
		t.Errorf("they want %+v, %v", wanted, err)
	}
}

func TestAPersonIsToldOfFramesThatWillBeDeleted(t *testing.T) {
	needsBuiltIn(t, noHeaders)
	t.Parallel()
	p := shared.person(t, "pt-BR")
	v := p.completed(p.upload("férias.mp4", film(t, "mp4", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1"), "").ID)
	p.waitMails(1)
	p.stack.comeTrue(t, v.ID)
	p.stack.sweep(t)
	p.stack.sweep(t) // which has nothing more to tell
	m := p.waitMails(2)[0]
	if m.Subject != "Seus quadros serão apagados em breve: férias.mp4" || !strings.Contains(m.Text, "/videos/"+v.ID) {
		t.Errorf("%s\n%s", m.Subject, m.Text)
	}
	p.oneClick(m)
	if wanted, err := p.NotificationPreferences(t.Context()); err != nil || wanted.Email != (client.EmailPreferences{Completed: true, Failed: true, Digest: true}) {
		t.Errorf("after one click they want %+v, %v", wanted, err)
	}
	if got, err := p.Video(t.Context(), v.ID); err != nil || got.Status != client.Completed {
		t.Errorf("it is %+v, %v", got, err)
	}
}

// comeTrue has it be time to tell that a video's archive will be deleted.
func (s *stack) comeTrue(t *testing.T, videoID string) {
	t.Helper()
	_, err := dynamodb.NewFromConfig(s.awsConfig()).UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName:                 aws.String("fotograma-processing"),
		Key:                       dynamo.Key{PK: "video#" + videoID, SK: "job"}.Item(),
		UpdateExpression:          aws.String("SET due_at = :now"),
		ConditionExpression:       aws.String("due = :warning AND due_at > :now"),
		ExpressionAttributeValues: dynamo.Item{":warning": dynamo.S("warning"), ":now": dynamo.N(time.Now().Unix())},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sweep runs processing's sweep, as happens every minute.
func (s *stack) sweep(t *testing.T) {
	t.Helper()
	if code, stdout, stderr := s.fotograma(t, "invoke", "ProcessSweepFunction", "-e", "events/processsweep.json", "--aws-addr", s.aws); code != 0 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
}

// SES' mailbox simulator has addresses that bounce.
func TestAnAddressThatBouncesGetsNoMailsUntilItsOwnerSaysSo(t *testing.T) {
	notWith(t, "localstack", noSimulator)
	notWith(t, "moto", noSimulator)
	t.Parallel()
	p := shared.newcomerAt(t, "en", "bounce+"+strings.ToLower(rand.Text())+"@simulator.amazonses.com")
	suppressed := func() *client.Suppression {
		wanted, err := p.NotificationPreferences(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return wanted.Suppressed
	}
	until(t, "the code for the address has bounced", func() bool { return suppressed() != nil })
	if found := suppressed(); found.Reason != "bounce" || !found.Liftable {
		t.Errorf("the settings say %+v", found)
	}
	p.failing()
	if err := p.LiftSuppression(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.failing()
	until(t, "the next mail has bounced", func() bool { return suppressed() != nil })
	page, err := p.Notifications(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, n := range page.Notifications {
		kinds = append(kinds, n.Kind)
	}
	if want := []string{"failed", "verify_email"}; !slices.Equal(kinds, want) {
		t.Errorf("they were sent %v, want %v: none while the address was suppressed", kinds, want)
	}
}
