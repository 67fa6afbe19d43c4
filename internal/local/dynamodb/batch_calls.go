package dynamodb

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
)

const (
	maxBatchGet      = 100
	maxBatchWrite    = 25
	maxBatchResponse = 16 << 20 // bytes
)

type keysAndAttributes struct {
	expressionSet
	legacy

	Keys           []item
	ConsistentRead bool
}

type batchGetInput struct {
	RequestItems           map[string]*keysAndAttributes
	ReturnConsumedCapacity string
}

// unprocessed is a table's share of UnprocessedKeys: what the caller has to ask for again.
type unprocessed struct {
	Keys                     []item
	ConsistentRead           bool              `json:",omitempty"`
	ProjectionExpression     *string           `json:",omitempty"`
	ExpressionAttributeNames map[string]string `json:",omitempty"`
}

type batchGetOutput struct {
	Responses        map[string][]item
	UnprocessedKeys  map[string]*unprocessed
	ConsumedCapacity []*consumed `json:",omitempty"`
}

func (in *batchGetInput) check() error {
	var v violations
	v.oneOf(in.ReturnConsumedCapacity, "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE")
	v.required(in.RequestItems != nil, "requestItems")
	v.check(in.RequestItems == nil || len(in.RequestItems) > 0, "'{}'", "requestItems", "Member must have length greater than or equal to 1")
	count := 0
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		request := in.RequestItems[name]
		checkTableName(&v, name, "requestItems")
		v.required(request != nil && request.Keys != nil, "requestItems."+name+".member.keys")
		if request == nil {
			continue
		}
		v.check(request.Keys == nil || len(request.Keys) > 0, "'[]'", "requestItems."+name+".member.keys", "Member must have length greater than or equal to 1")
		count += len(request.Keys)
	}
	if err := v.err(); err != nil {
		return err
	}
	if count > maxBatchGet {
		return validationError("Too many items requested for the BatchGetItem call")
	}
	return nil
}

func (s *Server) batchGetItem(ctx context.Context, in *batchGetInput) (*batchGetOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	reads := make([]*batchRead, 0, len(in.RequestItems))
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		read, err := in.RequestItems[name].prepare(s.store.table(name))
		if err != nil {
			return nil, err
		}
		reads = append(reads, read)
	}
	out := &batchGetOutput{Responses: map[string][]item{}, UnprocessedKeys: map[string]*unprocessed{}}
	var capacity consumptions
	room := maxBatchResponse
	for _, read := range reads {
		out.Responses[read.table.Name] = []item{}
		if err := s.readBatch(ctx, read, out, &room, capacity.of(read.table.Name)); err != nil {
			return nil, err
		}
	}
	out.ConsumedCapacity = capacity.report(in.ReturnConsumedCapacity)
	return out, nil
}

// batchRead is a table's share of a BatchGetItem, checked.
type batchRead struct {
	request    *keysAndAttributes
	table      *table
	projection *projection
	keys       [][]byte
}

func (k *keysAndAttributes) prepare(t *table) (*batchRead, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	x, err := k.parse("ProjectionExpression")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, key := range k.Keys {
		if err := key.validate(); err != nil {
			return nil, err
		}
		text := string(key.appendJSON(nil))
		if seen[text] {
			return nil, errDuplicateKeys
		}
		seen[text] = true
	}
	if t == nil {
		return nil, noTable()
	}
	read := &batchRead{request: k, table: t, projection: x.projection}
	for _, key := range k.Keys {
		if err := errors.Join(t.checkKey(key), t.checkProjection(x.projection)); err != nil {
			return nil, err
		}
		read.keys = append(read.keys, t.itemKey(key))
	}
	return read, nil
}

var errDuplicateKeys = validationError("Provided list of item keys contains duplicates")

// readBatch reads what there is room for in the response; the rest is left unprocessed.
func (s *Server) readBatch(ctx context.Context, read *batchRead, out *batchGetOutput, room *int, capacity *consumed) error {
	name := read.table.Name
	for i, key := range read.keys {
		if *room > 0 {
			found, err := s.store.item(ctx, read.table, key)
			if err != nil {
				return err
			}
			capacity.addTable(readUnits(found.size(), read.request.ConsistentRead))
			*room -= found.size()
			if found != nil && *room >= 0 {
				out.Responses[name] = append(out.Responses[name], read.projection.of(found))
			}
			if *room >= 0 {
				continue
			}
		}
		if out.UnprocessedKeys[name] == nil {
			out.UnprocessedKeys[name] = &unprocessed{
				ConsistentRead:           read.request.ConsistentRead,
				ProjectionExpression:     read.request.Projection,
				ExpressionAttributeNames: read.request.Names,
			}
		}
		out.UnprocessedKeys[name].Keys = append(out.UnprocessedKeys[name].Keys, read.request.Keys[i])
	}
	return nil
}

type writeRequest struct {
	PutRequest    *struct{ Item item }
	DeleteRequest *struct{ Key item }
}

type batchWriteInput struct {
	RequestItems                map[string][]writeRequest
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

type batchWriteOutput struct {
	UnprocessedItems map[string][]writeRequest
	ConsumedCapacity []*consumed `json:",omitempty"`
}

func (in *batchWriteInput) check() error {
	var v violations
	v.oneOf(in.ReturnConsumedCapacity, "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE")
	v.oneOf(in.ReturnItemCollectionMetrics, "returnItemCollectionMetrics", "SIZE", "NONE")
	v.required(in.RequestItems != nil, "requestItems")
	v.check(in.RequestItems == nil || len(in.RequestItems) > 0, "'{}'", "requestItems", "Member must have length greater than or equal to 1")
	count := 0
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		checkTableName(&v, name, "requestItems")
		v.check(len(in.RequestItems[name]) > 0, "'{"+name+"=[]}'", "requestItems",
			"Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]")
		count += len(in.RequestItems[name])
	}
	if err := v.err(); err != nil {
		return err
	}
	if count > maxBatchWrite {
		return validationError("Too many items requested for the BatchWriteItem call")
	}
	if in.ReturnItemCollectionMetrics == "SIZE" {
		return validationError("ReturnItemCollectionMetrics SIZE is not supported by this endpoint")
	}
	return nil
}

// write checks one request of a batch.
func (r writeRequest) write(table string) (*write, error) {
	w := &write{table: table, expressions: &expressions{}}
	switch {
	case (r.PutRequest == nil) == (r.DeleteRequest == nil):
		return nil, validationError("%s", reasonManyTypes)
	case r.PutRequest != nil:
		w.verb, w.item = verbPut, r.PutRequest.Item
		if w.item.size() > maxItemSize {
			return nil, errItemSize
		}
	default:
		w.verb, w.item = verbDelete, r.DeleteRequest.Key
	}
	return w, w.item.validate()
}

func (s *Server) batchWriteItem(_ context.Context, in *batchWriteInput) (*batchWriteOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var writes []*write
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		for _, request := range in.RequestItems[name] {
			w, err := request.write(name)
			if err != nil {
				return nil, err
			}
			writes = append(writes, w)
		}
	}
	var capacity consumptions
	err := s.store.write(func(tx *transaction) error {
		seen := map[string]bool{}
		for _, w := range writes {
			m, err := w.plan(tx)
			if err != nil {
				return batchWriteError(err)
			}
			at := m.table.Name + "\x00" + string(m.key)
			if seen[at] {
				return errDuplicateKeys
			}
			seen[at] = true
			capacity.of(m.table.Name).addWrite(m, 1)
			tx.queue(m)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &batchWriteOutput{UnprocessedItems: map[string][]writeRequest{}, ConsumedCapacity: capacity.report(in.ReturnConsumedCapacity)}, nil
}

// batchWriteError is how a batch words a key that does not fit the table.
func batchWriteError(err error) error {
	var known *apiError
	if errors.As(err, &known) && (strings.Contains(known.message, "Missing the key") || strings.Contains(known.message, "Type mismatch for key")) {
		return errKeySchema
	}
	return err
}
