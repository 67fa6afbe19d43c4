package sqs

import (
	"errors"
	"regexp"
	"strings"
)

const maxBatch = 10

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// batchEntry is an entry of one of the three batch calls.
type batchEntry interface{ id() string }

type batchRequest[E batchEntry] struct {
	queueRequest

	Entries []E
}

type batchResponse[R any] struct {
	Successful []R            `json:"Successful"`
	Failed     []batchFailure `json:"Failed"`
}

// batchFailure says why one entry failed, with the query protocol's error code.
type batchFailure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

// check refuses the batch as a whole.
func (in batchRequest[E]) check() error {
	if len(in.Entries) == 0 {
		return errBatch("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if n := len(in.Entries); n > maxBatch {
		return errBatch("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, n)
	}
	seen := make(map[string]bool, len(in.Entries))
	for _, e := range in.Entries {
		id := e.id()
		if !batchID.MatchString(id) {
			return errBatch("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return errBatch("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}

// runBatch does every entry and sorts the outcomes. Entries that are refused fail
// alone; any other error is the whole batch's.
func runBatch[E batchEntry, R any](entries []E, run func(E) (R, error)) (*batchResponse[R], error) {
	out := &batchResponse[R]{Successful: []R{}, Failed: []batchFailure{}}
	for _, e := range entries {
		result, err := run(e)
		refusal, refused := errors.AsType[*apiError](err)
		switch {
		case err == nil:
			out.Successful = append(out.Successful, result)
		case refused:
			out.Failed = append(out.Failed, batchFailure{
				ID: e.id(), SenderFault: true,
				Code: strings.TrimPrefix(refusal.code, oldCode), Message: refusal.message,
			})
		default:
			return nil, err
		}
	}
	return out, nil
}
