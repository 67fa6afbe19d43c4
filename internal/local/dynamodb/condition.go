package dynamodb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// operation is what a node of a parsed expression does.
type operation uint8

const (
	opPath     operation = iota // the value at path
	opValue                     // a literal from ExpressionAttributeValues
	opFunction                  // name(args…)
	opCompare                   // args[0] name args[1]; name is the comparator
	opBetween                   // args[0] between args[1] and args[2]
	opIn                        // args[0] in the rest
	opAnd
	opOr
	opNot
	opPlus  // SET only
	opMinus // SET only
)

// node is a parsed expression. Paths, values and functions are operands; the rest are conditions.
type node struct {
	op      operation
	name    string
	path    path
	value   value
	args    []*node
	wrapped bool // in parentheses
}

func (n *node) isOperand() bool { return n.op <= opFunction }

// isSize is the one function whose result can be an operand.
func (n *node) isSize() bool { return n.op == opFunction && n.name == "size" }

// paths calls each for every document path in the expression.
func (n *node) paths(each func(path)) {
	if n == nil {
		return
	}
	if n.op == opPath {
		each(n.path)
	}
	for _, arg := range n.args {
		arg.paths(each)
	}
}

// parseCondition parses a ConditionExpression, FilterExpression or KeyConditionExpression.
func parseCondition(source string, h *placeholders) (*node, error) {
	p := newParser(source, h)
	root := p.condition(p.or())
	return root, p.finish(mistakeParens, mistakeFunction, mistakeMisused, mistakeReserved, mistakeCondition)
}

func (p *parser) or() *node {
	left := p.and()
	for p.acceptKeyword("OR") {
		left = &node{op: opOr, args: []*node{p.condition(left), p.condition(p.and())}}
	}
	return left
}

func (p *parser) and() *node {
	left := p.not()
	for p.acceptKeyword("AND") {
		left = &node{op: opAnd, args: []*node{p.condition(left), p.condition(p.not())}}
	}
	return left
}

func (p *parser) not() *node {
	if p.acceptKeyword("NOT") {
		return &node{op: opNot, args: []*node{p.condition(p.not())}}
	}
	return p.comparison()
}

// condition makes sure that n can stand where true or false is wanted.
func (p *parser) condition(n *node) *node {
	switch {
	case n.op == opPath || n.op == opValue:
		p.fail()
	case n.isSize():
		p.noteMisused(n)
	}
	return n
}

func (p *parser) noteMisused(n *node) {
	p.notef(mistakeMisused, "The function is not allowed to be used this way in an expression; function: %s", n.name)
}

// comparison parses what stands between the logical operators. A lone operand comes back as it is:
// it may be inside parentheses.
func (p *parser) comparison() *node {
	left := p.primary()
	t := p.peek()
	switch {
	case t.kind == tokenSymbol && slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, t.text):
		p.advance()
		n := &node{op: opCompare, name: t.text, args: []*node{p.operand(left), p.operand(p.primary())}}
		p.checkComparison(n)
		return p.settled(n)
	case p.acceptKeyword("BETWEEN"):
		n := &node{op: opBetween, name: "BETWEEN", args: []*node{p.operand(left), p.operand(p.primary())}}
		if !p.acceptKeyword("AND") {
			p.fail()
		}
		n.args = append(n.args, p.operand(p.primary()))
		p.checkBetween(n)
		return p.settled(n)
	case p.acceptKeyword("IN"):
		n := &node{op: opIn, name: "IN", args: append([]*node{p.operand(left)}, p.operands()...)}
		p.checkIn(n)
		return p.settled(n)
	case left.op == opFunction:
		return p.settled(left)
	}
	return left
}

// settled lets the first faulty condition decide which of the later classes of mistakes is reported.
func (p *parser) settled(n *node) *node {
	for _, class := range []string{mistakeUndefined, mistakeUndefinedV, mistakeCount, mistakeDistinct, mistakeOperand} {
		if mistake, found := p.mistakes[class]; found {
			p.notef(mistakeCondition, "%s", mistake)
			break
		}
	}
	return n
}

// operand makes sure that n can stand where a value is wanted.
func (p *parser) operand(n *node) *node {
	switch {
	case !n.isOperand():
		p.fail()
	case n.op == opFunction && !n.isSize():
		p.noteMisused(n)
	}
	return n
}

// operands parses a list in parentheses.
func (p *parser) operands() []*node {
	p.expect("(")
	list := []*node{p.operand(p.primary())}
	for p.accept(",") {
		list = append(list, p.operand(p.primary()))
	}
	p.expect(")")
	return list
}

func (p *parser) primary() *node {
	t := p.peek()
	switch {
	case p.accept("("):
		return p.parenthesised()
	case t.kind == tokenValue:
		return &node{op: opValue, value: p.placeholderValue()}
	case t.kind == tokenWord && p.tokens[p.pos+1].is("("):
		p.advance()
		n := &node{op: opFunction, name: t.text, args: p.operands()}
		p.checkConditionFunction(n)
		return n
	}
	return &node{op: opPath, path: p.path()}
}

func (p *parser) parenthesised() *node {
	n := p.or()
	p.expect(")")
	if n.wrapped {
		p.notef(mistakeParens, "The expression has redundant parentheses;")
	}
	n.wrapped = true
	return n
}

// literal is the kind of a literal operand, and kindNone for everything else.
func (n *node) literal() kind {
	if n.op == opValue {
		return n.value.kind
	}
	return kindNone
}

// resultKind is the kind an operand is known to have before there is an item.
func (n *node) resultKind() kind {
	if n.isSize() {
		return kindN
	}
	return n.literal()
}

func (p *parser) checkComparison(n *node) {
	p.checkDistinct(n)
	if n.name == "=" || n.name == "<>" {
		return
	}
	for _, arg := range n.args {
		if k := arg.literal(); k != kindNone && !k.ordered() {
			p.notef(mistakeOperand, "Incorrect operand type for operator or function; operator: %s, operand type: %s", n.name, k)
		}
	}
}

// ordered says whether values of the kind have an order.
func (k kind) ordered() bool { return k == kindS || k == kindN || k == kindB }

// checkDistinct refuses to compare an attribute with itself.
func (p *parser) checkDistinct(n *node) {
	if len(n.args) == 2 && n.args[0].op == opPath && n.args[1].op == opPath && slices.Equal(n.args[0].path, n.args[1].path) {
		p.notef(mistakeDistinct, "The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", n.name, n.args[0].path)
	}
}

func (p *parser) checkBetween(n *node) {
	low, high := n.args[1], n.args[2]
	if low.literal() == kindNone || high.literal() == kindNone {
		return
	}
	const bounds = "lower bound operand: AttributeValue: {%s:%s}, upper bound operand: AttributeValue: {%s:%s}"
	shown := []any{low.value.kind, low.value.shown(), high.value.kind, high.value.shown()}
	order, _ := low.value.compare(high.value)
	switch {
	case low.value.kind != high.value.kind:
		p.notef(mistakeOperand, "The BETWEEN operator requires same data type for lower and upper bounds; "+bounds, shown...)
	case order > 0:
		p.notef(mistakeOperand, "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "+bounds, shown...)
	}
}

// shown is the value as messages have it.
func (v value) shown() string {
	return strings.Trim(string(v.appendDatum(nil)), `"`)
}

const maxInOperands = 100

func (p *parser) checkIn(n *node) {
	if count := len(n.args) - 1; count > maxInOperands {
		p.notef(mistakeCount, "The IN operator is provided with too many operands; number of operands: %d", count)
	}
}

// beginsWith is the one function that a key condition can have.
const beginsWith = "begins_with"

// conditionFunctions is how many operands each takes.
var conditionFunctions = map[string]int{
	"attribute_exists":     1,
	"attribute_not_exists": 1,
	"attribute_type":       2,
	beginsWith:             2,
	"contains":             2,
	"size":                 1,
}

func (p *parser) checkConditionFunction(n *node) {
	count, known := conditionFunctions[n.name]
	switch {
	case !known:
		p.notef(mistakeFunction, "Invalid function name; function: %s", n.name)
		return
	case count != len(n.args):
		p.notef(mistakeCount, "Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", n.name, len(n.args))
		return
	}
	p.checkDistinct(n)
	if problem := operandProblem(n); problem != "" {
		p.notef(mistakeOperand, "%s", problem)
	}
}

// operandProblem says what is wrong with a function's operands, or "".
func operandProblem(n *node) string {
	switch n.name {
	case "attribute_exists", "attribute_not_exists":
		if n.args[0].op != opPath {
			return "Operator or function requires a document path; operator or function: " + n.name
		}
	case "attribute_type":
		return typeNameProblem(n)
	case beginsWith:
		for _, arg := range n.args {
			if k := arg.resultKind(); k != kindNone && k != kindS && k != kindB {
				return wrongOperand(n, k.String())
			}
		}
	case "size":
		if k := n.args[0].resultKind(); k == kindN || k == kindBOOL || k == kindNULL {
			return wrongOperand(n, k.String())
		}
	}
	return ""
}

func wrongOperand(n *node, typeName string) string {
	return fmt.Sprintf("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", n.name, typeName)
}

func typeNameProblem(n *node) string {
	wanted := n.args[1]
	switch k := wanted.resultKind(); {
	case k == kindNone:
		return wrongOperand(n, "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
	case k != kindS:
		return wrongOperand(n, k.String())
	case kindOf(wanted.value.text) == kindNone:
		return fmt.Sprintf("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", wanted.value.text)
	}
	return ""
}

// matches evaluates a condition. A nil condition is true.
func (n *node) matches(it item) bool {
	if n == nil {
		return true
	}
	switch n.op {
	case opAnd:
		return n.args[0].matches(it) && n.args[1].matches(it)
	case opOr:
		return n.args[0].matches(it) || n.args[1].matches(it)
	case opNot:
		return !n.args[0].matches(it)
	}
	args := make([]value, len(n.args))
	for i, arg := range n.args {
		args[i] = arg.resolve(it)
	}
	switch n.op {
	case opCompare:
		return compareValues(n.name, args[0], args[1])
	case opBetween:
		return compareValues(">=", args[0], args[1]) && compareValues("<=", args[0], args[2])
	case opIn:
		return args[0].kind != kindNone && slices.ContainsFunc(args[1:], args[0].equal)
	}
	return callCondition(n.name, args)
}

// resolve is the value of an operand for an item; its kind is kindNone when there is none.
func (n *node) resolve(it item) value {
	switch n.op {
	case opPath:
		return it.at(n.path)
	case opValue:
		return n.value
	}
	length, ok := n.args[0].resolve(it).length()
	if !ok {
		return value{}
	}
	return value{kind: kindN, text: strconv.Itoa(length)}
}

func compareValues(comparator string, a, b value) bool {
	switch comparator {
	case "=":
		return a.kind != kindNone && a.equal(b)
	case "<>":
		return a.kind == kindNone || !a.equal(b)
	}
	order, ok := a.compare(b)
	switch comparator {
	case "<":
		return ok && order < 0
	case "<=":
		return ok && order <= 0
	case ">":
		return ok && order > 0
	}
	return ok && order >= 0
}

func callCondition(name string, args []value) bool {
	v := args[0]
	switch name {
	case "attribute_exists":
		return v.kind != kindNone
	case "attribute_not_exists":
		return v.kind == kindNone
	case "attribute_type":
		return v.kind != kindNone && v.kind == kindOf(args[1].text)
	case beginsWith:
		return v.kind == args[1].kind && (v.kind == kindS || v.kind == kindB) && strings.HasPrefix(v.text, args[1].text)
	}
	return v.contains(args[1])
}

// contains is the contains() function: a part of a string, a member of a set, an element of a list.
func (v value) contains(w value) bool {
	switch v.kind {
	case kindS, kindB:
		return w.kind == v.kind && strings.Contains(v.text, w.text)
	case kindSS, kindNS, kindBS:
		return w.kind == v.kind.elementKind() && slices.Contains(v.set, w.text)
	case kindL:
		return slices.ContainsFunc(v.list, w.equal)
	}
	return false
}
