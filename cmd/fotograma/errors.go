package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/pkg/client"
)

// Exit codes, as the help of the root command tells them.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitNotLoggedIn = 3
	exitNotFound    = 4
	exitVideoFailed = 5
	exitQuota       = 6
	exitUnreachable = 7
	exitNotNow      = 8
	exitInterrupted = 130 // 128 and the number of SIGINT, as shells have it
)

func usageError(format string, args ...any) error {
	return exit{fmt.Errorf(format, args...), exitUsage}
}

// exitCode gives the exit code of an error.
func (a *app) exitCode(err error) int {
	if !a.began {
		return exitUsage
	}
	if e, ok := errors.AsType[exit](err); ok {
		return e.code
	}
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return exitCodeOf(p)
	}
	if _, ok := errors.AsType[*frames.OptionError](err); ok {
		return exitUsage
	}
	if e, ok := errors.AsType[*frames.Error](err); ok && e.Code != frames.CodeEngineFailed {
		return exitVideoFailed
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if unreachable(err) {
		return exitUnreachable
	}
	return exitFailure
}

func exitCodeOf(p *client.Problem) int {
	if isForeign(p) {
		return exitUnreachable
	}
	switch p.Status {
	case http.StatusUnauthorized:
		return exitNotLoggedIn
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusTooManyRequests:
		return exitQuota
	case http.StatusConflict, http.StatusGone:
		return exitNotNow
	case http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge:
		return exitUsage
	}
	return exitFailure
}

// isForeign tells whether something else than Fotograma's API answered that there is
// nothing.
func isForeign(p *client.Problem) bool {
	return p.Code == "" && (p.Status == http.StatusNotFound || p.Status == http.StatusMethodNotAllowed || p.Status == http.StatusNotImplemented)
}

// unreachable tells whether an error is that of a connection.
func unreachable(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	dial := ok && op.Op != "listen" // which is about this machine
	_, call := errors.AsType[*url.Error](err)
	return (dial || call) && !errors.Is(err, context.Canceled)
}

// failure is an error as scripts read it.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// describe puts an error into a stable code and a sentence for a person.
func (a *app) describe(err error) failure {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		if isForeign(p) {
			return failure{"unreachable", a.server + " answers, but is no Fotograma: say where that is with --server."}
		}
		return failure{p.Code, sentence(p)}
	}
	if e, ok := errors.AsType[*frames.OptionError](err); ok {
		return failure{"invalid_extraction", "--" + strings.ReplaceAll(e.Member, "_", "-") + " " + e.Reason}
	}
	if e, ok := errors.AsType[*frames.Error](err); ok {
		return failure{e.Code, e.Error()}
	}
	if e, ok := errors.AsType[*videoError](err); ok {
		return failure{e.code, e.Error()}
	}
	if errors.Is(err, context.Canceled) {
		return failure{"interrupted", "interrupted"}
	}
	if unreachable(err) {
		return failure{"unreachable", fmt.Sprintf("%s does not answer (%v). Start it with “fotograma up”, or say where it is with --server.", a.server, cause(err))}
	}
	return failure{a.code(err), err.Error()}
}

func (a *app) code(err error) string {
	if a.exitCode(err) == exitUsage {
		return "usage"
	}
	return "failed"
}

// cause is what is at the bottom of a failed call.
func cause(err error) error {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return err
}

// sentence is what a problem tells a person.
func sentence(p *client.Problem) string {
	text := []string{p.Detail}
	if p.Code == "invalid_request" && len(p.Errors) > 0 { // which says no more than that there are errors
		text = nil
	}
	for _, part := range p.Errors {
		text = append(text, strings.TrimSpace(strings.TrimPrefix(part.Location, "body.")+" "+part.Message)+".")
	}
	switch {
	case p.Status == http.StatusUnauthorized && p.Code != "invalid_credentials":
		if os.Getenv("FOTOGRAMA_API_KEY") != "" {
			return "The API key of FOTOGRAMA_API_KEY is not good here: it was revoked, has expired, or is another server's."
		}
		text = append(text, "(fotograma login)")
	case p.Status >= http.StatusInternalServerError && p.RequestID != "":
		text = append(text, "(request "+p.RequestID+")")
	}
	return strings.Join(text, " ")
}

// complain tells of an error.
func (a *app) complain(w io.Writer, err error) {
	if errors.Is(err, errTold) {
		return
	}
	f := a.describe(err)
	if a.json {
		if writeJSON(w, map[string]failure{"error": f}) == nil {
			return
		}
	}
	fmt.Fprintln(w, "fotograma:", f.Message)
	if !a.began {
		fmt.Fprintln(w, "See “fotograma help”.")
	}
}

// videoError is a video that did not complete.
type videoError struct{ code, message string }

// Error implements error.
func (e *videoError) Error() string { return e.message }

func endedBadly(v *client.Video) error {
	e := &videoError{v.Status, "the video ended as " + v.Status}
	if v.Error != nil {
		e = &videoError{v.Error.Code, v.Error.Message}
	}
	return exit{e, exitVideoFailed}
}
