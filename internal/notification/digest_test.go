package notification_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/notification"
	"github.com/fotograma/fotograma/internal/platform/batch"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// stream is a world in which videos of Ana's end, and mails about them are collected for
// ten minutes.
type stream struct {
	*world
	mu   sync.Mutex
	lost bool // what is sent to the queue
	due  []*sqs.SendMessageInput
}

var errLost = errors.New("SQS is down")

func newStream(t *testing.T, locale string) *stream {
	t.Helper()
	s := &stream{world: newWorld(t)}
	s.service.DigestWindow = 10 * time.Minute
	s.service.Queue = notification.Queue{
		SQS: sqs.NewFromConfig(s.cloud.Config, func(o *sqs.Options) { o.APIOptions = append(o.APIOptions, s.listen) }),
		URL: s.cloud.Env(t, "NotifyFunction")["NOTIFICATION_QUEUE_URL"],
	}
	s.must("registered", person(locale))
	s.must("verified", verified(locale))
	return s
}

// listen has the stream see what is sent to the queue.
func (s *stream) listen(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("listen", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.lost {
			return middleware.InitializeOutput{}, middleware.Metadata{}, errLost
		}
		s.due = append(s.due, in.Parameters.(*sqs.SendMessageInput))
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// ended is the event of a video's end; those whose name begins with "bad" have failed, and
// the frames of those with "soon" will be deleted.
func ended(name string) event.Data {
	ref := event.VideoRef{VideoID: "id-of-" + name, OwnerID: "ana", Run: 1}
	if strings.HasPrefix(name, "bad") {
		return event.ProcessingFailed{VideoRef: ref, Filename: name + ".mp4", Code: "no_video_stream"}
	}
	archive := event.Archive{Frames: 1, Size: 5_600_000, ExpiresAt: noon.AddDate(0, 0, 7)}
	if strings.HasPrefix(name, "soon") {
		return event.ArchiveExpiring{VideoRef: ref, Filename: name + ".mp4", Archive: archive}
	}
	return event.ProcessingCompleted{VideoRef: ref, Filename: name + ".mp4", Archive: archive}
}

// end has videos end, one after the other.
func (s *stream) end(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.must(name, ended(name))
	}
}

// handleDue handles the last message that asks for a digest.
func (s *stream) handleDue() error {
	s.t.Helper()
	if len(s.due) == 0 {
		s.t.Fatal("nobody asks for a digest")
	}
	return s.service.HandleMessage(s.t.Context(), events.SQSMessage{Body: *s.due[len(s.due)-1].MessageBody})
}

// endWindow lets a window's time pass, and the messages come that ask for its digest, twice.
func (s *stream) endWindow() {
	s.t.Helper()
	s.now = s.now.Add(s.service.DigestWindow)
	for _, m := range slices.Concat(s.due, s.due) {
		if err := s.service.HandleMessage(s.t.Context(), events.SQSMessage{Body: *m.MessageBody}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// wantTold checks that there are so many mails, and that each video is told of once.
func (s *stream) wantTold(mails int, names ...string) {
	s.t.Helper()
	s.wantMails(mails)
	for _, name := range names {
		told := 0
		for _, m := range s.post.mails {
			told += strings.Count(m.Text, "/videos/id-of-"+name+"\n")
		}
		if told != 1 {
			s.t.Errorf("%s is told of %d times", name, told)
		}
	}
}

func numbered(name string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%03d", name, i)
	}
	return names
}

func TestOfManyVideosThreeAreToldOfAtOnceAndTheOthersTogether(t *testing.T) {
	for locale, want := range map[string]struct {
		subject string
		text    []string
	}{
		"en": {"3 videos are done, 1 could not be processed, frames of 1 will be deleted soon", []string{
			"Hello Ana,", "sound but no video", "1 frame, 5.6 MB, kept until 1 December 2026, 12:00 UTC", "1 frame, deleted on 1 December 2026, 12:00 UTC", "https://app.example/unsubscribe#",
		}},
		"pt-BR": {"3 vídeos estão prontos, 1 não pôde ser processado, quadros de 1 serão apagados em breve", []string{
			"Olá, Ana!", "tem som, mas não tem vídeo", "1 quadro, 5,6 MB, disponível até 01/12/2026, 12:00 UTC", "https://app.example/unsubscribe#",
		}},
	} {
		t.Run(locale, func(t *testing.T) {
			s := newStream(t, locale)
			all := []string{"a", "b", "c", "d", "e", "soon", "bad", "f"}
			s.end(all...)
			s.wantTold(3, "a", "b", "c")
			if len(s.due) != 1 || s.due[0].DelaySeconds != 600 {
				t.Fatalf("%d messages ask for a digest", len(s.due))
			}
			s.endWindow()
			s.wantTold(4, all...)
			m := s.post.mails[3]
			if m.Subject != want.subject {
				t.Errorf("subject %q, want %q", m.Subject, want.subject)
			}
			for _, part := range want.text {
				if !strings.Contains(m.Text, part) || !strings.Contains(m.HTML, part) {
					t.Errorf("no %q in\n%s\n%s", part, m.Text, m.HTML)
				}
			}
			if strings.Index(m.Text, "bad.mp4") > strings.Index(m.Text, "d.mp4") {
				t.Errorf("those that failed are not first:\n%s", m.Text)
			}
			if kinds, _ := s.list(""); !slices.Equal(slices.Sorted(slices.Values(kinds)), []string{"completed", "completed", "completed", "digest"}) {
				t.Errorf("they were sent %v", kinds)
			}
		})
	}
}

func TestTheSubjectOfADigestCounts(t *testing.T) {
	for want, names := range map[string][]string{
		"2 videos are done":                              {"a", "b"},
		"2 videos could not be processed":                {"bad-a", "bad-b"},
		"1 video is done, 1 could not be processed":      {"a", "bad-a"},
		"Frames of 2 videos will be deleted soon":        {"soon-a", "soon-b"},
		"Quadros de 2 vídeos serão apagados em breve":    {"soon-a", "soon-b"},
		"2 vídeos estão prontos":                         {"a", "b"},
		"2 vídeos não puderam ser processados":           {"bad-a", "bad-b"},
		"1 vídeo está pronto, 1 não pôde ser processado": {"a", "bad-a"},
	} {
		t.Run(want, func(t *testing.T) {
			locale := "en"
			if strings.Contains(want, "vídeo") {
				locale = "pt-BR"
			}
			s := newStream(t, locale)
			s.end("1", "2", "3")
			s.end(names...)
			s.endWindow()
			if got := s.post.mails[len(s.post.mails)-1].Subject; got != want {
				t.Errorf("subject %q, want %q", got, want)
			}
		})
	}
}

func TestAVideoThatIsCollectedAloneHasAMailOfItsOwn(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d")
	s.endWindow()
	s.wantTold(4, "a", "b", "c", "d")
	if got := s.post.mails[3].Subject; got != "Your frames are ready: d.mp4" {
		t.Errorf("subject %q", got)
	}
	if a := s.request("GET", "/v1/notifications", ""); strings.Count(a.Body.String(), `"video_id":"id-of-d"`) != 1 {
		t.Errorf("they were sent %s", a.Body)
	}
}

// However often events come, in whatever order, and in whatever window.
func TestEachVideoIsToldOfOnceHoweverItsEventComes(t *testing.T) {
	s := newStream(t, "en")
	all := numbered("v", 12)
	for range 4 {
		for _, i := range rand.Perm(len(all)) {
			s.end(all[i])
			s.now = s.now.Add(time.Minute)
		}
		s.endWindow()
	}
	s.endWindow()
	s.wantTold(len(s.post.mails), all...)
	if n := len(s.post.mails); n > 6 {
		t.Errorf("%d mails", n)
	}
}

func TestEachOfManyVideosAtTheSameMomentIsToldOfOnce(t *testing.T) {
	s := newStream(t, "en")
	all := numbered("v", 20)
	var moment sync.WaitGroup
	for _, name := range slices.Concat(all, all) {
		moment.Go(func() { // as the queue does with what fails
			for s.handle(name, ended(name)) != nil {
				time.Sleep(time.Millisecond)
			}
		})
	}
	moment.Wait()
	s.wantMails(3)
	s.endWindow()
	s.wantTold(4, all...)
}

func TestAWorkerThatDiesBeforeItAskedForTheDigestIsFollowedByAnother(t *testing.T) {
	for name, later := range map[string]time.Duration{"in the same window": time.Minute, "in a later one": time.Hour} {
		t.Run(name, func(t *testing.T) {
			s := newStream(t, "en")
			s.end("a", "b", "c")
			s.lost = true
			if err := s.handle("d", ended("d")); !errors.Is(err, errLost) {
				t.Fatalf("error %v", err)
			}
			s.lost = false
			s.now = s.now.Add(later)
			s.end("e", "d", "f") // of which the middle one comes again
			s.endWindow()
			for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
				s.wantTold(len(s.post.mails), name)
			}
		})
	}
}

func TestADigestThatCannotBeSentIsTriedAgain(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.now = s.now.Add(time.Hour)
	s.post.fail = errors.New("throttled")
	if err := s.handleDue(); err == nil {
		t.Error("the failure was not told")
	}
	s.post.fail = nil
	s.endWindow()
	s.wantTold(4, "a", "b", "c", "d", "e")
}

func TestADigestOfAWorkerThatDiedIsSentOnce(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.now = s.now.Add(time.Hour)
	e, err := event.Parse([]byte(*s.due[0].MessageBody))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.service.Store.Claim(t.Context(), notification.Claim{UserID: "ana", EventID: e.ID(), At: s.now}); err != nil {
		t.Fatal(err)
	}
	if err := s.handleDue(); err == nil {
		t.Error("two workers send one mail")
	}
	s.now = s.now.Add(3 * time.Minute)
	s.endWindow()
	s.wantTold(4, "a", "b", "c", "d", "e")
}

// A worker that died after it had said so leaves the rows of the videos behind.
func TestADigestThatWasSentIsNotSentAgainForWhatIsLeftOfIt(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	before := s.items("ana")
	s.endWindow()
	s.wantMails(4)
	for _, item := range before {
		if key, err := dynamo.Unmarshal[dynamo.Key](item); err != nil || !strings.HasPrefix(key.SK, "collected#") {
			continue
		}
		if _, err := s.service.Store.DB.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &s.service.Store.Table, Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	s.endWindow()
	s.wantTold(4, "a", "b", "c", "d", "e")
	for _, row := range s.rows("ana") {
		if strings.HasPrefix(row, "collected#") {
			t.Errorf("%s is still there", row)
		}
	}
}

// A message that comes twice, the second time while a worker sends the mail.
func TestAVideoWhoseMailIsBeingSentIsNotCollected(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b")
	s.now = noon.Add(9*time.Minute + 30*time.Second)
	s.post.during = func() {
		s.post.during = nil
		s.now = s.now.Add(time.Minute) // and the window is over
		if err := s.handle("c", ended("c")); err == nil {
			t.Error("it was decided of twice")
		}
	}
	s.end("c")
	s.end("c", "d", "e", "f", "g", "h")
	s.endWindow()
	s.wantTold(7, "a", "b", "c", "d", "e", "f", "g", "h")
}

// As a worker would that decided to send it, and then was slow.
func TestAVideoThatIsCollectedIsNotSentAlone(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.now = s.now.Add(time.Hour)
	if err := s.service.Store.Claim(t.Context(), notification.Claim{UserID: "ana", EventID: "d", At: s.now}); err == nil {
		t.Error("it was allowed")
	}
	s.endWindow()
	s.wantTold(4, "a", "b", "c", "d", "e")
}

// beforeCollecting does something between the moment at which it was decided to collect
// the next video, and that at which it is.
func (s *stream) beforeCollecting(do func()) {
	s.service.Store.DB = dynamodb.NewFromConfig(s.cloud.Config, func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("before", func(
				ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
			) (middleware.InitializeOutput, middleware.Metadata, error) {
				if _, collects := in.Parameters.(*dynamodb.TransactWriteItemsInput); collects && do != nil {
					once := do
					do = nil
					once()
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
		})
	})
}

func TestAVideoWhoseWindowEndsWhileItIsCollectedIsInTheNext(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.beforeCollecting(func() {
		s.endWindow()
		s.wantTold(4, "a", "b", "c", "d", "e")
	})
	s.end("f", "g")
	s.wantMails(4)
	s.endWindow()
	s.wantTold(5, "a", "b", "c", "d", "e", "f", "g")
}

func TestAVideoThatAnotherWorkerTellsOfMeanwhileIsNotCollected(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.beforeCollecting(func() {
		if err := s.service.Store.Claim(s.t.Context(), notification.Claim{UserID: "ana", EventID: "f", At: s.now}); err != nil {
			t.Fatal(err)
		}
	})
	if err := s.handle("f", ended("f")); err == nil {
		t.Error("it was decided of twice")
	}
	s.now = s.now.Add(3 * time.Minute) // that worker has died
	s.end("f")
	s.wantTold(4, "f")
	s.endWindow()
	s.wantTold(5, "a", "b", "c", "d", "e", "f")
}

func TestADigestThatComesTooEarlyWaits(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d")
	s.now = noon.Add(9*time.Minute + 59500*time.Millisecond)
	var postponed *batch.PostponedError
	if err := s.handleDue(); !errors.As(err, &postponed) || postponed.By != time.Second {
		t.Errorf("error %v", err)
	}
	s.end("e")
	s.wantMails(3)
	s.now = noon
	s.endWindow()
	s.wantTold(4, "a", "b", "c", "d", "e")
}

func TestWhileVideosKeepOnEndingAllAreCollected(t *testing.T) {
	s := newStream(t, "en")
	s.end("a-1", "a-2", "a-3", "a-4", "a-5")
	s.endWindow()
	s.wantMails(4)
	s.now = s.now.Add(9 * time.Minute)
	s.end("b-1", "b-2", "b-3")
	s.wantMails(4)
	s.endWindow()
	s.wantTold(5, "a-1", "a-2", "a-3", "a-4", "a-5", "b-1", "b-2", "b-3")

	s.now = s.now.Add(11 * time.Minute) // no more did for longer than a window
	s.end("c-1", "c-2", "c-3")
	s.wantTold(8, "c-1", "c-2", "c-3")
	s.now = s.now.Add(11 * time.Minute) // and of those none was collected
	s.end("d-1")
	s.wantTold(9, "d-1")
}

func TestWhatEndsAfterItsWindowIsInTheNext(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.endWindow()
	s.end("f", "g")
	s.wantMails(4)
	s.endWindow()
	s.wantTold(5, "a", "b", "c", "d", "e", "f", "g")
}

func TestWhatIsSwitchedOffWhileItIsCollectedIsNotInTheDigest(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e", "bad-a", "bad-b")
	s.prefer(`{"email":{"completed":false}}`)
	s.endWindow()
	s.wantTold(4, "bad-a", "bad-b")
	if m := s.post.mails[3]; m.Subject != "2 videos could not be processed" || strings.Contains(m.Text, "d.mp4") {
		t.Errorf("%s\n%s", m.Subject, m.Text)
	}
	s.end("bad-c", "bad-d")
	s.prefer(`{"email":{"failed":false}}`)
	s.endWindow()
	s.wantMails(4)
}

// What was collected before is still told of together.
func TestWhoWantsNoDigestsGetsEachMailAtOnce(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.prefer(`{"email":{"digest":false}}`)
	s.end("f", "g")
	s.wantTold(5, "f", "g")
	s.end("d") // once more
	s.wantMails(5)
	s.endWindow()
	s.wantTold(6, "a", "b", "c", "d", "e", "f", "g")
}

func TestOneClickInADigestSwitchesOffAllMailsAboutVideos(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.endWindow()
	if a := s.click(s.post.mails[3].Unsubscribe); a.Code != 204 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	s.wantPreferences(false, false, false) // and digests stay on: else there would be more mails
	s.end("f", "bad", "soon")
	s.endWindow()
	s.wantMails(4)
}

// A digest counts as one, and what is collected for it not at all.
func TestAnAddressThatIsNotVerifiedGetsFewDigests(t *testing.T) {
	s := newStream(t, "en")
	s.must("not verified", event.ContactChanged{UserID: "ana", Email: "ana@example.com", Locale: "en", Version: 3})
	s.service.UnverifiedMails = 5
	for round, want := range []int{4, 5, 5} {
		s.end(numbered(fmt.Sprint(round), 6)...)
		s.endWindow()
		s.wantMails(want)
	}
}

func TestASuppressedAddressGetsNoDigest(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	if err := s.hear(said("Bounce", "Permanent", "ana@example.com", noon)); err != nil {
		t.Fatal(err)
	}
	s.endWindow()
	s.wantMails(3)
}

func TestNothingOfWhatIsCollectedOutlivesAnErasure(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d", "e")
	s.must("erased", event.AccountErased{UserID: "ana"})
	s.end("d", "f", "g")
	s.endWindow()
	s.wantMails(3)
	s.wantErased()
}

func TestADigestOfVeryManyNamesTheFirst(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c")
	s.end(numbered("v", 250)...)
	s.end(numbered("bad", 2)...)
	s.endWindow()
	s.wantTold(4, slices.Concat(numbered("v", 40), numbered("bad", 2))...)
	m := s.post.mails[3]
	if m.Subject != "250 videos are done, 2 could not be processed" || !strings.Contains(m.Text, "And 210 more: https://app.example/\n") ||
		strings.Contains(m.Text, "v-040") {
		t.Errorf("%s\n%s", m.Subject, m.Text)
	}
}

func TestNoDigestTellsOfFramesThatAreGone(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "soon", "d", "e")
	s.now = noon.AddDate(0, 0, 7) // SES took no mails for a week
	s.endWindow()
	s.wantTold(4, "a", "b", "c", "d", "e")
	if m := s.post.mails[3]; strings.Contains(m.Text, "soon") {
		t.Errorf("it tells of them:\n%s", m.Text)
	}
}

func TestNamesInDigestsShowWhatTheyAre(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d")
	s.must("odd", event.ProcessingFailed{VideoRef: completed().VideoRef, Filename: "<b>a\u202e4pm\u2028.exe", Code: "stalled"})
	s.endWindow()
	if m := s.post.mails[3]; !strings.Contains(m.Text, "\n<b>a4pm.exe\n") || !strings.Contains(m.HTML, ">&lt;b&gt;a4pm.exe</a>") {
		t.Errorf("%s\n%s", m.Text, m.HTML)
	}
}

func TestWhatIsCollectedIsWrittenDown(t *testing.T) {
	s := newStream(t, "en")
	s.end("a", "b", "c", "d")
	s.wantExported(`"filename": "d.mp4"`, `"video_id": "id-of-d"`, `"ends_at": 1795522200000`)
}
