package lambda

import (
	"bytes"
	"hash/fnv"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Console writes the logs of all functions as one stream that a person can read:
//
//	15:04:05.000 VideoFunction  video registered video_id=0198…
//
// Lines of log/slog's JSON handler are taken apart, others stand as they are.
// It is safe for concurrent use.
type Console struct {
	w        io.Writer
	options  ConsoleOptions
	mu       sync.Mutex
	widest   int // of the functions' names so far
	writeErr error
}

// ConsoleOptions says how a [Console] writes.
type ConsoleOptions struct {
	// Color is for a terminal.
	Color bool

	// Level is the least serious line that is written. REPORT lines are
	// [slog.LevelDebug]; a line that does not say is [slog.LevelInfo].
	Level slog.Level

	// Location is where the clock hangs (default [time.Local]).
	Location *time.Location
}

// NewConsole makes a console that writes to w.
func NewConsole(w io.Writer, options ConsoleOptions) *Console {
	setDefault(&options.Location, time.Local) //nolint:gosmopolitan // whoever reads it has that clock on the wall
	return &Console{w: w, options: options}
}

// The colours of ECMA-48 terminals that are readable on dark and on light.
const (
	reset  = "\x1b[0m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
)

// functionColors are for the names of functions, so that one stands out from the
// next: green, blue, magenta, cyan and their bright kin.
var functionColors = []string{"\x1b[32m", "\x1b[34m", "\x1b[35m", "\x1b[36m", "\x1b[92m", "\x1b[94m", "\x1b[95m", "\x1b[96m"}

// Print writes an entry. It is for [Config].Log.
func (c *Console) Print(e Entry) {
	m := message{text: e.Text, level: e.Level}
	if !e.Platform {
		m = parseLine(e.Text)
	}
	if m.level < c.options.Level {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.widest = max(c.widest, len(e.Function))
	_, c.writeErr = c.w.Write(c.format(e, m))
}

// Err is the error of the last write, if it failed.
func (c *Console) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeErr
}

func (c *Console) format(e Entry, m message) []byte {
	var b bytes.Buffer
	b.WriteString(c.paint(dim, e.Time.In(c.options.Location).Format("15:04:05.000")) + " ")
	b.WriteString(c.paint(colorOf(e.Function), e.Function))
	b.WriteString(strings.Repeat(" ", c.widest-len(e.Function)) + "  ")
	if name, color := levelName(m.level); name != "" {
		b.WriteString(c.paint(color, name) + " ")
	}
	b.WriteString(printable(m.text))
	for _, a := range m.attrs {
		b.WriteString(" " + c.paint(dim, printable(a.key)+"=") + a.value)
	}
	b.WriteByte('\n')
	for _, block := range m.blocks {
		for line := range strings.Lines(block) {
			b.WriteString("    " + printable(strings.TrimRight(line, "\r\n")) + "\n")
		}
	}
	return b.Bytes()
}

func (c *Console) paint(color, text string) string {
	if !c.options.Color {
		return text
	}
	return color + text + reset
}

// levelName is empty for what is neither better nor worse than usual.
func levelName(level slog.Level) (name, color string) {
	switch {
	case level >= slog.LevelError:
		return "ERROR", red
	case level >= slog.LevelWarn:
		return "WARN", yellow
	case level < slog.LevelInfo:
		return "DEBUG", dim
	default:
		return "", ""
	}
}

func colorOf(function string) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(function)) // never fails
	return functionColors[sum.Sum32()%uint32(len(functionColors))]
}

// printable makes a text harmless to a terminal: what a function writes may come
// from anybody.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
