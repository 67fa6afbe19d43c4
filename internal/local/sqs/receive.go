package sqs

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	maxReceive           = 10
	maxWaitSeconds       = 20
	maxVisibilitySeconds = 12 * 3600
)

type receiveRequest struct {
	queueRequest

	MaxNumberOfMessages         *int
	VisibilityTimeout           *int // seconds
	WaitTimeSeconds             *int
	MessageAttributeNames       []string
	MessageSystemAttributeNames []string
	// AttributeNames is the older name of MessageSystemAttributeNames.
	AttributeNames []string
}

func (in *receiveRequest) check() error {
	if n := in.MaxNumberOfMessages; n != nil && (*n < 1 || *n > maxReceive) {
		return errOutOfRange("MaxNumberOfMessages", *n, "Must be between 1 and 10, if provided")
	}
	if n := in.WaitTimeSeconds; n != nil && (*n < 0 || *n > maxWaitSeconds) {
		return errOutOfRange("WaitTimeSeconds", *n, "Must be >= 0 and <= 20, if provided")
	}
	if err := checkVisibilityTimeout(in.VisibilityTimeout); err != nil {
		return err
	}
	for _, name := range slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames) {
		if !slices.Contains(systemAttributeNames(), name) && checkAttributeName(name) != nil {
			return errInvalidAttributeName(name)
		}
	}
	return nil
}

func checkVisibilityTimeout(seconds *int) error {
	if seconds != nil && (*seconds < 0 || *seconds > maxVisibilitySeconds) {
		return errOutOfRange("VisibilityTimeout", *seconds, "Must be between 0 and 43200, if provided")
	}
	return nil
}

func systemAttributeNames() []string {
	return []string{
		"All", attrSenderID, "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
		"SequenceNumber", "MessageDeduplicationId", attrGroupID, attrTraceHeader, "DeadLetterQueueSourceArn",
	}
}

type receiveResponse struct {
	Messages []messageOut `json:",omitempty"`
}

// messageOut is a message as ReceiveMessage gives it.
type messageOut struct {
	MessageID         string            `json:"MessageId"`
	ReceiptHandle     string            `json:"ReceiptHandle"`
	MD5OfBody         string            `json:"MD5OfBody"`
	Body              string            `json:"Body"`
	Attributes        map[string]string `json:"Attributes,omitempty"`
	MD5OfAttributes   string            `json:"MD5OfMessageAttributes,omitempty"`
	MessageAttributes messageAttributes `json:"MessageAttributes,omitempty"`
}

// receiveMessage takes what is visible, or waits for a message to be sent or to
// become visible, at most as long as the caller or the queue allows.
func (s *Server) receiveMessage(ctx context.Context, in receiveRequest) (*receiveResponse, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	q, err := s.readQueue(ctx, in.QueueURL)
	if err != nil {
		return nil, err
	}
	wait := q.attributes.number(attrWait)
	if in.WaitTimeSeconds != nil {
		wait = *in.WaitTimeSeconds
	}
	messages, err := s.poll(ctx, q, &in, time.Duration(wait)*time.Second)
	if err != nil {
		return nil, err
	}
	out := &receiveResponse{}
	for i := range messages {
		m, err := messages[i].out(&in)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, m)
	}
	return out, nil
}

func (s *Server) poll(ctx context.Context, q *queue, in *receiveRequest, wait time.Duration) ([]message, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		changed := s.bells.listen(q.id)
		if err := ctx.Err(); err != nil {
			return nil, err // what is taken for a caller who has gone would stay hidden
		}
		got, err := s.take(ctx, q, in)
		if err != nil || len(got.messages) > 0 || wait == 0 {
			return got.messages, err
		}
		next := time.NewTimer(got.nextVisible)
		select {
		case <-changed:
		case <-next.C:
		case <-deadline.C:
			wait = 0 // one last look: what came at this very instant is not missed
		case <-ctx.Done():
			next.Stop()
			return nil, ctx.Err()
		case <-s.life.Done():
			next.Stop()
			return nil, nil
		}
		next.Stop()
	}
}

// taken is the outcome of one look into a queue.
type taken struct {
	messages []message
	// nextVisible is how long it takes until a message that is now invisible
	// becomes visible; it is set if there are no messages.
	nextVisible time.Duration
}

// take receives up to the number of messages asked for. Messages that were received
// too often go to the dead-letter queue instead, as they come by.
func (s *Server) take(ctx context.Context, q *queue, in *receiveRequest) (taken, error) {
	limit := 1
	if in.MaxNumberOfMessages != nil {
		limit = *in.MaxNumberOfMessages
	}
	var got taken
	err := s.store.update(ctx, func(tx *txn) error {
		q, err := findQueue(ctx, tx, q.name)
		if err != nil {
			return err
		}
		if got.messages, err = s.receive(ctx, tx, q, limit, in.VisibilityTimeout); err != nil || len(got.messages) > 0 {
			return err
		}
		got.nextVisible, err = s.nextVisible(ctx, tx, q)
		return err
	})
	return got, err
}

// nextVisible is the time until the queue's next message becomes visible, or a
// minute, whichever is shorter: the queue is looked at again then.
func (s *Server) nextVisible(ctx context.Context, tx *txn, q *queue) (time.Duration, error) {
	now := s.nowMillis()
	var at sql.NullInt64
	err := tx.queryRow(ctx, `SELECT min(visible) FROM messages WHERE queue_id = ? AND visible > ?`, q.id, now).Scan(&at)
	if err != nil || !at.Valid {
		return time.Minute, err
	}
	return min(time.Duration(at.Int64-now)*time.Millisecond, time.Minute), nil
}

// message is a row of the messages table that was just received.
type message struct {
	id                       int64
	messageID, body          string
	attributes, system       string // JSON
	sent, firstReceived      int64
	receives, receivesBefore int64
	sourceARN                string
	handle                   string
}

func scanMessage(r row) (message, error) {
	var m message
	err := r.Scan(&m.id, &m.messageID, &m.body, &m.attributes, &m.system, &m.sent, &m.firstReceived,
		&m.receives, &m.receivesBefore, &m.sourceARN)
	return m, err
}

// receiver hands out one queue's messages within one transaction.
type receiver struct {
	server  *Server
	tx      *txn
	q       *queue
	redrive redrive
	now     int64
	hide    int64 // milliseconds
}

func (s *Server) receive(ctx context.Context, tx *txn, q *queue, limit int, visibility *int) ([]message, error) {
	r := receiver{server: s, tx: tx, q: q, now: s.nowMillis(), hide: int64(q.attributes.number(attrVisibility)) * 1000}
	if visibility != nil {
		r.hide = int64(*visibility) * 1000
	}
	var err error
	if r.redrive, err = s.redriveOf(ctx, tx, q); err != nil {
		return nil, err
	}
	var got []message
	for after := (cursor{}); len(got) < limit; {
		candidates, next, err := visibleMessages(ctx, tx, q, r.now, after, limit-len(got))
		if err != nil || len(candidates) == 0 {
			return got, err
		}
		delivered, err := r.deliver(candidates)
		if err != nil {
			return nil, err
		}
		got, after = append(got, delivered...), next
	}
	return got, nil
}

// deliver receives messages, but for those that go to the dead-letter queue.
func (r *receiver) deliver(candidates []message) ([]message, error) {
	var delivered []message
	for i := range candidates {
		m := &candidates[i]
		if r.redrive.wants(m) {
			if err := r.bury(m); err != nil {
				return nil, err
			}
			continue
		}
		if err := r.take(m); err != nil {
			return nil, err
		}
		delivered = append(delivered, *m)
	}
	return delivered, nil
}

// bury moves a message to the dead-letter queue. It keeps its id, body, attributes
// and time of sending, by which retention is counted.
func (r *receiver) bury(m *message) error {
	r.tx.ring(r.redrive.target.id)
	err := r.tx.exec(`UPDATE messages SET queue_id = ?, visible = ?, receipt = '', receives_before = receives, source_arn = ?, moved = ? WHERE id = ?`,
		r.redrive.target.id, r.now, r.server.queueARN(r.q.name), r.now, m.id)
	if err != nil {
		return fmt.Errorf("move message to dead-letter queue: %w", err)
	}
	return nil
}

// take counts the receive, hides the message for a time and gives it a new handle.
func (r *receiver) take(m *message) error {
	m.receives++
	if m.firstReceived == 0 {
		m.firstReceived = r.now
	}
	handle := receipt{queue: r.q.id, message: m.id, secret: rand.Text()}
	m.handle = handle.String()
	err := r.tx.exec(`UPDATE messages SET visible = ?, received = ?, first_received = ?, receives = ?, receipt = ? WHERE id = ?`,
		r.now+r.hide, r.now, m.firstReceived, m.receives, handle.secret, m.id)
	if err != nil {
		return fmt.Errorf("receive message: %w", err)
	}
	return nil
}

// cursor is a place in a queue's order.
type cursor struct{ visible, id int64 }

// visibleMessages gives the next messages after a place in the queue, and the place
// where they end.
func visibleMessages(ctx context.Context, tx *txn, q *queue, now int64, after cursor, limit int) ([]message, cursor, error) {
	rows, err := tx.query(ctx, `
		SELECT id, message_id, body, attributes, system, sent, first_received, receives, receives_before, source_arn, visible
		FROM messages
		WHERE queue_id = ? AND visible <= ? AND (visible, id) > (?, ?) AND sent > ?
		ORDER BY visible, id LIMIT ?`, q.id, now, after.visible, after.id, q.oldestSent(now), limit)
	end := after
	messages, err := collect(rows, err, func(r row) (message, error) {
		m, err := scanMessage(withColumn{r, &end.visible})
		end.id = m.id
		return m, err
	})
	if err != nil {
		return nil, end, fmt.Errorf("look for messages: %w", err)
	}
	return messages, end, nil
}

// withColumn scans one column after those that are asked for.
type withColumn struct {
	row

	last any
}

func (w withColumn) Scan(dest ...any) error { return w.row.Scan(append(dest, w.last)...) }

// redrive is where the queue's dead letters go, and when.
type redrive struct {
	target *queue
	max    int64
}

// redriveOf gives a redrive that wants nothing if the queue has no redrive policy or
// its target is gone.
func (s *Server) redriveOf(ctx context.Context, tx *txn, q *queue) (redrive, error) {
	policy, ok := parseRedrivePolicy(q.attributes[attrRedrivePolicy])
	if !ok {
		return redrive{}, nil
	}
	target, err := s.queueOfARN(ctx, tx, policy.TargetARN)
	if refused(err) {
		return redrive{}, nil
	}
	return redrive{target: target, max: int64(policy.MaxReceiveCount)}, err
}

func (r redrive) wants(m *message) bool {
	return r.target != nil && m.receives-m.receivesBefore >= r.max
}

func (m *message) out(in *receiveRequest) (messageOut, error) {
	out := messageOut{MessageID: m.messageID, ReceiptHandle: m.handle, Body: m.body, MD5OfBody: md5Hex([]byte(m.body))}
	if m.attributes != "" {
		var all messageAttributes
		if err := json.Unmarshal([]byte(m.attributes), &all); err != nil {
			return messageOut{}, fmt.Errorf("attributes of message %s: %w", m.messageID, err)
		}
		out.MessageAttributes = all.selected(in.MessageAttributeNames)
		out.MD5OfAttributes = out.MessageAttributes.md5()
	}
	wanted := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	if len(wanted) == 0 {
		return out, nil
	}
	system, err := m.systemAttributes()
	if err != nil {
		return messageOut{}, err
	}
	out.Attributes = make(map[string]string)
	for name, value := range system {
		if slices.Contains(wanted, "All") || slices.Contains(wanted, name) {
			out.Attributes[name] = value
		}
	}
	return out, nil
}

func (m *message) systemAttributes() (map[string]string, error) {
	var all map[string]string
	if err := json.Unmarshal([]byte(m.system), &all); err != nil {
		return nil, fmt.Errorf("system attributes of message %s: %w", m.messageID, err)
	}
	all["SentTimestamp"] = strconv.FormatInt(m.sent, 10)
	all["ApproximateReceiveCount"] = strconv.FormatInt(m.receives, 10)
	all["ApproximateFirstReceiveTimestamp"] = strconv.FormatInt(m.firstReceived, 10)
	if m.sourceARN != "" {
		all["DeadLetterQueueSourceArn"] = m.sourceARN
	}
	return all, nil
}

// counts of a queue's messages.
type counts struct{ visible, inFlight, delayed int64 }

func (s *Server) countMessages(ctx context.Context, from querier, q *queue) (counts, error) {
	now := s.nowMillis()
	var n counts
	err := from.queryRow(ctx, `
		SELECT count(*) FILTER (WHERE visible <= ?1),
		       count(*) FILTER (WHERE visible > ?1 AND receipt <> ''),
		       count(*) FILTER (WHERE visible > ?1 AND receipt = '')
		FROM messages WHERE queue_id = ?2 AND sent > ?3`, now, q.id, q.oldestSent(now)).
		Scan(&n.visible, &n.inFlight, &n.delayed)
	if err != nil {
		return counts{}, fmt.Errorf("count messages: %w", err)
	}
	return n, nil
}

// OldestMessages gives the age of the oldest message of each queue that has one, by
// the queue's name: since it was sent or, of a dead letter, since it became one. In
// AWS that is CloudWatch's metric ApproximateAgeOfOldestMessage.
func (s *Server) OldestMessages(ctx context.Context) (map[string]time.Duration, error) {
	type oldest struct {
		queue string
		since int64
	}
	now := s.nowMillis()
	rows, err := s.store.reader().query(ctx, `
		SELECT queues.name, min(CASE WHEN moved > 0 THEN moved ELSE sent END)
		FROM messages JOIN queues ON queues.id = queue_id GROUP BY queues.id`)
	all, err := collect(rows, err, func(r row) (oldest, error) {
		var o oldest
		return o, r.Scan(&o.queue, &o.since)
	})
	if err != nil {
		return nil, fmt.Errorf("look for the oldest messages: %w", err)
	}
	ages := make(map[string]time.Duration, len(all))
	for _, o := range all {
		ages[o.queue] = time.Duration(now-o.since) * time.Millisecond
	}
	return ages, nil
}

// deleteExpired deletes, in every queue, what is past the retention period.
func (s *Server) deleteExpired(ctx context.Context) error {
	return s.store.update(ctx, func(tx *txn) error {
		rows, err := tx.query(ctx, `SELECT `+queueColumns+` FROM queues`)
		queues, err := collect(rows, err, scanQueue)
		if err != nil {
			return err
		}
		var errs []error
		for _, q := range queues {
			errs = append(errs, tx.exec(`DELETE FROM messages WHERE queue_id = ? AND sent <= ?`, q.id, q.oldestSent(s.nowMillis())))
		}
		return errors.Join(errs...)
	})
}
