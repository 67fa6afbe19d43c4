package sqs

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const maxListed = 1000

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func validQueueName(name string) bool { return queueName.MatchString(name) }

// queue is a row of the queues table.
type queue struct {
	id                int64
	name              string
	attributes        attributes
	tags              map[string]string
	created, modified int64 // seconds since 1970
}

const queueColumns = `id, name, attributes, tags, created, modified`

func scanQueue(r row) (*queue, error) {
	var q queue
	var attrs, tags string
	if err := r.Scan(&q.id, &q.name, &attrs, &tags, &q.created, &q.modified); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(attrs), &q.attributes); err != nil {
		return nil, fmt.Errorf("attributes of queue %s: %w", q.name, err)
	}
	if err := json.Unmarshal([]byte(tags), &q.tags); err != nil {
		return nil, fmt.Errorf("tags of queue %s: %w", q.name, err)
	}
	return &q, nil
}

// oldestSent is the sending time, in milliseconds, before which messages have
// passed the queue's retention period.
func (q *queue) oldestSent(now int64) int64 {
	return now - int64(q.attributes.number(attrRetention))*1000
}

// findQueue gives the queue of that name, or the QueueDoesNotExist error.
func findQueue(ctx context.Context, from querier, name string) (*queue, error) {
	q, err := scanQueue(from.queryRow(ctx, `SELECT `+queueColumns+` FROM queues WHERE name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errQueueDoesNotExist()
	}
	return q, err
}

// nameOfURL gives the queue's name out of a queue URL of whatever host: the last
// two parts of its path are the account and the name. Who reaches the stack by
// another name or through a proxy has another host in his URLs.
func (s *Server) nameOfURL(queueURL string) (string, error) {
	if queueURL == "" {
		return "", errMissingParameter("QueueUrl")
	}
	u, err := url.Parse(queueURL)
	if err != nil {
		return "", errInvalidAddress(queueURL)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if u.Host == "" || len(parts) < 2 {
		return "", errInvalidAddress(queueURL)
	}
	account, name := parts[len(parts)-2], parts[len(parts)-1]
	if account != s.opts.AccountID || !validQueueName(name) {
		return "", errQueueDoesNotExist()
	}
	return name, nil
}

// updateQueue runs an operation on the queue with this URL.
func (s *Server) updateQueue(ctx context.Context, queueURL string, run func(*txn, *queue) error) error {
	name, err := s.nameOfURL(queueURL)
	if err != nil {
		return err
	}
	return s.store.update(ctx, func(tx *txn) error {
		q, err := findQueue(ctx, tx, name)
		if err != nil {
			return err
		}
		return run(tx, q)
	})
}

// readQueue finds the queue with this URL, outside the writer.
func (s *Server) readQueue(ctx context.Context, queueURL string) (*queue, error) {
	name, err := s.nameOfURL(queueURL)
	if err != nil {
		return nil, err
	}
	return findQueue(ctx, s.store.reader(), name)
}

// save writes the queue's attributes and tags back.
func (q *queue) save(tx *txn) error {
	attrs, err := encode(q.attributes)
	if err != nil {
		return err
	}
	tags, err := encode(q.tags)
	if err != nil {
		return err
	}
	return tx.exec(`UPDATE queues SET attributes = ?, tags = ?, modified = ? WHERE id = ?`, attrs, tags, q.modified, q.id)
}

type createQueueRequest struct {
	QueueName  string
	Attributes map[string]string
	Tags       map[string]string `json:"tags"`
}

type queueURLResponse struct {
	QueueURL string `json:"QueueUrl"`
}

// createQueue answers an existing queue's URL if every attribute that is given
// has the value that the queue has; tags do not matter for that.
func (s *Server) createQueue(ctx context.Context, in createQueueRequest) (queueURLResponse, error) {
	attrs, err := checkNewQueue(in)
	if err != nil {
		return queueURLResponse{}, err
	}
	err = s.store.update(ctx, func(tx *txn) error {
		existing, err := findQueue(ctx, tx, in.QueueName)
		if err == nil {
			return existing.sameAttributes(attrs)
		}
		if !refused(err) {
			return err
		}
		if err := s.checkRedriveTarget(ctx, tx, in.QueueName, attrs); err != nil {
			return err
		}
		return s.insertQueue(tx, in.QueueName, attributes{}.with(attrs), in.Tags)
	})
	return queueURLResponse{s.queueURL(ctx, in.QueueName)}, err
}

func checkNewQueue(in createQueueRequest) (attributes, error) {
	switch {
	case in.QueueName == "":
		return nil, errMissingParameter("QueueName")
	case strings.HasSuffix(in.QueueName, ".fifo"):
		return nil, errNoFIFO("A name that ends in .fifo")
	case !validQueueName(in.QueueName):
		return nil, errInvalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return parseAttributes(in.Attributes)
}

func (q *queue) sameAttributes(wanted attributes) error {
	defaults := q.attributes.settings()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		have, set := q.attributes[name]
		if !set {
			have = defaults[name]
		}
		if have != wanted[name] {
			return errQueueNameExists(name)
		}
	}
	return nil
}

func (s *Server) insertQueue(tx *txn, name string, attrs attributes, tags map[string]string) error {
	encodedAttrs, err := encode(attrs)
	if err != nil {
		return err
	}
	if tags == nil {
		tags = map[string]string{}
	}
	encodedTags, err := encode(tags)
	if err != nil {
		return err
	}
	now := s.opts.Now().Unix()
	return tx.exec(`INSERT INTO queues (name, attributes, tags, created, modified) VALUES (?, ?, ?, ?, ?)`,
		name, encodedAttrs, encodedTags, now, now)
}

// checkRedriveTarget refuses a redrive policy whose target does not exist or does
// not allow this queue.
func (s *Server) checkRedriveTarget(ctx context.Context, tx *txn, source string, attrs attributes) error {
	policy, ok := parseRedrivePolicy(attrs[attrRedrivePolicy])
	if !ok {
		return nil
	}
	target, err := s.queueOfARN(ctx, tx, policy.TargetARN)
	if refused(err) {
		return errPolicyValue(attrRedrivePolicy, attrs[attrRedrivePolicy], "Dead letter target does not exist.")
	}
	if err != nil {
		return err
	}
	if !parseRedriveAllowPolicy(target.attributes[attrRedriveAllowPolicy]).allows(s.queueARN(source)) {
		return errPolicyValue(attrRedrivePolicy, attrs[attrRedrivePolicy],
			"Source queue is not allowed by the RedriveAllowPolicy of the dead letter target.")
	}
	return nil
}

// queueOfARN gives the queue with this ARN, or the QueueDoesNotExist error.
func (s *Server) queueOfARN(ctx context.Context, from querier, arn string) (*queue, error) {
	name, ok := s.nameOfARN(arn)
	if !ok {
		return nil, errQueueDoesNotExist()
	}
	return findQueue(ctx, from, name)
}

type queueRequest struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Server) deleteQueue(ctx context.Context, in queueRequest) (empty, error) {
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		tx.ring(q.id) // long polls learn that their queue is gone
		return errors.Join(
			tx.exec(`DELETE FROM messages WHERE queue_id = ?`, q.id),
			tx.exec(`DELETE FROM move_tasks WHERE source_id = ?`, q.id),
			tx.exec(`DELETE FROM queues WHERE id = ?`, q.id),
		)
	})
}

func (s *Server) purgeQueue(ctx context.Context, in queueRequest) (empty, error) {
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		return tx.exec(`DELETE FROM messages WHERE queue_id = ?`, q.id)
	})
}

func (s *Server) getQueueURL(ctx context.Context, in struct{ QueueName string }) (queueURLResponse, error) {
	if in.QueueName == "" {
		return queueURLResponse{}, errMissingParameter("QueueName")
	}
	q, err := findQueue(ctx, s.store.reader(), in.QueueName)
	if err != nil {
		return queueURLResponse{}, err
	}
	return queueURLResponse{s.queueURL(ctx, q.name)}, nil
}

type page struct {
	MaxResults *int
	NextToken  string
}

// bounds checks the page asked for and gives its size and the name it starts after.
func (p page) bounds() (size int, after string, err error) {
	size = maxListed
	if p.MaxResults != nil {
		size = *p.MaxResults
		if size < 1 || size > maxListed {
			return 0, "", errOutOfRange("MaxResults", size, "Must be between 1 and 1000, if provided")
		}
	}
	name, err := base64.URLEncoding.DecodeString(p.NextToken)
	if err != nil {
		return 0, "", errInvalidParameter("Invalid or expired next token.")
	}
	return size, string(name), nil
}

// cut takes a page out of names in order, of which one more than fits was asked for.
// There is a token only if the caller limited the page, as SQS documents it.
func (p page) cut(names []string, size int) (page []string, next string) {
	if len(names) <= size {
		return names, ""
	}
	names = names[:size]
	if p.MaxResults == nil {
		return names, ""
	}
	return names, base64.URLEncoding.EncodeToString([]byte(names[size-1]))
}

func (s *Server) urls(ctx context.Context, names []string) []string {
	urls := make([]string, len(names))
	for i, name := range names {
		urls[i] = s.queueURL(ctx, name)
	}
	return urls
}

type listQueuesRequest struct {
	page

	QueueNamePrefix string
}

type listQueuesResponse struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:",omitempty"`
}

func (s *Server) listQueues(ctx context.Context, in listQueuesRequest) (listQueuesResponse, error) {
	size, after, err := in.bounds()
	if err != nil {
		return listQueuesResponse{}, err
	}
	rows, err := s.store.reader().query(ctx,
		`SELECT name FROM queues WHERE name > ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?`,
		after, len(in.QueueNamePrefix), in.QueueNamePrefix, size+1)
	names, err := collect(rows, err, scanString)
	if err != nil {
		return listQueuesResponse{}, err
	}
	names, next := in.cut(names, size)
	return listQueuesResponse{QueueURLs: s.urls(ctx, names), NextToken: next}, nil
}

func scanString(r row) (string, error) {
	var v string
	err := r.Scan(&v)
	return v, err
}

type listSourcesRequest struct {
	page
	queueRequest
}

type listSourcesResponse struct {
	QueueURLs []string `json:"queueUrls"`
	NextToken string   `json:",omitempty"`
}

func (s *Server) listDeadLetterSourceQueues(ctx context.Context, in listSourcesRequest) (listSourcesResponse, error) {
	size, after, err := in.bounds()
	if err != nil {
		return listSourcesResponse{}, err
	}
	q, err := s.readQueue(ctx, in.QueueURL)
	if err != nil {
		return listSourcesResponse{}, err
	}
	sources, err := s.sourcesOf(ctx, s.store.reader(), q.name)
	if err != nil {
		return listSourcesResponse{}, err
	}
	first, found := slices.BinarySearch(sources, after)
	if found {
		first++
	}
	names, next := in.cut(sources[first:], size)
	return listSourcesResponse{QueueURLs: s.urls(ctx, names), NextToken: next}, nil
}

// sourcesOf gives the names, in order, of the queues whose dead letters go to the
// queue of that name.
func (s *Server) sourcesOf(ctx context.Context, from querier, name string) ([]string, error) {
	rows, err := from.query(ctx, `SELECT `+queueColumns+` FROM queues ORDER BY name`)
	all, err := collect(rows, err, scanQueue)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, q := range all {
		policy, ok := parseRedrivePolicy(q.attributes[attrRedrivePolicy])
		if ok && policy.TargetARN == s.queueARN(name) {
			names = append(names, q.name)
		}
	}
	return names, nil
}

type getAttributesRequest struct {
	queueRequest

	AttributeNames []string
}

type getAttributesResponse struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *Server) getQueueAttributes(ctx context.Context, in getAttributesRequest) (getAttributesResponse, error) {
	for _, name := range in.AttributeNames {
		if err := checkAttributeName(name); err != nil {
			return getAttributesResponse{}, err
		}
	}
	q, err := s.readQueue(ctx, in.QueueURL)
	if err != nil {
		return getAttributesResponse{}, err
	}
	all, err := s.allAttributes(ctx, q, in.AttributeNames)
	if err != nil || slices.Contains(in.AttributeNames, "All") {
		return getAttributesResponse{all}, err
	}
	wanted := make(map[string]string, len(in.AttributeNames))
	for _, name := range in.AttributeNames {
		if value, ok := all[name]; ok {
			wanted[name] = value
		}
	}
	return getAttributesResponse{wanted}, nil
}

func checkAttributeName(name string) error {
	_, number := numberAttributes()[name]
	known := number || fifoAttribute(name) || slices.Contains(computedAttributes(), name) ||
		slices.Contains([]string{"All", attrPolicy, attrRedrivePolicy, attrRedriveAllowPolicy, attrKmsKey, attrManagedSse}, name)
	if !known {
		return errInvalidAttributeName(name)
	}
	return nil
}

// allAttributes counts messages only if one of the wanted attributes needs it.
func (s *Server) allAttributes(ctx context.Context, q *queue, wanted []string) (map[string]string, error) {
	all := q.attributes.settings()
	all["QueueArn"] = s.queueARN(q.name)
	all["CreatedTimestamp"] = strconv.FormatInt(q.created, 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modified, 10)
	counting := func(name string) bool { return name == "All" || strings.HasPrefix(name, "ApproximateNumber") }
	if !slices.ContainsFunc(wanted, counting) {
		return all, nil
	}
	n, err := s.countMessages(ctx, s.store.reader(), q)
	if err != nil {
		return nil, err
	}
	all["ApproximateNumberOfMessages"] = strconv.FormatInt(n.visible, 10)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.FormatInt(n.inFlight, 10)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.FormatInt(n.delayed, 10)
	return all, nil
}

type setAttributesRequest struct {
	queueRequest

	Attributes map[string]string
}

func (s *Server) setQueueAttributes(ctx context.Context, in setAttributesRequest) (empty, error) {
	if len(in.Attributes) == 0 {
		return empty{}, errMissingParameter("Attribute.Name")
	}
	changes, err := parseAttributes(in.Attributes)
	if err != nil {
		return empty{}, err
	}
	return empty{}, s.updateQueue(ctx, in.QueueURL, func(tx *txn, q *queue) error {
		if err := s.checkRedriveTarget(ctx, tx, q.name, changes); err != nil {
			return err
		}
		q.attributes = q.attributes.with(changes)
		q.modified = s.opts.Now().Unix()
		tx.ring(q.id)
		return q.save(tx)
	})
}
