package secrets

import "fmt"

// Error codes of Secrets Manager, and of AWS' JSON protocol.
const (
	exists           = "ResourceExistsException"
	internal         = "InternalServiceError"
	invalidParameter = "InvalidParameterException"
	invalidRequest   = "InvalidRequestException"
	notFound         = "ResourceNotFoundException"
	serialization    = "SerializationException"
	unknownOperation = "UnknownOperationException"
)

// apiError is an error that the caller is told. Anything else that an operation
// returns is logged and answered as InternalServiceError.
type apiError struct {
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func errNoSecret() error {
	return &apiError{notFound, "Secrets Manager can't find the specified secret."}
}

func errDeleted(what string) error {
	return &apiError{invalidRequest, fmt.Sprintf("You can't %s because it was marked for deletion.", what)}
}

func errInvalid(format string, args ...any) error {
	return &apiError{invalidParameter, fmt.Sprintf(format, args...)}
}
