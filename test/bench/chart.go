package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-analyze/charts"
)

// spare is room beside labels: whoever looks at the chart may have a wider font
// than the one that it is measured with.
var spare = strings.Repeat("\u00a0", 14)

// targetChart draws what was reached beside what was asked for.
func targetChart(s *suite) ([]byte, error) {
	var labels []string
	values := make([][]float64, 2)
	for _, r := range slices.Backward(s.rows) { // the first at the top
		for _, t := range r.targets {
			if measured := t.of(r); t.least > 0 && measured > 0 {
				labels = append(labels, fmt.Sprintf("%s, %s: %s", r.work, strings.ReplaceAll(r.against, "`", ""), t.what)+spare)
				values[0], values[1] = append(values[0], measured), append(values[1], t.least)
			}
		}
	}
	chart := charts.NewBarChartOptionWithData(values)
	chart.Horizontal = true
	chart.Title.Text = "How many times less Fotograma takes"
	chart.Title.FontStyle.FontSize = 12
	chart.CategoryAxis.Labels = labels
	chart.CategoryAxis.LabelFontStyle.FontSize = 9
	chart.ValueFormatter = times
	chart.Legend.SeriesNames = []string{"measured", "asked for"}
	chart.Legend.Offset.Left = charts.PositionRight
	for i := range chart.SeriesList {
		chart.SeriesList[i].Label.Show = new(true)
		chart.SeriesList[i].Label.ValueFormatter = func(v float64) string { return fmt.Sprintf("%.1f×", v) }
	}
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 1000, Height: 90 + 50*len(labels)})
	if err := painter.BarChart(chart); err != nil {
		return nil, fmt.Errorf("draw targets: %w", err)
	}
	return painter.Bytes()
}

// times is how an axis is labelled.
func times(v float64) string { return fmt.Sprintf("%g×", v) }

// modelChart draws how much faster more workers are.
func modelChart(m *model) ([]byte, error) {
	var labels []string
	values := make([][]float64, 3)
	for workers := 0; workers <= 120; workers += 10 {
		var warm, cold float64 // of none
		if workers > 0 {
			warm, cold = m.speedUp(workers)
		}
		labels = append(labels, strconv.Itoa(workers))
		for i, times := range []float64{warm, cold, float64(workers)} {
			values[i] = append(values[i], times)
		}
	}
	chart := charts.NewLineChartOptionWithData(values)
	chart.Title.Text = "How many times faster so many workers are than one (2 h of video, 1 fps)"
	chart.Title.FontStyle.FontSize = 12
	chart.XAxis.Labels = labels
	chart.XAxis.LabelCount = len(labels)
	chart.XAxis.Title = "workers"
	chart.Legend.SeriesNames = []string{"warm workers", "new workers", "without any overhead"}
	chart.Legend.Offset.Left = charts.PositionRight
	chart.ValueFormatter = times
	chart.Symbol.Shape = charts.SymbolNone
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 1000, Height: 420})
	if err := painter.LineChart(chart); err != nil {
		return nil, fmt.Errorf("draw model: %w", err)
	}
	return painter.Bytes()
}
