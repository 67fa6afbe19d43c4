package traces_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/fotograma/fotograma/internal/local/traces"
)

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

var begin = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func attribute(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// span is one that began and ended so many milliseconds after begin.
func span(t *testing.T, trace, id, parent, name string, from, to int, attributes ...*commonpb.KeyValue) *tracepb.Span {
	t.Helper()
	at := func(ms int) uint64 { return uint64(begin.Add(time.Duration(ms) * time.Millisecond).UnixNano()) }
	return &tracepb.Span{
		TraceId: unhex(t, trace), SpanId: unhex(t, id), ParentSpanId: unhex(t, parent), Name: name,
		Kind: tracepb.Span_SPAN_KIND_SERVER, StartTimeUnixNano: at(from), EndTimeUnixNano: at(to), Attributes: attributes,
	}
}

func export(t *testing.T, c *traces.Collector, zipped bool, spans ...*tracepb.Span) {
	t.Helper()
	raw, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{attribute("service.name", "VideoFunction")}},
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	r := httptest.NewRequest(http.MethodPost, traces.OTLPPath+"/v1/traces", &body)
	r.Header.Set("Content-Type", "application/x-protobuf")
	if zipped {
		r.Header.Set("Content-Encoding", "gzip")
		w := gzip.NewWriter(&body)
		_, _ = w.Write(raw)
		_ = w.Close()
	} else {
		body.Write(raw)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
}

func get(c *traces.Collector, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func kept(t *testing.T, c *traces.Collector, id string) []traces.Span {
	t.Helper()
	var answer struct {
		Spans []traces.Span `json:"spans"`
	}
	if w := get(c, traces.Path+id+"/spans"); w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
	}
	return answer.Spans
}

func newCollector() *traces.Collector { return traces.New(slog.New(slog.DiscardHandler)) }

func TestATraceIsShownAsATree(t *testing.T) {
	c := newCollector()
	// Functions tell of what they caused before they are done themselves.
	export(t, c, true, span(t, traceID, "00000000000000c1", "00000000000000b1", "send", 20, 30))
	export(t, c, false,
		span(t, traceID, "00000000000000b2", "00000000000000a1", "second", 40, 50),
		span(t, traceID, "00000000000000b1", "00000000000000a1", "first", 10, 35),
		span(t, traceID, "00000000000000a1", "00f067aa0ba902b7", "POST /v1/videos", 0, 100, attribute("fotograma.video.id", "v1")),
	)
	type row struct {
		Depth int
		Name  string
	}
	var got []row
	for _, r := range traces.Tree(kept(t, c, traceID)) {
		got = append(got, row{r.Depth, r.Name})
	}
	want := []row{{0, "POST /v1/videos"}, {1, "first"}, {2, "send"}, {1, "second"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	page := get(c, traces.Path+"v1")
	for _, text := range []string{"VideoFunction", "POST /v1/videos", "100 ms", `x="400.0"`, `width="100.0"`, "fotograma.video.id = v1"} {
		if !strings.Contains(page.Body.String(), text) {
			t.Errorf("the page has no %q", text)
		}
	}
	if list := get(c, traces.Path).Body.String(); !strings.Contains(list, traces.Path+traceID) || !strings.Contains(list, "v1") {
		t.Errorf("the list is %s", list)
	}
}

func TestWhatAStrangerExportsDoesNoHarm(t *testing.T) {
	c := newCollector()
	export(t, c, false,
		span(t, traceID, "00000000000000a1", "00000000000000a2", "<script>alert(1)</script>", 0, 1),
		span(t, traceID, "00000000000000a2", "00000000000000a1", "round and round", 0, 1),
		span(t, traceID, "00000000000000a3", "", "<b>", 0, 1),
	)
	page := get(c, traces.Path+traceID).Body.String()
	if strings.Contains(page, "<script>") || strings.Contains(page, "<b>") || !strings.Contains(page, "&lt;b&gt;") {
		t.Errorf("the page has %s", page)
	}
	for name, change := range map[string]func(r *http.Request){
		"another type": func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"no gzip":      func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		"no protobuf":  func(*http.Request) {},
	} {
		r := httptest.NewRequest(http.MethodPost, traces.OTLPPath+"/v1/traces", strings.NewReader("hello"))
		r.Header.Set("Content-Type", "application/x-protobuf")
		change(r)
		w := httptest.NewRecorder()
		if c.ServeHTTP(w, r); w.Code/100 != 4 {
			t.Errorf("%s: status %d", name, w.Code)
		}
	}
	if w := get(c, traces.Path+"nothing"); w.Code != http.StatusNotFound {
		t.Errorf("status %d of what is not kept", w.Code)
	}
}

func TestTheNewestTracesAreKept(t *testing.T) {
	c := newCollector()
	const some = 600
	for n := range some {
		export(t, c, false, span(t, fmt.Sprintf("%032x", n+1), "00000000000000a1", "", "GET", n, n+1))
	}
	if len(kept(t, c, fmt.Sprintf("%032x", 1))) != 0 || len(kept(t, c, fmt.Sprintf("%032x", some))) != 1 {
		t.Error("not the newest traces are kept")
	}
}
