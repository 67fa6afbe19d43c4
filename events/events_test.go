// Package events_test holds the sample events against the template that sends
// them and the code that reads them.
//
// A sample is named after the folder of its function, with a word after a hyphen
// where there is more than one: video.json, video-complete.json.
package events_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/local/sam"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/processing"
)

func loadTemplate(t *testing.T) *sam.Template {
	t.Helper()
	template, err := sam.Load(sam.Config{Path: "../template.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// folderOf gives the name of a function's folder, which is that of its events.
func folderOf(f sam.Function) string {
	if f.PackageType == "Image" {
		return path.Base(path.Dir(f.Dockerfile))
	}
	return path.Base(f.CodeURI)
}

// samples gives the names of the sample events by the folder of their function.
func samples(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	byFolder := map[string][]string{}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".json")
		folder, _, _ := strings.Cut(name, "-")
		byFolder[folder] = append(byFolder[folder], name)
	}
	return byFolder
}

func decode[T any](t *testing.T, name string) T {
	t.Helper()
	raw, err := os.ReadFile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var value T
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestEveryFunctionHasAnEvent(t *testing.T) {
	all := samples(t)
	for _, f := range loadTemplate(t).Functions {
		if len(all[folderOf(f)]) == 0 {
			t.Errorf("no event for %s: events/%s.json", f.LogicalID, folderOf(f))
		}
		delete(all, folderOf(f))
	}
	for _, names := range all {
		t.Errorf("no function for %v", names)
	}
}

// TestEventsComeFromTheTemplatesSources decodes every event as what the
// function's source sends.
func TestEventsComeFromTheTemplatesSources(t *testing.T) {
	template, all := loadTemplate(t), samples(t)
	for _, f := range template.Functions {
		check := sourceOf(t, template, f.LogicalID)
		for _, name := range all[folderOf(f)] {
			t.Run(name, func(t *testing.T) { check(t, name) })
		}
	}
}

// sourceOf gives the check for events of the source that a function has in the
// template.
func sourceOf(t *testing.T, template *sam.Template, function string) func(t *testing.T, name string) {
	t.Helper()
	api := template.APIs[0]
	var queues []sam.EventSource
	for _, source := range template.EventSources {
		if source.Function == function {
			queues = append(queues, source)
		}
	}
	if len(queues) > 0 {
		return func(t *testing.T, name string) { checkMessages(t, template, queues, name) }
	}
	for _, schedule := range template.Schedules {
		if schedule.Function == function {
			return func(t *testing.T, name string) { checkTick(t, schedule, name) }
		}
	}
	for _, authorizer := range api.Authorizers {
		if authorizer.Function == function {
			return func(t *testing.T, name string) { checkToken(t, authorizer, name) }
		}
	}
	if !slices.ContainsFunc(api.Routes, func(r sam.Route) bool { return r.Function == function }) {
		t.Fatalf("nothing calls %s", function)
	}
	return func(t *testing.T, name string) { checkRequest(t, api, function, name) }
}

func checkRequest(t *testing.T, api sam.API, function, name string) {
	r := decode[events.APIGatewayProxyRequest](t, name)
	at := slices.IndexFunc(api.Routes, func(route sam.Route) bool {
		return route.Function == function && route.Method == r.HTTPMethod && route.Path == r.Resource
	})
	if at < 0 {
		t.Fatalf("%s has no route %s %s", function, r.HTTPMethod, r.Resource)
	}
	if want := expand(r.Resource, r.PathParameters); r.Path != want || r.RequestContext.Path != "/"+api.Stage+want {
		t.Errorf("paths %s and %s, want %s", r.Path, r.RequestContext.Path, want)
	}
	if r.RequestContext.ResourcePath != r.Resource || r.RequestContext.HTTPMethod != r.HTTPMethod {
		t.Errorf("context is of %s %s", r.RequestContext.HTTPMethod, r.RequestContext.ResourcePath)
	}
	for header, value := range r.Headers {
		if diff := cmp.Diff([]string{value}, r.MultiValueHeaders[header]); diff != "" {
			t.Errorf("%s (-headers +multiValueHeaders):\n%s", header, diff)
		}
	}
	if known := r.RequestContext.Authorizer[httpapi.ClaimUser] != nil; known != (api.Routes[at].Authorizer != "") {
		t.Errorf("caller known: %v, with authorizer %q", known, api.Routes[at].Authorizer)
	}
	if r.Body != "" {
		checkBody(t, r.Body)
	}
}

// expand puts parameters into a resource path.
func expand(resource string, params map[string]string) string {
	for name, value := range params {
		resource = strings.ReplaceAll(resource, "{"+name+"}", value)
	}
	return resource
}

func checkBody(t *testing.T, text string) {
	var body struct {
		Extraction *frames.Extraction `json:"extraction"`
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("body: %v", err)
	}
	if body.Extraction == nil {
		return
	}
	if err := body.Extraction.Validate(); err != nil {
		t.Error(err)
	}
}

func checkToken(t *testing.T, authorizer sam.Authorizer, name string) {
	r := decode[events.APIGatewayCustomAuthorizerRequest](t, name)
	if r.Type != authorizer.Type {
		t.Errorf("type %s, want %s", r.Type, authorizer.Type)
	}
	if !regexp.MustCompile(authorizer.ValidationExpression).MatchString(r.AuthorizationToken) {
		t.Errorf("API Gateway would refuse %q", r.AuthorizationToken)
	}
	if !strings.HasPrefix(r.MethodArn, "arn:aws:execute-api:") || !strings.Contains(r.MethodArn, "/"+http.MethodGet+"/") {
		t.Errorf("method ARN %s", r.MethodArn)
	}
}

func checkTick(t *testing.T, schedule sam.Schedule, name string) {
	e := decode[events.EventBridgeEvent](t, name)
	if e.Source != "aws.events" || e.DetailType != "Scheduled Event" || e.Time.IsZero() {
		t.Errorf("%+v comes from no schedule", e)
	}
	if rule := schedule.Function + schedule.LogicalID; len(e.Resources) != 1 || !strings.HasSuffix(e.Resources[0], "-"+rule) {
		t.Errorf("rule %v, want …-%s", e.Resources, rule)
	}
}

// checkMessages reads a batch of one of the function's queues.
func checkMessages(t *testing.T, template *sam.Template, queues []sam.EventSource, name string) {
	batch := decode[events.SQSEvent](t, name)
	if len(batch.Records) == 0 {
		t.Fatal("no messages")
	}
	at := slices.IndexFunc(queues, func(q sam.EventSource) bool { return q.QueueARN == batch.Records[0].EventSourceARN })
	if at < 0 {
		t.Fatalf("the function does not read %s", batch.Records[0].EventSourceARN)
	}
	source := queues[at]
	if len(batch.Records) > source.BatchSize {
		t.Errorf("%d messages; the source sends 1 to %d", len(batch.Records), source.BatchSize)
	}
	for _, m := range batch.Records {
		if m.EventSource != "aws:sqs" || m.EventSourceARN != source.QueueARN {
			t.Errorf("from %s, want %s", m.EventSourceARN, source.QueueARN)
		}
		sum := md5.Sum([]byte(m.Body))
		if m.MessageId == "" || m.Md5OfBody != hex.EncodeToString(sum[:]) {
			t.Errorf("message %q, MD5 %s", m.MessageId, m.Md5OfBody)
		}
		if check, ok := bodies[source.Function]; ok {
			check(t, template, m.Body)
		} else {
			t.Errorf("nothing here knows what %s reads", source.Function)
		}
	}
}

// bodies says how each function reads the messages of its queue.
var bodies = map[string]func(t *testing.T, template *sam.Template, body string){
	"ProcessFunction":    checkTask,
	"DeadLetterFunction": checkTask,
	"ProcessControlFunction": data(
		of[event.CancelRequested](), of[event.VideoDeleted](), of[event.AccountErased](), of[event.ExportRequested](), of[event.RebuildRequested](),
	),
	"VideoEventsFunction": data(
		of[event.ProcessingCompleted](), of[event.ProcessingFailed](), of[event.ProcessingCancelled](), of[event.ArchiveExpired](),
		of[event.AccountErased](), of[event.ExportRequested](), of[event.RebuildRequested](),
	),
	"ProjectorFunction": data(
		of[event.VideoRegistered](), of[event.VideoUploaded](), of[event.RetryRequested](),
		of[event.UploadAbandoned](), of[event.VideoDeleted](), of[event.VideoSnapshot](), of[event.RebuildRequested](),
		of[event.ProcessingStarted](), of[event.ProcessingProgressed](), of[event.ProcessingCompleted](),
		of[event.ProcessingFailed](), of[event.ProcessingCancelled](), of[event.ArchiveExpired](),
		of[event.AccountErased](), of[event.ExportRequested](),
	),
	"NotifyFunction": data(
		of[event.UserRegistered](), of[event.ContactChanged](), of[event.CodeRequested](), of[event.PasswordChanged](),
		of[event.EmailChanged](), of[event.NewLogin](), of[event.ProcessingCompleted](), of[event.ProcessingFailed](), of[event.ArchiveExpiring](),
		of[event.AccountErased](), of[event.ExportRequested](), of[event.DigestDue](),
	),
	"WebhookFunction":      data(of[event.WebhookDue]()),
	"MailFeedbackFunction": checkFeedback,
}

// checkFeedback reads what SES says of a mail.
func checkFeedback(t *testing.T, _ *sam.Template, body string) {
	var e struct {
		Type string `json:"eventType"`
		Mail struct {
			Tags map[string][]string `json:"tags"`
		} `json:"mail"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Type == "" || len(e.Mail.Tags["user"]) != 1 {
		t.Errorf("%+v, %v", e, err)
	}
}

// checkTask reads a message of the processing or the segments queue. What S3 says
// in it must be of the template's uploads bucket; an event of ours must be as
// package event writes it.
func checkTask(t *testing.T, template *sam.Template, body string) {
	tasks, err := processing.ParseTasks(body)
	if err != nil {
		t.Fatal(err)
	}
	if len(tasks) == 0 {
		t.Error("asks for nothing")
	}
	if strings.Contains(body, `"specversion"`) {
		data(of[event.RetryRequested](), of[event.SegmentRequested](), of[event.CheckRequested](), of[event.AssemblyRequested]())(t, template, body)
	}
	var notification events.S3Event
	if err := json.Unmarshal([]byte(body), &notification); err != nil {
		t.Fatal(err)
	}
	for i, r := range notification.Records {
		if !slices.ContainsFunc(template.Buckets, func(b sam.Bucket) bool {
			return b.LogicalID == "UploadsBucket" && b.Name == r.S3.Bucket.Name && b.ARN == r.S3.Bucket.Arn
		}) {
			t.Errorf("bucket %s is not the template's", r.S3.Bucket.Name)
		}
		if r.S3.Object.Key != tasks[i].Key() || !strings.HasPrefix(r.EventName, "ObjectCreated:") {
			t.Errorf("%s of %s, read as %s", r.EventName, r.S3.Object.Key, tasks[i].Key())
		}
	}
}

// decoder reads the data of one type of event.
type decoder struct {
	kind string
	read func(event.Event) (event.Data, error)
}

func of[T event.Data]() decoder {
	var zero T
	return decoder{zero.EventType(), func(e event.Event) (event.Data, error) { return event.As[T](e) }}
}

// data reads an event that must be of one of the types. Written again it must be
// as it was: no member is misspelt and none is missing.
func data(types ...decoder) func(t *testing.T, template *sam.Template, body string) {
	return func(t *testing.T, _ *sam.Template, body string) {
		e, err := event.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(types, func(d decoder) bool { return d.kind == e.Type() })
		if at < 0 {
			t.Fatalf("the function reads no %s", e.Type())
		}
		read, err := types[at].read(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(members(t, e.Data()), members(t, again)); diff != "" {
			t.Errorf("%s (-sample +as read):\n%s", e.Type(), diff)
		}
		if read.EventSubject() != e.Subject() {
			t.Errorf("subject %s, want %s", e.Subject(), read.EventSubject())
		}
	}
}

func members(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
