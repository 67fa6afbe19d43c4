package sqs

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

func TestCreateQueueIsIdempotent(t *testing.T) {
	e := start(t)
	first := e.create(t, "jobs", "VisibilityTimeout", "60", "KmsDataKeyReusePeriodSeconds", "600")

	t.Run("same attributes give the same URL", func(t *testing.T) {
		if again := e.create(t, "jobs", "VisibilityTimeout", "60", "KmsDataKeyReusePeriodSeconds", "600"); again != first {
			t.Errorf("URL %s, want %s", again, first)
		}
	})
	t.Run("attributes that are not given are not compared", func(t *testing.T) {
		if again := e.create(t, "jobs"); again != first {
			t.Errorf("URL %s, want %s", again, first)
		}
	})
	t.Run("a default that is given is compared", func(t *testing.T) {
		e.create(t, "jobs", "DelaySeconds", "0")
	})
	t.Run("another value is refused", func(t *testing.T) {
		_, err := e.CreateQueue(t.Context(), &awssqs.CreateQueueInput{
			QueueName: aws.String("jobs"), Attributes: map[string]string{"VisibilityTimeout": "61"},
		})
		if _, ok := errors.AsType[*types.QueueNameExists](err); !ok {
			t.Fatalf("error %v, want QueueNameExists", err)
		}
		wantCode(t, err, "QueueAlreadyExists")
	})
}

func TestCreateQueueRefuses(t *testing.T) {
	e := start(t)
	e.create(t, "closed", "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
	e.create(t, "picky", "RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["`+arn("friend")+`"]}`)
	redriveTo := func(name string) string {
		return `{"deadLetterTargetArn":"` + arn(name) + `","maxReceiveCount":3}`
	}
	for name, tc := range map[string]struct {
		queue string
		attrs []string
		code  string
	}{
		"a FIFO queue by name":                      {"orders.fifo", nil, "AWS.SimpleQueueService.UnsupportedOperation"},
		"a FIFO queue by attribute":                 {"orders", []string{"FifoQueue", "true"}, "AWS.SimpleQueueService.UnsupportedOperation"},
		"a name with a space":                       {"my queue", nil, "InvalidParameterValue"},
		"a name of 81 characters":                   {strings.Repeat("a", 81), nil, "InvalidParameterValue"},
		"an unknown attribute":                      {"q", []string{"Colour", "red"}, "InvalidAttributeName"},
		"a computed attribute":                      {"q", []string{"QueueArn", "x"}, "InvalidAttributeName"},
		"a visibility timeout over 12 hours":        {"q", []string{"VisibilityTimeout", "43201"}, "InvalidAttributeValue"},
		"a message size over 1 MiB":                 {"q", []string{"MaximumMessageSize", "1048577"}, "InvalidAttributeValue"},
		"a message size under 1 KiB":                {"q", []string{"MaximumMessageSize", "1023"}, "InvalidAttributeValue"},
		"a retention of less than a minute":         {"q", []string{"MessageRetentionPeriod", "59"}, "InvalidAttributeValue"},
		"a number with words":                       {"q", []string{"DelaySeconds", "ten"}, "InvalidAttributeValue"},
		"a policy that is no JSON":                  {"q", []string{"Policy", "{"}, "InvalidAttributeValue"},
		"a redrive policy that is no JSON":          {"q", []string{"RedrivePolicy", "dlq"}, "InvalidParameterValue"},
		"a redrive policy without a target":         {"q", []string{"RedrivePolicy", `{"maxReceiveCount":3}`}, "InvalidParameterValue"},
		"a redrive policy with zero receives":       {"q", []string{"RedrivePolicy", strings.Replace(redriveTo("closed"), "3", "0", 1)}, "InvalidParameterValue"},
		"a dead-letter queue that does not exist":   {"q", []string{"RedrivePolicy", redriveTo("nowhere")}, "InvalidParameterValue"},
		"a dead-letter queue that denies all":       {"q", []string{"RedrivePolicy", redriveTo("closed")}, "InvalidParameterValue"},
		"a dead-letter queue that allows others":    {"stranger", []string{"RedrivePolicy", redriveTo("picky")}, "InvalidParameterValue"},
		"an allow policy byQueue without sources":   {"q", []string{"RedriveAllowPolicy", `{"redrivePermission":"byQueue"}`}, "InvalidParameterValue"},
		"an allow policy with a made-up permission": {"q", []string{"RedriveAllowPolicy", `{"redrivePermission":"some"}`}, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &tc.queue, Attributes: pairs(tc.attrs)})
			wantCode(t, err, tc.code)
		})
	}
	e.create(t, "friend", "RedrivePolicy", redriveTo("picky"))
}

func TestQueueAttributes(t *testing.T) {
	e := start(t)
	url, _ := e.createWithDLQ(t, "jobs", "5", "DelaySeconds", "3")

	want := map[string]string{
		"ApproximateNumberOfMessages":           "0",
		"ApproximateNumberOfMessagesDelayed":    "0",
		"ApproximateNumberOfMessagesNotVisible": "0",
		"CreatedTimestamp":                      "1772366400",
		"LastModifiedTimestamp":                 "1772366400",
		"DelaySeconds":                          "3",
		"MaximumMessageSize":                    "1048576",
		"MessageRetentionPeriod":                "345600",
		"QueueArn":                              arn("jobs"),
		"ReceiveMessageWaitTimeSeconds":         "0",
		"RedrivePolicy":                         `{"deadLetterTargetArn":"` + arn("jobs-dlq") + `","maxReceiveCount":5}`,
		"SqsManagedSseEnabled":                  "true",
		"VisibilityTimeout":                     "30",
	}
	if diff := cmp.Diff(want, e.attributes(t, url)); diff != "" {
		t.Errorf("after creation (-want +got):\n%s", diff)
	}

	e.clock.advance(90 * time.Second)
	set := map[string]string{
		"VisibilityTimeout": "7", "RedrivePolicy": "", "KmsMasterKeyId": "alias/aws/sqs",
		"Policy": `{"Version":"2012-10-17","Statement":[]}`,
	}
	if _, err := e.SetQueueAttributes(t.Context(), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: set}); err != nil {
		t.Fatal(err)
	}
	want["VisibilityTimeout"] = "7"
	want["KmsMasterKeyId"] = "alias/aws/sqs"
	want["KmsDataKeyReusePeriodSeconds"] = "300"
	want["SqsManagedSseEnabled"] = "false"
	want["Policy"] = set["Policy"]
	want["LastModifiedTimestamp"] = "1772366490"
	delete(want, "RedrivePolicy")
	if diff := cmp.Diff(want, e.attributes(t, url)); diff != "" {
		t.Errorf("after SetQueueAttributes (-want +got):\n%s", diff)
	}

	t.Run("only what is asked for", func(t *testing.T) {
		out, err := e.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"DelaySeconds", "RedrivePolicy"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"DelaySeconds": "3"}, out.Attributes); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("an unknown name", func(t *testing.T) {
		_, err := e.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"Colour"},
		})
		wantCode(t, err, "InvalidAttributeName")
	})
}

func TestQueueAddresses(t *testing.T) {
	e := start(t)
	url := e.create(t, "jobs")
	if want := e.url + "/000000000000/jobs"; url != want {
		t.Errorf("URL %s, want %s", url, want)
	}
	for name, tc := range map[string]struct{ url, code string }{
		"another host":     {"http://sqs.us-east-1.amazonaws.com/000000000000/jobs", ""},
		"a LocalStack URL": {"http://localhost:4566/queue/us-east-1/000000000000/jobs", ""},
		"another account":  {e.url + "/111111111111/jobs", "AWS.SimpleQueueService.NonExistentQueue"},
		"no such queue":    {e.url + "/000000000000/other", "AWS.SimpleQueueService.NonExistentQueue"},
		"a bare name":      {"jobs", "InvalidAddress"},
		"no account":       {e.url + "/jobs", "InvalidAddress"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{QueueUrl: &tc.url})
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, tc.code)
		})
	}
	t.Run("GetQueueUrl", func(t *testing.T) {
		out, err := e.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
		if err != nil || *out.QueueUrl != url {
			t.Fatalf("%v, %v", out, err)
		}
		_, err = e.GetQueueUrl(t.Context(), &awssqs.GetQueueUrlInput{QueueName: aws.String("other")})
		if _, ok := errors.AsType[*types.QueueDoesNotExist](err); !ok {
			t.Fatalf("error %v, want QueueDoesNotExist", err)
		}
	})
}

func TestListQueuesPages(t *testing.T) {
	e := start(t)
	var want []string
	for _, name := range []string{"a_1", "a_2", "a_3", "a_4", "a_5"} {
		want = append(want, e.create(t, name))
	}
	e.create(t, "aX9") // would match if "_" were a wildcard

	var got []string
	pages := awssqs.NewListQueuesPaginator(e.Client, &awssqs.ListQueuesInput{QueueNamePrefix: aws.String("a_"), MaxResults: aws.Int32(2)})
	n := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n++
		got = append(got, page.QueueUrls...)
	}
	if n != 3 || !slices.Equal(got, want) {
		t.Errorf("%d pages with %v, want 3 with %v", n, got, want)
	}

	all, err := e.ListQueues(t.Context(), &awssqs.ListQueuesInput{})
	if err != nil || len(all.QueueUrls) != 6 || all.NextToken != nil {
		t.Errorf("unlimited list: %v, %v", all, err)
	}
	_, err = e.ListQueues(t.Context(), &awssqs.ListQueuesInput{MaxResults: aws.Int32(1001)})
	wantCode(t, err, "InvalidParameterValue")
}

func TestDeleteQueueTakesItsMessages(t *testing.T) {
	e := start(t)
	url := e.create(t, "jobs")
	e.put(t, url, "old")
	if _, err := e.DeleteQueue(t.Context(), &awssqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	_, err := e.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
	wantCode(t, err, "AWS.SimpleQueueService.NonExistentQueue")
	e.create(t, "jobs")
	e.wantNone(t, url, "a queue created again")
}

func TestPurgeQueue(t *testing.T) {
	e := start(t)
	url := e.create(t, "jobs")
	e.put(t, url, "in flight")
	e.takeOne(t, url)
	e.put(t, url, "visible")
	if _, err := e.PurgeQueue(t.Context(), &awssqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	e.clock.advance(time.Hour)
	e.wantNone(t, url, "after a purge")
}

func TestTags(t *testing.T) {
	e := start(t)
	out, err := e.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("jobs"), Tags: map[string]string{"team": "video"}})
	if err != nil {
		t.Fatal(err)
	}
	url := out.QueueUrl
	if _, err := e.TagQueue(t.Context(), &awssqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"env": "local", "team": "frames"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.UntagQueue(t.Context(), &awssqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"env", "never-set"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := e.ListQueueTags(t.Context(), &awssqs.ListQueueTagsInput{QueueUrl: url})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"team": "frames"}, tags.Tags); diff != "" {
		t.Error(diff)
	}
	many := make(map[string]string)
	for i := range 50 {
		many[strings.Repeat("k", i+1)] = ""
	}
	_, err = e.TagQueue(t.Context(), &awssqs.TagQueueInput{QueueUrl: url, Tags: many})
	wantCode(t, err, "InvalidParameterValue")
}

func TestPermissions(t *testing.T) {
	e := start(t)
	url := e.create(t, "jobs", "Policy", `{"Version":"2012-10-17","Statement":[{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`)
	add := &awssqs.AddPermissionInput{QueueUrl: &url, Label: aws.String("share"), AWSAccountIds: []string{"111122223333"}, Actions: []string{"SendMessage"}}
	if _, err := e.AddPermission(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	policy := e.attributes(t, url)["Policy"]
	want := `{"Sid":"share","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root"]},"Action":["SQS:SendMessage"],"Resource":"` + arn("jobs") + `"}`
	if !strings.Contains(policy, want) || !strings.Contains(policy, `"Service":"s3.amazonaws.com"`) {
		t.Errorf("policy %s, want the old statement and %s", policy, want)
	}
	_, err := e.AddPermission(t.Context(), add)
	wantCode(t, err, "InvalidParameterValue")
	add.Label, add.Actions = aws.String("other"), []string{"DeleteQueue"}
	_, err = e.AddPermission(t.Context(), add)
	wantCode(t, err, "InvalidParameterValue")

	for _, label := range []string{"share", "s3"} {
		if _, err := e.RemovePermission(t.Context(), &awssqs.RemovePermissionInput{QueueUrl: &url, Label: &label}); err != nil {
			t.Fatal(err)
		}
	}
	if left, ok := e.attributes(t, url)["Policy"]; ok {
		t.Errorf("policy left after its last statement went: %s", left)
	}
	_, err = e.RemovePermission(t.Context(), &awssqs.RemovePermissionInput{QueueUrl: &url, Label: aws.String("share")})
	wantCode(t, err, "InvalidParameterValue")
}

func TestListDeadLetterSourceQueues(t *testing.T) {
	e := start(t)
	a, dlq := e.createWithDLQ(t, "jobs", "3")
	policy := `{"deadLetterTargetArn":"` + arn("jobs-dlq") + `","maxReceiveCount":1}`
	b := e.create(t, "more-jobs", "RedrivePolicy", policy)
	var got []string
	pages := awssqs.NewListDeadLetterSourceQueuesPaginator(e.Client, &awssqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dlq, MaxResults: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.QueueUrls...)
	}
	if !slices.Equal(got, []string{a, b}) {
		t.Errorf("sources %v, want %v", got, []string{a, b})
	}
}
