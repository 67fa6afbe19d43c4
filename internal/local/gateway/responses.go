package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// gatewayResponse is a [sam.GatewayResponse] whose expressions are read.
type gatewayResponse struct {
	status  int // 0: the fault's own
	headers map[string]expression
	bodies  map[string]expression // by media type
}

// compileResponses gives what to answer for every response type: what the
// template has for it, else for DEFAULT_4XX or DEFAULT_5XX, else API Gateway's
// own.
func compileResponses(configured map[string]sam.GatewayResponse, variables map[string]string) (map[string]gatewayResponse, error) {
	own := make(map[string]gatewayResponse, len(configured))
	for _, kind := range slices.Sorted(maps.Keys(configured)) {
		if _, known := builtins[kind]; !known {
			return nil, fmt.Errorf("gateway response %s: no such response type", kind)
		}
		compiled, err := compileResponse(configured[kind], variables)
		if err != nil {
			return nil, fmt.Errorf("gateway response %s: %w", kind, err)
		}
		own[kind] = compiled
	}
	all := make(map[string]gatewayResponse, len(builtins))
	for kind, b := range builtins {
		fallback := typeDefault4XX
		if b.status >= http.StatusInternalServerError {
			fallback = typeDefault5XX
		}
		for _, from := range []string{fallback, kind} {
			if compiled, ok := own[from]; ok {
				all[kind] = compiled
			}
		}
	}
	return all, nil
}

func compileResponse(configured sam.GatewayResponse, variables map[string]string) (gatewayResponse, error) {
	out := gatewayResponse{
		status:  configured.StatusCode,
		headers: make(map[string]expression, len(configured.Headers)),
		bodies:  make(map[string]expression, len(configured.Templates)),
	}
	if out.status != 0 && (out.status < http.StatusOK || out.status > 599) {
		return out, fmt.Errorf("no status code of an answer: %d", out.status)
	}
	var err error
	for name, mapping := range configured.Headers {
		if out.headers[http.CanonicalHeaderKey(name)], err = parseMapping(mapping, variables); err != nil {
			return out, fmt.Errorf("header %s: %w", name, err)
		}
	}
	for media, template := range configured.Templates {
		if out.bodies[media], err = parseTemplate(template, variables); err != nil {
			return out, fmt.Errorf("template %s: %w", media, err)
		}
	}
	return out, nil
}

// refuse makes the answer to an exchange that ended in err.
func (g *Gateway) refuse(x *exchange, err error) response {
	x.fault = asFault(err)
	if x.fault.cause != nil {
		g.log.Warn("request failed", "request_id", x.requestID, "error", x.fault.kind, "cause", x.fault.cause)
	}
	configured := g.responses[x.fault.kind]
	answer := response{status: x.fault.status, header: http.Header{}}
	if configured.status != 0 {
		answer.status = configured.status
	}
	media, body := configured.body(x.r.Header.Get("Accept"))
	if body == nil {
		media, body = "application/json", defaultBody(x.fault.kind)
	}
	scope := scope{g: g, x: x}
	answer.body = []byte(body.render(scope))
	answer.header.Set("Content-Type", media)
	answer.header.Set("X-Amzn-Errortype", builtins[x.fault.kind].errorType)
	for name, value := range configured.headers {
		if text := value.render(scope); text != "" {
			answer.header.Set(name, text)
		}
	}
	return answer
}

// body picks a template: of the media type that the client accepts first, else
// JSON, else any. It is nil if there is none.
func (r gatewayResponse) body(accept string) (string, expression) {
	first, _, _ := strings.Cut(accept, ",")
	wanted, _, _ := strings.Cut(first, ";")
	for _, media := range []string{strings.TrimSpace(wanted), "application/json"} {
		if template, ok := r.bodies[media]; ok {
			return media, template
		}
	}
	for _, media := range slices.Sorted(maps.Keys(r.bodies)) {
		return media, r.bodies[media]
	}
	return "", nil
}

// defaultBody is API Gateway's own: {"message":$context.error.messageString},
// which ACCESS_DENIED spells with a capital letter.
func defaultBody(kind string) expression {
	name := "message"
	if kind == typeAccessDenied {
		name = "Message"
	}
	return expression{literal(`{"` + name + `":`), errorMessageString, literal("}")}
}
