package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/metrics"
	"github.com/fotograma/fotograma/internal/local/sam"
	"github.com/fotograma/fotograma/internal/local/sqs"
	catalogue "github.com/fotograma/fotograma/internal/platform/metrics"
)

var _ lambda.Observer = (*metrics.Metrics)(nil)

// failing is a log whose errors fail the test: Prometheus' handler reports there
// what it had to leave out.
type failing struct{ t testing.TB }

func (failing) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (f failing) WithAttrs([]slog.Attr) slog.Handler             { return f }
func (f failing) WithGroup(string) slog.Handler                  { return f }
func (f failing) Handle(_ context.Context, r slog.Record) error {
	f.t.Error(r.Message)
	return nil
}

func newMetrics(t testing.TB, cfg metrics.Config) *metrics.Metrics {
	cfg.Logger = slog.New(failing{t})
	return metrics.New(cfg)
}

// scrape asks as Prometheus does and gives the lines that start with the prefix.
func scrape(t testing.TB, m *metrics.Metrics, prefix string) []string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	var lines []string
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// line is a line of one directive.
func line(namespace, dimensions, definitions, members string) []byte {
	return fmt.Appendf(nil, `{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":%q,"Dimensions":%s,"Metrics":[%s]}]},%s}`,
		namespace, dimensions, definitions, members)
}

func TestEmbeddedMetrics(t *testing.T) {
	const bytesBelow1k = `_bucket{le="1024"} `
	tests := []struct {
		name  string
		lines [][]byte
		want  []string // lines of the answer
	}{
		{
			"counts add up", [][]byte{
				line("Fotograma", `[["Result"]]`, `{"Name":"Jobs","Unit":"Count"}`, `"Result":"completed","Jobs":2`),
				line("Fotograma", `[["Result"]]`, `{"Name":"Jobs","Unit":"Count"}`, `"Result":"completed","Jobs":1`),
				line("Fotograma", `[["Result"]]`, `{"Name":"Jobs","Unit":"Count"}`, `"Result":"failed","Jobs":1`),
			},
			[]string{"# TYPE fotograma_jobs_total counter", `fotograma_jobs_total{result="completed"} 3`, `fotograma_jobs_total{result="failed"} 1`},
		},
		{
			"durations are histograms of seconds", [][]byte{
				line("Fotograma", `[["Route"]]`, `{"Name":"RequestDuration","Unit":"Milliseconds","StorageResolution":1}`, `"Route":"GET /v1/videos","RequestDuration":4`),
				line("Fotograma", `[["Route"]]`, `{"Name":"RequestDuration","Unit":"Milliseconds"}`, `"Route":"GET /v1/videos","RequestDuration":[6,2000]`),
			},
			[]string{
				"# TYPE fotograma_request_duration_seconds histogram",
				`fotograma_request_duration_seconds_bucket{route="GET /v1/videos",le="0.0025"} 0`,
				`fotograma_request_duration_seconds_bucket{route="GET /v1/videos",le="0.005"} 1`,
				`fotograma_request_duration_seconds_bucket{route="GET /v1/videos",le="0.01"} 2`,
				`fotograma_request_duration_seconds_bucket{route="GET /v1/videos",le="2.5"} 3`,
				`fotograma_request_duration_seconds_bucket{route="GET /v1/videos",le="+Inf"} 3`,
				`fotograma_request_duration_seconds_sum{route="GET /v1/videos"} 2.01`,
				`fotograma_request_duration_seconds_count{route="GET /v1/videos"} 3`,
			},
		},
		{
			"sizes are histograms of bytes", [][]byte{line("Fotograma", `[[]]`, `{"Name":"ArchiveSize","Unit":"Kilobytes"}`, `"ArchiveSize":1`)},
			[]string{"fotograma_archive_size_bytes" + bytesBelow1k + "1", "fotograma_archive_size_bytes_sum 1000"},
		},
		{
			"what has no unit is a gauge", [][]byte{
				line("Fotograma", `[]`, `{"Name":"Workers"}`, `"Workers":5`),
				line("Fotograma", `[]`, `{"Name":"Workers","Unit":"None"}`, `"Workers":3`),
			},
			[]string{"# TYPE fotograma_workers gauge", "fotograma_workers 3"},
		},
		{
			"percents and rates", [][]byte{
				line("Fotograma", `[]`, `{"Name":"HitPercent","Unit":"Percent"},{"Name":"Read","Unit":"Megabits/Second"}`, `"HitPercent":50,"Read":8`),
			},
			[]string{"fotograma_hit_ratio 0.5", "fotograma_read_bytes_per_second 1e+06"},
		},
		{
			"counts in a second are histograms", [][]byte{
				line("Fotograma", `[]`, `{"Name":"FramesPerSecond","Unit":"Count/Second"}`, `"FramesPerSecond":[30,3000]`),
			},
			[]string{
				`fotograma_frames_per_second_bucket{le="25"} 0`, `fotograma_frames_per_second_bucket{le="50"} 1`,
				"fotograma_frames_per_second_sum 3030", "fotograma_frames_per_second_count 2",
			},
		},
		{
			"all sets of dimensions together", [][]byte{line("Fotograma", `[["A"],["A","B"]]`, `{"Name":"N","Unit":"Count"}`, `"A":"1","B":"2","N":1`)},
			[]string{`fotograma_n_total{a="1",b="2"} 1`},
		},
		{
			"one name with different dimensions", [][]byte{
				line("Fotograma", `[["A"]]`, `{"Name":"N","Unit":"Count"}`, `"A":"1","N":1`),
				line("Fotograma", `[["B"]]`, `{"Name":"N","Unit":"Count"}`, `"B":"1","N":1`),
			},
			[]string{`fotograma_n_total{a="1"} 1`, `fotograma_n_total{b="1"} 1`},
		},
		{
			"one name in different units", [][]byte{
				line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":1`),
				line("Fotograma", `[]`, `{"Name":"N","Unit":"Seconds"}`, `"N":1`),
				line("Fotograma", `[]`, `{"Name":"N"}`, `"N":1`),
				line("Fotograma", `[]`, `{"Name":"NSecondsSum"}`, `"NSecondsSum":1`),
				line("Fotograma", `[]`, `{"Name":"NTotal"}`, `"NTotal":1`),
			},
			[]string{"fotograma_n_total 1", "fotograma_n_seconds_sum 1", "fotograma_n 1", "fotograma_n_seconds_sum_value 1", "fotograma_n_total_value 1"},
		},
		{
			"another namespace", [][]byte{line("AWS/My App", `[]`, `{"Name":"HTTPRequests2xx","Unit":"Count"}`, `"HTTPRequests2xx":1`)},
			[]string{"fotograma_aws_my_app_http_requests2xx_total 1"},
		},
		{
			"units in names are not said twice", [][]byte{
				line("Fotograma", `[]`, `{"Name":"WaitMs","Unit":"Milliseconds"},{"Name":"SizeBytes","Unit":"Bytes"},{"Name":"CallsTotal","Unit":"Count"}`,
					`"WaitMs":1,"SizeBytes":1,"CallsTotal":1`),
			},
			[]string{"fotograma_wait_seconds_count 1", "fotograma_size_bytes_count 1", "fotograma_calls_total 1"},
		},
		{
			"two directives in one line", [][]byte{[]byte(`{"_aws":{"CloudWatchMetrics":[
				{"Namespace":"Fotograma","Dimensions":[["A"]],"Metrics":[{"Name":"N","Unit":"Count"}]},
				{"Namespace":"Fotograma","Dimensions":[],"Metrics":[{"Name":"M","Unit":"Count"}]}]},"A":"x","N":1,"M":2}`)},
			[]string{`fotograma_n_total{a="x"} 1`, "fotograma_m_total 2"},
		},
		{
			"names that Prometheus keeps for itself", [][]byte{
				line("Fotograma", `[["le","__name__","2nd","é"]]`, `{"Name":"N","Unit":"Seconds"}`, `"le":"a","__name__":"b","2nd":"c","é":"d","N":1`),
			},
			[]string{`fotograma_n_seconds_count{dimension_="d",dimension_2nd="c",dimension_le="a",name__="b"} 1`},
		},
		{
			"a long value is cut", [][]byte{line("Fotograma", `[["A"]]`, `{"Name":"N","Unit":"Count"}`, `"A":"`+strings.Repeat("é", 200)+`","N":1`)},
			[]string{`fotograma_n_total{a="` + strings.Repeat("é", 60) + `…"} 1`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, metrics.Config{})
			for _, l := range tt.lines {
				m.Observe(l)
			}
			got := strings.Join(scrape(t, m, ""), "\n") + "\n"
			for _, want := range tt.want {
				if !strings.Contains(got, want+"\n") {
					t.Errorf("%s is not in\n%s", want, strings.Join(append(scrape(t, m, "fotograma_"), scrape(t, m, "# TYPE fotograma_")...), "\n"))
				}
			}
		})
	}
}

func TestWhatIsDropped(t *testing.T) {
	many := make([]string, 101)
	for i := range many {
		many[i] = "1"
	}
	tests := []struct {
		name   string
		line   []byte
		reason string
	}{
		{"no JSON", []byte(`{"_aws"`), "malformed"},
		{"a list", []byte(`[1]`), "malformed"},
		{"no metadata", []byte(`{"N":1}`), "malformed"},
		{"metadata of another type", []byte(`{"_aws":"x"}`), "malformed"},
		{"no namespace", line("", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":1`), "malformed"},
		{"a metric without a value", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"M":1`), "malformed"},
		{"a metric without a name", line("Fotograma", `[]`, `{"Unit":"Count"}`, `"":1`), "malformed"},
		{"text as a value", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":"1"`), "malformed"},
		{"null as a value", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":null`), "malformed"},
		{"null among values", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":[1,null]`), "malformed"},
		{"no values", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":[]`), "malformed"},
		{"a number too large", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":1e999`), "malformed"},
		{"too many values", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":[`+strings.Join(many, ",")+`]`), "malformed"},
		{"a dimension without a value", line("Fotograma", `[["A"]]`, `{"Name":"N","Unit":"Count"}`, `"N":1`), "malformed"},
		{"a dimension that is no text", line("Fotograma", `[["A"]]`, `{"Name":"N","Unit":"Count"}`, `"A":1,"N":1`), "malformed"},
		{"a dimension that is null", line("Fotograma", `[["A"]]`, `{"Name":"N","Unit":"Count"}`, `"A":null,"N":1`), "malformed"},
		{"an unknown unit", line("Fotograma", `[]`, `{"Name":"N","Unit":"Parsec"}`, `"N":1`), "unknown unit"},
		{"a negative count", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":[1,-1]`), "counter going down"},
		{"a line too long", line("Fotograma", `[]`, `{"Name":"N","Unit":"Count"}`, `"N":1,"x":"`+strings.Repeat("x", 1<<20)+`"`), "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, metrics.Config{})
			m.Observe(tt.line)
			want := []string{fmt.Sprintf("fotograma_embedded_metrics_dropped_total{reason=%q} 1", tt.reason)}
			if diff := cmp.Diff(want, scrape(t, m, "fotograma_")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSeriesAreBounded(t *testing.T) {
	m := newMetrics(t, metrics.Config{})
	for i := range 600 {
		m.Observe(line("Fotograma", `[["Video"]]`, `{"Name":"N","Unit":"Count"}`, fmt.Sprintf(`"Video":"%d","N":1`, i)))
	}
	m.Observe(line("Fotograma", `[["Video"]]`, `{"Name":"N","Unit":"Count"}`, `"Video":"0","N":1`))
	if got := scrape(t, m, "fotograma_n_total"); len(got) != 500 || got[0] != `fotograma_n_total{video="0"} 2` {
		t.Errorf("%d series, the first %s", len(got), got[0])
	}
	for i := range 300 {
		m.Observe(line("Fotograma", `[]`, fmt.Sprintf(`{"Name":"M%d"}`, i), fmt.Sprintf(`"M%d":1`, i)))
	}
	if got := scrape(t, m, "fotograma_m"); len(got) != 199 {
		t.Errorf("%d names, want 199", len(got))
	}
	want := []string{`fotograma_embedded_metrics_dropped_total{reason="too many series"} 201`}
	if diff := cmp.Diff(want, scrape(t, m, "fotograma_embedded")); diff != "" {
		t.Error(diff)
	}
}

func TestLambdasOwnMetrics(t *testing.T) {
	m := newMetrics(t, metrics.Config{})
	m.InvocationStarted("Video")
	m.InvocationStarted("Video")
	m.InvocationStarted("Video")
	m.InvocationEnded("Video", 20*time.Millisecond, 5*time.Millisecond, false)
	m.InvocationEnded("Video", time.Second, 0, true)
	m.InvocationThrottled("Video")
	m.InvocationStarted("Auth")
	got := strings.Join(scrape(t, m, "lambda_"), "\n") + "\n"
	for _, want := range []string{
		`lambda_invocations_total{function="Video"} 2`,
		`lambda_errors_total{function="Video"} 1`,
		`lambda_errors_total{function="Auth"} 0`,
		`lambda_throttles_total{function="Video"} 1`,
		`lambda_cold_starts_total{function="Video"} 1`,
		`lambda_concurrent_executions{function="Video"} 1`,
		`lambda_duration_seconds_bucket{function="Video",le="0.025"} 1`,
		`lambda_duration_seconds_sum{function="Video"} 1.02`,
		`lambda_init_duration_seconds_sum{function="Video"} 0.005`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}

func client(url string) *awssqs.Client {
	return awssqs.New(awssqs.Options{
		BaseEndpoint: &url, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func TestDepthOfQueues(t *testing.T) {
	server, err := sqs.Open(filepath.Join(t.TempDir(), "sqs.db"), sqs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		web.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	c := client(web.URL)
	created, err := c.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("jobs")})
	if err != nil {
		t.Fatal(err)
	}
	send := func(delay int32) {
		t.Helper()
		if _, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: created.QueueUrl, MessageBody: aws.String("x"), DelaySeconds: delay}); err != nil {
			t.Fatal(err)
		}
	}
	send(0)
	send(0)
	send(0)
	send(600)
	if _, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: created.QueueUrl}); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	m := newMetrics(t, metrics.Config{
		SQS: c, Queues: []sam.Queue{{Name: "jobs"}, {Name: "missing"}}, Now: func() time.Time { return now },
	})
	before := calls.Load()
	want := []string{
		`sqs_messages_delayed{queue="jobs"} 1`, `sqs_messages_not_visible{queue="jobs"} 1`, `sqs_messages_visible{queue="jobs"} 2`,
		"sqs_scrape_errors_total 1",
	}
	for range 3 {
		if diff := cmp.Diff(want, scrape(t, m, "sqs_")); diff != "" {
			t.Fatal(diff)
		}
	}
	if got := calls.Load() - before; got != 3 {
		t.Errorf("%d calls for three looks within five seconds, want 3", got)
	}
	send(0)
	now = now.Add(5 * time.Second)
	if got := scrape(t, m, "sqs_messages_visible"); got[0] != `sqs_messages_visible{queue="jobs"} 3` {
		t.Errorf("five seconds later: %v", got)
	}
}

func TestAgeOfTheOldestMessageWhereThatIsKnown(t *testing.T) {
	server, err := sqs.Open(filepath.Join(t.TempDir(), "sqs.db"), sqs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	c := client(web.URL)
	for _, name := range []string{"jobs", "idle"} {
		if _, err := c.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	queues := []sam.Queue{{Name: "jobs"}, {Name: "idle"}}
	ages := func(context.Context) (map[string]time.Duration, error) {
		return map[string]time.Duration{"jobs": 42 * time.Second}, nil
	}
	got := scrape(t, newMetrics(t, metrics.Config{SQS: c, Queues: queues, Ages: ages}), "sqs_oldest")
	want := []string{`sqs_oldest_message_age_seconds{queue="idle"} 0`, `sqs_oldest_message_age_seconds{queue="jobs"} 42`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := scrape(t, newMetrics(t, metrics.Config{SQS: c, Queues: queues}), "sqs_oldest"); len(got) != 0 {
		t.Errorf("an age that nobody knows: %v", got)
	}
	broken := func(context.Context) (map[string]time.Duration, error) { return nil, errors.New("the disk is gone") }
	got = scrape(t, newMetrics(t, metrics.Config{SQS: c, Queues: queues, Ages: broken}), "sqs_scrape_errors_total")
	if diff := cmp.Diff([]string{"sqs_scrape_errors_total 1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheCatalogueBeginsAtZero(t *testing.T) {
	m := newMetrics(t, metrics.Config{Catalogue: catalogue.Catalogue()})
	m.RequestThrottled()
	m.Observe(line("Fotograma", `[["Bounce"]]`, `{"Name":"MailsBounced","Unit":"Count"}`, `"Bounce":"permanent","MailsBounced":1`))
	all := strings.Join(scrape(t, m, ""), "\n") + "\n"
	for _, want := range []string{
		"# HELP fotograma_mails_bounced_total Mails that came back.",
		`fotograma_mails_bounced_total{bounce="permanent"} 1`,
		`fotograma_mails_bounced_total{bounce="transient"} 0`,
		"fotograma_throttles_total 1",
		"fotograma_cache_hits_total 0",
		`fotograma_job_duration_seconds_count{stage="share"} 0`,
		`fotograma_job_duration_seconds_bucket{stage="share",le="+Inf"} 0`,
		`fotograma_events_total{event="user.registered"} 0`,
		`fotograma_problems_total{code="not_found"} 0`,
	} {
		if !strings.Contains(all, want+"\n") {
			t.Errorf("%s is not in\n%s", want, all)
		}
	}
	for _, unknown := range []string{"fotograma_cold_starts_total", "fotograma_request_duration_seconds"} {
		if got := scrape(t, m, unknown); len(got) != 0 {
			t.Errorf("%s has series that nobody knows yet: %v", unknown, got)
		}
	}
	m.Observe(line("Fotograma", `[["Route","Status"]]`, `{"Name":"RequestDuration","Unit":"Milliseconds"}`, `"Route":"GET /v1/videos","Status":"2xx","RequestDuration":4`))
	want := []string{
		`fotograma_request_duration_seconds_count{route="GET /v1/videos",status="2xx"} 1`,
		`fotograma_request_duration_seconds_count{route="GET /v1/videos",status="3xx"} 0`,
		`fotograma_request_duration_seconds_count{route="GET /v1/videos",status="4xx"} 0`,
		`fotograma_request_duration_seconds_count{route="GET /v1/videos",status="5xx"} 0`,
	}
	if diff := cmp.Diff(want, scrape(t, m, "fotograma_request_duration_seconds_count")); diff != "" {
		t.Errorf("a route that is known now (-want +got):\n%s", diff)
	}
}

func FuzzObserve(f *testing.F) {
	f.Add(line("Fotograma", `[["A"],["A","B"]]`, `{"Name":"N","Unit":"Seconds"}`, `"A":"x","B":"y","N":[1,2]`), line("Ñ/\x00", `[]`, `{"Name":"N_sum"}`, `"N_sum":1`))
	f.Add(line("Fotograma", `[["le"]]`, `{"Name":"N","Unit":"Count"}`, `"le":"\ud800","N":1e308`), []byte(`{"_aws":{"CloudWatchMetrics":[{}]}}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		m := newMetrics(t, metrics.Config{})
		m.Observe(first)
		m.Observe(second)
		m.Observe(first)
		scrape(t, m, "") // fails if Prometheus could not read the answer
	})
}
