package sam

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultTTL is how long API Gateway keeps an authorizer's answer if the
// template does not say.
const defaultTTL = 300 * time.Second

func (b *builder) api(res *resource, p properties) {
	id, ok := b.refValue(res, res.line)
	if !ok {
		return
	}
	a := &API{
		LogicalID: res.id, Name: p.text("Name"), Stage: p.text("StageName"),
		Authorizers:      map[string]Authorizer{},
		GatewayResponses: map[string]GatewayResponse{},
		BinaryMediaTypes: p.texts("BinaryMediaTypes"),
	}
	if a.Name == "" {
		a.Name = res.id
		if res.id == implicitAPI {
			a.Name = b.cfg.StackName
		}
	}
	for i, t := range a.BinaryMediaTypes {
		a.BinaryMediaTypes[i] = strings.ReplaceAll(t, "~1", "/")
	}
	if p.boolean("CacheClusterEnabled", false) {
		b.addf(p.lineOf("CacheClusterEnabled"), "caching responses is not supported on one machine")
	}
	b.auth(a, p.object("Auth"))
	a.CORS = b.cors(p)
	if a.CORS != nil && p.object("Auth").boolean("AddDefaultAuthorizerToCorsPreflight", true) {
		a.CORS.Authorizer = a.DefaultAuthorizer
	}
	if responses := p.get("GatewayResponses"); responses != nil && responses.kind == dict {
		for _, f := range responses.fields {
			a.GatewayResponses[f.key] = b.gatewayResponse(f)
		}
	}
	for _, s := range p.get("MethodSettings").itemsOrNil() {
		if s.kind == dict {
			a.MethodSettings = append(a.MethodSettings, b.methodSetting(properties{s}))
		}
	}
	b.apiByID[id] = a
}

// finishAPIs puts the APIs into the template, in the file's order.
func (b *builder) finishAPIs() {
	for _, res := range b.order {
		for _, a := range b.apiByID {
			if a.LogicalID == res.id {
				b.t.APIs = append(b.t.APIs, *a)
			}
		}
	}
}

func (b *builder) auth(a *API, p properties) {
	if p.node == nil || p.kind != dict {
		return
	}
	if p.boolean("ApiKeyRequired", false) {
		b.addf(p.lineOf("ApiKeyRequired"), "API keys are not supported on one machine")
	}
	if authorizers := p.get("Authorizers"); authorizers != nil && authorizers.kind == dict {
		for _, f := range authorizers.fields {
			if f.value.kind == dict {
				a.Authorizers[f.key] = b.authorizer(f.key, properties{f.value})
			}
		}
	}
	a.DefaultAuthorizer = p.text("DefaultAuthorizer")
	if _, ok := a.Authorizers[a.DefaultAuthorizer]; a.DefaultAuthorizer != "" && !ok {
		b.addf(p.lineOf("DefaultAuthorizer"), "there is no authorizer %q", a.DefaultAuthorizer)
	}
}

func (b *builder) authorizer(name string, p properties) Authorizer {
	identity := p.object("Identity")
	a := Authorizer{
		Name: name, Type: p.text("FunctionPayloadType"), TTL: defaultTTL,
		Function: b.functionOf(p.get("FunctionArn"), "FunctionArn"),
	}
	if a.Type == "" {
		a.Type = "TOKEN"
	}
	if identity.has("ReauthorizeEvery") {
		a.TTL = time.Duration(identity.integer("ReauthorizeEvery", 0)) * time.Second
	}
	foreign := []string{"Context", "Headers", "QueryStrings", "StageVariables"}
	if a.Type == "TOKEN" {
		a.Header = identity.text("Header")
		if a.Header == "" {
			a.Header = "Authorization"
		}
		a.ValidationExpression = identity.text("ValidationExpression")
	} else {
		foreign = []string{"Header", "ValidationExpression"}
		a.Headers, a.QueryStrings = identity.texts("Headers"), identity.texts("QueryStrings")
		a.Context, a.StageVariables = identity.texts("Context"), identity.texts("StageVariables")
		if len(a.Headers)+len(a.QueryStrings)+len(a.Context)+len(a.StageVariables) == 0 && a.TTL > 0 {
			b.addf(p.line, "a REQUEST authorizer whose answers are cached must have Headers, QueryStrings, StageVariables or Context in Identity")
		}
	}
	for _, key := range foreign {
		if identity.has(key) {
			b.addf(identity.lineOf(key), "%s does not go with a %s authorizer", key, a.Type)
		}
	}
	return a
}

// functionOf finds the function that an ARN names, with or without a version
// or alias.
func (b *builder) functionOf(arn *node, what string) string {
	if arn == nil || arn.kind != scalar {
		return "" // reported
	}
	text := arn.text
	if strings.Count(text, ":") == 7 {
		text = text[:strings.LastIndex(text, ":")]
	}
	id, ok := b.functionByARN[text]
	if !ok {
		b.addf(arn.line, "%s: there is no function with the ARN %q in this template", what, arn.text)
	}
	return id
}

func (b *builder) cors(p properties) *CORS {
	v := p.get("Cors")
	switch {
	case v == nil || v.kind == bad:
		return nil
	case v.kind == scalar:
		return &CORS{AllowOrigin: b.unquoted(v, "Cors")}
	}
	b.check("AWS::Serverless::Api.Cors", v, "Cors")
	if v.kind != dict {
		return nil
	}
	c := &CORS{AllowOrigin: "*", AllowCredentials: properties{v}.boolean("AllowCredentials", false)}
	for key, to := range map[string]*string{
		"AllowOrigin": &c.AllowOrigin, "AllowHeaders": &c.AllowHeaders,
		"AllowMethods": &c.AllowMethods, "MaxAge": &c.MaxAge,
	} {
		if text := v.get(key); text != nil && text.kind == scalar {
			*to = b.unquoted(text, key)
		}
	}
	if c.AllowCredentials && c.AllowOrigin == "*" {
		b.addf(v.line, `AllowCredentials does not go with AllowOrigin "'*'"`)
	}
	return c
}

// unquoted takes the single quotes from a header's value, which API Gateway
// needs to tell it from a mapping expression.
func (b *builder) unquoted(v *node, what string) string {
	if !isQuoted(v.text) {
		b.addf(v.line, `%s must be in single quotes inside of the string: "'%s'"`, what, v.text)
		return v.text
	}
	return v.text[1 : len(v.text)-1]
}

func isQuoted(text string) bool {
	return len(text) >= 2 && text[0] == '\'' && text[len(text)-1] == '\''
}

// responseTypes are API Gateway's gateway response types.
var responseTypes = []string{
	"ACCESS_DENIED", "API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE",
	"BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX", "DEFAULT_5XX", "EXPIRED_TOKEN",
	"INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "INVALID_API_KEY", "INVALID_SIGNATURE",
	"MISSING_AUTHENTICATION_TOKEN", "QUOTA_EXCEEDED", "REQUEST_TOO_LARGE", "RESOURCE_NOT_FOUND",
	"THROTTLED", "UNAUTHORIZED", "UNSUPPORTED_MEDIA_TYPE", "WAF_FILTERED",
}

func (b *builder) gatewayResponse(f field) GatewayResponse {
	p := properties{f.value}
	if !slices.Contains(responseTypes, f.key) {
		b.addf(f.line, "API Gateway has no response type %q", f.key)
	}
	g := GatewayResponse{
		StatusCode: p.integer("StatusCode", 0),
		Headers:    map[string]string{}, Templates: map[string]string{},
	}
	if headers := p.object("ResponseParameters").get("Headers"); headers != nil {
		for _, h := range headers.fields {
			g.Headers[h.key] = h.value.text
			if !isQuoted(h.value.text) && !isMapping(h.value.text) && h.value.kind == scalar {
				b.addf(h.value.line, `header %s must be in single quotes inside of the string ("'%s'") or a mapping expression`, h.key, h.value.text)
			}
		}
	}
	if templates := p.get("ResponseTemplates"); templates != nil {
		for _, t := range templates.fields {
			g.Templates[t.key] = t.value.text
		}
	}
	return g
}

// isMapping tells whether a header's value says where to take it from.
func isMapping(text string) bool {
	for _, prefix := range []string{"method.request.", "context.", "stageVariables."} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

var methods = []string{"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

func (b *builder) methodSetting(p properties) MethodSetting {
	m := MethodSetting{
		ResourcePath: b.settingPath(p),
		HTTPMethod:   p.text("HttpMethod"),
		Throttled:    p.has("ThrottlingRateLimit"),
		BurstLimit:   p.integer("ThrottlingBurstLimit", 0),
	}
	if p.boolean("CachingEnabled", false) {
		b.addf(p.lineOf("CachingEnabled"), "caching responses is not supported on one machine")
	}
	if m.ResourcePath == "" || m.HTTPMethod == "" {
		b.addf(p.line, `a method setting must have ResourcePath and HttpMethod ("/*" and "*" for all)`)
	} else if m.HTTPMethod != "*" && !slices.Contains(methods, m.HTTPMethod) {
		b.addf(p.lineOf("HttpMethod"), "HttpMethod must be * or one of %s, not %q", strings.Join(methods, ", "), m.HTTPMethod)
	}
	if p.has("ThrottlingRateLimit") != p.has("ThrottlingBurstLimit") {
		b.addf(p.line, "a method setting must have both ThrottlingRateLimit and ThrottlingBurstLimit, or neither")
	}
	m.RateLimit, _ = strconv.ParseFloat(p.text("ThrottlingRateLimit"), 64)
	return m
}

// settingPath decodes a method setting's ResourcePath, in which CloudFormation
// wants /a/b spelled "/~1a~1b"; "/" and "/*" stand for themselves.
func (b *builder) settingPath(p properties) string {
	text := p.text("ResourcePath")
	if text == "" || text == "/" || text == "/*" {
		return text
	}
	encoded, ok := strings.CutPrefix(text, "/~1")
	if !ok || strings.Contains(encoded, "/") {
		b.addf(p.lineOf("ResourcePath"), "ResourcePath must spell the path's slashes ~1 after a first /: %q",
			"/~1"+strings.ReplaceAll(strings.TrimPrefix(text, "/"), "/", "~1"))
	}
	return "/" + strings.ReplaceAll(encoded, "~1", "/")
}

// route adds an Api event to its API.
func (b *builder) route(e event, p properties) {
	id := b.opaque(implicitAPI)
	if p.has("RestApiId") {
		id = p.text("RestApiId")
	}
	a := b.apiByID[id]
	if a == nil {
		if e.live && id != "" {
			b.addf(p.lineOf("RestApiId"), "RestApiId: there is no API %q in this template", id)
		}
		return
	}
	method := strings.ToUpper(p.text("Method"))
	path := p.text("Path")
	if !slices.Contains(methods, method) {
		b.addf(p.lineOf("Method"), "Method must be one of %s, not %q", strings.Join(methods, ", "), p.text("Method"))
	}
	if !strings.HasPrefix(path, "/") {
		b.addf(p.lineOf("Path"), "Path must begin with a slash, unlike %q", path)
	}
	if path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	r := Route{Method: method, Path: path, Function: e.function, Authorizer: b.routeAuthorizer(a, method, p)}
	for _, other := range a.Routes {
		if other.Method == r.Method && other.Path == r.Path && e.live {
			b.addf(p.lineOf("Path"), "%s %s is there twice, for %s and %s", r.Method, r.Path, other.Function, r.Function)
		}
	}
	if e.live {
		b.edge(scope{owner: a.LogicalID, live: true}, e.function, p.line)
		a.Routes = append(a.Routes, r)
	}
}

func (b *builder) routeAuthorizer(a *API, method string, p properties) string {
	auth := p.object("Auth")
	if auth.boolean("ApiKeyRequired", false) {
		b.addf(auth.lineOf("ApiKeyRequired"), "API keys are not supported on one machine")
	}
	name := auth.text("Authorizer")
	switch name {
	case "":
		if method == "OPTIONS" && a.CORS != nil {
			return a.CORS.Authorizer
		}
		return a.DefaultAuthorizer
	case "NONE":
		if a.DefaultAuthorizer == "" {
			b.addf(auth.lineOf("Authorizer"), "SAM allows Authorizer NONE only where the API has a DefaultAuthorizer")
		}
		return ""
	}
	if _, ok := a.Authorizers[name]; !ok {
		b.addf(auth.lineOf("Authorizer"), "there is no authorizer %q at API %s (it has %s)",
			name, a.LogicalID, strings.Join(slices.Sorted(maps.Keys(a.Authorizers)), ", "))
	}
	return name
}
