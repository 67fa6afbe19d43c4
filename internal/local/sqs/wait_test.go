package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs a test on the fake time of testing/synctest, where a wait of 20
// seconds takes none and its length can be compared exactly. Calls go straight to
// ServeHTTP, as sockets do not live in such a bubble.
func inBubble(t *testing.T, test func(t *testing.T, s *Server)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sqs.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(path, Options{BaseURL: "http://sqs.test"})
		if err != nil {
			t.Fatal(err)
		}
		call(t.Context(), t, s, "CreateQueue", `{"QueueName":"jobs"}`, nil)
		test(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

const jobs = `"QueueUrl":"http://sqs.test/000000000000/jobs"`

func call(ctx context.Context, t *testing.T, s *Server, action, body string, out any) {
	t.Helper()
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://sqs.test/", bytes.NewBufferString(body))
	req.Header.Set("X-Amz-Target", targetPrefix+action)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	if w.Code != http.StatusOK {
		if ctx.Err() == nil {
			t.Errorf("%s: %d %s", action, w.Code, w.Body)
		}
		return
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		t.Errorf("%s: %v", action, err)
	}
}

func TestLongPolling(t *testing.T) {
	const poll = `{` + jobs + `,"WaitTimeSeconds":20}`
	for name, tc := range map[string]struct {
		before, while func(t *testing.T, s *Server)
		want          int
		after         time.Duration
	}{
		"waits as long as it was told to": {
			want: 0, after: 20 * time.Second,
		},
		"gives at once what is there": {
			before: func(t *testing.T, s *Server) {
				call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"x"}`, nil)
			},
			want: 1, after: 0,
		},
		"wakes when a message is sent": {
			while: func(t *testing.T, s *Server) {
				time.Sleep(7 * time.Second)
				call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"x"}`, nil)
			},
			want: 1, after: 7 * time.Second,
		},
		"wakes when a delayed message becomes visible": {
			while: func(t *testing.T, s *Server) {
				time.Sleep(2 * time.Second)
				call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"x","DelaySeconds":9}`, nil)
			},
			want: 1, after: 11 * time.Second,
		},
		"wakes when a visibility timeout ends": {
			before: func(t *testing.T, s *Server) {
				call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"x"}`, nil)
				call(t.Context(), t, s, "ReceiveMessage", `{`+jobs+`,"VisibilityTimeout":5}`, nil)
			},
			want: 1, after: 5 * time.Second,
		},
		"does not wake for a message that stays hidden": {
			before: func(t *testing.T, s *Server) {
				call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"x","DelaySeconds":60}`, nil)
			},
			want: 0, after: 20 * time.Second,
		},
		"has what becomes visible in its last instant": {
			before: func(t *testing.T, s *Server) {
				call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"x","DelaySeconds":20}`, nil)
			},
			want: 1, after: 20 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *Server) {
				if tc.before != nil {
					tc.before(t, s)
				}
				var wg sync.WaitGroup
				if tc.while != nil {
					wg.Go(func() { tc.while(t, s) })
				}
				began := time.Now()
				var out receiveResponse
				call(t.Context(), t, s, "ReceiveMessage", poll, &out)
				if took := time.Since(began); len(out.Messages) != tc.want || took != tc.after {
					t.Errorf("%d messages after %s, want %d after %s", len(out.Messages), took, tc.want, tc.after)
				}
				wg.Wait()
			})
		})
	}
}

func TestLongPollWakesWhenAMessageIsGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"x"}`, nil)
		var first receiveResponse
		call(t.Context(), t, s, "ReceiveMessage", `{`+jobs+`,"VisibilityTimeout":600}`, &first)
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(4 * time.Second)
			call(t.Context(), t, s, "ChangeMessageVisibility",
				`{`+jobs+`,"VisibilityTimeout":0,"ReceiptHandle":"`+first.Messages[0].ReceiptHandle+`"}`, nil)
		})
		began := time.Now()
		var second receiveResponse
		call(t.Context(), t, s, "ReceiveMessage", `{`+jobs+`,"WaitTimeSeconds":20}`, &second)
		if took := time.Since(began); len(second.Messages) != 1 || took != 4*time.Second {
			t.Errorf("%d messages after %s, want 1 after 4s", len(second.Messages), took)
		}
		wg.Wait()
	})
}

func TestLongPollOnADeadLetterQueueWakesAtTheMove(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		call(t.Context(), t, s, "CreateQueue", `{"QueueName":"work","Attributes":{"VisibilityTimeout":"3","RedrivePolicy":"{\"deadLetterTargetArn\":\"`+arn("jobs")+`\",\"maxReceiveCount\":1}"}}`, nil)
		const work = `"QueueUrl":"http://sqs.test/000000000000/work"`
		call(t.Context(), t, s, "SendMessage", `{`+work+`,"MessageBody":"x"}`, nil)
		call(t.Context(), t, s, "ReceiveMessage", `{`+work+`}`, nil)
		var wg sync.WaitGroup
		// As a Lambda poller does, someone waits on the source all the time.
		wg.Go(func() { call(t.Context(), t, s, "ReceiveMessage", `{`+work+`,"WaitTimeSeconds":20}`, nil) })
		began := time.Now()
		var out receiveResponse
		call(t.Context(), t, s, "ReceiveMessage", `{`+jobs+`,"WaitTimeSeconds":20}`, &out)
		if took := time.Since(began); len(out.Messages) != 1 || took != 3*time.Second {
			t.Errorf("%d messages after %s, want 1 after 3s", len(out.Messages), took)
		}
		wg.Wait()
	})
}

func TestLongPollsEndWithTheServerAndTheCaller(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		began := time.Now()
		var wg sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		wg.Go(func() {
			call(ctx, t, s, "ReceiveMessage", `{`+jobs+`,"WaitTimeSeconds":20}`, nil)
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("the caller left after 2s, the poll ended after %s", took)
			}
		})
		wg.Go(func() {
			call(t.Context(), t, s, "ReceiveMessage", `{`+jobs+`,"WaitTimeSeconds":20}`, nil)
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("the server closed after 5s, the poll ended after %s", took)
			}
		})
		time.Sleep(5 * time.Second)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestSweepGivesExpiredMessagesBackToTheDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		call(t.Context(), t, s, "SetQueueAttributes", `{`+jobs+`,"Attributes":{"MessageRetentionPeriod":"60"}}`, nil)
		call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"old"}`, nil)
		time.Sleep(30 * time.Second)
		call(t.Context(), t, s, "SendMessage", `{`+jobs+`,"MessageBody":"new"}`, nil)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		var left int
		if err := s.store.reader().queryRow(t.Context(), `SELECT count(*) FROM messages`).Scan(&left); err != nil || left != 1 {
			t.Errorf("%d messages stored, %v, want 1", left, err)
		}
	})
}
