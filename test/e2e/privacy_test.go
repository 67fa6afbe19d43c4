package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/pkg/client"
)

// traces looks through every table, bucket and queue that AWS has for texts, and
// tells where each of them is: keys of rows, objects with their metadata and, where
// they are JSON, their bytes; unfinished uploads; messages.
type traces struct {
	*stack
	t     testing.TB
	texts []string
	found []string
}

func (s *stack) traces(t testing.TB, texts ...string) []string {
	t.Helper()
	tr := &traces{stack: s, t: t, texts: texts}
	tr.lookInTables()
	tr.lookInBuckets()
	tr.lookInQueues()
	slices.Sort(tr.found)
	return tr.found
}

// see says where one of the texts was found.
func (tr *traces) see(where string, content any) {
	raw, err := json.Marshal(content)
	if err != nil {
		tr.t.Fatal(err)
	}
	for _, text := range tr.texts {
		quoted, _ := json.Marshal(text)
		if strings.Contains(where, text) || bytes.Contains(raw, quoted[1:len(quoted)-1]) {
			tr.found = append(tr.found, where)
			return
		}
	}
}

func (tr *traces) lookInTables() {
	db := dynamodb.NewFromConfig(tr.awsConfig())
	list, err := db.ListTables(tr.t.Context(), &dynamodb.ListTablesInput{})
	if err != nil || len(list.TableNames) != len(tables) {
		tr.t.Fatalf("tables %v, %v", list.TableNames, err)
	}
	for _, table := range list.TableNames {
		pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: &table})
		for pages.HasMorePages() {
			page, err := pages.NextPage(tr.t.Context())
			if err != nil {
				tr.t.Fatal(err)
			}
			for _, item := range page.Items {
				key := func(name string) string { return item[name].(*ddbtypes.AttributeValueMemberS).Value }
				tr.see(fmt.Sprintf("%s %s %s", table, key("pk"), key("sk")), item)
			}
		}
	}
}

func (tr *traces) lookInBuckets() {
	client := tr.s3()
	list, err := client.ListBuckets(tr.t.Context(), &s3.ListBucketsInput{})
	if err != nil {
		tr.t.Fatal(err)
	}
	// Those of other stacks are there, too, where all have one S3.
	buckets := slices.DeleteFunc(list.Buckets, func(b s3types.Bucket) bool { return !strings.HasSuffix(*b.Name, "-"+tr.region) })
	if len(buckets) != 2 {
		tr.t.Fatalf("buckets %v", buckets)
	}
	for _, bucket := range buckets {
		objects := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket.Name})
		for objects.HasMorePages() {
			page, err := objects.NextPage(tr.t.Context())
			if err != nil {
				tr.t.Fatal(err)
			}
			for _, o := range page.Contents {
				tr.see(fmt.Sprintf("%s %s", *bucket.Name, *o.Key), tr.object(bucket.Name, o.Key))
			}
		}
		uploads := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{Bucket: bucket.Name})
		for uploads.HasMorePages() {
			page, err := uploads.NextPage(tr.t.Context())
			if err != nil {
				tr.t.Fatal(err)
			}
			for _, u := range page.Uploads {
				tr.see(fmt.Sprintf("%s unfinished %s", *bucket.Name, *u.Key), nil)
			}
		}
	}
}

// object gives what was signed with an object, and the bytes of a JSON document.
func (tr *traces) object(bucket, key *string) any {
	out, err := tr.s3().GetObject(tr.t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		tr.t.Fatal(err)
	}
	defer out.Body.Close()
	var text []byte
	if strings.HasSuffix(*key, ".json") {
		if text, err = io.ReadAll(out.Body); err != nil {
			tr.t.Fatal(err)
		}
	}
	signed, _ := event.DecodeUpload(out.Metadata[event.MetadataKey])
	return []any{signed, string(text)}
}

func (tr *traces) lookInQueues() {
	client := tr.sqs()
	list, err := client.ListQueues(tr.t.Context(), &sqs.ListQueuesInput{})
	if err != nil || len(list.QueueUrls) < 2*len(queues)-1 {
		tr.t.Fatalf("queues %v, %v", list.QueueUrls, err)
	}
	for _, url := range list.QueueUrls {
		for {
			out, err := client.ReceiveMessage(tr.t.Context(), &sqs.ReceiveMessageInput{
				QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 60, WaitTimeSeconds: 1,
			})
			if err != nil {
				tr.t.Fatal(err)
			}
			if len(out.Messages) == 0 {
				break
			}
			for _, m := range out.Messages {
				tr.see(url, *m.Body)
			}
		}
	}
}

// member is somebody who has done whatever leaves something behind.
type member struct {
	*person
	name  string   // of all files
	ids   []string // of all videos
	early created  // signed, and not uploaded
	parts created  // of which one part is there
}

// texts are all that could tell of the member.
func (m *member) texts() []string {
	return append([]string{m.id, m.email, m.name}, m.ids...)
}

// lives leaves everything behind but a video that is being processed.
func (s *stack) lives(t testing.TB, small []byte, name string) *member {
	t.Helper()
	m := &member{person: s.person(t, "pt-BR"), name: name}
	m.withoutDigests()
	upload := func(file []byte, extraction string) string {
		id := m.upload(name, file, extraction).ID
		m.ids = append(m.ids, id)
		return id
	}
	done := upload(small, `{"fps":1}`)
	m.completed(done)
	again := upload(small, `{"fps":1}`)
	m.completed(again)
	if err := m.Retry(t.Context(), again, json.RawMessage(`{"fps":2}`)); err != nil {
		t.Fatal(err)
	}
	m.waitFor(again, func(v *client.Video) bool { return v.Status == client.Completed && v.Archive.Frames == 2 })
	if failed := m.wait(upload([]byte("not a video"), "")); failed.Status != client.Failed {
		t.Fatalf("it is %s", failed.Status)
	}
	deleted := upload(small, "")
	m.completed(deleted)
	if err := m.Delete(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	m.early = m.create(name, small, "Idempotency-Key: "+name)
	big := large(small)
	m.parts = m.create(name, big)
	m.putParts(m.parts, big, 1)
	m.ids = append(m.ids, m.early.Video.ID, m.parts.Video.ID)
	for range 2 {
		m.login()
	}
	wanted := true
	if _, err := m.ChangeNotificationPreferences(t.Context(), client.PreferenceChanges{Email: &client.EmailChanges{Completed: &wanted}}); err != nil {
		t.Fatal(err)
	}
	var asked struct {
		Export struct {
			ID string `json:"id"`
		} `json:"export"`
	}
	m.call("POST", "/v1/auth/exports", nil).into(t, 202, &asked)
	m.checkExport(asked.Export.ID)
	m.waitMails(5) // two that completed, one of them again; one that failed; one that was then deleted
	return m
}

// checkExport waits until everything was written down, and reads it.
func (m *member) checkExport(id string) {
	m.t.Helper()
	var export struct {
		Status string
		Files  []struct {
			Name, URL string
			Size      int
		}
	}
	until(m.t, "the export is ready", func() bool {
		m.call("GET", "/v1/auth/exports/"+id, nil).into(m.t, 200, &export)
		return export.Status == "ready"
	})
	want := map[string]string{
		"auth.json": m.email, "notification.json": m.email, "video.json": m.name, "status.json": m.name, "processing.json": m.ids[0],
	}
	for _, file := range export.Files {
		resp, err := http.Get(file.URL)
		if err != nil {
			m.t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || len(raw) != file.Size || !json.Valid(raw) || !strings.Contains(string(raw), want[file.Name]) {
			m.t.Errorf("%s: %v, %s, %s", file.Name, err, resp.Status, raw)
		}
		delete(want, file.Name)
	}
	if len(want) > 0 {
		m.t.Errorf("the export lacks %v", want)
	}
}

// tombstones are all that may be left of somebody who was erased.
func tombstones(id string) []string {
	left := []string{"fotograma-auth erasures " + id, "fotograma-processing erasures " + id, "fotograma-video erasures " + id}
	for _, table := range tables {
		left = append(left, table+" user#"+id+" erased")
	}
	slices.Sort(left)
	return left
}

func TestNothingIsLeftOfWhoLeaves(t *testing.T) {
	t.Parallel()
	s := ownStack(t)
	small := film(t, "mp4", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=1", "-pix_fmt", "yuv420p")
	ana, bob := s.lives(t, small, "férias de Ana.mp4"), s.lives(t, small, "bob's holiday.mp4")
	s.settled(t)
	before := bob.download(bob.ids[0]) // which is written down, and so comes first
	stays := s.traces(t, bob.texts()...)
	running := ana.upload(ana.name, read(t, bunny), `{"fps":24,"format":"png","width":2560}`).ID
	ana.ids = append(ana.ids, running)
	_, decoder := s.extracting(t)
	if found := s.traces(t, ana.texts()...); len(found) < 40 {
		t.Fatalf("too little to erase: %q", found)
	}
	other := ana.login()

	ana.call("DELETE", "/v1/auth/me", map[string]string{"password": "not it"}).refused(t, 422, "wrong_password")
	if a := ana.call("DELETE", "/v1/auth/me", map[string]string{"password": ana.password}); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	until(t, "decoding has stopped", func() bool { return !decoder.lives() })
	s.settled(t)
	gone := func(when string) {
		t.Helper()
		var left []string
		until(t, "all is erased "+when, func() bool {
			left = s.traces(t, ana.texts()...)
			return len(left) <= len(tombstones(ana.id))
		})
		if diff := cmp.Diff(tombstones(ana.id), left); diff != "" {
			t.Errorf("%s (-want +left):\n%s", when, diff)
		}
	}
	gone("at first")
	s.checkTombstones(t, ana.id)

	// What comes late: an upload whose signature is still good, what workers and
	// services had said of it, and the same of before once more.
	if resp := ana.early.post(t, small); resp.StatusCode != 201 {
		t.Errorf("upload: %s", resp.Status)
	}
	s.sendLate(t, ana, running)
	s.settled(t)
	until(t, "what was uploaded is gone", func() bool { return len(s.objects(t, uploadsBucket, ana.id)) == 0 })
	gone("after what came late")

	until(t, "the access tokens are worth nothing", func() bool {
		return s.call(t, "GET", "/v1/usage", nil, "Authorization: Bearer "+other.Access).status == 401
	})
	s.call(t, "POST", "/v1/auth/refresh", map[string]string{"refresh_token": other.Refresh}).refused(t, 401, "session_revoked")
	s.call(t, "POST", "/v1/auth/login", map[string]string{"email": ana.email, "password": ana.password}).refused(t, 401, "invalid_credentials")

	if diff := cmp.Diff(stays, s.traces(t, bob.texts()...)); diff != "" {
		t.Errorf("somebody else's (-before +after):\n%s", diff)
	}
	if after := bob.download(bob.ids[0]); sum(after.raw) != sum(before.raw) {
		t.Error("somebody else's archive is another")
	}
	if mails := ana.mails(); len(mails) != 5 {
		t.Errorf("%d mails, want those from before", len(mails))
	}
	if n := s.waiting(t, processingDLQ); n > 0 {
		t.Errorf("%d dead letters", n)
	}
}

// checkTombstones checks that tombstones hold a random ID and times, and nothing else.
func (s *stack) checkTombstones(t testing.TB, id string) {
	t.Helper()
	db := dynamodb.NewFromConfig(s.awsConfig())
	for _, table := range tables {
		for pk, sk := range map[string]string{"user#" + id: "erased", "erasures": id} {
			out, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(table), Key: map[string]ddbtypes.AttributeValue{
				"pk": &ddbtypes.AttributeValueMemberS{Value: pk}, "sk": &ddbtypes.AttributeValueMemberS{Value: sk},
			}})
			if err != nil {
				t.Fatal(err)
			}
			for name := range out.Item {
				if !slices.Contains([]string{"pk", "sk", "ttl", "until"}, name) {
					t.Errorf("a tombstone of %s holds %s: %v", table, name, out.Item)
				}
			}
		}
	}
}

// sendLate sends what may come of somebody who was erased, twice.
func (s *stack) sendLate(t testing.TB, m *member, id string) {
	t.Helper()
	ref := event.VideoRef{VideoID: id, OwnerID: m.id, Run: 1}
	completed := event.ProcessingCompleted{VideoRef: ref, Filename: m.name, Archive: event.Archive{Key: m.id + "/" + id + "/1.zip", Size: 1}}
	for queue, all := range map[string][]event.Data{
		"fotograma-status": {
			event.VideoRegistered{VideoRef: ref, Filename: m.name}, event.ProcessingStarted{VideoRef: ref},
			event.ProcessingProgressed{VideoRef: ref, Progress: 0.5}, completed,
		},
		"fotograma-notification": {
			event.UserRegistered{UserID: m.id, Email: m.email, Name: "Ana", Locale: "en"}, completed,
			event.ExportRequested{UserID: m.id, ExportID: "late"},
		},
		"fotograma-video-events": {completed, event.ArchiveExpired{VideoRef: ref}, event.ExportRequested{UserID: m.id, ExportID: "late"}},
		"fotograma-control":      {event.CancelRequested{VideoRef: ref}, event.VideoDeleted{VideoRef: ref}, event.ExportRequested{UserID: m.id, ExportID: "late"}},
		processingQueue:          {event.RetryRequested{VideoRef: ref, Extraction: json.RawMessage(`{}`)}},
		"fotograma-segments":     {event.SegmentRequested{VideoRef: ref}, event.CheckRequested{VideoRef: ref}, event.AssemblyRequested{VideoRef: ref}},
	} {
		if queue != processingQueue && queue != "fotograma-segments" {
			all = append(all, event.AccountErased{UserID: m.id})
		}
		for i, data := range all {
			e, err := event.New("/test", fmt.Sprint("late-", queue, i), time.Now(), data)
			if err != nil {
				t.Fatal(err)
			}
			body, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				s.send(t, queue, string(body))
			}
		}
	}
}

func TestUsageFollowsWhatIsDone(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	type quota struct {
		Used, Limit int
	}
	usage := func() map[string]quota {
		var answer struct {
			Quotas map[string]quota
		}
		p.call("GET", "/v1/usage", nil).into(t, 200, &answer)
		return answer.Quotas
	}
	id := p.upload("bottles.mp4", read(t, bottles), `{"fps":0.1}`).ID
	video := p.completed(id)
	want := map[string]int{
		"videos_per_day": 1, "minutes_per_day": int(video.Media.Duration+59) / 60, "concurrent_videos": 0,
		"bytes_stored": int(video.Size + video.Archive.Size),
	}
	until(t, "all is counted", func() bool { u := usage(); return u["concurrent_videos"].Used == 0 && u["minutes_per_day"].Used > 0 })
	for name, q := range usage() {
		if used, known := want[name]; known && q.Used != used || q.Limit < 1 {
			t.Errorf("%s: %+v, want %d", name, q, used)
		}
	}
	if err := p.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if u := usage(); u["bytes_stored"].Used != 0 || u["videos_per_day"].Used != 1 {
		t.Errorf("after the deletion: %+v", u)
	}
}

func TestAQuotaIsRefusedWithItsName(t *testing.T) {
	t.Parallel()
	s := newStack(t, t.TempDir())
	s.run(t, "MaxVideosAtOnce=1")
	p := s.person(t, "pt-BR")
	p.create("a.mp4", []byte("a"))
	a := p.call("POST", "/v1/videos", map[string]any{"filename": "b.mp4", "size": 1, "content_type": "video/mp4"}, "Accept-Language: pt-BR")
	a.refused(t, 429, "quota_exceeded")
	if a.header.Get("Retry-After") == "" || !strings.Contains(string(a.body), `"location":"quota.concurrent_videos"`) || !strings.Contains(string(a.body), "em andamento") {
		t.Errorf("%v %s", a.header, a.body)
	}
}
