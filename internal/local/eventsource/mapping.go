package eventsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fotograma/fotograma/internal/local/lambda"
	"github.com/fotograma/fotograma/internal/local/sam"
)

const (
	// perCall is how many messages one call of SQS takes.
	perCall = 10

	// Failed calls and throttled invocations are tried again after the first of
	// these, then twice as long, up to the second.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// mapping is one event source mapping.
type mapping struct {
	cfg                    Config
	source                 sam.EventSource
	region, account, queue string
	limit                  int // of pollers, and so of invocations at the same time
	log                    *slog.Logger

	queueURL   string
	visibility time.Duration // the queue's

	mu      sync.Mutex
	pollers int
	waiting int // pollers that have no messages
	running sync.WaitGroup
}

func (m *mapping) run(ctx phases) {
	if !m.untilDone(ctx.polling, "find the queue", m.findQueue) {
		return
	}
	m.mu.Lock()
	m.addPoller(ctx)
	m.mu.Unlock()
	m.running.Wait()
}

// untilDone does something until it works. It is false if the context ends first.
func (m *mapping) untilDone(ctx context.Context, what string, do func(context.Context) error) bool {
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		err := do(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		m.log.WarnContext(ctx, "will try again: "+what, "error", err)
		if !sleep(ctx, backoff) {
			return false
		}
	}
}

// sleep is false if the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (m *mapping) findQueue(ctx context.Context) error {
	found, err := m.cfg.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &m.queue, QueueOwnerAWSAccountId: &m.account})
	if err != nil {
		return err
	}
	m.queueURL = aws.ToString(found.QueueUrl)
	attributes, err := m.cfg.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &m.queueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameVisibilityTimeout},
	})
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(attributes.Attributes[string(types.QueueAttributeNameVisibilityTimeout)])
	if err != nil {
		return fmt.Errorf("read the visibility timeout: %w", err)
	}
	m.visibility = time.Duration(seconds) * time.Second
	return nil
}

// addPoller starts a poller, which waits for messages; m.mu is held.
func (m *mapping) addPoller(ctx phases) {
	m.pollers++
	m.waiting++
	m.running.Go(func() { m.poll(ctx) })
}

// poll takes messages and handles them until the context ends, or there is
// nothing to do and somebody else waits.
func (m *mapping) poll(ctx phases) {
	backoff := minBackoff
	for {
		batch, err := m.receive(ctx)
		switch {
		case ctx.polling.Err() != nil:
			m.release(ctx.telling, batch)
			return
		case err != nil:
			m.log.WarnContext(ctx.polling, "will try again: receive messages", "error", err)
			sleep(ctx.polling, backoff)
			backoff = min(2*backoff, maxBackoff)
		case len(batch) == 0:
			if m.leave() {
				return
			}
		default:
			backoff = minBackoff
			m.work(ctx, batch)
		}
	}
}

// leave is true for a poller that is not needed, which must then end.
func (m *mapping) leave() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting == 1 {
		return false
	}
	m.pollers--
	m.waiting--
	return true
}

// work handles a batch, and has another poller wait meanwhile.
func (m *mapping) work(ctx phases, batch []types.Message) {
	m.mu.Lock()
	m.waiting--
	if m.waiting == 0 && m.pollers < m.limit {
		m.addPoller(ctx)
	}
	m.mu.Unlock()

	received := m.cfg.Now()
	for _, e := range split(batch, m.source.QueueARN, m.region) {
		m.handle(ctx, e, received)
	}

	m.mu.Lock()
	m.waiting++
	m.mu.Unlock()
}

// receive waits for messages, as long as a long poll may take, and then collects
// more until the batch is full or the batching window is over. There can be
// messages even when the context has ended.
func (m *mapping) receive(phases phases) ([]types.Message, error) {
	ctx := phases.polling
	if m.cfg.Poll < m.cfg.Grace {
		ctx = phases.telling // what is soon over is waited for, whatever SQS knows of who waits
	}
	longPoll := int(m.cfg.Poll / time.Second)
	batch, err := m.receiveOnce(ctx, m.source.BatchSize, longPoll)
	if err != nil || len(batch) == 0 || m.source.BatchingWindow == 0 {
		return batch, err
	}
	end := m.cfg.Now().Add(m.source.BatchingWindow)
	for len(batch) < m.source.BatchSize && phases.polling.Err() == nil {
		left := int(end.Sub(m.cfg.Now()).Round(time.Second) / time.Second)
		if left <= 0 {
			break
		}
		more, err := m.receiveOnce(ctx, m.source.BatchSize-len(batch), min(left, longPoll))
		batch = append(batch, more...)
		if err != nil {
			m.log.WarnContext(ctx, "batch goes as it is: receive more messages", "error", err)
			break
		}
	}
	return batch, nil
}

func (m *mapping) receiveOnce(ctx context.Context, want, wait int) ([]types.Message, error) {
	out, err := m.cfg.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &m.queueURL,
		MaxNumberOfMessages:         int32(min(want, perCall)),
		WaitTimeSeconds:             int32(wait),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

// handle invokes the function with one event and deletes what it handled.
func (m *mapping) handle(ctx phases, e event, received time.Time) {
	result, err := m.invoke(ctx, e, received)
	switch {
	case errors.Is(err, lambda.ErrClosed), errors.Is(err, errStopped):
		// Our own long polls end at this moment. One that SQS does not know to be
		// over would be given what is released, and hide it again.
		sleep(ctx.telling, pollsEnd)
		m.release(ctx.telling, e.messages)
	case err != nil:
		m.log.ErrorContext(ctx.working, "function not invoked: its messages wait for their visibility timeout",
			"error", err, "messages", len(e.messages))
		sleep(ctx.polling, minBackoff) // so that a queue is not emptied into its dead-letter queue in an instant
	case result.FunctionError != "":
		m.log.WarnContext(ctx.working, "function failed: the whole batch is delivered again",
			"request_id", result.RequestID, "messages", len(e.messages))
	default:
		m.settle(ctx.telling, e.messages, result)
	}
}

// pollsEnd is how long SQS may take to see that a long poll was given up.
const pollsEnd = 50 * time.Millisecond

// errStopped is when the mapping stopped before the function had ended.
var errStopped = errors.New("stopped")

// invoke runs the function. A throttled invocation is tried again until the
// messages are visible again anyway.
func (m *mapping) invoke(ctx phases, e event, received time.Time) (lambda.Result, error) {
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		result, err := m.cfg.Invoker.Invoke(ctx.working, m.source.Function, e.payload)
		if err != nil && ctx.working.Err() != nil {
			return result, errStopped
		}
		if !errors.Is(err, lambda.ErrThrottled) {
			return result, err
		}
		if m.cfg.Now().Add(backoff).Sub(received) >= m.visibility {
			return result, err
		}
		if !sleep(ctx.polling, backoff) {
			return result, errStopped
		}
	}
}

// settle deletes the messages that the function handled.
func (m *mapping) settle(ctx context.Context, messages []types.Message, result lambda.Result) {
	failed := map[string]bool{}
	if m.source.ReportBatchItemFailures {
		var err error
		if failed, err = failures(result.Payload, messages); err != nil {
			m.log.ErrorContext(ctx, "partial batch response not understood: the whole batch is delivered again",
				"request_id", result.RequestID, "error", err)
			return
		}
	}
	handled := make([]types.Message, 0, len(messages))
	for _, message := range messages {
		if !failed[aws.ToString(message.MessageId)] {
			handled = append(handled, message)
		}
	}
	if len(failed) > 0 {
		m.log.WarnContext(ctx, "messages failed: they are delivered again", "request_id", result.RequestID, "failed", len(failed), "handled", len(handled))
	}
	m.inCalls(ctx, "delete messages", handled, func(ctx context.Context, part []types.Message) ([]types.BatchResultErrorEntry, error) {
		entries := make([]types.DeleteMessageBatchRequestEntry, len(part))
		for i, message := range part {
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: message.ReceiptHandle}
		}
		out, err := m.cfg.SQS.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &m.queueURL, Entries: entries})
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
}

// release makes messages visible at once.
func (m *mapping) release(ctx context.Context, messages []types.Message) {
	m.inCalls(ctx, "release messages", messages, func(ctx context.Context, part []types.Message) ([]types.BatchResultErrorEntry, error) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(part))
		for i, message := range part {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: message.ReceiptHandle}
		}
		out, err := m.cfg.SQS.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &m.queueURL, Entries: entries})
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
}

// inCalls makes calls for as many messages as one takes. What SQS fails for
// reasons of its own is tried again; what fails all the same is delivered again,
// which functions must be prepared for.
func (m *mapping) inCalls(ctx context.Context, what string, messages []types.Message,
	call func(context.Context, []types.Message) ([]types.BatchResultErrorEntry, error),
) {
	for len(messages) > 0 {
		part := messages[:min(perCall, len(messages))]
		messages = messages[len(part):]
		for attempt := range 3 {
			failed, err := call(ctx, part)
			if err != nil { // the SDK has tried again by itself
				m.log.ErrorContext(ctx, "failed to "+what, "error", err, "messages", len(part))
				break
			}
			part = m.worthAnother(ctx, what, part, failed)
			if len(part) == 0 || attempt == 2 || !sleep(ctx, minBackoff) {
				break
			}
		}
	}
}

// worthAnother are the messages which SQS failed, not the caller.
func (m *mapping) worthAnother(ctx context.Context, what string, part []types.Message, failed []types.BatchResultErrorEntry) []types.Message {
	var again []types.Message
	for _, entry := range failed {
		i, err := strconv.Atoi(aws.ToString(entry.Id))
		if err != nil || i < 0 || i >= len(part) {
			continue
		}
		m.log.WarnContext(ctx, "could not "+what, "message_id", aws.ToString(part[i].MessageId),
			"code", aws.ToString(entry.Code), "reason", aws.ToString(entry.Message))
		if !entry.SenderFault {
			again = append(again, part[i])
		}
	}
	return again
}
