// Package traces is where the functions of the stack send their spans: a collector
// that speaks OTLP over HTTP, keeps the newest traces in memory, and shows them.
//
//	POST /_fotograma/otlp/v1/traces       from exporters, protobuf
//	GET  /_fotograma/traces/              the newest traces
//	GET  /_fotograma/traces/{id}          one of them, by its ID or a video's
//	GET  /_fotograma/traces/{id}/spans    the same as JSON
package traces

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	// Path is where the pages are.
	Path = "/_fotograma/traces/"

	// OTLPPath is what an exporter's endpoint ends with.
	OTLPPath = "/_fotograma/otlp"
)

// maxExport is the largest export that is taken, in bytes, unpacked.
const maxExport = 16 << 20

//go:embed pages
var files embed.FS

// policy is for pages that need nothing but their style sheet.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Collector takes traces and shows them. It is safe for concurrent use.
type Collector struct {
	store *store
	pages *template.Template
	mux   *http.ServeMux
	log   *slog.Logger
}

// New makes a collector without traces.
func New(log *slog.Logger) *Collector {
	c := &Collector{store: newStore(), mux: http.NewServeMux(), log: log}
	c.pages = template.Must(template.New("").Funcs(template.FuncMap{"root": func() string { return Path }, "took": Took}).
		ParseFS(files, "pages/*.html"))
	c.mux.HandleFunc("POST "+OTLPPath+"/v1/traces", c.export)
	c.mux.HandleFunc("GET "+Path+"{$}", c.list)
	c.mux.HandleFunc("GET "+Path+"style.css", c.style)
	c.mux.HandleFunc("GET "+Path+"{id}", c.trace)
	c.mux.HandleFunc("GET "+Path+"{id}/spans", c.spans)
	return c
}

// ServeHTTP implements http.Handler. It wants the full path.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	c.mux.ServeHTTP(w, r)
}

// POST /_fotograma/otlp/v1/traces
//
// Source: "OTLP/HTTP" in the OpenTelemetry Protocol Specification 1.
func (c *Collector) export(w http.ResponseWriter, r *http.Request) {
	const protobuf = "application/x-protobuf"
	if r.Header.Get("Content-Type") != protobuf {
		http.Error(w, "send "+protobuf, http.StatusUnsupportedMediaType)
		return
	}
	raw, err := body(r)
	var request tracepb.TracesData // which is, on the wire, the request of an export
	if err == nil {
		err = proto.Unmarshal(raw, &request)
	}
	if err != nil {
		http.Error(w, "not an export of traces", http.StatusBadRequest)
		return
	}
	for _, resource := range request.GetResourceSpans() {
		service := attributesOf(resource.GetResource().GetAttributes())["service.name"]
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.store.add(spanOf(service, span))
			}
		}
	}
	w.Header().Set("Content-Type", protobuf) // of an empty answer: all were taken
}

func body(r *http.Request) ([]byte, error) {
	var packed io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("unpack the export: %w", err)
		}
		packed = unpacked
	}
	raw, err := io.ReadAll(io.LimitReader(packed, maxExport+1))
	if err == nil && len(raw) > maxExport {
		err = fmt.Errorf("the export has more than %d bytes", maxExport)
	}
	return raw, err
}

// text shows the value of an attribute.
func text(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

// GET /_fotograma/traces/{id}/spans
func (c *Collector) spans(w http.ResponseWriter, r *http.Request) {
	spans := c.store.find(r.PathValue("id"))
	if len(spans) == 0 {
		http.Error(w, "no such trace is kept", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(map[string]any{"spans": spans}); err != nil {
		c.log.Debug("spans not written", "error", err)
	}
}

func (c *Collector) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "pages/style.css")
}

func (c *Collector) render(w http.ResponseWriter, status int, page string, data any) {
	var out bytes.Buffer
	if err := c.pages.ExecuteTemplate(&out, page, data); err != nil {
		c.log.Error("page of traces", "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the reader may have gone
}
