package processing_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// measured gives the values of a metric, by those of its first dimension.
func measured(t *testing.T, out *bytes.Buffer, metric, dimension string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for text := range strings.Lines(out.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if v, ok := line[metric].(float64); ok {
			by, _ := line[dimension].(string)
			values[by] += v
		}
	}
	return values
}

func TestWhatAWorkerDoesIsMeasured(t *testing.T) {
	w := newWorld(t)
	var out bytes.Buffer
	w.worker.Metrics = metrics.New(&out, "Test", w.now)
	file := film(t, "-f", "lavfi", "-i", "testsrc2=d=2")
	m := w.upload(file, `{"mode":"fps","fps":1}`, "")
	m.Attributes = map[string]string{
		"SentTimestamp": strconv.FormatInt(w.now().Add(-time.Minute).UnixMilli(), 10), "ApproximateReceiveCount": "1",
	}
	w.work(m)

	durations := measured(t, &out, "JobDuration", "Stage")
	if len(durations) != 3 || durations["extract"] <= 0 || durations["total"] < durations["extract"] || durations["wait"] < 60 {
		t.Errorf("durations %v", durations)
	}
	if frames := measured(t, &out, "FramesExtracted", "")[""]; frames != 2 {
		t.Errorf("%g frames", frames)
	}
	if in := measured(t, &out, "UploadSize", "")[""]; in != float64(len(file)) {
		t.Errorf("%g bytes in, want %d", in, len(file))
	}
	if measured(t, &out, "ArchiveSize", "")[""] <= 0 || measured(t, &out, "FramesPerSecond", "")[""] <= 0 {
		t.Errorf("no bytes out, or no frames a second:\n%s", &out)
	}
	memory := w.worker.Prices.GBSecond * durations["extract"] * float64(w.cfg.Memory) / 1024 * 1e6
	if cost := measured(t, &out, "JobCost", "Stage")["extract"]; cost < memory {
		t.Errorf("a cost of %g millionths, less than that of the memory, %g", cost, memory)
	}

	out.Reset()
	m = w.upload([]byte("no video"), `{"mode":"fps","fps":1}`, "")
	m.Attributes = map[string]string{"SentTimestamp": "0", "ApproximateReceiveCount": "2"}
	w.work(m)
	if got := measured(t, &out, "JobDuration", "Stage"); len(got) != 0 {
		t.Errorf("a message that had a worker before, and is forgotten, took %v", got)
	}
}

func TestFailuresAreCountedByTheirCode(t *testing.T) {
	w := newWorld(t)
	var out bytes.Buffer
	w.worker.Metrics = metrics.New(&out, "Test", w.now)
	w.work(w.upload([]byte("no video"), `{"fps":1}`, ""))
	if got := measured(t, &out, "JobFailures", "Code"); len(got) != 1 || got["not_a_video"] != 1 {
		t.Errorf("failures %v", got)
	}
}
