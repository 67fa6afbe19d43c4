package ses

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error that the caller is told of, by the codes of the API's model.
// Anything else is logged and answered as InternalFailure.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func errInvalidAction(name string) error {
	if name == "" {
		return &apiError{"MissingAction", "The request has no parameter Action; this endpoint speaks the query protocol of SES v1, not the API of sesv2."}
	}
	return &apiError{"InvalidAction", fmt.Sprintf("Could not find operation %s for version 2010-12-01 in the local SES.", name)}
}

func errMalformed(cause error) error {
	return &apiError{"MalformedInput", "The form cannot be read: " + cause.Error()}
}

func errValidation(name string) error {
	return &apiError{"ValidationError", fmt.Sprintf("Value at '%s' failed to satisfy constraint: Member must not be null", name)}
}

func errInvalidParameter(format string, args ...any) error {
	return &apiError{"InvalidParameterValue", fmt.Sprintf(format, args...)}
}

func errRejected(format string, args ...any) error {
	return &apiError{"MessageRejected", fmt.Sprintf(format, args...)}
}

// errorResponse is an error of the query protocol.
type errorResponse struct {
	XMLName   xml.Name `xml:"http://ses.amazonaws.com/doc/2010-12-01/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func (s *Server) writeError(ctx context.Context, w http.ResponseWriter, requestID string, err error) {
	if api, ok := errors.AsType[*apiError](err); ok {
		s.writeXML(ctx, w, http.StatusBadRequest, errorResponse{Type: "Sender", Code: api.code, Message: api.message, RequestID: requestID})
		return
	}
	if ctx.Err() == nil {
		s.opts.Logger.ErrorContext(ctx, "SES operation failed", "error", err)
	}
	s.writeXML(ctx, w, http.StatusInternalServerError, errorResponse{
		Type: "Receiver", Code: "InternalFailure", RequestID: requestID,
		Message: "The request could not be processed; the log of the local stack says why.",
	})
}
