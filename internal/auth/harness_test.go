package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fotograma/fotograma/internal/event"
	localdynamodb "github.com/fotograma/fotograma/internal/local/dynamodb"
	localsqs "github.com/fotograma/fotograma/internal/local/sqs"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/metrics"
)

// clock stands still until a test moves it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// secretVersion is one version of the signing secret.
type secretVersion struct {
	id, value string
	created   time.Time
}

// fakeSecrets is a Secrets Manager with a signing secret and a key of mail codes.
type fakeSecrets struct {
	mu     sync.Mutex
	stages map[string]secretVersion
	reads  int // of AWSCURRENT
	err    error
}

const (
	firstSecret  = "first-secret-0123456789012345678901234567890123456789"
	secondSecret = "second-secret-012345678901234567890123456789012345678"
	thirdSecret  = "third-secret-0123456789012345678901234567890123456789"
	mailCodeKey  = "mail-code-key-012345678901234567890123456789012345678"
)

func newSecrets() *fakeSecrets {
	return &fakeSecrets{stages: map[string]secretVersion{stageCurrent: {id: "version-1", value: firstSecret}}}
}

// rotate makes a new version the current one, long ago.
func (f *fakeSecrets) rotate(id, value string) { f.rotateAt(id, value, time.Time{}) }

func (f *fakeSecrets) rotateAt(id, value string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stages == nil {
		f.stages = map[string]secretVersion{}
	}
	if before, ok := f.stages[stageCurrent]; ok {
		f.stages[stagePrevious] = before
	}
	f.stages[stageCurrent] = secretVersion{id, value, at}
}

func (f *fakeSecrets) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeSecrets) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func (f *fakeSecrets) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if aws.ToString(in.SecretId) == "fotograma/mail-codes" {
		return &secretsmanager.GetSecretValueOutput{VersionId: aws.String("codes-1"), SecretString: aws.String(mailCodeKey)}, nil
	}
	if aws.ToString(in.SecretId) != "fotograma/signing" {
		return nil, &types.ResourceNotFoundException{Message: aws.String("no such secret")}
	}
	if *in.VersionStage == stageCurrent {
		f.reads++
	}
	if f.err != nil {
		return nil, f.err
	}
	version, ok := f.stages[*in.VersionStage]
	if !ok {
		return nil, &types.ResourceNotFoundException{Message: aws.String("no such staging label")}
	}
	return &secretsmanager.GetSecretValueOutput{VersionId: &version.id, SecretString: &version.value, CreatedDate: &version.created}, nil
}

// wire is the network between the service and its endpoints: tests look at it
// and hold it up.
type wire struct {
	mu     sync.Mutex
	calls  []string                // the X-Amz-Target of each request
	before func(target string) int // if it gives a status, that is the answer
	after  func(target string)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	target := r.Header.Get("X-Amz-Target")
	w.mu.Lock()
	w.calls = append(w.calls, target)
	before, after := w.before, w.after
	w.mu.Unlock()
	if before != nil {
		if status := before(target); status != 0 {
			return &http.Response{
				StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
				Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
				Body:   io.NopCloser(bytes.NewReader([]byte(`{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"held up"}`))),
			}, nil
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if after != nil {
		after(target)
	}
	return response, err
}

// during gives the calls that f makes.
func (w *wire) during(f func()) []string {
	w.mu.Lock()
	w.calls = nil
	w.mu.Unlock()
	f()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// world is the auth service with everything it talks to.
type world struct {
	t          testing.TB
	clock      *clock
	secrets    *fakeSecrets
	wire       *wire
	service    *Service
	authorizer *Authorizer
	api        *httpapi.API
	handler    http.Handler
	db         *dynamodb.Client
	sqs        *sqs.Client
	queueURL   string
	network    string // the IP address that requests come from
}

func testLimits() Limits {
	return Limits{
		AccessLifetime: 15 * time.Minute, SessionLifetime: 30 * 24 * time.Hour,
		LoginAttempts: 10, LoginsPerNetwork: 300, LoginWindow: 15 * time.Minute,
		RegistrationsPerAddress: 50, RegistrationsPerNetwork: 100, RegistrationWindow: time.Hour,
		CodesPerAddress: 5, CodesPerNetwork: 100, CodeWindow: 3 * time.Hour,
		GuessesPerAddress: 30, GuessesPerNetwork: 300, GuessWindow: time.Hour,
		AuditDays:      365,
		PasswordMemory: 64, PasswordIterations: 1, PasswordHashes: 4, // cheap: they are not what is tested
		APIKeys: 5,
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), secrets: newSecrets(), wire: &wire{}, network: "203.0.113.7"}
	config := aws.Config{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:  &http.Client{Transport: w.wire},
	}
	w.startDynamoDB(config)
	w.startSQS(config)

	var ids int
	var mu sync.Mutex
	newID := func() string {
		mu.Lock()
		defer mu.Unlock()
		ids++
		return fmt.Sprintf("019ca96a-0000-7000-8000-%012x", ids)
	}
	others := w.queue("others")
	cfg := Config{
		SweepConfig: SweepConfig{
			Table: "auth", NotificationQueueURL: w.queueURL, VideoEventsQueueURL: others, ControlQueueURL: others, StatusQueueURL: others,
			ArchivesBucket: "archives",
		},
		RetentionDays: 30, SigningSecret: "fotograma/signing", MailCodeSecret: "fotograma/mail-codes", Limits: testLimits(),
	}
	service, err := New(cfg, w.db, w.sqs, s3.NewFromConfig(config), w.secrets, nil, w.clock.now, newID)
	if err != nil {
		t.Fatal(err)
	}
	w.service = service
	w.authorizer = NewAuthorizer(AuthorizerConfig{Table: "auth", SigningSecret: "fotograma/signing"}, w.db, w.secrets, w.clock.now)
	w.api = httpapi.New(httpapi.Config{Origin: ownOrigin, Metrics: metrics.New(io.Discard, "Test", w.clock.now), Now: w.clock.now, NewID: newID})
	Register(w.api, w.service)
	w.handler = w.api.Handler()
	return w
}

func (w *world) startDynamoDB(config aws.Config) {
	w.t.Helper()
	server, err := localdynamodb.Open(filepath.Join(w.t.TempDir(), "dynamodb.db"), localdynamodb.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(w.serve(server)) })
	_, err = w.db.CreateTable(w.t.Context(), &dynamodb.CreateTableInput{
		TableName:   aws.String("auth"),
		BillingMode: ddbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []ddbtypes.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: ddbtypes.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: ddbtypes.ScalarAttributeTypeS},
		},
		KeySchema: []ddbtypes.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: ddbtypes.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: ddbtypes.KeyTypeRange},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) startSQS(config aws.Config) {
	w.t.Helper()
	server, err := localsqs.Open(filepath.Join(w.t.TempDir(), "sqs.db"), localsqs.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sqs = sqs.NewFromConfig(config, func(o *sqs.Options) { o.BaseEndpoint = aws.String(w.serve(server)) })
	w.queueURL = w.queue("notification")
}

// queue makes a queue and gives its URL.
func (w *world) queue(name string) string {
	w.t.Helper()
	out, err := w.sqs.CreateQueue(w.t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.QueueUrl
}

// serve serves an endpoint until the test ends, and gives its address.
func (w *world) serve(endpoint interface {
	http.Handler
	Close() error
},
) string {
	server := httptest.NewServer(endpoint)
	w.t.Cleanup(func() {
		server.Close()
		if err := endpoint.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return server.URL
}

// answer is what the API answered.
type answer struct {
	status int
	header http.Header
	body   map[string]any // nil if empty
	raw    string
}

func (a answer) code() any       { return a.body["code"] }
func (a answer) access() string  { return a.body["access_token"].(string) }
func (a answer) refresh() string { return a.body["refresh_token"].(string) }

// call sends a request. With a bearer token it goes through the authorizer first,
// as API Gateway does it.
func (w *world) call(method, path, body, bearer string, headers ...string) answer {
	w.t.Helper()
	ctx := w.t.Context()
	if bearer != "" {
		who, err := w.authorize(bearer)
		if err != nil {
			return answer{status: http.StatusUnauthorized}
		}
		ctx = httpapi.WithCaller(ctx, who)
	}
	r := httptest.NewRequestWithContext(ctx, method, path, bytes.NewBufferString(body))
	r.RemoteAddr = w.network // as API Gateway tells it
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), raw: rec.Body.String()}
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil {
			w.t.Errorf("%s %s answers no JSON: %v", method, path, err)
		}
	}
	return a
}

func (w *world) post(path string, body map[string]string) answer {
	w.t.Helper()
	return w.call(http.MethodPost, path, encode(w.t, body), "")
}

// encode gives a body as JSON; nothing for none.
func encode(t testing.TB, body map[string]string) string {
	t.Helper()
	if body == nil {
		return ""
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// authorize asks the authorizer as API Gateway does.
func (w *world) authorize(accessToken string) (httpapi.Caller, error) {
	out, err := w.authorizer.Handle(w.t.Context(), events.APIGatewayCustomAuthorizerRequest{
		Type: "TOKEN", AuthorizationToken: "Bearer " + accessToken,
		MethodArn: "arn:aws:execute-api:us-east-1:000000000000:a1b2c3d4e5/local/GET/v1/videos",
	})
	if err != nil {
		return httpapi.Caller{}, err
	}
	return httpapi.CallerOf(out.Context), nil
}

// ownOrigin is the web app's.
const ownOrigin = "https://app.example"

const (
	anaEmail    = "ana@example.com"
	anaPassword = "a horse of many staples"
)

// registerAna opens an account and gives its ID.
func (w *world) registerAna() string {
	w.t.Helper()
	a := w.post("/v1/auth/register", map[string]string{"email": anaEmail, "password": anaPassword, "name": "Ana"})
	if a.status != http.StatusCreated {
		w.t.Fatalf("register: %d %s", a.status, a.raw)
	}
	return a.body["user"].(map[string]any)["id"].(string)
}

func (w *world) login(email, password string) answer {
	w.t.Helper()
	return w.post("/v1/auth/login", map[string]string{"email": email, "password": password})
}

// loginAna begins a session.
func (w *world) loginAna() answer {
	w.t.Helper()
	a := w.login(anaEmail, anaPassword)
	if a.status != http.StatusOK {
		w.t.Fatalf("login: %d %s", a.status, a.raw)
	}
	return a
}

func (w *world) refresh(token string) answer {
	w.t.Helper()
	return w.post("/v1/auth/refresh", map[string]string{"refresh_token": token})
}

// wants checks the status and the code of an answer.
func (w *world) wants(a answer, status int, code any) {
	w.t.Helper()
	if a.status != status || a.code() != code {
		w.t.Errorf("answer is %d %v, want %d %v\n%s", a.status, a.code(), status, code, a.raw)
	}
}

func (w *world) registerBob() {
	w.t.Helper()
	a := w.post("/v1/auth/register", map[string]string{"email": "bob@example.com", "password": anaPassword})
	if a.status != http.StatusCreated {
		w.t.Fatalf("register: %d %s", a.status, a.raw)
	}
}

// put writes a row.
func (w *world) put(row map[string]ddbtypes.AttributeValue) {
	w.t.Helper()
	if _, err := w.db.PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: aws.String("auth"), Item: row}); err != nil {
		w.t.Fatal(err)
	}
}

// published takes all events out of the notification queue.
func (w *world) published() []event.Event {
	w.t.Helper()
	var all []event.Event
	for {
		out, err := w.sqs.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.queueURL, MaxNumberOfMessages: 10})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			e, err := event.Parse([]byte(*m.Body))
			if err != nil {
				w.t.Fatal(err)
			}
			all = append(all, e)
		}
	}
}

// rowsBut gives the rows of the table whose partition does not begin so.
func (w *world) rowsBut(prefix string) []map[string]ddbtypes.AttributeValue {
	w.t.Helper()
	return slices.DeleteFunc(w.rows(), func(row map[string]ddbtypes.AttributeValue) bool {
		return strings.HasPrefix(row["pk"].(*ddbtypes.AttributeValueMemberS).Value, prefix)
	})
}

// rows gives all rows of the table.
func (w *world) rows() []map[string]ddbtypes.AttributeValue {
	w.t.Helper()
	out, err := w.db.Scan(w.t.Context(), &dynamodb.ScanInput{TableName: aws.String("auth")})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Items
}

func deletion(k dynamo.Key) *dynamodb.DeleteItemInput {
	return &dynamodb.DeleteItemInput{TableName: aws.String("auth"), Key: k.Item()}
}
