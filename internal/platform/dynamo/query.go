package dynamo

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// QueryAll gives all items that a query finds, as structs, in its order. They are
// in memory at once: it is for rows of which there are few.
func QueryAll[T any](ctx context.Context, db dynamodb.QueryAPIClient, in *dynamodb.QueryInput) ([]T, error) {
	var all []T
	for pages := dynamodb.NewQueryPaginator(db, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
		for _, item := range page.Items {
			row, err := Unmarshal[T](item)
			if err != nil {
				return nil, err
			}
			all = append(all, row)
		}
	}
	return all, nil
}
