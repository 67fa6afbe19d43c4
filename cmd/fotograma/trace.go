package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/internal/local/traces"
)

func (a *app) traceCommand() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "trace TRACE|VIDEO",
		Short: "Show what a request, or the upload of a video, has caused in the running stack",
		Long: `Show what a request, or the upload of a video, has caused in the running stack
(fotograma up): each step below the one that caused it, when it began, how long it took,
and which function did it.

TRACE is the trace_id of an error or of a log line, VIDEO a video's ID. The stack keeps
the newest traces, in memory.

--json prints {"spans": […]}.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spans, err := spansOf(cmd.Context(), "http://"+addr, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, map[string]any{"spans": spans}, func(w io.Writer) { printTrace(w, spans) })
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "where the web app of the running stack listens")
	a.jsonFlag(cmd)
	return cmd
}

// spansOf asks the stack at an address for a trace, by its ID or a video's.
func spansOf(ctx context.Context, stack, id string) ([]traces.Span, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, stack+traces.Path+url.PathEscape(id)+"/spans", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the trace: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for the trace (is “fotograma up” running?): %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the stack keeps no trace of %s", id)
	}
	var kept struct {
		Spans []traces.Span `json:"spans"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&kept); err != nil {
		return nil, fmt.Errorf("read the trace: %w", err)
	}
	return kept.Spans, nil
}

func printTrace(w io.Writer, spans []traces.Span) {
	rows := traces.Tree(spans)
	begin := rows[0].Start
	fmt.Fprintln(w, "BEGAN\tTOOK\tFUNCTION\tSTEP")
	for _, row := range rows {
		failed := ""
		if row.Failed {
			failed = " failed: " + row.Attributes["error.type"]
		}
		fmt.Fprintf(w, "%.3f s\t%s\t%s\t%s%s%s\n", row.Start.Sub(begin).Seconds(), traces.Took(row.Duration()),
			row.Service, strings.Repeat("  ", row.Depth), row.Name, failed)
	}
}
