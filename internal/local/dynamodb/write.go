package dynamodb

import "errors"

// verb is what a write does with its item.
type verb uint8

const (
	verbPut verb = iota
	verbUpdate
	verbDelete
	verbCheck // ConditionCheck in a transaction: only the condition
)

// write is one write of one item, as a call of its own or as part of a batch or transaction. What can be checked
// without the table has been checked.
type write struct {
	verb        verb
	table       string
	item        item // verbPut: the new item; otherwise the key
	expressions *expressions
	onFailure   string // ReturnValuesOnConditionCheckFailure
}

// plan decides what the write does to the items as they are now.
func (w *write) plan(tx *transaction) (mutation, error) {
	t := tx.table(w.table)
	if t == nil {
		return mutation{}, noTable()
	}
	if err := w.check(t); err != nil {
		return mutation{}, err
	}
	m := mutation{table: t, key: t.itemKey(w.item)}
	var err error
	if m.old, err = tx.item(t, m.key); err != nil {
		return mutation{}, err
	}
	if !w.expressions.condition.matches(m.old) {
		failed := conditionFailed()
		if w.onFailure == "ALL_OLD" {
			failed.item = m.old
		}
		return mutation{}, failed
	}
	m.new, err = w.result(t, m.old)
	return m, err
}

// check checks the write against the table's schema.
func (w *write) check(t *table) error {
	if w.verb == verbPut {
		return t.checkItem(w.item)
	}
	if err := t.checkKey(w.item); err != nil {
		return err
	}
	if w.expressions.update != nil {
		return t.checkUpdate(w.expressions.update)
	}
	return nil
}

// checkUpdate refuses an update of key attributes, and of index keys to values they cannot have.
func (t *table) checkUpdate(u *update) error {
	for _, name := range t.Keys.names() {
		if u.touches(name) {
			return invalidParameter("Cannot update attribute %s. This attribute is part of the key", name)
		}
	}
	for _, ix := range t.Indexes {
		for _, name := range ix.Keys.names() {
			if k := u.knownKind(name); k != kindNone && k != t.kindOf(name) {
				return invalidParameter("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", name, t.kindOf(name), k, ix.Name)
			}
		}
	}
	return t.checkKeyPaths(func(each func(path)) {
		for _, a := range u.actions {
			each(a.path)
			a.operand.paths(each)
		}
	})
}

// knownKind is the kind the update is known to give a whole attribute before there is an item.
func (u *update) knownKind(name string) kind {
	for _, a := range u.actions {
		if len(a.path) == 1 && a.path.head() == name {
			return a.knownKind()
		}
	}
	return kindNone
}

var errIndexKeyType = validationError("The update expression attempted to update the secondary index key to unsupported type")

// result is the item after the write; nil when there is none.
func (w *write) result(t *table, old item) (item, error) {
	switch w.verb {
	case verbPut:
		return w.item, nil
	case verbDelete:
		return nil, nil //nolint:nilnil // no item and no error
	case verbCheck:
		return old, nil
	}
	before := old
	if before == nil {
		before = w.item
	}
	if w.expressions.update == nil {
		return before, nil
	}
	updated, err := w.expressions.update.apply(before)
	if err != nil {
		return nil, err
	}
	if updated.size() > maxItemSize {
		return nil, validationError("Item size to update has exceeded the maximum allowed size")
	}
	return updated, t.checkIndexKeys(updated, func(*index, string, kind, kind) error { return errIndexKeyType })
}

// isCondition says whether an error is a condition that does not hold.
func isCondition(err error) bool {
	var known *apiError
	return errors.As(err, &known) && known.code == codeConditionFailed
}
