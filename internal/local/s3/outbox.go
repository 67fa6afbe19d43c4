package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	firstRetry     = 50 * time.Millisecond // after the first failed delivery; doubles with each
	lastRetry      = 30 * time.Second      // the longest wait between two deliveries
	deliverTimeout = 30 * time.Second      // for one call of Options.Notify
	deliverBatch   = 100                   // events read from the outbox at once
)

// change is something about to happen to one object that a queue wants to hear
// of. It is stored as the intent.
type change struct {
	Bucket    string `json:"bucket"`
	Key       string `json:"key"`
	VersionID string `json:"version_id,omitempty"` // of a version to be removed
	Event     string `json:"event"`                // as in a record: "ObjectCreated:Put"
	Prior     string `json:"prior,omitempty"`      // objectState.identity before the change
	Origin    origin `json:"origin"`
}

// origin tells who asked for a change.
type origin struct {
	RequestID string `json:"request_id"`
	HostID    string `json:"host_id"`
	SourceIP  string `json:"source_ip"`
	Principal string `json:"principal"`
}

// group is the part of the event's name that notification rules can wildcard.
func (c *change) group() string {
	group, _, _ := strings.Cut(c.Event, ":")
	return group
}

// creates tells whether the change makes an object rather than removing one.
func (c *change) creates() bool { return c.group() == "ObjectCreated" }

// intent is a change that is written down but whose outcome is not.
type intent struct {
	change

	id int64
}

// objectState is what the object store says of an object; zero if there is none.
type objectState struct {
	exists    bool
	etag      string
	size      int64
	versionID string
	modified  time.Time
}

// identity differs between any two objects stored under one key, even of equal
// content: every upload is a new file with its own time of modification.
func (o objectState) identity() string {
	if !o.exists {
		return ""
	}
	return fmt.Sprintf("%s %s %d", o.etag, o.versionID, o.modified.UnixNano())
}

// outbox makes notifications of changes, surviving the process.
//
// A change is recorded with begin before the object store commits it. Then
// settle turns the intent into events in the same transaction that removes it,
// drop forgets it, and release leaves the decision to a later look at the
// object. Whatever a dead process left is decided by recover.
type outbox struct {
	store  *store
	rules  func(bucket string) []notificationRule
	probe  func(ctx context.Context, bucket, key, versionID string) (objectState, error)
	notify func(ctx context.Context, queueARN, body string) error
	now    func() time.Time
	region string
	owner  string
	logger *slog.Logger

	mu       sync.Mutex
	released []intent
	wake     chan struct{}
	retries  map[string]retry // by queue; used by run only
}

// retry is when to try a queue again that failed some times in a row.
type retry struct {
	failures int
	at       time.Time
}

// begin writes down the changes that some rule of their bucket may match. The
// result holds one intent per change, nil where no rule would care. On an error
// nothing is written and the changes must not be made.
func (o *outbox) begin(ctx context.Context, changes []change) ([]*intent, error) {
	intents := make([]*intent, len(changes))
	var documents [][]byte
	for i, c := range changes {
		if !o.concerned(&c) {
			continue
		}
		document, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encode intent: %w", err)
		}
		documents = append(documents, document)
		intents[i] = &intent{change: c}
	}
	if len(documents) == 0 {
		return intents, nil
	}
	ids, err := o.store.addIntents(ctx, documents)
	if err != nil {
		return nil, err
	}
	for _, in := range intents {
		if in != nil {
			in.id, ids = ids[0], ids[1:]
		}
	}
	return intents, nil
}

// concerned tells whether a rule could match the change.
func (o *outbox) concerned(c *change) bool {
	return slices.ContainsFunc(o.rules(c.Bucket), func(rule notificationRule) bool { return rule.concerns(c.group(), c.Key) })
}

// settle records that the change happened. If that fails the intent stays and
// the event follows later, so the caller need not know.
func (o *outbox) settle(ctx context.Context, in *intent, object objectState) {
	if err := o.trySettle(ctx, in, object); err != nil {
		o.logger.WarnContext(ctx, "S3 event postponed", "bucket", in.Bucket, "key", in.Key, "error", err)
		o.release(in)
	}
}

func (o *outbox) trySettle(ctx context.Context, in *intent, object objectState) error {
	var events []queuedRecord
	for _, rule := range o.rules(in.Bucket) {
		if !rule.matches(in.Event, in.Key) {
			continue
		}
		record, err := json.Marshal(o.record(in, rule.ID, object))
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		events = append(events, queuedRecord{queue: rule.Queue, record: record})
	}
	if err := o.store.settleIntent(context.WithoutCancel(ctx), in.id, events); err != nil {
		return err
	}
	if len(events) > 0 {
		o.rouse()
	}
	return nil
}

// record describes a change that happened; its sequencer is added on delivery.
func (o *outbox) record(in *intent, ruleID string, object objectState) eventRecord {
	entity := eventObject{Key: encodeKey(in.Key), VersionID: object.versionID}
	if in.creates() {
		entity.Size = &object.size
		entity.ETag = strings.Trim(object.etag, `"`)
	}
	return eventRecord{
		EventVersion:      "2.1",
		EventSource:       "aws:s3",
		AWSRegion:         o.region,
		EventTime:         o.now().UTC().Format(eventTime),
		EventName:         in.Event,
		UserIdentity:      principal{in.Origin.Principal},
		RequestParameters: requestParameters{in.Origin.SourceIP},
		ResponseElements:  responseElements{RequestID: in.Origin.RequestID, HostID: in.Origin.HostID},
		S3: s3Entity{
			SchemaVersion:   "1.0",
			ConfigurationID: ruleID,
			Bucket:          eventBucket{Name: in.Bucket, OwnerIdentity: principal{o.owner}, ARN: "arn:aws:s3:::" + in.Bucket},
			Object:          entity,
		},
	}
}

// drop records that the change did not happen.
func (o *outbox) drop(ctx context.Context, in *intent) {
	if err := o.store.settleIntent(context.WithoutCancel(ctx), in.id, nil); err != nil {
		o.logger.WarnContext(ctx, "S3 intent left behind", "bucket", in.Bucket, "key", in.Key, "error", err)
		o.release(in)
	}
}

// release hands over an intent whose outcome the caller does not know.
func (o *outbox) release(in *intent) {
	o.mu.Lock()
	o.released = append(o.released, *in)
	o.mu.Unlock()
	o.rouse()
}

func (o *outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// recover decides all intents that an earlier process left. It runs before the
// first request, while the objects are as that process left them.
func (o *outbox) recover(ctx context.Context) error {
	rows, err := o.store.intents(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		in := intent{id: row.id}
		if err := json.Unmarshal(row.document, &in.change); err != nil {
			return fmt.Errorf("decode intent %d: %w", row.id, err)
		}
		if err := o.decide(ctx, &in); err != nil {
			return err
		}
	}
	return nil
}

// decide looks at the object to find out whether a change happened. In doubt it
// did: consumers must bear an event twice, but could not bear its loss.
func (o *outbox) decide(ctx context.Context, in *intent) error {
	object, err := o.probe(ctx, in.Bucket, in.Key, in.VersionID)
	if err != nil {
		return fmt.Errorf("look at %s/%s: %w", in.Bucket, in.Key, err)
	}
	changed := object.identity() != in.Prior
	if in.creates() {
		changed = changed && object.exists
	}
	if !changed {
		return o.store.settleIntent(ctx, in.id, nil)
	}
	return o.trySettle(ctx, in, object)
}

// run delivers events until the context ends.
func (o *outbox) run(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(o.round(ctx))
		select {
		case <-ctx.Done():
		case <-o.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round decides what was released, delivers what can be delivered and returns
// how long nothing more needs doing unless roused.
func (o *outbox) round(ctx context.Context) time.Duration {
	wait := o.decideReleased(ctx)
	queues, err := o.store.queuesWaiting(ctx)
	if err != nil {
		o.complain(ctx, "S3 events postponed", err)
		return min(wait, lastRetry)
	}
	maps.DeleteFunc(o.retries, func(queue string, _ retry) bool { return !slices.Contains(queues, queue) })
	for _, queue := range queues {
		wait = min(wait, o.deliver(ctx, queue))
	}
	return wait
}

// decideReleased decides all released intents; those it cannot stay released.
func (o *outbox) decideReleased(ctx context.Context) time.Duration {
	o.mu.Lock()
	released := o.released
	o.released = nil
	o.mu.Unlock()
	wait := lastRetry
	for i := range released {
		if err := o.decide(ctx, &released[i]); err != nil {
			o.complain(ctx, "S3 intent still undecided", err)
			o.mu.Lock()
			o.released = append(o.released, released[i])
			o.mu.Unlock()
			wait = firstRetry
		}
	}
	return wait
}

// deliver sends a queue's events in order until none is left or one fails, and
// returns how long to leave the queue alone.
func (o *outbox) deliver(ctx context.Context, queue string) time.Duration {
	if rest := time.Until(o.retries[queue].at); rest > 0 {
		return rest
	}
	for {
		events, err := o.store.eventsFor(ctx, queue, deliverBatch)
		if err != nil {
			o.complain(ctx, "S3 events postponed", err)
			return lastRetry
		}
		if len(events) == 0 {
			delete(o.retries, queue)
			return lastRetry
		}
		for _, event := range events {
			if err := o.deliverOne(ctx, queue, event); err != nil {
				return o.backOff(ctx, queue, err)
			}
		}
	}
}

func (o *outbox) deliverOne(ctx context.Context, queue string, event stored) error {
	body, err := messageBody(event)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	if err := o.notify(ctx, queue, body); err != nil {
		return err
	}
	return o.store.deleteEvent(context.WithoutCancel(ctx), event.id)
}

func (o *outbox) backOff(ctx context.Context, queue string, err error) time.Duration {
	failures := o.retries[queue].failures
	wait := min(firstRetry<<min(failures, 20), lastRetry)
	o.retries[queue] = retry{failures: failures + 1, at: time.Now().Add(wait)}
	o.complain(ctx, "S3 event not delivered, will retry", err, "queue", queue, "failures", failures+1)
	return wait
}

// complain logs a failure unless it is only that the server is closing.
func (o *outbox) complain(ctx context.Context, message string, err error, attributes ...any) {
	if ctx.Err() == nil {
		o.logger.WarnContext(ctx, message, append(attributes, "error", err)...)
	}
}
