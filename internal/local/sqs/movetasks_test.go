package sqs

import (
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// bury sends n messages and receives them once too often.
func (e *endpoint) bury(t *testing.T, url string, n int) {
	t.Helper()
	for i := range n {
		e.put(t, url, fmt.Sprint("poison ", i))
	}
	for range (n + 9) / 10 {
		e.take(t, url)
	}
	e.clock.advance(time.Minute)
	e.wantNone(t, url, "after its only receive")
}

// finished waits for the queue's latest task to have an end.
func (e *endpoint) finished(t *testing.T, sourceARN string) types.ListMessageMoveTasksResultEntry {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		out, err := e.ListMessageMoveTasks(t.Context(), &awssqs.ListMessageMoveTasksInput{SourceArn: &sourceARN})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Results) == 1 && *out.Results[0].Status != taskRunning && *out.Results[0].Status != taskCancelling {
			return out.Results[0]
		}
	}
	t.Fatal("the task did not end")
	return types.ListMessageMoveTasksResultEntry{}
}

func TestMoveTaskBringsMessagesBackToTheirSources(t *testing.T) {
	e := start(t)
	a, _ := e.createWithDLQ(t, "a", "1")
	b := e.create(t, "b", "RedrivePolicy", `{"deadLetterTargetArn":"`+arn("a-dlq")+`","maxReceiveCount":1}`)
	e.bury(t, a, 3)
	e.bury(t, b, 2)
	out, err := e.StartMessageMoveTask(t.Context(), &awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("a-dlq"))})
	if err != nil || *out.TaskHandle == "" {
		t.Fatalf("%v, %v", out, err)
	}
	task := e.finished(t, arn("a-dlq"))
	if *task.Status != taskCompleted || task.ApproximateNumberOfMessagesMoved != 5 || *task.ApproximateNumberOfMessagesToMove != 5 || task.TaskHandle != nil {
		t.Errorf("task %+v", task)
	}
	if task.StartedTimestamp != e.clock.now().UnixMilli() {
		t.Errorf("started at %d", task.StartedTimestamp)
	}
	for url, want := range map[string]int{a: 3, b: 2} {
		got := e.take(t, url)
		if len(got) != want {
			t.Fatalf("%s has %d messages, want %d", url, len(got), want)
		}
		if m := got[0]; m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["DeadLetterQueueSourceArn"] != "" {
			t.Errorf("a redriven message starts anew, has %v", m.Attributes)
		}
	}
}

func TestMoveTaskToAnotherQueue(t *testing.T) {
	e := start(t)
	url, dlq := e.createWithDLQ(t, "jobs", "1")
	other := e.create(t, "other")
	e.bury(t, url, 250)
	e.put(t, dlq, "sent to the dead-letter queue itself")
	_, err := e.StartMessageMoveTask(t.Context(), &awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("jobs-dlq")), DestinationArn: aws.String(arn("other"))})
	if err != nil {
		t.Fatal(err)
	}
	if task := e.finished(t, arn("jobs-dlq")); task.ApproximateNumberOfMessagesMoved != 251 {
		t.Errorf("moved %d, want 251", task.ApproximateNumberOfMessagesMoved)
	}
	if n := e.attributes(t, other)["ApproximateNumberOfMessages"]; n != "251" {
		t.Errorf("%s messages arrived, want 251", n)
	}
}

func TestMoveTaskFailsForAMessageWithoutSource(t *testing.T) {
	e := start(t)
	_, dlq := e.createWithDLQ(t, "jobs", "1")
	e.put(t, dlq, "sent to the dead-letter queue itself")
	if _, err := e.StartMessageMoveTask(t.Context(), &awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("jobs-dlq"))}); err != nil {
		t.Fatal(err)
	}
	task := e.finished(t, arn("jobs-dlq"))
	if *task.Status != taskFailed || *task.FailureReason != "CouldNotDetermineMessageSource" {
		t.Errorf("task %+v", task)
	}
	e.takeOne(t, dlq)
}

func TestStartMoveTaskRefuses(t *testing.T) {
	e := start(t)
	e.createWithDLQ(t, "jobs", "1")
	for name, tc := range map[string]struct {
		in   awssqs.StartMessageMoveTaskInput
		code string
	}{
		"a source that does not exist":      {awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("nowhere"))}, "ResourceNotFoundException"},
		"a source that is no ARN":           {awssqs.StartMessageMoveTaskInput{SourceArn: aws.String("jobs-dlq")}, "ResourceNotFoundException"},
		"a source of no dead letters":       {awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("jobs"))}, "InvalidParameterValue"},
		"a destination that does not exist": {awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("jobs-dlq")), DestinationArn: aws.String(arn("nowhere"))}, "ResourceNotFoundException"},
		"a destination that is the source":  {awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("jobs-dlq")), DestinationArn: aws.String(arn("jobs-dlq"))}, "InvalidParameterValue"},
		"over 500 messages a second":        {awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("jobs-dlq")), MaxNumberOfMessagesPerSecond: aws.Int32(501)}, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.StartMessageMoveTask(t.Context(), &tc.in)
			wantCode(t, err, tc.code)
		})
	}
}

// TestMoveTaskRateAndCancel moves two messages a second, in fake time.
func TestMoveTaskRateAndCancel(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		call(t.Context(), t, s, "CreateQueue", `{"QueueName":"work","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"`+arn("jobs")+`\",\"maxReceiveCount\":1}"}}`, nil)
		for range 10 {
			call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"x"}`, nil)
		}
		var started taskHandleResponse
		call(t.Context(), t, s, "StartMessageMoveTask",
			`{"SourceArn":"`+arn("jobs")+`","DestinationArn":"`+arn("work")+`","MaxNumberOfMessagesPerSecond":2}`, &started)
		time.Sleep(1900 * time.Millisecond)
		synctest.Wait()
		var cancelled cancelMoveResponse
		call(t.Context(), t, s, "CancelMessageMoveTask", `{"TaskHandle":"`+started.TaskHandle+`"}`, &cancelled)
		if n := cancelled.ApproximateNumberOfMessagesMoved; n != 4 {
			t.Errorf("moved %d in 1.9 seconds at 2 a second, want 4", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		var tasks listMoveResponse
		call(t.Context(), t, s, "ListMessageMoveTasks", `{"SourceArn":"`+arn("jobs")+`"}`, &tasks)
		if got := tasks.Results[0]; got.Status != taskCancelled || got.ApproximateNumberOfMessagesMoved != 4 || got.ApproximateNumberOfMessagesToMove != 10 {
			t.Errorf("task %+v", got)
		}
	})
}

func TestOneActiveMoveTaskAndItsResumption(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sqs.db")
	c := newClock()
	in := &awssqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn("jobs-dlq")), MaxNumberOfMessagesPerSecond: aws.Int32(1)}
	var handle *string
	t.Run("before the restart", func(t *testing.T) {
		e := startAt(t, path, c)
		url, _ := e.createWithDLQ(t, "jobs", "1")
		e.bury(t, url, 3)
		out, err := e.StartMessageMoveTask(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		handle = out.TaskHandle
		_, err = e.StartMessageMoveTask(t.Context(), in)
		wantCode(t, err, "AWS.SimpleQueueService.UnsupportedOperation")
	})
	t.Run("after it", func(t *testing.T) {
		e := startAt(t, path, c)
		if _, err := e.CancelMessageMoveTask(t.Context(), &awssqs.CancelMessageMoveTaskInput{TaskHandle: handle}); err != nil {
			t.Fatal(err)
		}
		if task := e.finished(t, arn("jobs-dlq")); *task.Status != taskCancelled {
			t.Errorf("task %+v", task)
		}
		_, err := e.CancelMessageMoveTask(t.Context(), &awssqs.CancelMessageMoveTaskInput{TaskHandle: handle})
		wantCode(t, err, "AWS.SimpleQueueService.UnsupportedOperation")
		_, err = e.CancelMessageMoveTask(t.Context(), &awssqs.CancelMessageMoveTaskInput{TaskHandle: aws.String("rubbish")})
		wantCode(t, err, "InvalidParameterValue")
	})
}
