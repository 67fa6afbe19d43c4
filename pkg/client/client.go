// Package client talks to Fotograma's HTTP API: there is a method for every call
// of api/openapi.yaml, and [Client.Upload], [Client.Wait] and [Client.DownloadFile],
// which make several calls of them.
//
//	c := client.New("http://127.0.0.1:8080")
//	err := c.Login(ctx, "ana@example.com", password)
//	video, err := c.Upload(ctx, file, client.NewVideo{Filename: "a.mp4", …}, nil)
//	video, err = c.Wait(ctx, video.ID, nil)
//	info, err := c.DownloadFile(ctx, video.ID, "frames.zip", nil)
//
// Errors that the API answered with are a [*Problem]. Calls that are safe to
// repeat are repeated, after a pause that grows and varies, when the network or
// the server fails, and after as long as Retry-After says if that is a minute at
// most. An upload and a download go on where they were broken off, also in
// another process.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Client is one person's access to the API. It may be used by several
// goroutines at once.
type Client struct {
	base   string
	header http.Header           // of every call of the API
	api    *http.Client          // repeats what is safe to repeat
	raw    *retryablehttp.Client // for S3

	mu     sync.Mutex
	tokens Tokens
	renew  Renew
}

// Option is what a client may be made with.
type Option func(*Client)

// WithLanguage has the API speak a language to people: a value of Accept-Language,
// such as "pt-BR". The API speaks English and Brazilian Portuguese.
func WithLanguage(language string) Option {
	return func(c *Client) { c.header.Set("Accept-Language", language) }
}

// WithUserAgent has the program called so in the person's list of sessions.
func WithUserAgent(agent string) Option {
	return func(c *Client) { c.header.Set("User-Agent", agent) }
}

// WithRetries has calls repeated so many times at most; 4 by default.
func WithRetries(n int) Option {
	return func(c *Client) { c.raw.RetryMax = n }
}

// New makes a client for the API at a base address, without "/v1".
func New(base string, options ...Option) *Client {
	c := &Client{base: strings.TrimSuffix(base, "/"), header: http.Header{}, raw: retrying()}
	c.renew = c.Refresh
	for _, option := range options {
		option(c)
	}
	api := retrying()
	api.RetryMax = c.raw.RetryMax
	api.CheckRetry = retryIfSafe
	c.api = api.StandardClient()
	c.api.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

func retrying() *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.RetryMax = 4
	c.RetryWaitMin, c.RetryWaitMax = 300*time.Millisecond, time.Second // times the number of tries
	c.Backoff = retryablehttp.RateLimitLinearJitterBackoff
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return c
}

// repeatable marks the context of a request that does no harm when it is done
// twice.
type repeatable struct{}

// retryIfSafe repeats what the server has surely not done, and what does no
// harm when it is done twice.
func retryIfSafe(ctx context.Context, resp *http.Response, err error) (bool, error) {
	var dial *net.OpError
	refused := errors.As(err, &dial) && dial.Op == "dial"
	throttled := resp != nil && resp.StatusCode == http.StatusTooManyRequests
	if ctx.Value(repeatable{}) == nil && !refused && !throttled {
		return false, err
	}
	if throttled && longWait(resp) {
		return false, nil // the caller is told rather than kept waiting for a day
	}
	return retryablehttp.DefaultRetryPolicy(ctx, resp, err) //nolint:wrapcheck // transparent
}

// mostWait is how long a call waits before it is repeated because Retry-After says
// so.
const mostWait = time.Minute

func longWait(resp *http.Response) bool {
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	return err == nil && time.Duration(seconds)*time.Second > mostWait
}

// Problem is an error that the API answered with (RFC 9457).
type Problem struct { //nolint:errname // it is called so in RFC 9457
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail"`
	Code      string        `json:"code"` // stable
	RequestID string        `json:"request_id"`
	TraceID   string        `json:"trace_id"` // of all that came of the request; see WithTraceparent
	Errors    []ProblemPart `json:"errors"`
}

// ProblemPart tells what is wrong with one member of the request.
type ProblemPart struct {
	Message  string `json:"message"`
	Location string `json:"location"`
}

// Error implements error.
func (p *Problem) Error() string {
	parts := make([]string, 0, 1+len(p.Errors))
	parts = append(parts, p.Detail)
	for _, part := range p.Errors {
		parts = append(parts, "("+strings.TrimSpace(part.Location+" "+part.Message)+")")
	}
	return fmt.Sprintf("%s [%s, request %s]", strings.Join(parts, " "), p.Code, p.RequestID)
}

// IsCode tells whether an error is the API's problem of a code.
func IsCode(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

// IsStatus tells whether an error is the API's problem of an HTTP status.
func IsStatus(err error, status int) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == status
}

// call sends one JSON request and reads the JSON answer into out.
func (c *Client) call(ctx context.Context, method, path string, header http.Header, in, out any) error {
	resp, err := c.send(ctx, method, path, header, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return readProblem(resp)
	}
	if out == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	return nil
}

// send sends one JSON request. An answer that is a redirect is fetched from
// there, without the token.
func (c *Client) send(ctx context.Context, method, path string, header http.Header, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	if method != http.MethodPost || header.Get("Idempotency-Key") != "" {
		ctx = context.WithValue(ctx, repeatable{}, true)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	maps.Copy(req.Header, c.header)
	maps.Copy(req.Header, header)
	if traceparent := traceparentOf(ctx); traceparent != "" {
		req.Header.Set(traceHeader, traceparent)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.api.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	to, err := resp.Location()
	if err != nil || resp.StatusCode < http.StatusMultipleChoices || resp.StatusCode >= http.StatusBadRequest {
		return resp, nil //nolint:nilerr // most answers are no redirects
	}
	_ = resp.Body.Close()
	return c.fetch(ctx, to.String(), "")
}

// fetch gets a signed address; ranges, which may be empty, is a Range header.
func (c *Client) fetch(ctx context.Context, address, ranges string) (*http.Response, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	return c.raw.Do(req)
}

func readProblem(resp *http.Response) error {
	p := &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode), Detail: resp.Status}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read problem: %w", err)
	}
	_ = json.Unmarshal(raw, p) // an answer that is not ours is told by its status
	p.Status = resp.StatusCode
	return p
}

func videoPath(id string, rest ...string) string {
	return "/v1/videos/" + url.PathEscape(id) + strings.Join(rest, "")
}
