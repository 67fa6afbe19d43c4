package sqs

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error that the caller is told of. Anything else that an
// operation returns is logged and answered as InternalFailure.
//
// SQS moved from the query protocol to JSON and kept the old error codes for
// clients that branch on them: the body names the shape, the x-amzn-query-error
// header the old code.
type apiError struct {
	// shape is the error's name in the service's model, qualified.
	shape string
	// code is what the query protocol called it.
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refused says whether an error is one that the caller is told of.
func refused(err error) bool {
	_, ok := errors.AsType[*apiError](err)
	return ok
}

const (
	modelled = "com.amazonaws.sqs#"
	common   = "com.amazon.coral.service#"
	oldCode  = "AWS.SimpleQueueService."
)

func errQueueDoesNotExist() error {
	return &apiError{modelled + "QueueDoesNotExist", oldCode + "NonExistentQueue", "The specified queue does not exist."}
}

func errQueueNameExists(attribute string) error {
	return &apiError{modelled + "QueueNameExists", "QueueAlreadyExists",
		"A queue already exists with the same name and a different value for attribute " + attribute}
}

func errInvalidAddress(address string) error {
	return &apiError{modelled + "InvalidAddress", "InvalidAddress",
		fmt.Sprintf("The address %s is not valid for this endpoint.", address)}
}

func errInvalidAttributeName(name string) error {
	return &apiError{modelled + "InvalidAttributeName", "InvalidAttributeName", fmt.Sprintf("Unknown Attribute %s.", name)}
}

func errInvalidAttributeValue(name string) error {
	return &apiError{modelled + "InvalidAttributeValue", "InvalidAttributeValue",
		fmt.Sprintf("Invalid value for the parameter %s.", name)}
}

func errInvalidParameter(format string, args ...any) error {
	return &apiError{common + "InvalidParameterValueException", "InvalidParameterValue", fmt.Sprintf(format, args...)}
}

// errOutOfRange is what a number outside its documented range gets.
func errOutOfRange(name string, value int, reason string) error {
	return errInvalidParameter("Value %d for parameter %s is invalid. Reason: %s.", value, name, reason)
}

func errMissingParameter(name string) error {
	return &apiError{common + "MissingParameterException", "MissingParameter",
		fmt.Sprintf("The request must contain the parameter %s.", name)}
}

func errUnsupported(message string) error {
	return &apiError{modelled + "UnsupportedOperation", oldCode + "UnsupportedOperation", message}
}

func errResourceNotFound(message string) error {
	return &apiError{modelled + "ResourceNotFoundException", "ResourceNotFoundException", message}
}

func errReceiptHandle(handle string) error {
	return &apiError{modelled + "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid",
		fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", handle)}
}

func errMessageGone(handle string) error {
	return errInvalidParameter("Value %s for parameter ReceiptHandle is invalid. "+
		"Reason: Message does not exist or is not available for visibility timeout change.", handle)
}

func errMessageNotInflight() error {
	return &apiError{modelled + "MessageNotInflight", oldCode + "MessageNotInflight",
		"The specified message is not in flight."}
}

func errMessageContents() error {
	return &apiError{modelled + "InvalidMessageContents", "InvalidMessageContents",
		"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF."}
}

func errBatch(shape, format string, args ...any) error {
	return &apiError{modelled + shape, oldCode + shape, fmt.Sprintf(format, args...)}
}

func errOverLimit(message string) error {
	return &apiError{modelled + "OverLimit", "OverLimit", message}
}

func errSerialization(cause error) error {
	return &apiError{common + "SerializationException", "MalformedInput", cause.Error()}
}

func errUnknownOperation(name string) error {
	return &apiError{common + "UnknownOperationException", "InvalidAction",
		fmt.Sprintf("The action %s is not known to this endpoint.", name)}
}

func errRequestTooLarge(limit int64) error {
	return &apiError{common + "RequestEntityTooLargeException", "RequestEntityTooLarge",
		fmt.Sprintf("The request is larger than %d bytes.", limit)}
}

// errorBody is an error in awsJson1_0.
type errorBody struct {
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func (s *Server) writeError(ctx context.Context, w http.ResponseWriter, target string, err error) {
	if api, ok := errors.AsType[*apiError](err); ok {
		w.Header().Set("X-Amzn-Query-Error", api.code+";Sender")
		s.writeJSON(ctx, w, http.StatusBadRequest, errorBody{Type: api.shape, Message: api.message})
		return
	}
	if ctx.Err() == nil {
		s.opts.Logger.ErrorContext(ctx, "SQS operation failed", "operation", target, "error", err)
	}
	w.Header().Set("X-Amzn-Query-Error", "InternalFailure;Receiver")
	s.writeJSON(ctx, w, http.StatusInternalServerError,
		errorBody{Type: common + "InternalFailure", Message: "The request could not be processed; the log of the local stack says why."})
}

// queryError is an error of the query protocol, in XML.
type queryError struct {
	XMLName   xml.Name `xml:"http://queue.amazonaws.com/doc/2012-11-05/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// refuseQueryProtocol answers a client of before the JSON protocol in its own
// tongue, so that its user reads the reason instead of a parse error.
func (s *Server) refuseQueryProtocol(ctx context.Context, w http.ResponseWriter, requestID string) {
	out, err := xml.Marshal(queryError{
		Type: "Sender", Code: "UnsupportedProtocol", RequestID: requestID,
		Message: "This SQS endpoint speaks the JSON protocol only (POST with X-Amz-Target: AmazonSQS.<action>). " +
			"The request uses the old query protocol; a newer version of the SDK or of the AWS CLI does not.",
	})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusBadRequest)
	if _, err := w.Write(out); err != nil {
		s.opts.Logger.DebugContext(ctx, "write SQS answer", "error", err)
	}
}
