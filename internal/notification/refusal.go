package notification

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/smithy-go"

	"github.com/fotograma/fotograma/internal/platform/batch"
)

// busyError is that SES takes no mail at this moment: there are too many in this
// second or this day, or sending is paused.
type busyError struct{ cause error }

func (e *busyError) Error() string { return "SES takes no mail now: " + e.cause.Error() }
func (e *busyError) Unwrap() error { return e.cause }

// refusedError is that SES will not take a mail, however often it is tried.
type refusedError struct {
	reason refusal
	cause  error
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("SES refuses the mail (%s): %v", e.reason, e.cause)
}
func (e *refusedError) Unwrap() error { return e.cause }

// refusal is why SES refuses a mail for good.
type refusal string

const (
	// refusedSandbox is that the account is in SES' sandbox, where mails go to verified
	// addresses alone.
	refusedSandbox refusal = "sandbox"

	// refusedContent is that SES will not have what the mail says, or whom it goes to.
	refusedContent refusal = "rejected"
)

// Codes of the errors of SES.
var (
	busyCodes = []string{
		"Throttling", "ThrottlingException", "TooManyRequestsException", "LimitExceededException",
		"AccountSendingPausedException", "ConfigurationSetSendingPausedException",
	}
	refusalCodes = []string{"MessageRejected", "InvalidParameterValue"}
)

// classify tells apart the errors of SES. from is the sender, as in the From header:
// that one which is not verified is a fault of ours, which somebody mends.
func classify(err error, from string) error {
	failure, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err
	}
	message := strings.ToLower(failure.ErrorMessage())
	switch {
	case slices.Contains(busyCodes, failure.ErrorCode()):
		return &busyError{err}
	case !slices.Contains(refusalCodes, failure.ErrorCode()) || names(message, from):
		return err
	case strings.Contains(message, "not verified"):
		return &refusedError{refusedSandbox, err}
	default:
		return &refusedError{refusedContent, err}
	}
}

// names tells whether what SES says is about the sender.
func names(message, from string) bool {
	address, err := netmail.ParseAddress(from)
	return err != nil || strings.Contains(message, strings.ToLower(address.Address))
}

const (
	firstWait = 30 * time.Second
	maxWait   = 4 * time.Hour
)

// postpone makes a message wait when SES is busy: for longer each time that it was
// received, so that the sixteen times of the queue take more than a day, as SES' quota does.
func postpone(err error, m events.SQSMessage) error {
	if _, busy := errors.AsType[*busyError](err); !busy {
		return err
	}
	received, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]) // else it counts as the first
	wait := firstWait
	for range max(received-1, 0) {
		wait = min(2*wait, maxWait)
	}
	return &batch.PostponedError{By: wait, Cause: err}
}
