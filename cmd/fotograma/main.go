// Command fotograma runs Fotograma on one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	findProgramsBesideUs()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fotograma:", err)
		os.Exit(exitCode(err))
	}
}

// findProgramsBesideUs lets the functions that we start find the programs that
// were installed with us.
func findProgramsBesideUs() {
	self, err := os.Executable()
	if err == nil {
		err = os.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+filepath.Dir(self))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fotograma:", err)
	}
}

// exit is an error with an exit code of its own.
type exit struct {
	error
	code int
}

func exitCode(err error) int {
	if e, ok := errors.AsType[exit](err); ok {
		return e.code
	}
	return 1
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "fotograma",
		Short:         "Upload a video, get its frames back in a ZIP",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(upCommand(), invokeCommand(), demoCommand())
	return cmd
}
