package main

import (
	"context"
	"math"
	"runtime"

	"github.com/fotograma/fotograma/internal/frames"
)

// What the model takes from elsewhere than from measuring: AWS' prices in
// us-east-1 for x86 in November 2026, and how long what surrounds the workers
// takes.
const (
	pricePerGBSecond = 0.0000166667 // USD, Lambda
	pricePerGet      = 0.0004 / 1000
	pricePerPut      = 0.005 / 1000
	megabytesPerCPU  = 1769 // of a function's memory setting
	maxMegabytes     = 10_240

	hop       = 0.1 // seconds until a message that was sent is with a warm worker
	coldStart = 1.0 // seconds until a new worker has begun

	// Of the archive that is put together: requests one after the other, and those
	// for each segment, so many side by side.
	joining      = 0.5 // seconds
	perSegment   = 0.15
	sideBySide   = 8
	segmentGets  = 4
	segmentsPuts = 6
)

// video is the length of what the model is about, in seconds.
const video = 2 * 3600.0

// pieces is how many the clip is measured in.
const pieces = 6

// model tells how long 2 h of the clip, one time after the other, take at 1 fps
// and what they cost, from what was measured.
type model struct {
	clip      float64         // how long it is, in seconds
	perSecond float64         // seconds of a worker for a second of video
	plan      float64         // seconds to plan a video of 2 h
	open      float64         // seconds for a segment of one frame in its middle
	pieces    [pieces]float64 // seconds of a worker for each piece of the clip
	gets      float64         // requests for a second of video
	puts      float64
	stock     float64 // seconds of stock FFmpeg for a second of video
	naive     float64 // the same of the naive system
	disk      float64 // bytes that the naive system keeps for a second of video
}

// prediction is the model's answer: seconds until the archive is there, and what
// it costs.
type prediction struct{ warm, cold, dollars float64 }

// newModel takes what the rows say, and measures what no row does.
func (b *bench) newModel(ctx context.Context, s *suite) (*model, error) {
	m := &model{clip: s.hd.seconds}
	for _, r := range s.rows {
		if r.clip != s.hd || r.section != mainSection || r.work != s.rows[0].work || len(r.pairs) == 0 {
			continue
		}
		ours, theirs := r.medians(wall)
		switch r.against {
		case againstStock:
			m.perSecond, m.stock = ours/m.clip, theirs/m.clip
			got, _ := r.medians(gets)
			put, _ := r.medians(puts)
			m.gets, m.puts = got/m.clip, put/m.clip
		case againstPNGs:
			_, kept := r.medians(disk)
			m.naive, m.disk = theirs/m.clip, kept/m.clip
		}
	}
	if _, err := s.long.film(ctx, b.media); err != nil {
		return nil, err
	}
	x := &row{extraction: perSecond(frames.FormatJPEG)}
	long := b.job(x, ofPlan, s.long)
	long.Segments = video
	var err error
	if m.plan, err = b.median(ctx, long); err != nil {
		return nil, err
	}
	long.Pipeline, long.Segment = ofSegment, video/2
	if m.open, err = b.median(ctx, long); err != nil {
		return nil, err
	}
	piece := b.job(x, ofSegment, s.hd)
	piece.Segments = pieces
	for piece.Segment = range m.pieces {
		if m.pieces[piece.Segment], err = b.median(ctx, piece); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// predict gives what so many workers need, each for one segment. One worker does
// it as if there were no others.
func (m *model) predict(workers int) prediction {
	work := video * m.perSecond
	var p prediction
	var busy, puts float64
	if workers == 1 {
		p.warm, busy = work, work
	} else {
		segments := float64(workers)
		assembly := joining + math.Ceil(segments/sideBySide)*perSegment
		p.warm = m.plan + hop + m.open + m.slowest(workers) + hop + assembly
		busy = m.plan + segments*(coldStart+m.open) + work + assembly
		puts = segments * segmentsPuts
	}
	p.cold = p.warm + coldStart
	if workers > 1 {
		p.cold += coldStart // the first worker's, and the others'
	}
	p.dollars = (busy+coldStart)*gigabytes()*pricePerGBSecond +
		(video*m.gets+float64(workers)*segmentGets)*pricePerGet + (video*m.puts+puts)*pricePerPut
	return p
}

// slowest is how long the segment with the most work takes, in seconds.
func (m *model) slowest(workers int) float64 {
	length := video / float64(workers)
	most := 0.0
	for i := range workers {
		most = max(most, m.upTo(float64(i+1)*length)-m.upTo(float64(i)*length))
	}
	return most * video * m.perSecond / m.upTo(video)
}

// upTo is the work on the video up to a second, in proportion.
func (m *model) upTo(second float64) float64 {
	var clip, work float64
	for _, piece := range m.pieces {
		clip += piece
	}
	work = clip * math.Floor(second/m.clip)
	rest := math.Mod(second, m.clip) / m.clip * pieces
	for i, piece := range m.pieces {
		work += piece * min(max(rest-float64(i), 0), 1)
	}
	return work
}

// gigabytes is the memory setting that gives a worker as many CPUs as there are
// here.
func gigabytes() float64 {
	return math.Min(float64(runtime.NumCPU()*megabytesPerCPU), maxMegabytes) / 1024
}

// speedUp is how many times faster so many workers are than one, with workers
// that are warm, and with new ones.
func (m *model) speedUp(workers int) (warm, cold float64) {
	one, many := m.predict(1), m.predict(workers)
	return one.warm / many.warm, one.cold / many.cold
}
