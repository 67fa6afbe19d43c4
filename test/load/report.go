package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/fotograma/fotograma/test/measuring"
)

// The measured part of the document stands between these lines.
const (
	begin = "<!-- What follows is written by `make load`. -->\n"
	end   = "<!-- What was written by `make load` ends here. -->\n"
)

// report is all that was measured, as Markdown.
func (l *load) report(machine string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s. It took %s.\n\nThe stack ran with these parameters:\n\n```\n%s\n```\n",
		machine, time.Since(l.started).Round(time.Second), strings.Join(raised, "\n"))
	text.WriteString("\n## Requests\n\n" + l.requests())
	text.WriteString("\n## Many videos at once\n\n" + l.backlog.report(l.mailed, len(l.uploads)))
	text.WriteString("\n## Browsers that look on\n\n" + l.looked())
	text.WriteString("\n## Memory\n\n" + l.memory.report())
	text.WriteString("\n")
	return text.String()
}

func (l *load) requests() string {
	table := measuring.NewTable("load", "request", "requests", "a second", "answered well, a second", "p50, ms", "p95, ms", "p99, ms", "longest, ms", "answers by status")
	for _, a := range l.attacks {
		name := fmt.Sprintf("%s: %d/s for %s", a.name, a.rate, a.length.Round(time.Second))
		for _, s := range shares {
			if m := a.kinds[s.kind]; m != nil {
				table.Row(append([]string{name, s.kind}, figures(m)...)...)
			}
		}
		table.Row(append([]string{name, "**all**"}, figures(&a.all)...)...)
	}
	if l.onlookers.Requests > 0 {
		table.Row(append([]string{fmt.Sprintf("steady: %d browsers beside them", min(l.steady.browsers, l.plan.people)), "lists and videos with ETag"}, figures(&l.onlookers)...)...)
	}
	return table.String()
}

func figures(m *vegeta.Metrics) []string {
	return []string{
		strconv.FormatUint(m.Requests, 10), fmt.Sprintf("%.1f", m.Rate), fmt.Sprintf("%.1f", m.Throughput),
		milliseconds(m.Latencies.P50), milliseconds(m.Latencies.P95), milliseconds(m.Latencies.P99), milliseconds(m.Latencies.Max), codes(m),
	}
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64)
}

// codes tells how many answers had which status; 0 is none.
func codes(m *vegeta.Metrics) string {
	parts := make([]string, 0, len(m.StatusCodes))
	for code, n := range m.StatusCodes {
		parts = append(parts, fmt.Sprintf("%s: %d", code, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (b *backlog) report(mailed, all int) string {
	if b.videos == 0 {
		return "Not measured.\n"
	}
	table := measuring.NewTable("what", "")
	table.Row("videos", strconv.Itoa(b.videos))
	table.Row("uploaded within", seconds(b.uploading))
	table.Row("of them not finished when the last was uploaded", strconv.Itoa(b.waiting))
	table.Row("from the first upload to the last video's end", seconds(b.all))
	table.Row("videos a second", fmt.Sprintf("%.2f", float64(b.videos)/b.all.Seconds()))
	table.Row("frames", strconv.Itoa(b.frames))
	table.Row("frames a second", fmt.Sprintf("%.1f", float64(b.frames)/b.all.Seconds()))
	table.Row("videos of the whole run told of in exactly one mail", fmt.Sprintf("%d of %d", mailed, all))
	return table.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func (l *load) looked() string {
	table := measuring.NewTable("cache", "requests", "a second", "304", "p50, ms", "p95, ms", "p99, ms", "reads of DynamoDB", "for a request", "saved", "writes of the log", "answers by status")
	for _, v := range l.views {
		m, base := &v.metrics, l.views[0]
		table.Row(v.name, strconv.FormatUint(m.Requests, 10), fmt.Sprintf("%.1f", m.Rate),
			percent(float64(m.StatusCodes["304"])/float64(m.Requests)),
			milliseconds(m.Latencies.P50), milliseconds(m.Latencies.P95), milliseconds(m.Latencies.P99),
			strconv.FormatInt(v.reads, 10), fmt.Sprintf("%.2f", v.perRequest()), percent(1-v.perRequest()/base.perRequest()),
			strconv.FormatInt(v.writes, 10), codes(m))
	}
	return fmt.Sprintf("%d people look on for %s; %d of them had a video processed, of which so many ended meanwhile: %s.\n\n%s",
		l.plan.people, l.look, l.busy, l.endedMeanwhile(), table)
}

func (l *load) endedMeanwhile() string {
	parts := make([]string, 0, len(l.views))
	for _, v := range l.views {
		parts = append(parts, fmt.Sprintf("%d (%s)", v.ended, v.name))
	}
	return strings.Join(parts, ", ")
}

func percent(part float64) string { return fmt.Sprintf("%.1f %%", 100*part) }

// report tells what each program had, and whether that grew under the steady load.
func (m *memory) report() string {
	most := map[string]part{}
	for _, l := range m.looks {
		for program, p := range l.parts {
			most[program] = part{max(most[program].processes, p.processes), max(most[program].bytes, p.bytes)}
		}
	}
	programs := make([]string, 0, len(most))
	for program := range most {
		programs = append(programs, program)
	}
	slices.SortFunc(programs, func(a, b string) int { return most[b].bytes - most[a].bytes })
	table := measuring.NewTable("program", "processes at most", "all of them at most, MB", "at the steady load's end, MB", "growth then, MB an hour")
	var span float64
	for _, program := range programs {
		x, y := m.of(program)
		if len(x) == 0 {
			continue
		}
		span = x[len(x)-1] - x[0]
		growth := "– (not always there)"
		if slices.Min(y) > 0 {
			growth = fmt.Sprintf("%+.1f", slope(x, y)*3600/1e6)
		}
		table.Row("`"+program+"`", strconv.Itoa(most[program].processes), megabytes(float64(most[program].bytes)), megabytes(y[len(y)-1]), growth)
	}
	return fmt.Sprintf("%d looks. The growth is the slope of the line that fits the last %.0f minutes of the steady load best.\n\n%s",
		len(m.looks), span/60, table)
}

func megabytes(bytes float64) string { return fmt.Sprintf("%.1f", bytes/1e6) }
