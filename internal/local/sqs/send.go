package sqs

import (
	"context"
	"fmt"
	"regexp"
)

// groupID is a MessageGroupId, which standard queues take for fair queuing.
var groupID = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

const (
	maxDelaySeconds = 900

	attrTraceHeader = "AWSTraceHeader"
	attrGroupID     = "MessageGroupId"
	attrSenderID    = "SenderId"
)

// sendRequest is what SendMessage and an entry of SendMessageBatch have in common.
type sendRequest struct {
	MessageBody             *string
	DelaySeconds            *int
	MessageAttributes       messageAttributes
	MessageSystemAttributes messageAttributes
	MessageGroupID          string `json:"MessageGroupId"`
	MessageDeduplicationID  string `json:"MessageDeduplicationId"`
}

// size is what counts against the limits: body and attributes, in bytes. System
// attributes do not count.
func (in *sendRequest) size() int {
	if in.MessageBody == nil {
		return 0
	}
	return len(*in.MessageBody) + in.MessageAttributes.size()
}

// check refuses what is wrong whatever the queue.
func (in *sendRequest) check() error {
	switch {
	case in.MessageBody == nil || *in.MessageBody == "":
		return errMissingParameter("MessageBody")
	case !validText(*in.MessageBody):
		return errMessageContents()
	case in.DelaySeconds != nil && (*in.DelaySeconds < 0 || *in.DelaySeconds > maxDelaySeconds):
		return errOutOfRange("DelaySeconds", *in.DelaySeconds, "DelaySeconds must be >= 0 and <= 900")
	case in.MessageDeduplicationID != "":
		return errInvalidParameter("Value %s for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type.", in.MessageDeduplicationID)
	case in.MessageGroupID != "" && !groupID.MatchString(in.MessageGroupID):
		return errInvalidParameter("Value %s for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.", in.MessageGroupID)
	}
	if err := in.checkSystemAttributes(); err != nil {
		return err
	}
	return in.MessageAttributes.check()
}

func (in *sendRequest) checkSystemAttributes() error {
	for name, v := range in.MessageSystemAttributes {
		if name != attrTraceHeader {
			return errInvalidParameter("Message system attribute name '%s' is invalid.", name)
		}
		if v.DataType != "String" || v.StringValue == nil || *v.StringValue == "" {
			return errInvalidParameter("The message system attribute '%s' must be a non-empty String.", name)
		}
	}
	return nil
}

// system gives the attributes that the service keeps with the message.
func (in *sendRequest) system(sender string) map[string]string {
	kept := map[string]string{attrSenderID: sender}
	if trace, ok := in.MessageSystemAttributes[attrTraceHeader]; ok {
		kept[attrTraceHeader] = *trace.StringValue
	}
	if in.MessageGroupID != "" {
		kept[attrGroupID] = in.MessageGroupID
	}
	return kept
}

type sendResponse struct {
	MessageID   string `json:"MessageId"`
	MD5OfBody   string `json:"MD5OfMessageBody"`
	MD5OfAttrs  string `json:"MD5OfMessageAttributes,omitempty"`
	MD5OfSystem string `json:"MD5OfMessageSystemAttributes,omitempty"`
}

func (s *Server) sendMessage(ctx context.Context, in struct {
	queueRequest
	sendRequest
}) (*sendResponse, error) {
	name, err := s.nameOfURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return s.send(ctx, name, in.sendRequest)
}

func (s *Server) send(ctx context.Context, queueName string, in sendRequest) (*sendResponse, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	m, err := s.newMessage(in)
	if err != nil {
		return nil, err
	}
	err = s.store.update(ctx, func(tx *txn) error {
		q, err := findQueue(ctx, tx, queueName)
		if err != nil {
			return err
		}
		if err := q.checkSize(in.size()); err != nil {
			return err
		}
		return s.insert(tx, q, m)
	})
	return &m.answer, err
}

func (q *queue) checkSize(size int) error {
	if limit := q.attributes.number(attrMaxSize); size > limit {
		return errInvalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit+1)
	}
	return nil
}

// newMessage is a message ready to be written: what can be computed outside the
// writer is.
type newMessage struct {
	answer             sendResponse
	body               string
	attributes, system string // JSON
	delaySeconds       *int
}

func (s *Server) newMessage(in sendRequest) (*newMessage, error) {
	m := &newMessage{
		answer: sendResponse{
			MessageID:   newID(),
			MD5OfBody:   md5Hex([]byte(*in.MessageBody)),
			MD5OfAttrs:  in.MessageAttributes.md5(),
			MD5OfSystem: in.MessageSystemAttributes.md5(),
		},
		body:         *in.MessageBody,
		delaySeconds: in.DelaySeconds,
	}
	var err error
	if len(in.MessageAttributes) > 0 {
		if m.attributes, err = encode(in.MessageAttributes); err != nil {
			return nil, err
		}
	}
	m.system, err = encode(in.system(s.opts.AccountID))
	return m, err
}

func (s *Server) insert(tx *txn, q *queue, m *newMessage) error {
	delay := q.attributes.number(attrDelay)
	if m.delaySeconds != nil {
		delay = *m.delaySeconds
	}
	now := s.nowMillis()
	err := tx.exec(`INSERT INTO messages (queue_id, visible, sent, message_id, system, attributes, body) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		q.id, now+int64(delay)*1000, now, m.answer.MessageID, m.system, m.attributes, m.body)
	if err != nil {
		return fmt.Errorf("insert message: %w", err)
	}
	tx.ring(q.id)
	return nil
}

type sendEntry struct {
	sendRequest

	ID string `json:"Id"`
}

func (e sendEntry) id() string { return e.ID }

type sendBatchResult struct {
	*sendResponse

	ID string `json:"Id"`
}

func (s *Server) sendMessageBatch(ctx context.Context, in batchRequest[sendEntry]) (*batchResponse[sendBatchResult], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	total := 0
	for i := range in.Entries {
		total += in.Entries[i].size()
	}
	if total > maxMessageBytes {
		return nil, errBatch("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)
	}
	var out *batchResponse[sendBatchResult]
	err := s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		var err error
		out, err = runBatch(in.Entries, func(e sendEntry) (sendBatchResult, error) { return s.sendEntry(tx, q, e) })
		return err
	})
	return out, err
}

func (s *Server) sendEntry(tx *txn, q *queue, e sendEntry) (sendBatchResult, error) {
	if err := e.check(); err != nil {
		return sendBatchResult{}, err
	}
	if err := q.checkSize(e.size()); err != nil {
		return sendBatchResult{}, err
	}
	m, err := s.newMessage(e.sendRequest)
	if err != nil {
		return sendBatchResult{}, err
	}
	return sendBatchResult{&m.answer, e.ID}, s.insert(tx, q, m)
}
