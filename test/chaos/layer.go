package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fotograma/fotograma/internal/local"
)

// The services that can be disturbed.
const (
	s3Service       = "S3"
	sqsService      = "SQS"
	dynamoDBService = "DynamoDB"
	sesService      = "SES"
	otherService    = "other" // Secrets Manager, STS
)

// call is one call of an AWS service.
type call struct {
	service   string
	operation string // "SendMessage"; of S3 the method
	conn      *connection
}

// answer answers a call in the place of the service, which is next.
type answer func(w http.ResponseWriter, r *http.Request, next http.Handler)

// layer stands before the AWS services and disturbs calls. Whoever calls sees one
// address, so that signatures hold.
type layer struct {
	next http.Handler

	mu        sync.Mutex
	rule      func(call) answer // nil where the call is not disturbed; nil for no rule
	disturbed int
}

// set puts a rule in force, or none with nil.
func (l *layer) set(rule func(call) answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rule = rule
}

// count tells how many calls have been disturbed.
func (l *layer) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.disturbed
}

// ServeHTTP implements http.Handler.
func (l *layer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if c.operation == "GetCallerIdentity" { // the stack asks whose account it works in
		fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>%s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, local.AccountID)
		return
	}
	if disturb := l.find(c); disturb != nil {
		disturb(w, r, l.next)
		return
	}
	l.next.ServeHTTP(w, r)
}

func (l *layer) find(c call) answer {
	l.mu.Lock()
	rule := l.rule
	l.mu.Unlock()
	if rule == nil {
		return nil
	}
	disturb := rule(c)
	if disturb != nil {
		l.mu.Lock()
		l.disturbed++
		l.mu.Unlock()
	}
	return disturb
}

// read finds out what a request asks of whom.
func read(r *http.Request) (call, error) {
	conn, _ := r.Context().Value(connectionKey{}).(*connection)
	target, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case strings.HasPrefix(target, "DynamoDB"):
		return call{dynamoDBService, operation, conn}, nil
	case target == "AmazonSQS":
		return call{sqsService, operation, conn}, nil
	case target != "":
		return call{otherService, operation, conn}, nil
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return call{s3Service, r.Method, conn}, nil
	}
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return call{}, fmt.Errorf("read the form: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(form))
	_, rest, _ := bytes.Cut(form, []byte("Action="))
	action, _, _ := bytes.Cut(rest, []byte("&"))
	if string(action) == "GetCallerIdentity" {
		return call{otherService, string(action), conn}, nil
	}
	return call{sesService, string(action), conn}, nil
}

// connection is a connection to the layer.
type connection struct {
	remote net.Addr

	once  sync.Once
	owner process
}

type connectionKey struct{}

// withConnection is http.Server's ConnContext.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{remote: c.RemoteAddr()})
}

// slow lets a service answer later.
func slow(by time.Duration) func(call) answer {
	return func(call) answer {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			select {
			case <-time.After(by):
				next.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		}
	}
}

// throttle refuses calls as each of the services does of whom too much is asked.
func throttle(c call) answer {
	switch c.service {
	case dynamoDBService:
		return refusal(http.StatusBadRequest, jsonType, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."}`)
	case sqsService:
		return refusal(http.StatusBadRequest, jsonType, `{"__type":"com.amazonaws.sqs#RequestThrottled","message":"The request was denied due to request throttling."}`)
	case sesService:
		return refusal(http.StatusBadRequest, "text/xml", `<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Maximum sending rate exceeded.</Message></Error><RequestId>chaos</RequestId></ErrorResponse>`)
	default:
		return refusal(http.StatusServiceUnavailable, "application/xml", `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message><RequestId>chaos</RequestId></Error>`)
	}
}

// fail refuses calls as a service does that is ill.
func fail(c call) answer {
	switch c.service {
	case dynamoDBService:
		return refusal(http.StatusInternalServerError, jsonType, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"The request could not be completed because of an internal error."}`)
	case sqsService:
		return refusal(http.StatusServiceUnavailable, jsonType, `{"__type":"com.amazon.coral.availability#ServiceUnavailableException","message":"The request has failed due to a temporary failure of the server."}`)
	case sesService:
		return refusal(http.StatusServiceUnavailable, "text/xml", `<ErrorResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><Error><Type>Receiver</Type><Code>ServiceUnavailable</Code><Message>The request has failed due to a temporary failure of the server.</Message></Error><RequestId>chaos</RequestId></ErrorResponse>`)
	default:
		return refusal(http.StatusInternalServerError, "application/xml", `<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message><RequestId>chaos</RequestId></Error>`)
	}
}

const jsonType = "application/x-amz-json-1.0"

func refusal(status int, contentType, body string) answer {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body) // a sender who is still sending would see a reset
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, body)
		}
	}
}

// reset breaks connections: of every second call when it has been carried out, of the
// others before.
func reset() func(call) answer {
	var mu sync.Mutex
	n := 0
	return func(call) answer {
		mu.Lock()
		defer mu.Unlock()
		n++
		if n%2 == 0 {
			return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { hangUp(w) }
		}
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&nobody{header: http.Header{}}, r)
			hangUp(w)
		}
	}
}

// butReceiving is a rule under which no message is received that nobody gets: it would be
// hidden for as long as its queue says, the worker's for 90 minutes. On AWS that answer
// goes from SQS to Lambda, and never leaves it.
func butReceiving(rule func(call) answer) func(call) answer {
	return func(c call) answer {
		if c.operation == "ReceiveMessage" {
			return unheard(c)
		}
		return rule(c)
	}
}

// butDeleting leaves alone how handled messages are deleted, which is between Lambda and
// SQS too: one that is not deleted comes again, the worker's after 90 minutes, and is
// forgotten.
func butDeleting(rule func(call) answer) func(call) answer {
	return func(c call) answer {
		if strings.HasPrefix(c.operation, "DeleteMessage") {
			return nil
		}
		return rule(c)
	}
}

// hangUp resets the connection of a call.
func hangUp(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // RST instead of FIN
	}
	_ = conn.Close()
}

// nobody takes an answer that goes nowhere.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header         { return n.header }
func (n *nobody) Write(b []byte) (int, error) { return len(b), nil }
func (n *nobody) WriteHeader(int)             {}

// on is a rule for the calls of one service.
func on(service string, rule func(call) answer) func(call) answer {
	return func(c call) answer {
		if c.service != service {
			return nil
		}
		return rule(c)
	}
}
