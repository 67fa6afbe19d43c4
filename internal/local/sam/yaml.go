package sam

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of what a template can sensibly be; a few lines of nested aliases
// would otherwise grow without end.
const (
	maxNodes = 200_000
	maxDepth = 60
)

// shortCondition is the key that !Condition stands for. The key "Condition" by
// itself is no function: IAM statements have one.
const shortCondition = "!Condition"

// reader turns a YAML document into nodes.
type reader struct {
	*problems

	nodes int
	full  bool
}

// read gives the root of the document; nil if it cannot be read at all.
func (r *reader) read(data []byte) *node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && len(doc.Content) == 0) {
		r.addf(1, "the file is empty")
		return nil
	}
	if err != nil {
		r.syntax(err)
		return nil
	}
	var more yaml.Node
	if err := dec.Decode(&more); err == nil {
		r.addf(more.Line, "a template is one YAML document; here begins another")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
	}
	root := r.node(doc.Content[0], 0)
	if r.full {
		return nil
	}
	return root
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax reports an error of the YAML parser at the line that it names.
func (r *reader) syntax(err error) {
	line := 0
	text := err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = strings.TrimPrefix(text, m[0])
	}
	r.addf(line, "not YAML: %s", text)
}

func (r *reader) node(y *yaml.Node, depth int) *node {
	r.nodes++
	if depth > maxDepth || r.nodes > maxNodes {
		if !r.full {
			r.full = true
			r.addf(y.Line, "nested too deeply, or more than %d values once aliases are written out", maxNodes)
		}
		return newBad(y.Line)
	}
	name, isCall := function(y.Tag)
	if !isCall {
		return r.bare(y, depth)
	}
	call := field{key: name, line: y.Line, value: r.bare(y, depth)}
	return &node{kind: dict, line: y.Line, fields: []field{call}}
}

// function gives the long form of a tag that is no type: !Sub is Fn::Sub.
func function(tag string) (string, bool) {
	if len(tag) < 2 || tag[0] != '!' || tag[1] == '!' {
		return "", false
	}
	switch tag {
	case "!Ref":
		return "Ref", true
	case "!Condition":
		return shortCondition, true
	default:
		return "Fn::" + tag[1:], true
	}
}

// bare reads y without its tag if that is a function.
func (r *reader) bare(y *yaml.Node, depth int) *node {
	switch y.Kind {
	case yaml.AliasNode:
		return r.node(y.Alias, depth+1)
	case yaml.SequenceNode:
		out := &node{kind: list, line: y.Line}
		for _, item := range y.Content {
			out.items = append(out.items, r.node(item, depth+1))
		}
		return out
	case yaml.MappingNode:
		return r.mapping(y, depth)
	default:
		return r.scalar(y)
	}
}

func (r *reader) mapping(y *yaml.Node, depth int) *node {
	out := &node{kind: dict, line: y.Line}
	var merges []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.Kind == yaml.AliasNode && key.Alias != nil {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			r.addf(key.Line, "a key must be a string")
			continue
		}
		if key.Tag == "!!merge" {
			merges = append(merges, r.node(value, depth+1))
			continue
		}
		if r.scalar(key).typ == boolType {
			r.addf(key.Line, "key %s is a boolean in YAML 1.1, which SAM reads: put it in quotes", key.Value)
			continue
		}
		if out.get(key.Value) != nil {
			r.addf(key.Line, "key %q is there twice", key.Value)
			continue
		}
		f := field{key: key.Value, line: y.Content[i].Line, value: r.node(value, depth+1)}
		out.fields = append(out.fields, f)
	}
	for _, m := range merges {
		r.merge(out, m)
	}
	return out
}

// merge adds the fields which "<<" brings: a map, or a list of maps, of which
// the first wins.
func (r *reader) merge(out, source *node) {
	sources := []*node{source}
	if source.kind == list {
		sources = source.items
	}
	for _, s := range sources {
		if s.kind != dict {
			if s.kind != bad {
				r.addf(s.line, `"<<" merges maps, not %s`, s.what())
			}
			continue
		}
		for _, f := range s.fields {
			if out.get(f.key) == nil {
				out.fields = append(out.fields, f)
			}
		}
	}
}

// old is a boolean of YAML 1.1 that YAML 1.2 takes for a string.
var old = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$`)

func (r *reader) scalar(y *yaml.Node) *node {
	out := newText(y.Line, y.Value)
	if y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return out
	}
	switch tag := y.ShortTag(); {
	case tag == "!!null":
		out.typ = nullType
	case tag == "!!bool" || tag == "!!str" && old.MatchString(y.Value):
		out.typ = boolType
	case tag == "!!int" || tag == "!!float":
		out.typ = numberType
	case tag == "!!binary":
		r.addf(y.Line, "!!binary is not supported")
		return newBad(y.Line)
	}
	return out
}
