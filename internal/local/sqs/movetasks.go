package sqs

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// States of a message move task.
const (
	taskRunning    = "RUNNING"
	taskCompleted  = "COMPLETED"
	taskCancelling = "CANCELLING"
	taskCancelled  = "CANCELLED"
	taskFailed     = "FAILED"
)

const (
	maxMoveRate  = 500 // messages a second
	moveChunk    = 100 // messages a transaction, for a task without a rate
	maxMoveTasks = 10  // that ListMessageMoveTasks gives
)

// moveTask is a row of the move_tasks table.
type moveTask struct {
	id                     string
	sourceID               int64
	sourceARN, destination string // destination is empty: back to each message's source
	rate                   int    // messages a second, 0: as fast as possible
	status, failure        string
	moved, toMove, started int64
}

const taskColumns = `id, source_id, source_arn, destination, rate, status, failure, moved, to_move, started`

func scanTask(r row) (*moveTask, error) {
	var t moveTask
	err := r.Scan(&t.id, &t.sourceID, &t.sourceARN, &t.destination, &t.rate, &t.status, &t.failure, &t.moved, &t.toMove, &t.started)
	return &t, err
}

// taskHandle is what the opaque TaskHandle holds.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func (t *moveTask) handle() (string, error) {
	text, err := encode(taskHandle{TaskID: t.id, SourceARN: t.sourceARN})
	return base64.StdEncoding.EncodeToString([]byte(text)), err
}

type startMoveRequest struct {
	SourceARN                    string `json:"SourceArn"`
	DestinationARN               string `json:"DestinationArn"`
	MaxNumberOfMessagesPerSecond *int
}

type taskHandleResponse struct{ TaskHandle string }

// startMessageMoveTask moves the messages of a dead-letter queue to a queue of
// choice or back to where they came from, in the background.
func (s *Server) startMessageMoveTask(ctx context.Context, in startMoveRequest) (taskHandleResponse, error) {
	if in.SourceARN == "" {
		return taskHandleResponse{}, errMissingParameter("SourceArn")
	}
	task := &moveTask{id: newID(), sourceARN: in.SourceARN, destination: in.DestinationARN, status: taskRunning}
	if n := in.MaxNumberOfMessagesPerSecond; n != nil {
		if *n < 1 || *n > maxMoveRate {
			return taskHandleResponse{}, errOutOfRange("MaxNumberOfMessagesPerSecond", *n, "Must be between 1 and 500, if provided")
		}
		task.rate = *n
	}
	err := s.store.update(ctx, func(tx *txn) error {
		if err := s.checkMoveTask(ctx, tx, task); err != nil {
			return err
		}
		return s.insertTask(ctx, tx, task)
	})
	if err != nil {
		return taskHandleResponse{}, err
	}
	s.startMoving(task)
	handle, err := task.handle()
	return taskHandleResponse{handle}, err
}

// checkMoveTask finds the source, and refuses what the real service refuses.
func (s *Server) checkMoveTask(ctx context.Context, tx *txn, task *moveTask) error {
	source, err := s.queueOfARN(ctx, tx, task.sourceARN)
	if refused(err) {
		return errResourceNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	if err != nil {
		return err
	}
	task.sourceID = source.id
	sources, err := s.sourcesOf(ctx, tx, source.name)
	if err != nil {
		return err
	}
	if len(sources) == 0 {
		return errInvalidParameter("Source queue must be configured as a Dead Letter Queue.")
	}
	if err := s.checkDestination(ctx, tx, task); err != nil {
		return err
	}
	var active int
	err = tx.queryRow(ctx, `SELECT count(*) FROM move_tasks WHERE source_id = ? AND status IN ('RUNNING', 'CANCELLING')`, source.id).Scan(&active)
	if err != nil {
		return fmt.Errorf("count move tasks: %w", err)
	}
	if active > 0 {
		return errUnsupported("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
	}
	return nil
}

func (s *Server) checkDestination(ctx context.Context, tx *txn, task *moveTask) error {
	if task.destination == "" {
		return nil
	}
	if task.destination == task.sourceARN {
		return errInvalidParameter("Source queue arn and destination queue arn cannot be the same.")
	}
	_, err := s.queueOfARN(ctx, tx, task.destination)
	if refused(err) {
		return errResourceNotFound("The resource that you specified for the DestinationArn parameter doesn't exist.")
	}
	return err
}

func (s *Server) insertTask(ctx context.Context, tx *txn, t *moveTask) error {
	err := tx.queryRow(ctx, `SELECT count(*) FROM messages WHERE queue_id = ?`, t.sourceID).Scan(&t.toMove)
	if err != nil {
		return fmt.Errorf("count messages to move: %w", err)
	}
	t.started = s.nowMillis()
	return tx.exec(`INSERT INTO move_tasks (id, source_id, source_arn, destination, rate, status, to_move, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.id, t.sourceID, t.sourceARN, t.destination, t.rate, t.status, t.toMove, t.started)
}

// resumeMoveTasks starts the tasks that were under way when the file was last open.
func (s *Server) resumeMoveTasks() error {
	rows, err := s.store.reader().query(s.life, `SELECT `+taskColumns+` FROM move_tasks WHERE status IN ('RUNNING', 'CANCELLING')`)
	tasks, err := collect(rows, err, scanTask)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		s.startMoving(t)
	}
	return nil
}

func (s *Server) startMoving(t *moveTask) {
	s.workers.Go(func() {
		if err := s.move(t); err != nil && s.life.Err() == nil {
			s.opts.Logger.Error("message move task stopped until the next start", "source", t.sourceARN, "error", err)
		}
	})
}

// move runs a task until it has an end or the server closes.
func (s *Server) move(t *moveTask) error {
	chunk, pause := moveChunk, time.Duration(0)
	if t.rate > 0 {
		chunk, pause = 1, time.Second/time.Duration(t.rate)
	}
	for {
		var done bool
		err := s.store.update(s.life, func(tx *txn) error {
			var err error
			done, err = s.moveSome(tx, t.id, chunk)
			return err
		})
		if err != nil || done {
			return err
		}
		select {
		case <-time.After(pause):
		case <-s.life.Done():
			return nil
		}
	}
}

// moveSome moves one chunk and says whether the task has come to an end. Messages
// and the task's count change in the same transaction, so no message is counted
// twice however the process ends.
func (s *Server) moveSome(tx *txn, id string, chunk int) (done bool, err error) {
	ctx := s.life
	t, err := scanTask(tx.queryRow(ctx, `SELECT `+taskColumns+` FROM move_tasks WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil // its queue was deleted
	}
	if err != nil {
		return false, err
	}
	if t.status == taskCancelling {
		return true, t.end(tx, taskCancelled, "")
	}
	name, _ := s.nameOfARN(t.sourceARN)
	source, err := findQueue(ctx, tx, name)
	if err != nil {
		return false, err
	}
	messages, _, err := visibleMessages(ctx, tx, source, s.nowMillis(), cursor{}, chunk)
	if err != nil {
		return false, err
	}
	if len(messages) == 0 {
		return true, t.end(tx, taskCompleted, "")
	}
	for i := range messages {
		if failure, err := s.moveOne(ctx, tx, t, &messages[i]); err != nil || failure != "" {
			return true, errors.Join(err, t.end(tx, taskFailed, failure))
		}
		t.moved++
	}
	return false, tx.exec(`UPDATE move_tasks SET moved = ? WHERE id = ?`, t.moved, t.id)
}

// end closes the task. What could not be foreseen at its start shows in toMove: it
// is never less than what was moved.
func (t *moveTask) end(tx *txn, status, failure string) error {
	return tx.exec(`UPDATE move_tasks SET status = ?, failure = ?, moved = ?, to_move = max(to_move, ?) WHERE id = ?`,
		status, failure, t.moved, t.moved, t.id)
}

// moveOne moves a message, which becomes a new one with a new id, time of sending
// and receive count, as the developer guide says of redrive. failure is the task's
// FailureReason.
func (s *Server) moveOne(ctx context.Context, tx *txn, t *moveTask, m *message) (failure string, err error) {
	arn := t.destination
	if arn == "" {
		arn = m.sourceARN
	}
	if arn == "" {
		return "CouldNotDetermineMessageSource", nil
	}
	to, err := s.queueOfARN(ctx, tx, arn)
	if refused(err) {
		return "AWS.SimpleQueueService.NonExistentQueue", nil
	}
	if err != nil {
		return "", err
	}
	now := s.nowMillis()
	tx.ring(to.id)
	return "", tx.exec(`
		UPDATE messages SET queue_id = ?, message_id = ?, sent = ?, visible = ?, received = 0, first_received = 0,
			receives = 0, receives_before = 0, receipt = '', source_arn = '', moved = 0 WHERE id = ?`,
		to.id, newID(), now, now+int64(to.attributes.number(attrDelay))*1000, m.id)
}

type listMoveRequest struct {
	SourceARN  string `json:"SourceArn"`
	MaxResults *int
}

type listMoveResponse struct{ Results []moveTaskOut }

// moveTaskOut is a task as ListMessageMoveTasks gives it. Only a running task has a
// handle: no other can be cancelled.
type moveTaskOut struct {
	TaskHandle                        string `json:",omitempty"`
	Status                            string
	SourceARN                         string `json:"SourceArn"`
	DestinationARN                    string `json:"DestinationArn,omitempty"`
	MaxNumberOfMessagesPerSecond      int    `json:",omitempty"`
	ApproximateNumberOfMessagesMoved  int64
	ApproximateNumberOfMessagesToMove int64
	FailureReason                     string `json:",omitempty"`
	StartedTimestamp                  int64
}

func (s *Server) listMessageMoveTasks(ctx context.Context, in listMoveRequest) (listMoveResponse, error) {
	limit := 1
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > maxMoveTasks {
		return listMoveResponse{}, errOutOfRange("MaxResults", limit, "Must be between 1 and 10, if provided")
	}
	source, err := s.queueOfARN(ctx, s.store.reader(), in.SourceARN)
	if refused(err) {
		return listMoveResponse{}, errResourceNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	if err != nil {
		return listMoveResponse{}, err
	}
	rows, err := s.store.reader().query(ctx, `SELECT `+taskColumns+` FROM move_tasks WHERE source_id = ? ORDER BY seq DESC LIMIT ?`, source.id, limit)
	tasks, err := collect(rows, err, scanTask)
	if err != nil {
		return listMoveResponse{}, err
	}
	out := listMoveResponse{Results: []moveTaskOut{}}
	for _, t := range tasks {
		one, err := t.out()
		if err != nil {
			return listMoveResponse{}, err
		}
		out.Results = append(out.Results, one)
	}
	return out, nil
}

func (t *moveTask) out() (moveTaskOut, error) {
	out := moveTaskOut{
		Status: t.status, SourceARN: t.sourceARN, DestinationARN: t.destination, MaxNumberOfMessagesPerSecond: t.rate,
		ApproximateNumberOfMessagesMoved: t.moved, ApproximateNumberOfMessagesToMove: t.toMove,
		FailureReason: t.failure, StartedTimestamp: t.started,
	}
	if t.status != taskRunning {
		return out, nil
	}
	var err error
	out.TaskHandle, err = t.handle()
	return out, err
}

type cancelMoveResponse struct {
	ApproximateNumberOfMessagesMoved int64
}

func (s *Server) cancelMessageMoveTask(ctx context.Context, in taskHandleResponse) (cancelMoveResponse, error) {
	if in.TaskHandle == "" {
		return cancelMoveResponse{}, errMissingParameter("TaskHandle")
	}
	var handle taskHandle
	text, err := base64.StdEncoding.DecodeString(in.TaskHandle)
	if err != nil || json.Unmarshal(text, &handle) != nil {
		return cancelMoveResponse{}, errInvalidParameter("Value for parameter TaskHandle is invalid.")
	}
	var out cancelMoveResponse
	err = s.store.update(ctx, func(tx *txn) error {
		t, err := scanTask(tx.queryRow(ctx, `SELECT `+taskColumns+` FROM move_tasks WHERE id = ?`, handle.TaskID))
		if errors.Is(err, sql.ErrNoRows) {
			return errResourceNotFound("Task does not exist.")
		}
		if err != nil {
			return err
		}
		if t.status != taskRunning {
			return errUnsupported("Only active tasks can be cancelled.")
		}
		out.ApproximateNumberOfMessagesMoved = t.moved
		return tx.exec(`UPDATE move_tasks SET status = ? WHERE id = ?`, taskCancelling, t.id)
	})
	return out, err
}
