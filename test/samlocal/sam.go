package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// samCLI is AWS' command line for SAM.
type samCLI struct {
	path, template, architecture string
}

// command prepares `sam local …`. What it runs functions in is not asked for: either
// it is there, or somebody has made a stand-in for it.
func (s samCLI) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"local"}, args...)
	args = append(args, "--template", s.template, "--skip-pull-image", "--parameter-overrides", "Stage=local Architecture="+s.architecture)
	cmd := exec.CommandContext(ctx, s.path, args...) //nolint:gosec // the SAM CLI that somebody named
	cmd.Env = append(os.Environ(), "SAM_CLI_TELEMETRY=0", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // so that it removes its containers
	return cmd
}

// invokeAll runs every function with an event, or all of its events, and tells of
// each what came of it.
func invokeAll(ctx context.Context, cli samCLI, template *sam.Template, all bool) error {
	var errs []error
	for _, f := range template.Functions {
		folder := path.Base(f.CodeURI)
		if f.PackageType == "Image" {
			folder = path.Base(path.Dir(f.Dockerfile))
		}
		samples, err := samplesOf(folder)
		if err != nil {
			return err
		}
		if !all {
			samples = samples[:1]
		}
		for _, sample := range samples {
			response, err := cli.invoke(ctx, f.LogicalID, sample)
			if err != nil {
				err = fmt.Errorf("%s with %s: %w", f.LogicalID, sample, err)
			}
			fmt.Printf("sam local invoke %s --event %s: %s %v\n", f.LogicalID, sample, shortened(response), failure(err))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// samplesOf gives the events of a function's folder, as package events names them.
func samplesOf(folder string) ([]string, error) {
	var samples []string
	for _, pattern := range []string{folder + ".json", folder + "-*.json"} {
		found, err := filepath.Glob(filepath.Join("events", pattern))
		if err != nil {
			return nil, err
		}
		samples = append(samples, found...)
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("no event for %s", folder)
	}
	return samples, nil
}

// invoke runs a function with an event, and gives what it returned. The error says
// what went wrong: nothing may be the function's own fault.
func (s samCLI) invoke(ctx context.Context, function, event string) (string, error) {
	cmd := s.command(ctx, "invoke", function, "--event", event)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, &said)
	}
	response := strings.TrimSpace(string(out))
	if err := judge(response, said.String()); err != nil {
		return response, fmt.Errorf("%w\n%s", err, &said)
	}
	return response, nil
}

// unauthorized is what an authorizer returns as an error for a token that is not one,
// as that of its event is to this stack: API Gateway asks for that word.
const unauthorized = "Unauthorized"

// refusals are messages that must fail, by what the function says: a sample lies in no
// queue, so that nobody can hold it longer, and is of a person whom nobody knows.
var refusals = []string{"is not a valid receipt handle", "contact not known yet"}

// judge tells whether a response, with what the function logged, is one of a function
// that works.
func judge(response, log string) error {
	var r struct {
		ErrorMessage  string            `json:"errorMessage"`
		StatusCode    int               `json:"statusCode"`
		BatchFailures []json.RawMessage `json:"batchItemFailures"`
	}
	if response != "" && json.Unmarshal([]byte(response), &r) != nil {
		return errors.New("the response is no JSON object: " + response)
	}
	switch {
	case r.ErrorMessage == unauthorized:
	case r.ErrorMessage != "":
		return errors.New("the function failed: " + r.ErrorMessage)
	case r.StatusCode >= 500:
		return fmt.Errorf("it answered %d: %s", r.StatusCode, response)
	case len(r.BatchFailures) > 0 && !slices.ContainsFunc(refusals, func(words string) bool { return strings.Contains(log, words) }):
		return errors.New("messages failed: " + response)
	}
	return nil
}

func shortened(response string) string {
	const most = 100
	if response == "" {
		return "nothing to return;"
	}
	if len(response) > most {
		return response[:most] + "…"
	}
	return response
}

func failure(err error) string {
	if err != nil {
		return "FAILED"
	}
	return "ok"
}
