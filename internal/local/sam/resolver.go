package sam

import (
	"slices"
	"strings"
)

// resolver works out one template.
type resolver struct {
	*problems

	cfg  Config
	root *node

	params     map[string]*node
	mappings   *node
	conditions map[string]*condition
	resources  map[string]*resource
	order      []*resource // as the file has them

	// edges are the references from one resource to another, for finding
	// circles: from, to, line.
	edges map[string]map[string]int
}

// resource is one entry of the Resources section, with Globals merged in.
type resource struct {
	id         string
	line       int
	typ        string
	properties *node
	metadata   *node
	attributes *node // the whole entry
	condition  *node

	// name is the physical name once it was asked for; naming is set while it
	// is being worked out.
	name   string
	naming bool
}

// scope is where a value stands.
type scope struct {
	// owner is the resource whose references these are; empty outside.
	owner string

	// live is false in what a condition leaves out: it is checked all the same,
	// but may refer to resources that are left out as well.
	live bool

	// conditions is set in the Conditions section, which comes before resources.
	conditions bool
}

var sections = []string{
	"AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Mappings",
	"Metadata", "Outputs", "Parameters", "Resources", "Transform",
}

func newResolver(cfg Config, p *problems, root *node) *resolver {
	return &resolver{
		problems: p, cfg: cfg, root: root,
		params:     map[string]*node{},
		conditions: map[string]*condition{},
		resources:  map[string]*resource{},
		edges:      map[string]map[string]int{},
	}
}

// template works out everything; problems tells whether it is right.
func (r *resolver) template() *Template {
	if !r.onlyKeys(r.root, "a template", sections) {
		return nil
	}
	r.header()
	r.parameters(r.root.get("Parameters"))
	r.mappings = r.checkedMappings(r.root.get("Mappings"))
	for _, f := range r.entries(r.root.get("Conditions"), "Conditions") {
		r.conditions[f.key] = &condition{field: f}
	}
	for _, f := range r.entries(r.root.get("Conditions"), "Conditions") {
		r.holds(f.key, f.line)
	}
	r.collect()
	b := &builder{resolver: r, t: &Template{Outputs: map[string]string{}}}
	b.build()
	r.outputs(b.t)
	r.circles()
	return b.t
}

const samTransform = "AWS::Serverless-2016-10-31"

func (r *resolver) header() {
	if v := r.root.get("AWSTemplateFormatVersion"); v != nil && (v.kind != scalar || v.text != "2010-09-09") {
		r.addf(v.line, `AWSTemplateFormatVersion is "2010-09-09", not %s`, v.what())
	}
	transform := r.root.get("Transform")
	if transform == nil {
		return
	}
	names := []*node{transform}
	if transform.kind == list {
		names = transform.items
	}
	for _, n := range names {
		if n.kind != bad && (n.kind != scalar || n.text != samTransform) {
			r.addf(n.line, "the only transform supported is %s, not %s", samTransform, n.what())
		}
	}
}

// entries gives the fields of a section, which may be missing.
func (r *resolver) entries(section *node, name string) []field {
	if section == nil || section.kind == bad {
		return nil
	}
	if section.kind != dict {
		r.addf(section.line, "%s must be a map, not %s", name, section.what())
		return nil
	}
	return section.fields
}

// onlyKeys checks that n is a map of known keys.
func (r *resolver) onlyKeys(n *node, what string, known []string) bool {
	if n.kind == bad {
		return false
	}
	if n.kind != dict {
		r.addf(n.line, "%s must be a map, not %s", what, n.what())
		return false
	}
	ok := true
	for _, f := range n.fields {
		if !slices.Contains(known, f.key) {
			r.addf(f.line, "%s has no %q (it may have %s)", what, f.key, strings.Join(known, ", "))
			ok = false
		}
	}
	return ok
}

// checkedMappings gives the section if it has the shape map.key.name: value.
func (r *resolver) checkedMappings(section *node) *node {
	for _, m := range r.entries(section, "Mappings") {
		for _, key := range r.entries(m.value, "mapping "+m.key) {
			for _, v := range r.entries(key.value, "mapping "+m.key+"."+key.key) {
				r.mappingValue(v.value)
			}
		}
	}
	return section
}

func (r *resolver) mappingValue(v *node) {
	values := []*node{v}
	if v.kind == list {
		values = v.items
	}
	for _, one := range values {
		if one.kind != scalar && one.kind != bad {
			r.addf(one.line, "a mapping's value must be a string or a list of strings, not %s", one.what())
		}
	}
}

// outputs works out the Outputs section.
func (r *resolver) outputs(t *Template) {
	for _, f := range r.entries(r.root.get("Outputs"), "Outputs") {
		if !r.onlyKeys(f.value, "output "+f.key, []string{"Condition", "Description", "Export", "Value"}) {
			continue
		}
		s := scope{live: true}
		if c := f.value.get("Condition"); c != nil {
			s.live = r.conditionNamed(c)
		}
		if export := f.value.get("Export"); export != nil && r.onlyKeys(export, "Export", []string{nameProperty}) {
			r.textOf(export.get(nameProperty), export.line, nameProperty, s)
		}
		value := f.value.get("Value")
		if value == nil {
			r.addf(f.line, "output %s has no Value", f.key)
			continue
		}
		if text, ok := r.textOf(value, f.line, "Value", s); ok && s.live {
			t.Outputs[f.key] = text
		}
	}
}

// textOf works out n, which must be text.
func (r *resolver) textOf(n *node, line int, what string, s scope) (string, bool) {
	if n == nil {
		r.addf(line, "%s is missing", what)
		return "", false
	}
	v := r.eval(n, s)
	switch {
	case v.kind == bad:
		return "", false
	case v.kind != scalar || v.isNull():
		r.addf(v.line, "%s must be a string, not %s", what, v.what())
		return "", false
	}
	return v.text, true
}
