package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/processing"
)

// program is where make puts it.
const program = "bin/fotograma-frames"

// engine is Fotograma's: from S3 to S3 through what the deployed worker is made
// of, without its database.
func engine(ctx context.Context, r *run) error {
	e, err := frames.New(frames.Config{Program: program})
	if err != nil {
		return err
	}
	objects := r.objects()
	return r.measure(func() error {
		src, err := objects.Find(ctx, r.Key)
		if err != nil {
			return err
		}
		return r.upload(ctx, objects, func(w io.Writer) error {
			result, err := e.Extract(ctx, src, r.Extraction, frames.ExtractOptions{Filename: r.Key}, w)
			r.Plain = result.Plain
			return err
		})
	})
}

// limit is the engine with nothing in its way: a file that lies in memory (it is
// read once before), and an archive that goes nowhere.
func limit(ctx context.Context, r *run) error {
	e, err := frames.New(frames.Config{Program: program})
	if err != nil {
		return err
	}
	file, err := os.Open(r.File)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(io.Discard, file); err != nil {
		return err
	}
	src, err := frames.FileSource(file)
	if err != nil {
		return err
	}
	return r.measure(func() error {
		_, err := e.Extract(ctx, src, r.Extraction, frames.ExtractOptions{Filename: r.Key}, firstByte{io.Discard, r})
		return err
	})
}

// plan divides the work on a video.
func plan(ctx context.Context, r *run) error {
	e, err := frames.New(frames.Config{Program: program})
	if err != nil {
		return err
	}
	objects := r.objects()
	return r.measure(func() error {
		_, err := r.plan(ctx, e, objects)
		return err
	})
}

func (r *run) plan(ctx context.Context, e *frames.Engine, objects *processing.Objects) (frames.Plan, error) {
	src, err := objects.Find(ctx, r.Key)
	if err != nil {
		return frames.Plan{}, err
	}
	return e.Plan(ctx, src, r.Extraction, frames.PlanOptions{Work: 1, MaxSegments: r.Segments})
}

// segment extracts one of the segments that a video was divided into before.
func segment(ctx context.Context, r *run) error {
	e, err := frames.New(frames.Config{Program: program})
	if err != nil {
		return err
	}
	objects := r.objects()
	p, err := r.plan(ctx, e, objects)
	if err != nil {
		return err
	}
	if len(p.Segments) != r.Segments {
		return fmt.Errorf("%d segments, not %d", len(p.Segments), r.Segments)
	}
	return r.measure(func() error {
		src, err := objects.Find(ctx, r.Key)
		if err != nil {
			return err
		}
		return r.upload(ctx, objects, func(w io.Writer) error {
			_, err := e.ExtractSegment(ctx, src, p, r.Segment, nil, frames.ExtractOptions{Filename: r.Key}, w)
			return err
		})
	})
}
