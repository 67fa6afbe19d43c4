// Command load puts the running stack under load: requests of the API at steady rates
// and in bursts, many videos queued at once, many browsers that look on, with each kind
// of cache, and half an hour in which its memory is looked at. It makes its videos out of
// testdata/media, and writes docs/load.md.
//
// It fails if a request was answered 5xx or not at all, if a video was lost or came out
// wrong, or if anybody got another number of mails about one than one; never because
// something took long.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/fotograma/fotograma/test/measuring"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	isQuick := flag.Bool("quick", false, "less of everything, in a few minutes; nothing is written to the document")
	minutes := flag.Float64("minutes", 0, "for how long memory is looked at; 30 by default, 3 with -quick")
	document := flag.String("document", "docs/load.md", "where the results go")
	work := flag.String("work", "build/load", "folder for the videos and the stacks' data; emptied")
	flag.Parse()
	p := full
	if *isQuick {
		p = quick
	}
	if *minutes > 0 {
		p.life = time.Duration(*minutes * float64(time.Minute))
	}
	text, failures := measure(ctx, p, *work)
	fmt.Print(text)
	if *isQuick || failures != nil {
		return failures
	}
	written, err := measuring.Replace(*document, begin, end, text)
	if err != nil {
		return err
	}
	return os.WriteFile(*document, written, 0o644) //nolint:gosec // G306: documents are for everybody
}

// measure measures everything, and gives the report; also of what it came to before it
// failed.
func measure(ctx context.Context, p plan, work string) (string, error) {
	work, err := filepath.Abs(work)
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(work); err != nil {
		return "", err
	}
	if err := os.MkdirAll(work, 0o700); err != nil {
		return "", err
	}
	l := &load{plan: p, work: work, started: time.Now()}
	err = l.all(ctx)
	return l.report(measuring.Machine(ctx)), err
}

// load is one run of this program.
type load struct {
	plan
	work    string // folder
	started time.Time

	short, long *clip
	people      []*person
	uploads     []*upload // of all stacks

	views   []*view
	attacks []*attacked
	backlog backlog
	memory  memory
	mailed  int // videos that were told of in exactly one mail

	onlookers vegeta.Metrics // the browsers' under the steady load
}

// begunf tells what is being done.
func (l *load) begunf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(l.started).Round(time.Second), fmt.Sprintf(format, args...))
}

func (l *load) all(ctx context.Context) error {
	if err := l.film(ctx); err != nil {
		return err
	}
	for _, kind := range caches {
		l.begunf("%d browsers, %s", l.plan.people, kind.name)
		v, err := l.view(ctx, kind)
		if err != nil {
			return fmt.Errorf("browsers, %s: %w", kind.name, err)
		}
		l.views = append(l.views, v)
	}
	return l.live(ctx)
}

// live is the life of the stack whose memory is looked at: the backlog, attacks, and
// then a steady load until its time is over.
func (l *load) live(ctx context.Context) (err error) {
	s, err := measuring.StartStack(ctx, l.stack())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	l.meet(s)
	born := time.Now()
	stop := l.memory.watch(s.PID(), l.look/60)
	defer stop()
	l.begunf("%d videos at once", l.queued)
	if err := l.queue(ctx); err != nil {
		return err
	}
	for _, a := range l.plan.attacks {
		l.begunf("%s", a.name)
		l.attacks = append(l.attacks, l.attack(ctx, s.Web, a))
	}
	steady := max(l.life-time.Since(born), l.life/3)
	l.begunf("steady load for %s", steady.Round(time.Second))
	l.memory.steady = time.Now()
	if err := l.steadily(ctx, s.Web, steady); err != nil {
		return err
	}
	stop()
	l.begunf("all videos and mails")
	return errors.Join(l.answered(), l.right(ctx), l.mails(ctx, s.AWS))
}
