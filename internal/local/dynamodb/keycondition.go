package dynamodb

import (
	"maps"
	"slices"
	"strings"
)

// keyCondition is what a KeyConditionExpression demands of one key attribute. The comparator is one of
// = < <= > >= BETWEEN begins_with.
type keyCondition struct {
	comparator string
	operands   []value
}

// keyConditions are the conditions of a KeyConditionExpression by attribute.
type keyConditions map[string]keyCondition

// keyConditionsOf takes apart the expression, which may only join conditions with AND.
func keyConditionsOf(n *node) (keyConditions, error) {
	conditions := keyConditions{}
	return conditions, conditions.add(n)
}

func (kc keyConditions) add(n *node) error {
	if n.op == opAnd {
		if err := kc.add(n.args[0]); err != nil {
			return err
		}
		return kc.add(n.args[1])
	}
	if err := checkKeyOperator(n); err != nil {
		return err
	}
	name, at, err := keyAttribute(n)
	if err != nil {
		return err
	}
	if _, found := kc[name]; found {
		return validationError("KeyConditionExpressions must only contain one condition per key")
	}
	c := keyCondition{comparator: n.name}
	for i, arg := range n.args {
		if i != at {
			c.operands = append(c.operands, arg.value)
		}
	}
	if at == 1 && n.op == opCompare {
		c.comparator = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[n.name]
	}
	kc[name] = c
	return nil
}

// checkKeyOperator refuses what a key condition cannot use.
func checkKeyOperator(n *node) error {
	const invalidOperator = "Invalid operator used in KeyConditionExpression: %s"
	switch {
	case n.op == opOr:
		return validationError(invalidOperator, "OR")
	case n.op == opNot:
		return validationError(invalidOperator, "NOT")
	case n.op == opIn || n.name == "<>":
		return validationError(invalidOperator, n.name)
	case n.op == opFunction && n.name != beginsWith:
		return validationError(invalidOperator, n.name)
	case (n.op == opBetween || n.op == opFunction) && n.args[0].op != opPath:
		return validationError("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", n.name)
	}
	return nil
}

// keyAttribute finds the one attribute a condition is about, and which operand it is.
func keyAttribute(n *node) (name string, at int, err error) {
	at = -1
	for i, arg := range n.args {
		switch {
		case arg.op == opFunction:
			return "", 0, validationError("KeyConditionExpressions cannot contain nested operations")
		case arg.op == opPath && at >= 0:
			return "", 0, validationError("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		case arg.op == opPath && len(arg.path) > 1:
			return "", 0, validationError("KeyConditionExpressions cannot have conditions on nested attributes")
		case arg.op == opPath:
			name, at = arg.path.head(), i
		}
	}
	if at < 0 {
		return "", 0, validationError("Invalid condition in KeyConditionExpression: No key attribute specified")
	}
	return name, at, nil
}

// check checks the conditions against a key schema.
func (kc keyConditions) check(t *table, s schema) error {
	if len(kc) > 2 {
		return validationError("Conditions can be of length 1 or 2 only")
	}
	for _, name := range slices.Sorted(maps.Keys(kc)) {
		if err := kc[name].check(); err != nil {
			return err
		}
	}
	if s.sortKey() == "" && len(kc) > 1 {
		return validationError("Query key condition not supported")
	}
	for i, name := range s.names() {
		c, found := kc[name]
		if !found && (i == 0 || len(kc) > 1) {
			return validationError("Query condition missed key schema element: %s", name)
		}
		if slices.ContainsFunc(c.operands, func(v value) bool { return v.kind != t.kindOf(name) }) {
			return invalidParameter("Condition parameter type does not match schema type")
		}
		if i == 0 && c.comparator != "=" {
			return validationError("Query key condition not supported")
		}
		if err := c.checkSizes(name, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// comparisonNames are the names that messages use for comparators.
var comparisonNames = map[string]string{
	"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE", "BETWEEN": "BETWEEN", beginsWith: "BEGINS_WITH",
}

func (c keyCondition) check() error {
	for _, v := range c.operands {
		if !v.kind.ordered() && (c.comparator != "=" || v.kind.elementKind() == kindNone) || c.comparator == beginsWith && v.kind == kindN {
			return invalidParameter("ComparisonOperator %s is not valid for %s AttributeValue type", comparisonNames[c.comparator], v.kind)
		}
	}
	return nil
}

func (c keyCondition) checkSizes(name string, isHash bool) error {
	for _, v := range c.operands {
		if isEmptyKey(v) && c.comparator == "=" {
			return invalidParameter("The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", emptyWord(v), name)
		}
		if err := checkKeySize(v, isHash); err != nil {
			return err
		}
	}
	return nil
}

// holds says whether a key attribute's value fulfils the condition.
func (c keyCondition) holds(v value) bool {
	switch c.comparator {
	case "BETWEEN":
		return compareValues(">=", v, c.operands[0]) && compareValues("<=", v, c.operands[1])
	case beginsWith:
		return strings.HasPrefix(v.text, c.operands[0].text)
	}
	return compareValues(c.comparator, v, c.operands[0])
}

// span is the range of stored keys that fulfil the conditions: the partition, narrowed by the sort key's condition.
func (kc keyConditions) span(t *table, ix *index, s schema) span {
	hash := kc[s.hash()].operands[0]
	prefix := partition(s, item{s.hash(): hash}, false)
	sp := span{table: t, index: ix, low: prefix, high: after(prefix)}
	if c, found := kc[s.sortKey()]; found {
		c.narrow(&sp, prefix)
	}
	return sp
}

// narrow makes the span no wider than the condition allows. Keys with the sort key v begin with its key part.
func (c keyCondition) narrow(sp *span, prefix []byte) {
	part := func(v value) []byte { return appendPart(slices.Clone(prefix), keyBytes(v)) }
	first := part(c.operands[0])
	switch c.comparator {
	case "=":
		sp.low, sp.high = first, after(first)
	case "<":
		sp.high = first
	case "<=":
		sp.high = after(first)
	case ">":
		sp.low = after(first)
	case ">=":
		sp.low = first
	case "BETWEEN":
		sp.low, sp.high = first, after(part(c.operands[1]))
	case beginsWith:
		sp.low = appendPartPrefix(slices.Clone(prefix), keyBytes(c.operands[0]))
		sp.high = after(sp.low)
	}
}
