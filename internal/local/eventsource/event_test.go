package eventsource

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
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

func TestBatchIsSplitAtSixMegabytes(t *testing.T) {
	big := aws.String(strings.Repeat("x", 1<<20))
	var batch []types.Message
	for i := range 7 {
		batch = append(batch, types.Message{MessageId: aws.String(strconv.Itoa(i)), Body: big})
	}
	out := split(batch, "arn", "us-east-1")
	if len(out) != 2 {
		t.Fatalf("%d events for seven messages of a megabyte", len(out))
	}
	var ids []string
	for _, e := range out {
		var payload events.SQSEvent
		if err := json.Unmarshal(e.payload, &payload); err != nil {
			t.Fatal(err)
		}
		if len(e.payload) > maxPayload || len(payload.Records) != len(e.messages) {
			t.Errorf("an event of %d bytes with %d records for %d messages", len(e.payload), len(payload.Records), len(e.messages))
		}
		for _, record := range payload.Records {
			ids = append(ids, record.MessageId)
		}
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "5", "6"}, ids); diff != "" {
		t.Error(diff)
	}
}
