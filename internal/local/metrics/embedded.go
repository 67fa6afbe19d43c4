package metrics

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// Limits of the embedded metric format, and of what is kept.
const (
	maxLine       = 1 << 20
	maxDimensions = 30
	maxMetrics    = 100
	maxValues     = 100
	maxFamilies   = 200 // names of metrics
	maxSeries     = 500 // combinations of labels, of one name
)

// embedded holds the series of all metrics that functions write. It is an
// unchecked collector in Prometheus' terms: nobody knows beforehand what there
// will be.
//
// Source: "Specification: Embedded metric format" of the CloudWatch user guide.
type embedded struct {
	dropped *prometheus.CounterVec
	known   map[string]metrics.Definition // by name

	mu       sync.Mutex
	families map[string]map[string]*series // by name, then by labels
}

// series is one metric with one set of labels.
type series struct {
	unit  unit
	desc  *prometheus.Desc
	label []string // values

	value   float64 // of a counter or a gauge, or a histogram's sum
	count   uint64
	buckets map[float64]uint64 // cumulative
}

// Why a metric is dropped.
const (
	dropMalformed   = "malformed"
	dropUnit        = "unknown unit"
	dropNegative    = "counter going down"
	dropCardinality = "too many series"
)

func newEmbedded() *embedded {
	return &embedded{
		known:    map[string]metrics.Definition{},
		families: map[string]map[string]*series{},
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fotograma_embedded_metrics_dropped_total",
			Help: "Metrics that functions wrote and that were left out.",
		}, []string{"reason"}),
	}
}

// Describe tells only of what is known beforehand.
func (e *embedded) Describe(ch chan<- *prometheus.Desc) { e.dropped.Describe(ch) }

// Collect sends what there is.
func (e *embedded) Collect(ch chan<- prometheus.Metric) {
	e.dropped.Collect(ch)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, family := range e.families {
		for _, s := range family {
			ch <- s.metric()
		}
	}
}

func (s *series) metric() prometheus.Metric {
	switch s.unit.kind {
	case histogram:
		return prometheus.MustNewConstHistogram(s.desc, s.count, s.value, maps.Clone(s.buckets), s.label...)
	case counter:
		return prometheus.MustNewConstMetric(s.desc, prometheus.CounterValue, s.value, s.label...)
	default:
		return prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, s.value, s.label...)
	}
}

// directive is one element of CloudWatchMetrics.
type directive struct {
	Namespace  string     `json:"Namespace"`
	Dimensions [][]string `json:"Dimensions"`
	Metrics    []struct {
		Name string `json:"Name"`
		Unit string `json:"Unit"`
	} `json:"Metrics"`
}

// observe counts what a line says.
func (e *embedded) observe(line []byte) {
	members, directives, err := parse(line)
	if err != nil {
		e.drop(dropMalformed)
		return
	}
	for _, d := range directives {
		labels, err := d.labels(members)
		if err != nil || d.Namespace == "" || len(d.Metrics) > maxMetrics {
			e.drop(dropMalformed)
			continue
		}
		for _, metric := range d.Metrics {
			e.observeMetric(d.Namespace, metric.Name, metric.Unit, labels, members[metric.Name])
		}
	}
}

var errTooLong = errors.New("the line is too long")

func parse(line []byte) (members map[string]json.RawMessage, directives []directive, err error) {
	if len(line) > maxLine {
		return nil, nil, errTooLong
	}
	if err := json.Unmarshal(line, &members); err != nil {
		return nil, nil, err
	}
	var metadata struct {
		CloudWatchMetrics []directive `json:"CloudWatchMetrics"`
	}
	if err := json.Unmarshal(members["_aws"], &metadata); err != nil {
		return nil, nil, err
	}
	return members, metadata.CloudWatchMetrics, nil
}

var errDimensions = errors.New("dimensions are missing, too many or no strings")

// labels are the dimensions of all sets together: CloudWatch makes a metric for
// each set, where Prometheus adds up what it is asked to.
func (d directive) labels(members map[string]json.RawMessage) (map[string]string, error) {
	labels := map[string]string{}
	for _, set := range d.Dimensions {
		for _, dimension := range set {
			var value *string
			if json.Unmarshal(members[dimension], &value) != nil || value == nil {
				return nil, errDimensions
			}
			labels[labelName(dimension)] = labelValue(*value)
		}
	}
	if len(labels) > maxDimensions {
		return nil, errDimensions
	}
	return labels, nil
}

func (e *embedded) observeMetric(namespace, metric, unitName string, labels map[string]string, raw json.RawMessage) {
	u, ok := units[unitName]
	if !ok {
		e.drop(dropUnit)
		return
	}
	values, err := parseValues(raw)
	if err != nil || metric == "" || len(values) > maxValues {
		e.drop(dropMalformed)
		return
	}
	if u.kind == counter && slices.ContainsFunc(values, func(v float64) bool { return v < 0 }) {
		e.drop(dropNegative)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.find(metricName(namespace, metric, u), u, labels)
	if s == nil {
		e.drop(dropCardinality)
		return
	}
	for _, v := range values {
		s.add(v * u.scale)
	}
}

// parseValues reads a number or a list of numbers.
func parseValues(raw json.RawMessage) ([]float64, error) {
	var one *float64
	if err := json.Unmarshal(raw, &one); err == nil && one != nil {
		return []float64{*one}, nil
	}
	var many []*float64
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, err
	}
	values := make([]float64, len(many))
	for i, v := range many {
		if v == nil {
			return nil, errors.New("null is not a value")
		}
		values[i] = *v
	}
	if len(values) == 0 {
		return nil, errors.New("no value")
	}
	return values, nil
}

// find gives the series, a new one if need be; nil if there are too many. e.mu is
// held.
func (e *embedded) find(name string, u unit, labels map[string]string) *series {
	names := slices.Sorted(maps.Keys(labels))
	values := make([]string, len(names))
	var key strings.Builder
	for i, label := range names {
		values[i] = labels[label]
		key.WriteString(label + "\xff" + values[i] + "\xff") // no valid UTF-8 has it
	}
	family, ok := e.families[name]
	if !ok {
		if len(e.families) >= maxFamilies {
			return nil
		}
		family = map[string]*series{}
		e.families[name] = family
	}
	if s, ok := family[key.String()]; ok {
		return s
	}
	if len(family) >= maxSeries {
		return nil
	}
	s := &series{unit: u, desc: prometheus.NewDesc(name, cmp.Or(e.known[name].Meaning, "As functions write it in the embedded metric format."), names, nil), label: values}
	if u.kind == histogram {
		s.buckets = map[float64]uint64{}
		for _, bound := range u.buckets() {
			s.buckets[bound] = 0
		}
	}
	family[key.String()] = s
	if d, ok := e.known[name]; ok && fits(d, labels) {
		e.beginAtZero(name, u, d, labels)
	}
	return s
}

// fits tells whether labels are those of a metric's dimensions.
func fits(d metrics.Definition, labels map[string]string) bool {
	return len(labels) == len(d.Dimensions) && !slices.ContainsFunc(d.Dimensions, func(d metrics.Dimension) bool {
		_, ok := labels[labelName(d.Name)]
		return !ok
	})
}

func (s *series) add(v float64) {
	switch s.unit.kind {
	case counter:
		s.value += v
	case gauge:
		s.value = v
	case histogram:
		s.value += v
		s.count++
		for bound := range s.buckets {
			if v <= bound {
				s.buckets[bound]++
			}
		}
	}
}

// mostAtZero is how many series of one metric begin at zero at once: more are more
// noise than help.
const mostAtZero = 100

// know learns a metric of the catalogue.
func (e *embedded) know(d metrics.Definition) {
	u := units[string(d.Unit)]
	name := metricName(homeNamespace, d.Name, u)
	e.known[name] = d
	if !slices.ContainsFunc(d.Dimensions, func(d metrics.Dimension) bool { return d.Values == nil }) {
		e.beginAtZero(name, u, d, nil)
	}
}

// beginAtZero makes the series of a metric that differ from one with these labels only
// in dimensions whose values are known. So Prometheus sees the first that is counted as
// an increase, which a series that begins with it has not.
func (e *embedded) beginAtZero(name string, u unit, d metrics.Definition, labels map[string]string) {
	combinations := []map[string]string{{}}
	for _, dimension := range d.Dimensions {
		label, values := labelName(dimension.Name), dimension.Values
		if values == nil {
			values = []string{labels[label]}
		}
		var more []map[string]string
		for _, value := range values {
			for _, combination := range combinations {
				combination = maps.Clone(combination)
				combination[label] = value
				more = append(more, combination)
			}
		}
		combinations = more
	}
	if len(combinations) > mostAtZero {
		return
	}
	for _, combination := range combinations {
		e.find(name, u, combination)
	}
}

// count counts one of a metric that the stack itself measures.
func (e *embedded) count(d metrics.Definition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	u := units[string(d.Unit)]
	if s := e.find(metricName(homeNamespace, d.Name, u), u, nil); s != nil {
		s.add(1)
	}
}

func (e *embedded) drop(reason string) { e.dropped.WithLabelValues(reason).Inc() }
