package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/export"
	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/rest"
)

// erase removes everything of a person but for the tombstone, which keeps events
// that come later from bringing anything back.
func (p *Projector) erase(ctx context.Context, userID string) error {
	if err := p.Store.People.Bury(ctx, userID); err != nil {
		return err
	}
	slog.InfoContext(ctx, "person erased")
	return errors.Join(p.Store.People.Clear(ctx, userID), p.Store.People.ClearPartition(ctx, queriesPartition(userID)))
}

// loggedQueries is what people get to see of the log of what they asked.
type loggedQueries struct {
	Since  time.Time      `json:"since"` // for five minutes
	Route  string         `json:"route"`
	Counts map[string]int `json:"counts"`
}

// export writes down what this service keeps of a person: the videos, as the API
// shows them, and what was asked for them.
func (p *Projector) export(ctx context.Context, r event.ExportRequested) error {
	videos := []rest.Video{}
	err := p.Store.People.Rows(ctx, r.UserID, func(items []dynamo.Item) error {
		for _, item := range items {
			found, err := dynamo.Unmarshal[row](item)
			if err != nil {
				return err
			}
			if v := found.seen(); v != nil {
				videos = append(videos, render(v, locale.English))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	queries := []loggedQueries{}
	err = p.Store.People.PartitionRows(ctx, queriesPartition(r.UserID), func(items []dynamo.Item) error {
		for _, item := range items {
			logged, err := loggedOf(item)
			if err != nil {
				return err
			}
			queries = append(queries, logged)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.Exports.Write(ctx, r, export.Status, map[string]any{"videos": videos, "queries": queries})
}

func loggedOf(item dynamo.Item) (loggedQueries, error) {
	key, err := dynamo.Unmarshal[dynamo.Key](item)
	if err != nil {
		return loggedQueries{}, err
	}
	period, route, _ := strings.Cut(key.SK, "#")
	logged := loggedQueries{Route: route, Counts: map[string]int{}}
	if logged.Since, err = time.Parse(time.RFC3339, period); err != nil {
		return logged, fmt.Errorf("read the log of queries: %w", err)
	}
	for name, value := range item {
		n, ok := value.(*types.AttributeValueMemberN)
		if !ok || name == "ttl" {
			continue
		}
		if logged.Counts[name], err = strconv.Atoi(n.Value); err != nil {
			return logged, fmt.Errorf("read the log of queries: %w", err)
		}
	}
	return logged, nil
}
