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

// publish writes the results into the document, between its two lines. Scenarios that
// were not played keep what is there of them.
func publish(ctx context.Context, document string, results []result) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table", document)
	}
	return os.WriteFile(document, []byte(before+begin+table(ctx, results, old)+end+after), 0o600) //nolint:gosec // the person who runs this names it
}

// table is all that is known of the scenarios, as Markdown; old is what was known before.
func table(ctx context.Context, results []result, old string) string {
	rows, notes := map[string]string{}, map[string]string{}
	for line := range strings.Lines(old) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok && name != line {
			rows[name] = line
		}
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "- "), ": "); ok && name != line {
			notes[name] += line
		}
	}
	when := time.Now().Format(time.DateOnly) + " " + output(ctx, "git", "describe", "--always", "--dirty")
	for _, r := range results {
		rows[r.Name] = fmt.Sprintf("| %s | %s | %d | %d | %d | %.0f s | %s | %s |\n", r.Name, r.What, r.Disturbed, r.Videos, r.Mails, r.Recovery.Seconds(), r.verdict(), when)
		notes[r.Name] = ""
		for _, note := range r.Notes {
			notes[r.Name] += fmt.Sprintf("- %s: %s\n", r.Name, note)
		}
	}
	var text, steps strings.Builder
	fmt.Fprintf(&text, "\nOn %d CPUs that other work shared, %s, %s. What lasts lasted %s.\n\n", runtime.NumCPU(), output(ctx, "uname", "-srm"), runtime.Version(), fullLength)
	text.WriteString("| scenario | what is disturbed | times | videos | mails | recovered after | came through | played |\n| --- | --- | ---: | ---: | ---: | ---: | --- | --- |\n")
	for _, sc := range scenarios() {
		text.WriteString(rows[sc.name])
		steps.WriteString(notes[sc.name])
	}
	return text.String() + "\nThe calls at which functions were killed, in the order in which an undisturbed run made them:\n\n" + steps.String() + "\n"
}

func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
