package sqs

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// receipt is what a receipt handle says: which message, and of which receive the
// handle is. The secret changes with every receive, so that earlier handles become
// stale.
type receipt struct {
	queue, message int64
	secret         string
}

// String is the receipt handle, opaque to callers.
func (r receipt) String() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", r.queue, r.message, r.secret))
}

// parseReceipt reads a handle that this server gave for this queue.
func parseReceipt(q *queue, handle string) (receipt, error) {
	if handle == "" {
		return receipt{}, errMissingParameter("ReceiptHandle")
	}
	raw, err := base64.StdEncoding.DecodeString(handle)
	if err != nil {
		return receipt{}, errReceiptHandle(handle)
	}
	parts := strings.Split(string(raw), " ")
	if len(parts) != 3 {
		return receipt{}, errReceiptHandle(handle)
	}
	queueID, err1 := strconv.ParseInt(parts[0], 10, 64)
	messageID, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err1 != nil || err2 != nil || queueID != q.id || parts[2] == "" {
		return receipt{}, errReceiptHandle(handle)
	}
	return receipt{queue: queueID, message: messageID, secret: parts[2]}, nil
}

type deleteRequest struct {
	queueRequest

	ReceiptHandle string
}

func (s *Server) deleteMessage(ctx context.Context, in deleteRequest) (empty, error) {
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		return deleteByReceipt(tx, q, in.ReceiptHandle)
	})
}

// deleteByReceipt deletes the message if the handle is of its latest receive, be it
// visible again or not. With an earlier handle the call succeeds and the message
// stays, as DeleteMessage documents it; so it does for a message already deleted.
func deleteByReceipt(tx *txn, q *queue, handle string) error {
	r, err := parseReceipt(q, handle)
	if err != nil {
		return err
	}
	return tx.exec(`DELETE FROM messages WHERE id = ? AND queue_id = ? AND receipt = ?`, r.message, r.queue, r.secret)
}

type deleteEntry struct {
	ID            string `json:"Id"`
	ReceiptHandle string
}

func (e deleteEntry) id() string { return e.ID }

// batchResult is the outcome of an entry that answers nothing.
type batchResult struct {
	ID string `json:"Id"`
}

func (s *Server) deleteMessageBatch(ctx context.Context, in batchRequest[deleteEntry]) (*batchResponse[batchResult], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var out *batchResponse[batchResult]
	err := s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		var err error
		out, err = runBatch(in.Entries, func(e deleteEntry) (batchResult, error) {
			return batchResult{e.ID}, deleteByReceipt(tx, q, e.ReceiptHandle)
		})
		return err
	})
	return out, err
}

type visibilityRequest struct {
	queueRequest

	ReceiptHandle     string
	VisibilityTimeout *int // seconds
}

func (s *Server) changeMessageVisibility(ctx context.Context, in visibilityRequest) (empty, error) {
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		return s.changeVisibility(ctx, tx, q, in.ReceiptHandle, in.VisibilityTimeout)
	})
}

// changeVisibility hides a message in flight for so many seconds from now. The
// error is MessageNotInflight if it is visible again, InvalidParameterValue if it is
// gone or another receive has it.
func (s *Server) changeVisibility(ctx context.Context, tx *txn, q *queue, handle string, seconds *int) error {
	if seconds == nil {
		return errMissingParameter("VisibilityTimeout")
	}
	if err := checkVisibilityTimeout(seconds); err != nil {
		return err
	}
	r, err := parseReceipt(q, handle)
	if err != nil {
		return err
	}
	now := s.nowMillis()
	var visible, received int64
	err = tx.queryRow(ctx, `SELECT visible, received FROM messages WHERE id = ? AND queue_id = ? AND receipt = ? AND sent > ?`,
		r.message, r.queue, r.secret, q.oldestSent(now)).Scan(&visible, &received)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return errMessageGone(handle)
	case err != nil:
		return fmt.Errorf("find message: %w", err)
	case visible <= now:
		return errMessageNotInflight()
	}
	until := now + int64(*seconds)*1000
	if until-received > maxVisibilitySeconds*1000 {
		return errOutOfRange("VisibilityTimeout", *seconds, "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	tx.ring(q.id)
	return tx.exec(`UPDATE messages SET visible = ? WHERE id = ?`, until, r.message)
}

type visibilityEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

func (e visibilityEntry) id() string { return e.ID }

func (s *Server) changeMessageVisibilityBatch(ctx context.Context, in batchRequest[visibilityEntry]) (*batchResponse[batchResult], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var out *batchResponse[batchResult]
	err := s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		var err error
		out, err = runBatch(in.Entries, func(e visibilityEntry) (batchResult, error) {
			return batchResult{e.ID}, s.changeVisibility(ctx, tx, q, e.ReceiptHandle, e.VisibilityTimeout)
		})
		return err
	})
	return out, err
}

// Release makes all messages in flight visible at once. It is for the start after
// a crash, when those who had received them died with this process: what they held
// would otherwise stay hidden for the rest of its visibility timeout.
func (s *Server) Release(ctx context.Context) error {
	now := s.nowMillis()
	err := s.store.update(ctx, func(tx *txn) error {
		return tx.exec(`UPDATE messages SET visible = ? WHERE receipt <> '' AND visible > ?`, now, now)
	})
	if err != nil {
		return fmt.Errorf("release messages in flight: %w", err)
	}
	return nil
}
