package eventsource

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// maxPayload is the largest event that a function gets, in bytes.
const maxPayload = 6 << 20

// event is what a function is invoked with.
type event struct {
	messages []types.Message
	payload  []byte
}

// split makes events of a batch: one, unless it would be too large.
func split(batch []types.Message, queueARN, region string) []event {
	const frame = len(`{"Records":[]}`)
	var out []event
	current := event{}
	for _, message := range batch {
		record := encode(message, queueARN, region)
		if len(current.messages) > 0 && frame+len(current.payload)+1+len(record) > maxPayload {
			out = append(out, current)
			current = event{}
		}
		if len(current.messages) > 0 {
			current.payload = append(current.payload, ',')
		}
		current.payload = append(current.payload, record...)
		current.messages = append(current.messages, message)
	}
	out = append(out, current)
	for i := range out {
		out[i].payload = fmt.Appendf(nil, `{"Records":[%s]}`, out[i].payload)
	}
	return out
}

// encode writes a message as Lambda does.
func encode(message types.Message, queueARN, region string) []byte {
	record := events.SQSMessage{
		MessageId:              aws.ToString(message.MessageId),
		ReceiptHandle:          aws.ToString(message.ReceiptHandle),
		Body:                   aws.ToString(message.Body),
		Md5OfBody:              aws.ToString(message.MD5OfBody),
		Md5OfMessageAttributes: aws.ToString(message.MD5OfMessageAttributes),
		Attributes:             message.Attributes,
		MessageAttributes:      map[string]events.SQSMessageAttribute{},
		EventSourceARN:         queueARN,
		EventSource:            "aws:sqs",
		AWSRegion:              region,
	}
	for name, attribute := range message.MessageAttributes {
		record.MessageAttributes[name] = events.SQSMessageAttribute{
			StringValue:      attribute.StringValue,
			BinaryValue:      attribute.BinaryValue,
			StringListValues: []string{},
			BinaryListValues: [][]byte{},
			DataType:         aws.ToString(attribute.DataType),
		}
	}
	data, err := json.Marshal(record)
	if err != nil {
		panic(err) // strings and bytes can always be written
	}
	return data
}

// failures reads a partial batch response: the IDs of the messages that failed.
// An error means that the whole batch did.
//
// By the documentation an empty or null response, object or list is a complete
// success, and invalid JSON, an identifier that is empty, null or under another
// name a complete failure. What it does not mention, like an identifier that is
// not in the batch, is a failure here: a message too often is better than one too
// few.
func failures(response []byte, messages []types.Message) (map[string]bool, error) {
	failed := map[string]bool{}
	if len(response) == 0 {
		return failed, nil
	}
	// Maps, because names must be exact and encoding/json is lenient with structs.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(response, &members); err != nil {
		return nil, fmt.Errorf("read the response: %w", err)
	}
	list, ok := members["batchItemFailures"]
	if !ok {
		return failed, nil
	}
	var items []map[string]any
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, fmt.Errorf("read batchItemFailures: %w", err)
	}
	known := map[string]bool{}
	for _, message := range messages {
		known[aws.ToString(message.MessageId)] = true
	}
	for _, item := range items {
		id, ok := item["itemIdentifier"].(string)
		if !ok || id == "" {
			return nil, fmt.Errorf("an item of batchItemFailures has no itemIdentifier: %v", item)
		}
		if !known[id] {
			return nil, fmt.Errorf("itemIdentifier %q is not a message of the batch", id)
		}
		failed[id] = true
	}
	return failed, nil
}
