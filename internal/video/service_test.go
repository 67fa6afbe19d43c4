package video_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/caarlos0/env/v11"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/tracing"
	"github.com/fotograma/fotograma/internal/video"
)

// world is the video service over local AWS, with a clock of its own.
type world struct {
	t         *testing.T
	cloud     aws.Config
	cfg       video.Config
	listening video.ListenerConfig
	archives  string
	service   *video.Service
	handler   http.Handler
	db        *dynamodb.Client
	queues    *sqs.Client
	objects   *s3.Client
	ids       atomic.Int64
	clock     atomic.Int64 // seconds after now
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cloud := localtest.Start(t)
	w := &world{t: t, cloud: cloud.Config}
	var cfg video.ListenerConfig
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: cloud.Env(t, "VideoEventsFunction")}); err != nil {
		t.Fatal(err)
	}
	w.archives, w.listening = cfg.ArchivesBucket, cfg
	if err := env.ParseWithOptions(&w.cfg, env.Options{Environment: cloud.Env(t, "VideoFunction")}); err != nil {
		t.Fatal(err)
	}
	w.connect(cloud.Config)
	return w
}

// over gives the same service, whose requests to AWS go by another client.
func (w *world) over(client *http.Client) *world {
	other := &world{t: w.t, cfg: w.cfg, archives: w.archives}
	other.clock.Store(w.clock.Load())
	config := w.cloud.Copy()
	config.HTTPClient, config.RetryMaxAttempts = client, 1
	other.connect(config)
	return other
}

func (w *world) connect(config aws.Config) {
	w.db, w.queues, w.objects = dynamodb.NewFromConfig(config), sqs.NewFromConfig(config), s3.NewFromConfig(config)
	now := func() time.Time { return time.Now().Add(time.Duration(w.clock.Load()) * time.Second) }
	id := func() string { return fmt.Sprintf("id-%06d", w.ids.Add(1)) }
	w.service = video.New(w.cfg, w.db, w.queues, w.objects, nil, now, id)
	api := httpapi.New(httpapi.Config{Now: now, NewID: id, Metrics: metrics.New(io.Discard, "Test", now)})
	video.Register(api, w.service)
	w.handler = api.Handler()
}

// atTheBeginningOfADay sets the clock to the first minute of a day, UTC.
func (w *world) atTheBeginningOfADay() {
	tomorrow := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	w.clock.Store(int64(time.Until(tomorrow).Seconds()) + 2)
}

// call sends a request as a person and gives the status and the answer.
func (w *world) call(user, method, path, body string, header ...string) (int, map[string]any) {
	w.t.Helper()
	rec := w.record(user, method, path, body, header...)
	var answer map[string]any
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			w.t.Fatalf("%s %s: %v: %s", method, path, err, rec.Body)
		}
	}
	return rec.Code, answer
}

// record sends a request as a person and gives the whole answer.
func (w *world) record(user, method, path, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r = r.WithContext(httpapi.WithCaller(r.Context(), httpapi.Caller{UserID: user, SessionID: "s1"}))
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// create registers a video of so many bytes and gives its ID and upload.
func (w *world) create(user string, size int64) (string, map[string]any) {
	w.t.Helper()
	status, answer := w.call(user, "POST", "/v1/videos",
		fmt.Sprintf(`{"filename":"a.mp4","size":%d,"content_type":"video/mp4"}`, size))
	if status != http.StatusCreated {
		w.t.Fatalf("create: %d %v", status, answer)
	}
	return dig[string](answer, "video", "id"), dig[map[string]any](answer, "upload")
}

func dig[T any](from map[string]any, path ...string) T {
	var at any = from
	for _, name := range path {
		m, _ := at.(map[string]any)
		at = m[name]
	}
	value, _ := at.(T)
	return value
}

// post uploads as a browser does and gives S3's status.
func (w *world) post(upload map[string]any, file []byte, change map[string]string) (int, string) {
	w.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range dig[map[string]any](upload, "fields") {
		if other, ok := change[name]; ok {
			value = other
		}
		_ = form.WriteField(name, fmt.Sprint(value))
	}
	part, _ := form.CreateFormFile("file", "a.mp4")
	_, _ = part.Write(file)
	_ = form.Close()
	resp, err := http.Post(dig[string](upload, "url"), form.FormDataContentType(), &body)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer)
}

// events gives the types of the events in a queue, and empties it.
func (w *world) events(url string) []string {
	w.t.Helper()
	var types []string
	for _, body := range localtest.Drain(w.t, w.queues, url) {
		if e, err := event.Parse([]byte(body)); err == nil { // S3's own messages are none
			types = append(types, strings.TrimPrefix(e.Type(), "fotograma."))
		}
	}
	return types
}

func (w *world) wantEvents(url string, want ...string) {
	w.t.Helper()
	if got := w.events(url); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("events %v, want %v", got, want)
	}
}

func TestAVideoIsUploadedInOnePost(t *testing.T) {
	w := newWorld(t)
	id, upload := w.create("ana", 5)
	w.wantEvents(w.cfg.StatusQueueURL, "video.registered.v1")
	if method := dig[string](upload, "method"); method != "POST" {
		t.Fatalf("method %s", method)
	}
	if status, answer := w.call("ana", "POST", "/v1/videos/"+id+"/complete", ""); status != 409 || answer["code"] != "upload_missing" {
		t.Errorf("complete before the upload: %d %v", status, answer)
	}
	if status, answer := w.post(upload, []byte("hello"), nil); status != 201 {
		t.Fatalf("upload: %d %s", status, answer)
	}
	head, err := w.objects.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &w.cfg.UploadsBucket, Key: aws.String("ana/" + id)})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := event.DecodeUpload(head.Metadata[event.MetadataKey])
	if err != nil || signed.Filename != "a.mp4" || signed.Run != 1 || !strings.Contains(string(signed.Extraction), `"fps":1`) {
		t.Errorf("metadata %+v, %v", signed, err)
	}
	for range 2 { // the second time changes nothing
		if status, answer := w.call("ana", "POST", "/v1/videos/"+id+"/complete", "{}"); status != 202 || answer["status"] != "queued" {
			t.Errorf("complete: %d %v", status, answer)
		}
	}
	w.wantEvents(w.cfg.StatusQueueURL, "video.uploaded.v1")
}

func TestAnUploadIsBoundToWhatWasSigned(t *testing.T) {
	w := newWorld(t)
	id, upload := w.create("ana", 5)
	for name, c := range map[string]struct {
		file   string
		change map[string]string
	}{
		"a larger file":      {file: "hello!"},
		"a smaller file":     {file: "hell"},
		"another key":        {file: "hello", change: map[string]string{"key": "bob/" + id}},
		"another type":       {file: "hello", change: map[string]string{"Content-Type": "text/html"}},
		"other metadata":     {file: "hello", change: map[string]string{"x-amz-meta-fotograma": "e30"}},
		"another trace":      {file: "hello", change: map[string]string{"x-amz-meta-traceparent": "00-" + strings.Repeat("1", 32) + "-00f067aa0ba902b7-01"}},
		"another signature":  {file: "hello", change: map[string]string{"X-Amz-Signature": strings.Repeat("0", 64)}},
		"another expiration": {file: "hello", change: map[string]string{"policy": "e30="}},
	} {
		if status, answer := w.post(upload, []byte(c.file), c.change); status < 400 || status >= 500 {
			t.Errorf("%s: S3 answered %d %s", name, status, answer)
		}
	}
	if status, _ := w.call("ana", "POST", "/v1/videos/"+id+"/complete", ""); status != 409 {
		t.Errorf("something was uploaded: %d", status)
	}
}

func TestWhatComesOfAFileBelongsToTheTraceOfItsRequest(t *testing.T) {
	w := newWorld(t)
	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, size := range []int{5, 200 << 20} { // in one POST and in parts
		body := fmt.Sprintf(`{"filename":"a.mp4","size":%d,"content_type":"video/mp4"}`, size)
		status, answer := w.call("ana", "POST", "/v1/videos", body, "Traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
		if status != http.StatusCreated {
			t.Fatalf("create: %d %v", status, answer)
		}
		for _, m := range localtest.Drain(t, w.queues, w.cfg.StatusQueueURL) {
			if e, err := event.Parse([]byte(m)); err != nil || !strings.Contains(tracing.ParentOf(e), traceID) {
				t.Errorf("the event carries %q, %v", tracing.ParentOf(e), err)
			}
		}
		if fields, ok := dig[map[string]any](answer, "upload")["fields"].(map[string]any); ok {
			if got := dig[string](fields, "x-amz-meta-traceparent"); !strings.Contains(got, traceID) {
				t.Errorf("signed was the trace %q", got)
			}
		}
	}
}

func TestALargeVideoIsUploadedInParts(t *testing.T) {
	w := newWorld(t)
	const part = 16 << 20
	const size = 100<<20 + 1
	id, upload := w.create("ana", size)
	if dig[string](upload, "method") != "MULTIPART" || dig[float64](upload, "part_size") != part || dig[string](upload, "upload_id") == "" {
		t.Fatalf("upload %v", upload)
	}
	path := "/v1/videos/" + id
	status, answer := w.call("ana", "POST", path+"/parts", `{"part_numbers":[1,2,3,4,5,6,7]}`)
	if status != 200 {
		t.Fatalf("sign: %d %v", status, answer)
	}
	var parts []string
	for i, p := range dig[[]any](answer, "parts") {
		length := min(part, size-i*part)
		etag := put(t, dig[string](p.(map[string]any), "url"), length, http.StatusOK)
		parts = append(parts, fmt.Sprintf(`{"part_number":%d,"etag":%q}`, i+1, etag))
	}
	put(t, dig[string](dig[[]any](answer, "parts")[6].(map[string]any), "url"), 2, http.StatusForbidden) // another size than was signed

	_, listed := w.call("ana", "GET", path+"/parts", "")
	if have := dig[[]any](listed, "parts"); len(have) != 7 || dig[float64](have[6].(map[string]any), "size") != 4194305 {
		t.Errorf("parts %v", have)
	}
	complete := func(parts []string) (int, map[string]any) {
		return w.call("ana", "POST", path+"/complete", `{"parts":[`+strings.Join(parts, ",")+`]}`)
	}
	for name, bad := range map[string][]string{
		"one part is missing": parts[:6],
		"a part twice":        append(parts[:6:6], parts[5]),
		"another etag":        append(parts[:6:6], `{"part_number":7,"etag":"\"00\""}`),
		"none":                nil,
	} {
		if status, answer := complete(bad); status != 422 || answer["code"] != "invalid_parts" {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	for range 2 { // the second answer may be for a call whose first one was lost
		if status, answer := complete(parts); status != 202 {
			t.Fatalf("complete: %d %v", status, answer)
		}
	}
	w.wantEvents(w.cfg.StatusQueueURL, "video.registered.v1", "video.uploaded.v1")
	if status, answer := w.call("ana", "GET", path+"/parts", ""); status != 409 || answer["code"] != "upload_closed" {
		t.Errorf("parts of a finished upload: %d %v", status, answer)
	}
}

func put(t *testing.T, url string, length, want int) string {
	t.Helper()
	req, _ := http.NewRequest(http.MethodPut, url, bytes.NewReader(make([]byte, length)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != want {
		t.Errorf("PUT of %d bytes: %s %s, want %d", length, resp.Status, answer, want)
	}
	return resp.Header.Get("ETag")
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"too large", `{"filename":"a.mp4","size":99999999999999,"content_type":"video/mp4"}`, 413, "too_large"},
		{"negative", `{"filename":"a.mp4","size":-1,"content_type":"video/mp4"}`, 422, "invalid_request"},
		{"negative in other letters", `{"filename":"a.mp4","size":1,"Size":-1,"content_type":"video/mp4"}`, 422, "invalid_request"},
		{"a text", `{"filename":"a.txt","size":1,"content_type":"text/plain"}`, 415, "unsupported_media"},
		{"a text of unknown type", `{"filename":"a.txt","size":1,"content_type":"application/octet-stream"}`, 415, "unsupported_media"},
		{"no type", `{"filename":"a.mp4","size":1,"content_type":"mp4"}`, 415, "unsupported_media"},
		{"a line break in the type", `{"filename":"a.mp4","size":999999999,"content_type":"video/mp4\n"}`, 415, "unsupported_media"},
		{"a folder", `{"filename":"../a.mp4","size":1,"content_type":"video/mp4"}`, 422, "invalid_request"},
		{"a control character", `{"filename":"a\u0000.mp4","size":1,"content_type":"video/mp4"}`, 422, "invalid_request"},
		{"blank", `{"filename":" ","size":1,"content_type":"video/mp4"}`, 422, "invalid_request"},
		{"not a hash", `{"filename":"a.mp4","size":1,"content_type":"video/mp4","sha256":"00"}`, 422, "invalid_request"},
	} {
		if status, answer := w.call("ana", "POST", "/v1/videos", c.body); status != c.status || answer["code"] != c.code {
			t.Errorf("%s: %d %v, want %d %s", c.name, status, answer, c.status, c.code)
		}
	}
	w.wantEvents(w.cfg.StatusQueueURL)
}

func withExtraction(extraction string) string {
	return `{"filename":"a.mp4","size":5,"content_type":"video/mp4","extraction":` + extraction + `}`
}

func TestEveryModeIsTaken(t *testing.T) {
	w := newWorld(t)
	for given, want := range map[string]string{
		`{}`: `{"mode":"fps","fps":1,"format":"jpeg","quality":90}`,
		`{"fps":29.97,"start":1,"end":9.5,"max_frames":7}`: `{"mode":"fps","fps":29.97,"start":1,"end":9.5,"max_frames":7,"format":"jpeg","quality":90}`,
		`{"interval":0.5,"format":"png"}`:                  `{"mode":"interval","interval":0.5,"format":"png"}`,
		`{"count":12,"end":60}`:                            `{"mode":"count","count":12,"end":60,"format":"jpeg","quality":90}`,
		`{"every_nth":30,"dedupe":true}`:                   `{"mode":"every_nth","every_nth":30,"format":"jpeg","quality":90,"dedupe":true}`,
		`{"mode":"keyframes","sprite":true}`:               `{"mode":"keyframes","format":"jpeg","quality":90,"sprite":true}`,
		`{"mode":"scenes","width":320}`:                    `{"mode":"scenes","threshold":0.3,"format":"jpeg","quality":90,"width":320,"fit":"contain"}`,
		`{"timestamps":[0,2.5,61.04],"format":"webp"}`:     `{"mode":"timestamps","timestamps":[0,2.5,61.04],"format":"webp","quality":90}`,
	} {
		status, answer := w.call("ana", "POST", "/v1/videos", withExtraction(given))
		if status != http.StatusCreated {
			t.Errorf("%s: %d %v", given, status, answer)
			continue
		}
		if got, _ := json.Marshal(dig[any](answer, "video", "extraction")); !sameJSON(string(got), want) {
			t.Errorf("%s: the video has %s, want %s", given, got, want)
		}
		fields := dig[map[string]any](answer, "upload", "fields")
		signed, err := event.DecodeUpload(dig[string](fields, "x-amz-meta-fotograma"))
		if err != nil || !sameJSON(string(signed.Extraction), want) {
			t.Errorf("%s: signed was %s, %v", given, signed.Extraction, err)
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// Whatever does not fit together is refused with the member's name, and why, in
// the reader's language.
func TestExtractionsThatDoNotFitTogether(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ extraction, member, en, pt string }{
		{`{"mode":"every"}`, "mode", `expected value to be one of "fps, interval, count, every_nth, keyframes, scenes, timestamps"`, `deve ser um destes: "fps, interval, count, every_nth, keyframes, scenes, timestamps"`},
		{`{"fps":-1}`, "fps", "expected number > 0", "deve ser maior que 0"},
		{`{"fps":"2"}`, "fps", "expected number", "deve ser um número"},
		{`{"fps":1,"interval":2}`, "interval", "does not go with fps: each has a mode of its own", "não combina com fps: cada um tem um modo próprio"},
		{`{"mode":"interval"}`, "interval", "must be 0.001 to 86400 seconds", "deve ser de 0.001 a 86400 segundos"},
		{`{"mode":"count"}`, "count", "must be 1 to 1000000", "deve ser de 1 a 1000000"},
		{`{"mode":"every_nth","every_nth":2.5}`, "every_nth", "expected integer", "deve ser um número inteiro"},
		{`{"mode":"keyframes","every_nth":2}`, "every_nth", `goes with mode "every_nth", not with mode "keyframes"`, `é do modo "every_nth", não do modo "keyframes"`},
		{`{"mode":"scenes","threshold":1.5}`, "threshold", "expected number <= 1", "deve ser no máximo 1"},
		{`{"mode":"fps","threshold":0.5}`, "threshold", `goes with mode "scenes", not with mode "fps"`, `é do modo "scenes", não do modo "fps"`},
		{`{"timestamps":[]}`, "timestamps", "expected array length >= 1", "o número de itens deve ser no mínimo 1"},
		{`{"mode":"timestamps"}`, "timestamps", "must be a list of 1 to 10000 instants", "deve ser uma lista de 1 a 10000 instantes"},
		{`{"timestamps":[1,3,2]}`, "timestamps", "must be in ascending order, but 2 comes after 3", "deve estar em ordem crescente, mas 2 vem depois de 3"},
		{`{"timestamps":[-1]}`, "timestamps", "must be 0 to 1000000 seconds each", "devem ser de 0 a 1000000 segundos cada"},
		{`{"timestamps":[1,"2"]}`, "timestamps[1]", "expected number", "deve ser um número"},
		{`{"timestamps":[1],"start":1}`, "start", `does not go with mode "timestamps"`, `não combina com o modo "timestamps"`},
		{`{"start":2,"end":1}`, "end", "must be after start", "deve vir depois de start"},
		{`{"fit":"cover","width":10}`, "fit", `"cover" needs both width and height`, `"cover" precisa de width e height`},
		{`{"dedupe":"yes"}`, "dedupe", "expected boolean", "deve ser true ou false"},
		{`{"sprites":true}`, "sprites", "unexpected property", "membro desconhecido"},
		{`{"timestamps":` + timestamps(2000) + `}`, "timestamps",
			"is too long to travel with an upload; give fewer, or upload with other options and give the list to POST /v1/videos/{id}/retry",
			"é longa demais para acompanhar um envio; informe menos, ou envie com outras opções e informe a lista em POST /v1/videos/{id}/retry"},
	} {
		for language, want := range map[string]string{"en": c.en, "pt-BR": c.pt} {
			status, answer := w.call("ana", "POST", "/v1/videos", withExtraction(c.extraction), "Accept-Language", language)
			if status != 422 || answer["code"] != "invalid_extraction" {
				t.Errorf("%.80s: %d %v", c.extraction, status, answer)
				continue
			}
			errors := dig[[]any](answer, "errors")
			if len(errors) != 1 {
				t.Errorf("%.80s: errors %v", c.extraction, errors)
				continue
			}
			said, _ := errors[0].(map[string]any)
			if said["location"] != "body.extraction."+c.member || said["message"] != want {
				t.Errorf("%.80s in %s: %v, want %s %q", c.extraction, language, said, c.member, want)
			}
		}
	}
	w.wantEvents(w.cfg.StatusQueueURL) // a refusal leaves nothing behind
}

// timestamps gives a JSON list of n instants that are some seconds apart.
func timestamps(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%.3f", float64(i)*7+float64(i*7919%1000)/1000)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// The longest list there may be, with all the digits that a number has, fits
// into the events and rows that a retry goes through.
func TestTheLongestListGoesWithARetry(t *testing.T) {
	w := newWorld(t)
	id, upload := w.create("ana", 5)
	if status, answer := w.post(upload, []byte("hello"), nil); status != http.StatusCreated {
		t.Fatalf("upload: %d %s", status, answer)
	}
	list := make([]string, frames.MaxTimestamps)
	for i := range list {
		list[i] = fmt.Sprintf("0.0000012345678901%06d", i)
	}
	body := `{"extraction":{"timestamps":[` + strings.Join(list, ",") + `]}}`
	if status, answer := w.call("ana", "POST", "/v1/videos/"+id+"/retry", body); status != http.StatusAccepted {
		t.Fatalf("retry: %d %v", status, answer)
	}
	w.wantEvents(w.cfg.StatusQueueURL, "video.registered.v1", "video.retry_requested.v1")
	w.wantEvents(w.cfg.ProcessingQueueURL, "video.retry_requested.v1")
}

func TestSomebodyElsesVideoIsNotFound(t *testing.T) {
	w := newWorld(t)
	id, _ := w.create("ana", 5)
	for _, call := range []string{"POST /complete", "POST /parts", "GET /parts", "POST /cancel", "POST /retry", "DELETE "} {
		method, rest, _ := strings.Cut(call, " ")
		body := ""
		if rest == "/parts" && method == "POST" {
			body = `{"part_numbers":[1]}`
		}
		if status, answer := w.call("bob", method, "/v1/videos/"+id+rest, body); status != 404 || answer["code"] != "not_found" {
			t.Errorf("%s: %d %v", call, status, answer)
		}
	}
}

func TestAnIdempotencyKeyMakesOneVideo(t *testing.T) {
	w := newWorld(t)
	const body = `{"filename":"a.mp4","size":5,"content_type":"video/mp4"}`
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			_, answer := w.call("ana", "POST", "/v1/videos", body, "Idempotency-Key", "k")
			ids[i] = dig[string](answer, "video", "id")
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("videos %v", ids)
		}
	}
	w.wantEvents(w.cfg.StatusQueueURL, "video.registered.v1")
	other := strings.Replace(body, "a.mp4", "b.mp4", 1)
	if status, answer := w.call("ana", "POST", "/v1/videos", other, "Idempotency-Key", "k"); status != 422 || answer["code"] != "idempotency_key_reused" {
		t.Errorf("another request: %d %v", status, answer)
	}
	if _, answer := w.call("bob", "POST", "/v1/videos", body, "Idempotency-Key", "k"); dig[string](answer, "video", "id") == ids[0] {
		t.Error("the key of one person gave the video of another")
	}
	w.clock.Store(25 * 60 * 60)
	if _, answer := w.call("ana", "POST", "/v1/videos", body, "Idempotency-Key", "k"); dig[string](answer, "video", "id") == ids[0] {
		t.Error("the key is remembered after its time")
	}
}

func TestRetryAndDelete(t *testing.T) {
	w := newWorld(t)
	id, upload := w.create("ana", 5)
	if status, answer := w.call("ana", "POST", "/v1/videos/"+id+"/retry", ""); status != 409 || answer["code"] != "not_retryable" {
		t.Errorf("retry before the upload: %d %v", status, answer)
	}
	w.post(upload, []byte("hello"), nil)
	w.clock.Store(6 * 24 * 60 * 60)
	status, answer := w.call("ana", "POST", "/v1/videos/"+id+"/retry", `{"extraction":{"fps":2}}`)
	if status != 202 {
		t.Errorf("retry: %d %v", status, answer)
	}
	until, err := time.Parse(time.RFC3339, dig[string](answer, "expires_at"))
	if kept := time.Until(until); err != nil || kept < 12*24*time.Hour { // its frames are kept for a week from then
		t.Errorf("after a retry on the sixth day the video is kept for another %s, %v", kept, err)
	}
	w.wantEvents(w.cfg.StatusQueueURL, "video.registered.v1", "video.retry_requested.v1")
	w.wantEvents(w.cfg.ProcessingQueueURL, "video.retry_requested.v1")
	if status, _ := w.call("ana", "POST", "/v1/videos/"+id+"/cancel", ""); status != 202 {
		t.Errorf("cancel: %d", status)
	}
	w.wantEvents(w.cfg.ControlQueueURL, "video.cancel_requested.v1")

	if status, answer := w.call("ana", "DELETE", "/v1/videos/"+id, ""); status != 204 {
		t.Errorf("delete: %d %v", status, answer)
	}
	w.wantEvents(w.cfg.StatusQueueURL, "video.deleted.v1")
	w.wantEvents(w.cfg.ControlQueueURL, "video.deleted.v1")
	if _, err := w.objects.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &w.cfg.UploadsBucket, Key: aws.String("ana/" + id)}); err == nil {
		t.Error("the file is still there")
	}
	for _, call := range []string{"DELETE ", "POST /retry", "POST /cancel", "POST /complete"} {
		method, rest, _ := strings.Cut(call, " ")
		if status, _ := w.call("ana", method, "/v1/videos/"+id+rest, ""); status != 404 {
			t.Errorf("%s of a deleted video: %d", call, status)
		}
	}
}

// Retries at the same moment are all heard, one after the other.
func TestRetriesAtTheSameMoment(t *testing.T) {
	w := newWorld(t)
	id, upload := w.create("ana", 5)
	w.post(upload, []byte("hello"), nil)
	w.events(w.cfg.ProcessingQueueURL)
	const n = 4
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if status, answer := w.call("ana", "POST", "/v1/videos/"+id+"/retry", ""); status != 202 {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
	wg.Wait()
	runs := map[int]bool{}
	for _, body := range localtest.Drain(t, w.queues, w.cfg.ProcessingQueueURL) {
		e, err := event.Parse([]byte(body))
		if err != nil {
			continue // S3's own messages
		}
		retry, err := event.As[event.RetryRequested](e)
		if err != nil {
			t.Fatal(err)
		}
		runs[retry.Run] = true
	}
	if len(runs) != n {
		t.Errorf("runs %v, want %d of them", runs, n)
	}
}

func TestAnUploadThatNeverCameIsGivenUp(t *testing.T) {
	w := newWorld(t)
	silent, _ := w.create("ana", 5)
	arrived, upload := w.create("ana", 5)
	w.post(upload, []byte("hello"), nil)
	w.wantEvents(w.cfg.StatusQueueURL, "video.registered.v1", "video.registered.v1")

	w.clock.Store(60 * 60)
	if err := w.service.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantEvents(w.cfg.StatusQueueURL) // a POST that began in time may still be under way

	w.clock.Store(2*60*60 + 1)
	for range 2 {
		if err := w.service.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := w.events(w.cfg.StatusQueueURL)
	if len(got) != 2 || !strings.Contains(fmt.Sprint(got), "video.upload_abandoned.v1") || !strings.Contains(fmt.Sprint(got), "video.uploaded.v1") {
		t.Errorf("events %v", got)
	}
	if status, _ := w.call("ana", "POST", "/v1/videos/"+silent+"/complete", ""); status != 409 {
		t.Errorf("complete of an abandoned upload: %d", status)
	}
	if status, _ := w.call("ana", "POST", "/v1/videos/"+arrived+"/complete", ""); status != 202 {
		t.Errorf("complete of one that arrived: %d", status)
	}
}
