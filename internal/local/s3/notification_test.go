package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestEveryOperationHasItsEvent(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
	f.put(t, "put", "12345")
	if resp, body := f.form(t, "posted", nil).submit(t, []byte("1234"), nil); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%s %s", resp.Status, body)
	}
	if _, err := f.client.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: uploads, Key: aws.String("copy"), CopySource: aws.String("uploads/put")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.CompleteMultipartUpload(t.Context(), f.startUpload(t, "mp", "123")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("put")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: uploads, Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("copy")}, {Key: aws.String("never was")}, {Key: aws.String("mp")}},
	}}); err != nil {
		t.Fatal(err)
	}
	type event struct {
		name, key string
		size      int64
	}
	var got []event
	for _, record := range f.queues.records(t, 7) {
		size := int64(-1)
		if record.S3.Object.Size != nil {
			size = *record.S3.Object.Size
		}
		got = append(got, event{record.EventName, record.S3.Object.Key, size})
	}
	want := []event{
		{"ObjectCreated:Put", "put", 5}, {"ObjectCreated:Post", "posted", 4}, {"ObjectCreated:Copy", "copy", 5},
		{"ObjectCreated:CompleteMultipartUpload", "mp", 3},
		{"ObjectRemoved:Delete", "put", -1}, {"ObjectRemoved:Delete", "copy", -1}, {"ObjectRemoved:Delete", "mp", -1},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(event{})); diff != "" {
		t.Error(diff)
	}
	expectQuiet(t, f, 7)
}

// TestEventMessage compares a whole message with the structure in the S3 User
// Guide, byte for byte where the values are known.
func TestEventMessage(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	out := f.put(t, "in/a+b ç/x.mp4", "hello")
	f.queues.records(t, 1)
	messages := f.queues.messages()
	var got map[string]any
	if err := json.Unmarshal([]byte(messages[len(messages)-1].body), &got); err != nil {
		t.Fatal(err)
	}
	config, err := f.client.GetBucketNotificationConfiguration(t.Context(), &awss3.GetBucketNotificationConfigurationInput{Bucket: uploads})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"Records": []any{map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
		"eventTime":         f.clock.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"userIdentity":      map[string]any{"principalId": "AWS:test"},
		"requestParameters": map[string]any{"sourceIPAddress": "127.0.0.1"},
		"responseElements":  map[string]any{"x-amz-request-id": requestID(out), "x-amz-id-2": "?"},
		"s3": map[string]any{
			"s3SchemaVersion": "1.0", "configurationId": *config.QueueConfigurations[0].Id,
			"bucket": map[string]any{"name": "uploads", "ownerIdentity": map[string]any{"principalId": "test"}, "arn": "arn:aws:s3:::uploads"},
			"object": map[string]any{
				"key": "in/a%2Bb+%C3%A7/x.mp4", "size": 5.0, "eTag": "5d41402abc4b2a76b9719d911017c592", "sequencer": "?",
			},
		},
	}}}
	unknown := cmpopts.IgnoreMapEntries(func(key string, value any) bool {
		text, _ := value.(string)
		return (key == "x-amz-id-2" && text != "") || (key == "sequencer" && regexp.MustCompile(`^[0-9A-F]{16}$`).MatchString(text)) || value == "?"
	})
	if diff := cmp.Diff(want, got, unknown); diff != "" {
		t.Error(diff)
	}
	if messages[len(messages)-1].queue != testQueue {
		t.Errorf("sent to %s", messages[len(messages)-1].queue)
	}
}

func requestID(out *awss3.PutObjectOutput) string {
	id, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	return id
}

func TestSequencersGrowAcrossRestarts(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	for range 3 {
		f.put(t, "k", "x")
	}
	f.queues.records(t, 3)
	f.stopServing()
	f = startIn(t, f.dir, f.queues)
	f.put(t, "k", "x")
	var got []string
	for _, record := range f.queues.records(t, 4) {
		got = append(got, record.S3.Object.Sequencer)
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != 4 {
		t.Errorf("sequencers %v", got)
	}
}

func TestFilters(t *testing.T) {
	prefix, suffix := types.FilterRule{Name: "prefix", Value: aws.String("in/")}, types.FilterRule{Name: "suffix", Value: aws.String(".mp4")}
	for name, c := range map[string]struct {
		filters []types.FilterRule
		events  []types.Event
		want    []string // of the keys put, and "-" for the deletion of in/a.mp4
	}{
		"none":                 {nil, []types.Event{"s3:ObjectCreated:*"}, []string{"in/a.mp4", "in/b.txt", "out/c.mp4"}},
		"prefix":               {[]types.FilterRule{prefix}, []types.Event{"s3:ObjectCreated:*"}, []string{"in/a.mp4", "in/b.txt"}},
		"suffix":               {[]types.FilterRule{suffix}, []types.Event{"s3:ObjectCreated:Put"}, []string{"in/a.mp4", "out/c.mp4"}},
		"both":                 {[]types.FilterRule{prefix, suffix}, []types.Event{"s3:ObjectCreated:Put"}, []string{"in/a.mp4"}},
		"other kind of upload": {nil, []types.Event{"s3:ObjectCreated:Post"}, nil},
		"removal only":         {[]types.FilterRule{prefix}, []types.Event{"s3:ObjectRemoved:Delete"}, []string{"-in/a.mp4"}},
		"created and removed":  {[]types.FilterRule{suffix}, []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}, []string{"in/a.mp4", "out/c.mp4", "-in/a.mp4"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			f.notifyQueue(t, c.filters, c.events...)
			for _, key := range []string{"in/a.mp4", "in/b.txt", "out/c.mp4"} {
				f.put(t, key, "x")
			}
			if _, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("in/a.mp4")}); err != nil {
				t.Fatal(err)
			}
			f.notifyQueue(t, nil, "s3:ObjectCreated:*") // for an event that surely comes, after all the others
			f.put(t, "last", "x")
			var got []string
			for _, record := range f.queues.records(t, len(c.want)+1) {
				key := record.S3.Object.Key
				if strings.HasPrefix(record.EventName, "ObjectRemoved") {
					key = "-" + key
				}
				got = append(got, key)
			}
			if diff := cmp.Diff(append(slices.Clone(c.want), "last"), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTestEvent(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	messages := f.queues.messages()
	if len(messages) != 1 || messages[0].queue != testQueue {
		t.Fatalf("messages %v", messages)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(messages[0].body), &got); err != nil {
		t.Fatal(err)
	}
	if got["Service"] != "Amazon S3" || got["Event"] != "s3:TestEvent" || got["Bucket"] != "uploads" || got["RequestId"] == "" || got["HostId"] == "" ||
		got["Time"] != f.clock.Now().UTC().Format(eventTime) || len(got) != 6 {
		t.Errorf("test event %v", got)
	}
}

func TestUnreachableQueueIsRefused(t *testing.T) {
	f := start(t)
	f.queues.failWith(func(message) error { return errors.New("no such queue") })
	configure := func(skip bool) error {
		_, err := f.client.PutBucketNotificationConfiguration(t.Context(), &awss3.PutBucketNotificationConfigurationInput{
			Bucket: uploads, SkipDestinationValidation: &skip,
			NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{
				{QueueArn: aws.String(testQueue), Events: []types.Event{"s3:ObjectCreated:*"}},
			}},
		})
		return err
	}
	if err := configure(false); code(err) != "InvalidArgument" {
		t.Errorf("%v", err)
	}
	config, err := f.client.GetBucketNotificationConfiguration(t.Context(), &awss3.GetBucketNotificationConfigurationInput{Bucket: uploads})
	if err != nil || len(config.QueueConfigurations) != 0 {
		t.Errorf("stored nevertheless: %+v %v", config, err)
	}
	if err := configure(true); err != nil {
		t.Errorf("without validation: %v", err)
	}
}

func TestNotificationConfigurationRoundTrip(t *testing.T) {
	f := start(t)
	want := []types.QueueConfiguration{{
		Id: aws.String("to processing"), QueueArn: aws.String(testQueue), Events: []types.Event{"s3:ObjectCreated:Put", "s3:ObjectCreated:Post"},
		Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: "prefix", Value: aws.String("in/")}}}},
	}}
	put := func(queues []types.QueueConfiguration) {
		if _, err := f.client.PutBucketNotificationConfiguration(t.Context(), &awss3.PutBucketNotificationConfigurationInput{
			Bucket: uploads, NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: queues},
		}); err != nil {
			t.Fatal(err)
		}
	}
	get := func() []types.QueueConfiguration {
		out, err := f.client.GetBucketNotificationConfiguration(t.Context(), &awss3.GetBucketNotificationConfigurationInput{Bucket: uploads})
		if err != nil {
			t.Fatal(err)
		}
		return out.QueueConfigurations
	}
	put(want)
	ignore := cmpopts.IgnoreUnexported(types.QueueConfiguration{}, types.NotificationConfigurationFilter{}, types.S3KeyFilter{}, types.FilterRule{})
	if diff := cmp.Diff(want, get(), ignore); diff != "" {
		t.Error(diff)
	}
	put(nil)
	if left := get(); len(left) != 0 {
		t.Errorf("an empty configuration left %+v", left)
	}
	f.put(t, "in/k", "x")
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	expectQuiet(t, f, 0)
}

func TestNotificationConfigurationsRefused(t *testing.T) {
	queue := func(inner string) string {
		return "<QueueConfiguration><Queue>" + testQueue + "</Queue>" + inner + "</QueueConfiguration>"
	}
	created := queue("<Event>s3:ObjectCreated:*</Event>")
	filtered := func(name, value string) string {
		return queue("<Event>s3:ObjectCreated:Put</Event><Filter><S3Key><FilterRule><Name>" + name + "</Name><Value>" + value + "</Value></FilterRule></S3Key></Filter>")
	}
	for name, c := range map[string]struct{ rules, want string }{
		"no XML":                {"<<", "MalformedXML"},
		"a topic":               {"<TopicConfiguration><Topic>arn:aws:sns:us-east-1:000000000000:t</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration>", "InvalidArgument"},
		"a function":            {"<CloudFunctionConfiguration/>", "InvalidArgument"},
		"EventBridge":           {"<EventBridgeConfiguration/>", "InvalidArgument"},
		"no ARN":                {strings.Replace(created, testQueue, "processing", 1), "InvalidArgument"},
		"no event":              {queue(""), "MalformedXML"},
		"an event from nowhere": {queue("<Event>s3:ObjectRestore:*</Event>"), "InvalidArgument"},
		"an unknown filter":     {filtered("infix", "x"), "InvalidArgument"},
		"the same id twice": {
			strings.Replace(filtered("prefix", "a"), "<Queue>", "<Id>x</Id><Queue>", 1) + strings.Replace(filtered("prefix", "b"), "<Queue>", "<Id>x</Id><Queue>", 1), "InvalidArgument",
		},
		"overlapping events":            {created + queue("<Event>s3:ObjectCreated:Put</Event>"), "InvalidArgument"},
		"overlapping prefixes":          {filtered("prefix", "a") + filtered("Prefix", "ab"), "InvalidArgument"},
		"overlap of prefix with suffix": {filtered("prefix", "a") + filtered("suffix", "b"), "InvalidArgument"},
		"distinct prefixes":             {filtered("prefix", "a") + filtered("prefix", "b"), ""},
		"distinct events":               {created + queue("<Event>s3:ObjectRemoved:*</Event>"), ""},
	} {
		n := 0
		_, err := parseNotification([]byte("<NotificationConfiguration>"+c.rules+"</NotificationConfiguration>"), func() string { n++; return fmt.Sprint("id", n) })
		got := ""
		if err != nil {
			got = errorCode(err.Error())
			if got == "" {
				got = apiCode(err)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestDeliveryIsRetried: a queue that is down for a while holds up neither the
// uploads nor another queue, and gets everything in order in the end.
func TestDeliveryIsRetried(t *testing.T) {
	f := start(t)
	other := strings.Replace(testQueue, "processing", "other", 1)
	if _, err := f.client.PutBucketNotificationConfiguration(t.Context(), &awss3.PutBucketNotificationConfigurationInput{
		Bucket: uploads, NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{
			{QueueArn: aws.String(testQueue), Events: []types.Event{"s3:ObjectCreated:*"}},
			{QueueArn: aws.String(other), Events: []types.Event{"s3:ObjectRemoved:*"}},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	failures := 0
	f.queues.failWith(func(m message) error {
		if m.queue == testQueue && failures < 3 {
			failures++
			return errors.New("down")
		}
		return nil
	})
	for i := range 5 {
		f.put(t, fmt.Sprint("k", i), "x")
	}
	if _, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("k0")}); err != nil {
		t.Fatal(err)
	}
	created, removedAt := []string(nil), 0
	for i, record := range f.queues.records(t, 6) {
		if record.EventName == "ObjectRemoved:Delete" {
			removedAt = i
			continue
		}
		created = append(created, record.S3.Object.Key)
	}
	if diff := cmp.Diff([]string{"k0", "k1", "k2", "k3", "k4"}, created); diff != "" {
		t.Error(diff)
	}
	if failures != 3 || removedAt == 5 {
		t.Errorf("%d failures; the other queue's event came at place %d", failures, removedAt)
	}
}

func TestUndeliveredEventsSurviveClose(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	f.queues.failWith(func(message) error { return errors.New("down") })
	f.put(t, "k", "x")
	f.stopServing()
	f.queues.failWith(nil)
	f = startIn(t, f.dir, f.queues)
	if records := f.queues.records(t, 1); records[0].S3.Object.Key != "k" {
		t.Errorf("%+v", records)
	}
}

// TestNoIntentNoObject: an upload whose event could not be promised is refused.
func TestNoIntentNoObject(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	if _, err := f.store.db.ExecContext(t.Context(), "ALTER TABLE intents RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
	_, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("k"), Body: strings.NewReader("x")})
	if code(err) != "InternalError" {
		t.Errorf("%q", code(err))
	}
	if _, exists := f.content(t, "k"); exists {
		t.Error("stored without an intent")
	}
}

// TestOutcomeNotRecorded: if the outcome cannot be written down, the object is
// looked at later and the event still comes.
func TestOutcomeNotRecorded(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	if _, err := f.store.db.ExecContext(t.Context(), "ALTER TABLE events RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
	f.put(t, "postponed", "x")
	if _, err := f.store.db.ExecContext(t.Context(), "ALTER TABLE gone RENAME TO events"); err != nil {
		t.Fatal(err)
	}
	f.put(t, "settled one", "x") // its request may be given the memory of the first
	var got []string
	for _, record := range f.queues.records(t, 2) {
		got = append(got, record.S3.Object.Key)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"postponed", "settled+one"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailedOperationsHaveNoEvent(t *testing.T) {
	f := start(t)
	f.put(t, "k", "x")
	f.notifyQueue(t, nil, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
	for name, err := range map[string]error{
		"precondition": func() error {
			_, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("k"), Body: strings.NewReader("y"), IfNoneMatch: aws.String("*")})
			return err
		}(),
		"digest": func() error {
			_, err := f.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: uploads, Key: aws.String("k"), Body: strings.NewReader("y"), ChecksumCRC32: aws.String("AAAAAA==")})
			return err
		}(),
		"no source": func() error {
			_, err := f.client.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: uploads, Key: aws.String("copy"), CopySource: aws.String("uploads/none")})
			return err
		}(),
		"if-match on delete": func() error {
			_, err := f.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: uploads, Key: aws.String("k"), IfMatch: aws.String(`"other"`)})
			return err
		}(),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	expectQuiet(t, f, 0)
}

func TestDeletedBucketForgetsItsSettings(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*")
	if _, err := f.client.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: uploads}); err != nil {
		t.Fatal(err)
	}
	// What a crash between the two halves of a deletion leaves.
	if err := f.store.putSetting(t.Context(), "lost", publicAccessSetting, []byte("<PublicAccessBlockConfiguration/>")); err != nil {
		t.Fatal(err)
	}
	f.stopServing()
	f = startIn(t, f.dir, f.queues)
	for _, bucket := range []string{"uploads", "lost"} {
		if _, err := f.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
	}
	config, err := f.client.GetBucketNotificationConfiguration(t.Context(), &awss3.GetBucketNotificationConfigurationInput{Bucket: uploads})
	if err != nil || len(config.QueueConfigurations) != 0 {
		t.Errorf("%+v %v", config, err)
	}
	if _, err := f.client.GetPublicAccessBlock(t.Context(), &awss3.GetPublicAccessBlockInput{Bucket: aws.String("lost")}); code(err) != "NoSuchPublicAccessBlockConfiguration" {
		t.Errorf("%v", err)
	}
}

// TestLeftOverIntents: what is made of an intent, by what is there now.
func TestLeftOverIntents(t *testing.T) {
	f := start(t)
	f.notifyQueue(t, nil, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
	f.put(t, "there", "x")
	f.queues.records(t, 1)
	there, err := f.backend.probe(t.Context(), "uploads", "there", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		event, key, prior string
		happened          bool
	}{
		"created where nothing was, and there":     {"ObjectCreated:Put", "there", "", true},
		"created where nothing was, and not there": {"ObjectCreated:Put", "none", "", false},
		"overwritten, and another is there":        {"ObjectCreated:Put", "there", "another", true},
		"overwritten, and the old one is there":    {"ObjectCreated:Put", "there", there.identity(), false},
		"overwritten, and since removed":           {"ObjectCreated:Put", "none", "another", false},
		"removed, and not there":                   {"ObjectRemoved:Delete", "none", "another", true},
		"removed, and still there":                 {"ObjectRemoved:Delete", "there", there.identity(), false},
		"removed, and another is there":            {"ObjectRemoved:Delete", "there", "another", true},
	} {
		before := len(f.queues.records(t, 0))
		intents, err := f.outbox.begin(t.Context(), []change{{Bucket: "uploads", Key: c.key, Event: c.event, Prior: c.prior}})
		if err != nil {
			t.Fatal(err)
		}
		f.outbox.release(intents[0])
		f.put(t, "after "+name, "x")
		want := before + 1
		if c.happened {
			want++
		}
		deadline := time.Now().Add(10 * time.Second)
		for left := 1; left > 0 && time.Now().Before(deadline); {
			rows, err := f.store.intents(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			left = len(rows)
		}
		records := f.queues.records(t, want)
		if got := slices.ContainsFunc(records[before:], func(r eventRecord) bool { return r.S3.Object.Key == c.key && r.EventName == c.event }); got != c.happened {
			t.Errorf("%s: event %v, want %v", name, got, c.happened)
		}
	}
}
