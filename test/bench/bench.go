package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fotograma/fotograma/test/measuring"
)

// bench runs a suite.
type bench struct {
	self  string // this program
	work  string // folder
	media string // folder within
	store *store
	known agreement
}

func newBench(ctx context.Context, work string) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if work, err = filepath.Abs(work); err != nil {
		return nil, fmt.Errorf("find %s: %w", work, err)
	}
	b := &bench{self: self, work: work, media: filepath.Join(work, "media"), known: agreement{}}
	if err := os.MkdirAll(b.media, 0o750); err != nil {
		return nil, err
	}
	b.store, err = newStore(ctx, b.media)
	return b, err
}

// film makes the clips of a suite, and works out what is to be known of them.
func (b *bench) film(ctx context.Context, s *suite) error {
	for _, r := range s.rows {
		path, err := r.clip.film(ctx, b.media)
		if err != nil {
			return err
		}
		if r.theirClip != nil {
			if _, err := r.theirClip.film(ctx, b.media); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(r.targets, func(t target) bool { return t.what == inProportion.what }) {
			if r.needed, err = needed(ctx, path, r.extraction); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxRounds is how many rounds are enough.
const maxRounds = 7

// run runs every row once, and again as long as there is time, so that what the
// machine does beside is shared by all rows.
func (b *bench) run(ctx context.Context, s *suite, budget time.Duration) error {
	deadline := time.Now().Add(budget)
	var failures error
	for round := range maxRounds {
		for _, r := range s.rows {
			if r.err != nil || round > 0 && (r.single || time.Now().After(deadline)) {
				continue
			}
			if r.err = b.pair(ctx, r); r.err != nil {
				failures = errors.Join(failures, fmt.Errorf("%s, %s: %w", r.work, r.against, r.err))
				fmt.Fprintf(os.Stderr, "%-45s %-32s %v\n", r.work, r.against, r.err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return failures
}

// pair runs both sides of a row once.
func (b *bench) pair(ctx context.Context, r *row) error {
	var running *measuring.Stack
	if r.stack {
		dir, err := os.MkdirTemp(b.work, "stack-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if running, err = startStack(ctx, dir); err != nil {
			return err
		}
		defer func() { _ = running.Stop() }()
	}
	ours, err := b.measure(ctx, b.job(r, r.ours, r.clip), running)
	if err != nil {
		return err
	}
	theirClip := r.clip
	if r.theirClip != nil {
		theirClip = r.theirClip
	}
	theirs, err := b.measure(ctx, b.job(r, r.theirs, theirClip), running)
	if err != nil {
		return err
	}
	if r.theirClip == nil && theirs.archive != nil {
		if err := b.known.check(ours.archive, theirs.archive); err != nil {
			return fmt.Errorf("the frames differ: %w", err)
		}
	}
	ours.archive, theirs.archive = nil, nil
	r.pairs = append(r.pairs, pair{ours, theirs})
	fmt.Fprintf(os.Stderr, "%-45s %-32s %7.2f s %7.2f s  %5.2f×\n", r.work, r.against,
		ours.Wall.Seconds(), theirs.Wall.Seconds(), theirs.Wall.Seconds()/ours.Wall.Seconds())
	return nil
}

func (b *bench) job(r *row, pipeline string, c *clip) job {
	return job{
		Pipeline: pipeline, Store: b.store.url, Key: c.file(), File: filepath.Join(b.media, c.file()), Seconds: c.seconds,
		Extraction: r.extraction, Twice: r.twice,
	}
}

// median runs a job a few times and gives the median of its wall time in seconds.
func (b *bench) median(ctx context.Context, j job) (float64, error) {
	var walls []float64
	for range 3 {
		s, err := b.measure(ctx, j, nil)
		if err != nil {
			return 0, err
		}
		walls = append(walls, s.Wall.Seconds())
	}
	return median(walls), nil
}
