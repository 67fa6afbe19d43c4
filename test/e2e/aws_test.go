package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/fotograma/fotograma/internal/event"
)

// What template.yaml names, as it is called on one machine. Buckets have the account
// and the region at their end (bucketName).
const (
	uploadsBucket   = "fotograma-uploads"
	archivesBucket  = "fotograma-archives"
	processingQueue = "fotograma-processing"
	processingDLQ   = "fotograma-processing-dead-letters"
)

var (
	tables = []string{"fotograma-auth", "fotograma-video", "fotograma-processing", "fotograma-status", "fotograma-notification"}
	queues = []string{processingQueue, "fotograma-segments", "fotograma-control", "fotograma-video-events", "fotograma-status", "fotograma-notification", "fotograma-webhook", "fotograma-mail-feedback"}
)

func (s *stack) s3() *s3.Client {
	return s3.NewFromConfig(s.awsConfig(), func(o *s3.Options) { o.UsePathStyle = true })
}

func (s *stack) sqs() *sqs.Client { return sqs.NewFromConfig(s.awsConfig()) }

// bucketName is what a bucket is called in the stack's region.
func (s *stack) bucketName(bucket string) string { return bucket + "-000000000000-" + s.region }

func (s *stack) queueURL(t testing.TB, name string) *string {
	t.Helper()
	out, err := s.sqs().GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

// send puts a message into a queue.
func (s *stack) send(t testing.TB, queue, body string) {
	t.Helper()
	_, err := s.sqs().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: s.queueURL(t, queue), MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
}

// waiting gives how many messages a queue has, those that somebody works on
// among them.
func (s *stack) waiting(t testing.TB, queue string) int {
	t.Helper()
	out, err := s.sqs().GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: s.queueURL(t, queue), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, name := range []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	} {
		n, err := strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

// settled waits until nothing is under way any more.
func (s *stack) settled(t testing.TB) {
	t.Helper()
	until(t, "the queues are empty", func() bool {
		for _, queue := range queues {
			if s.waiting(t, queue) > 0 {
				return false
			}
		}
		return true
	})
}

// objects lists the keys of a bucket that begin with a prefix.
func (s *stack) objects(t testing.TB, bucket, prefix string) []string {
	t.Helper()
	out, err := s.s3().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(s.bucketName(bucket)), Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// unfinished gives how many multipart uploads a bucket has that were neither
// completed nor aborted.
func (s *stack) unfinished(t testing.TB, bucket string) int {
	t.Helper()
	out, err := s.s3().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(s.bucketName(bucket))})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

// rows gives the rows of all tables that hold a text anywhere, as JSON.
func (s *stack) rows(t testing.TB, text string) []string {
	t.Helper()
	var found []string
	db := dynamodb.NewFromConfig(s.awsConfig())
	for _, table := range tables {
		pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: aws.String(table)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range page.Items {
				raw, err := json.Marshal(item)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(raw), text) {
					found = append(found, table+" "+string(raw))
				}
			}
		}
	}
	return found
}

// s3Event is what S3 says to the processing queue of an uploaded video, as in
// "Event message structure" of S3's documentation.
func (s *stack) s3Event(ownerID, videoID, name string, at time.Time) string {
	return fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"x","eventTime":%q,`+
		`"eventName":%q,"userIdentity":{"principalId":"x"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},`+
		`"responseElements":{},"s3":{"s3SchemaVersion":"1.0","configurationId":"x","bucket":{"name":%q,`+
		`"ownerIdentity":{"principalId":"x"},"arn":"arn:aws:s3:::%[3]s"},"object":{"key":%q,"size":1,"eTag":"x","sequencer":"%016X"}}}]}`,
		at.UTC().Format("2006-01-02T15:04:05.000Z"), name, s.bucketName(uploadsBucket), event.UploadKey(ownerID, videoID), at.UnixNano())
}
