package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/pkg/client"
)

func (a *app) registerCommand() *cobra.Command {
	var fromStdin bool
	var user client.NewUser
	cmd := &cobra.Command{
		Use:   "register [EMAIL]",
		Short: "Make an account, and log in",
		Long: `Make an account, and log in as “fotograma login” does. A code is mailed to the
address, in the language of LANG as all mails; “fotograma verify” gives it back.

--json prints {"server", "email"}.`,
		Example: `  fotograma register ana@example.com --name Ana
  pass show fotograma | fotograma register ana@example.com --password-stdin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ask := asking{cmd, fromStdin}
			if user.Email, err = ask.email(args); err != nil {
				return err
			}
			if user.Password, err = ask.newPassword(); err != nil {
				return err
			}
			c := a.anonymous()
			if _, err := c.Register(cmd.Context(), user); err != nil {
				return err
			}
			if err := a.begin(cmd.Context(), c, user.Email, user.Password); err != nil {
				return err
			}
			return a.print(cmd, loggedIn{a.server, user.Email}, func(w io.Writer) {
				fmt.Fprintf(w, "Registered and logged in at %s as %s.\n", a.server, user.Email)
				fmt.Fprintln(w, "A code was mailed to you: “fotograma verify CODE” verifies the address.")
			})
		},
	}
	cmd.Flags().StringVar(&user.Name, "name", "", "how you are called in mails")
	passwordFlag(cmd, &fromStdin)
	return a.apiFlags(cmd)
}

func (a *app) verifyCommand() *cobra.Command {
	var email string
	cmd := &cobra.Command{
		Use:   "verify [CODE]",
		Short: "Verify your address with the code that was mailed to it",
		Long: `Verify your address with the code that was mailed to it. Without CODE another one is
mailed, for which you must be logged in.

--json prints {"server", "email"}.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.mailCode(cmd)
			}
			c := a.anonymous()
			if email == "" {
				_, session, err := a.session()
				if err != nil {
					return err
				}
				email = session.Email
			}
			if err := c.VerifyEmail(cmd.Context(), email, args[0]); err != nil {
				return err
			}
			return a.print(cmd, loggedIn{a.server, email}, func(w io.Writer) { fmt.Fprintf(w, "%s is verified.\n", email) })
		},
	}
	cmd.Flags().StringVar(&email, "email", "", "the address, if you are not logged in")
	return a.apiFlags(cmd)
}

// mailCode has another code mailed to whom has not given one back yet.
func (a *app) mailCode(cmd *cobra.Command) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	user, err := c.Account(cmd.Context())
	if err != nil {
		return err
	}
	text := user.Email + " is verified already."
	if !user.EmailVerified {
		if err := c.RequestVerification(cmd.Context()); err != nil {
			return err
		}
		text = "Another code was mailed to " + user.Email + "."
	}
	return a.print(cmd, loggedIn{a.server, user.Email}, func(w io.Writer) { fmt.Fprintln(w, text) })
}
