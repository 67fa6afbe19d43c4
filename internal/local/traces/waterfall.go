package traces

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Row is a span in its place: below the one that caused it.
type Row struct {
	Span

	Depth int // 0 for what nothing that is kept has caused
}

// Tree puts the spans of a trace in order: each before those that it caused, which
// come as they began. A span whose parent is not kept, which is so of the first one
// if a browser named the trace, stands at the left.
func Tree(spans []Span) []Row {
	children, known := map[string][]Span{}, map[string]bool{}
	for _, span := range spans {
		known[span.ID] = true
	}
	for _, span := range spans {
		parent := span.ParentID
		if !known[parent] {
			parent = ""
		}
		children[parent] = append(children[parent], span)
	}
	var rows []Row
	var walk func(parent string, depth int)
	walk = func(parent string, depth int) {
		below := children[parent]
		delete(children, parent) // spans of a stranger might go round
		slices.SortStableFunc(below, func(a, b Span) int { return a.Start.Compare(b.Start) })
		for _, span := range below {
			rows = append(rows, Row{span, depth})
			walk(span.ID, depth+1)
		}
	}
	walk("", 0)
	return rows
}

// extent gives when the first span began and how long it was until the last ended.
func extent(spans []Span) (time.Time, time.Duration) {
	begin, end := spans[0].Start, spans[0].End
	for _, span := range spans {
		if span.Start.Before(begin) {
			begin = span.Start
		}
		if span.End.After(end) {
			end = span.End
		}
	}
	return begin, end.Sub(begin)
}

// Took shows a duration with the digits that matter.
func Took(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
}

// summary is a trace in the list.
type summary struct {
	ID, Name, Video string
	Begin           time.Time
	Took            time.Duration
	Spans, Failed   int
	Services        []string
}

func summarize(spans []Span) summary {
	s := summary{ID: spans[0].TraceID, Name: spans[0].Name, Spans: len(spans)}
	s.Begin, s.Took = extent(spans)
	for _, span := range spans {
		if span.Failed {
			s.Failed++
		}
		if video := span.Attributes[videoAttribute]; video != "" && s.Video == "" {
			s.Video = video
		}
		if !slices.Contains(s.Services, span.Service) {
			s.Services = append(s.Services, span.Service)
		}
	}
	return s
}

// GET /_fotograma/traces/
func (c *Collector) list(w http.ResponseWriter, _ *http.Request) {
	var page struct{ Traces []summary }
	for _, spans := range c.store.all() {
		page.Traces = append(page.Traces, summarize(spans))
	}
	c.render(w, http.StatusOK, "list.html", page)
}

// bar is a row of the waterfall. Left and Width are in parts of 1000.
type bar struct {
	Row

	Left, Width float64
	Details     string
}

// GET /_fotograma/traces/{id}
func (c *Collector) trace(w http.ResponseWriter, r *http.Request) {
	var page struct {
		summary

		Bars []bar
	}
	spans := c.store.find(r.PathValue("id"))
	if len(spans) == 0 {
		page.ID = r.PathValue("id")
		c.render(w, http.StatusNotFound, "trace.html", page)
		return
	}
	page.summary = summarize(spans)
	for _, row := range Tree(spans) {
		page.Bars = append(page.Bars, barOf(row, page.Begin, page.Took))
	}
	c.render(w, http.StatusOK, "trace.html", page)
}

func barOf(row Row, begin time.Time, whole time.Duration) bar {
	const width, least = 1000, 2
	b := bar{Row: row, Width: least}
	if whole > 0 {
		b.Left = width * float64(row.Start.Sub(begin)) / float64(whole)
		b.Width = max(width*float64(row.Duration())/float64(whole), least)
	}
	b.Left = min(b.Left, width-least)
	details := make([]string, 0, len(row.Attributes))
	for name, value := range row.Attributes {
		details = append(details, name+" = "+value)
	}
	slices.Sort(details)
	b.Details = strings.Join(details, "\n")
	return b
}
