package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	targetPrefix = "DynamoDB_20120810."
	maxRequest   = 16 << 20 // bytes of a request's body
	contentType  = "application/x-amz-json-1.0"
)

// call does one API call: it decodes the body and returns what to encode.
type call func(ctx context.Context, body []byte) (any, error)

// typed makes a call from a function with a decoded input.
func typed[In, Out any](do func(ctx context.Context, in *In) (*Out, error)) call {
	return func(ctx context.Context, body []byte) (any, error) {
		in := new(In)
		if err := decode(body, in); err != nil {
			return nil, err
		}
		out, err := do(ctx, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

func (s *Server) callTable() map[string]call {
	return map[string]call{
		"CreateTable":               typed(s.createTable),
		"DescribeTable":             typed(s.describeTable),
		"UpdateTable":               typed(s.updateTable),
		"DeleteTable":               typed(s.deleteTable),
		"ListTables":                typed(s.listTables),
		"UpdateTimeToLive":          typed(s.updateTimeToLive),
		"DescribeTimeToLive":        typed(s.describeTimeToLive),
		"UpdateContinuousBackups":   typed(s.updateContinuousBackups),
		"DescribeContinuousBackups": typed(s.describeContinuousBackups),
		"TagResource":               typed(s.tagResource),
		"UntagResource":             typed(s.untagResource),
		"ListTagsOfResource":        typed(s.listTagsOfResource),
		"PutItem":                   typed(s.putItem),
		"UpdateItem":                typed(s.updateItem),
		"DeleteItem":                typed(s.deleteItem),
		"GetItem":                   typed(s.getItem),
		"BatchGetItem":              typed(s.batchGetItem),
		"BatchWriteItem":            typed(s.batchWriteItem),
		"TransactGetItems":          typed(s.transactGetItems),
		"TransactWriteItems":        typed(s.transactWriteItems),
		"Query":                     typed(s.query),
		"Scan":                      typed(s.scan),
	}
}

// ServeHTTP answers one API call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", s.options.NewID())
	if r.Method == http.MethodGet {
		s.respond(w, http.StatusOK, "text/plain", []byte("healthy: dynamodb."+s.options.Region+".amazonaws.com "))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		w.WriteHeader(status)
		return
	}
	status := http.StatusOK
	answer, err := s.dispatch(r, body)
	if err != nil {
		status, answer = s.explain(r, err)
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		s.options.Logger.ErrorContext(r.Context(), "encode a DynamoDB answer", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.respond(w, status, contentType, bytes.TrimSuffix(encoded.Bytes(), []byte("\n")))
}

func (s *Server) dispatch(r *http.Request, body []byte) (any, error) {
	name, found := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	do, known := s.calls[name]
	if !found || !known || r.Method != http.MethodPost {
		return nil, newError(codeUnknownOperation, "")
	}
	return do(r.Context(), body)
}

// explain turns an error into an answer. What is not the caller's fault is logged and not shown.
func (s *Server) explain(r *http.Request, err error) (int, any) {
	var known *apiError
	if !errors.As(err, &known) {
		s.options.Logger.ErrorContext(r.Context(), "DynamoDB call failed", "target", r.Header.Get("X-Amz-Target"), "error", err)
		known = newError(codeInternal, "Internal server error")
		known.status = http.StatusInternalServerError
	}
	return known.status, known.body()
}

func (s *Server) respond(w http.ResponseWriter, status int, mediaType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away hears nothing more
}

// decode reads a request's body. Members that the call does not have are ignored, as the service does.
func decode(body []byte, into any) error {
	if len(body) == 0 {
		body = []byte("{}")
	}
	err := json.Unmarshal(body, into)
	var known *apiError
	var mistyped *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.As(err, &mistyped):
		return serializationError("%s", mistypedMessage(mistyped))
	}
	return newError(codeSerialization, "")
}

// javaNames are the names that the service gives to JSON types it did not expect.
var javaNames = map[string]string{"string": "STRING_VALUE", "number": "NUMBER_VALUE", "bool": "TRUE_VALUE"}

func mistypedMessage(e *json.UnmarshalTypeError) string {
	given, _, _ := strings.Cut(e.Value, " ")
	switch wanted := e.Type.Kind().String(); {
	case wanted == "map" || wanted == "struct" || wanted == "slice":
		return "Unexpected field type"
	case given == "object":
		return "Start of structure or map found where not expected"
	case given == "array":
		return "Unrecognized collection type class java.lang." + javaType(wanted)
	default:
		return javaNames[given] + " cannot be converted to " + javaType(wanted)
	}
}

func javaType(goKind string) string {
	switch goKind {
	case "bool":
		return "Boolean"
	case "int64":
		return "Long"
	}
	return "String"
}
