package sam

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// kind is what a node is.
type kind int

const (
	// bad stands where an error has already been reported.
	bad kind = iota
	// none is AWS::NoValue: the property is not there.
	none
	scalar
	list
	dict
)

// node is a value of the template, before and after its intrinsic functions
// were worked out. Short forms (!Ref) have become long ones ({Ref: …}), aliases
// and merge keys are written out.
type node struct {
	kind kind
	line int

	// text is a scalar as the file spells it; typ is what it is in JSON.
	text string
	typ  scalarType

	items  []*node
	fields []field
}

type scalarType int

const (
	textType scalarType = iota
	numberType
	boolType
	nullType
)

type field struct {
	key   string
	line  int
	value *node
}

func newText(line int, text string) *node {
	return &node{kind: scalar, line: line, text: text}
}

func newBad(line int) *node { return &node{kind: bad, line: line} }

// get gives the value of a key of a dict, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

func (n *node) isNull() bool { return n.kind == scalar && n.typ == nullType }

// isBad tells whether an error was reported in n or in something inside of it.
func (n *node) isBad() bool {
	switch n.kind {
	case bad:
		return true
	case list:
		return slices.ContainsFunc(n.items, (*node).isBad)
	case dict:
		return slices.ContainsFunc(n.fields, func(f field) bool { return f.value.isBad() })
	default:
		return false
	}
}

// intrinsic gives the function and its argument if n is a call of one.
func (n *node) intrinsic() (name string, arg *node, ok bool) {
	if n.kind != dict || len(n.fields) != 1 {
		return "", nil, false
	}
	f := n.fields[0]
	if f.key == "Ref" || f.key == shortCondition || strings.HasPrefix(f.key, "Fn::") {
		return f.key, f.value, true
	}
	return "", nil, false
}

// what names the kind of n for an error message.
func (n *node) what() string {
	switch n.kind {
	case list:
		return "a list"
	case dict:
		return "a map"
	case none:
		return "AWS::NoValue"
	default:
		if n.isNull() {
			return "null"
		}
		return strconv.Quote(n.text)
	}
}

// plain gives n as encoding/json would decode it.
func (n *node) plain() any {
	switch n.kind {
	case list:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.plain()
		}
		return out
	case dict:
		out := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			out[f.key] = f.value.plain()
		}
		return out
	case scalar:
		return n.plainScalar()
	default:
		return nil
	}
}

func (n *node) plainScalar() any {
	switch n.typ {
	case numberType:
		if json.Valid([]byte(n.text)) {
			return json.Number(n.text)
		}
		// Spellings of numbers that JSON lacks: +1, 0x1f, .5
		if i, err := strconv.ParseInt(n.text, 0, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(n.text, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
		}
		return n.text
	case boolType:
		return isTrue(n.text)
	case nullType:
		return nil
	default:
		return n.text
	}
}

// isTrue reads a boolean in any of YAML 1.1's spellings, which CloudFormation
// and SAM take.
func isTrue(text string) bool {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "y":
		return true
	default:
		return false
	}
}
