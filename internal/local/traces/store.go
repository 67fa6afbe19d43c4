package traces

import (
	"cmp"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Span is one step of a trace.
type Span struct {
	TraceID    string            `json:"trace_id"`
	ID         string            `json:"span_id"`
	ParentID   string            `json:"parent_span_id,omitempty"`
	Name       string            `json:"name"`
	Kind       string            `json:"kind"` // "server", "client", "producer", "consumer" or "internal"
	Service    string            `json:"service"`
	Start      time.Time         `json:"start"`
	End        time.Time         `json:"end"`
	Failed     bool              `json:"failed,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Duration is how long the step took.
func (s Span) Duration() time.Duration { return s.End.Sub(s.Start) }

// videoAttribute is the attribute that tells which video a span is about.
const videoAttribute = "fotograma.video.id"

const (
	// mostTraces is how many traces are kept, the newest; mostSpans how many spans of
	// each, the first.
	mostTraces = 500
	mostSpans  = 5000
)

// store keeps traces in memory.
type store struct {
	mu     sync.Mutex
	traces *lru.Cache[string, map[string]Span] // by trace ID, then span ID
	videos *lru.Cache[string, string]          // trace IDs by video
}

func newStore() *store {
	s := &store{}
	s.traces, _ = lru.New[string, map[string]Span](mostTraces) // fails only for a size of nothing
	s.videos, _ = lru.New[string, string](mostTraces)
	return s
}

func (s *store) add(span Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spans, ok := s.traces.Get(span.TraceID)
	if !ok {
		spans = map[string]Span{}
		s.traces.Add(span.TraceID, spans)
	}
	if len(spans) < mostSpans {
		spans[span.ID] = span
	}
	if video := span.Attributes[videoAttribute]; video != "" {
		// The longest trace of a video is the one of its upload; others only ask for it.
		if before, ok := s.videos.Get(video); !ok || s.size(before) < len(spans) {
			s.videos.Add(video, span.TraceID)
		}
	}
}

func (s *store) size(trace string) int {
	spans, _ := s.traces.Peek(trace)
	return len(spans)
}

// find gives the spans of a trace, by its ID or its video's, in the order in which
// they began; none if it is not kept.
func (s *store) find(id string) []Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	if trace, ok := s.videos.Peek(id); ok {
		id = trace
	}
	spans, _ := s.traces.Peek(id)
	return sorted(spans)
}

// all gives the traces that are kept, newest first.
func (s *store) all() [][]Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.traces.Values()
	all := make([][]Span, 0, len(kept))
	for _, spans := range kept {
		all = append(all, sorted(spans))
	}
	slices.SortFunc(all, func(a, b []Span) int { return b[0].Start.Compare(a[0].Start) })
	return all
}

func sorted(spans map[string]Span) []Span {
	list := make([]Span, 0, len(spans))
	for _, span := range spans {
		list = append(list, span)
	}
	slices.SortFunc(list, func(a, b Span) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID)) })
	return list
}

var kinds = map[tracepb.Span_SpanKind]string{
	tracepb.Span_SPAN_KIND_SERVER: "server", tracepb.Span_SPAN_KIND_CLIENT: "client",
	tracepb.Span_SPAN_KIND_PRODUCER: "producer", tracepb.Span_SPAN_KIND_CONSUMER: "consumer",
}

func spanOf(service string, p *tracepb.Span) Span {
	return Span{
		TraceID: hex.EncodeToString(p.GetTraceId()), ID: hex.EncodeToString(p.GetSpanId()), ParentID: hex.EncodeToString(p.GetParentSpanId()),
		Name: p.GetName(), Kind: cmp.Or(kinds[p.GetKind()], "internal"), Service: service,
		Start: time.Unix(0, int64(p.GetStartTimeUnixNano())).UTC(), End: time.Unix(0, int64(p.GetEndTimeUnixNano())).UTC(),
		Failed:     p.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
		Attributes: attributesOf(p.GetAttributes()),
	}
}

func attributesOf(pairs []*commonpb.KeyValue) map[string]string {
	attributes := map[string]string{}
	for _, pair := range pairs {
		attributes[pair.GetKey()] = text(pair.GetValue())
	}
	return attributes
}
