// Package secrets is an AWS Secrets Manager endpoint for one machine: creating,
// reading, replacing, listing, deleting and restoring secrets, for unmodified
// SDKs. It keeps them unencrypted in an SQLite file that only its owner can
// read, so it is for secrets of a local stack and no others.
//
// It knows no rotation, replication, resource policies or key management.
// Protocol: AWS JSON 1.1, the operation in X-Amz-Target
// (secretsmanager.GetSecretValue). Signatures are not checked.
package secrets

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// maxRequest is the largest request, in bytes: a binary secret of 64 KiB in
// base64, and what stands around it.
const maxRequest = 256 << 10

// Options say what a Server cannot know by itself.
type Options struct {
	Region    string           // in ARNs; default us-east-1
	AccountID string           // in ARNs; default 000000000000
	Now       func() time.Time // default time.Now
	Random    io.Reader        // for version IDs and the ends of ARNs; default crypto/rand.Reader
	Logger    *slog.Logger     // told about internal errors; default slog.Default()
}

func (o Options) withDefaults() Options {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.AccountID == "" {
		o.AccountID = "000000000000"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Server answers Secrets Manager calls. It is safe for concurrent use.
type Server struct {
	options Options
	store   *store
	calls   map[string]call
}

// call answers one operation: the request's JSON in, the value to encode out.
type call func(ctx context.Context, body []byte) (any, error)

// Open opens the secrets in the SQLite file at path. A file that does not exist
// is made with mode 0600.
func Open(path string, options Options) (*Server, error) {
	st, err := openStore(context.Background(), path)
	if err != nil {
		return nil, fmt.Errorf("open the secrets in %s: %w", path, err)
	}
	s := &Server{options: options.withDefaults(), store: st}
	s.calls = map[string]call{
		"CreateSecret":   with(s.createSecret),
		"DeleteSecret":   with(s.deleteSecret),
		"DescribeSecret": with(s.describeSecret),
		"GetSecretValue": with(s.getSecretValue),
		"ListSecrets":    with(s.listSecrets),
		"PutSecretValue": with(s.putSecretValue),
		"RestoreSecret":  with(s.restoreSecret),
	}
	return s, nil
}

// Close closes the file.
func (s *Server) Close() error { return s.store.close() }

// with decodes the request for a handler that takes its own type.
func with[In, Out any](handle func(context.Context, In) (Out, error)) call {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, &apiError{serialization, "the request is not JSON of this operation: " + err.Error()}
		}
		return handle(ctx, in)
	}
}

// ServeHTTP answers POST requests that name an operation in X-Amz-Target,
// whatever their path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := s.answer(w, r)
	status := http.StatusOK
	if err != nil {
		status = http.StatusBadRequest
		known, ok := errors.AsType[*apiError](err)
		if !ok {
			s.options.Logger.ErrorContext(r.Context(), "Secrets Manager call failed",
				"target", r.Header.Get("X-Amz-Target"), "error", err)
			status = http.StatusInternalServerError
			known = &apiError{internal, "An error occurred on the server side."}
		}
		w.Header().Set("X-Amzn-Errortype", known.code)
		out = map[string]string{"__type": known.code, "Message": known.message}
	}
	body, err := json.Marshal(out)
	if err != nil {
		s.options.Logger.ErrorContext(r.Context(), "encode Secrets Manager answer", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.options.Logger.DebugContext(r.Context(), "write Secrets Manager answer", "error", err)
	}
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	name, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
	do, ok := s.calls[name]
	if !ok || r.Method != http.MethodPost {
		return nil, &apiError{unknownOperation, fmt.Sprintf("The local Secrets Manager does not know the operation %q.", name)}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, &apiError{invalidParameter, "The request cannot be read: " + err.Error()}
	}
	return do(r.Context(), body)
}
