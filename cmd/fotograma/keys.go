package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/pkg/client"
)

func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", Short: "List, create and revoke API keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.listKeysCommand(), a.createKeyCommand(), a.revokeKeyCommand())
	return cmd
}

func (a *app) listKeysCommand() *cobra.Command {
	return a.apiFlags(&cobra.Command{
		Use:   "list",
		Short: "List your API keys",
		Long:  "List your API keys.\n\n--json prints {\"keys\": […]}.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			keys, err := c.APIKeys(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(cmd, map[string]any{"keys": keys}, func(w io.Writer) { printKeys(w, keys) })
		},
	})
}

func printKeys(w io.Writer, keys []client.APIKey) {
	if len(keys) == 0 {
		fmt.Fprintln(w, "There are none.")
		return
	}
	when := func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		return humanize.Time(*t)
	}
	fmt.Fprintln(w, "ID\tNAME\tSECRET\tSCOPES\tUSED\tEXPIRES")
	for _, k := range keys {
		fmt.Fprintf(w, "%s\t%s\t…%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Hint, strings.Join(k.Scopes, " "), when(k.LastUsedAt), when(k.ExpiresAt))
	}
}

func (a *app) createKeyCommand() *cobra.Command {
	var k client.NewAPIKey
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an API key, and show its secret this once",
		Long: `Create an API key, and show its secret this once. Set FOTOGRAMA_API_KEY to it.

--json prints {"key": {…}, "secret"}.`,
		Example: "  fotograma keys create nightly --expires-in 90 --scope videos:read,videos:write",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k.Name = args[0]
			c, err := a.client()
			if err != nil {
				return err
			}
			created, err := c.CreateAPIKey(cmd.Context(), k)
			if err != nil {
				return err
			}
			return a.print(cmd, created, func(w io.Writer) { fmt.Fprintln(w, created.Secret) })
		},
	}
	cmd.Flags().StringSliceVar(&k.Scopes, "scope", []string{client.VideosRead, client.VideosWrite}, "what it may do")
	cmd.Flags().IntVar(&k.ExpiresInDays, "expires-in", 0, "after how many days it expires; never if not given")
	complete(cmd, "scope", client.VideosRead, client.VideosWrite, client.NotificationsRead, client.NotificationsWrite, client.AccountRead)
	return a.apiFlags(cmd)
}

func (a *app) revokeKeyCommand() *cobra.Command {
	return a.apiFlags(&cobra.Command{
		Use:   "revoke ID",
		Short: "End an API key",
		Long:  "End an API key.\n\n--json prints {\"id\"}.",
		Args:  cobra.ExactArgs(1),
		ValidArgsFunction: a.completing(1, func(ctx context.Context, c *client.Client) ([]cobra.Completion, error) {
			keys, err := c.APIKeys(ctx)
			ids := make([]cobra.Completion, len(keys))
			for i, k := range keys {
				ids[i] = cobra.CompletionWithDesc(k.ID, k.Name)
			}
			return ids, err
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.RevokeAPIKey(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.print(cmd, outcome{ID: args[0]}, func(w io.Writer) { fmt.Fprintf(w, "%s is revoked\n", args[0]) })
		},
	})
}
