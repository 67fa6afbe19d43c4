// Package httpapi is the HTTP edge that all services share: JSON in and out by
// huma, errors as RFC 9457 problem details, the caller as the authorizer told
// API Gateway, and the way from a Lambda event to net/http and back.
package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.opentelemetry.io/otel/trace"

	"github.com/fotograma/fotograma/internal/platform/logging"
	"github.com/fotograma/fotograma/internal/platform/metrics"
	"github.com/fotograma/fotograma/internal/platform/tracing"
)

// Config is what an API needs to know.
type Config struct {
	// Origin is the web app's, the only one that CORS lets in.
	Origin string

	// EdgeSecret is what requests carry that come by way of our own distribution;
	// empty if there is none.
	EdgeSecret string

	Metrics *metrics.Recorder
	Now     func() time.Time
	NewID   func() string // for requests that API Gateway gave no ID
}

// API is the HTTP API of one service: routes are registered with huma.Register
// on API.API, and Handler serves them.
type API struct {
	huma.API
	mux *http.ServeMux
	cfg Config
}

// New makes an API without routes.
func New(cfg Config) *API {
	mux := http.NewServeMux()
	api := &API{API: humago.New(mux, humaConfig()), mux: mux, cfg: cfg}
	api.UseMiddleware(requireCaller(api))
	mux.HandleFunc("/", notFound)
	return api
}

func humaConfig() huma.Config {
	jsonFormat := huma.Format{
		Marshal: func(w io.Writer, v any) error {
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false) // presigned URLs stay readable
			return enc.Encode(v)     //nolint:wrapcheck // huma reports it
		},
		Unmarshal: unmarshal,
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Fotograma", Version: "1"},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					accessToken: {
						Type: "http", Scheme: "bearer", BearerFormat: "JWT",
						Description: "The access token of a session, which may do everything.",
					},
					apiKey: {
						Type: "http", Scheme: "bearer",
						Description: "An API key, sent where an access token is. It may do what its scopes name; a route that does not list api_key takes a session.",
					},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat: "application/json",
	}
}

// huma takes the names of members in whatever letters, and checks one of those that
// are the same but for that; encoding/json takes the value of the last. So a member in
// other letters would pass unchecked: here it is unknown.
func init() { //nolint:gochecknoinits // huma's own way of setting it
	huma.ValidateStrictCasing = true
}

// unmarshal reads a body for huma, which has it read twice: for the schema to be
// checked, and into the struct that the handler gets. Both must see the same. Of a
// name that comes twice the first sees the last value alone, while encoding/json puts
// one value over the other in the second; so the struct is read from what was checked.
func unmarshal(data []byte, v any) error {
	if _, checked := v.(*any); checked {
		return json.Unmarshal(data, v) //nolint:wrapcheck // huma reports it
	}
	var seen any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // which keeps large integers as they are
	if err := dec.Decode(&seen); err != nil {
		return err //nolint:wrapcheck // huma reports it
	}
	once, err := json.Marshal(seen)
	if err != nil {
		return err //nolint:wrapcheck // huma reports it
	}
	return json.Unmarshal(once, v) //nolint:wrapcheck // huma reports it
}

// Handler serves the registered routes.
func (a *API) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := a.cfg.Now()
		r = a.withRequest(r)
		info := requestOf(r.Context())
		w.Header().Set("X-Request-Id", info.id)
		for name, value := range SecurityHeaders() {
			w.Header().Set(name, value)
		}
		a.allowOrigin(w, r)

		rec := &recorder{ResponseWriter: w}
		defer a.finish(rec, r, started)
		if called := r.URL.EscapedPath(); path.Clean(called) != called { // net/http would lead it elsewhere
			notFound(rec, r)
			return
		}
		a.mux.ServeHTTP(rec, r)
	})
}

// SecurityHeaders are on every answer of the API; template.yaml puts them on API
// Gateway's own. Answers are data: a browser that is led to one directly shows it,
// runs and loads nothing, and does not keep it. What they say of TLS, browsers
// heed when it came over TLS (RFC 6797, section 8.1).
func SecurityHeaders() map[string]string {
	return map[string]string{
		"Cache-Control":             "no-store",
		"Content-Security-Policy":   "default-src 'none'; frame-ancestors 'none'",
		"Referrer-Policy":           "no-referrer",
		"Strict-Transport-Security": "max-age=63072000",
		"X-Content-Type-Options":    "nosniff",
		"X-Frame-Options":           "DENY",
	}
}

// allowOrigin lets the web app read the answer where it is served from another
// host. Credentials are not allowed there: the one cookie that there is wants the
// API on the app's own host, where CORS has no say.
func (a *API) allowOrigin(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Origin")
	if a.isOwnOrigin(r) {
		w.Header().Set("Access-Control-Allow-Origin", a.cfg.Origin)
		w.Header().Set("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-Id")
	}
}

// finish answers for a handler that panicked, and accounts for the request.
func (a *API) finish(w *recorder, r *http.Request, started time.Time) {
	ctx := r.Context()
	if p := recover(); p != nil {
		slog.ErrorContext(ctx, "request panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if w.status == 0 {
			writeProblem(w, r, internalProblem(ctx))
		}
	}
	elapsed := a.cfg.Now().Sub(started)
	method, route, registered := strings.Cut(r.Pattern, " ")
	span := trace.SpanFromContext(ctx)
	defer span.End()
	tracing.Answered(span, r.Method, route, w.status, string(requestOf(ctx).code))
	if id := r.PathValue("id"); id != "" && w.status < http.StatusBadRequest && strings.HasPrefix(route, "/v1/videos/") {
		span.SetAttributes(tracing.VideoID(id))
	}
	slog.InfoContext(ctx, "request", "method", r.Method, "route", route, "status", w.status,
		"duration_ms", elapsed.Milliseconds())
	if code := requestOf(ctx).code; code != "" {
		metrics.Record(a.cfg.Metrics, metrics.ByCode{Code: code}, metrics.Problems.Of(1))
	}
	labels := metrics.ByRoute{Route: "unmatched", Status: metrics.ClassOf(w.status)}
	if registered {
		labels.Route = method + " " + route
	}
	metrics.Record(a.cfg.Metrics, labels, metrics.RequestDuration.Of(float64(elapsed.Microseconds())/1000))
}

// recorder remembers the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p) //nolint:wrapcheck // transparent
}

// withRequest puts into the context what is known of the request, and begins its
// span, which finish ends.
func (a *API) withRequest(r *http.Request) *http.Request {
	info := a.newRequestInfo(r)
	ctx, _ := tracing.Request(r.Context(), r.Method, r.Header.Get(tracing.Name))
	ctx = logging.With(ctx, slog.String("request_id", info.id))
	if caller, ok := CallerFrom(ctx); ok {
		ctx = logging.With(ctx, slog.String("user_id", caller.UserID))
	}
	return r.WithContext(withInfo(ctx, info))
}
