// Command chaos disturbs Fotograma and looks whether it comes through: it runs the whole
// system over AWS services that are slow, refuse calls, fail or hang up, kills functions
// at each of their calls, sends messages twice and in any order, fills the disk and sets
// clocks wrong. After each scenario every video must be as if nothing had happened. See
// docs/faults.md, which it writes.
//
// Each scenario has a system of its own in a process of its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// fullLength is how long a disturbance lasts of which the document tells.
const fullLength = time.Minute

// options say how long and how thoroughly a scenario disturbs.
type options struct {
	length time.Duration // of what lasts
	every  int           // of how many calls one is hit
}

// result is how a scenario ended.
type result struct {
	finding

	Name      string        `json:"name"`
	What      string        `json:"what"`
	Disturbed int           `json:"disturbed"` // calls, messages or processes
	Recovery  time.Duration `json:"recovery"`  // from the end of the disturbance until all was at rest
	Notes     []string      `json:"notes"`
	Skipped   string        `json:"skipped"` // why it could not be done
	Failure   string        `json:"failure"` // what was not as it should be
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o options
	only := flag.String("only", "", "a regular expression: only the scenarios whose names it fits")
	document := flag.String("document", "docs/faults.md", "where the results go, of disturbances that are not shortened")
	parallel := flag.Int("parallel", 6, "how many scenarios are played at once: they mostly wait")
	child := flag.String("scenario", "", "play this one in this process, and print its result as JSON")
	flag.DurationVar(&o.length, "length", fullLength, "how long a disturbance lasts that lasts")
	flag.IntVar(&o.every, "every", 1, "kill functions at every n-th of their calls")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("read -only: %w", err)
	}
	if *child != "" {
		return playOne(ctx, *child, o)
	}

	results, err := playAll(ctx, pattern, *parallel, o)
	if err != nil {
		return err
	}
	if o == (options{fullLength, 1}) {
		err = publish(ctx, *document, results)
	}
	for _, r := range results {
		if r.Failure != "" {
			err = errors.Join(err, fmt.Errorf("%s: %s", r.Name, r.Failure))
		}
	}
	return err
}

// playAll plays the scenarios whose names fit, each in a process.
func playAll(ctx context.Context, pattern *regexp.Regexp, parallel int, o options) ([]result, error) {
	var chosen []scenario
	for _, sc := range scenarios() {
		if pattern.MatchString(sc.name) {
			chosen = append(chosen, sc)
		}
	}
	results := make([]result, len(chosen))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, sc := range slices.Backward(chosen) { // those that take longest stand last
		group.Go(func() error {
			self := exec.CommandContext(ctx, os.Args[0], "-scenario", sc.name, "-length", o.length.String(), "-every", strconv.Itoa(o.every)) //nolint:gosec // this program itself
			self.Stderr = os.Stderr
			self.Cancel = func() error { return self.Process.Signal(os.Interrupt) }
			out, err := self.Output()
			if err == nil {
				err = json.Unmarshal(out, &results[i])
			}
			if err != nil {
				return fmt.Errorf("play %q: %w: %s", sc.name, err, out)
			}
			fmt.Println(line(results[i]))
			return nil
		})
	}
	return results, group.Wait()
}

// playOne plays one scenario in this process.
func playOne(ctx context.Context, name string, o options) error {
	root, err := filepath.Abs(".") // S3 changes the working directory
	if err != nil {
		return fmt.Errorf("find this folder: %w", err)
	}
	for _, sc := range scenarios() {
		if sc.name != name {
			continue
		}
		return json.NewEncoder(os.Stdout).Encode(sc.play(ctx, root, o))
	}
	return fmt.Errorf("there is no scenario %q", name)
}

// play plays a scenario in a folder of its own.
func (sc scenario) play(ctx context.Context, root string, o options) result {
	r := result{Name: sc.name, What: sc.what}
	dir, err := os.MkdirTemp("", "fotograma-chaos-")
	if err == nil {
		err = sc.disturb(ctx, root, dir, o, &r)
	}
	switch {
	case errors.Is(err, errCannot):
		r.Skipped = err.Error()
	case err != nil:
		r.Failure = err.Error() + " (" + dir + ")" // kept, to be looked at
		return r
	}
	if err := os.RemoveAll(dir); err != nil {
		r.Failure = err.Error()
	}
	return r
}

func (sc scenario) disturb(ctx context.Context, root, dir string, o options, r *result) (err error) {
	s, err := startSystem(ctx, root, dir, sc.settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	d, err := sc.newDrive(ctx, s, o)
	if err != nil {
		return err
	}
	if err := sc.run(ctx, d); err != nil {
		return err
	}
	over := time.Now()
	if err := d.settled(ctx); err != nil {
		return err
	}
	r.Recovery, r.Notes = time.Since(over), d.notes
	if r.Disturbed = d.disturbed; r.Disturbed == 0 {
		r.Disturbed = s.layer.count()
	}
	r.finding, err = d.check(ctx, d.reference, max(sc.mails, 1))
	return err
}
