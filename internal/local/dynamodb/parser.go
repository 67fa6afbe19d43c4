package dynamodb

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Classes of mistakes in an expression. The service goes on after a mistake and in the end reports the one
// whose class comes first, so the parser only takes note of them.
const (
	mistakeParens     = "parens"
	mistakeFunction   = "unknown function"
	mistakeMisused    = "misused function"
	mistakeReserved   = "reserved word"
	mistakeCondition  = "condition"
	mistakeSection    = "section"
	mistakeUndefined  = "undefined placeholder"
	mistakeUndefinedV = "undefined value placeholder"
	mistakeCount      = "number of operands"
	mistakeDistinct   = "operands not distinct"
	mistakeOperand    = "operand type"
	mistakeOverlap    = "path overlap"
	mistakeConflict   = "path conflict"
)

// parser is a recursive descent parser for one expression. After a syntax error it stands at the end of the
// tokens, so that every loop ends; what the parse functions return then is not used.
type parser struct {
	source   string
	tokens   []token
	pos      int
	holders  *placeholders
	syntax   string            // the syntax error, if there is one
	mistakes map[string]string // the first mistake of each class
}

func newParser(source string, h *placeholders) *parser {
	return &parser{source: source, tokens: tokenize(source), holders: h, mistakes: map[string]string{}}
}

// finish is the error to report, given the order in which the service looks at the classes.
func (p *parser) finish(order ...string) error {
	if p.peek().kind != tokenEnd {
		p.fail()
	}
	if p.syntax != "" {
		return errors.New(p.syntax)
	}
	for _, class := range order {
		if mistake, found := p.mistakes[class]; found {
			return errors.New(mistake)
		}
	}
	return nil
}

func (p *parser) notef(class, format string, args ...any) {
	if _, found := p.mistakes[class]; !found {
		p.mistakes[class] = fmt.Sprintf(format, args...)
	}
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) advance() token {
	t := p.tokens[p.pos]
	if t.kind != tokenEnd {
		p.pos++
	}
	return t
}

func (p *parser) accept(symbol string) bool {
	if !p.peek().is(symbol) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) acceptKeyword(word string) bool {
	if !p.peek().keyword(word) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(symbol string) {
	if !p.accept(symbol) {
		p.fail()
	}
}

// fail takes note of a syntax error at the current token. The message shows the tokens around it.
func (p *parser) fail() {
	if p.syntax == "" {
		near := p.source[p.tokens[max(0, p.pos-1)].start:p.tokens[min(len(p.tokens)-1, p.pos+1)].end]
		p.syntax = fmt.Sprintf("Syntax error; token: %q, near: %q", p.peek().text, near)
	}
	p.pos = len(p.tokens) - 1
}

// step is one part of a document path: a map member, or a list index when name is not set.
type step struct {
	name    string
	index   int
	isIndex bool
}

// path leads to a value inside an item, such as a.b[0].
type path []step

func (p path) head() string { return p[0].name }

// String is the form messages show: [a, b, [0]].
func (p path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = s.name
		if s.isIndex {
			parts[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// path parses a document path.
func (p *parser) path() path {
	parsed := path{p.pathName()}
	for {
		switch {
		case p.accept("."):
			parsed = append(parsed, p.pathName())
		case p.accept("["):
			parsed = append(parsed, p.pathIndex())
			p.expect("]")
		default:
			return parsed
		}
	}
}

func (p *parser) pathName() step {
	switch t := p.peek(); t.kind {
	case tokenWord:
		p.advance()
		if isReserved(t.text) {
			p.notef(mistakeReserved, "Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
		return step{name: t.text}
	case tokenName:
		p.advance()
		name, ok := p.holders.name(t.text)
		if !ok {
			p.notef(mistakeUndefined, "An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
		}
		return step{name: name}
	}
	p.fail()
	return step{}
}

func (p *parser) pathIndex() step {
	t := p.peek()
	index, err := strconv.Atoi(t.text)
	if t.kind != tokenInteger || err != nil && !errors.Is(err, strconv.ErrRange) {
		p.fail()
		return step{}
	}
	p.advance()
	if err != nil {
		p.notef(mistakeReserved, "List index is not within the allowable range; index: [%s]", t.text)
	}
	return step{index: index, isIndex: true}
}

// checkPaths takes note of paths that overlap, or that use the same value as map and as list.
func (p *parser) checkPaths(paths []path) {
	for i, later := range paths {
		for _, earlier := range paths[:i] {
			p.checkPair(earlier, later)
		}
	}
}

func (p *parser) checkPair(a, b path) {
	const advice = "must remove or rewrite one of these paths; path one: %s, path two: %s"
	for i := range min(len(a), len(b)) {
		if a[i].isIndex != b[i].isIndex {
			p.notef(mistakeConflict, "Two document paths conflict with each other; "+advice, a, b)
			return
		}
		if a[i] != b[i] {
			return
		}
	}
	p.notef(mistakeOverlap, "Two document paths overlap with each other; "+advice, a, b)
}

// at is the value the path leads to; its kind is kindNone when there is none.
func (it item) at(p path) value {
	v := value{kind: kindM, fields: it}
	for _, s := range p {
		switch {
		case s.isIndex && v.kind == kindL && s.index < len(v.list):
			v = v.list[s.index]
		case !s.isIndex && v.kind == kindM:
			v = v.fields[s.name]
		default:
			return value{}
		}
	}
	return v
}

// placeholderValue parses a :value.
func (p *parser) placeholderValue() value {
	t := p.peek()
	if t.kind != tokenValue {
		p.fail()
		return value{}
	}
	p.advance()
	v, ok := p.holders.value(t.text)
	if !ok {
		p.notef(mistakeUndefinedV, "An expression attribute value used in expression is not defined; attribute value: %s", t.text)
	}
	return v
}
