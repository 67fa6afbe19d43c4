package processing

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fotograma/fotograma/internal/event"
	"github.com/fotograma/fotograma/internal/platform/dynamo"
	"github.com/fotograma/fotograma/internal/platform/erasure"
	"github.com/fotograma/fotograma/internal/platform/outbox"
)

// Store keeps jobs in ProcessingTable.
//
//	pk             sk                      what
//	video#<id>     job                     the newest run of a video
//	video#<id>     segment#<run>#<index>   one segment of a run that was shared out
//	video#<id>     check#<run>             the check of such a run's file
//	user#<id>      erased                  all that stays of an erased person: see package erasure
//	erasures       <id>                    see there
//	outbox#<n>     <event id>              see package outbox
//
// The sparse index "due" has the jobs whose archive is there: at first by when its
// owner is told that it will expire, then by when it does. "by_owner" has all rows of
// videos by whose they are.
//
// IAM: dynamodb:GetItem, PutItem, UpdateItem, DeleteItem, ConditionCheckItem and
// Query on the table and its indexes, and what package erasure needs.
type Store struct {
	DB     *dynamodb.Client
	Table  string
	Outbox *outbox.Outbox
	People *erasure.Table
}

// The partitions of the index "due".
const (
	dueWarnings = "warning" // whose owner is to be told that the archive will expire
	dueArchives = "archive" // the others
)

type jobRow struct {
	dynamo.Key
	VideoID     string `dynamodbav:"video_id"`
	OwnerID     string `dynamodbav:"owner_id"`
	Run         int    `dynamodbav:"run"`
	State       State  `dynamodbav:"state"`
	Token       string `dynamodbav:"token"`
	MessageID   string `dynamodbav:"message_id"`
	LeaseUntil  int64  `dynamodbav:"lease_until"` // Unix milliseconds
	ArchiveKey  string `dynamodbav:"archive_key"`
	ManifestKey string `dynamodbav:"manifest_key"`
	Due         string `dynamodbav:"due"`    // partition of the index
	DueAt       int64  `dynamodbav:"due_at"` // Unix seconds

	// ArchiveExpiresAt is in Unix seconds; where it is not there, DueAt says it.
	ArchiveExpiresAt int64 `dynamodbav:"archive_expires_at"`

	// Told is the event that told last how far the job is, and Result the newest of
	// those that told of an archive, in JSON: see retell.go.
	Told   string `dynamodbav:"told"`
	Result string `dynamodbav:"result"`

	// Spread may be that of an earlier run, which a later one did not overwrite.
	Spread *Spread `dynamodbav:"spread"`
}

func (r *jobRow) job() *Job {
	job := &Job{
		Ref:   event.VideoRef{VideoID: r.VideoID, OwnerID: r.OwnerID, Run: r.Run},
		State: r.State, Token: r.Token,
		ArchiveKey: r.ArchiveKey, ManifestKey: r.ManifestKey, ArchiveExpiresAt: time.Unix(r.DueAt, 0),
		Result: r.Result,
	}
	if r.ArchiveExpiresAt != 0 {
		job.ArchiveExpiresAt = time.Unix(r.ArchiveExpiresAt, 0)
	}
	if r.Due == dueWarnings {
		job.WarnAt = time.Unix(r.DueAt, 0)
	}
	if r.Spread != nil && r.Spread.Run == r.Run {
		job.Spread = r.Spread
	}
	return job
}

func jobKey(videoID string) dynamo.Key { return dynamo.Key{PK: "video#" + videoID, SK: "job"} }

// names are the attributes whose names DynamoDB reserves.
var names = map[string]string{"#run": "run", "#state": "state", "#token": "token", "#ttl": "ttl", "#result": "result"}

// write is an update of a row.
type write struct {
	key    dynamo.Key
	set    string // "SET …", and "REMOVE …" if need be
	when   string // the condition
	values dynamo.Item
}

// aliases gives the names of names that the write uses.
func (w write) aliases() map[string]string {
	used := map[string]string{}
	for alias, name := range names {
		if strings.Contains(w.set+w.when, alias) {
			used[alias] = name
		}
	}
	return used
}

// item is the write as part of a transaction.
func (s *Store) item(w write) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{
		TableName:                 &s.Table,
		Key:                       w.key.Item(),
		UpdateExpression:          &w.set,
		ConditionExpression:       &w.when,
		ExpressionAttributeNames:  w.aliases(),
		ExpressionAttributeValues: w.values,
	}}
}

// tell writes a job's row, with the event that tells of it, and publishes that; false
// when the condition did not hold.
func (s *Store) tell(ctx context.Context, w write, e event.Event, also ...types.TransactWriteItem) (bool, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", e.Type(), err)
	}
	w.set = strings.Replace(w.set, "SET ", "SET told = :told, ", 1)
	w.values[":told"] = dynamo.S(string(body))
	return s.commitAll(ctx, append([]types.TransactWriteItem{s.item(w)}, also...), e)
}

// begin is tell for writes that may make a row: false also when its owner was
// erased.
func (s *Store) begin(ctx context.Context, ownerID string, w write, e event.Event) (bool, error) {
	return s.tell(ctx, w, e, s.People.Standing(ownerID))
}

func (s *Store) commitAll(ctx context.Context, writes []types.TransactWriteItem, events ...event.Event) (bool, error) {
	err := s.Outbox.Commit(ctx, writes, events...)
	if dynamo.FailedConditions(err) != nil {
		return false, nil
	}
	return err == nil, err
}

// update writes a row of which nobody need be told; false when the condition did
// not hold.
func (s *Store) update(ctx context.Context, w write) (bool, error) {
	err := dynamo.Retry(ctx, func() error {
		_, err := s.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName:                 &s.Table,
			Key:                       w.key.Item(),
			UpdateExpression:          &w.set,
			ConditionExpression:       &w.when,
			ExpressionAttributeNames:  w.aliases(),
			ExpressionAttributeValues: w.values,
		})
		return err
	})
	if dynamo.ConditionFailed(err) {
		return false, nil
	}
	return err == nil, err
}

// Lease is a worker's claim to a job, or to a unit of one.
type Lease struct {
	Ref       event.VideoRef
	MessageID string
	Token     string
	Now       time.Time
	Until     time.Time
}

// values are what the claim is written and decided by.
func (l Lease) values(others dynamo.Item) dynamo.Item {
	others[":message"] = dynamo.S(l.MessageID)
	others[":now"], others[":until"] = dynamo.N(l.Now.UnixMilli()), dynamo.N(l.Until.UnixMilli())
	return ownedBy(l.Token, others)
}

// own is the condition that a worker has the job, or the unit.
const own = "#token = :token AND #state = :running"

// goesOn is the condition that a run is the one that is worked on.
const goesOn = "#run = :run AND #state = :running"

// ofRun adds the values of goesOn.
func ofRun(ref event.VideoRef, others dynamo.Item) dynamo.Item {
	others[":run"], others[":running"] = dynamo.N(ref.Run), dynamo.S(string(Running))
	return others
}

// ownedBy adds the values of own.
func ownedBy(token string, others dynamo.Item) dynamo.Item {
	others[":token"], others[":running"] = dynamo.S(token), dynamo.S(string(Running))
	return others
}

// Claim gives the job to a worker, and publishes the event of its start. A
// message that comes again is taken as a sign that its worker died.
//
// It gives errDone when the run, or a later one, has ended or goes on, errDeleted
// when the video was deleted or its owner erased, and errElsewhere when another message's worker has
// it.
func (s *Store) Claim(ctx context.Context, l Lease, started event.Event) (*Job, error) {
	claimed, err := s.begin(ctx, l.Ref.OwnerID, write{
		key: jobKey(l.Ref.VideoID),
		set: "SET video_id = :video, owner_id = :owner, #run = :run, #state = :running, #token = :token, " +
			"message_id = :message, lease_until = :until, #ttl = :ttl",
		when: "attribute_not_exists(pk) OR (#state <> :deleted AND #run < :run) OR " +
			"(" + goesOn + " AND (message_id = :message OR lease_until < :now) AND " +
			"(attribute_not_exists(spread) OR spread.#run < :run OR spread.phase = :sending))",
		values: l.values(dynamo.Item{
			":video": dynamo.S(l.Ref.VideoID), ":owner": dynamo.S(l.Ref.OwnerID), ":run": dynamo.N(l.Ref.Run),
			":deleted": dynamo.S(string(Deleted)), ":sending": dynamo.S(string(Sending)),
			":ttl": dynamo.N(l.Now.Add(keepJobs).Unix()),
		}),
	}, started)
	return s.claimed(ctx, l, claimed, err)
}

// ClaimAssembly gives a worker the job whose segments are all done. The worker
// that has sent them may still have it: there is nothing more for that to do. The
// errors are those of Claim.
func (s *Store) ClaimAssembly(ctx context.Context, l Lease) (*Job, error) {
	claimed, err := s.update(ctx, write{
		key: jobKey(l.Ref.VideoID),
		set: "SET #token = :token, message_id = :message, lease_until = :until, spread.phase = :assembling",
		when: goesOn + " AND spread.#run = :run AND spread.remaining = :none AND " +
			"(spread.phase <> :assembling OR message_id = :message OR lease_until < :now)",
		values: l.values(dynamo.Item{
			":run": dynamo.N(l.Ref.Run), ":none": dynamo.N(0), ":assembling": dynamo.S(string(Assembling)),
		}),
	})
	return s.claimed(ctx, l, claimed, err)
}

// claimed reads the job after a claim, and tells why it was refused if it was.
func (s *Store) claimed(ctx context.Context, l Lease, claimed bool, err error) (*Job, error) {
	if err != nil {
		return nil, fmt.Errorf("claim job: %w", err)
	}
	job, err := s.Get(ctx, l.Ref.VideoID)
	if err != nil {
		return nil, err
	}
	erased := false
	if job == nil {
		if erased, err = s.People.Erased(ctx, l.Ref.OwnerID); err != nil {
			return nil, fmt.Errorf("claim job: %w", err)
		}
	}
	switch {
	case erased:
		return nil, errDeleted
	case claimed && job != nil && job.Token == l.Token:
		return job, nil
	case job != nil && job.State == Deleted:
		return nil, errDeleted
	case job.goesOn(l.Ref):
		return nil, errElsewhere
	default:
		return nil, errDone
	}
}

// Get finds the job of a video; nil if there is none.
func (s *Store) Get(ctx context.Context, videoID string) (*Job, error) {
	row, err := dynamo.Get[jobRow](ctx, s.DB, s.Table, jobKey(videoID))
	if err != nil {
		return nil, fmt.Errorf("get job: %w", err)
	}
	if row == nil {
		return nil, nil //nolint:nilnil // no job is no error: the upload may not have come
	}
	return row.job(), nil
}

// Renew prolongs a worker's lease; errLost if the job is no longer its own.
func (s *Store) Renew(ctx context.Context, ref event.VideoRef, token string, until time.Time) error {
	ok, err := s.update(ctx, write{
		key: jobKey(ref.VideoID), set: "SET lease_until = :until", when: own,
		values: ownedBy(token, dynamo.Item{":until": dynamo.N(until.UnixMilli())}),
	})
	if err != nil {
		return fmt.Errorf("renew lease: %w", err)
	}
	if !ok {
		return errLost
	}
	return nil
}

// Spread says that a worker has shared its job out; errLost if the job is no
// longer its own.
func (s *Store) Spread(ctx context.Context, ref event.VideoRef, token string, spread *Spread) error {
	value, err := attributevalue.Marshal(spread)
	if err != nil {
		return fmt.Errorf("share job out: %w", err)
	}
	ok, err := s.update(ctx, write{
		key: jobKey(ref.VideoID), set: "SET spread = :spread",
		when: own + " AND (attribute_not_exists(spread) OR spread.#run < :run OR spread.upload_id = :upload)",
		values: ownedBy(token, dynamo.Item{
			":spread": value, ":run": dynamo.N(ref.Run), ":upload": dynamo.S(spread.UploadID),
		}),
	})
	if err != nil {
		return fmt.Errorf("share job out: %w", err)
	}
	if !ok {
		return errLost
	}
	return nil
}

// Sent says that all have been asked to do their parts, so that the message that
// began the run may go; errLost if the job is no longer the worker's own.
func (s *Store) Sent(ctx context.Context, ref event.VideoRef, token string) error {
	ok, err := s.update(ctx, write{
		key: jobKey(ref.VideoID), set: "SET spread.phase = :sent", when: own,
		values: ownedBy(token, dynamo.Item{":sent": dynamo.S(string(Sent))}),
	})
	if err != nil {
		return fmt.Errorf("share job out: %w", err)
	}
	if !ok {
		return errLost
	}
	return nil
}

// Complete ends a worker's job with its archive, and publishes the event;
// errLost if the job is no longer its own. The owner is to be told at warnAt that the
// archive will expire, or never if that is zero.
func (s *Store) Complete(ctx context.Context, ref event.VideoRef, token string, a event.Archive, warnAt time.Time, completed event.Event) error {
	due, dueAt := dueWarnings, warnAt
	if warnAt.IsZero() {
		due, dueAt = dueArchives, a.ExpiresAt
	}
	ok, err := s.tell(ctx, write{
		key: jobKey(ref.VideoID),
		set: "SET #state = :completed, #result = :told, archive_key = :archive, manifest_key = :manifest, " +
			"due = :due, due_at = :due_at, archive_expires_at = :expires, #ttl = :ttl",
		when: own,
		values: ownedBy(token, dynamo.Item{
			":completed": dynamo.S(string(Completed)),
			":archive":   dynamo.S(a.Key), ":manifest": dynamo.S(a.ManifestKey),
			":due": dynamo.S(due), ":due_at": dynamo.N(dueAt.Unix()), ":expires": dynamo.N(a.ExpiresAt.Unix()),
			":ttl": dynamo.N(a.ExpiresAt.Add(keepJobs).Unix()),
		}),
	}, completed)
	if err != nil {
		return fmt.Errorf("complete job: %w", err)
	}
	if !ok {
		return errLost
	}
	return nil
}

// Fail ends a worker's job without an archive, and publishes the event; errLost
// if the job is no longer its own.
func (s *Store) Fail(ctx context.Context, ref event.VideoRef, token string, failed event.Event) error {
	ok, err := s.tell(ctx, write{
		key: jobKey(ref.VideoID), set: "SET #state = :failed", when: own,
		values: ownedBy(token, dynamo.Item{":failed": dynamo.S(string(Failed))}),
	}, failed)
	if err != nil {
		return fmt.Errorf("fail job: %w", err)
	}
	if !ok {
		return errLost
	}
	return nil
}

// End ends a run from outside its worker, whether it was begun or not, and
// publishes the event; false when the run, or a later one, has ended before, and
// when its owner was erased.
func (s *Store) End(ctx context.Context, ref event.VideoRef, state State, now time.Time, e event.Event) (bool, error) {
	ok, err := s.begin(ctx, ref.OwnerID, write{
		key:  jobKey(ref.VideoID),
		set:  "SET video_id = :video, owner_id = :owner, #run = :run, #state = :state, #ttl = :ttl",
		when: "attribute_not_exists(pk) OR (#state <> :deleted AND #run < :run) OR (" + goesOn + ")",
		values: ofRun(ref, dynamo.Item{
			":video": dynamo.S(ref.VideoID), ":owner": dynamo.S(ref.OwnerID),
			":state": dynamo.S(string(state)), ":deleted": dynamo.S(string(Deleted)),
			":ttl": dynamo.N(now.Add(keepJobs).Unix()),
		}),
	}, e)
	if err != nil {
		return false, fmt.Errorf("end job: %w", err)
	}
	return ok, nil
}

// Bury puts a tombstone in the place of a job: messages that come later must
// not begin it again. It gives the job as it was; nil if there was none.
func (s *Store) Bury(ctx context.Context, ref event.VideoRef, now time.Time) (*Job, error) {
	item := jobKey(ref.VideoID).Item()
	item["video_id"], item["owner_id"] = dynamo.S(ref.VideoID), dynamo.S(ref.OwnerID)
	item["run"], item["state"] = dynamo.N(ref.Run), dynamo.S(string(Deleted))
	item["ttl"] = dynamo.N(now.Add(keepJobs).Unix())
	out, err := s.DB.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.Table, Item: item, ReturnValues: types.ReturnValueAllOld,
	})
	if err != nil {
		return nil, fmt.Errorf("bury job: %w", err)
	}
	if out.Attributes == nil {
		return nil, nil //nolint:nilnil // see above
	}
	row, err := dynamo.Unmarshal[jobRow](out.Attributes)
	if err != nil {
		return nil, err
	}
	return row.job(), nil
}

// Expired lists jobs whose archive has expired, at most limit.
func (s *Store) Expired(ctx context.Context, now time.Time, limit int32) ([]*Job, error) {
	return s.due(ctx, dueArchives, now, limit, func(job *Job) bool {
		return job.ArchiveKey != "" && job.WarnAt.IsZero() && !job.ArchiveExpiresAt.After(now)
	})
}

// Expiring lists jobs whose owner is to be told that the archive will expire, at most
// limit.
func (s *Store) Expiring(ctx context.Context, now time.Time, limit int32) ([]*Job, error) {
	return s.due(ctx, dueWarnings, now, limit, func(job *Job) bool {
		return !job.WarnAt.IsZero() && !job.WarnAt.After(now)
	})
}

// due lists jobs of a partition whose time has come. The index runs behind the table: a
// retry may just have put a newer archive in the place of the one that is due, so that
// each is asked whether it is.
func (s *Store) due(ctx context.Context, partition string, now time.Time, limit int32, is func(*Job) bool) ([]*Job, error) {
	out, err := s.DB.Query(ctx, &dynamodb.QueryInput{
		TableName:                 &s.Table,
		IndexName:                 aws.String("due"),
		KeyConditionExpression:    aws.String("due = :due AND due_at <= :now"),
		ExpressionAttributeValues: dynamo.Item{":due": dynamo.S(partition), ":now": dynamo.N(now.Unix())},
		Limit:                     &limit,
	})
	if err != nil {
		return nil, fmt.Errorf("query archives that are due: %w", err)
	}
	var jobs []*Job
	for _, item := range out.Items {
		key, err := dynamo.Unmarshal[dynamo.Key](item)
		if err != nil {
			return nil, err
		}
		job, err := s.Get(ctx, strings.TrimPrefix(key.PK, "video#"))
		if err != nil {
			return nil, err
		}
		if job != nil && is(job) {
			jobs = append(jobs, job)
		}
	}
	return jobs, nil
}

// Warn says that an archive will expire, and publishes the event that tells of it if
// there is one, unless the job is not as it was read.
func (s *Store) Warn(ctx context.Context, job *Job, e *event.Event) error {
	w := write{
		key:  jobKey(job.Ref.VideoID),
		set:  "SET due = :archives, due_at = :expires",
		when: "#run = :run AND #state = :before AND due = :warnings",
		values: dynamo.Item{
			":archives": dynamo.S(dueArchives), ":warnings": dynamo.S(dueWarnings),
			":expires": dynamo.N(job.ArchiveExpiresAt.Unix()),
			":run":     dynamo.N(job.Ref.Run), ":before": dynamo.S(string(job.State)),
		},
	}
	var err error
	if e != nil {
		_, err = s.commitAll(ctx, []types.TransactWriteItem{s.item(w)}, *e)
	} else {
		_, err = s.update(ctx, w)
	}
	if err != nil {
		return fmt.Errorf("warn of an archive's end: %w", err)
	}
	return nil
}

// Expire says that an archive has expired, and publishes the event that tells of it
// if there is one; false when the job is not as it was read.
func (s *Store) Expire(ctx context.Context, job *Job, e *event.Event) (bool, error) {
	state := job.State
	if state == Completed {
		state = Expired
	}
	w := write{
		key:  jobKey(job.Ref.VideoID),
		set:  "SET #state = :state REMOVE archive_key, manifest_key, archive_expires_at, due, due_at",
		when: "#run = :run AND #state = :before",
		values: dynamo.Item{
			":run": dynamo.N(job.Ref.Run), ":before": dynamo.S(string(job.State)), ":state": dynamo.S(string(state)),
		},
	}
	var ok bool
	var err error
	if e != nil {
		ok, err = s.tell(ctx, w, *e)
	} else {
		ok, err = s.update(ctx, w)
	}
	if err != nil {
		return false, fmt.Errorf("expire archive: %w", err)
	}
	return ok, nil
}
