// Command schemagen writes cloudformation.json of package sam: which properties
// CloudFormation's resource types have, and of which types.
//
// It reads a folder of CloudFormation's resource provider schemas, one JSON
// file a type, as AWS publishes them (CloudformationSchema.zip) and as cfn-lint
// carries them:
//
//	go run ./internal/local/sam/schemagen FOLDER > internal/local/sam/cloudformation.json
//
// The types that it takes over are those which package sam has names for.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// longestEnum is how many allowed values are worth checking; longer lists (of
// regions, say) grow faster than this file is generated.
const longestEnum = 30

type schema struct {
	TypeName          string             `json:"typeName"`
	Definitions       map[string]*schema `json:"definitions"`
	Ref               string             `json:"$ref"`
	Type              any                `json:"type"`
	Properties        map[string]*schema `json:"properties"`
	PatternProperties map[string]*schema `json:"patternProperties"`
	Items             *schema            `json:"items"`
	Required          []string           `json:"required"`
	ReadOnly          []string           `json:"readOnlyProperties"`
	Enum              []any              `json:"enum"`
	Minimum           *float64           `json:"minimum"`
	Maximum           *float64           `json:"maximum"`
	AnyOf             []*schema          `json:"anyOf"`
	OneOf             []*schema          `json:"oneOf"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: schemagen FOLDER")
	}
	files, err := filepath.Glob(filepath.Join(args[0], "*.json"))
	if err != nil {
		return fmt.Errorf("listing %s: %w", args[0], err)
	}
	wanted := map[string]bool{}
	for _, name := range sam.CloudFormationTypes() {
		wanted[name] = true
	}
	out := map[string]map[string]string{}
	for _, file := range files {
		root, err := read(file)
		if err != nil {
			return err
		}
		if wanted[root.TypeName] {
			delete(wanted, root.TypeName)
			g := generator{root: root, out: out}
			g.resource()
		}
	}
	if len(wanted) > 0 {
		return fmt.Errorf("no schema for %v", slices.Sorted(maps.Keys(wanted)))
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

func read(file string) (*schema, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the folder is the caller's argument
	if err != nil {
		return nil, fmt.Errorf("reading a schema: %w", err)
	}
	var s schema
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return &s, nil
}

type generator struct {
	root *schema
	out  map[string]map[string]string
}

// resource writes the resource type itself, without what only GetAtt gives.
func (g *generator) resource() {
	for _, pointer := range g.root.ReadOnly {
		delete(g.root.Properties, strings.TrimPrefix(pointer, "/properties/"))
	}
	g.object(g.root.TypeName, g.root)
}

// object writes s, which has properties, under name.
func (g *generator) object(name string, s *schema) {
	if _, done := g.out[name]; done {
		return
	}
	fields := map[string]string{}
	g.out[name] = fields
	for property, p := range s.Properties {
		key := property
		if slices.Contains(s.Required, property) {
			key += "!"
		}
		fields[key] = g.expression(name+"."+property, p)
	}
}

// expression gives the type of s in the notation of package sam; path names it
// if it is an object that the schema gives no name.
func (g *generator) expression(path string, s *schema) string {
	if s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, "#/definitions/")
		def, ok := g.root.Definitions[name]
		if !ok {
			return "json"
		}
		return g.expression(g.root.TypeName+"."+name, def)
	}
	s = merged(s)
	switch s.Type {
	case "string":
		return "string" + enum(s.Enum)
	case "integer", "number":
		return fmt.Sprint(s.Type) + bounds(s)
	case "boolean":
		return "boolean"
	case "array":
		if s.Items == nil {
			return "[]json"
		}
		return "[]" + g.expression(path, s.Items)
	case "object":
		return g.mapping(path, s)
	default:
		return "json"
	}
}

func (g *generator) mapping(path string, s *schema) string {
	switch {
	case len(s.Properties) > 0:
		g.object(path, s)
		return path
	case len(s.PatternProperties) == 1:
		for _, value := range s.PatternProperties {
			return "{}" + g.expression(path, value)
		}
	}
	return "json"
}

// merged is s with the properties of its alternatives.
func merged(s *schema) *schema {
	out := *s
	for _, alternative := range slices.Concat(s.AnyOf, s.OneOf) {
		if len(alternative.Properties) == 0 {
			continue
		}
		if out.Type == nil {
			out.Type = "object"
		}
		if out.Properties == nil {
			out.Properties = map[string]*schema{}
		} else {
			out.Properties = maps.Clone(out.Properties)
		}
		for name, p := range alternative.Properties {
			// An alternative often only repeats a name to require it.
			if _, known := out.Properties[name]; !known {
				out.Properties[name] = p
			}
		}
	}
	return &out
}

func enum(values []any) string {
	if len(values) == 0 || len(values) > longestEnum {
		return ""
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	slices.Sort(words)
	return "(" + strings.Join(words, "|") + ")"
}

func bounds(s *schema) string {
	if s.Minimum == nil && s.Maximum == nil {
		return ""
	}
	return "(" + number(s.Minimum) + ".." + number(s.Maximum) + ")"
}

func number(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}
