package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/internal/notification"
)

// mailTemplates are the templates of a stack's mails, as a command reaches them.
type mailTemplates struct {
	app    *app
	o      local.Options
	stack  string
	locale string
}

func (a *app) templatesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "templates",
		Short: "See and edit the templates of mails",
		Long: `See and edit the templates of mails. What is edited is kept in the stack's table, and
deployments leave it as it is; what is not is as it was shipped with the release.

A template has two files. The text's first line is the subject. The HTML defines
"content", which the layout has inside; “layout” is a template too, one for all
languages. Both are Go's: https://pkg.go.dev/text/template. What they may use is in
docs/operations.md. A new template is used within a minute.

The commands reach AWS at AWS_ENDPOINT_URL if that is set (“aws” for AWS itself, with the
credentials of the environment), else the running stack (fotograma up).`,
		Example: `  fotograma templates show completed > completed.txt
  fotograma templates show completed --html > completed.html
  fotograma templates preview completed --text completed.txt --html completed.html -o preview.html
  fotograma templates set completed --locale en --text completed.txt --html completed.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, command := range []func(*mailTemplates) *cobra.Command{
		(*mailTemplates).listCommand, (*mailTemplates).showCommand, (*mailTemplates).previewCommand, (*mailTemplates).setCommand,
		(*mailTemplates).historyCommand, (*mailTemplates).useCommand, (*mailTemplates).resetCommand,
	} {
		cmd.AddCommand(command(&mailTemplates{app: a}))
	}
	return cmd
}

// flags gives a command the flags that all have.
func (t *mailTemplates) flags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&t.stack, "stack", "fotograma", "the name of the stack, which its table's name begins with")
	cmd.Flags().StringVar(&t.o.AWSAddr, "aws-addr", "127.0.0.1:4566", "where S3, SQS, DynamoDB and SES of the running stack listen")
	t.app.jsonFlag(cmd)
	return cmd
}

// one gives a command the flags of those about one template.
func (t *mailTemplates) one(cmd *cobra.Command, defaultLocale string) *cobra.Command {
	var kinds, locales []string
	for _, n := range notification.TemplateNames() {
		if !slices.Contains(kinds, n.Kind) {
			kinds = append(kinds, n.Kind)
		}
		if l := string(n.Locale); l != "" && !slices.Contains(locales, l) {
			locales = append(locales, l)
		}
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return kinds, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.Flags().StringVarP(&t.locale, "locale", "l", defaultLocale, "in which language: "+strings.Join(locales, " or ")+"; the layout is one for all")
	complete(cmd, "locale", locales...)
	cmd.Long += "\n\nKIND is one of " + strings.Join(kinds, ", ") + "."
	return t.flags(cmd)
}

// name gives the name of the template that is meant: in the language of the flag, unless
// it has none.
func (t *mailTemplates) name(kind string, hasLocale bool) (notification.TemplateName, error) {
	l := t.locale
	if !hasLocale {
		l = ""
	}
	n, err := notification.FindTemplate(kind, l)
	return n, t.explain(err)
}

// open reaches the stack's table.
func (t *mailTemplates) open(ctx context.Context) (*notification.Templates, error) {
	t.o.Endpoint = os.Getenv("AWS_ENDPOINT_URL")
	cfg, err := local.Reach(ctx, t.o)
	if err != nil {
		return nil, err
	}
	store := notification.NewStore(dynamodb.NewFromConfig(cfg), t.stack+"-notification", time.Now)
	return &notification.Templates{Store: store, Now: time.Now}, nil
}

// explain gives errors their exit codes, and words.
func (t *mailTemplates) explain(err error) error {
	if _, ok := errors.AsType[*notification.TemplateError](err); ok {
		return exit{err, exitUsage}
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return exit{fmt.Errorf("there is no table %s-notification: is --stack right, and the region?", t.stack), exitNotFound}
	}
	switch {
	case errors.Is(err, notification.ErrNoVersion):
		return exit{err, exitNotFound}
	case errors.Is(err, notification.ErrEditedMeanwhile):
		return exit{fmt.Errorf("%w: look at what is in use now (fotograma templates history), and try again", err), exitNotNow}
	}
	return err
}

// templateLine is a template in the list.
type templateLine struct {
	Kind           string     `json:"kind"`
	Locale         string     `json:"locale,omitempty"`
	Version        int        `json:"version"`
	Newest         int        `json:"newest"`
	At             *time.Time `json:"at,omitempty"`
	ShippedChanged bool       `json:"shipped_changed"`
	Missing        bool       `json:"missing,omitempty"` // its row is gone: mails are written with the shipped one
}

func (t *mailTemplates) listCommand() *cobra.Command {
	return t.flags(&cobra.Command{
		Use:   "list",
		Short: "List the templates, and which version of each is in use",
		Long: `List the templates, and which version of each is in use. Where the shipped template has
changed since the one in use was made, it says so: a release may have something new to
tell.

--json prints {"templates": […]}; version 0 is the shipped one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			templates, err := t.open(cmd.Context())
			if err != nil {
				return err
			}
			lines, err := listTemplates(cmd.Context(), templates)
			if err != nil {
				return t.explain(err)
			}
			return t.app.print(cmd, map[string]any{"templates": lines}, func(w io.Writer) { printTemplates(w, lines) })
		},
	})
}

func listTemplates(ctx context.Context, templates *notification.Templates) ([]templateLine, error) {
	var lines []templateLine
	for _, n := range notification.TemplateNames() {
		state, err := templates.State(ctx, n)
		if err != nil {
			return nil, err
		}
		used, err := templates.Version(ctx, n, state.InUse)
		missing := errors.Is(err, notification.ErrNoVersion)
		if err != nil && !missing {
			return nil, err
		}
		line := templateLine{
			Kind: n.Kind, Locale: string(n.Locale), Version: used.Version, Newest: state.Newest,
			ShippedChanged: used.ShippedChanged, Missing: missing,
		}
		if used.Version > 0 && !missing {
			line.At = &used.At
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func printTemplates(w io.Writer, lines []templateLine) {
	fmt.Fprintln(w, "KIND\tLOCALE\tIN USE\tMADE\t")
	for _, l := range lines {
		used, made, note := "shipped", "", ""
		if l.At != nil {
			used, made = fmt.Sprintf("version %d", l.Version), humanize.Time(*l.At)
		}
		switch {
		case l.Missing:
			used, note = fmt.Sprintf("version %d", l.Version), "it is gone: mails are as they are shipped"
		case l.ShippedChanged:
			note = "the shipped one has changed since"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Kind, cmp.Or(l.Locale, "all"), used, made, note)
	}
}

// aVersion is the flag of the version that is meant.
type aVersion struct {
	cmd *cobra.Command
	n   int
}

func (v *aVersion) flag(cmd *cobra.Command) {
	v.cmd = cmd
	cmd.Flags().IntVar(&v.n, "version", 0, "which version, if not the one in use; 0 is the shipped one")
}

// of gives that version of a template.
func (v *aVersion) of(ctx context.Context, templates *notification.Templates, n notification.TemplateName) (notification.TemplateVersion, error) {
	if !v.cmd.Flags().Changed("version") {
		return templates.InUse(ctx, n)
	}
	return templates.Version(ctx, n, v.n)
}

func (t *mailTemplates) showCommand() *cobra.Command {
	var version aVersion
	var html bool
	cmd := &cobra.Command{
		Use:   "show KIND",
		Short: "Print a template, to edit it",
		Long: `Print a template as it is in use: the text, or with --html the HTML.

--json prints {"version", "text", "html"}.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := t.name(args[0], args[0] != notification.LayoutKind)
			if err != nil {
				return err
			}
			templates, err := t.open(cmd.Context())
			if err != nil {
				return err
			}
			found, err := version.of(cmd.Context(), templates, n)
			if err != nil {
				return t.explain(err)
			}
			source := found.Text
			if html || n.Kind == notification.LayoutKind {
				source = found.HTML
			}
			if !t.app.json { // to the letter
				_, err := io.WriteString(cmd.OutOrStdout(), source)
				return err
			}
			return writeJSON(cmd.OutOrStdout(), struct {
				Version int `json:"version"`
				notification.Source
			}{found.Version, found.Source})
		},
	}
	version.flag(cmd)
	cmd.Flags().BoolVar(&html, "html", false, "print the HTML")
	return t.one(cmd, "en")
}

// edited are files of a template.
type edited struct{ text, html string }

func (e *edited) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.text, "text", "", "the file of the text, of which the first line is the subject")
	cmd.Flags().StringVar(&e.html, "html", "", "the file of the HTML")
	for _, flag := range []string{"text", "html"} {
		offer(cmd, flag, nil, cobra.ShellCompDirectiveDefault)
	}
}

func (e *edited) given() bool { return e.text != "" || e.html != "" }

// over gives a source with what the files have in its place. Lines end as they do in
// mails' templates, wherever the files come from.
func (e *edited) over(s notification.Source) (notification.Source, error) {
	for _, part := range []struct {
		file string
		into *string
	}{{e.text, &s.Text}, {e.html, &s.HTML}} {
		if part.file == "" {
			continue
		}
		raw, err := os.ReadFile(part.file)
		if err != nil {
			return s, exit{fmt.Errorf("read the template: %w", err), exitUsage}
		}
		*part.into = strings.ReplaceAll(string(raw), "\r\n", "\n")
	}
	return s, nil
}

func (t *mailTemplates) previewCommand() *cobra.Command {
	var version aVersion
	var files edited
	var output string
	cmd := &cobra.Command{
		Use:   "preview KIND",
		Short: "Show a mail as a template makes it, with sample content",
		Long: `Show a mail as the template in use makes it, with sample content: subject and text, and
with --output the HTML in a file, for a browser. Given files, they are tried in its
place, as “set” does; what is not given is as it is in use. The layout is shown around
a mail of completed videos.

--json prints {"subject", "text", "html"}.`,
		Example: "  fotograma templates preview completed --locale pt-BR --html completed.html -o preview.html && xdg-open preview.html",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := t.preview(cmd, args[0], version, files)
			if err != nil {
				return err
			}
			if output != "" {
				if err := os.WriteFile(output, []byte(m.HTML), 0o644); err != nil { //nolint:gosec // like any file that a person makes
					return fmt.Errorf("write the preview: %w", err)
				}
			}
			document := map[string]string{"subject": m.Subject, "text": m.Text, "html": m.HTML}
			return t.app.print(cmd, document, func(io.Writer) { // which would move what stands behind tabs
				fmt.Fprintf(cmd.OutOrStdout(), "Subject: %s\n\n%s", m.Subject, m.Text)
			})
		},
	}
	version.flag(cmd)
	files.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "the file that the HTML goes to")
	offer(cmd, "output", nil, cobra.ShellCompDirectiveDefault)
	return t.one(cmd, "en")
}

func (t *mailTemplates) preview(cmd *cobra.Command, kind string, version aVersion, files edited) (notification.Mail, error) {
	n, err := t.name(kind, kind != notification.LayoutKind)
	if err != nil {
		return notification.Mail{}, err
	}
	templates, err := t.open(cmd.Context())
	if err != nil {
		return notification.Mail{}, err
	}
	found, err := version.of(cmd.Context(), templates, n)
	if err != nil {
		return notification.Mail{}, t.explain(err)
	}
	source, err := files.over(found.Source)
	if err == nil && files.given() {
		err = n.Check(source)
	}
	if err != nil {
		return notification.Mail{}, t.explain(err)
	}
	m, err := templates.Preview(cmd.Context(), n, source, t.locale)
	return m, t.explain(err)
}

// templateOutcome is which version of a template is in use now.
type templateOutcome struct {
	Kind    string `json:"kind"`
	Locale  string `json:"locale,omitempty"`
	Version int    `json:"version"`
}

func (t *mailTemplates) printOutcome(cmd *cobra.Command, n notification.TemplateName, version int) error {
	return t.app.print(cmd, templateOutcome{n.Kind, string(n.Locale), version}, func(w io.Writer) {
		if version == 0 {
			fmt.Fprintf(w, "%s is as it is shipped\n", n)
			return
		}
		fmt.Fprintf(w, "version %d of %s is in use\n", version, n)
	})
}

func (t *mailTemplates) setCommand() *cobra.Command {
	var files edited
	var basedOn int
	cmd := &cobra.Command{
		Use:   "set KIND",
		Short: "Make a new version of a template, and use it",
		Long: `Make a new version of a template, and use it. It is tried with sample content first:
what cannot be read, lacks a link or a code that its mails must have, or has no subject,
is not taken. What is not given is as it is in use.

With --based-on, nothing is changed if another version is in use by now: somebody else
has edited it too.

--json prints {"kind", "locale", "version"}.`,
		Example: "  fotograma templates set completed --locale pt-BR --text completed.txt --html completed.html --based-on 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !files.given() {
				return usageError("say what to set: --text FILE, --html FILE, or both")
			}
			return t.change(cmd, args[0], func(ctx context.Context, templates *notification.Templates, n notification.TemplateName, seen notification.TemplateState) (int, error) {
				if cmd.Flags().Changed("based-on") && basedOn != seen.InUse {
					return 0, fmt.Errorf("%s: %w: version %d is in use", n, notification.ErrEditedMeanwhile, seen.InUse)
				}
				used, err := templates.Version(ctx, n, seen.InUse)
				if errors.Is(err, notification.ErrNoVersion) { // as mails are written then
					used, err = templates.Version(ctx, n, 0)
				}
				if err != nil {
					return 0, err
				}
				source, err := files.over(used.Source)
				if err != nil {
					return 0, err
				}
				return templates.Set(ctx, n, seen, source)
			})
		},
	}
	files.flags(cmd)
	cmd.Flags().IntVar(&basedOn, "based-on", 0, "the version that the files were made of; 0 is the shipped one")
	return t.one(cmd, "")
}

// change changes which version of a template is in use.
func (t *mailTemplates) change(cmd *cobra.Command, kind string, to func(context.Context, *notification.Templates, notification.TemplateName, notification.TemplateState) (int, error)) error {
	n, err := t.name(kind, true)
	if err != nil {
		return err
	}
	templates, err := t.open(cmd.Context())
	if err != nil {
		return err
	}
	seen, err := templates.State(cmd.Context(), n)
	if err != nil {
		return t.explain(err)
	}
	version, err := to(cmd.Context(), templates, n, seen)
	if err != nil {
		return t.explain(err)
	}
	return t.printOutcome(cmd, n, version)
}

func (t *mailTemplates) useCommand() *cobra.Command {
	return t.one(&cobra.Command{
		Use:   "use KIND VERSION",
		Short: "Go back, or forth, to a version of a template",
		Long: `Go back, or forth, to a version of a template that “history” lists.

--json prints {"kind", "locale", "version"}.`,
		Example: "  fotograma templates use completed 2 --locale en",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := strconv.Atoi(args[1])
			if err != nil || version < 1 {
				return usageError("versions are numbers from 1; “fotograma templates reset” goes back to the shipped template")
			}
			return t.use(cmd, args[0], version)
		},
	}, "")
}

func (t *mailTemplates) resetCommand() *cobra.Command {
	return t.one(&cobra.Command{
		Use:   "reset KIND",
		Short: "Go back to the template that is shipped with the release",
		Long: `Go back to the template that is shipped with the release, and to what later releases
ship. Versions stay: “use” goes back to them.

--json prints {"kind", "locale", "version"}.`,
		Example: "  fotograma templates reset completed --locale en",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return t.use(cmd, args[0], 0) },
	}, "")
}

func (t *mailTemplates) use(cmd *cobra.Command, kind string, version int) error {
	return t.change(cmd, kind, func(ctx context.Context, templates *notification.Templates, n notification.TemplateName, seen notification.TemplateState) (int, error) {
		return version, templates.Use(ctx, n, seen, version)
	})
}

// templateVersion is one version in the history of a template.
type templateVersion struct {
	Version        int       `json:"version"`
	At             time.Time `json:"at"`
	InUse          bool      `json:"in_use"`
	ShippedChanged bool      `json:"shipped_changed"`
}

func (t *mailTemplates) historyCommand() *cobra.Command {
	return t.one(&cobra.Command{
		Use:   "history KIND",
		Short: "List the versions of a template, the newest first",
		Long: `List the versions of a template that somebody made, the newest first.

--json prints {"versions": […]}.`,
		Example: "  fotograma templates history completed --locale en",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			versions, err := t.history(cmd.Context(), args[0])
			if err != nil {
				return t.explain(err)
			}
			return t.app.print(cmd, map[string]any{"versions": versions}, func(w io.Writer) { printHistory(w, versions) })
		},
	}, "")
}

func (t *mailTemplates) history(ctx context.Context, kind string) ([]templateVersion, error) {
	n, err := t.name(kind, true)
	if err != nil {
		return nil, err
	}
	templates, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	state, err := templates.State(ctx, n)
	if err != nil {
		return nil, err
	}
	found, err := templates.History(ctx, n)
	versions := make([]templateVersion, len(found))
	for i, v := range found {
		versions[i] = templateVersion{v.Version, v.At, v.Version == state.InUse, v.ShippedChanged}
	}
	return versions, err
}

func printHistory(w io.Writer, versions []templateVersion) {
	if len(versions) == 0 {
		fmt.Fprintln(w, "It was never edited: the shipped one is in use.")
		return
	}
	fmt.Fprintln(w, "VERSION\tMADE\t")
	for _, v := range versions {
		used := ""
		if v.InUse {
			used = "in use"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\n", v.Version, humanize.Time(v.At), used)
	}
}
