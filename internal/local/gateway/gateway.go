// Package gateway is a local Amazon API Gateway: one stage of a REST API (v1)
// whose methods are Lambda proxy integrations, as an [http.Handler].
//
// It does what API Gateway does between a client and a Lambda function, in the
// same order:
//
//	account throttle → URL and header limits → route → method throttle →
//	size limit → CORS preflight, or authorizer → integration → answer
//
// and whatever goes wrong on the way leaves as the gateway response of its type
// (see [sam.GatewayResponse]), with AWS's own status and text where the
// template gives none.
//
// What is not in AWS's documentation follows what AWS was seen to do: a
// function's Content-Length and X-Amzn-RequestId are remapped, path parameters
// stay percent-encoded, slashes at either end of a path do not count, and an
// authorizer that fails answers AUTHORIZER_CONFIGURATION_ERROR.
//
// The API is served at the root, as a custom domain with an empty base path
// does, so no path has the stage in it.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// Invoker runs Lambda functions.
type Invoker interface {
	// Invoke runs the function with that logical ID and waits for it.
	//
	// functionError is empty when the function returned, else what Lambda
	// says in X-Amz-Function-Error ("Unhandled"); result is then the JSON of
	// the error, with errorMessage and errorType. err is for a function that
	// could not be run at all. ctx is never cancelled by a client that goes
	// away, nor by the integration timeout: neither stops a Lambda.
	Invoke(ctx context.Context, function string, payload []byte) (result []byte, functionError string, err error)
}

// Config says what a [Gateway] serves and what it stands on.
type Config struct {
	API     sam.API
	Invoker Invoker

	// APIID is the API's identifier, as in ARNs; default: the logical ID.
	APIID     string
	Region    string
	AccountID string

	// StageVariables are passed to functions and authorizers; may be nil.
	StageVariables map[string]string

	// IntegrationTimeout is how long a function may take until the client
	// gets INTEGRATION_TIMEOUT: 50 ms to 29 s, which is also the default.
	IntegrationTimeout time.Duration

	// Throttled is told of each request that is refused by a limit; may be nil.
	Throttled func()

	// Now is the clock (default [time.Now]), NewID makes request IDs (default
	// random UUIDs).
	Now   func() time.Time
	NewID func() string

	// Logger gets what an operator must know, AccessLog one record a request;
	// either may be nil. Neither gets a token, a body or a query string.
	Logger    *slog.Logger
	AccessLog *slog.Logger
}

// Gateway is one stage of a REST API. It is safe for concurrent use.
type Gateway struct {
	invoker   Invoker
	api       sam.API
	apiID     string
	region    string
	accountID string
	variables map[string]string
	timeout   time.Duration
	throttled func()
	now       func() time.Time
	newID     func() string
	log       *slog.Logger
	access    *slog.Logger

	routes    router
	account   *rate.Limiter
	responses map[string]gatewayResponse
}

// New makes the gateway of cfg.API. It fails on what API Gateway would refuse
// to deploy, and on what this gateway does not understand: a route twice, two
// path variables side by side, an authorizer that is not there, a method
// setting for no method, an unknown response type or variable.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{
		invoker:   cfg.Invoker,
		api:       cfg.API,
		apiID:     cfg.APIID,
		region:    cfg.Region,
		accountID: cfg.AccountID,
		variables: maps.Clone(cfg.StageVariables),
		timeout:   cfg.IntegrationTimeout,
		throttled: cfg.Throttled,
		now:       cfg.Now,
		newID:     cfg.NewID,
		log:       cfg.Logger,
		access:    cfg.AccessLog,
		account:   rate.NewLimiter(accountRate, accountBurst),
	}
	if err := g.setDefaults(); err != nil {
		return nil, err
	}
	authorizers, err := newAuthorizers(cfg.API.Authorizers, g.variables)
	if err != nil {
		return nil, err
	}
	if err := g.addRoutes(cfg.API.Routes, authorizers); err != nil {
		return nil, err
	}
	addPreflights(&g.routes, cfg.API.CORS)
	if err := addThrottles(&g.routes, cfg.API.MethodSettings); err != nil {
		return nil, err
	}
	g.responses, err = compileResponses(cfg.API.GatewayResponses, g.variables)
	return g, err
}

// setDefaults fills what the configuration left out and checks the rest.
func (g *Gateway) setDefaults() error {
	if g.invoker == nil {
		return errors.New("API gateway: no invoker")
	}
	if g.apiID == "" {
		g.apiID = g.api.LogicalID
	}
	if g.timeout == 0 {
		g.timeout = maxIntegrationTimeout
	}
	if g.timeout < minIntegrationTimeout || g.timeout > maxIntegrationTimeout {
		return fmt.Errorf("API %s: integration timeout %v is not within %v and %v",
			g.api.LogicalID, g.timeout, minIntegrationTimeout, maxIntegrationTimeout)
	}
	if g.throttled == nil {
		g.throttled = func() {}
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.newID == nil {
		g.newID = uuid.NewString
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.access == nil {
		g.access = slog.New(slog.DiscardHandler)
	}
	return nil
}

func (g *Gateway) addRoutes(routes []sam.Route, authorizers map[string]*authorizer) error {
	for _, route := range routes {
		m := &method{function: route.Function}
		if route.Authorizer != "" {
			m.authorizer = authorizers[route.Authorizer]
			if m.authorizer == nil {
				return fmt.Errorf("route %s %s: no authorizer %q", route.Method, route.Path, route.Authorizer)
			}
		}
		if err := g.routes.add(route.Method, route.Path, m); err != nil {
			return fmt.Errorf("route %s %s: %w", route.Method, route.Path, err)
		}
	}
	return nil
}

// Handles tells whether r is for this API: whether the first segment of its
// path is that of a route. It is for a server that has more than the API on one
// port; a request it lets through can still get MISSING_AUTHENTICATION_TOKEN.
func (g *Gateway) Handles(r *http.Request) bool {
	first, _, _ := strings.Cut(normalize(r.URL.EscapedPath())[1:], "/")
	return g.routes.root.begins(first)
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := g.open(r)
	answer, err := g.serve(w, x)
	if err != nil {
		answer = g.refuse(x, err)
		if x.fault.kind == typeThrottled {
			g.throttled()
		}
	}
	answer.header.Set("X-Amzn-Requestid", x.requestID)
	answer.header.Set("X-Amz-Apigw-Id", x.extendedID)
	if err := answer.write(w, r.Method); err != nil {
		g.log.Debug("client went away", "request_id", x.requestID, "cause", err)
	}
	g.record(x, answer)
}

// serve takes x through the stages that the package comment names. Every error
// is a *fault.
func (g *Gateway) serve(w http.ResponseWriter, x *exchange) (response, error) {
	if !g.account.AllowN(x.start, 1) {
		return response{}, newFault(typeThrottled)
	}
	if err := checkHead(x.r); err != nil {
		return response{}, err
	}
	if err := g.route(x); err != nil {
		return response{}, err
	}
	if !x.method.limiter.AllowN(x.start, 1) {
		return response{}, newFault(typeThrottled)
	}
	if x.r.ContentLength > maxRequestBody {
		return response{}, newFault(typeRequestTooLarge)
	}
	if x.method.preflight != nil {
		return response{status: http.StatusOK, header: x.method.preflight.Clone(), body: []byte(preflightBody)}, nil
	}
	if x.method.authorizer != nil {
		if err := g.authorize(x, x.method.authorizer); err != nil {
			return response{}, err
		}
	}
	return g.integrate(w, x)
}

// route finds the resource and the method that x is for.
func (g *Gateway) route(x *exchange) error {
	res, params := g.routes.find(x.path)
	if res == nil {
		return newFault(typeMissingAuthenticationToken)
	}
	m := res.methodFor(x.r.Method)
	if m == nil {
		return newFault(typeMissingAuthenticationToken)
	}
	x.resource, x.method, x.params = res, m, params
	return nil
}

// record writes the access log's line of x.
func (g *Gateway) record(x *exchange, answer response) {
	attributes := []slog.Attr{
		slog.String("request_id", x.requestID),
		slog.String("method", x.r.Method),
		slog.Int("status", answer.status),
		slog.Int64("latency_ms", g.now().Sub(x.start).Milliseconds()),
		slog.Int("response_bytes", len(answer.body)),
		slog.String("source_ip", x.sourceIP),
	}
	if x.resource != nil {
		attributes = append(attributes, slog.String("resource", x.resource.path), slog.String("function", x.method.function))
	} else {
		attributes = append(attributes, slog.String("path", x.path))
	}
	if x.grant != nil {
		attributes = append(attributes, slog.String("principal", x.grant.principal))
	}
	if x.fault != nil {
		attributes = append(attributes, slog.String("error", x.fault.kind))
	}
	// The client may be gone; the record is written all the same.
	g.access.LogAttrs(context.WithoutCancel(x.r.Context()), slog.LevelInfo, "request", attributes...)
}
