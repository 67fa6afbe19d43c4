package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Gateway responses know two small languages. A body template is text with
// variables in it, $context.requestId; it is no Velocity template. A header is
// mapped from one expression: 'text', context.requestId, stageVariables.x or
// method.request.header.x. Neither escapes what it puts in.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html

// scope is what variables are looked up in.
type scope struct {
	g *Gateway
	x *exchange
}

// term is one piece of an expression.
type term func(scope) string

// expression is a text put together from terms.
type expression []term

func (e expression) render(s scope) string {
	var text strings.Builder
	for _, t := range e {
		text.WriteString(t(s))
	}
	return text.String()
}

func literal(text string) term {
	return func(scope) string { return text }
}

// reference matches a variable of a body template.
var reference = regexp.MustCompile(`\$[A-Za-z{]\w*(?:\.[\w-]+)*`)

// parseTemplate reads a body template.
func parseTemplate(template string, variables map[string]string) (expression, error) {
	parsed := expression{}
	end := 0
	for _, at := range reference.FindAllStringIndex(template, -1) {
		value, err := lookup(template[at[0]+1:at[1]], variables)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", template[at[0]:at[1]], err)
		}
		parsed = append(parsed, literal(template[end:at[0]]), value)
		end = at[1]
	}
	return append(parsed, literal(template[end:])), nil
}

// parseMapping reads the expression of a header.
func parseMapping(mapping string, variables map[string]string) (expression, error) {
	if len(mapping) >= 2 && strings.HasPrefix(mapping, "'") && strings.HasSuffix(mapping, "'") {
		return expression{literal(mapping[1 : len(mapping)-1])}, nil
	}
	value, err := lookup(mapping, variables)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (text stands in single quotes)", mapping, err)
	}
	return expression{value}, nil
}

// errUnsupported is for a variable that is not there in a gateway response.
var errUnsupported = errors.New("not a variable of gateway responses")

// lookup gives the variable of that name, without the dollar.
func lookup(name string, variables map[string]string) (term, error) {
	if value, ok := contextVariables[name]; ok {
		return value, nil
	}
	if key, ok := strings.CutPrefix(name, "stageVariables."); ok {
		value, defined := variables[key]
		if !defined {
			return nil, errors.New("the stage has no such variable")
		}
		return literal(value), nil
	}
	if key, ok := strings.CutPrefix(name, "context.authorizer."); ok {
		return authorizerVariable(key), nil
	}
	if key, ok := strings.CutPrefix(name, "method.request."); ok {
		return requestVariable(key)
	}
	return nil, errUnsupported
}

func authorizerVariable(key string) term {
	return func(s scope) string {
		switch {
		case s.x.grant == nil:
			return ""
		case key == "principalId":
			return s.x.grant.principal
		}
		return s.x.grant.context[key]
	}
}

// requestVariable gives header.x, querystring.x or path.x of the request.
func requestVariable(key string) (term, error) {
	position, name, ok := strings.Cut(key, ".")
	if !ok || name == "" {
		return nil, errUnsupported
	}
	switch position {
	case "header":
		name = http.CanonicalHeaderKey(name)
		return func(s scope) string { return last(s.x.headers[name]) }, nil
	case "querystring":
		return func(s scope) string { return last(s.x.query[name]) }, nil
	case "path":
		return func(s scope) string { return s.x.params[name] }, nil
	}
	return nil, errUnsupported
}

func last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// errorMessageString is the message as JSON: quoted, or null.
func errorMessageString(s scope) string {
	if s.x.fault.message == "" {
		return "null"
	}
	quoted, err := json.Marshal(s.x.fault.message)
	if err != nil {
		return "null"
	}
	return string(quoted)
}

// contextVariables are those of $context that a gateway response can have.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
var contextVariables = map[string]term{
	"context.accountId":           func(s scope) string { return s.g.accountID },
	"context.apiId":               func(s scope) string { return s.g.apiID },
	"context.domainName":          func(s scope) string { return s.x.r.Host },
	"context.error.message":       func(s scope) string { return s.x.fault.message },
	"context.error.messageString": errorMessageString,
	"context.error.responseType":  func(s scope) string { return s.x.fault.kind },
	"context.extendedRequestId":   func(s scope) string { return s.x.extendedID },
	"context.httpMethod":          func(s scope) string { return s.x.r.Method },
	"context.identity.sourceIp":   func(s scope) string { return s.x.sourceIP },
	"context.identity.userAgent":  func(s scope) string { return s.x.r.UserAgent() },
	"context.path":                func(s scope) string { return s.x.r.URL.EscapedPath() },
	"context.protocol":            func(s scope) string { return s.x.r.Proto },
	"context.requestId":           func(s scope) string { return s.x.requestID },
	"context.requestTime":         func(s scope) string { return s.x.start.UTC().Format(requestTimeLayout) },
	"context.requestTimeEpoch":    func(s scope) string { return strconv.FormatInt(s.x.start.UnixMilli(), 10) },
	"context.resourceId":          ofResource(func(r *resource) string { return r.id }),
	"context.resourcePath":        ofResource(func(r *resource) string { return r.path }),
	"context.stage":               func(s scope) string { return s.g.api.Stage },
}

// ofResource is a variable that is empty as long as no route is found.
func ofResource(value func(*resource) string) term {
	return func(s scope) string {
		if s.x.resource == nil {
			return ""
		}
		return value(s.x.resource)
	}
}
