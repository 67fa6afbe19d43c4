package eventsource

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

func TestPartialBatchResponses(t *testing.T) {
	batch := []types.Message{{MessageId: aws.String("a")}, {MessageId: aws.String("b")}}
	tests := []struct {
		name     string
		response string
		failed   []string
		whole    bool // the whole batch failed
	}{
		{"nothing", ``, nil, false},
		{"null", `null`, nil, false},
		{"empty object", `{}`, nil, false},
		{"empty list", `{"batchItemFailures":[]}`, nil, false},
		{"null list", `{"batchItemFailures":null}`, nil, false},
		{"another member", `{"statusCode":200}`, nil, false},
		{"one", `{"batchItemFailures":[{"itemIdentifier":"b"}]}`, []string{"b"}, false},
		{"one twice", `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"b"}]}`, []string{"b"}, false},
		{"all", `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}`, []string{"a", "b"}, false},
		{"an empty identifier", `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":""}]}`, nil, true},
		{"a null identifier", `{"batchItemFailures":[{"itemIdentifier":null}]}`, nil, true},
		{"a bad key name", `{"batchItemFailures":[{"ItemIdentifier":"a"}]}`, nil, true},
		{"an identifier of another type", `{"batchItemFailures":[{"itemIdentifier":1}]}`, nil, true},
		{"an empty item", `{"batchItemFailures":[{}]}`, nil, true},
		{"a null item", `{"batchItemFailures":[null]}`, nil, true},
		{"items that are no objects", `{"batchItemFailures":["a"]}`, nil, true},
		{"a list that is none", `{"batchItemFailures":"a"}`, nil, true},
		{"a stranger's identifier", `{"batchItemFailures":[{"itemIdentifier":"c"}]}`, nil, true},
		{"text", `"ok"`, nil, true},
		{"invalid JSON", `{"batchItemFailures":[`, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			failed, err := failures([]byte(tt.response), batch)
			if (err != nil) != tt.whole {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tt.failed, slices.Sorted(maps.Keys(failed))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLastWaitingPollerStays(t *testing.T) {
	m := &mapping{pollers: 3, waiting: 2} // the third is at work
	if !m.leave() {
		t.Error("the second waiting poller did not leave")
	}
	if m.leave() {
		t.Error("the last waiting poller left")
	}
	if m.pollers != 2 || m.waiting != 1 {
		t.Errorf("%d pollers, %d waiting", m.pollers, m.waiting)
	}
}
