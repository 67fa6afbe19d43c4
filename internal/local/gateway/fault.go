package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Response types of API Gateway's own answers.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
const (
	typeDefault4XX                   = "DEFAULT_4XX"
	typeDefault5XX                   = "DEFAULT_5XX"
	typeAccessDenied                 = "ACCESS_DENIED"
	typeAPIConfigurationError        = "API_CONFIGURATION_ERROR"
	typeAuthorizerConfigurationError = "AUTHORIZER_CONFIGURATION_ERROR"
	typeAuthorizerFailure            = "AUTHORIZER_FAILURE"
	typeBadRequestBody               = "BAD_REQUEST_BODY"
	typeIntegrationFailure           = "INTEGRATION_FAILURE"
	typeIntegrationTimeout           = "INTEGRATION_TIMEOUT"
	typeMissingAuthenticationToken   = "MISSING_AUTHENTICATION_TOKEN"
	typeRequestTooLarge              = "REQUEST_TOO_LARGE"
	typeThrottled                    = "THROTTLED"
	typeUnauthorized                 = "UNAUTHORIZED"
)

// internalMessage is all that a client is told of what is not its fault.
const internalMessage = "Internal server error"

const uriTooLong = "Request URI too long"

// builtin is what API Gateway says for a response type if the template does
// not.
type builtin struct {
	status    int
	message   string // $context.error.message; empty: null
	errorType string // X-Amzn-ErrorType
}

// builtins has every response type that a template can have, also those that
// this gateway never gives.
var builtins = map[string]builtin{
	typeDefault4XX:                   {http.StatusBadRequest, "Bad request", "BadRequestException"},
	typeDefault5XX:                   {http.StatusInternalServerError, internalMessage, "InternalServerErrorException"},
	typeAccessDenied:                 {http.StatusForbidden, "User is not authorized to access this resource", "AccessDeniedException"},
	typeAPIConfigurationError:        {http.StatusInternalServerError, internalMessage, "InternalServerErrorException"},
	typeAuthorizerConfigurationError: {http.StatusInternalServerError, "", "AuthorizerConfigurationException"},
	typeAuthorizerFailure:            {http.StatusInternalServerError, "", "AuthorizerFailureException"},
	typeBadRequestBody:               {http.StatusBadRequest, "Invalid request body", "BadRequestException"},
	"BAD_REQUEST_PARAMETERS":         {http.StatusBadRequest, "", "BadRequestException"},
	"EXPIRED_TOKEN":                  {http.StatusForbidden, "", "ExpiredTokenException"},
	typeIntegrationFailure:           {http.StatusGatewayTimeout, internalMessage, "InternalServerErrorException"},
	typeIntegrationTimeout:           {http.StatusGatewayTimeout, "Endpoint request timed out", "InternalServerErrorException"},
	"INVALID_API_KEY":                {http.StatusForbidden, "", "ForbiddenException"},
	"INVALID_SIGNATURE":              {http.StatusForbidden, "", "InvalidSignatureException"},
	typeMissingAuthenticationToken:   {http.StatusForbidden, "Missing Authentication Token", "MissingAuthenticationTokenException"},
	"QUOTA_EXCEEDED":                 {http.StatusTooManyRequests, "", "LimitExceededException"},
	typeRequestTooLarge:              {http.StatusRequestEntityTooLarge, "Request Too Long", "RequestTooLargeException"},
	"RESOURCE_NOT_FOUND":             {http.StatusNotFound, "", "NotFoundException"},
	typeThrottled:                    {http.StatusTooManyRequests, "Too Many Requests", "TooManyRequestsException"},
	typeUnauthorized:                 {http.StatusUnauthorized, "Unauthorized", "UnauthorizedException"},
	"UNSUPPORTED_MEDIA_TYPE":         {http.StatusUnsupportedMediaType, "", "BadRequestException"},
	"WAF_FILTERED":                   {http.StatusForbidden, "", "ForbiddenException"},
}

// fault ends an exchange without an answer of its function.
type fault struct {
	kind    string // response type
	status  int    // unless the gateway response has another
	message string // empty: null
	cause   error  // for the log, never for the client
}

func (f *fault) Error() string {
	if f.cause != nil {
		return f.kind + ": " + f.cause.Error()
	}
	return f.kind
}

// newFault makes the fault of a response type as API Gateway has it.
func newFault(kind string) *fault {
	b := builtins[kind]
	return &fault{kind: kind, status: b.status, message: b.message}
}

// internalFault is for what should not happen.
func internalFault(cause error) *fault {
	f := newFault(typeDefault5XX)
	f.cause = cause
	return f
}

// integrationFault is for a function that failed, or could not be run.
func integrationFault(status int, cause error) *fault {
	f := newFault(typeIntegrationFailure)
	f.status, f.cause = status, cause
	return f
}

// malformedFault is for an answer that is not in the format of a proxy
// integration.
func malformedFault(cause error) *fault {
	f := internalFault(fmt.Errorf("malformed Lambda proxy response: %w", cause))
	f.status = http.StatusBadGateway
	return f
}

// asFault finds the fault in err.
func asFault(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	return internalFault(err)
}

// unmarshalStrict reads one JSON value into v and takes nothing that v has no
// place for.
func unmarshalStrict(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON value")
	}
	return nil
}
