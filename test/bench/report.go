package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fotograma/fotograma/test/measuring"
)

// The measured part of the document stands between these lines.
const (
	begin = "<!-- What follows is written by `make bench`. -->\n"
	end   = "<!-- What was written by `make bench` ends here. -->\n"
)

// The charts, beside the document.
const (
	targetsSVG = "performance.svg"
	workersSVG = "performance-workers.svg"
)

// report is all that was measured, as Markdown.
func report(s *suite, m *model, machine string) string {
	var text strings.Builder
	text.WriteString("\n" + machine + "\n## What was asked for\n\n")
	text.WriteString(targetTable(s, m))
	fmt.Fprintf(&text, "\n![How many times less Fotograma takes than others, measured beside what was asked for](%s)\n", targetsSVG)
	text.WriteString("\n## Ratios\n\nHow many times as much the other one took; in brackets the smallest and the largest of the pairs.\n")
	for _, section := range []string{mainSection, codecSection, ownSection} {
		fmt.Fprintf(&text, "\n### %s\n\n%s", section, ratioTable(s, section))
	}
	text.WriteString("\n## Medians\n\nFotograma's / the other's.\n\n" + medianTable(s))
	text.WriteString("\n## Two hours of video with more workers\n\n" + modelText(m))
	fmt.Fprintf(&text, "\n![How many times faster more workers are than one](%s)\n\n", workersSVG)
	return text.String()
}

func targetTable(s *suite, m *model) string {
	table := measuring.NewTable("work", "against", "figure", "asked for", "measured", "")
	for _, r := range s.rows {
		for _, t := range r.targets {
			measured := t.of(r)
			table.Row(r.work, r.against, t.what, t.asked(), t.reached(measured), t.verdict(measured))
		}
	}
	if m == nil {
		return table.String()
	}
	workers := target{what: wall.name, least: 40, unit: "×"}
	warm, cold := m.speedUp(60)
	table.Row("2 h of video, 60 warm workers (model)", "one worker", workers.what, workers.asked(), workers.reached(warm), workers.verdict(warm))
	table.Row("the same with 60 new workers", "one new worker", workers.what, workers.asked(), workers.reached(cold), workers.verdict(cold))
	return table.String()
}

func ratioTable(s *suite, section string) string {
	figures := []figure{wall, cpu, memory, read, requests, first}
	table := measuring.NewTable("work", "against", wall.name, cpu.name, memory.name, read.name, requests.name, first.name, "pairs")
	for _, r := range s.rows {
		if r.section != section || len(r.pairs) == 0 {
			continue
		}
		cells := append(make([]string, 0, len(figures)+3), r.work+r.fallback(), r.against)
		for _, f := range figures {
			cells = append(cells, r.ratio(f))
		}
		table.Row(append(cells, strconv.Itoa(len(r.pairs)))...)
	}
	return table.String()
}

// fallback says why a video was decoded whole, if it was.
func (r *row) fallback() string {
	if plain := r.pairs[0].ours.Plain; plain != "" {
		return " (every picture decoded: " + plain + ")"
	}
	return ""
}

// ratio gives the spread of wall time, and of other figures the median.
func (r *row) ratio(f figure) string {
	s, ok := r.times(f)
	if !ok {
		return "–"
	}
	if f.name == wall.name && len(r.pairs) > 1 {
		return fmt.Sprintf("%s (%.2f–%.2f)", ratio(s.median), s.least, s.most)
	}
	return ratio(s.median)
}

func medianTable(s *suite) string {
	table := measuring.NewTable("work", "against", "wall, s", "CPU, s", "peak memory, MB", "read, MB", "requests", "temporary disk, MB", "first byte, ms")
	for _, r := range s.rows {
		if len(r.pairs) == 0 {
			continue
		}
		both := func(f figure, format string, unit float64) string {
			ours, theirs := r.medians(f)
			return fmt.Sprintf(format+" / "+format, ours/unit, theirs/unit)
		}
		table.Row(r.work, r.against, both(wall, "%.2f", 1), both(cpu, "%.2f", 1), both(memory, "%.0f", 1e6), both(read, "%.1f", 1e6),
			both(requests, "%.0f", 1), both(disk, "%.0f", 1e6), both(first, "%.0f", 1e-3))
	}
	return table.String()
}

func modelText(m *model) string {
	const limit = 900 // seconds that a Lambda function may run
	table := measuring.NewTable("workers", "warm", "times faster", "new", "times faster", "Lambda and S3, USD")
	for _, workers := range []int{1, 2, 5, 10, 20, 30, 60, 90, 120} {
		p := m.predict(workers)
		note := ""
		if workers == 1 && p.cold > limit {
			note = " (more than Lambda's 15 min)"
		}
		warm, cold := m.speedUp(workers)
		table.Row(strconv.Itoa(workers), duration(p.warm)+note, ratio(warm), duration(p.cold), ratio(cold), fmt.Sprintf("%.4f", p.dollars))
	}
	return fmt.Sprintf(`Measured: %.3f s of a worker for a second of 1080p H.264 at 1 fps; %.2f s to plan a video of 2 h, and %.2f s for a segment of one
frame in its middle; %.2f to %.2f s for each sixth of the clip; %.2f GET and %.2f PUT or POST requests for a second of video.
In one process stock FFmpeg would take %s, and the naive system %s with %.1f GB of temporary disk.

%s`, m.perSecond, m.plan, m.open, slices.Min(m.pieces[:]), slices.Max(m.pieces[:]), m.gets, m.puts,
		duration(video*m.stock), duration(video*m.naive), video*m.disk/1e9, table)
}

func ratio(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", v)
}

func duration(seconds float64) string {
	if seconds < 120 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	return fmt.Sprintf("%.1f min", seconds/60)
}

// publish writes the measured part into a document, and the charts beside it.
func publish(document, measured string, s *suite, m *model) error {
	text, err := measuring.Replace(document, begin, end, measured)
	if err != nil {
		return err
	}
	targets, err := targetChart(s)
	if err != nil {
		return err
	}
	workers, err := modelChart(m)
	if err != nil {
		return err
	}
	for path, content := range map[string][]byte{
		document: text,
		filepath.Join(filepath.Dir(document), targetsSVG): targets,
		filepath.Join(filepath.Dir(document), workersSVG): workers,
	} {
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // G306: documents are for everybody
			return err
		}
	}
	return nil
}
