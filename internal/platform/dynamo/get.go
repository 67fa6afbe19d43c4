package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Get gives the row of a key as a struct, as it is at this moment; nil if there is none.
func Get[T any](ctx context.Context, db *dynamodb.Client, table string, key Key) (*T, error) {
	out, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key.Item(), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("get row: %w", err)
	}
	if out.Item == nil {
		return nil, nil //nolint:nilnil // no row is no error
	}
	row, err := Unmarshal[T](out.Item)
	if err != nil {
		return nil, err
	}
	return &row, nil
}
