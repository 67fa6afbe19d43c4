// Package problem is the one catalogue of what can go wrong and be told to a
// person: each code with its HTTP status and its sentences in every language.
//
// Services return an [Error]; package httpapi turns it into RFC 9457 problem
// details, the status service puts it on a video, and the notification service
// into a mail. Codes are stable: clients may depend on them.
package problem

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fotograma/fotograma/internal/platform/locale"
)

// Code names one kind of problem.
type Code string

// Error is a problem which is to be told to the caller.
type Error struct {
	Code Code

	// Member names what in the request is wrong, "body.extraction.fps", and
	// Reason says why, in English; see [ReasonIn]. Both may be empty.
	Member string
	Reason string

	// RetryAfter is how long to wait before the same request may succeed; zero
	// when waiting does not help.
	RetryAfter time.Duration

	// Cause is logged and never shown.
	Cause error
}

// New makes the error of a code.
func New(code Code) *Error { return &Error{Code: code} }

// In makes the error of a code about one member of the request.
func In(code Code, member, reason string) *Error {
	return &Error{Code: code, Member: member, Reason: reason}
}

// Error implements error.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Member != "" {
		s += " (" + e.Member + ": " + e.Reason + ")"
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is tells whether an error is, or wraps, the problem of a code.
func Is(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// Text is what a code means, in one language.
type Text struct {
	Title  string // a few words
	Detail string // a sentence that tells a person what to do
}

// Status gives the HTTP status of a code; 500 for one that is not known, and
// for the codes of failed videos, which are no answers to a request.
func Status(code Code) int {
	if row, ok := catalogue[code]; ok && row.status != 0 {
		return row.status
	}
	return http.StatusInternalServerError
}

// In language l, what the code means. A code that is not known is told as an
// internal error.
func (c Code) In(l locale.Locale) Text {
	row, ok := catalogue[c]
	if !ok {
		row = catalogue[Internal]
	}
	if l == locale.Portuguese {
		return row.pt
	}
	return row.en
}

// Codes lists the catalogue; the order is not fixed.
func Codes() []Code {
	codes := make([]Code, 0, len(catalogue))
	for code := range catalogue {
		codes = append(codes, code)
	}
	return codes
}

// FromStatus gives the code for an HTTP status that no code of ours caused,
// such as one from the router or the decoder.
func FromStatus(status int) Code {
	switch status {
	case http.StatusBadRequest:
		return BadRequest
	case http.StatusUnprocessableEntity:
		return InvalidRequest
	case http.StatusNotFound:
		return NotFound
	case http.StatusMethodNotAllowed:
		return RouteNotFound
	case http.StatusRequestEntityTooLarge:
		return RequestTooLarge
	case http.StatusUnsupportedMediaType, http.StatusNotAcceptable:
		return NotJSON
	default:
		return Internal
	}
}

// Wrap makes an internal error of what went wrong on our side.
func Wrap(doing string, err error) *Error {
	return &Error{Code: Internal, Cause: fmt.Errorf("%s: %w", doing, err)}
}
