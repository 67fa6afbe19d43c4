package status_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/cache"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/status"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// world is the projector and the queries over local AWS.
type world struct {
	t         *testing.T
	projector *status.Projector
	handler   http.Handler
	objects   *s3.Client
	queues    *sqs.Client
	config    status.ProjectorConfig
	ids       int
	cache     *cache.Cache
	shared    *cache.Shared
	archives  string
	now       time.Time
	events    int
}

func newWorld(t *testing.T, with ...func(*world)) *world {
	t.Helper()
	cloud := localtest.Start(t)
	env := cloud.Env(t, "StatusFunction")
	w := &world{t: t, objects: s3.NewFromConfig(cloud.Config), archives: env["ARCHIVES_BUCKET"], now: noon}
	now := w.clock
	for _, equip := range with {
		equip(w)
	}
	projector := cloud.Env(t, "ProjectorFunction")
	cfg := status.ProjectorConfig{
		Table: env["STATUS_TABLE"], ArchivesBucket: w.archives, StatusQueueURL: projector["STATUS_QUEUE_URL"],
		VideoEventsQueueURL: projector["VIDEO_EVENTS_QUEUE_URL"], ControlQueueURL: projector["CONTROL_QUEUE_URL"],
	}
	w.queues = sqs.NewFromConfig(cloud.Config)
	w.projector = status.NewProjector(cfg, dynamodb.NewFromConfig(cloud.Config), w.queues, w.objects, w.shared, now, func() string {
		w.ids++
		return fmt.Sprintf("new-%d", w.ids)
	})
	w.config = cfg
	store := w.projector.Store
	api := httpapi.New(httpapi.Config{Now: now, NewID: func() string { return "r" }, Metrics: metrics.New(io.Discard, "Test", now)})
	status.Register(api, &status.Queries{
		Store: store, Archives: &status.Archives{S3: w.objects, Bucket: w.archives},
		Cache: w.cache, Log: status.NewQueryLog(store.DB, store.Table, 30, now), Now: now,
	})
	w.handler = api.Handler()
	return w
}

func (w *world) clock() time.Time { return w.now }

// project lets the projector see that something happened, a second after what
// was told before.
func (w *world) project(data event.Data) {
	w.t.Helper()
	w.events++
	w.deliver(w.message(data, w.events))
}

func (w *world) message(data event.Data, n int) events.SQSMessage { return encoded(w.t, data, n) }

func encoded(t testing.TB, data event.Data, n int) events.SQSMessage {
	t.Helper()
	e, err := event.New("/test", fmt.Sprint(n), noon.Add(time.Duration(n)*time.Second), data)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return messageOf(string(body))
}

func messageOf(body string) events.SQSMessage { return events.SQSMessage{Body: body} }

func (w *world) deliver(m events.SQSMessage) {
	w.t.Helper()
	if err := w.projector.HandleMessage(context.Background(), m); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(user, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r.WithContext(httpapi.WithCaller(r.Context(), httpapi.Caller{UserID: user, SessionID: "s1"})))
	return rec
}

func decode(t *testing.T, rec *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var answer map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%v: %s", err, rec.Body)
	}
	return answer
}

func ref(id string, run int) event.VideoRef {
	return event.VideoRef{VideoID: id, OwnerID: "ana", Run: run}
}

func registered(id string) event.VideoRegistered {
	return event.VideoRegistered{
		VideoRef: ref(id, 1), Filename: id + ".mp4", Size: 5, ContentType: "video/mp4",
		Extraction: json.RawMessage(`{"mode":"fps","fps":1}`), CreatedAt: noon, ExpiresAt: noon.AddDate(0, 0, 7),
	}
}

func completed(id string, run int) event.ProcessingCompleted {
	return event.ProcessingCompleted{
		VideoRef: ref(id, run), Filename: id + ".mp4",
		Media: event.Media{Duration: 2, Width: 640, Height: 360, FrameRate: 25, Codec: "h264"},
		Archive: event.Archive{
			Key: "ana/" + id + ".zip", ManifestKey: "ana/" + id + ".json", Frames: 2, Size: 9,
			SHA256: strings.Repeat("0", 64), ExpiresAt: noon.AddDate(0, 0, 7),
		},
		Warnings: []string{"truncated"},
	}
}

// story is all that happens to a video, in order, with what it then shows.
func story(id string) []struct {
	data   event.Data
	status string
} {
	return []struct {
		data   event.Data
		status string
	}{
		{registered(id), "awaiting_upload"},
		{event.VideoUploaded{VideoRef: ref(id, 1)}, "queued"},
		{event.ProcessingStarted{VideoRef: ref(id, 1)}, "processing"},
		{event.ProcessingProgressed{VideoRef: ref(id, 1), Progress: 0.25}, "processing"},
		{event.ProcessingProgressed{VideoRef: ref(id, 1), Progress: 0.75}, "processing"},
		{event.ProcessingFailed{VideoRef: ref(id, 1), Code: "undecodable"}, "failed"},
		{event.RetryRequested{VideoRef: ref(id, 2), Extraction: json.RawMessage(`{"mode":"fps","fps":2}`)}, "queued"},
		{event.ProcessingStarted{VideoRef: ref(id, 2)}, "processing"},
		{completed(id, 2), "completed"},
		{event.ArchiveExpired{VideoRef: ref(id, 2)}, "expired"},
	}
}

// snapshot is what the video service says of the story once more.
func snapshot(id string) event.VideoSnapshot {
	v := registered(id)
	return event.VideoSnapshot{
		VideoRef: ref(id, 2), Filename: v.Filename, Size: v.Size, ContentType: v.ContentType,
		Extraction: json.RawMessage(`{"mode":"fps","fps":2}`), CreatedAt: v.CreatedAt, ExpiresAt: v.ExpiresAt, Upload: event.UploadArrived,
	}
}

// What the owners of a video tell once more makes the same of it.
func TestAVideoIsMadeAgainOfWhatItsOwnersTell(t *testing.T) {
	w := newWorld(t)
	for _, step := range story("v1") {
		w.project(step.data)
	}
	want := w.get("ana", "/v1/videos/v1").Body.String()
	messages := []events.SQSMessage{w.message(snapshot("v1"), 7), w.message(completed("v1", 2), 9), w.message(event.ArchiveExpired{VideoRef: ref("v1", 2)}, 10)}
	for range messages {
		messages = append(messages[1:], messages[0])
		if err := w.projector.Store.Forget(t.Context(), []dynamo.Item{(dynamo.Key{PK: "user#ana", SK: "video#v1"}).Item()}); err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			w.deliver(m)
		}
		if diff := cmp.Diff(want, w.get("ana", "/v1/videos/v1").Body.String()); diff != "" {
			t.Errorf("(-before +made again):\n%s", diff)
		}
	}
}

func TestAVideoGoesItsWay(t *testing.T) {
	w := newWorld(t)
	for i, step := range story("v1") {
		w.project(step.data)
		if got := decode(t, w.get("ana", "/v1/videos/v1"))["status"]; got != step.status {
			t.Errorf("after step %d: %v, want %s", i, got, step.status)
		}
	}
	w.project(event.VideoDeleted{VideoRef: ref("v1", 2)})
	if rec := w.get("ana", "/v1/videos/v1"); rec.Code != 404 {
		t.Errorf("a deleted video: %d", rec.Code)
	}
}

// However events come, twice and in any order, the same is seen in the end.
func TestTheOrderOfEventsDoesNotMatter(t *testing.T) {
	w := newWorld(t)
	inOrder := story("v1")
	for _, step := range inOrder {
		w.project(step.data)
	}
	want := decode(t, w.get("ana", "/v1/videos/v1"))
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		id := fmt.Sprintf("w%d", round)
		var messages []events.SQSMessage
		for i, step := range story(id) {
			m := w.message(step.data, i+1)
			messages = append(messages, m, m)
		}
		messages = append(messages, w.message(snapshot(id), 7)) // of the retry, which is event 7
		rng.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
		for _, m := range messages {
			w.deliver(m)
		}
		got := decode(t, w.get("ana", "/v1/videos/"+id))
		for _, name := range []string{"status", "progress", "extraction", "error", "updated_at", "expires_at", "media", "archive", "warnings", "size"} {
			if diff := cmp.Diff(want[name], got[name]); diff != "" {
				t.Errorf("round %d: %s (-in order +shuffled):\n%s", round, name, diff)
			}
		}
	}
}

// A retry's archive may be kept for longer than the video was to be at first;
// DynamoDB must not delete the row before.
func TestTheRowOutlivesTheArchive(t *testing.T) {
	w := newWorld(t)
	w.project(registered("v1"))
	late := completed("v1", 2)
	late.Archive.ExpiresAt = noon.AddDate(0, 0, 100)
	w.project(late)
	w.project(registered("v1")) // once more
	if got := decode(t, w.get("ana", "/v1/videos/v1"))["expires_at"]; got != "2027-03-04T12:00:00Z" {
		t.Errorf("the frames are said to go at %v", got)
	}
	out, err := w.projector.Store.DB.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &w.projector.Store.Table, Key: dynamo.Key{PK: "user#ana", SK: "video#v1"}.Item(),
	})
	if err != nil {
		t.Fatal(err)
	}
	row, err := dynamo.Unmarshal[struct {
		TTL int64 `dynamodbav:"ttl"`
	}](out.Item)
	if err != nil || !time.Unix(row.TTL, 0).After(late.Archive.ExpiresAt) {
		t.Errorf("%v: the row ends at %s, the archive at %s", err, time.Unix(row.TTL, 0).UTC(), late.Archive.ExpiresAt)
	}
}

func TestNothingComesBackFromTheDead(t *testing.T) {
	w := newWorld(t)
	w.project(event.VideoDeleted{VideoRef: ref("v1", 1)})
	for _, step := range story("v1") {
		w.project(step.data)
	}
	if rec := w.get("ana", "/v1/videos/v1"); rec.Code != 404 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if list := decode(t, w.get("ana", "/v1/videos"))["videos"].([]any); len(list) != 0 {
		t.Errorf("list %v", list)
	}
}

func TestWhatNobodyCanReadFails(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{"", "{}", `{"specversion":"1.0","id":"1","source":"/x","type":"fotograma.unknown.v1"}`} {
		if err := w.projector.HandleMessage(t.Context(), events.SQSMessage{Body: body}); err == nil {
			t.Errorf("%q was projected", body)
		}
	}
}

func TestListIsPagedNewestFirst(t *testing.T) {
	w := newWorld(t)
	const n = 25
	for i := range n {
		id := fmt.Sprintf("v%03d", i)
		w.project(registered(id))
		if i%5 == 0 {
			w.project(event.VideoUploaded{VideoRef: ref(id, 1)})
		}
		if i%10 == 3 {
			w.project(event.VideoDeleted{VideoRef: ref(id, 1)})
		}
	}
	all := w.pages("ana", "/v1/videos?limit=4")
	if len(all) != n-3 || all[0] != "v024" || all[len(all)-1] != "v000" {
		t.Errorf("%d videos, %v", len(all), all)
	}
	for i := 1; i < len(all); i++ {
		if all[i-1] <= all[i] {
			t.Errorf("%s stands before %s", all[i-1], all[i])
		}
	}
	if got := w.pages("ana", "/v1/videos?limit=2&status=queued"); fmt.Sprint(got) != "[v020 v015 v010 v005 v000]" {
		t.Errorf("queued: %v", got)
	}
	if got := w.pages("bob", "/v1/videos"); len(got) != 0 {
		t.Errorf("another person sees %v", got)
	}
}

// Options can be long: a page must not become larger than a function's answer
// may be.
func TestAPageOfLongOptionsIsShort(t *testing.T) {
	w := newWorld(t)
	list := strings.Repeat("1234567.125,", 25_000)
	const n = 7
	for i := range n {
		v := registered(fmt.Sprintf("v%03d", i))
		v.Extraction = json.RawMessage(`{"timestamps":[` + list + `1234567.125]}`)
		w.project(v)
	}
	if size := w.get("ana", "/v1/videos?limit=100").Body.Len(); size > 2<<20 {
		t.Errorf("a page of %d bytes", size)
	}
	if all := w.pages("ana", "/v1/videos?limit=100"); len(all) != n || all[0] != "v006" || all[n-1] != "v000" {
		t.Errorf("the list is %v", all)
	}
}

// pages reads a list to its end.
func (w *world) pages(user, path string) []string {
	w.t.Helper()
	var ids []string
	next := path
	for next != "" {
		answer := decode(w.t, w.get(user, next))
		for _, v := range answer["videos"].([]any) {
			ids = append(ids, v.(map[string]any)["id"].(string))
		}
		cursor, _ := answer["next_cursor"].(string)
		next = ""
		if cursor != "" {
			next = path + "&cursor=" + cursor
		}
	}
	return ids
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.project(registered("v1"))
	for _, c := range []struct {
		user, path string
		status     int
		code       string
	}{
		{"ana", "/v1/videos?limit=0", 422, "invalid_request"},
		{"ana", "/v1/videos?limit=101", 422, "invalid_request"},
		{"ana", "/v1/videos?status=done", 422, "invalid_request"},
		{"ana", "/v1/videos?cursor=bm9wZQ", 422, "invalid_request"},
		{"ana", "/v1/videos/nowhere", 404, "not_found"},
		{"bob", "/v1/videos/v1", 404, "not_found"},
		{"bob", "/v1/videos/v1/download", 404, "not_found"},
		{"bob", "/v1/videos/v1/manifest", 404, "not_found"},
		{"ana", "/v1/videos/v1/download", 409, "not_ready"},
		{"ana", "/v1/videos/v1/manifest", 409, "not_ready"},
	} {
		rec := w.get(c.user, c.path)
		if code := decode(t, rec)["code"]; rec.Code != c.status || code != c.code {
			t.Errorf("%s as %s: %d %v, want %d %s", c.path, c.user, rec.Code, code, c.status, c.code)
		}
	}
}

func TestUnchangedVideosAreNotSentAgain(t *testing.T) {
	w := newWorld(t)
	w.project(registered("v1"))
	etag := w.get("ana", "/v1/videos/v1").Header().Get("ETag")
	for _, header := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
		if rec := w.get("ana", "/v1/videos/v1", "If-None-Match", header); rec.Code != 304 || rec.Body.Len() != 0 {
			t.Errorf("If-None-Match %s: %d %s", header, rec.Code, rec.Body)
		}
	}
	w.project(event.ProcessingStarted{VideoRef: ref("v1", 1)})
	if rec := w.get("ana", "/v1/videos/v1", "If-None-Match", etag); rec.Code != 200 || rec.Header().Get("ETag") == etag {
		t.Errorf("after a change: %d", rec.Code)
	}
}

func TestSentencesComeInTheReadersLanguage(t *testing.T) {
	w := newWorld(t)
	w.project(registered("v1"))
	w.project(event.ProcessingFailed{VideoRef: ref("v1", 1), Code: "no_video_stream"})
	for language, want := range map[string]string{"en": "sound but no video", "pt-BR": "não tem vídeo"} {
		failure := decode(t, w.get("ana", "/v1/videos/v1", "Accept-Language", language))["error"].(map[string]any)
		if failure["code"] != "no_video_stream" || !strings.Contains(failure["message"].(string), want) {
			t.Errorf("%s: %v", language, failure)
		}
	}
}

func TestTheArchiveIsThereUntilItExpires(t *testing.T) {
	w := newWorld(t)
	w.project(registered("férias"))
	w.project(completed("férias", 1))
	for key, body := range map[string]string{"ana/férias.zip": "the frames", "ana/férias.json": "{\"frames\":[]}\n"} {
		_, err := w.objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &w.archives, Key: aws.String(key), Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
	}
	answer := decode(t, w.get("ana", "/v1/videos/f%C3%A9rias/download"))
	resp, err := http.Get(answer["url"].(string))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || string(body) != "the frames" {
		t.Errorf("download: %s %s", resp.Status, body)
	}
	if signed := resp.Request.URL.Query(); signed.Get("X-Amz-Expires") != "900" {
		t.Errorf("the download is signed for %s s", signed.Get("X-Amz-Expires"))
	}
	if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="f_rias-frames.zip"; filename*=UTF-8''f%C3%A9rias-frames.zip` {
		t.Errorf("Content-Disposition %q", got)
	}
	if rec := w.get("ana", "/v1/videos/f%C3%A9rias/manifest"); rec.Code != 200 || rec.Body.String() != `{"frames":[]}` {
		t.Errorf("manifest: %d %s", rec.Code, rec.Body)
	}

	w.now = noon.AddDate(0, 0, 7)
	for _, path := range []string{"/download", "/manifest"} {
		if rec := w.get("ana", "/v1/videos/f%C3%A9rias"+path); rec.Code != 410 || decode(t, rec)["code"] != "expired" {
			t.Errorf("%s after its time: %d %s", path, rec.Code, rec.Body)
		}
	}
}

// An archive that several workers wrote at once has no hash: nothing is better
// than an empty one.
func TestAnArchiveWithoutHashShowsNone(t *testing.T) {
	w := newWorld(t)
	w.project(registered("v1"))
	done := completed("v1", 1)
	done.Archive.SHA256 = ""
	w.project(done)
	archive, _ := decode(t, w.get("ana", "/v1/videos/v1"))["archive"].(map[string]any)
	download := decode(t, w.get("ana", "/v1/videos/v1/download"))
	for name, shown := range map[string]map[string]any{"archive": archive, "download": download} {
		if _, ok := shown["sha256"]; ok || shown["size"] != 9.0 {
			t.Errorf("%s: %v", name, shown)
		}
	}
}

func TestAManifestThatLambdaCannotAnswerIsRedirected(t *testing.T) {
	w := newWorld(t)
	w.project(registered("v1"))
	w.project(completed("v1", 1))
	huge := strings.Repeat(" ", 5<<20)
	_, err := w.objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &w.archives, Key: aws.String("ana/v1.json"), Body: strings.NewReader(huge)})
	if err != nil {
		t.Fatal(err)
	}
	rec := w.get("ana", "/v1/videos/v1/manifest")
	if rec.Code != http.StatusSeeOther {
		t.Fatalf("%d", rec.Code)
	}
	resp, err := http.Get(rec.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); len(body) != len(huge) {
		t.Errorf("%s, %d bytes", resp.Status, len(body))
	}
}
