// Package sqs is Amazon SQS on one machine: the JSON protocol that current SDKs
// speak (X-Amz-Target: AmazonSQS.*), over one SQLite file.
//
// A request is decoded by its action in this package's table, runs as one
// operation of the store's single writer, and is answered only after the
// transaction which holds its change is committed; so an acknowledged message
// survives the process being killed. Operations that wait at the same moment
// share one transaction, which is where the throughput comes from.
//
// What follows the documentation closely: visibility timeouts, delays, receive
// counts across queues, receipt handles of earlier receives, redrive to and from
// dead-letter queues, retention counted from the first enqueueing, batches with
// failures per entry, limits of size and number, long polling.
//
// What differs from the real service, on purpose:
//
//   - Signatures and policies are not checked; policies are stored and returned.
//   - FIFO queues and the old query protocol are refused with an error that says so.
//   - A queue's name can be used again at once after DeleteQueue, and PurgeQueue
//     may be repeated at once; AWS makes both wait for 60 seconds.
//   - The limit of 120,000 messages in flight is not enforced.
//   - A receive looks at the whole queue, so short polling never misses a message.
package sqs

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	targetPrefix = "AmazonSQS."
	contentType  = "application/x-amz-json-1.0"

	// A message of the largest size may grow sixfold when its JSON escapes every
	// byte as \u00XX.
	maxRequestBytes = 6*maxMessageBytes + 1<<20

	sweepEvery = time.Minute
)

// Options says where and as whom the server answers.
type Options struct {
	// BaseURL starts every queue URL, such as "http://127.0.0.1:4566". If it is
	// empty, queue URLs start with the host that the request was sent to.
	BaseURL string
	// Region and AccountID are part of every queue's ARN. The defaults are
	// "us-east-1" and "000000000000".
	Region, AccountID string
	// Now is the clock for every time that is stored or compared: sending, delay,
	// visibility, retention. The default is time.Now.
	Now func() time.Time
	// Logger takes what callers cannot be told. The default is slog.Default().
	Logger *slog.Logger
}

// Server answers SQS calls. It is safe for concurrent use.
type Server struct {
	opts    Options
	store   *store
	bells   *bells
	actions map[string]action

	// life ends when Close is called: long polls return, move tasks pause.
	life    context.Context
	end     context.CancelFunc
	workers sync.WaitGroup
}

// action answers one call: the request's JSON in, the value to encode out.
type action func(ctx context.Context, body []byte) (any, error)

// Open opens the queues stored in the SQLite file at path, which is created if
// it does not exist, and resumes message move tasks that were running.
func Open(path string, opts Options) (*Server, error) {
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.AccountID == "" {
		opts.AccountID = "000000000000"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	opts.BaseURL = strings.TrimRight(opts.BaseURL, "/")

	bells := newBells()
	st, err := openStore(path, bells.ring)
	if err != nil {
		return nil, fmt.Errorf("open SQS store %s: %w", path, err)
	}
	s := &Server{opts: opts, store: st, bells: bells}
	s.life, s.end = context.WithCancel(context.Background())
	s.actions = s.actionTable()
	if err := s.resumeMoveTasks(); err != nil {
		return nil, errors.Join(fmt.Errorf("resume move tasks: %w", err), s.Close())
	}
	s.workers.Go(s.sweep)
	return s, nil
}

// Close ends long polls, waits for operations under way and closes the file.
func (s *Server) Close() error {
	s.end()
	s.workers.Wait()
	return s.store.close()
}

func (s *Server) actionTable() map[string]action {
	return map[string]action{
		"AddPermission":                with(s.addPermission),
		"CancelMessageMoveTask":        with(s.cancelMessageMoveTask),
		"ChangeMessageVisibility":      with(s.changeMessageVisibility),
		"ChangeMessageVisibilityBatch": with(s.changeMessageVisibilityBatch),
		"CreateQueue":                  with(s.createQueue),
		"DeleteMessage":                with(s.deleteMessage),
		"DeleteMessageBatch":           with(s.deleteMessageBatch),
		"DeleteQueue":                  with(s.deleteQueue),
		"GetQueueAttributes":           with(s.getQueueAttributes),
		"GetQueueUrl":                  with(s.getQueueURL),
		"ListDeadLetterSourceQueues":   with(s.listDeadLetterSourceQueues),
		"ListMessageMoveTasks":         with(s.listMessageMoveTasks),
		"ListQueueTags":                with(s.listQueueTags),
		"ListQueues":                   with(s.listQueues),
		"PurgeQueue":                   with(s.purgeQueue),
		"ReceiveMessage":               with(s.receiveMessage),
		"RemovePermission":             with(s.removePermission),
		"SendMessage":                  with(s.sendMessage),
		"SendMessageBatch":             with(s.sendMessageBatch),
		"SetQueueAttributes":           with(s.setQueueAttributes),
		"StartMessageMoveTask":         with(s.startMessageMoveTask),
		"TagQueue":                     with(s.tagQueue),
		"UntagQueue":                   with(s.untagQueue),
	}
}

// with decodes the request for a handler that takes its own type.
func with[In, Out any](handle func(context.Context, In) (Out, error)) action {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, errSerialization(err)
		}
		return handle(ctx, in)
	}
}

// empty is the answer of the calls that answer nothing.
type empty struct{}

// ServeHTTP answers POST requests that carry X-Amz-Target: AmazonSQS.<action>,
// whatever their path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := newID()
	w.Header().Set("X-Amzn-Requestid", requestID)
	target, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if !ok {
		s.refuseQueryProtocol(r.Context(), w, requestID)
		return
	}
	out, err := s.call(withBaseURL(r.Context(), s.baseURL(r)), target, w, r)
	if err != nil {
		s.writeError(r.Context(), w, target, err)
		return
	}
	s.writeJSON(r.Context(), w, http.StatusOK, out)
}

func (s *Server) call(ctx context.Context, name string, w http.ResponseWriter, r *http.Request) (any, error) {
	act, ok := s.actions[name]
	if !ok {
		return nil, errUnknownOperation(name)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, errRequestTooLarge(tooLarge.Limit)
		}
		return nil, fmt.Errorf("read request: %w", err)
	}
	// The decoder would replace what is no UTF-8 without a word, and the message
	// would not be the one that was sent.
	if !utf8.Valid(body) {
		return nil, errSerialization(errors.New("the request is not valid UTF-8"))
	}
	return act(ctx, body)
}

func (s *Server) writeJSON(ctx context.Context, w http.ResponseWriter, status int, v any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		s.opts.Logger.ErrorContext(ctx, "encode SQS answer", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if _, err := w.Write(buf.Bytes()); err != nil {
		s.opts.Logger.DebugContext(ctx, "write SQS answer", "error", err)
	}
}

type baseURLKey struct{}

// withBaseURL carries what queue URLs start with to where they are made.
func withBaseURL(ctx context.Context, base string) context.Context {
	return context.WithValue(ctx, baseURLKey{}, base)
}

func (s *Server) baseURL(r *http.Request) string {
	if s.opts.BaseURL != "" {
		return s.opts.BaseURL
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// queueURL is the URL of a queue as the caller of the present request sees it.
func (s *Server) queueURL(ctx context.Context, name string) string {
	base, ok := ctx.Value(baseURLKey{}).(string)
	if !ok {
		base = s.opts.BaseURL
	}
	return base + "/" + s.opts.AccountID + "/" + name
}

// queueARN is arn:aws:sqs:<region>:<account>:<name>.
func (s *Server) queueARN(name string) string {
	return "arn:aws:sqs:" + s.opts.Region + ":" + s.opts.AccountID + ":" + name
}

// nameOfARN gives the name of a queue of this server's region and account.
func (s *Server) nameOfARN(arn string) (string, bool) {
	name, ok := strings.CutPrefix(arn, s.queueARN(""))
	return name, ok && validQueueName(name)
}

// nowMillis is the present as SQS counts it: milliseconds since 1970.
func (s *Server) nowMillis() int64 { return s.opts.Now().UnixMilli() }

// Send puts a message into the queue with this ARN, for producers within the
// process such as bucket notifications. The message is durable when Send returns
// nil. It fails if the queue does not exist or refuses the body's size or
// characters.
func (s *Server) Send(ctx context.Context, queueARN string, body string) error {
	name, ok := s.nameOfARN(queueARN)
	if !ok {
		return fmt.Errorf("send to %s: not a queue of this region and account", queueARN)
	}
	_, err := s.send(ctx, name, sendRequest{MessageBody: &body})
	if err != nil {
		return fmt.Errorf("send to %s: %w", queueARN, err)
	}
	return nil
}

// sweep deletes messages that are past their queue's retention period. Receives
// and counts ignore such messages already; sweeping gives their space back.
func (s *Server) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-ticker.C:
		}
		if err := s.deleteExpired(s.life); err != nil && s.life.Err() == nil {
			s.opts.Logger.Error("delete expired SQS messages", "error", err)
		}
	}
}

// newID is a random UUID, version 4 (RFC 9562).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, as its documentation says
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
