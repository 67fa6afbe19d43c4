package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Problem is the body of every error answer: RFC 9457 problem details with the
// stable code and the IDs of the request and of its trace.
type Problem struct { //nolint:errname // it is called so in RFC 9457
	Type      string              `json:"type" doc:"Always about:blank; code tells the kind of problem." example:"about:blank"`
	Title     string              `json:"title" doc:"The kind of problem in a few words, in the language of Accept-Language."`
	Status    int                 `json:"status" doc:"The HTTP status."`
	Detail    string              `json:"detail" doc:"A sentence that tells what to do, in the language of Accept-Language."`
	Code      problem.Code        `json:"code" doc:"The kind of problem; stable." example:"invalid_request"`
	RequestID string              `json:"request_id" doc:"Names this request in the logs."`
	TraceID   string              `json:"trace_id,omitempty" doc:"Names all that came of this request, in the logs and in traces; 32 hexadecimal digits. What API Gateway refuses by itself has none." example:"4bf92f3577b34da6a3ce929d0e0e4736"`
	Errors    []*huma.ErrorDetail `json:"errors,omitempty" doc:"What is wrong with which member of the request."`

	retryAfter string
}

// Error implements huma.StatusError.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// huma makes every error answer through these variables: this is its way of
// letting a program have a problem type of its own.
func init() { //nolint:gochecknoinits // see above
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return newProblem(context.Background(), status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := newProblem(ctx.Context(), status, msg, errs)
		if p.retryAfter != "" {
			ctx.SetHeader("Retry-After", p.retryAfter)
		}
		return p
	}
}

// newProblem turns what a handler returned, or what huma found wrong with the
// request, into a problem. What is not the caller's fault is logged here, with
// its cause, and told as an internal error.
func newProblem(ctx context.Context, status int, msg string, errs []error) *Problem {
	var known *problem.Error
	if !errors.As(errors.Join(errs...), &known) {
		if status < http.StatusInternalServerError {
			return invalid(ctx, status, msg, errs)
		}
		known = &problem.Error{Code: problem.Internal, Cause: errors.Join(errs...)}
	}
	p := describe(ctx, known.Code)
	if p.Status >= http.StatusInternalServerError {
		slog.ErrorContext(ctx, "request failed", "code", string(known.Code), "error", known.Cause)
	}
	if known.Member != "" {
		p.Errors = []*huma.ErrorDetail{{Message: problem.ReasonIn(requestOf(ctx).locale, known.Reason), Location: known.Member}}
	}
	if known.RetryAfter > 0 {
		p.retryAfter = strconv.Itoa(int(math.Ceil(known.RetryAfter.Seconds())))
	}
	return p
}

// invalid is for requests that huma refused before a handler saw them.
func invalid(ctx context.Context, status int, msg string, errs []error) *Problem {
	p := describe(ctx, codeOf(status, errs))
	for _, err := range errs {
		var detail huma.ErrorDetailer
		if errors.As(err, &detail) {
			shown := *detail.ErrorDetail()
			shown.Value = nil // may be a password
			shown.Message = problem.ReasonIn(requestOf(ctx).locale, shown.Message)
			p.Errors = append(p.Errors, &shown)
		}
	}
	if len(p.Errors) == 0 && msg != "" {
		p.Errors = []*huma.ErrorDetail{{Message: msg}}
	}
	return p
}

// codeOf gives the code for what huma found wrong: extraction options have their
// own.
func codeOf(status int, errs []error) problem.Code {
	for _, err := range errs {
		var detail huma.ErrorDetailer
		if errors.As(err, &detail) && strings.HasPrefix(detail.ErrorDetail().Location, "body.extraction") {
			return problem.InvalidExtraction
		}
	}
	return problem.FromStatus(status)
}

func describe(ctx context.Context, code problem.Code) *Problem {
	info := requestOf(ctx)
	info.code = code
	text := code.In(info.locale)
	return &Problem{
		Type:      "about:blank",
		Title:     text.Title,
		Status:    problem.Status(code),
		Detail:    text.Detail,
		Code:      code,
		RequestID: info.id,
		TraceID:   tracing.ID(ctx),
	}
}

func internalProblem(ctx context.Context) *Problem { return describe(ctx, problem.Internal) }

func notFound(w http.ResponseWriter, r *http.Request) {
	writeProblem(w, r, describe(r.Context(), problem.RouteNotFound))
}

// writeProblem answers where huma does not come to it.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		slog.WarnContext(r.Context(), "answer not written", "error", err)
	}
}
