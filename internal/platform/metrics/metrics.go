// Package metrics writes measurements in CloudWatch's embedded metric format:
// JSON lines on stdout that CloudWatch turns into metrics, and the local stack
// into Prometheus'. What can be measured stands in the catalogue, each metric with
// its unit and dimensions: another does not compile.
//
// Source: the "Embedded metric format specification" of the CloudWatch user
// guide.
package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Unit is a unit of CloudWatch.
type Unit string

// The units that Fotograma measures in.
const (
	Count          Unit = "Count"
	CountPerSecond Unit = "Count/Second"
	Seconds        Unit = "Seconds"
	Milliseconds   Unit = "Milliseconds"
	Bytes          Unit = "Bytes"
)

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
	Namespace  string     `json:"Namespace"`
	Dimensions [][]string `json:"Dimensions"`
	Metrics    []metric   `json:"Metrics"`
}

type metric struct {
	Name string `json:"Name"`
	Unit Unit   `json:"Unit"`
}

// Record writes measurements that belong together. A nil recorder records nothing.
func Record[L Labels](r *Recorder, labels L, values ...Value[L]) {
	if r == nil || len(values) == 0 {
		return
	}
	line := map[string]any{}
	d := directive{Namespace: r.namespace, Dimensions: [][]string{{}}}
	for i, value := range labels.values() {
		dimension := values[0].definition.Dimensions[i]
		d.Dimensions[0] = append(d.Dimensions[0], dimension.Name)
		line[dimension.Name] = dimension.bound(value)
	}
	for _, v := range values {
		d.Metrics = append(d.Metrics, metric{Name: v.definition.Name, Unit: v.definition.Unit})
		line[v.definition.Name] = v.value
	}
	line["_aws"] = map[string]any{
		"Timestamp":         r.now().UnixMilli(),
		"CloudWatchMetrics": []directive{d},
	}
	r.write(line)
}

// bound keeps the number of a dimension's values small.
func (d Dimension) bound(value string) string {
	if value == "" || d.Values != nil && !slices.Contains(d.Values, value) {
		return other // CloudWatch takes no empty value
	}
	return value
}

func (r *Recorder) write(line map[string]any) {
	raw, err := json.Marshal(line)
	if err != nil { // a NaN or an infinity: a bug in the caller, not worth a crash
		raw = fmt.Appendf(nil, `{"level":"ERROR","msg":"metric not recorded","error":%q}`, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// stdout is all there is to write to; where it fails, nothing can be said.
	_, _ = r.w.Write(append(raw, '\n'))
}
