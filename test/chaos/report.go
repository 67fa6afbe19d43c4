package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// The written part of the document stands between these lines.
const (
	begin = "<!-- What follows is written by `make chaos`. -->\n"
	end   = "<!-- What was written by `make chaos` ends here. -->\n"
)

// line is a result for a terminal.
func line(r result) string {
	return fmt.Sprintf("%-34s %6d disturbed  %3d videos  %3.0f s  %s", r.Name, r.Disturbed, r.Videos, r.Recovery.Seconds(), r.verdict())
}

// verdict says in words how the system came through.
func (r result) verdict() string {
	switch {
	case r.Skipped != "":
		return "not done: " + r.Skipped
	case r.Failure != "":
		return "WRONG: " + r.Failure
	case r.MailTwice > 0:
		return fmt.Sprintf("right; of %d videos two mails tell", r.MailTwice)
	default:
		return "right"
	}
}

// publish writes the table into the document, between its two lines.
func publish(ctx context.Context, document string, results []result, o options) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table", document)
	}
	return os.WriteFile(document, []byte(before+begin+table(ctx, results, o)+end+after), 0o600) //nolint:gosec // the person who runs this names it
}

func table(ctx context.Context, results []result, o options) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s: %d CPUs, %s, %s, Fotograma %s. What lasts lasted %s; of the calls of a function, one in %d was hit.\n\n",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), output(ctx, "uname", "-srm"), runtime.Version(), output(ctx, "git", "describe", "--always", "--dirty"), o.length, o.every)
	text.WriteString("| scenario | what is disturbed | times | videos | mails | recovered after | came through |\n| --- | --- | ---: | ---: | ---: | ---: | --- |\n")
	for _, r := range results {
		fmt.Fprintf(&text, "| %s | %s | %d | %d | %d | %.0f s | %s |\n", r.Name, r.What, r.Disturbed, r.Videos, r.Mails, r.Recovery.Seconds(), r.verdict())
	}
	text.WriteString("\nThe calls at which functions were killed, in the order in which an undisturbed run made them:\n\n")
	for _, r := range results {
		for _, note := range r.Notes {
			fmt.Fprintf(&text, "- %s: %s\n", r.Name, note)
		}
	}
	return text.String() + "\n"
}

func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
