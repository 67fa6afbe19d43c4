package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/internal/local"
)

func invokeCommand() *cobra.Command {
	var o local.Options
	var eventFile string
	cmd := &cobra.Command{
		Use:   "invoke FUNCTION -e EVENT.json",
		Short: "Run one function on one event",
		Long: `Run one function of the template on one event, and print what it returns.

It reaches AWS at AWS_ENDPOINT_URL if that is set, else at the running stack
(fotograma up), else at services that are started for it over the data folder.
The exit code is 2 when the function returned an error.`,
		Example: "  fotograma invoke StatusFunction -e events/status.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			event, err := readEvent(eventFile, cmd.InOrStdin())
			if err != nil {
				return err
			}
			o.Output = cmd.ErrOrStderr()
			return invoke(cmd.Context(), o, args[0], event, cmd.OutOrStdout())
		},
	}
	stackFlags(cmd, &o)
	cmd.Flags().StringVarP(&eventFile, "event", "e", "-", "the file with the event, or - for standard input")
	offer(cmd, "event", nil, cobra.ShellCompDirectiveDefault)
	return cmd
}

func readEvent(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		event, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("read the event: %w", err)
		}
		return event, nil
	}
	event, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	return event, nil
}

func invoke(ctx context.Context, o local.Options, function string, event []byte, out io.Writer) error {
	payload, err := local.Invoke(ctx, o, function, event)
	var failed *local.FunctionError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	if _, writeErr := fmt.Fprintf(out, "%s\n", payload); writeErr != nil {
		return fmt.Errorf("print the answer: %w", writeErr)
	}
	if failed != nil {
		return exit{failed, 2}
	}
	return nil
}
