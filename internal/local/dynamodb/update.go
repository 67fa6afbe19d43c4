package dynamodb

import (
	"cmp"
	"slices"
	"strings"
)

// update is a parsed UpdateExpression.
type update struct {
	actions []action   // as written
	ordered []action   // so that what is appended to a list comes in the order of the indexes
	changed projection // the paths it touches, for UPDATED_OLD and UPDATED_NEW
}

// action is one change: its verb is SET, REMOVE, ADD or DELETE. REMOVE has no operand.
type action struct {
	verb    string
	path    path
	operand *node
}

var updateVerbs = []string{"SET", "REMOVE", "ADD", "DELETE"}

func parseUpdate(source string, h *placeholders) (*update, error) {
	p := newParser(source, h)
	u := &update{}
	used := map[string]bool{}
	for {
		verb := p.verb()
		if used[verb] {
			p.notef(mistakeSection, "The %q section can only be used once in an update expression;", verb)
		}
		used[verb] = true
		u.actions = append(u.actions, p.action(verb))
		for p.accept(",") {
			u.actions = append(u.actions, p.action(verb))
		}
		if p.peek().kind == tokenEnd {
			break
		}
	}
	paths := make([]path, len(u.actions))
	for i, a := range u.actions {
		paths[i] = a.path
	}
	if p.syntax == "" {
		p.checkPaths(paths)
		u.changed = newProjection(paths)
	}
	u.ordered = applicationOrder(u.actions)
	return u, p.finish(mistakeReserved, mistakeFunction, mistakeSection, mistakeUndefined, mistakeUndefinedV,
		mistakeOverlap, mistakeConflict, mistakeOperand, mistakeCount)
}

// applicationOrder is the actions as written, but those on elements of one list together and by their indexes.
func applicationOrder(actions []action) []action {
	place := func(a action) int {
		return slices.IndexFunc(actions, func(b action) bool { return sameList(a.path, b.path) })
	}
	return slices.SortedStableFunc(slices.Values(actions), func(a, b action) int {
		return cmp.Or(place(a)-place(b), a.path[len(a.path)-1].index-b.path[len(b.path)-1].index)
	})
}

// sameList says whether two paths are the same but for a list index at their end.
func sameList(a, b path) bool {
	last := len(a) - 1
	return len(a) == len(b) && slices.Equal(a[:last], b[:last]) &&
		(a[last] == b[last] || a[last].isIndex && b[last].isIndex)
}

func (p *parser) verb() string {
	for _, verb := range updateVerbs {
		if p.acceptKeyword(verb) {
			return verb
		}
	}
	p.fail()
	return ""
}

func (p *parser) action(verb string) action {
	a := action{verb: verb, path: p.path()}
	switch verb {
	case "SET":
		p.expect("=")
		a.operand = p.setValue()
	case "ADD", "DELETE":
		a.operand = &node{op: opValue, value: p.placeholderValue()}
		p.checkAddDelete(a)
	}
	return a
}

func (p *parser) checkAddDelete(a action) {
	k := a.operand.value.kind
	if k == kindNone || k.elementKind() != kindNone || a.verb == "ADD" && k == kindN {
		return
	}
	p.notef(mistakeOperand, "Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND",
		a.verb, kindWords[k], a.verb)
}

// setValue parses the right side of SET: one operand, or two with + or - between them.
func (p *parser) setValue() *node {
	if p.accept("(") {
		n := p.setValue()
		p.expect(")")
		return n
	}
	left := p.setOperand()
	t := p.peek()
	if !t.is("+") && !t.is("-") {
		return left
	}
	p.advance()
	n := &node{op: opPlus, name: t.text, args: []*node{left, p.setOperand()}}
	if t.text == "-" {
		n.op = opMinus
	}
	p.checkOperandKinds(n, kindN)
	return n
}

func (p *parser) setOperand() *node {
	t := p.peek()
	switch {
	case t.kind == tokenValue:
		return &node{op: opValue, value: p.placeholderValue()}
	case t.kind == tokenWord && p.tokens[p.pos+1].is("("):
		return p.setFunction()
	}
	return &node{op: opPath, path: p.path()}
}

func (p *parser) setFunction() *node {
	n := &node{op: opFunction, name: p.advance().text}
	p.expect("(")
	n.args = []*node{p.setOperand()}
	for p.accept(",") {
		n.args = append(n.args, p.setOperand())
	}
	p.expect(")")
	switch {
	case n.name != "if_not_exists" && n.name != "list_append":
		p.notef(mistakeFunction, "Invalid function name; function: %s", n.name)
	case len(n.args) != 2:
		p.notef(mistakeOperand, "Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", n.name, len(n.args))
	case n.name == "list_append":
		p.checkOperandKinds(n, kindL)
	case n.args[0].op != opPath:
		p.notef(mistakeOperand, "Operator or function requires a document path; operator or function: %s", n.name)
	}
	return n
}

func (p *parser) checkOperandKinds(n *node, wanted kind) {
	for _, arg := range n.args {
		if k := arg.literal(); k != kindNone && k != wanted {
			p.notef(mistakeOperand, "%s", wrongOperand(n, k.String()))
		}
	}
}

// knownKind is the kind an action is known to leave at its path before there is an item.
func (a action) knownKind() kind {
	if a.operand == nil {
		return kindNone
	}
	return a.operand.knownKind()
}

func (n *node) knownKind() kind {
	switch {
	case n.op == opPlus || n.op == opMinus:
		return kindN
	case n.op == opFunction && n.name == "list_append":
		return kindL
	case n.op == opFunction:
		return n.args[1].knownKind()
	}
	return n.literal()
}

var (
	errUpdatePath    = validationError("The document path provided in the update expression is invalid for update")
	errUpdateOperand = validationError("An operand in the update expression has an incorrect data type")
	errUpdateMissing = validationError("The provided expression refers to an attribute that does not exist in the item")
)

// apply is the item after the update. All operands are taken from the item before it.
func (u *update) apply(old item) (item, error) {
	operands := make(map[*node]value, len(u.actions))
	for _, a := range u.actions {
		if a.operand == nil {
			continue
		}
		v, err := a.operand.evaluate(old)
		if err != nil {
			return nil, err
		}
		if reason := v.problem(len(a.path)); reason != "" {
			return nil, validationError("%s", reason)
		}
		operands[a.operand] = v.clone()
	}
	updated := value{kind: kindM, fields: old.clone()}
	for _, a := range u.ordered {
		var err error
		updated, err = edit(updated, a.path, func(v value) (value, error) { return a.change(v, operands[a.operand]) })
		if err != nil {
			return nil, err
		}
	}
	return closeGaps(updated).fields, nil
}

// change is what the action makes of the value at its path; kindNone removes it.
func (a action) change(v, operand value) (value, error) {
	switch {
	case a.verb == "SET":
		return operand, nil
	case a.verb == "REMOVE":
		return value{}, nil
	case v.kind == kindNone:
		if a.verb == "ADD" {
			return operand, nil
		}
		return value{}, nil
	case v.kind != operand.kind:
		return value{}, errUpdateOperand
	case v.kind == kindN:
		return sum(v, operand, false)
	}
	v.set = slices.DeleteFunc(v.set, func(member string) bool { return slices.Contains(operand.set, member) })
	if a.verb == "ADD" {
		v.set = append(v.set, operand.set...)
	}
	if len(v.set) == 0 {
		return value{}, nil
	}
	return v, nil
}

func sum(a, b value, negateB bool) (value, error) {
	n := b.number()
	if negateB {
		n = n.negate()
	}
	total, err := a.number().add(n)
	if err != nil {
		return value{}, validationError("%s", err)
	}
	return numberValue(total), nil
}

// edit is container with the value at p replaced by what change makes of it. The steps before the last must exist.
func edit(container value, p path, change func(value) (value, error)) (value, error) {
	if len(p) == 0 {
		return change(container)
	}
	s, rest := p[0], p[1:]
	var inner value
	switch {
	case s.isIndex && container.kind == kindL:
		if s.index < len(container.list) {
			inner = container.list[s.index]
		}
	case !s.isIndex && container.kind == kindM:
		inner = container.fields[s.name]
	default:
		return value{}, errUpdatePath
	}
	inner, err := edit(inner, rest, change)
	if err != nil {
		return value{}, err
	}
	return container.with(s, inner), nil
}

// with is the container with one value replaced. A list element is not taken out but leaves a gap, so that
// the indexes of the actions that follow still mean what they meant; an index past the end appends.
func (v value) with(s step, inner value) value {
	switch {
	case !s.isIndex && inner.kind == kindNone:
		delete(v.fields, s.name)
	case !s.isIndex:
		v.fields[s.name] = inner
	case s.index < len(v.list):
		v.list[s.index] = inner
	case inner.kind != kindNone:
		v.list = append(v.list, inner)
	}
	return v
}

// closeGaps takes the removed elements out of all lists in v.
func closeGaps(v value) value {
	switch v.kind {
	case kindL:
		v.list = slices.DeleteFunc(v.list, func(element value) bool { return element.kind == kindNone })
		for i, element := range v.list {
			v.list[i] = closeGaps(element)
		}
	case kindM:
		for name, field := range v.fields {
			v.fields[name] = closeGaps(field)
		}
	}
	return v
}

// evaluate is the value of a SET operand for an item.
func (n *node) evaluate(it item) (value, error) {
	switch {
	case n.op == opValue:
		return n.value, nil
	case n.op == opPath:
		if v := it.at(n.path); v.kind != kindNone {
			return v, nil
		}
		return value{}, errUpdateMissing
	case n.name == "if_not_exists":
		if v := it.at(n.args[0].path); v.kind != kindNone {
			return v, nil
		}
		return n.args[1].evaluate(it)
	}
	a, err := n.args[0].evaluate(it)
	if err != nil {
		return value{}, err
	}
	b, err := n.args[1].evaluate(it)
	if err != nil {
		return value{}, err
	}
	return n.combine(a, b)
}

// combine is list_append, + or -.
func (n *node) combine(a, b value) (value, error) {
	wanted := kindN
	if n.op == opFunction {
		wanted = kindL
	}
	if a.kind != wanted || b.kind != wanted {
		return value{}, errUpdateOperand
	}
	if wanted == kindN {
		return sum(a, b, n.op == opMinus)
	}
	return value{kind: kindL, list: slices.Concat(a.list, b.list)}, nil
}

// touches says whether the update changes the attribute, or something inside it.
func (u *update) touches(name string) bool {
	return slices.ContainsFunc(u.actions, func(a action) bool { return a.path.head() == name })
}

// isReserved says whether an attribute name needs a placeholder.
func isReserved(word string) bool { return reservedWords[strings.ToUpper(word)] }
