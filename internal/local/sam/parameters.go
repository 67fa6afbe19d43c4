package sam

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parameters works out the Parameters section with the values that were given.
// NoEcho values stay out of error messages.
func (r *resolver) parameters(section *node) {
	given := maps.Clone(r.cfg.Parameters)
	for _, f := range r.entries(section, "Parameters") {
		value, ok := given[f.key]
		delete(given, f.key)
		r.params[f.key] = r.parameter(f, value, ok)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		r.addf(0, "a value is given for parameter %q, which the template does not have", name)
	}
}

var parameterProperties = []string{
	"AllowedPattern", "AllowedValues", "ConstraintDescription", "Default", "Description",
	"MaxLength", "MaxValue", "MinLength", "MinValue", "NoEcho", "Type",
}

func (r *resolver) parameter(f field, value string, given bool) *node {
	def := f.value
	if !r.onlyKeys(def, "parameter "+f.key, parameterProperties) {
		return newBad(f.line)
	}
	line := f.line
	if d := def.get("Default"); !given && d != nil {
		if d.kind != scalar || d.isNull() {
			r.addf(d.line, "Default must be a string or a number, not %s", d.what())
			return newBad(f.line)
		}
		value, line = d.text, d.line
	} else if !given {
		r.addf(f.line, "parameter %s has no Default and no value is given", f.key)
		return newBad(f.line)
	}
	c := parameterCheck{resolver: r, name: f.key, def: def, line: line}
	return c.value(value)
}

type parameterCheck struct {
	*resolver

	name string
	def  *node
	line int
}

func (c *parameterCheck) value(text string) *node {
	kind := c.text("Type")
	element, isList := listElement(kind)
	switch {
	case kind == "":
		c.addf(c.line, "parameter %s has no Type", c.name)
		return newBad(c.line)
	case element != "String" && element != "Number" && !strings.HasPrefix(element, "AWS::EC2::") &&
		!strings.HasPrefix(element, "AWS::Route53::"):
		c.addf(c.def.get("Type").line, "parameters of type %s are not supported", kind)
		return newBad(c.line)
	}
	if !isList {
		return c.one(text, element)
	}
	out := &node{kind: list, line: c.line}
	for part := range strings.SplitSeq(text, ",") {
		out.items = append(out.items, c.one(strings.TrimSpace(part), element))
	}
	return out
}

func listElement(kind string) (element string, isList bool) {
	if kind == "CommaDelimitedList" {
		return "String", true
	}
	if inner, ok := strings.CutPrefix(kind, "List<"); ok {
		return strings.TrimSuffix(inner, ">"), true
	}
	return kind, false
}

// one checks one value, or one of a list's.
func (c *parameterCheck) one(text, kind string) *node {
	out := newText(c.line, text)
	if kind == "Number" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return c.refuse(text, "is not a number")
		}
		out.typ = numberType
		if limit, ok := c.number("MinValue"); ok && n < limit {
			return c.refuse(text, "is less than MinValue")
		}
		if limit, ok := c.number("MaxValue"); ok && n > limit {
			return c.refuse(text, "is more than MaxValue")
		}
	}
	if why := c.unfit(text, kind); why != "" {
		return c.refuse(text, why)
	}
	return out
}

// unfit checks what is the same for all types.
func (c *parameterCheck) unfit(text, kind string) string {
	length := float64(utf8.RuneCountInString(text))
	if limit, ok := c.number("MinLength"); ok && kind == "String" && length < limit {
		return "is shorter than MinLength"
	}
	if limit, ok := c.number("MaxLength"); ok && kind == "String" && length > limit {
		return "is longer than MaxLength"
	}
	if allowed := c.def.get("AllowedValues"); allowed != nil {
		if !slices.ContainsFunc(allowed.items, func(v *node) bool { return v.text == text }) {
			return "is not one of AllowedValues"
		}
	}
	if pattern := c.text("AllowedPattern"); pattern != "" && kind == "String" {
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			c.addf(c.def.get("AllowedPattern").line, "AllowedPattern: %v", err)
		} else if !re.MatchString(text) {
			return "does not match AllowedPattern " + pattern
		}
	}
	return ""
}

func (c *parameterCheck) refuse(text, why string) *node {
	shown := strconv.Quote(text)
	if isTrue(c.text("NoEcho")) {
		shown = "the value"
	}
	if hint := c.text("ConstraintDescription"); hint != "" {
		why += " (" + hint + ")"
	}
	c.addf(c.line, "parameter %s: %s %s", c.name, shown, why)
	return newBad(c.line)
}

func (c *parameterCheck) text(key string) string {
	v := c.def.get(key)
	if v == nil {
		return ""
	}
	if v.kind != scalar {
		c.addf(v.line, "%s must be a string, not %s", key, v.what())
		return ""
	}
	return v.text
}

func (c *parameterCheck) number(key string) (float64, bool) {
	v := c.def.get(key)
	if v == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(v.text, 64)
	if err != nil {
		c.addf(v.line, "%s must be a number, not %s", key, v.what())
		return 0, false
	}
	return n, true
}
