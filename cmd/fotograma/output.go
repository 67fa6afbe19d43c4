package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// jsonFlag is the flag of all commands that scripts may want to read.
func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON for scripts; errors too, on standard error")
}

// print prints one JSON document for scripts, or what text prints for a person.
func (a *app) print(cmd *cobra.Command, document any, text func(io.Writer)) error {
	if !a.json {
		out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		text(out)
		return out.Flush()
	}
	return writeJSON(cmd.OutOrStdout(), document)
}

// writeJSON writes one JSON document on one line.
func writeJSON(w io.Writer, document any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(document)
}

func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// board shows how far several things are, and prints a line of each that is done.
// Bars are drawn on standard error, and only where a person looks on.
type board struct {
	app   *app
	cmd   *cobra.Command
	bars  *mpb.Progress // nil without a terminal
	mu    sync.Mutex
	first error
}

func (a *app) board(cmd *cobra.Command) *board {
	b := &board{app: a, cmd: cmd}
	if isTerminal(cmd.ErrOrStderr()) {
		b.bars = mpb.New(mpb.WithOutput(cmd.ErrOrStderr()), mpb.WithAutoRefresh(), mpb.WithWidth(barWidth))
	}
	return b
}

// barWidth is the width of a bar in characters.
const barWidth = 28

// bar is one bar; without a terminal it shows nothing.
type bar struct{ *mpb.Bar }

// bytes adds a bar of bytes, with rate and time left.
func (b *board) bytes(what string, total int64) bar {
	return b.add(what, total,
		decor.CountersKibiByte("% .1f / % .1f"), decor.AverageSpeed(decor.SizeB1024(0), "  % .1f"), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_MMSS))
}

// whole is what a bar of a share counts to.
const whole = 1000

// share adds a bar of a share of the whole.
func (b *board) share(what string) bar { return b.add(what, whole, decor.Percentage(decor.WC{W: 5})) }

func (b *board) add(what string, total int64, right ...decor.Decorator) bar {
	if b.bars == nil {
		return bar{}
	}
	const most = 32
	if r := []rune(what); len(r) > most {
		what = string(r[:most-1]) + "…"
	}
	return bar{b.bars.New(total, mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(what, decor.WCSyncSpaceR)), mpb.AppendDecorators(right...))}
}

func (b bar) grow(n int) {
	if b.Bar != nil {
		b.IncrBy(n)
	}
}

func (b bar) set(share float64) {
	if b.Bar != nil {
		b.SetCurrent(int64(share * (whole - 1)))
	}
}

// had takes what was there before out of the rate.
func (b bar) had(n int64) {
	if b.Bar != nil {
		b.SetCurrent(n)
		b.SetRefill(n)
		_ = b.DecoratorAverageAdjust(time.Now()) // only a bar that has ended cannot
	}
}

// end takes the bar away.
func (b bar) end() {
	if b.Bar != nil {
		b.Abort(true)
		b.Wait()
	}
}

// done prints what became of one thing.
func (b *board) done(document any, line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.cmd.OutOrStdout()
	if b.bars != nil && isTerminal(out) {
		out = b.bars // prints above the bars
	}
	var err error
	if b.app.json {
		err = writeJSON(out, document)
	} else {
		_, err = fmt.Fprintln(out, line)
	}
	if b.first == nil {
		b.first = err
	}
}

// failed tells of one thing that went wrong.
func (b *board) failed(what string, err error, document any) {
	if b.app.json {
		b.done(document, "")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first == nil {
		b.first = err
	}
	if b.app.json {
		return
	}
	out := b.cmd.ErrOrStderr()
	if b.bars != nil {
		out = b.bars
	}
	fmt.Fprintf(out, "fotograma: %s: %s\n", what, b.app.describe(err).Message)
}

// wait ends the bars, and gives the exit code of the first thing that went wrong.
func (b *board) wait() error {
	if b.bars != nil {
		b.bars.Wait()
	}
	if b.first == nil {
		return nil
	}
	return exit{errTold, b.app.exitCode(b.first)}
}

func size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }

func frameCount(n int) string {
	if n == 1 {
		return "1 frame"
	}
	return humanize.Comma(int64(n)) + " frames"
}
