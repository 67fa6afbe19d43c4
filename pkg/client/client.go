// Package client talks to Fotograma's HTTP API.
//
//	c := client.New("http://127.0.0.1:8080")
//	err := c.Login(ctx, "ana@example.com", password)
//	video, err := c.Upload(ctx, file, client.NewVideo{Filename: "a.mp4", …}, nil)
//	video, err = c.Wait(ctx, video.ID, nil)
//	info, err := c.Download(ctx, video.ID, zip)
//
// Errors that the API answered with are a [*Problem]. Calls that are safe to
// repeat are repeated with back-off when the network or the server fails, and
// after as long as Retry-After says if that is a minute at most.
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
	base string
	api  *http.Client // repeats what is safe to repeat
	raw  *http.Client // for S3

	mu     sync.Mutex
	tokens Tokens
}

// New makes a client for the API at a base address, without "/v1".
func New(base string) *Client {
	retrying := retryablehttp.NewClient()
	retrying.Logger = nil
	retrying.RetryMax = 4
	retrying.CheckRetry = retryIfSafe
	retrying.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return &Client{base: strings.TrimSuffix(base, "/"), api: retrying.StandardClient(), raw: &http.Client{}}
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

// Tokens are a session's.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
}

// User is an account.
type User struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Locale    string    `json:"locale"`
	CreatedAt time.Time `json:"created_at"`

	EmailVerified bool `json:"email_verified"`
}

// NewUser is an account to be.
type NewUser struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Name     string `json:"name,omitempty"`
	Locale   string `json:"locale,omitempty"` // "en" or "pt-BR"
}

// Health tells whether the API answers.
func (c *Client) Health(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/v1/health", nil, nil, nil)
}

// Register makes an account; code "email_taken" if there is one already.
func (c *Client) Register(ctx context.Context, u NewUser) (User, error) {
	var out struct {
		User User `json:"user"`
	}
	err := c.call(ctx, http.MethodPost, "/v1/auth/register", nil, u, &out)
	return out.User, err
}

// VerifyEmail gives back the code that was mailed to an address; code
// "invalid_code" if it is not good.
func (c *Client) VerifyEmail(ctx context.Context, email, code string) error {
	return c.call(ctx, http.MethodPost, "/v1/auth/email/verify", nil, map[string]string{"email": email, "code": code}, nil)
}

// Login begins a session, which the following calls use.
func (c *Client) Login(ctx context.Context, email, password string) error {
	var tokens Tokens
	body := map[string]string{"email": email, "password": password}
	if err := c.call(ctx, http.MethodPost, "/v1/auth/login", nil, body, &tokens); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = tokens
	return nil
}

// UseAPIKey has the following calls use an API key instead of a session.
func (c *Client) UseAPIKey(secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = Tokens{AccessToken: secret}
}

// authorized calls with the access token, and renews it once when it has
// expired.
func (c *Client) authorized(ctx context.Context, method, path string, header http.Header, in, out any) error {
	token := c.accessToken()
	err := c.call(ctx, method, path, withToken(header, token), in, out)
	if !IsCode(err, "unauthorized") || !c.renewable() {
		return err
	}
	if err := c.renew(ctx, token); err != nil {
		return err
	}
	return c.call(ctx, method, path, withToken(header, c.accessToken()), in, out)
}

func (c *Client) accessToken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens.AccessToken
}

// renewable tells whether there is a session: an API key is not renewed.
func (c *Client) renewable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens.RefreshToken != ""
}

// renew replaces an access token, unless another goroutine has done so.
func (c *Client) renew(ctx context.Context, expired string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens.AccessToken != expired {
		return nil
	}
	var tokens Tokens
	body := map[string]string{"refresh_token": c.tokens.RefreshToken}
	if err := c.call(ctx, http.MethodPost, "/v1/auth/refresh", nil, body, &tokens); err != nil {
		return err
	}
	c.tokens = tokens
	return nil
}

func withToken(header http.Header, token string) http.Header {
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Authorization", "Bearer "+token)
	return header
}

// call sends one JSON request and reads the JSON answer into out.
func (c *Client) call(ctx context.Context, method, path string, header http.Header, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	if method != http.MethodPost || header.Get("Idempotency-Key") != "" {
		ctx = context.WithValue(ctx, repeatable{}, true)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	maps.Copy(req.Header, header)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.api.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return readProblem(resp)
	}
	if out == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err //nolint:wrapcheck // of no interest
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	return nil
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
