package dynamodb

import (
	"fmt"
	"net/http"
	"strings"
)

// Error types, as the service qualifies them: its own exceptions and those of the framework in front of it.
const (
	typeService  = "com.amazonaws.dynamodb.v20120810#"
	typeCoral    = "com.amazon.coral.service#"
	typeValidate = "com.amazon.coral.validate#"

	codeValidation       = typeValidate + "ValidationException"
	codeSerialization    = typeCoral + "SerializationException"
	codeUnknownOperation = typeCoral + "UnknownOperationException"
	codeInternal         = typeService + "InternalServerError"
	codeConditionFailed  = typeService + "ConditionalCheckFailedException"
	codeNotFound         = typeService + "ResourceNotFoundException"
	codeInUse            = typeService + "ResourceInUseException"
	codeLimitExceeded    = typeService + "LimitExceededException"
	codeCanceled         = typeService + "TransactionCanceledException"
	codeTokenMismatch    = typeService + "IdempotentParameterMismatchException"
	codeTableNotFound    = typeService + "TableNotFoundException"
)

// apiError is an error that reaches the client as it is.
type apiError struct {
	status  int
	code    string
	message string
	item    item           // the item a failed condition looked at, when the request asked for it
	reasons []cancellation // why a transaction was cancelled, one for each of its actions
}

// cancellation is one entry of CancellationReasons; Code is "None" for the actions that were not to blame.
type cancellation struct {
	Code    string `json:"Code"`
	Message string `json:"Message,omitempty"`
	Item    item   `json:"Item,omitempty"`
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func newError(code, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

func validationError(format string, args ...any) *apiError {
	return newError(codeValidation, format, args...)
}

// invalidParameter is a validation error with the preamble that most of them have.
func invalidParameter(format string, args ...any) *apiError {
	return validationError("One or more parameter values were invalid: "+format, args...)
}

func serializationError(format string, args ...any) *apiError {
	return newError(codeSerialization, format, args...)
}

func conditionFailed() *apiError {
	return newError(codeConditionFailed, "The conditional request failed")
}

// noTable is what item operations answer; the table operations name the table.
func noTable() *apiError { return newError(codeNotFound, "Requested resource not found") }

func noNamedTable(name string) *apiError {
	return newError(codeNotFound, "Requested resource not found: Table: %s not found", name)
}

// body is the error's JSON members. The service itself is not of one mind about the case of "message".
func (e *apiError) body() map[string]any {
	body := map[string]any{"__type": e.code}
	member := "message"
	if e.code == codeSerialization || e.code == codeCanceled {
		member = "Message"
	}
	if e.message != "" {
		body[member] = e.message
	}
	if e.reasons != nil {
		body["CancellationReasons"] = e.reasons
	}
	if e.item != nil {
		body["Item"] = e.item
	}
	return body
}

// violations collects the constraints that a request's members break, to be reported together.
type violations []string

// check adds a violation unless ok; shown is the member's value as the service prints it.
func (v *violations) check(ok bool, shown, member, constraint string) {
	if !ok {
		*v = append(*v, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", shown, member, constraint))
	}
}

func (v *violations) required(ok bool, member string) {
	v.check(ok, "null", member, "Member must not be null")
}

// oneOf checks an optional enumeration.
func (v *violations) oneOf(text, member string, allowed ...string) {
	for _, a := range allowed {
		if text == "" || text == a {
			return
		}
	}
	v.check(false, "'"+text+"'", member, "Member must satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
}

// atLeast checks an optional number.
func (v *violations) atLeast(n *int64, least int64, member string) {
	if n != nil {
		v.check(*n >= least, fmt.Sprintf("'%d'", *n), member, fmt.Sprintf("Member must have value greater than or equal to %d", least))
	}
}

// name checks the form of a table's or an index's name.
func (v *violations) name(text, member string) {
	shown := "'" + text + "'"
	v.check(validName(text), shown, member, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	v.check(len(text) >= 3, shown, member, "Member must have length greater than or equal to 3")
	v.check(len(text) <= 255, shown, member, "Member must have length less than or equal to 255")
}

func validName(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == ""
}

// err is the one error that reports them all, or nil.
func (v *violations) err() error {
	switch len(*v) {
	case 0:
		return nil
	case 1:
		return validationError("1 validation error detected: %s", (*v)[0])
	}
	return validationError("%d validation errors detected: %s", len(*v), strings.Join(*v, "; "))
}
