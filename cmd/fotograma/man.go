package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "man [DIR]",
		Short: "Print the manual page, or write those of all commands into a folder",
		Example: `  fotograma man | man -l -
  fotograma man ~/.local/share/man/man1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true // the same pages every day
			header := &doc.GenManHeader{Section: "1", Source: "Fotograma"}
			if len(args) == 0 {
				return doc.GenMan(root, header, cmd.OutOrStdout())
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // for everybody to read
				return err
			}
			return doc.GenManTree(root, header, args[0])
		},
	}
	files(cmd)
	return cmd
}
