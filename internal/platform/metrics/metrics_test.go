package metrics_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	local "github.com/fotograma/fotograma/internal/local/metrics"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

func TestALineIsInTheEmbeddedMetricFormat(t *testing.T) {
	var out bytes.Buffer
	at := time.UnixMilli(1_700_000_000_123)
	r := metrics.New(&out, "Fotograma", func() time.Time { return at })
	metrics.Record(r, metrics.ByStage{Stage: metrics.Segment}, metrics.JobDuration.Of(1.5), metrics.JobCost.Of(20))

	var got any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var want any
	_ = json.Unmarshal([]byte(`{
		"_aws": {"Timestamp": 1700000000123, "CloudWatchMetrics": [{
			"Namespace": "Fotograma", "Dimensions": [["Stage"]],
			"Metrics": [{"Name": "JobDuration", "Unit": "Seconds"}, {"Name": "JobCost", "Unit": "Count"}]}]},
		"Stage": "segment", "JobDuration": 1.5, "JobCost": 20}`), &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("not one line: %q", out.String())
	}
}

func TestAValueThatIsNoNumberCrashesNothing(t *testing.T) {
	var out bytes.Buffer
	metrics.Record(metrics.New(&out, "Fotograma", time.Now), metrics.None{}, metrics.UploadSize.Of(math.NaN()))
	if !strings.Contains(out.String(), "metric not recorded") {
		t.Errorf("wrote %q", out.String())
	}
}

func TestWithoutARecorderNothingIsRecorded(*testing.T) {
	metrics.Record(nil, metrics.None{}, metrics.CacheHits.Of(1))
}

func TestDimensionsHaveNoValuesBeyondTheirBounds(t *testing.T) {
	var out bytes.Buffer
	r := metrics.New(&out, "Fotograma", time.Now)
	metrics.Record(r, metrics.ByStage{Stage: "somebody@example.com"}, metrics.JobDuration.Of(1))
	metrics.Record(r, metrics.ByKind{}, metrics.MailsSent.Of(1))
	metrics.Record(r, metrics.ByRoute{Route: "GET /v1/videos", Status: metrics.ClassOf(777)}, metrics.RequestDuration.Of(1))
	for _, want := range []string{`"Stage":"other"`, `"Kind":"other"`, `"Status":"other"`, `"Route":"GET /v1/videos"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
}

func TestEventsAreCountedByWhatHappened(t *testing.T) {
	for eventType, want := range map[string]string{
		event.UserRegistered{}.EventType():      `"Event":"user.registered"`,
		event.ProcessingCompleted{}.EventType(): `"Event":"processing.completed"`,
		event.ArchiveExpired{}.EventType():      `"Event":"processing.archive_expired"`,
		event.SegmentRequested{}.EventType():    "",
		"nonsense":                              "",
	} {
		var out bytes.Buffer
		metrics.CountEvent(metrics.New(&out, "Fotograma", time.Now), eventType)
		if got := out.String(); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q", eventType, got)
		}
	}
}

func TestEveryEventThatIsCountedHappens(t *testing.T) {
	happens := map[string]bool{}
	for _, d := range []event.Data{
		event.UserRegistered{}, event.AccountErased{}, event.ExportRequested{},
		event.VideoRegistered{}, event.VideoUploaded{}, event.UploadAbandoned{}, event.RetryRequested{}, event.VideoDeleted{},
		event.ProcessingStarted{}, event.ProcessingCompleted{}, event.ProcessingFailed{}, event.ProcessingCancelled{}, event.ArchiveExpired{},
	} {
		var out bytes.Buffer
		metrics.CountEvent(metrics.New(&out, "Fotograma", time.Now), d.EventType())
		var line struct {
			Event string `json:"Event"`
		}
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Errorf("%s is not counted: %v", d.EventType(), err)
		}
		happens[line.Event] = true
	}
	for _, d := range metrics.Catalogue() {
		for _, dimension := range d.Dimensions {
			if dimension.Name == "Event" && len(dimension.Values) != len(happens) {
				t.Errorf("%d events are counted, %d happen", len(dimension.Values), len(happens))
			}
		}
	}
}

func TestTheCatalogueIsFitForCloudWatch(t *testing.T) {
	names := map[string]bool{}
	for _, d := range metrics.Catalogue() {
		if names[d.Name] || d.Meaning == "" || d.Unit == "" {
			t.Errorf("%s is there twice, or says too little", d.Name)
		}
		names[d.Name] = true
		for _, dimension := range d.Dimensions {
			if (dimension.Values == nil) && dimension.Bound == "" {
				t.Errorf("%s: %s has no bound", d.Name, dimension.Name)
			}
		}
	}
}

var update = flag.Bool("update", false, "write the catalogue into docs/metrics.md anew")

const document = "../../../docs/metrics.md"

func TestTheDocumentHasTheCatalogue(t *testing.T) {
	const begin, end = "<!-- the catalogue begins -->\n", "<!-- the catalogue ends -->"
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(raw), begin)
	got, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatalf("%s has no place for the catalogue", document)
	}
	want := table()
	if *update {
		if err := os.WriteFile(document, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("go test ./internal/platform/metrics -update mends it (-want +got):\n%s", diff)
	}
}

// table is the catalogue as the document has it.
func table() string {
	var b strings.Builder
	b.WriteString("\n| metric | unit | by | in Prometheus | says |\n| --- | --- | --- | --- | --- |\n")
	for _, d := range metrics.Catalogue() {
		var by []string
		for _, dimension := range d.Dimensions {
			values := dimension.Bound
			if values == "" {
				values = "`" + strings.Join(dimension.Values, "`, `") + "`"
			}
			by = append(by, fmt.Sprintf("`%s`: %s", dimension.Name, values))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s |\n",
			d.Name, d.Unit, strings.Join(by, "; "), local.Name("Fotograma", d.Name, string(d.Unit)), d.Meaning)
	}
	return b.String() + "\n"
}
