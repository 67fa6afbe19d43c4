package sam

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// eval works out n: what comes back has no intrinsic functions, and no
// AWS::NoValue inside. It is bad where an error was reported.
func (r *resolver) eval(n *node, s scope) *node {
	switch n.kind {
	case scalar:
		return r.evalScalar(n, s)
	case list:
		out := &node{kind: list, line: n.line}
		for _, item := range n.items {
			if v := r.eval(item, s); v.kind != none {
				out.items = append(out.items, v)
			}
		}
		return out
	case dict:
		if name, arg, ok := n.intrinsic(); ok {
			return r.call(name, arg, n.line, s)
		}
		return r.evalDict(n, s)
	default:
		return n
	}
}

func (r *resolver) evalDict(n *node, s scope) *node {
	out := &node{kind: dict, line: n.line}
	for _, f := range n.fields {
		if strings.HasPrefix(f.key, "Fn::") {
			r.addf(f.line, "%s must be the only key of its map", f.key)
			continue
		}
		if v := r.eval(f.value, s); v.kind != none {
			out.fields = append(out.fields, field{key: f.key, line: f.line, value: v})
		}
	}
	return out
}

func (r *resolver) evalScalar(n *node, s scope) *node {
	if n.isNull() {
		r.addf(n.line, "null is no value of a template")
		return newBad(n.line)
	}
	if n.typ != textType {
		out := *n
		return &out
	}
	return r.finished(n.text, n.line, s)
}

// finished is the scalar for a text that is complete. A dynamic reference to a
// secret stays as it stands in it, since secrets are made after the template is
// read: what the local stack runs should name the secret instead.
func (r *resolver) finished(text string, line int, s scope) *node {
	if strings.Contains(strings.ReplaceAll(text, "{{resolve:secretsmanager:", ""), "{{resolve:") {
		r.addf(line, "dynamic references ({{resolve:…}}) are not supported, but to secrets")
		return newBad(line)
	}
	return newText(line, r.localAddress(text, line, s))
}

// call works out one intrinsic function.
func (r *resolver) call(name string, arg *node, line int, s scope) *node {
	if arg.kind == bad {
		return newBad(line)
	}
	switch name {
	case "Ref":
		return r.callRef(arg, line, s)
	case "Fn::GetAtt":
		return r.callGetAtt(arg, line, s)
	case "Fn::Sub":
		return r.callSub(arg, line, s)
	case "Fn::Join":
		return r.callJoin(arg, line, s)
	case "Fn::Select":
		return r.callSelect(arg, line, s)
	case "Fn::Split":
		return r.callSplit(arg, line, s)
	case "Fn::If":
		return r.callIf(arg, line, s)
	case "Fn::FindInMap":
		return r.callFindInMap(arg, line, s)
	case "Fn::Base64":
		if text, ok := r.argText(name, arg, s); ok {
			return newText(line, base64.StdEncoding.EncodeToString([]byte(text)))
		}
		return newBad(line)
	case "Fn::GetAZs":
		return r.callGetAZs(arg, line, s)
	default:
		r.addf(line, "%s", whyNot(name))
		return newBad(line)
	}
}

// whyNot tells why a function cannot stand here.
func whyNot(name string) string {
	switch name {
	case "Fn::ImportValue":
		return "Fn::ImportValue is not supported: there are no other stacks"
	case shortCondition, "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not":
		return strings.TrimPrefix(name, "!") + " belongs in the Conditions section"
	default:
		return "unknown intrinsic function " + name
	}
}

// argText works out a function's argument that must be text.
func (r *resolver) argText(name string, arg *node, s scope) (string, bool) {
	v := r.eval(arg, s)
	if v.kind != scalar {
		if v.kind != bad {
			r.addf(v.line, "%s takes a string here, not %s", name, v.what())
		}
		return "", false
	}
	return v.text, true
}

// argList works out a function's argument that must be a list of texts.
func (r *resolver) argList(name string, arg *node, s scope) ([]string, bool) {
	v := r.eval(arg, s)
	if v.kind != list {
		if v.kind != bad {
			r.addf(v.line, "%s takes a list here, not %s", name, v.what())
		}
		return nil, false
	}
	out := make([]string, 0, len(v.items))
	for _, item := range v.items {
		if item.kind != scalar {
			if item.kind != bad {
				r.addf(item.line, "%s takes a list of strings here, which %s is none of", name, item.what())
			}
			return nil, false
		}
		out = append(out, item.text)
	}
	return out, true
}

func (r *resolver) callRef(arg *node, line int, s scope) *node {
	if arg.kind != scalar {
		r.addf(arg.line, "Ref takes a name, not %s", arg.what())
		return newBad(line)
	}
	return r.ref(arg.text, line, s)
}

func (r *resolver) callGetAtt(arg *node, line int, s scope) *node {
	id, attribute, ok := "", "", false
	switch {
	case arg.kind == scalar:
		id, attribute, ok = strings.Cut(arg.text, ".")
	case arg.kind == list && len(arg.items) == 2 && arg.items[0].kind == scalar:
		id = arg.items[0].text
		if attribute, ok = r.argText("Fn::GetAtt", arg.items[1], s); !ok {
			return newBad(line)
		}
	}
	if !ok || id == "" || attribute == "" {
		r.addf(line, "Fn::GetAtt takes Resource.Attribute, or a list of the two")
		return newBad(line)
	}
	return r.getAtt(id, attribute, line, s)
}

func (r *resolver) callSub(arg *node, line int, s scope) *node {
	variables := map[string]*node{}
	text := arg
	if arg.kind == list && len(arg.items) == 2 {
		text = arg.items[0]
		for _, f := range r.entries(arg.items[1], "Fn::Sub's second value") {
			variables[f.key] = r.eval(f.value, s)
		}
	}
	if text.kind != scalar {
		if text.kind != bad {
			r.addf(arg.line, "Fn::Sub takes a string, or a list of a string and a map")
		}
		return newBad(line)
	}
	out, ok := r.substitute(text.text, line, s, variables)
	if !ok {
		return newBad(line)
	}
	return r.finished(out, line, s)
}

var (
	placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)
	reference   = regexp.MustCompile(`^[A-Za-z0-9:]+(?:\.[A-Za-z0-9_.:-]+)?$`)
)

// substitute fills in ${Name}, ${Resource.Attribute} and ${!Literal}.
func (r *resolver) substitute(text string, line int, s scope, variables map[string]*node) (string, bool) {
	ok := true
	out := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		name := match[2 : len(match)-1]
		if literal, isLiteral := strings.CutPrefix(name, "!"); isLiteral {
			return "${" + literal + "}"
		}
		v := variables[name]
		if v == nil {
			v = r.named(name, line, s)
		}
		if v.kind != scalar {
			if v.kind != bad {
				r.addf(line, "Fn::Sub: ${%s} is %s, not a string", name, v.what())
			}
			ok = false
		}
		return v.text
	})
	return out, ok
}

// named works out what stands between the braces of Fn::Sub.
func (r *resolver) named(name string, line int, s scope) *node {
	if !reference.MatchString(name) {
		r.addf(line, "Fn::Sub: ${%s} is no name; ${!%s} stands for itself", name, name)
		return newBad(line)
	}
	id, attribute, isAttribute := strings.Cut(name, ".")
	if !isAttribute || r.isGenerated(name) {
		return r.ref(name, line, s)
	}
	return r.getAtt(id, attribute, line, s)
}

func (r *resolver) callJoin(arg *node, line int, s scope) *node {
	parts := r.operands("Fn::Join", arg, 2, 2)
	if parts == nil {
		return newBad(line)
	}
	between, ok := r.argText("Fn::Join", parts[0], s)
	texts, ok2 := r.argList("Fn::Join", parts[1], s)
	if !ok || !ok2 {
		return newBad(line)
	}
	return r.finished(strings.Join(texts, between), line, s)
}

func (r *resolver) callSelect(arg *node, line int, s scope) *node {
	parts := r.operands("Fn::Select", arg, 2, 2)
	if parts == nil {
		return newBad(line)
	}
	position, ok := r.argText("Fn::Select", parts[0], s)
	texts, ok2 := r.argList("Fn::Select", parts[1], s)
	if !ok || !ok2 {
		return newBad(line)
	}
	i, err := strconv.Atoi(position)
	if err != nil || i < 0 || i >= len(texts) {
		if s.live {
			r.addf(line, "Fn::Select: there is no element %s in a list of %d", position, len(texts))
		}
		return newBad(line)
	}
	return newText(line, texts[i])
}

func (r *resolver) callSplit(arg *node, line int, s scope) *node {
	parts := r.operands("Fn::Split", arg, 2, 2)
	if parts == nil {
		return newBad(line)
	}
	between, ok := r.argText("Fn::Split", parts[0], s)
	text, ok2 := r.argText("Fn::Split", parts[1], s)
	if !ok || !ok2 {
		return newBad(line)
	}
	if between == "" {
		r.addf(line, "Fn::Split needs a delimiter")
		return newBad(line)
	}
	out := &node{kind: list, line: line}
	for part := range strings.SplitSeq(text, between) {
		out.items = append(out.items, newText(line, part))
	}
	return out
}

func (r *resolver) callIf(arg *node, line int, s scope) *node {
	parts := r.operands("Fn::If", arg, 3, 3)
	if parts == nil {
		return newBad(line)
	}
	taken, left := parts[1], parts[2]
	if !r.conditionNamed(parts[0]) {
		taken, left = left, taken
	}
	unused := s
	unused.live = false
	r.eval(left, unused)
	return r.eval(taken, s)
}

func (r *resolver) callFindInMap(arg *node, line int, s scope) *node {
	parts := r.operands("Fn::FindInMap", arg, 3, 3)
	if parts == nil {
		return newBad(line)
	}
	var path []string
	for _, part := range parts {
		text, ok := r.argText("Fn::FindInMap", part, s)
		if !ok {
			return newBad(line)
		}
		path = append(path, text)
	}
	at := r.mappings
	for i, key := range path {
		if at = at.get(key); at == nil {
			if s.live || i == 0 {
				r.addf(line, "Fn::FindInMap: Mappings has no %s", strings.Join(path[:i+1], "."))
			}
			return newBad(line)
		}
	}
	out := r.eval(at, s)
	out.line = line
	return out
}

func (r *resolver) callGetAZs(arg *node, line int, s scope) *node {
	region, ok := r.argText("Fn::GetAZs", arg, s)
	if !ok {
		return newBad(line)
	}
	if region == "" {
		region = r.cfg.Region
	}
	out := &node{kind: list, line: line}
	for _, zone := range []string{"a", "b", "c"} {
		out.items = append(out.items, newText(line, region+zone))
	}
	return out
}

var pseudoParameters = []string{
	"AWS::AccountId", "AWS::NoValue", "AWS::NotificationARNs", "AWS::Partition", "AWS::Region",
	"AWS::StackId", "AWS::StackName", "AWS::URLSuffix",
}

func (r *resolver) pseudo(name string, line int) *node {
	switch name {
	case "AWS::AccountId":
		return newText(line, r.cfg.AccountID)
	case "AWS::NoValue":
		return &node{kind: none, line: line}
	case "AWS::NotificationARNs":
		return &node{kind: list, line: line}
	case "AWS::Partition":
		return newText(line, r.cfg.Partition)
	case "AWS::Region":
		return newText(line, r.cfg.Region)
	case "AWS::StackId":
		return newText(line, r.arn("cloudformation", "stack/"+r.cfg.StackName+"/"+r.opaque(r.cfg.StackName)))
	case "AWS::StackName":
		return newText(line, r.cfg.StackName)
	default:
		return newText(line, r.urlSuffix())
	}
}

// ref works out Ref.
func (r *resolver) ref(name string, line int, s scope) *node {
	if slices.Contains(pseudoParameters, name) {
		return r.pseudo(name, line)
	}
	if p, ok := r.params[name]; ok {
		out := r.eval(p, s)
		out.line = line
		return out
	}
	if text, ok := r.refGenerated(name, line, s); ok {
		return r.textOrBad(text, line)
	}
	res := r.target(name, "Ref", line, s)
	if res == nil {
		return newBad(line)
	}
	text, ok := r.refValue(res, line)
	if !ok {
		return newBad(line)
	}
	return newText(line, text)
}

// getAtt works out Fn::GetAtt.
func (r *resolver) getAtt(id, attribute string, line int, s scope) *node {
	if text, ok := r.getAttGenerated(id, attribute, line, s); ok {
		return r.textOrBad(text, line)
	}
	res := r.target(id, "Fn::GetAtt", line, s)
	if res == nil {
		return newBad(line)
	}
	text, ok := r.attribute(res, attribute, line)
	if !ok {
		return newBad(line)
	}
	return newText(line, text)
}

func (r *resolver) textOrBad(text string, line int) *node {
	if text == "" {
		return newBad(line)
	}
	return newText(line, text)
}

// target finds the resource that a function refers to, and remembers that it
// does; nil after an error.
func (r *resolver) target(id, function string, line int, s scope) *resource {
	if s.conditions {
		r.addf(line, "%s %s: conditions can only refer to parameters", function, id)
		return nil
	}
	res, ok := r.resources[id]
	if !ok {
		r.addf(line, "%s: there is no resource or parameter %q", function, id)
		return nil
	}
	if !r.present(res, function, line, s) {
		return nil
	}
	r.edge(s, id, line)
	return res
}

// present reports a resource that its condition leaves out.
func (r *resolver) present(res *resource, function string, line int, s scope) bool {
	if s.live && !r.exists(res) {
		r.addf(line, "%s: resource %s is left out by its condition", function, res.id)
		return false
	}
	return true
}

func (r *resolver) edge(s scope, to string, line int) {
	if s.owner == "" || !s.live {
		return
	}
	if r.edges[s.owner] == nil {
		r.edges[s.owner] = map[string]int{}
	}
	if _, known := r.edges[s.owner][to]; !known {
		r.edges[s.owner][to] = line
	}
}

// exists tells whether the resource's condition holds.
func (r *resolver) exists(res *resource) bool {
	return res.condition == nil || r.conditionNamed(res.condition)
}
