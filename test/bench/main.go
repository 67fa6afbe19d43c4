// Command bench measures Fotograma against other ways to get frames out of videos
// in S3, one after the other on one machine, and tells how the results compare.
// It makes its videos itself. See docs/performance.md.
//
// It fails if something could not be run, or if two ways gave different frames;
// never because something took long.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/fotograma/fotograma/test/measuring"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) == 3 && os.Args[1] == childCommand {
		err = child(ctx, os.Args[2])
	} else {
		err = parent(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parent(ctx context.Context) error {
	quick := flag.Bool("quick", false, "only the main rows, once, in a few minutes; nothing is written to the document")
	budget := flag.Duration("budget", 12*time.Minute, "for how long rows are measured again")
	document := flag.String("document", "docs/performance.md", "where the results go")
	work := flag.String("work", "build/bench", "folder for the videos, which are kept, and for temporary files")
	only := flag.String("only", "", "a regular expression: only the rows whose names it fits, and neither model nor document")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("read -only: %w", err)
	}

	b, err := newBench(ctx, *work)
	if err != nil {
		return err
	}
	defer b.store.close()
	s := newSuite(*quick)
	s.only(pattern)
	if err := b.film(ctx, s); err != nil {
		return err
	}
	if *quick {
		*budget = 0
	}
	failures := b.run(ctx, s, *budget)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if *only != "" {
		fmt.Print("\n", targetTable(s, nil), "\n", medianTable(s))
		return failures
	}
	m, err := b.newModel(ctx, s)
	if err != nil {
		return err
	}
	text := report(s, m, machine(ctx))
	fmt.Print(text)
	if *quick || failures != nil {
		return failures
	}
	return publish(*document, text, s, m)
}

// machine names what this was measured on.
func machine(ctx context.Context) string {
	return measuring.Machine(ctx) + ", " + ffmpegVersion(ctx) + ".\n"
}

func ffmpegVersion(ctx context.Context) string {
	words := strings.Fields(measuring.Output(ctx, "ffmpeg", "-version"))
	return "FFmpeg " + words[min(2, len(words)-1)]
}
