package dynamodb

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// placeholders are a request's ExpressionAttributeNames and ExpressionAttributeValues.
// All expressions of the request share them, and each must be used by one of them.
type placeholders struct {
	names        map[string]string
	values       map[string]value
	unusedNames  map[string]bool
	unusedValues map[string]bool
}

// newPlaceholders checks the placeholders by themselves.
func newPlaceholders(names map[string]string, values map[string]value) (*placeholders, error) {
	if err := checkPlaceholders("ExpressionAttributeNames", "#", names); err != nil {
		return nil, err
	}
	if err := checkPlaceholders("ExpressionAttributeValues", ":", values); err != nil {
		return nil, err
	}
	h := &placeholders{names: names, values: values, unusedNames: map[string]bool{}, unusedValues: map[string]bool{}}
	for key := range names {
		h.unusedNames[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if reason := values[key].problem(1); reason != "" {
			return nil, validationError("ExpressionAttributeValues contains invalid value: %s for key %s", reason, key)
		}
		h.unusedValues[key] = true
	}
	return h, nil
}

func checkPlaceholders[V any](parameter, sigil string, m map[string]V) error {
	if m != nil && len(m) == 0 {
		return validationError("%s must not be empty", parameter)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !strings.HasPrefix(key, sigil) || !isWord(key[len(sigil):]) {
			return validationError("%s contains invalid key: Syntax error; key: %q", parameter, key)
		}
	}
	return nil
}

func (h *placeholders) name(placeholder string) (string, bool) {
	delete(h.unusedNames, placeholder)
	name, ok := h.names[placeholder]
	return name, ok
}

func (h *placeholders) value(placeholder string) (value, bool) {
	delete(h.unusedValues, placeholder)
	v, ok := h.values[placeholder]
	return v, ok
}

// unused is the error for placeholders that no expression used, or nil.
func (h *placeholders) unused() error {
	if len(h.unusedNames) > 0 {
		return validationError("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}",
			strings.Join(slices.Sorted(maps.Keys(h.unusedNames)), ", "))
	}
	if len(h.unusedValues) > 0 {
		return validationError("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}",
			strings.Join(slices.Sorted(maps.Keys(h.unusedValues)), ", "))
	}
	return nil
}

// expressionSet is the expressions of one request with their placeholders, before they are parsed.
type expressionSet struct {
	Names      map[string]string `json:"ExpressionAttributeNames"`
	Values     map[string]value  `json:"ExpressionAttributeValues"`
	Condition  *string           `json:"ConditionExpression"`
	Update     *string           `json:"UpdateExpression"`
	KeyPart    *string           `json:"KeyConditionExpression"`
	Filter     *string           `json:"FilterExpression"`
	Projection *string           `json:"ProjectionExpression"`
}

// expressions are the parsed ones; those the request does not have are nil.
type expressions struct {
	condition  *node
	update     *update
	key        *node
	filter     *node
	projection *projection
}

// parameters are the expressions by the names of their request parameters.
func (s *expressionSet) parameters() map[string]**string {
	return map[string]**string{
		"ConditionExpression":    &s.Condition,
		"UpdateExpression":       &s.Update,
		"KeyConditionExpression": &s.KeyPart,
		"FilterExpression":       &s.Filter,
		"ProjectionExpression":   &s.Projection,
	}
}

// parse parses the expressions that the call has, by the names of their parameters. Like every parameter that a
// call does not have, others are ignored.
func (s expressionSet) parse(allowed ...string) (*expressions, error) {
	for parameter, source := range s.parameters() {
		if !slices.Contains(allowed, parameter) {
			*source = nil
		}
	}
	if err := s.checkPresence(allowed); err != nil {
		return nil, err
	}
	h, err := newPlaceholders(s.Names, s.Values)
	if err != nil {
		return nil, err
	}
	var parsed expressions
	var errs [5]error
	parsed.update, errs[0] = parseOptional("UpdateExpression", s.Update, h, parseUpdate)
	parsed.condition, errs[1] = parseOptional("ConditionExpression", s.Condition, h, parseCondition)
	parsed.key, errs[2] = parseOptional("KeyConditionExpression", s.KeyPart, h, parseCondition)
	parsed.filter, errs[3] = parseOptional("FilterExpression", s.Filter, h, parseCondition)
	parsed.projection, errs[4] = parseOptional("ProjectionExpression", s.Projection, h, parseProjection)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return &parsed, h.unused()
}

// checkPresence refuses placeholders without expressions to use them.
func (s expressionSet) checkPresence(allowed []string) error {
	parameters := s.parameters()
	isGiven := func(parameter string) bool { return *parameters[parameter] != nil }
	if s.Names != nil && !slices.ContainsFunc(allowed, isGiven) {
		return validationError("ExpressionAttributeNames can only be specified when using expressions")
	}
	withValues := slices.DeleteFunc(slices.Clone(allowed), func(p string) bool { return p == "ProjectionExpression" })
	if len(withValues) > 0 && s.Values != nil && !slices.ContainsFunc(withValues, isGiven) {
		verb := "is"
		if len(withValues) > 1 {
			verb = "are"
		}
		return validationError("ExpressionAttributeValues can only be specified when using expressions: %s %s null",
			strings.Join(withValues, " and "), verb)
	}
	return nil
}

// maxExpression is the longest an expression may be, in bytes.
const maxExpression = 4096

func parseOptional[T any](parameter string, source *string, h *placeholders, parse func(string, *placeholders) (*T, error)) (*T, error) {
	if source == nil {
		return nil, nil //nolint:nilnil // an expression that is not there is nil and no error
	}
	err := errors.New("The expression can not be empty;") //nolint:staticcheck // the service's wording
	var parsed *T
	switch {
	case len(*source) > maxExpression:
		return nil, validationError("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", parameter, len(*source))
	case *source != "":
		parsed, err = parse(*source, h)
	}
	if err != nil {
		return nil, validationError("Invalid %s: %s", parameter, err)
	}
	return parsed, nil
}
