// Command imagebench holds the image of ProcessFunction against one with Debian's
// whole FFmpeg: how large the two are, and how long they take to the frame of a video
// when no container runs yet, and when one does.
//
//	make image-bench
//
// Both run as `fotograma up --process-executor=docker` runs them, with the same worker.
// The rounds alternate, so that what else this machine does meets both alike.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "imagebench:", err)
		os.Exit(1)
	}
}

// subject is an image that is measured.
type subject struct {
	name       string
	tag        string // of the image processfunction
	base       string // the image that it is built on
	stack      *stack
	cold, warm []time.Duration
}

func run(ctx context.Context) error {
	rounds := flag.Int("rounds", 15, "how often each is started")
	flag.Parse()
	subjects := []*subject{
		{name: "FFmpeg of layers/ffmpeg", tag: "process", base: "public.ecr.aws/lambda/provided:al2023"},
		{name: "Debian's whole FFmpeg", tag: "debian", base: "public.ecr.aws/docker/library/debian:bookworm-slim"},
	}
	for _, s := range subjects {
		dir, err := os.MkdirTemp("", "fotograma-imagebench-")
		if err != nil {
			return fmt.Errorf("make a folder for the stack: %w", err)
		}
		defer os.RemoveAll(dir)
		if s.stack, err = startStack(ctx, dir, s.tag); err != nil {
			return err
		}
		defer func() { _ = s.stack.Stop() }() // if it has ended, that is what is wanted
	}
	for round := range *rounds {
		if round%2 == 1 {
			slices.Reverse(subjects)
		}
		for _, s := range subjects {
			if err := s.measure(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	slices.SortFunc(subjects, func(a, b *subject) int { return len(a.name) - len(b.name) })
	return report(ctx, subjects)
}

// measure takes one frame out of a video without a container, and of another with
// the one that is there then.
func (s *subject) measure(ctx context.Context) error {
	if err := removeContainers(ctx, s.image()); err != nil {
		return err
	}
	for _, to := range []*[]time.Duration{&s.cold, &s.warm} {
		took, err := s.stack.frame(ctx)
		if err != nil {
			return err
		}
		*to = append(*to, took)
	}
	return nil
}

func (s *subject) image() string { return "processfunction:" + s.tag }

func report(ctx context.Context, subjects []*subject) error {
	fmt.Println("| image | MB | of that above its base | compressed | first frame, cold | warm | cold start |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- |")
	for _, s := range subjects {
		size, err := imageSize(ctx, s.image())
		if err != nil {
			return err
		}
		base, err := imageSize(ctx, s.base)
		if err != nil {
			return err
		}
		compressed, err := compressedSize(ctx, s.image())
		if err != nil {
			return err
		}
		differences := make([]time.Duration, len(s.cold))
		for i := range s.cold {
			differences[i] = s.cold[i] - s.warm[i]
		}
		fmt.Printf("| %s | %.0f | %.1f | %.0f | %s | %s | %s |\n", s.name,
			float64(size)/1e6, float64(size-base)/1e6, float64(compressed)/1e6, spread(s.cold), spread(s.warm), spread(differences))
	}
	return nil
}

// spread gives the median, and the quartiles about it, in milliseconds.
func spread(all []time.Duration) string {
	sorted := slices.Sorted(slices.Values(all))
	at := func(part float64) int64 { return sorted[int(part*float64(len(sorted)-1)+0.5)].Milliseconds() }
	return fmt.Sprintf("%d ms (%d–%d)", at(0.5), at(0.25), at(0.75))
}
