package dynamodb

import (
	"context"
	"encoding/json"
	"errors"
)

// common is the parameters that several item calls share.
type common struct {
	TableName              string
	ReturnConsumedCapacity string
}

// legacy is the parameters that expressions replaced. The service still knows them; this endpoint refuses them.
type legacy struct {
	Expected            json.RawMessage
	ConditionalOperator json.RawMessage
	AttributeUpdates    json.RawMessage
	AttributesToGet     json.RawMessage
	KeyConditions       json.RawMessage
	QueryFilter         json.RawMessage
	ScanFilter          json.RawMessage
}

func (l *legacy) check() error {
	for _, parameter := range []struct {
		name, instead string
		given         json.RawMessage
	}{
		{"Expected", "ConditionExpression", l.Expected},
		{"ConditionalOperator", "AND and OR in expressions", l.ConditionalOperator},
		{"AttributeUpdates", "UpdateExpression", l.AttributeUpdates},
		{"AttributesToGet", "ProjectionExpression", l.AttributesToGet},
		{"KeyConditions", "KeyConditionExpression", l.KeyConditions},
		{"QueryFilter", "FilterExpression", l.QueryFilter},
		{"ScanFilter", "FilterExpression", l.ScanFilter},
	} {
		if parameter.given != nil && string(parameter.given) != "null" {
			return validationError("The legacy parameter %s is not supported by this endpoint: use %s", parameter.name, parameter.instead)
		}
	}
	return nil
}

func (c *common) violations(v *violations) {
	v.oneOf(c.ReturnConsumedCapacity, "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE")
	checkTableName(v, c.TableName, "tableName")
}

func checkTableName(v *violations, name, at string) {
	if name == "" {
		v.required(false, at)
		return
	}
	v.name(name, at)
}

// writeInput is PutItem, UpdateItem and DeleteItem: each has some of the members.
type writeInput struct {
	common
	legacy
	expressionSet

	Item                                item
	Key                                 item
	ReturnValues                        string
	ReturnItemCollectionMetrics         string
	ReturnValuesOnConditionCheckFailure string
}

type writeOutput struct {
	Attributes       item      `json:",omitempty"`
	ConsumedCapacity *consumed `json:",omitempty"`
}

// check checks what does not need the table; subject is the item or key, by the name of its parameter.
func (in *writeInput) check(subject item, parameter string) error {
	if err := in.legacy.check(); err != nil {
		return err
	}
	var v violations
	in.violations(&v)
	v.required(subject != nil, parameter)
	v.oneOf(in.ReturnValues, "returnValues", "ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
	v.oneOf(in.ReturnItemCollectionMetrics, "returnItemCollectionMetrics", "SIZE", "NONE")
	v.oneOf(in.ReturnValuesOnConditionCheckFailure, "returnValuesOnConditionCheckFailure", "ALL_OLD", "NONE")
	if err := v.err(); err != nil {
		return err
	}
	if in.ReturnItemCollectionMetrics == "SIZE" {
		return validationError("ReturnItemCollectionMetrics SIZE is not supported by this endpoint")
	}
	return subject.validate()
}

func (in *writeInput) write(v verb, subject item, expressions *expressions) *write {
	return &write{verb: v, table: in.TableName, item: subject, expressions: expressions, onFailure: in.ReturnValuesOnConditionCheckFailure}
}

// run does a single write and answers what was asked to be returned.
func (s *Server) run(in *writeInput, w *write) (*writeOutput, error) {
	var done mutation
	err := s.store.write(func(tx *transaction) error {
		m, err := w.plan(tx)
		if err != nil {
			return err
		}
		tx.queue(m)
		done = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &writeOutput{Attributes: in.returned(done, w.expressions)}
	if in.ReturnConsumedCapacity != "" {
		c := newConsumed(in.TableName)
		c.addWrite(done, 1)
		out.ConsumedCapacity = c.report(in.ReturnConsumedCapacity)
	}
	return out, nil
}

func (in *writeInput) returned(m mutation, x *expressions) item {
	switch in.ReturnValues {
	case "ALL_OLD":
		return m.old
	case "ALL_NEW":
		return m.new
	case "UPDATED_OLD":
		if x.update != nil {
			return x.update.changed.of(m.old)
		}
	case "UPDATED_NEW":
		if x.update != nil {
			return x.update.changed.of(m.new)
		}
	}
	return nil
}

// checkReturnValues is for the calls that know no new values.
func (in *writeInput) checkReturnValues() error {
	if in.ReturnValues != "" && in.ReturnValues != "ALL_OLD" && in.ReturnValues != "NONE" {
		return validationError("ReturnValues can only be ALL_OLD or NONE")
	}
	return nil
}

var errItemSize = validationError("Item size has exceeded the maximum allowed size")

func (s *Server) putItem(_ context.Context, in *writeInput) (*writeOutput, error) {
	if err := in.check(in.Item, "item"); err != nil {
		return nil, err
	}
	if err := in.checkReturnValues(); err != nil {
		return nil, err
	}
	if in.Item.size() > maxItemSize {
		return nil, errItemSize
	}
	x, err := in.parse("ConditionExpression")
	if err != nil {
		return nil, err
	}
	return s.run(in, in.write(verbPut, in.Item, x))
}

func (s *Server) updateItem(_ context.Context, in *writeInput) (*writeOutput, error) {
	if err := in.check(in.Key, "key"); err != nil {
		return nil, err
	}
	x, err := in.parse("UpdateExpression", "ConditionExpression")
	if err != nil {
		return nil, err
	}
	return s.run(in, in.write(verbUpdate, in.Key, x))
}

func (s *Server) deleteItem(_ context.Context, in *writeInput) (*writeOutput, error) {
	if err := in.check(in.Key, "key"); err != nil {
		return nil, err
	}
	if err := in.checkReturnValues(); err != nil {
		return nil, err
	}
	x, err := in.parse("ConditionExpression")
	if err != nil {
		return nil, err
	}
	return s.run(in, in.write(verbDelete, in.Key, x))
}

type getItemInput struct {
	common
	legacy
	expressionSet

	Key            item
	ConsistentRead bool
}

type getItemOutput struct {
	Item             *item     `json:",omitempty"`
	ConsumedCapacity *consumed `json:",omitempty"`
}

func (s *Server) getItem(ctx context.Context, in *getItemInput) (*getItemOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	x, err := in.parse("ProjectionExpression")
	if err != nil {
		return nil, err
	}
	t := s.store.table(in.TableName)
	if t == nil {
		return nil, noTable()
	}
	if err := errors.Join(t.checkKey(in.Key), t.checkProjection(x.projection)); err != nil {
		return nil, err
	}
	found, err := s.store.item(ctx, t, t.itemKey(in.Key))
	if err != nil {
		return nil, err
	}
	out := &getItemOutput{}
	if found != nil {
		picked := x.projection.of(found)
		out.Item = &picked
	}
	c := newConsumed(in.TableName)
	c.addTable(readUnits(found.size(), in.ConsistentRead))
	out.ConsumedCapacity = c.report(in.ReturnConsumedCapacity)
	return out, nil
}

func (in *getItemInput) check() error {
	if err := in.legacy.check(); err != nil {
		return err
	}
	var v violations
	in.violations(&v)
	v.required(in.Key != nil, "key")
	if err := v.err(); err != nil {
		return err
	}
	return in.Key.validate()
}

// checkProjection refuses paths into key attributes.
func (t *table) checkProjection(p *projection) error {
	return t.checkKeyPaths(func(each func(path)) {
		if p == nil {
			return
		}
		for _, path := range p.paths {
			each(path)
		}
	})
}
