package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/pkg/client"
)

// defaultServer is where `fotograma up` serves the API.
const defaultServer = "http://127.0.0.1:8080"

// lockPause is how long to wait before a lock is tried again.
const lockPause = 20 * time.Millisecond

// apiFlags are the flags of all commands that talk to the API.
func (a *app) apiFlags(cmd *cobra.Command) *cobra.Command {
	server := os.Getenv("FOTOGRAMA_SERVER")
	if server == "" {
		server = defaultServer
	}
	cmd.Flags().StringVar(&a.server, "server", server, "where the API is; also FOTOGRAMA_SERVER")
	a.jsonFlag(cmd)
	return cmd
}

// checkServer refuses an address that cannot be one.
func (a *app) checkServer() error {
	address, err := url.Parse(a.server)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return usageError("--server: %q is not an address such as https://frames.example.com", a.server)
	}
	return nil
}

// language is the one of the environment (POSIX, 8.2), for the API.
func language() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := os.Getenv(name); value != "" {
			tag, _, _ := strings.Cut(value, ".")
			tag, _, _ = strings.Cut(tag, "@")
			return strings.ReplaceAll(tag, "_", "-")
		}
	}
	return "en"
}

// anonymous gives a client that is not logged in.
func (a *app) anonymous() *client.Client {
	a.server = strings.TrimSuffix(a.server, "/")
	return client.New(a.server, client.WithLanguage(language()), client.WithUserAgent("fotograma command line ("+runtime.GOOS+")"))
}

// errNotLoggedIn tells that there is nothing to call the API with.
var errNotLoggedIn = exit{errors.New("you are not logged in"), exitNotLoggedIn}

// notLoggedIn says where somebody is not logged in, and where they are.
func notLoggedIn(server string, sessions map[string]session) error {
	elsewhere := ""
	if len(sessions) > 0 {
		elsewhere = " (but at " + strings.Join(slices.Sorted(maps.Keys(sessions)), ", ") + ": --server or FOTOGRAMA_SERVER)"
	}
	return fmt.Errorf("%w at %s%s: “fotograma login”, or set FOTOGRAMA_API_KEY", errNotLoggedIn, server, elsewhere)
}

// client gives a client with the API key of the environment, or with the session
// that was kept.
func (a *app) client() (*client.Client, error) {
	c := a.anonymous()
	if key := os.Getenv("FOTOGRAMA_API_KEY"); key != "" {
		c.UseAPIKey(key)
		return c, nil
	}
	store, session, err := a.session()
	if err != nil {
		return nil, err
	}
	c.UseSession(session.Tokens, store.renew(a.server, c.Refresh))
	return c, nil
}

// session gives the session that was kept, and where it is.
func (a *app) session() (*store, session, error) {
	store, err := a.store()
	if err != nil {
		return nil, session{}, err
	}
	all, err := store.read()
	if err != nil {
		return nil, session{}, err
	}
	kept, ok := all[a.server]
	if !ok {
		return nil, session{}, notLoggedIn(a.server, all)
	}
	return store, kept, nil
}

// session is one at a server.
type session struct {
	Email  string        `json:"email"`
	Tokens client.Tokens `json:"tokens"`
}

// store keeps the sessions, by address of the server, in the person's folder for
// configuration, for nobody else to read.
type store struct{ dir string }

func (a *app) store() (*store, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("find your folder for configuration: %w", err)
	}
	return &store{filepath.Join(dir, "fotograma")}, nil
}

func (s *store) path() string { return filepath.Join(s.dir, "credentials.json") }

func (s *store) read() (map[string]session, error) {
	all := map[string]session{}
	raw, err := os.ReadFile(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w (remove it and log in again)", s.path(), err)
	}
	return all, nil
}

// change changes what is kept while no other process does.
func (s *store) change(ctx context.Context, do func(map[string]session) error) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", s.dir, err)
	}
	lock := flock.New(filepath.Join(s.dir, "credentials.lock"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPause); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	defer lock.Unlock() //nolint:errcheck // the end of the process does it too
	all, err := s.read()
	if err != nil {
		return err
	}
	if err := do(all); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path(), err)
	}
	return writePrivate(s.path(), raw)
}

// writePrivate replaces a file that only its owner may read.
func writePrivate(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // has mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(file.Name()))
	}
	return nil
}

// renew renews a session once, however many processes find it expired: a refresh
// token that is spent twice ends the session.
func (s *store) renew(server string, refresh client.Renew) client.Renew {
	return func(ctx context.Context, expired client.Tokens) (client.Tokens, error) {
		var tokens client.Tokens
		err := s.change(ctx, func(all map[string]session) error {
			kept, ok := all[server]
			if !ok {
				return notLoggedIn(server, all)
			}
			tokens = kept.Tokens
			if kept.Tokens.AccessToken != expired.AccessToken { // another process has done so
				return nil
			}
			var err error
			if tokens, err = refresh(ctx, kept.Tokens); err != nil {
				return err
			}
			kept.Tokens = tokens
			all[server] = kept
			return nil
		})
		return tokens, err
	}
}

func (a *app) loginCommand() *cobra.Command {
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "login [EMAIL]",
		Short: "Log in",
		Long: `Log in. The session is kept in your folder for configuration, for you alone to read.

For scripts an API key is better (fotograma keys create, FOTOGRAMA_API_KEY).

--json prints {"server", "email"}.`,
		Example: `  fotograma login ana@example.com
  pass show fotograma | fotograma login ana@example.com --password-stdin --server https://frames.example.com`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := asking{cmd, fromStdin}
			email, err := ask.email(args)
			if err != nil {
				return err
			}
			password, err := ask.password("Password: ")
			if err != nil {
				return err
			}
			if err := a.begin(cmd.Context(), a.anonymous(), email, password); err != nil {
				return err
			}
			return a.print(cmd, loggedIn{a.server, email}, func(w io.Writer) { fmt.Fprintf(w, "Logged in at %s as %s.\n", a.server, email) })
		},
	}
	passwordFlag(cmd, &fromStdin)
	return a.apiFlags(cmd)
}

// begin logs in, and keeps the session.
func (a *app) begin(ctx context.Context, c *client.Client, email, password string) error {
	if err := c.Login(ctx, email, password); err != nil {
		return err
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	return store.change(ctx, func(all map[string]session) error {
		all[a.server] = session{email, c.Tokens()}
		return nil
	})
}

// loggedIn is what scripts are told.
type loggedIn struct {
	Server string `json:"server"`
	Email  string `json:"email"`
}

func (a *app) logoutCommand() *cobra.Command {
	return a.apiFlags(&cobra.Command{
		Use:   "logout",
		Short: "Log out, and forget the session",
		Long:  "Log out, and forget the session.\n\n--json prints {\"server\", \"email\"}.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Getenv("FOTOGRAMA_API_KEY") != "" {
				return usageError("an API key has no session; unset FOTOGRAMA_API_KEY")
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.Logout(cmd.Context()); err != nil && a.exitCode(err) != exitNotLoggedIn {
				return err
			}
			store, err := a.store()
			if err != nil {
				return err
			}
			var email string
			err = store.change(cmd.Context(), func(all map[string]session) error {
				email = all[a.server].Email
				delete(all, a.server)
				return nil
			})
			if err != nil {
				return err
			}
			return a.print(cmd, loggedIn{a.server, email}, func(w io.Writer) { fmt.Fprintf(w, "Logged out at %s.\n", a.server) })
		},
	})
}
