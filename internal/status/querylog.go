package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

// QueryLog writes down who asked what when, in StatusTable:
//
//	pk             sk                    what
//	queries#<id>   <period>#<route>      what a person asked in five minutes: how often,
//	                                     with which status, how often out of the cache,
//	                                     and how many milliseconds that took altogether
//
// Browsers ask every second, and a write costs more than a read. So the first question
// of a period is written down at once, and what a process is asked further is when it
// is asked in a later one; of a process that ends before, it is missing. That somebody
// asked is certain, how often is not.
//
// IAM: dynamodb:UpdateItem on the table's partitions "queries#*", and for package
// erasure dynamodb:ConditionCheckItem.
type QueryLog struct {
	db     *dynamodb.Client
	table  string
	people *erasure.Table
	days   int
	now    func() time.Time

	mu      sync.Mutex
	tallies *lru.Cache[tallyKey, *tally]
}

const (
	logPeriod = 5 * time.Minute

	// tallied is how many people's routes a process remembers.
	tallied = 4096

	// logPatience is how long an answer may wait for the log.
	logPatience = time.Second
)

// NewQueryLog makes a log whose entries are kept for days.
func NewQueryLog(db *dynamodb.Client, table string, days int, now func() time.Time) *QueryLog {
	tallies, err := lru.New[tallyKey, *tally](tallied)
	if err != nil {
		panic(err) // the size is not positive
	}
	return &QueryLog{
		db: db, table: table, people: &erasure.Table{DB: db, Name: table, Now: now}, days: days, now: now, tallies: tallies,
	}
}

// entry is one question, and how it was answered.
type entry struct {
	User   string
	Route  string
	Status int
	Hit    bool // out of the cache
	Took   time.Duration
}

type tallyKey struct{ user, route string }

// tally is what was asked in one period and is not written down yet.
type tally struct {
	period time.Time
	counts map[string]int64
}

func (t *tally) add(e entry) {
	t.counts["asked"]++
	t.counts["status_"+strconv.Itoa(e.Status)]++
	t.counts["took_ms"] += e.Took.Milliseconds()
	if e.Hit {
		t.counts["cached"]++
	}
}

// queriesPartition is where a person's entries are.
func queriesPartition(userID string) string { return "queries#" + userID }

// note notes a question. Where it cannot be written down that is logged, and the
// answer goes out all the same.
func (l *QueryLog) note(ctx context.Context, e entry) {
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logPatience)
	defer cancel()
	for _, t := range l.tally(e) {
		if err := l.write(ctx, e.User, e.Route, t); err != nil {
			slog.WarnContext(ctx, "query not logged", "error", err)
		}
	}
}

// tally counts a question, and gives what is to be written down now.
func (l *QueryLog) tally(e entry) []*tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, period := tallyKey{e.User, e.Route}, l.now().UTC().Truncate(logPeriod)
	before, ok := l.tallies.Get(key)
	if ok && before.period.Equal(period) {
		before.add(e)
		return nil
	}
	l.tallies.Add(key, &tally{period: period, counts: map[string]int64{}})
	first := &tally{period: period, counts: map[string]int64{}}
	first.add(e)
	if ok && len(before.counts) > 0 {
		return []*tally{before, first}
	}
	return []*tally{first}
}

// write adds to an entry, unless its person was erased.
func (l *QueryLog) write(ctx context.Context, user, route string, t *tally) error {
	set := expression.
		Set(expression.Name("route"), expression.Value(route)).
		Set(expression.Name("ttl"), expression.Value(t.period.AddDate(0, 0, l.days).Unix()))
	for name, n := range t.counts {
		set = set.Add(expression.Name(name), expression.Value(n))
	}
	expr, err := expression.NewBuilder().WithUpdate(set).Build()
	if err != nil {
		return fmt.Errorf("build update: %w", err)
	}
	_, err = l.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Update: &types.Update{
			TableName:                &l.table,
			Key:                      dynamo.Key{PK: queriesPartition(user), SK: t.period.Format(time.RFC3339) + "#" + route}.Item(),
			UpdateExpression:         expr.Update(),
			ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values(),
		}},
		l.people.Standing(user),
	}})
	if err != nil && dynamo.FailedConditions(err) == nil {
		return fmt.Errorf("write query log: %w", err)
	}
	return nil
}

// statusOf gives the status of an answer.
func statusOf(status int, err error) int {
	if err == nil {
		return status
	}
	if known, ok := errors.AsType[*problem.Error](err); ok {
		return problem.Status(known.Code)
	}
	return http.StatusInternalServerError
}
