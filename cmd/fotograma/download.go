package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/pkg/client"
)

func (a *app) downloadCommand() *cobra.Command {
	var dir string
	var force bool
	cmd := &cobra.Command{
		Use:   "download ID…",
		Short: "Download the frames of videos",
		Long: `Download the frames of videos, each as a ZIP, and check its hash. A download that
was broken off goes on where it was when the same command is given again.

--json prints a line for each: {"id", "file", "size", "sha256"}, or {"id", "error":
{"code", "message"}}. sha256 is absent where several workers wrote the ZIP.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeIDs(0),
		RunE: func(cmd *cobra.Command, ids []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			b := a.board(cmd)
			d := &downloads{client: c, board: b, dir: dir, force: force, taken: names{}}
			for _, id := range ids {
				if cmd.Context().Err() != nil {
					break
				}
				got, err := d.byID(cmd.Context(), id)
				if err != nil {
					b.failed(id, err, outcome{id, new(a.describe(err))})
					continue
				}
				b.done(got, fmt.Sprintf("%s: %s → %s", id, size(got.Size), got.File))
			}
			return errors.Join(b.wait(), cmd.Context().Err())
		},
	}
	cmd.Flags().StringVarP(&dir, "output", "o", ".", "the folder that the ZIPs go to")
	folder(cmd, "output")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "replace ZIPs that are there")
	return a.apiFlags(cmd)
}

// downloads are ZIPs on their way to a folder.
type downloads struct {
	client *client.Client
	board  *board
	dir    string
	force  bool
	taken  names
}

// downloaded is what scripts are told of a ZIP.
type downloaded struct {
	ID     string `json:"id"`
	File   string `json:"file"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

func (d *downloads) byID(ctx context.Context, id string) (*downloaded, error) {
	v, err := d.client.Video(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.get(ctx, v, d.taken.free(filepath.Join(d.dir, zipName(filepath.Base(v.Filename)))))
}

// get downloads the frames of a video to a file.
func (d *downloads) get(ctx context.Context, v *client.Video, file string) (*downloaded, error) {
	if err := mayWrite(file, d.force); err != nil {
		return nil, err
	}
	var total int64
	if v.Archive != nil {
		total = v.Archive.Size
	}
	bar := d.board.bytes("↓ "+filepath.Base(file), total)
	defer bar.end()
	got, err := d.client.DownloadFile(ctx, v.ID, file, bar.grow)
	if err != nil {
		return nil, err
	}
	return &downloaded{v.ID, file, got.Size, got.SHA256}, nil
}
