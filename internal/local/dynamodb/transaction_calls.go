package dynamodb

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	maxTransaction     = 100
	maxTransactionSize = 4 << 20 // bytes
	maxTokenLength     = 36
	tokenLifetime      = 10 * time.Minute
	transactionFactor  = 2 // of capacity units
)

type transactGetInput struct {
	TransactItems []struct {
		Get *getItemInput
	}
	ReturnConsumedCapacity string
}

type transactGetOutput struct {
	Responses        []getItemOutput
	ConsumedCapacity []*consumed `json:",omitempty"`
}

func checkTransactItems(v *violations, isNil bool, count int) {
	v.required(!isNil, "transactItems")
	v.check(isNil || count >= 1, "'[]'", "transactItems", "Member must have length greater than or equal to 1")
	v.check(count <= maxTransaction, fmt.Sprintf("'[%d items]'", count), "transactItems", "Member must have length less than or equal to 100")
}

func (s *Server) transactGetItems(ctx context.Context, in *transactGetInput) (*transactGetOutput, error) {
	var v violations
	v.oneOf(in.ReturnConsumedCapacity, "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE")
	checkTransactItems(&v, in.TransactItems == nil, len(in.TransactItems))
	for i, t := range in.TransactItems {
		v.required(t.Get != nil, member("transactItems", i)+".get")
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	tables := make([]*table, len(in.TransactItems))
	keys := make([][]byte, len(in.TransactItems))
	projections := make([]*projection, len(in.TransactItems))
	causes := make([]error, len(in.TransactItems))
	for i, t := range in.TransactItems {
		x, err := t.Get.prepare()
		if err != nil {
			return nil, err
		}
		if tables[i] = s.store.table(t.Get.TableName); tables[i] == nil {
			return nil, noTable()
		}
		projections[i] = x.projection
		if causes[i] = errors.Join(tables[i].checkKey(t.Get.Key), tables[i].checkProjection(x.projection)); causes[i] == nil {
			keys[i] = tables[i].itemKey(t.Get.Key)
		}
	}
	if err := cancelled(causes); err != nil {
		return nil, err
	}
	found, err := s.store.items(ctx, tables, keys)
	if err != nil {
		return nil, err
	}
	return in.output(found, tables, projections)
}

func (in *transactGetInput) output(found []item, tables []*table, projections []*projection) (*transactGetOutput, error) {
	out := &transactGetOutput{Responses: make([]getItemOutput, len(found))}
	var capacity consumptions
	total := 0
	for i, it := range found {
		if it != nil {
			picked := projections[i].of(it)
			out.Responses[i].Item = &picked
		}
		total += it.size()
		c := capacity.of(tables[i].Name)
		n := transactionFactor * readUnits(it.size(), true)
		c.addTable(n)
		c.ReadCapacityUnits += n
	}
	if total > maxTransactionSize {
		return nil, validationError("Collection size of the transaction items has exceeded the maximum allowed size of %d bytes", maxTransactionSize)
	}
	out.ConsumedCapacity = capacity.report(in.ReturnConsumedCapacity)
	return out, nil
}

func (in *getItemInput) prepare() (*expressions, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return in.parse("ProjectionExpression")
}

// transactWrite is one action of TransactWriteItems: one of its members.
type transactWrite struct {
	Put            *writeInput `json:",omitempty"`
	Update         *writeInput `json:",omitempty"`
	Delete         *writeInput `json:",omitempty"`
	ConditionCheck *writeInput `json:",omitempty"`
}

type transactWriteInput struct {
	TransactItems               []transactWrite
	ClientRequestToken          string
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

type transactWriteOutput struct {
	ConsumedCapacity []*consumed `json:",omitempty"`
}

func (in *transactWriteInput) check() error {
	var v violations
	v.oneOf(in.ReturnConsumedCapacity, "returnConsumedCapacity", "INDEXES", "TOTAL", "NONE")
	v.oneOf(in.ReturnItemCollectionMetrics, "returnItemCollectionMetrics", "SIZE", "NONE")
	checkTransactItems(&v, in.TransactItems == nil, len(in.TransactItems))
	v.check(len(in.ClientRequestToken) <= maxTokenLength, "'"+in.ClientRequestToken+"'", "clientRequestToken", "Member must have length less than or equal to 36")
	if err := v.err(); err != nil {
		return err
	}
	if in.ReturnItemCollectionMetrics == "SIZE" {
		return validationError("ReturnItemCollectionMetrics SIZE is not supported by this endpoint")
	}
	return nil
}

// write checks an action by itself.
func (a transactWrite) write() (*write, error) {
	var found *writeInput
	var v verb
	count := 0
	for i, in := range []*writeInput{a.Put, a.Update, a.Delete, a.ConditionCheck} {
		if in != nil {
			found, v = in, verb(i) // the verbs in their order
			count++
		}
	}
	if count != 1 {
		return nil, validationError("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	subject, parameter, sources := found.Key, "key", []string{"ConditionExpression"}
	switch v {
	case verbPut:
		subject, parameter = found.Item, "item"
		if subject.size() > maxItemSize {
			return nil, errItemSize
		}
	case verbUpdate:
		sources = []string{"UpdateExpression", "ConditionExpression"}
	}
	if err := found.check(subject, parameter); err != nil {
		return nil, err
	}
	if err := found.checkRequired(v); err != nil {
		return nil, err
	}
	x, err := found.parse(sources...)
	if err != nil {
		return nil, err
	}
	return found.write(v, subject, x), nil
}

func (in *writeInput) checkRequired(v verb) error {
	var missing violations
	missing.required(v != verbUpdate || in.Update != nil, "transactItems.member.update.updateExpression")
	missing.required(v != verbCheck || in.Condition != nil, "transactItems.member.conditionCheck.conditionExpression")
	return missing.err()
}

func (s *Server) transactWriteItems(_ context.Context, in *transactWriteInput) (*transactWriteOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	writes := make([]*write, len(in.TransactItems))
	for i, a := range in.TransactItems {
		var err error
		if writes[i], err = a.write(); err != nil {
			return nil, err
		}
	}
	digest, err := in.digest()
	if err != nil {
		return nil, err
	}
	var capacity consumptions
	err = s.store.write(func(tx *transaction) error {
		done, err := s.isRepeated(tx, in.ClientRequestToken, digest)
		if done || err != nil {
			return err
		}
		mutations, err := planAll(tx, writes)
		if err != nil {
			return err
		}
		for i, m := range mutations {
			c := capacity.of(m.table.Name)
			c.addWrite(m, transactionFactor)
			c.WriteCapacityUnits = c.CapacityUnits
			if writes[i].verb != verbCheck {
				tx.queue(m)
			}
		}
		if in.ClientRequestToken != "" {
			now := s.options.Now()
			tx.queueToken(in.ClientRequestToken, digest, now, now.Add(-tokenLifetime))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &transactWriteOutput{ConsumedCapacity: capacity.report(in.ReturnConsumedCapacity)}, nil
}

// digest is the same for requests that ask for the same.
func (in *transactWriteInput) digest() ([]byte, error) {
	encoded, err := json.Marshal(in.TransactItems) //nolint:musttag // the names are AWS's own
	if err != nil {
		return nil, fmt.Errorf("encode a transaction: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return sum[:], nil
}

// isRepeated says whether the transaction was done before under the same token.
func (s *Server) isRepeated(tx *transaction, token string, digest []byte) (bool, error) {
	if token == "" {
		return false, nil
	}
	before, err := tx.token(token, s.options.Now().Add(-tokenLifetime))
	if err != nil || before == nil {
		return false, err
	}
	if string(before) != string(digest) {
		return false, newError(codeTokenMismatch, "The request contains a ClientToken that was used in a previous request, but with different parameters")
	}
	return true, nil
}

// planAll plans all writes of a transaction, or says for each why the transaction cannot be.
func planAll(tx *transaction, writes []*write) ([]mutation, error) {
	mutations := make([]mutation, len(writes))
	causes := make([]error, len(writes))
	seen := map[string]bool{}
	total := 0
	for i, w := range writes {
		t := tx.table(w.table)
		if t == nil {
			return nil, noTable()
		}
		if causes[i] = w.check(t); causes[i] != nil {
			continue
		}
		at := w.table + "\x00" + string(t.itemKey(w.item))
		if seen[at] {
			return nil, validationError("Transaction request cannot include multiple operations on one item")
		}
		seen[at] = true
		mutations[i], causes[i] = w.plan(tx)
		total += mutations[i].new.size()
	}
	if total > maxTransactionSize {
		return nil, validationError("Collection size of the transaction items has exceeded the maximum allowed size of %d bytes", maxTransactionSize)
	}
	return mutations, cancelled(causes)
}

// cancelled is the error for a transaction some of whose actions failed, or nil. What is not about
// the actions themselves, such as a disk that cannot be read, stays what it is.
func cancelled(causes []error) error {
	reasons := make([]cancellation, len(causes))
	codes := make([]string, len(causes))
	failed := false
	for i, cause := range causes {
		reasons[i].Code = "None"
		var known *apiError
		switch {
		case errors.As(cause, &known) && isCondition(known):
			reasons[i] = cancellation{Code: "ConditionalCheckFailed", Message: known.message, Item: known.item}
		case errors.As(cause, &known):
			reasons[i] = cancellation{Code: "ValidationError", Message: known.message}
		case cause != nil:
			return cause
		}
		failed = failed || cause != nil
		codes[i] = reasons[i].Code
	}
	if !failed {
		return nil
	}
	err := newError(codeCanceled, "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
	err.reasons = reasons
	return err
}
