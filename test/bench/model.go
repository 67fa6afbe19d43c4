package main

import (
	"context"
	"math"
	"runtime"

	"github.com/fotograma/fotograma/internal/frames"
)

// What the model takes from elsewhere than from measuring: AWS' prices in
// us-east-1 for x86 in November 2026, and how long what surrounds a worker takes.
const (
	pricePerGBSecond = 0.0000166667 // USD, Lambda
	pricePerGet      = 0.0004 / 1000
	pricePerPut      = 0.005 / 1000
	megabytesPerCPU  = 1769 // of a function's memory setting
	maxMegabytes     = 10_240

	hop       = 0.1 // seconds until a message that was sent is with a warm worker
	coldStart = 1.5 // seconds until a new worker of an image of some 60 MB has begun
	complete  = 5 * 0.03
	parts     = 16 << 20 // bytes of an archive's part
)

// video is the length of what the model is about, in seconds.
const video = 2 * 3600.0

// model tells how long a video of 2 h takes at 1 fps and what it costs, from what
// was measured.
type model struct {
	perSecond float64 // seconds of a worker for a second of video
	fixed     float64 // seconds to open a video of 2 h in its middle and get one frame
	slowest   float64 // how much slower than the mean the slowest part is
	gets      float64 // requests for a second of video
	puts      float64
	stock     float64 // seconds of stock FFmpeg for a second of video
	naive     float64 // the same of the naive system
	disk      float64 // bytes that the naive system keeps for a second of video
}

// prediction is the model's answer.
type prediction struct {
	workers int
	wall    float64 // seconds
	dollars float64
}

// newModel measures what no row does.
func (b *bench) newModel(ctx context.Context, s *suite) (*model, error) {
	m := &model{}
	for _, r := range s.rows {
		if r.clip != s.hd || r.section != mainSection || r.work != s.rows[0].work || len(r.pairs) == 0 {
			continue
		}
		ours, theirs := r.medians(wall)
		switch r.against {
		case againstStock:
			m.perSecond, m.stock = ours/s.hd.seconds, theirs/s.hd.seconds
			got, _ := r.medians(gets)
			put, _ := r.medians(puts)
			m.gets, m.puts = got/s.hd.seconds, put/s.hd.seconds
		case againstNaive:
			_, kept := r.medians(disk)
			m.naive, m.disk = theirs/s.hd.seconds, kept/s.hd.seconds
		}
	}
	if _, err := s.long.film(ctx, b.media); err != nil {
		return nil, err
	}
	x := perSecond(frames.FormatJPEG)
	var err error
	if m.fixed, err = b.median(ctx, s.long, between(x, video/2, video/2+1)); err != nil {
		return nil, err
	}
	const pieces = 6
	var sum, most float64
	for k := range pieces {
		length := s.hd.seconds / pieces
		took, err := b.median(ctx, s.hd, between(x, float64(k)*length, float64(k+1)*length))
		if err != nil {
			return nil, err
		}
		sum, most = sum+took, max(most, took)
	}
	m.slowest = most / (sum / pieces)
	return m, nil
}

func between(x frames.Extraction, start, end float64) frames.Extraction {
	x.Start, x.End = &start, &end
	return x
}

// predict gives the wall time and the cost with so many workers. One works as it
// would without the others; several wait for the plan, for cold starts, and for
// the slowest of them.
func (m *model) predict(workers int) prediction {
	work := video * m.perSecond
	wall, busy := m.fixed+work, m.fixed+work
	if workers > 1 {
		each := m.fixed + work/float64(workers)*m.slowest
		wall = m.fixed + hop + coldStart + each + complete
		busy = m.fixed + float64(workers)*(coldStart+m.fixed) + work + complete
	}
	return prediction{workers, wall, busy*gigabytes()*pricePerGBSecond + video*(m.gets*pricePerGet+m.puts*pricePerPut)}
}

// gigabytes is the memory setting that gives a worker as many CPUs as there are
// here.
func gigabytes() float64 {
	return math.Min(float64(runtime.NumCPU()*megabytesPerCPU), maxMegabytes) / 1024
}

// speedUp is how many times faster so many workers are than one.
func (m *model) speedUp(workers int) float64 { return m.predict(1).wall / m.predict(workers).wall }
