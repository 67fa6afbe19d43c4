package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// asking asks a person.
type asking struct {
	cmd   *cobra.Command
	stdin bool // the password comes from there
}

// passwordFlag lets scripts give a password.
func passwordFlag(cmd *cobra.Command, stdin *bool) {
	cmd.Flags().BoolVar(stdin, "password-stdin", false, "read the password from standard input")
}

// email gives the address that is an argument, or asks for it.
func (q asking) email(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	terminal, ok := q.terminal()
	if q.stdin || !ok {
		return "", usageError("say whose account it is: %s EMAIL", q.cmd.CommandPath())
	}
	email, err := q.ask(terminal, "E-mail: ", (*term.Terminal).ReadLine)
	return strings.TrimSpace(email), err
}

// password reads standard input if it is to come from there, or asks without showing
// what is typed.
func (q asking) password(prompt string) (string, error) {
	if q.stdin {
		text, err := io.ReadAll(io.LimitReader(q.cmd.InOrStdin(), 1<<16))
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	terminal, ok := q.terminal()
	if !ok {
		return "", usageError("there is no terminal to ask for the password; --password-stdin reads it from standard input")
	}
	return q.ask(terminal, prompt, func(t *term.Terminal) (string, error) { return t.ReadPassword(prompt) })
}

// newPassword asks twice where it cannot be seen.
func (q asking) newPassword() (string, error) {
	password, err := q.password("New password: ")
	if err != nil || q.stdin {
		return password, err
	}
	again, err := q.password("Once more: ")
	if err == nil && again != password {
		err = usageError("the two passwords are not the same")
	}
	return password, err
}

func (q asking) terminal() (*os.File, bool) {
	terminal, ok := q.cmd.InOrStdin().(*os.File)
	return terminal, ok && isTerminal(terminal)
}

// ask reads an answer until Ctrl-C or a signal, after which the terminal is as it was.
// The prompt comes when nothing is shown any more of what is typed.
func (q asking) ask(terminal *os.File, prompt string, read func(*term.Terminal) (string, error)) (answer string, err error) {
	fd := int(terminal.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("ask: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(fd, before)) }()
	screen := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{terminal, q.cmd.ErrOrStderr()}, prompt)
	type answered struct {
		text string
		err  error
	}
	answers := make(chan answered, 1)
	go func() {
		text, err := read(screen)
		answers <- answered{text, err}
	}()
	select {
	case <-q.cmd.Context().Done():
		fmt.Fprint(q.cmd.ErrOrStderr(), "\r\n")
		return "", context.Canceled
	case a := <-answers:
		if errors.Is(a.err, io.EOF) { // Ctrl-C and Ctrl-D
			fmt.Fprint(q.cmd.ErrOrStderr(), "\r\n")
			return "", context.Canceled
		}
		return a.text, a.err
	}
}
