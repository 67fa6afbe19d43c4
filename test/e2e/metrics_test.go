package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// Prometheus itself watches a stack on which much happens: it finds something for
// every panel of Grafana's dashboards, and its alarms ring.
func TestPrometheusSeesWhatHappens(t *testing.T) {
	needsBuiltIn(t, "how old the messages of a queue are, is known of the built-in SQS")
	t.Parallel()
	s := newStack(t, t.TempDir())
	s.run(t, "SegmentWork=100", "MaxSegments=4")
	p := watch(t, s)
	s.walk(t)

	t.Run("every panel shows something", func(t *testing.T) {
		for _, dashboard := range dashboards(t) {
			for _, panel := range dashboard.Panels {
				for _, target := range panel.Targets {
					name := fmt.Sprintf("%s / %s / %s", dashboard.Title, panel.Title, target.RefID)
					until(t, name+" shows something", func() bool {
						greatest := p.greatest(t, target.Expr)
						return greatest > 0 || greatest == 0 && slices.Contains(quiet, panel.Title)
					})
				}
			}
		}
	})
	t.Run("alarms ring", func(t *testing.T) {
		p.rings(t, "ThrottlesAlarm")
		for _, alarm := range []string{"ProcessingQueueAgeAlarm", "ProcessingDeadLettersAlarm", "ApiErrorsAlarm"} {
			if p.rang(t, alarm) {
				t.Errorf("%s has rung for nothing", alarm)
			}
		}
		s.sendNonsense(t)
		s.age(t, "sent")
		p.rings(t, "ProcessingQueueAgeAlarm")
		until(t, "the message is a dead letter", func() bool { return s.age(t, "moved") > 0 })
		p.rings(t, "ProcessingDeadLettersAlarm")
		s.breakAPI(t)
		p.rings(t, "ApiErrorsAlarm")
	})
}

// quiet are panels of what need not happen, or is over in a moment: zero is
// something to show.
var quiet = []string{
	"Videos waiting", "Messages waiting", "Messages in flight", "Oldest message", "Age of the oldest message",
	"Workers busy", "Running now", "Messages of the notification queue",
	"Dead letters", "Oldest dead letter", "Alarms that ring",
	"Failed by our fault", "Errors per minute", "Errors of functions per minute", "Throttles per minute",
	"Refused by SES", "Came back", "Called spam", "What came back, per minute", "Cache, per second",
}

// walk has people do what they do: videos that work, alone and in segments, one that
// does not, asking whether anything is new, and far too many requests.
func (s *stack) walk(t *testing.T) {
	t.Helper()
	p := s.person(t, "en")
	small := film(t, "mp4", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2")
	for _, id := range []string{
		p.upload("small.mp4", small, "").ID,
		p.upload("bunny.mp4", read(t, bunny), `{"mode":"fps","fps":5}`).ID,
	} {
		p.completed(id)
	}
	p.wait(p.upload("none.mp4", []byte("this is no video"), "").ID)
	p.waitMails(3)

	etag := p.call("GET", "/v1/videos", nil).header.Get("ETag")
	for range 20 { // as a page does that stands open
		p.call("GET", "/v1/videos", nil, "If-None-Match: "+etag)
	}

	var crowd sync.WaitGroup
	for range 200 {
		crowd.Go(func() {
			resp, err := http.Post("http://"+s.web+"/v1/auth/password/reset", "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	crowd.Wait()
	s.person(t, "pt-BR") // for mails of a kind that has been before
}

// sendNonsense sends a message that no worker can do anything with.
func (s *stack) sendNonsense(t *testing.T) {
	t.Helper()
	queues := sqs.NewFromConfig(s.awsConfig())
	found, err := queues.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, queue := range found.QueueUrls {
		if strings.HasSuffix(queue, "-processing") {
			if _, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("nonsense")}); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no processing queue among %v", found.QueueUrls)
}

// age makes the nonsense a quarter of an hour older, and more, by the time at which it
// was sent or moved. It tells how many messages that is.
func (s *stack) age(t *testing.T, column string) int64 {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "data", "sqs.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	done, err := db.ExecContext(t.Context(), `UPDATE messages SET `+column+` = `+column+` - 1000000 WHERE body = 'nonsense' AND `+column+` > 0`)
	if err != nil {
		t.Fatal(err)
	}
	n, err := done.RowsAffected()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// breakAPI takes the video service its table, and asks it for things.
func (s *stack) breakAPI(t *testing.T) {
	t.Helper()
	p := s.person(t, "en")
	db := dynamodb.NewFromConfig(s.awsConfig())
	tables, err := db.ListTables(t.Context(), &dynamodb.ListTablesInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables.TableNames {
		if strings.HasSuffix(table, "-video") {
			if _, err := db.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &table}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 10 {
		p.call("POST", "/v1/videos", map[string]any{"filename": "a.mp4", "size": 1, "content_type": "video/mp4"}).refused(t, 500, "internal")
	}
}

// prometheus is a running Prometheus.
type prometheus struct {
	url   string
	began time.Time
}

// waits are how long an alarm must hold until it rings: here a second.
var waits = regexp.MustCompile(`(?m)^( +for:) .*$`)

// watch starts Prometheus with our alarms, which looks at the stack every second.
func watch(t *testing.T, s *stack) *prometheus {
	t.Helper()
	dir := t.TempDir()
	alerts := waits.ReplaceAll(read(t, root+"/infra/prometheus/alerts.yml"), []byte("$1 1s"))
	config := fmt.Appendf(nil, `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [alerts.yml]
scrape_configs: [{ job_name: fotograma, static_configs: [{ targets: [%q] }] }]
`, s.web)
	for name, content := range map[string][]byte{"alerts.yml": alerts, "prometheus.yml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress()
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (infra/install prometheus?)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			t.Logf("Prometheus' log:\n%s", read(t, log.Name()))
		}
	})
	p := &prometheus{url: "http://" + address, began: time.Now()}
	until(t, "Prometheus sees the stack", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK && p.greatest(t, `up{job="fotograma"}`) == 1
	})
	return p
}

// greatest is the greatest value that an expression has had since Prometheus began,
// NaN if it has had none.
func (p *prometheus) greatest(t *testing.T, expression string) float64 {
	t.Helper()
	expression = strings.NewReplacer("$__rate_interval", "30s", "$__range", "10m").Replace(expression)
	now := time.Now()
	resp, err := http.PostForm(p.url+"/api/v1/query_range", url.Values{
		"query": {expression}, "step": {"1"},
		"start": {strconv.FormatInt(p.began.Unix(), 10)}, "end": {strconv.FormatInt(now.Unix(), 10)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", expression, resp.StatusCode, body, err)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Values [][2]json.RawMessage `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	greatest := math.NaN()
	for _, series := range answer.Data.Result {
		for _, value := range series.Values {
			v, err := strconv.ParseFloat(strings.Trim(string(value[1]), `"`), 64)
			if err != nil {
				t.Fatal(err)
			}
			if !math.IsNaN(v) && !(v <= greatest) {
				greatest = v
			}
		}
	}
	return greatest
}

// rang tells whether an alarm has rung.
func (p *prometheus) rang(t *testing.T, alarm string) bool {
	t.Helper()
	return p.greatest(t, fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing"}`, alarm)) == 1
}

// rings waits until an alarm has rung.
func (p *prometheus) rings(t *testing.T, alarm string) {
	t.Helper()
	until(t, alarm+" rings", func() bool { return p.rang(t, alarm) })
}

// dashboard is one of Grafana's.
type dashboard struct {
	Title  string `json:"title"`
	Panels []struct {
		Title   string `json:"title"`
		Targets []struct {
			RefID string `json:"refId"`
			Expr  string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

func dashboards(t *testing.T) []dashboard {
	t.Helper()
	files, err := filepath.Glob(root + "/infra/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := make([]dashboard, len(files))
	for i, file := range files {
		if err := json.Unmarshal(read(t, file), &all[i]); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return all
}
