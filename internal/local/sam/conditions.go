package sam

import "slices"

// condition is one entry of the Conditions section.
type condition struct {
	field

	state conditionState
}

type conditionState int

const (
	unknown conditionState = iota
	working
	yes
	no
)

// holds tells whether the named condition is true; line is where it is named.
func (r *resolver) holds(name string, line int) bool {
	c, ok := r.conditions[name]
	if !ok {
		r.addf(line, "there is no condition %q", name)
		return false
	}
	switch c.state {
	case working:
		r.addf(c.line, "condition %s depends on itself", name)
		return false
	case unknown:
		c.state = working
		state := no
		if r.truth(c.value, name) {
			state = yes
		}
		c.state = state
	}
	return c.state == yes
}

// conditionNamed reads a Condition attribute: the name of a condition.
func (r *resolver) conditionNamed(n *node) bool {
	if n.kind != scalar {
		if n.kind != bad {
			r.addf(n.line, "Condition must be the name of a condition, not %s", n.what())
		}
		return false
	}
	return r.holds(n.text, n.line)
}

// truth works out a condition function; within names the condition it is part
// of.
func (r *resolver) truth(n *node, within string) bool {
	name, arg, ok := n.intrinsic()
	if n.kind == dict && len(n.fields) == 1 && n.fields[0].key == "Condition" {
		name, arg, ok = shortCondition, n.fields[0].value, true
	}
	if !ok {
		if n.kind != bad {
			r.addf(n.line, "condition %s: %s is no condition function", within, n.what())
		}
		return false
	}
	switch name {
	case shortCondition:
		return r.conditionNamed(arg)
	case "Fn::Equals":
		return r.equals(arg)
	case "Fn::Not":
		parts := r.operands(name, arg, 1, 1)
		return len(parts) == 1 && !r.truth(parts[0], within)
	case "Fn::And", "Fn::Or":
		return r.several(name, arg, within)
	default:
		r.addf(n.line, "condition %s: %s is no condition function", within, name)
		return false
	}
}

// several is Fn::And and Fn::Or, which look at all operands for errors.
func (r *resolver) several(name string, arg *node, within string) bool {
	parts := r.operands(name, arg, 2, 10)
	truths := make([]bool, 0, len(parts))
	for _, part := range parts {
		truths = append(truths, r.truth(part, within))
	}
	if name == "Fn::Or" {
		return slices.Contains(truths, true)
	}
	return len(truths) > 0 && !slices.Contains(truths, false)
}

func (r *resolver) equals(arg *node) bool {
	parts := r.operands("Fn::Equals", arg, 2, 2)
	if len(parts) != 2 {
		return false
	}
	s := scope{live: true, conditions: true}
	a, b := r.eval(parts[0], s), r.eval(parts[1], s)
	return same(a, b)
}

// same compares as CloudFormation does, to which all scalars are strings.
func same(a, b *node) bool {
	if a.kind != b.kind || a.text != b.text ||
		len(a.items) != len(b.items) || len(a.fields) != len(b.fields) {
		return false
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	for _, f := range a.fields {
		if other := b.get(f.key); other == nil || !same(f.value, other) {
			return false
		}
	}
	return true
}

// operands gives the elements of a function's argument, which must be a list
// of at least low and at most high; nil after an error.
func (r *resolver) operands(name string, arg *node, low, high int) []*node {
	switch {
	case arg.kind == bad:
		return nil
	case arg.kind != list:
		r.addf(arg.line, "%s takes a list, not %s", name, arg.what())
		return nil
	case len(arg.items) >= low && len(arg.items) <= high:
		return arg.items
	case low == high:
		r.addf(arg.line, "%s takes %d values, not %d", name, low, len(arg.items))
	default:
		r.addf(arg.line, "%s takes %d to %d values, not %d", name, low, high, len(arg.items))
	}
	return nil
}
