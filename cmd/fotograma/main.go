// Command fotograma extracts frames from videos: on this machine alone, or by a
// Fotograma somewhere, which it also runs on one machine.
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
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends what does not end by itself
	a := &app{}
	err := root(a).ExecuteContext(ctx)
	stop()
	if err != nil {
		a.complain(os.Stderr, err)
		os.Exit(a.exitCode(err))
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

// app is what all commands share.
type app struct {
	server string // address of the API
	json   bool   // for scripts
	began  bool   // arguments and flags were found right
}

func root(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fotograma",
		Short: "Frames out of videos",
		Long: `Take frames out of videos: on this machine alone (extract), or by a Fotograma
somewhere (login, upload, download), which this program also runs (up).

Environment:
  FOTOGRAMA_SERVER   where the API is, as --server says; by default ` + defaultServer + `
  FOTOGRAMA_API_KEY  an API key to use in place of a session of “fotograma login”
  LANG               in which language the API answers: English or Brazilian Portuguese

Exit codes:
  0    all went well
  1    something failed
  2    the command was used wrongly, or what it was given is not valid
  3    not logged in, or the API key is not good
  4    there is no such thing, or it is not yours
  5    a video failed, was cancelled, or cannot be used
  6    a quota is used up, or there were too many requests
  7    the API cannot be reached
  8    not as things are: frames are not ready or gone, an address is taken
  130  interrupted with Ctrl-C

Where several videos are given, all are tried, and the first failure decides.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	cmd.AddGroup(&cobra.Group{ID: "here", Title: "On this machine alone:"}, &cobra.Group{ID: "api", Title: "With a Fotograma somewhere:"},
		&cobra.Group{ID: "run", Title: "Running Fotograma:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
		}
		cmd.AddCommand(commands...)
	}
	add("here", a.extractCommand(), a.doctorCommand())
	add("api", a.registerCommand(), a.verifyCommand(), a.loginCommand(), a.logoutCommand(), a.uploadCommand(), a.listCommand(), a.showCommand(), a.downloadCommand(),
		a.cancelCommand(), a.retryCommand(), a.deleteCommand(), a.keysCommand(), a.usageCommand())
	add("run", upCommand(), invokeCommand(), demoCommand(), rebuildCommand(), a.traceCommand(), a.templatesCommand())
	cmd.AddCommand(manCommand())
	a.watch(cmd)
	return cmd
}

// watch takes notice when a command begins, which is after its arguments and flags
// were found right.
func (a *app) watch(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Lookup("server") != nil {
				if err := a.checkServer(); err != nil {
					return err
				}
			}
			a.began = true
			return run(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		a.watch(c)
	}
}

// exit is an error with an exit code of its own.
type exit struct {
	error
	code int
}

// Unwrap gives the error itself.
func (e exit) Unwrap() error { return e.error }

// errTold is an error of which the person was told already.
var errTold = errors.New("")
