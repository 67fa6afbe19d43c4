package main

import (
	"context"
	"io"
	"os"

	"github.com/fotograma/fotograma/internal/frames"
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
