// Package metrics writes measurements in CloudWatch's embedded metric format:
// JSON lines on stdout that CloudWatch turns into metrics, and the local stack
// into Prometheus'.
//
// Source: the "Embedded metric format specification" of the CloudWatch user
// guide.
package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Unit is a unit of CloudWatch.
type Unit string

// The units that Fotograma measures in.
const (
	Count        Unit = "Count"
	Seconds      Unit = "Seconds"
	Milliseconds Unit = "Milliseconds"
	Bytes        Unit = "Bytes"
)

// Value is one measurement.
type Value struct {
	Name  string
	Unit  Unit
	Value float64
}

// Recorder writes measurements. It may be used by several goroutines at once.
type Recorder struct {
	namespace string
	now       func() time.Time

	mu sync.Mutex
	w  io.Writer
}

// New makes a recorder that writes to w, with one namespace for all metrics.
func New(w io.Writer, namespace string, now func() time.Time) *Recorder {
	return &Recorder{namespace: namespace, now: now, w: w}
}

type directive struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"`
	Metrics    []definition `json:"Metrics"`
}

type definition struct {
	Name string `json:"Name"`
	Unit Unit   `json:"Unit"`
}

// Record writes measurements that belong together. Dimensions must have few
// values each: CloudWatch bills every combination as a metric of its own.
func (r *Recorder) Record(dimensions map[string]string, values ...Value) {
	d := directive{
		Namespace:  r.namespace,
		Dimensions: [][]string{slices.Sorted(maps.Keys(dimensions))},
		Metrics:    make([]definition, len(values)),
	}
	line := map[string]any{}
	for name, value := range dimensions {
		line[name] = value
	}
	for i, v := range values {
		d.Metrics[i] = definition{Name: v.Name, Unit: v.Unit}
		line[v.Name] = v.Value
	}
	line["_aws"] = map[string]any{
		"Timestamp":         r.now().UnixMilli(),
		"CloudWatchMetrics": []directive{d},
	}
	raw, err := json.Marshal(line)
	if err != nil { // a NaN or an infinity: a bug in the caller, not worth a crash
		raw = []byte(fmt.Sprintf(`{"level":"ERROR","msg":"metric not recorded","error":%q}`, err))
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	// stdout is all there is to write to; where it fails, nothing can be said.
	_, _ = r.w.Write(append(raw, '\n'))
}
