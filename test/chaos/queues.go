package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// unheard breaks the connection of a call that is not carried out.
func unheard(call) answer {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { hangUp(w) }
}

// firstAnswerLost breaks the connection of each call when it has been carried out, but
// for those that are the same again.
func firstAnswerLost() func(call) answer {
	var mu sync.Mutex
	seen := map[[sha256.Size]byte]bool{}
	return func(call) answer {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				hangUp(w)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			mu.Lock()
			sum := sha256.Sum256(body)
			again := seen[sum]
			seen[sum] = true
			mu.Unlock()
			if again {
				next.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(&nobody{header: http.Header{}}, r)
			hangUp(w)
		}
	}
}

// latest is how many seconds a copy of a message comes late at most.
const latest = 6

// shuffler gives nobody a message when they receive it for the first time: two copies of
// it are put into the queue, each of which comes when it likes.
type shuffler struct {
	sqs *sqs.Client

	mu     sync.Mutex
	copies map[string]bool // the IDs of messages that are copies
	copied int             // messages
}

// shuffled uploads videos while a shuffler is at work.
func shuffled(ctx context.Context, d *drive) error {
	s := &shuffler{sqs: d.system.sqs, copies: map[string]bool{}}
	d.system.layer.set(s.rule)
	err := d.crowd(ctx)
	d.system.layer.set(nil)
	d.disturbed = s.count()
	return err
}

func (s *shuffler) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copied
}

func (s *shuffler) rule(c call) answer {
	if c.service != sqsService || c.operation != "ReceiveMessage" {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			hangUp(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answered := httptest.NewRecorder()
		next.ServeHTTP(answered, r)
		changed, err := s.shuffle(context.WithoutCancel(r.Context()), body, answered.Body.Bytes())
		if err != nil {
			hangUp(w) // the messages come again
			return
		}
		w.Header().Set("Content-Type", answered.Header().Get("Content-Type"))
		w.WriteHeader(answered.Code)
		_, _ = w.Write(changed)
	}
}

// shuffle gives what remains of a batch of messages when those that are no copies have
// been taken out.
func (s *shuffler) shuffle(ctx context.Context, request, batch []byte) ([]byte, error) {
	var asked struct {
		QueueURL string `json:"QueueUrl"`
	}
	var all map[string]json.RawMessage
	var messages []json.RawMessage
	if err := json.Unmarshal(request, &asked); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if err := json.Unmarshal(batch, &all); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if all["Messages"] == nil {
		return batch, nil
	}
	if err := json.Unmarshal(all["Messages"], &messages); err != nil {
		return nil, fmt.Errorf("read the messages: %w", err)
	}
	kept := []json.RawMessage{}
	for _, raw := range messages {
		var m types.Message
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("read a message: %w", err)
		}
		copies, err := s.double(ctx, asked.QueueURL, m)
		if err != nil {
			return nil, err
		}
		if !copies {
			kept = append(kept, raw)
		}
	}
	var err error
	if all["Messages"], err = json.Marshal(kept); err != nil {
		return nil, fmt.Errorf("write the messages: %w", err)
	}
	return json.Marshal(all)
}

// double replaces a message by two, and is false if it is such a one itself.
func (s *shuffler) double(ctx context.Context, queue string, m types.Message) (bool, error) {
	s.mu.Lock()
	copied := s.copies[*m.MessageId]
	s.mu.Unlock()
	if copied {
		return false, nil
	}
	for range 2 {
		s.mu.Lock() // so that a copy is not received before it is known to be one
		sent, err := s.sqs.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: aws.String(queue), MessageBody: m.Body, MessageAttributes: m.MessageAttributes,
			DelaySeconds: rand.Int32N(latest + 1), //nolint:gosec // disorder, no secret
		})
		if err == nil {
			s.copies[*sent.MessageId] = true
		}
		s.mu.Unlock()
		if err != nil {
			return false, fmt.Errorf("copy a message: %w", err)
		}
	}
	if _, err := s.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: aws.String(queue), ReceiptHandle: m.ReceiptHandle}); err != nil {
		return false, fmt.Errorf("take a message out: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copied++
	return true, nil
}
