package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/pkg/client"
)

var (
	queues  = []string{"processing", "segments", "control", "video-events", "status", "notification"}
	letters = []string{"processing", "control", "video-events", "status", "notification"}
	tables  = []string{"auth", "video", "processing", "status", "notification"}
)

// finding is what was found when all had come to rest.
type finding struct {
	Videos    int `json:"videos"`
	Mails     int `json:"mails"`
	MailTwice int `json:"mail_twice"` // videos of whose end two mails tell
}

// check waits until the system is at rest, and gives an error for each thing that is
// not as if nothing had happened. mails is how many mails may tell of one video's end.
func (p *person) check(ctx context.Context, reference frames, mails int) (finding, error) {
	s := p.system
	if err := p.settled(ctx); err != nil {
		return finding{}, err
	}
	f := finding{Videos: len(p.videos) + len(p.deleted)}
	errs := []error{s.noDeadLetters(ctx), p.quotas(ctx), s.sameWhenRebuilt(ctx)}
	for _, v := range p.videos {
		errs = append(errs, p.right(ctx, v.ID, reference))
	}
	for _, v := range p.deleted {
		if _, err := p.Video(ctx, v.ID); !client.IsCode(err, "not_found") {
			errs = append(errs, fmt.Errorf("%s was deleted, and asked for it is %w", v.Filename, err))
		}
	}
	for _, v := range slices.Concat(p.videos, p.deleted) {
		n, err := p.mailsAbout(ctx, v.Filename)
		if err == nil && (n < 1 || n > mails) {
			err = fmt.Errorf("%s: %d mails tell of its end", v.Filename, n)
		}
		errs = append(errs, err)
		f.Mails += n
		if n == 2 {
			f.MailTwice++
		}
	}
	return f, errors.Join(errs...)
}

// settled waits until nothing is under way, and nothing is left that must not be.
func (p *person) settled(ctx context.Context) error {
	return p.system.until(ctx, patience, "all is at rest", func(ctx context.Context) (bool, error) {
		left, err := p.left(ctx)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("there is still %s", strings.Join(left, ", "))
		}
		return err == nil, err
	})
}

// left tells what is under way or left behind.
func (p *person) left(ctx context.Context) ([]string, error) {
	var left []string
	s := p.system
	for _, queue := range queues {
		n, err := s.waiting(ctx, queue)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			left = append(left, fmt.Sprintf("%d messages in %s", n, queue))
		}
	}
	for _, table := range tables {
		rows, err := s.rows(ctx, table)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if strings.HasPrefix(text(row["pk"]), "outbox#") {
				left = append(left, "an event in the outbox of "+table)
			}
		}
	}
	objects, err := p.orphans(ctx)
	return append(left, objects...), err
}

// orphans lists objects that belong to no video, what is missing of videos, and
// multipart uploads.
func (p *person) orphans(ctx context.Context) ([]string, error) {
	s := p.system
	jobs, err := s.rows(ctx, "processing")
	if err != nil {
		return nil, err
	}
	want := map[string]map[string]bool{"archives": {}, "uploads": {}}
	for _, job := range jobs {
		for _, name := range []string{"archive_key", "manifest_key"} {
			if key := text(job[name]); key != "" {
				want["archives"][key] = true
			}
		}
	}
	for _, v := range p.videos {
		want["uploads"][event.UploadKey(p.id, v.ID)] = true
	}
	var wrong []string
	for bucket, keys := range want {
		found, err := s.objects(ctx, bucket)
		if err != nil {
			return nil, err
		}
		for _, key := range found {
			if !keys[key] {
				wrong = append(wrong, "the orphan "+bucket+"/"+key)
			}
			delete(keys, key)
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			wrong = append(wrong, "no "+bucket+"/"+key)
		}
		uploads, err := s.s3.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: bucketName(bucket)})
		if err != nil {
			return nil, fmt.Errorf("list uploads: %w", err)
		}
		for _, u := range uploads.Uploads {
			wrong = append(wrong, "the multipart upload "+bucket+"/"+*u.Key)
		}
	}
	return wrong, nil
}

func bucketName(bucket string) *string {
	return aws.String("fotograma-" + bucket + "-" + local.AccountID + "-" + local.Region)
}

func (s *system) objects(ctx context.Context, bucket string) ([]string, error) {
	var keys []string
	for pages := s3.NewListObjectsV2Paginator(s.s3, &s3.ListObjectsV2Input{Bucket: bucketName(bucket)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", bucket, err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys, nil
}

func (s *system) queueURL(ctx context.Context, queue string) (*string, error) {
	out, err := s.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("fotograma-" + queue)})
	if err != nil {
		return nil, fmt.Errorf("find the queue %s: %w", queue, err)
	}
	return out.QueueUrl, nil
}

// waiting counts the messages of a queue, those that somebody works on among them.
func (s *system) waiting(ctx context.Context, queue string) (int, error) {
	url, err := s.queueURL(ctx, queue)
	if err != nil {
		return 0, err
	}
	out, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		return 0, fmt.Errorf("count the messages of %s: %w", queue, err)
	}
	total := 0
	for name, value := range out.Attributes {
		if strings.HasPrefix(name, string(sqstypes.QueueAttributeNameApproximateNumberOfMessages)) {
			n, err := strconv.Atoi(value)
			if err != nil {
				return 0, fmt.Errorf("count the messages of %s: %w", queue, err)
			}
			total += n
		}
	}
	return total, nil
}

func (s *system) noDeadLetters(ctx context.Context) error {
	errs := make([]error, 0, len(letters))
	for _, queue := range letters {
		n, err := s.waiting(ctx, queue+"-dead-letters")
		if n > 0 {
			err = fmt.Errorf("%d dead letters of %s", n, queue)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *system) rows(ctx context.Context, table string) ([]dynamo.Item, error) {
	var rows []dynamo.Item
	for pages := dynamodb.NewScanPaginator(s.db, &dynamodb.ScanInput{TableName: aws.String("fotograma-" + table)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the table %s: %w", table, err)
		}
		rows = append(rows, page.Items...)
	}
	return rows, nil
}

// counted is what the video service counts for one row, a video's or a person's.
type counted struct {
	dynamo.Key
	Usage struct {
		File    int64 `dynamodbav:"file"`
		Archive int64 `dynamodbav:"archive"`
		Active  bool  `dynamodbav:"active"`
	} `dynamodbav:"usage"`
	Bytes  int64 `dynamodbav:"bytes"`
	Active int   `dynamodbav:"active"`
}

// quotas checks that counters are the sums of rows, and that nothing counts as under
// way.
func (p *person) quotas(ctx context.Context) error {
	rows, err := p.system.rows(ctx, "video")
	if err != nil {
		return err
	}
	var bytes, told int64
	for _, item := range rows {
		if text(item["pk"]) != "user#"+p.id {
			continue
		}
		row, err := dynamo.Unmarshal[counted](item)
		if err != nil {
			return err
		}
		switch {
		case row.SK == "usage":
			told = row.Bytes
			if row.Active != 0 {
				return fmt.Errorf("%d videos count as under way", row.Active)
			}
		case strings.HasPrefix(row.SK, "video#"):
			bytes += row.Usage.File + row.Usage.Archive
		}
	}
	if bytes != told {
		return fmt.Errorf("%d bytes are counted, and the videos have %d", told, bytes)
	}
	return nil
}

// sameWhenRebuilt checks the read model against its owners: made again of what they
// know, it must be what it was.
func (s *system) sameWhenRebuilt(ctx context.Context) error {
	before, err := s.readModel(ctx)
	if err != nil {
		return err
	}
	if err := s.rebuild(ctx); err != nil {
		return err
	}
	return s.until(ctx, 2*time.Minute, "the read model is what its owners know", func(ctx context.Context) (bool, error) {
		if n, err := s.waiting(ctx, "status"); n > 0 || err != nil {
			return false, err
		}
		err := s.sameAs(ctx, before)
		return err == nil, err
	})
}

// sameAs checks that the read model is what it was.
func (s *system) sameAs(ctx context.Context, before map[string]string) error {
	after, err := s.readModel(ctx)
	if err == nil && !maps.Equal(before, after) {
		err = fmt.Errorf("it was %v and is made again as %v", before, after)
	}
	return err
}

// rebuild asks for the read model to be made again.
func (s *system) rebuild(ctx context.Context) error {
	id := uuid.NewString()
	e, err := event.New("/operations", id, time.Now(), event.RebuildRequested{RebuildID: id, FromScratch: true})
	if err != nil {
		return fmt.Errorf("ask for the rebuild: %w", err)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("ask for the rebuild: %w", err)
	}
	url, err := s.queueURL(ctx, "status")
	if err != nil {
		return err
	}
	if _, err := s.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String(string(body))}); err != nil {
		return fmt.Errorf("ask for the rebuild: %w", err)
	}
	return nil
}

// readModel gives the rows of videos of the status service, without what counts how
// they came to be.
func (s *system) readModel(ctx context.Context) (map[string]string, error) {
	rows, err := s.rows(ctx, "status")
	model := map[string]string{}
	for _, row := range rows {
		if strings.HasPrefix(text(row["sk"]), "video#") {
			delete(row, "revision")
			raw, err := json.Marshal(row)
			if err != nil {
				return nil, fmt.Errorf("read the read model: %w", err)
			}
			model[text(row["pk"])+" "+text(row["sk"])] = string(raw)
		}
	}
	return model, err
}

// text is a string attribute; empty for none.
func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// frames are the hashes of an archive's frames, by their names.
type frames map[string]string

// right checks that a video is completed and has the frames that it should have.
func (p *person) right(ctx context.Context, id string, want frames) error {
	video, err := p.Video(ctx, id)
	if err != nil {
		return fmt.Errorf("look at video %s: %w", id, err)
	}
	if video.Status != client.Completed {
		return fmt.Errorf("%s is %s: %+v", video.Filename, video.Status, video.Error)
	}
	got, err := p.frames(ctx, id)
	if err == nil && !maps.Equal(got, want) {
		err = fmt.Errorf("%s has other frames (%d) than it should have (%d)", video.Filename, len(got), len(want))
	}
	return err
}

// frames downloads a video's archive.
func (p *person) frames(ctx context.Context, id string) (frames, error) {
	var raw bytes.Buffer
	if _, err := p.Download(ctx, id, &raw); err != nil {
		return nil, fmt.Errorf("download %s: %w", id, err)
	}
	archive, err := zip.NewReader(bytes.NewReader(raw.Bytes()), int64(raw.Len()))
	if err != nil {
		return nil, fmt.Errorf("open the archive of %s: %w", id, err)
	}
	found := frames{}
	for _, f := range archive.File {
		if !strings.HasPrefix(f.Name, "frames/") {
			continue
		}
		if found[f.Name], err = hash(f); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func hash(f *zip.File) (string, error) {
	file, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("open %s: %w", f.Name, err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil { //nolint:gosec // our own archive of six frames; checks the CRC
		return "", fmt.Errorf("read %s: %w", f.Name, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
