package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/pkg/client"
)

func (a *app) listCommand() *cobra.Command {
	var status string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List your videos, newest first",
		Long: `List your videos, newest first.

--json prints {"videos": […]}, each as “fotograma show --json” prints it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			videos, err := listVideos(cmd.Context(), c, status, limit)
			if err != nil {
				return err
			}
			return a.print(cmd, map[string]any{"videos": videos}, func(w io.Writer) { printVideos(w, videos) })
		},
	}
	cmd.Flags().StringVar(&status, "status", "", "only those of a status")
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "how many at most; 0 for all")
	complete(cmd, "status", client.AwaitingUpload, client.Queued, client.Processing, client.Completed, client.Failed, client.Cancelled, client.Expired)
	return a.apiFlags(cmd)
}

// listVideos lists videos, page after page.
func listVideos(ctx context.Context, c *client.Client, status string, limit int) ([]client.Video, error) {
	const page = 100
	videos := []client.Video{}
	for cursor := ""; ; {
		most := page
		if limit > 0 {
			most = min(page, limit-len(videos))
		}
		p, err := c.Videos(ctx, status, cursor, most)
		if err != nil {
			return nil, err
		}
		videos = append(videos, p.Videos...)
		if cursor = p.NextCursor; cursor == "" || limit > 0 && len(videos) >= limit {
			return videos, nil
		}
	}
}

func printVideos(w io.Writer, videos []client.Video) {
	if len(videos) == 0 {
		fmt.Fprintln(w, "There are none.")
		return
	}
	fmt.Fprintln(w, "ID\tNAME\tSIZE\tSTATUS\tFRAMES\tUPLOADED")
	for _, v := range videos {
		frames := "–"
		if v.Archive != nil {
			frames = humanize.Comma(int64(v.Archive.Frames))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.Filename, size(v.Size), state(v), frames, humanize.Time(v.CreatedAt))
	}
}

// state is a video's status, and how far it is.
func state(v client.Video) string {
	if v.Status == client.Processing {
		return fmt.Sprintf("%s %.0f %%", v.Status, v.Progress*100)
	}
	return v.Status
}

func (a *app) showCommand() *cobra.Command {
	return a.apiFlags(&cobra.Command{
		Use:               "show ID",
		Short:             "Show one video",
		Long:              "Show one video.\n\n--json prints it as the API's GET /v1/videos/{id} answers.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeIDs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			v, err := c.Video(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, v, func(w io.Writer) { printVideo(w, v) })
		},
	})
}

func printVideo(w io.Writer, v *client.Video) {
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("ID", "%s", v.ID)
	row("Name", "%s", v.Filename)
	row("Size", "%s", size(v.Size))
	row("Status", "%s", state(*v))
	if v.Error != nil {
		row("Error", "%s (%s)", v.Error.Message, v.Error.Code)
	}
	for _, warning := range v.Warnings {
		row("Warning", "%s", warning.Message)
	}
	if m := v.Media; m != nil {
		row("Video", "%s, %d × %d, %.2f frames a second, %s", m.Codec, m.Width, m.Height, m.FrameRate, time.Duration(m.Duration*float64(time.Second)).Round(time.Millisecond))
	}
	row("Extraction", "%s", v.Extraction)
	if a := v.Archive; a != nil {
		row("ZIP", "%s, %s", frameCount(a.Frames), size(a.Size))
		row("Kept until", "%s (%s)", a.ExpiresAt.Format(time.RFC3339), humanize.Time(a.ExpiresAt))
	}
	row("Uploaded", "%s (%s)", v.CreatedAt.Format(time.RFC3339), humanize.Time(v.CreatedAt))
}

// completeIDs has the shell offer the IDs of videos, for so many arguments at most; 0
// for any number.
func (a *app) completeIDs(most int) cobra.CompletionFunc {
	return a.completing(most, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
		page, err := c.Videos(ctx, "", "", 0)
		if err != nil {
			return nil, err
		}
		ids := make([]cobra.Completion, len(page.Videos))
		for i, v := range page.Videos {
			ids[i] = cobra.CompletionWithDesc(v.ID, v.Filename+", "+v.Status)
		}
		return ids, nil
	})
}

// completing has the shell offer what the API lists.
func (a *app) completing(most int, list func(context.Context, *client.Client) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := a.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
		defer cancel()
		found, err := list(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// each makes a command that does something with each of some videos.
func (a *app) each(use, short, done string, do func(context.Context, *client.Client, string) error) *cobra.Command {
	return a.apiFlags(&cobra.Command{
		Use:               use + " ID…",
		Short:             short,
		Long:              short + ".\n\n--json prints a line for each: {\"id\"}, or {\"id\", \"error\": {\"code\", \"message\"}}.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeIDs(0),
		RunE: func(cmd *cobra.Command, ids []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			b := a.board(cmd)
			for _, id := range ids {
				if err := do(cmd.Context(), c, id); err != nil {
					b.failed(id, err, outcome{id, new(a.describe(err))})
					continue
				}
				b.done(outcome{id, nil}, id+" "+done)
			}
			return b.wait()
		},
	})
}

// outcome is what scripts are told of a video.
type outcome struct {
	ID    string   `json:"id"`
	Error *failure `json:"error,omitempty"`
}

func (a *app) cancelCommand() *cobra.Command {
	return a.each("cancel", "Stop processing videos", "is to stop, unless it has ended", func(ctx context.Context, c *client.Client, id string) error {
		return c.Cancel(ctx, id)
	})
}

func (a *app) deleteCommand() *cobra.Command {
	return a.each("delete", "Delete videos, their frames and all that is known of them", "is deleted", func(ctx context.Context, c *client.Client, id string) error {
		return c.Delete(ctx, id)
	})
}

func (a *app) retryCommand() *cobra.Command {
	var x client.Extraction
	var given bool
	cmd := a.each("retry", "Process videos again, with other options if given", "is queued", func(ctx context.Context, c *client.Client, id string) error {
		var extraction json.RawMessage
		if given {
			extraction = x.JSON()
		}
		return c.Retry(ctx, id, extraction)
	})
	extractionFlags(cmd, &x)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		given = !reflect.ValueOf(x).IsZero()
		_, err := checkExtraction(cmd.Flags(), x)
		return err
	}
	return cmd
}

func (a *app) usageCommand() *cobra.Command {
	return a.apiFlags(&cobra.Command{
		Use:   "usage",
		Short: "Show how much of your account's limits is used",
		Long:  "Show how much of your account's limits is used.\n\n--json prints the quotas as the API's GET /v1/usage answers.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			q, err := c.Usage(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(cmd, q, func(w io.Writer) {
				fmt.Fprintf(w, "\tUSED\tOF\t\n")
				fmt.Fprintf(w, "Kept files\t%s\t%s\t\n", size(q.BytesStored.Used), size(q.BytesStored.Limit))
				fmt.Fprintf(w, "Videos at once\t%d\t%d\t\n", q.ConcurrentVideos.Used, q.ConcurrentVideos.Limit)
				for _, row := range []struct {
					name  string
					quota client.TimedQuota
				}{{"Videos a minute", q.VideosPerMinute}, {"Videos a day", q.VideosPerDay}, {"Minutes of video a day", q.MinutesPerDay}} {
					fmt.Fprintf(w, "%s\t%d\t%d\tbegins anew %s\n", row.name, row.quota.Used, row.quota.Limit, humanize.Time(row.quota.ResetsAt))
				}
			})
		},
	})
}
