package metrics_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/platform/metrics"
)

func TestALineIsInTheEmbeddedMetricFormat(t *testing.T) {
	var out bytes.Buffer
	at := time.UnixMilli(1_700_000_000_123)
	r := metrics.New(&out, "Fotograma", func() time.Time { return at })
	r.Record(map[string]string{"Result": "completed"},
		metrics.Value{Name: "Jobs", Unit: metrics.Count, Value: 1},
		metrics.Value{Name: "JobDuration", Unit: metrics.Seconds, Value: 1.5})

	var got any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var want any
	_ = json.Unmarshal([]byte(`{
		"_aws": {"Timestamp": 1700000000123, "CloudWatchMetrics": [{
			"Namespace": "Fotograma", "Dimensions": [["Result"]],
			"Metrics": [{"Name": "Jobs", "Unit": "Count"}, {"Name": "JobDuration", "Unit": "Seconds"}]}]},
		"Result": "completed", "Jobs": 1, "JobDuration": 1.5}`), &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("not one line: %q", out.String())
	}
}

func TestAValueThatIsNoNumberCrashesNothing(t *testing.T) {
	var out bytes.Buffer
	metrics.New(&out, "Fotograma", time.Now).Record(nil, metrics.Value{Name: "Jobs", Unit: metrics.Count, Value: math.NaN()})
	if !strings.Contains(out.String(), "metric not recorded") {
		t.Errorf("wrote %q", out.String())
	}
}
