package gateway

import (
	"encoding/base64"
	"strings"
	"time"
)

// proxyEvent is what a function gets of a request: payload format 1.0 of
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
//
// It is not aws-lambda-go's type of the same content, because that leaves out
// what API Gateway sends as null or false.
type proxyEvent struct {
	requestPart

	Body            *string `json:"body"`
	IsBase64Encoded bool    `json:"isBase64Encoded"`
}

// requestPart is what the event of a function and that of a REQUEST authorizer
// have in common. A nil map is null.
type requestPart struct {
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  requestContext      `json:"requestContext"`
}

type requestContext struct {
	ResourceID        string         `json:"resourceId"`
	Authorizer        map[string]any `json:"authorizer,omitempty"`
	ResourcePath      string         `json:"resourcePath"`
	HTTPMethod        string         `json:"httpMethod"`
	ExtendedRequestID string         `json:"extendedRequestId"`
	RequestTime       string         `json:"requestTime"`
	Path              string         `json:"path"`
	AccountID         string         `json:"accountId"`
	Protocol          string         `json:"protocol"`
	Stage             string         `json:"stage"`
	DomainPrefix      string         `json:"domainPrefix"`
	RequestTimeEpoch  int64          `json:"requestTimeEpoch"` // ms
	RequestID         string         `json:"requestId"`
	Identity          identity       `json:"identity"`
	DomainName        string         `json:"domainName"`
	APIID             string         `json:"apiId"`
}

// identity names the caller. All but the address and the user agent are for
// ways of authorization that this gateway does not have; they are always null.
type identity struct {
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	AccountID                     *string `json:"accountId"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	Caller                        *string `json:"caller"`
	SourceIP                      string  `json:"sourceIp"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	AccessKey                     *string `json:"accessKey"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	UserARN                       *string `json:"userArn"`
	UserAgent                     *string `json:"userAgent"`
	User                          *string `json:"user"`
}

// requestPart describes x, whose route is known.
func (g *Gateway) requestPart(x *exchange) requestPart {
	part := requestPart{
		Resource:              x.resource.path,
		Path:                  x.eventPath(),
		HTTPMethod:            x.r.Method,
		Headers:               lastValues(x.headers),
		MultiValueHeaders:     x.headers,
		QueryStringParameters: lastValues(x.query),
		StageVariables:        g.variables,
		RequestContext:        g.requestContext(x),
	}
	if len(x.query) > 0 {
		part.MultiValueQueryStringParameters = x.query
	}
	if len(x.params) > 0 {
		part.PathParameters = x.params
	}
	return part
}

func (g *Gateway) requestContext(x *exchange) requestContext {
	prefix, _, _ := strings.Cut(x.r.Host, ".")
	described := requestContext{
		ResourceID:        x.resource.id,
		ResourcePath:      x.resource.path,
		HTTPMethod:        x.r.Method,
		ExtendedRequestID: x.extendedID,
		RequestTime:       x.start.UTC().Format(requestTimeLayout),
		Path:              x.r.URL.EscapedPath(),
		AccountID:         g.accountID,
		Protocol:          x.r.Proto,
		Stage:             g.api.Stage,
		DomainPrefix:      prefix,
		RequestTimeEpoch:  x.start.UnixMilli(),
		RequestID:         x.requestID,
		Identity:          identity{SourceIP: x.sourceIP},
		DomainName:        x.r.Host,
		APIID:             g.apiID,
	}
	if agent := x.r.UserAgent(); agent != "" {
		described.Identity.UserAgent = &agent
	}
	if x.grant != nil {
		described.Authorizer = x.grant.eventContext()
	}
	return described
}

// newProxyEvent makes the event for x's function. A body of a binary media type
// is base64; any other is text, and what is not UTF-8 in it is lost.
func (g *Gateway) newProxyEvent(x *exchange, body []byte) proxyEvent {
	event := proxyEvent{requestPart: g.requestPart(x)}
	if len(body) == 0 {
		return event
	}
	text := string(body)
	if binaryMedia(g.api.BinaryMediaTypes, x.headers.Get("Content-Type")) {
		text = base64.StdEncoding.EncodeToString(body)
		event.IsBase64Encoded = true
	}
	event.Body = &text
	return event
}

// binaryMedia tells whether a Content-Type or an Accept header names one of the
// API's binary media types. Of a list, API Gateway takes the first.
func binaryMedia(binary []string, header string) bool {
	first, _, _ := strings.Cut(header, ",")
	media, _, _ := strings.Cut(first, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	kind, _, _ := strings.Cut(media, "/")
	for _, pattern := range binary {
		// CloudFormation writes image/png as image~1png.
		switch pattern = strings.ToLower(strings.ReplaceAll(pattern, "~1", "/")); pattern {
		case "*/*", media:
			return true
		case kind + "/*":
			return kind != ""
		}
	}
	return false
}

// eventContext is what functions see of the authorizer's answer.
func (gr *grant) eventContext() map[string]any {
	flat := make(map[string]any, len(gr.context)+2)
	for name, value := range gr.context {
		flat[name] = value
	}
	flat["principalId"] = gr.principal
	flat["integrationLatency"] = gr.latency.Round(time.Millisecond).Milliseconds()
	return flat
}
