package gateway

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/time/rate"
)

// anyMethod is the method of a route that takes every method.
const anyMethod = "ANY"

// method is what happens to one HTTP method of one resource: a function, or
// the answer to a CORS preflight.
type method struct {
	function   string
	authorizer *authorizer
	preflight  http.Header
	limiter    *rate.Limiter
}

// resource is one path of the API and its methods, by name.
type resource struct {
	path    string
	id      string
	methods map[string]*method
}

// methodFor gives the method that takes a request, or nil. HEAD is a method
// like any other, and ANY stands for the seven that API Gateway knows.
func (r *resource) methodFor(name string) *method {
	if m := r.methods[name]; m != nil {
		return m
	}
	if !standardMethod(name) {
		return nil
	}
	return r.methods[anyMethod]
}

func standardMethod(name string) bool {
	switch name {
	case http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
		http.MethodPatch, http.MethodPost, http.MethodPut:
		return true
	}
	return false
}

// router finds resources by path. The zero router is empty.
type router struct {
	root      node
	resources []*resource
}

// node is one segment of the tree of paths. As in API Gateway, at most one of
// its children is a variable, {name} or greedy {name+}.
type node struct {
	literals map[string]*node
	variable *node
	name     string // of the variable that this node is
	greedy   bool
	resource *resource
}

// add puts m at that method and path, which it must be the first to take.
func (rt *router) add(name, path string, m *method) error {
	if name != anyMethod && !standardMethod(name) {
		return fmt.Errorf("no method %q in a REST API", name)
	}
	if !strings.HasPrefix(path, "/") {
		return errors.New("the path does not begin with a slash")
	}
	at := &rt.root
	for _, segment := range segments(normalize(path)) {
		next, err := at.child(segment)
		if err != nil {
			return err
		}
		at = next
	}
	if at.resource == nil {
		at.resource = &resource{path: normalize(path), id: resourceID(path), methods: map[string]*method{}}
		rt.resources = append(rt.resources, at.resource)
	}
	if at.resource.methods[name] != nil {
		return errors.New("the route is there twice")
	}
	at.resource.methods[name] = m
	return nil
}

// child gives the node of one more segment of a route, new if need be.
func (n *node) child(segment string) (*node, error) {
	if n.greedy {
		return nil, fmt.Errorf("nothing can follow {%s+}", n.name)
	}
	if !strings.ContainsAny(segment, "{}") {
		if segment == "" {
			return nil, errors.New("the path has an empty segment")
		}
		if n.literals == nil {
			n.literals = map[string]*node{}
		}
		if n.literals[segment] == nil {
			n.literals[segment] = &node{}
		}
		return n.literals[segment], nil
	}
	name, greedy, err := parseVariable(segment)
	if err != nil {
		return nil, err
	}
	if n.variable == nil {
		n.variable = &node{name: name, greedy: greedy}
	}
	if n.variable.name != name || n.variable.greedy != greedy {
		return nil, fmt.Errorf("%s has a sibling that is a variable path part: only one is allowed", segment)
	}
	return n.variable, nil
}

// parseVariable reads a segment {name} or {name+}.
func parseVariable(segment string) (name string, greedy bool, err error) {
	inner, opened := strings.CutPrefix(segment, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	name, greedy = strings.CutSuffix(inner, "+")
	if !opened || !closed || name == "" || strings.ContainsAny(name, "{}+") {
		return "", false, fmt.Errorf("%q is not a path variable: it must be a whole segment {name} or {name+}", segment)
	}
	return name, greedy, nil
}

// find gives the most specific resource that path, normalized, is on, and the
// values of its variables as they stand in the path: percent-encoded. It gives
// nil if there is none.
func (rt *router) find(path string) (*resource, map[string]string) {
	params := map[string]string{}
	found := rt.root.match(segments(path), params)
	if found == nil {
		return nil, nil
	}
	return found, params
}

// match walks down from n: a literal beats a variable, and where the literal
// leads nowhere the variable still can.
func (n *node) match(rest []string, params map[string]string) *resource {
	if len(rest) == 0 {
		return n.resource
	}
	if next := n.literals[rest[0]]; next != nil {
		if found := next.match(rest[1:], params); found != nil {
			return found
		}
	}
	v := n.variable
	if v == nil || v.greedy && v.resource == nil || rest[0] == "" {
		return nil
	}
	if v.greedy {
		params[v.name] = strings.Join(rest, "/")
		return v.resource
	}
	found := v.match(rest[1:], params)
	if found != nil {
		params[v.name] = rest[0]
	}
	return found
}

// begins tells whether a route's first segment takes segment.
func (n *node) begins(segment string) bool {
	if segment == "" {
		return n.resource != nil
	}
	return n.literals[segment] != nil || n.variable != nil
}

// normalize drops the slashes at both ends of a path, which do not count, and
// puts one in front.
func normalize(path string) string {
	return "/" + strings.Trim(path, "/")
}

// segments splits a normalized path; the root has none.
func segments(path string) []string {
	if path == "/" {
		return nil
	}
	return strings.Split(path[1:], "/")
}

// resourceID makes an identifier that looks like API Gateway's and stays the
// same from one start to the next.
func resourceID(path string) string {
	sum := sha256.Sum256([]byte(normalize(path)))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}
