package main

import (
	"fmt"
	"slices"
)

// figure is something that is measured of a run.
type figure struct {
	name string
	of   func(sample) float64
}

var (
	wall     = figure{"wall time", func(s sample) float64 { return s.Wall.Seconds() }}
	cpu      = figure{"CPU time", func(s sample) float64 { return s.CPU.Seconds() }}
	memory   = figure{"peak memory", func(s sample) float64 { return float64(s.Memory) }}
	read     = figure{"bytes read", func(s sample) float64 { return float64(s.Sent) }}
	requests = figure{"requests", func(s sample) float64 { return float64(s.Gets + s.Puts) }}
	gets     = figure{"GET requests", func(s sample) float64 { return float64(s.Gets) }}
	puts     = figure{"PUT requests", func(s sample) float64 { return float64(s.Puts) }}
	disk     = figure{"temporary disk", func(s sample) float64 { return float64(s.Disk) }}
	first    = figure{"first byte", func(s sample) float64 { return s.FirstByte.Seconds() }}
)

// spread is a median with the least and the most.
type spread struct{ least, median, most float64 }

// times tells how many times as much of a figure theirs took as ours, pair by
// pair; false if that is not known, or if one of them took nothing.
func (r *row) times(f figure) (spread, bool) {
	var ratios []float64
	for _, p := range r.pairs {
		ours, theirs := f.of(p.ours), f.of(p.theirs)
		if ours <= 0 || theirs <= 0 {
			return spread{}, false
		}
		ratios = append(ratios, theirs/ours)
	}
	if len(ratios) == 0 {
		return spread{}, false
	}
	return spread{slices.Min(ratios), median(ratios), slices.Max(ratios)}, true
}

// medians of a figure on both sides.
func (r *row) medians(f figure) (ours, theirs float64) {
	a, b := make([]float64, 0, len(r.pairs)), make([]float64, 0, len(r.pairs))
	for _, p := range r.pairs {
		a, b = append(a, f.of(p.ours)), append(b, f.of(p.theirs))
	}
	return median(a), median(b)
}

// median of no values is 0; of an even number of them, the mean of the two in the
// middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// target is what a figure is to reach: at least or at most so much, whichever is
// not 0.
type target struct {
	what        string
	least, most float64
	unit        string
	of          func(*row) float64 // 0 if it is not known
}

// atLeast asks that theirs takes so many times as much as ours.
func atLeast(f figure, times float64) target {
	return target{what: f.name, least: times, unit: "×", of: func(r *row) float64 {
		s, _ := r.times(f)
		return s.median
	}}
}

// atMost asks that ours takes at most so many times as much as theirs.
func atMost(f figure, share float64) target {
	return target{what: f.name + ", ours by theirs", most: share, unit: "×", of: func(r *row) float64 {
		if s, ok := r.times(f); ok {
			return 1 / s.median
		}
		return 0
	}}
}

// inProportion asks that little more is read than what is needed.
var inProportion = target{what: "bytes read, by those needed", most: 1.5, unit: "×", of: func(r *row) float64 {
	if r.needed == 0 {
		return 0
	}
	ours, _ := r.medians(read)
	return ours / float64(r.needed)
}}

// soon asks for the first byte of the archive within so many milliseconds. It is
// the only target that is not a ratio, and says as much of the machine.
func soon(milliseconds float64) target {
	return target{what: first.name, most: milliseconds, unit: " ms", of: func(r *row) float64 {
		ours, _ := r.medians(first)
		return ours * 1000
	}}
}

// asked, reached and verdict are for people.
func (t target) asked() string {
	if t.least > 0 {
		return fmt.Sprintf("≥ %g%s", t.least, t.unit)
	}
	return fmt.Sprintf("≤ %g%s", t.most, t.unit)
}

func (t target) reached(measured float64) string {
	switch {
	case measured == 0:
		return "–"
	case measured >= 10:
		return fmt.Sprintf("%.1f%s", measured, t.unit)
	}
	return fmt.Sprintf("%.2f%s", measured, t.unit)
}

func (t target) verdict(measured float64) string {
	switch {
	case measured == 0:
		return "not measured"
	case t.least > 0 && measured < t.least, t.most > 0 && measured > t.most:
		return "**not met**"
	}
	return "met"
}
