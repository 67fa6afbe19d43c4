package notification

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
)

// mailPrefix is what the sort keys of mails begin with; the ID of the event follows.
const mailPrefix = "mail#"

// mailRow is a mail that is being sent, was sent or refused, or that a digest stands for.
type mailRow struct {
	dynamo.Key
	Kind    kind      `dynamodbav:"kind"`
	VideoID string    `dynamodbav:"video_id"` // empty if it is about none
	SentAt  time.Time `dynamodbav:"sent_at"`  // zero if it was not
	Refused string    `dynamodbav:"refused"`  // why it never will be; empty if it may
	Digest  int64     `dynamodbav:"digest"`   // the window whose digest is sent instead; 0 if none is
}

func (r mailRow) eventID() string { return strings.TrimPrefix(r.SK, mailPrefix) }

// sent gives mails that went to a person, those of the newest events first: at most
// limit, of events before the one whose ID is after if that is given. more tells
// whether there are further ones. IDs of events sort by time.
func (s *Store) sent(ctx context.Context, userID, after string, limit int) (mails []mailRow, more bool, err error) {
	pk := contactKey(userID).PK
	query := &dynamodb.QueryInput{
		TableName:                 &s.Table,
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(sk, :mail)"),
		FilterExpression:          aws.String("attribute_exists(sent_at)"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(pk), ":mail": dynamo.S(mailPrefix)},
		ScanIndexForward:          aws.Bool(false),
		ConsistentRead:            aws.Bool(true),
		Limit:                     aws.Int32(int32(max(limit+1, 200))), // many may be of mails that a digest stands for
	}
	if after != "" {
		query.ExclusiveStartKey = dynamo.Key{PK: pk, SK: mailPrefix + after}.Item()
	}
	return page[mailRow](ctx, s.DB, query, limit)
}

// page gives what a query finds, at most limit rows, and whether there are further ones.
func page[T any](ctx context.Context, db *dynamodb.Client, query *dynamodb.QueryInput, limit int) (rows []T, more bool, err error) {
	pages := dynamodb.NewQueryPaginator(db, query)
	for pages.HasMorePages() && len(rows) <= limit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("list: %w", err)
		}
		for _, item := range page.Items {
			row, err := dynamo.Unmarshal[T](item)
			if err != nil {
				return nil, false, err
			}
			rows = append(rows, row)
		}
	}
	if len(rows) > limit {
		return rows[:limit], true, nil
	}
	return rows, false, nil
}
