package provision_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/internal/local/provision"
	"github.com/fotograma/fotograma/internal/local/sam"
)

// endpoint is the local stack's AWS services, with what went wrong in front.
type endpoint struct {
	t   *testing.T
	url string
	cfg aws.Config

	mu    sync.Mutex
	calls []string                                             // method and query of S3's calls, action or target of the others
	spoil func(call string, w http.ResponseWriter) (done bool) // answers instead of the services
	log   bytes.Buffer
}

// action is what a call in the Query protocol asks for; empty for others.
func action(r *http.Request) string {
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body))
	return form.Get("Action")
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{t: t}
	server := httptest.NewUnstartedServer(nil)
	e.url = "http://" + server.Listener.Addr().String()
	services, err := local.OpenEndpoints(t.TempDir(), e.url, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := r.Header.Get("X-Amz-Target")
		if call == "" {
			call = action(r)
		}
		if call == "" {
			call = r.Method + " ?" + r.URL.RawQuery
		}
		e.mu.Lock()
		e.calls = append(e.calls, call)
		spoil := e.spoil
		e.mu.Unlock()
		if spoil == nil || !spoil(call, w) {
			services.ServeHTTP(w, r)
		}
	})
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := services.Close(); err != nil {
			t.Error(err)
		}
	})
	e.cfg = local.AWSConfig(e.url)
	e.cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return e
}

func (e *endpoint) load(text string) *sam.Template {
	e.t.Helper()
	path := filepath.Join(e.t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
	tmpl, err := sam.Load(sam.Config{Path: path, StackName: "demo", QueueBaseURL: e.url})
	if err != nil {
		e.t.Fatal(err)
	}
	return tmpl
}

func (e *endpoint) apply(text string) error {
	e.t.Helper()
	return provision.Apply(e.t.Context(), e.cfg, e.load(text), slog.New(slog.NewTextHandler(&e.log, nil)))
}

func (e *endpoint) mustApply(text string) {
	e.t.Helper()
	if err := e.apply(text); err != nil {
		e.t.Fatal(err)
	}
}

// count tells how many calls contained part.
func (e *endpoint) count(part string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, c := range e.calls {
		if strings.Contains(c, part) {
			n++
		}
	}
	return n
}

func (e *endpoint) queue(name string) map[string]string {
	e.t.Helper()
	client := sqs.NewFromConfig(e.cfg)
	url, err := client.GetQueueUrl(e.t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		e.t.Fatal(err)
	}
	out, err := client.GetQueueAttributes(e.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: url.QueueUrl, AttributeNames: []types.QueueAttributeName{"All"},
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return out.Attributes
}

// messages receives the bodies of all messages that come at once.
func (e *endpoint) messages(name string) []string {
	e.t.Helper()
	client := sqs.NewFromConfig(e.cfg)
	url, err := client.GetQueueUrl(e.t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		e.t.Fatal(err)
	}
	var bodies []string
	for {
		out, err := client.ReceiveMessage(e.t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: url.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
		})
		if err != nil {
			e.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
		}
	}
}

func (e *endpoint) s3() *s3.Client {
	return s3.NewFromConfig(e.cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

const everything = `
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: items
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: sk, AttributeType: N }
        - { AttributeName: due, AttributeType: S }
      KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: sk, KeyType: RANGE }]
      GlobalSecondaryIndexes:
        - IndexName: due
          KeySchema: [{ AttributeName: due, KeyType: HASH }]
          Projection: { ProjectionType: KEYS_ONLY }
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true }
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true }
      SSESpecification: { SSEEnabled: true }
      DeletionProtectionEnabled: true
      Tags: [{ Key: a, Value: b }]
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: work
      VisibilityTimeout: 120
      SqsManagedSseEnabled: true
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 }
  Dead:
    Type: AWS::SQS::Queue
    Properties: { QueueName: dead, MessageRetentionPeriod: 1209600 }
  WorkPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Work]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{ Effect: Allow, Principal: { Service: s3.amazonaws.com }, Action: "sqs:SendMessage", Resource: !GetAtt Work.Arn }]
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: uploads
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true }
      OwnershipControls: { Rules: [{ ObjectOwnership: BucketOwnerEnforced }] }
      BucketEncryption: { ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: AES256 } }] }
      VersioningConfiguration: { Status: Enabled }
      CorsConfiguration:
        CorsRules: [{ Id: web, AllowedMethods: [PUT], AllowedOrigins: ["https://web.example"], AllowedHeaders: ["*"], ExposedHeaders: [ETag], MaxAge: 60 }]
      LifecycleConfiguration:
        Rules: [{ Id: old, Status: Enabled, ExpirationInDays: 7 }]
      NotificationConfiguration:
        QueueConfigurations:
          - { Event: "s3:ObjectCreated:*", Queue: !GetAtt Work.Arn, Filter: { S3Key: { Rules: [{ Name: prefix, Value: in/ }] } } }
  BucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - { Effect: Deny, Principal: "*", Action: "s3:*", Resource: [!GetAtt Bucket.Arn, !Sub "${Bucket.Arn}/*"], Condition: { Bool: { "aws:SecureTransport": "false" } } }
  Mail: { Type: AWS::SES::EmailIdentity, Properties: { EmailIdentity: no-reply@mail.example } }
  Domain: { Type: AWS::SES::EmailIdentity, Properties: { EmailIdentity: mail.example } }
  Signing:
    Type: AWS::SecretsManager::Secret
    Properties: { Name: demo/signing, GenerateSecretString: { PasswordLength: 40, ExcludePunctuation: true } }
`

func TestEverythingIsMadeAndTwiceIsOnce(t *testing.T) {
	e := newEndpoint(t)
	e.mustApply(everything)
	value := func() string {
		out, err := secretsmanager.NewFromConfig(e.cfg).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("demo/signing")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.SecretString
	}
	before := value()
	e.calls = nil
	e.mustApply(everything)

	if now := value(); now != before || len(now) != 40 {
		t.Errorf("the secret was %q and is %q", before, now)
	}
	for _, call := range []string{
		".CreateTable", ".UpdateTable", ".UpdateTimeToLive", ".CreateQueue", ".SetQueueAttributes",
		"PUT ?notification", ".CreateSecret",
	} {
		if n := e.count(call); n != 0 {
			t.Errorf("the second time has %d calls of %s", n, call)
		}
	}

	table, err := dynamodb.NewFromConfig(e.cfg).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("items")})
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Table.KeySchema) != 2 || len(table.Table.GlobalSecondaryIndexes) != 1 || !aws.ToBool(table.Table.DeletionProtectionEnabled) {
		t.Errorf("table: %+v", table.Table)
	}
	ttl, err := dynamodb.NewFromConfig(e.cfg).DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String("items")})
	if err != nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "ttl" {
		t.Errorf("TTL: %v %+v", err, ttl)
	}

	work := e.queue("work")
	var redrive struct {
		Target string `json:"deadLetterTargetArn"`
	}
	if err := json.Unmarshal([]byte(work["RedrivePolicy"]), &redrive); err != nil || redrive.Target != "arn:aws:sqs:us-east-1:000000000000:dead" {
		t.Errorf("redrive policy %q", work["RedrivePolicy"])
	}
	if work["VisibilityTimeout"] != "120" || !strings.Contains(work["Policy"], "s3.amazonaws.com") || e.queue("dead")["MessageRetentionPeriod"] != "1209600" {
		t.Errorf("queues: %v", work)
	}

	identities, err := ses.NewFromConfig(e.cfg).ListIdentities(t.Context(), &ses.ListIdentitiesInput{})
	slices.Sort(identities.Identities)
	if d := cmp.Diff([]string{"mail.example", "no-reply@mail.example"}, identities.Identities); err != nil || d != "" {
		t.Error(err, d)
	}
}

func TestABucketsEventsArrive(t *testing.T) {
	e := newEndpoint(t)
	e.mustApply(everything)
	e.mustApply(everything)
	for _, key := range []string{"in/a", "out/b"} {
		_, err := e.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("uploads"), Key: &key, Body: strings.NewReader("x")})
		if err != nil {
			t.Fatal(err)
		}
	}
	var tests, events int
	for _, body := range e.messages("work") {
		switch {
		case strings.Contains(body, "s3:TestEvent"):
			tests++
		case strings.Contains(body, `"in/a"`) || strings.Contains(body, "in%2Fa"):
			events++
		default:
			t.Errorf("unexpected message %s", body)
		}
	}
	if tests != 1 || events != 1 {
		t.Errorf("%d test events, %d events, want one each", tests, events)
	}
}

func TestABucketsSettings(t *testing.T) {
	e := newEndpoint(t)
	e.mustApply(everything)
	client, bucket := e.s3(), aws.String("uploads")

	cors, err := client.GetBucketCors(t.Context(), &s3.GetBucketCorsInput{Bucket: bucket})
	if err != nil || len(cors.CORSRules) != 1 {
		t.Fatalf("%v %+v", err, cors)
	}
	rule := cors.CORSRules[0]
	got := []string{aws.ToString(rule.ID), rule.AllowedMethods[0], rule.AllowedOrigins[0], rule.AllowedHeaders[0], rule.ExposeHeaders[0]}
	if d := cmp.Diff([]string{"web", "PUT", "https://web.example", "*", "ETag"}, got); d != "" || aws.ToInt32(rule.MaxAgeSeconds) != 60 {
		t.Error(d, aws.ToInt32(rule.MaxAgeSeconds))
	}
	lifecycle, err := client.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: bucket})
	if err != nil || len(lifecycle.Rules) != 1 || aws.ToInt32(lifecycle.Rules[0].Expiration.Days) != 7 {
		t.Errorf("%v %+v", err, lifecycle)
	}
	versioning, err := client.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: bucket})
	if err != nil || versioning.Status != "Enabled" {
		t.Errorf("%v %+v", err, versioning)
	}
	block, err := client.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: bucket})
	if err != nil || !*block.PublicAccessBlockConfiguration.RestrictPublicBuckets {
		t.Errorf("%v %+v", err, block)
	}
	if _, err := client.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
	if e.count("PUT ?policy") != 0 {
		t.Error("a policy against plain HTTP was set over plain HTTP")
	}
}

func TestWhatExistsFollowsTheTemplate(t *testing.T) {
	e := newEndpoint(t)
	e.mustApply(everything)
	changed := strings.NewReplacer(
		"IndexName: due", "IndexName: by_due",
		"VisibilityTimeout: 120", "VisibilityTimeout: 90",
		"      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3 }\n", "",
		"AttributeName: ttl", "AttributeName: expires",
		"DeletionProtectionEnabled: true", "DeletionProtectionEnabled: false",
		"Value: in/", "Value: new/",
		"Status: Enabled }\n      Cors", "Status: Suspended }\n      Cors",
		"ExpirationInDays: 7", "ExpirationInDays: 9",
		`        Rules: [{ Id: old`, `        Rules: [{ Id: new`,
	).Replace(everything)
	e.mustApply(changed)

	out, err := dynamodb.NewFromConfig(e.cfg).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("items")})
	if err != nil {
		t.Fatal(err)
	}
	if i := out.Table.GlobalSecondaryIndexes; len(i) != 1 || *i[0].IndexName != "by_due" || aws.ToBool(out.Table.DeletionProtectionEnabled) {
		t.Errorf("table: %+v", out.Table)
	}
	ttl, err := dynamodb.NewFromConfig(e.cfg).DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String("items")})
	if err != nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "expires" {
		t.Errorf("TTL: %v %+v", err, ttl)
	}
	work := e.queue("work")
	if work["VisibilityTimeout"] != "90" || work["RedrivePolicy"] != "" {
		t.Errorf("queue: %v", work)
	}
	notification, err := e.s3().GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String("uploads")})
	if err != nil || *notification.QueueConfigurations[0].Filter.Key.FilterRules[0].Value != "new/" {
		t.Errorf("%v %+v", err, notification)
	}
	lifecycle, err := e.s3().GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String("uploads")})
	if err != nil || len(lifecycle.Rules) != 1 || *lifecycle.Rules[0].ID != "new" || *lifecycle.Rules[0].Expiration.Days != 9 {
		t.Errorf("%v %+v", err, lifecycle)
	}

	// And without the settings at all.
	before, _, _ := strings.Cut(everything, "      PublicAccessBlockConfiguration")
	_, after, _ := strings.Cut(everything, "  BucketPolicy:")
	e.mustApply(before + "  BucketPolicy:" + after)
	if _, err := e.s3().GetBucketCors(t.Context(), &s3.GetBucketCorsInput{Bucket: aws.String("uploads")}); err == nil {
		t.Error("the CORS rules are still there")
	}
	notification, err = e.s3().GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String("uploads")})
	if err != nil || len(notification.QueueConfigurations) != 0 {
		t.Errorf("%v %+v", err, notification)
	}
}

func TestWhatCannotBeChangedIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ old, changed, want string }{
		"another key": {
			"sk, KeyType: RANGE", "due, KeyType: RANGE",
			"table items (Table): it exists with the key pk (S, HASH), sk (N, RANGE), but the template wants pk (S, HASH), due (S, RANGE): a key cannot be changed, so delete the table first",
		},
		"another index": {
			"ProjectionType: KEYS_ONLY", "ProjectionType: ALL",
			"table items (Table): index due: it exists with due (S, HASH), projection KEYS_ONLY, but the template wants due (S, HASH), projection ALL: an index cannot be changed, so give the new one another name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t)
			e.mustApply(everything)
			err := e.apply(strings.Replace(everything, c.old, c.changed, 1))
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestASecretThatIsToBeDeletedIsAnError(t *testing.T) {
	e := newEndpoint(t)
	e.mustApply(everything)
	_, err := secretsmanager.NewFromConfig(e.cfg).DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("demo/signing")})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.apply(everything); err == nil || !strings.Contains(err.Error(), "secret demo/signing (Signing): it is scheduled for deletion") {
		t.Errorf("got %v", err)
	}
}

func TestAnotherAccountIsAnError(t *testing.T) {
	e := newEndpoint(t)
	tmpl := e.load(everything)
	for i, q := range tmpl.Queues {
		tmpl.Queues[i].URL = strings.Replace(q.URL, "/000000000000/", "/123456789012/", 1)
	}
	err := provision.Apply(t.Context(), e.cfg, tmpl, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "its account is 000000000000, but the template was worked out for 123456789012") {
		t.Errorf("got %v", err)
	}
}

// notImplemented answers as S3 and as the JSON services do.
func notImplemented(w http.ResponseWriter, call string) {
	if strings.Contains(call, ".") {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"UnknownOperationException","message":"no"}`))
		return
	}
	w.WriteHeader(http.StatusNotImplemented)
	_, _ = w.Write([]byte(`<Error><Code>NotImplemented</Code><Message>no</Message></Error>`))
}

func TestAnEndpointThatCannotChangeWhereItTellsOfMailsIsLeftAsItIs(t *testing.T) {
	e := newEndpoint(t)
	const mails = `
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: feedback
  Set:
    Type: AWS::SES::ConfigurationSet
    Properties:
      Name: mails
  Destination:
    Type: AWS::SES::ConfigurationSetEventDestination
    Properties:
      ConfigurationSetName: !Ref Set
      EventDestination:
        Name: feedback
        Enabled: true
        MatchingEventTypes: [bounce]
        SnsDestination:
          TopicARN: !Ref Topic
`
	e.mustApply(mails)
	fail := "UpdateConfigurationSetEventDestination"
	e.spoil = func(call string, w http.ResponseWriter) bool {
		if call == fail { // as moto does
			http.Error(w, "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>", http.StatusInternalServerError)
		}
		return call == fail
	}
	e.mustApply(mails)
	if e.count(fail) == 0 {
		t.Error("it was not asked to")
	}
	fail = "CreateConfigurationSet"
	if err := e.apply(mails); err == nil {
		t.Error("without a set it went on")
	}
}

func TestWhatMeansNothingHereMayBeMissing(t *testing.T) {
	e := newEndpoint(t)
	optional := []string{
		"PUT ?encryption", "PUT ?ownershipControls", "PUT ?publicAccessBlock", "PUT ?lifecycle",
		"DynamoDB_20120810.DescribeContinuousBackups",
	}
	e.spoil = func(call string, w http.ResponseWriter) bool {
		for _, o := range optional {
			if strings.HasPrefix(call, o) {
				notImplemented(w, call)
				return true
			}
		}
		return false
	}
	e.mustApply(everything)
	for _, word := range []string{"encryption", "object ownership", "public access", "lifecycle", "point-in-time recovery"} {
		if !strings.Contains(e.log.String(), word) {
			t.Errorf("the log does not say that %s is missing:\n%s", word, e.log.String())
		}
	}
}

func TestWhatMattersMayNot(t *testing.T) {
	e := newEndpoint(t)
	for call, want := range map[string]string{
		"PUT ?cors":                            "bucket uploads (Bucket): set CORS rules: ",
		"GET ?notification":                    "bucket uploads (Bucket): read where its events go: ",
		"PUT ?notification":                    "bucket uploads (Bucket): send its events to a queue: ",
		"PUT ?versioning":                      "bucket uploads (Bucket): set versioning: ",
		"DynamoDB_20120810.CreateTable":        "table items (Table): create: ",
		"DynamoDB_20120810.DescribeTable":      "table items (Table): describe: ",
		"DynamoDB_20120810.DescribeTimeToLive": "table items (Table): describe its time to live: ",
		"AmazonSQS.CreateQueue":                "queue dead (Dead): create: ",
		"AmazonSQS.GetQueueUrl":                "queue dead (Dead): look for it: ",
		"secretsmanager.CreateSecret":          "secret demo/signing (Signing): create: ",
		"secretsmanager.DescribeSecret":        "secret demo/signing (Signing): look for it: ",
	} {
		e.mu.Lock()
		e.spoil = func(got string, w http.ResponseWriter) bool {
			if strings.HasPrefix(got, call) {
				notImplemented(w, got)
				return true
			}
			return false
		}
		e.mu.Unlock()
		// Not all resources are made yet in the first rounds; what is left alone
		// there is what the round is not about.
		err := e.apply(fresh(everything, call))
		if err == nil || !strings.HasPrefix(strings.ReplaceAll(err.Error(), suffix(call), ""), want) {
			t.Errorf("%s: got %v", call, err)
		}
	}
}

// fresh gives the resources names that no other round used.
func fresh(text, call string) string {
	s := suffix(call)
	return strings.NewReplacer("TableName: items", "TableName: items"+s, "QueueName: work", "QueueName: work"+s,
		"QueueName: dead", "QueueName: dead"+s, "BucketName: uploads", "BucketName: uploads"+s,
		"Name: demo/signing", "Name: demo/signing"+s).Replace(text)
}

func suffix(call string) string {
	return "-" + strings.ToLower(strings.NewReplacer(" ", "", "?", "", ".", "", "_", "").Replace(call))
}

func TestTheProjectsOwnTemplate(t *testing.T) {
	e := newEndpoint(t)
	// S3 has taken the working directory.
	_, file, _, _ := runtime.Caller(0) //nolint:dogsled // that is how the function is
	path := filepath.Join(filepath.Dir(file), "..", "..", "..", "template.yaml")
	tmpl, err := sam.Load(sam.Config{Path: path, QueueBaseURL: e.url})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := provision.Apply(t.Context(), e.cfg, tmpl, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := dynamodb.NewFromConfig(e.cfg).ListTables(t.Context(), &dynamodb.ListTablesInput{})
	if err != nil || len(tables.TableNames) != len(tmpl.Tables) {
		t.Errorf("%v %v", err, tables.TableNames)
	}
	queues, err := sqs.NewFromConfig(e.cfg).ListQueues(t.Context(), &sqs.ListQueuesInput{})
	if err != nil || len(queues.QueueUrls) != len(tmpl.Queues) {
		t.Errorf("%v %v", err, queues.QueueUrls)
	}
	var urls []string
	for _, q := range tmpl.Queues {
		urls = append(urls, q.URL)
	}
	slices.Sort(urls)
	slices.Sort(queues.QueueUrls)
	if d := cmp.Diff(urls, queues.QueueUrls); d != "" {
		t.Errorf("queue URLs in functions' environments are not SQS' own (-template +SQS):\n%s", d)
	}
}
