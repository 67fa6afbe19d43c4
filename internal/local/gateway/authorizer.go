package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// Types of Lambda authorizers.
const (
	tokenAuthorizer   = "TOKEN"
	requestAuthorizer = "REQUEST"
)

// authorizer is a Lambda authorizer and the results it keeps.
type authorizer struct {
	sam.Authorizer

	token   *regexp.Regexp // of a whole token; nil: any
	sources []term         // identity sources of a REQUEST authorizer
	cache   *lru.Cache[identityKey, *verdict]
}

// identityKey is a hash of the values of the identity sources, so that no token
// stays in memory.
type identityKey [sha256.Size]byte

// verdict is what an authorizer function answered for an identity. It holds for
// every method of the API, not only for the one it was asked for: that is why
// authorizers must answer with a policy for all of them.
type verdict struct {
	principal string
	context   map[string]string
	policy    policy
	expires   time.Time
}

// grant is a verdict that allowed a request.
type grant struct {
	principal string
	context   map[string]string
	latency   time.Duration // of the function; 0 from the cache
}

// newAuthorizers checks and prepares an API's authorizers.
func newAuthorizers(configured map[string]sam.Authorizer, variables map[string]string) (map[string]*authorizer, error) {
	all := make(map[string]*authorizer, len(configured))
	for _, name := range slices.Sorted(maps.Keys(configured)) {
		a, err := newAuthorizer(configured[name], variables)
		if err != nil {
			return nil, fmt.Errorf("authorizer %s: %w", name, err)
		}
		all[name] = a
	}
	return all, nil
}

func newAuthorizer(configured sam.Authorizer, variables map[string]string) (*authorizer, error) {
	a := &authorizer{Authorizer: configured}
	var err error
	switch a.Type {
	case tokenAuthorizer:
		err = a.prepareToken()
	case requestAuthorizer:
		err = a.prepareSources(variables)
	default:
		err = fmt.Errorf("the type is neither TOKEN nor REQUEST: %q", a.Type)
	}
	if err != nil {
		return nil, err
	}
	if a.TTL < 0 || a.TTL > maxAuthorizerTTL {
		return nil, fmt.Errorf("a result cannot be kept for %v, only for up to %v", a.TTL, maxAuthorizerTTL)
	}
	if a.cache, err = lru.New[identityKey, *verdict](authorizerCacheSize); err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	return a, nil
}

func (a *authorizer) prepareToken() error {
	if a.Header == "" {
		return errors.New("no header that has the token")
	}
	source, err := requestVariable("header." + a.Header)
	if err != nil {
		return fmt.Errorf("header %s: %w", a.Header, err)
	}
	a.sources = []term{source}
	if a.ValidationExpression == "" {
		return nil
	}
	// As in AWS, the whole token must fit.
	a.token, err = regexp.Compile(`\A(?:` + a.ValidationExpression + `)\z`)
	return err
}

// prepareSources looks up what a REQUEST authorizer identifies callers by.
func (a *authorizer) prepareSources(variables map[string]string) error {
	for _, list := range []struct {
		prefix string
		names  []string
	}{
		{"method.request.header.", a.Headers},
		{"method.request.querystring.", a.QueryStrings},
		{"context.", a.Context},
		{"stageVariables.", a.StageVariables},
	} {
		for _, name := range list.names {
			source, err := lookup(list.prefix+name, variables)
			if err != nil {
				return fmt.Errorf("identity source %s: %w", list.prefix+name, err)
			}
			a.sources = append(a.sources, source)
		}
	}
	if len(a.sources) == 0 && a.TTL > 0 {
		return errors.New("without an identity source no result can be kept: set ReauthorizeEvery to 0")
	}
	return nil
}

// authorize asks a for x, and sets x.grant if it may pass.
func (g *Gateway) authorize(x *exchange, a *authorizer) error {
	arn := g.methodARN(x)
	if len(arn) > maxMethodARN {
		return &fault{kind: typeDefault4XX, status: http.StatusRequestURITooLong, message: uriTooLong}
	}
	identity, ok := a.identify(scope{g: g, x: x})
	if !ok {
		return newFault(typeUnauthorized)
	}
	var latency time.Duration
	key := hashIdentity(identity)
	v, kept := a.cache.Get(key)
	if !kept || !g.now().Before(v.expires) {
		asked := g.now()
		var err error
		if v, err = g.ask(x, a, identity, arn); err != nil {
			return err
		}
		latency = g.now().Sub(asked)
		if a.TTL > 0 {
			v.expires = asked.Add(a.TTL)
			a.cache.Add(key, v)
		}
	}
	switch v.policy.decide(arn) {
	case allow:
		x.grant = &grant{principal: v.principal, context: v.context, latency: latency}
		return nil
	case explicitDeny:
		denied := newFault(typeAccessDenied)
		denied.message += " with an explicit deny"
		return denied
	default:
		return newFault(typeAccessDenied)
	}
}

// methodARN names the method and the path of a request, not its resource.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/arn-format-reference.html
func (g *Gateway) methodARN(x *exchange) string {
	return "arn:aws:execute-api:" + g.region + ":" + g.accountID + ":" + g.apiID + "/" + g.api.Stage + "/" + x.r.Method + x.path
}

// identify gives the values of the identity sources. It is not ok if one of
// them is missing or empty, or the token is not what it must look like.
func (a *authorizer) identify(s scope) (identity []string, ok bool) {
	for _, source := range a.sources {
		value := source(s)
		if value == "" {
			return nil, false
		}
		identity = append(identity, value)
	}
	if a.token != nil && !a.token.MatchString(identity[0]) {
		return nil, false
	}
	return identity, true
}

func hashIdentity(values []string) identityKey {
	h := sha256.New()
	for _, value := range values {
		// The length keeps ["ab", "c"] and ["a", "bc"] apart.
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(value))))
		h.Write([]byte(value))
	}
	return identityKey(h.Sum(nil))
}

// tokenEvent and requestEvent are what authorizer functions get.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
type tokenEvent struct {
	Type               string `json:"type"`
	MethodARN          string `json:"methodArn"`
	AuthorizationToken string `json:"authorizationToken"`
}

type requestEvent struct {
	requestPart

	Type      string `json:"type"`
	MethodARN string `json:"methodArn"`
}

// ask runs the authorizer's function.
func (g *Gateway) ask(x *exchange, a *authorizer, identity []string, arn string) (*verdict, error) {
	var event any
	if a.Type == tokenAuthorizer {
		event = tokenEvent{Type: a.Type, MethodARN: arn, AuthorizationToken: identity[0]}
	} else {
		event = requestEvent{Type: a.Type, MethodARN: arn, requestPart: emptyNotNull(g.requestPart(x))}
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, internalFault(fmt.Errorf("write the authorizer's event: %w", err))
	}
	result, functionError, err := g.invoke(x, a.Function, payload)
	switch {
	case errors.Is(err, errTimeout):
		return nil, authorizerFault(typeAuthorizerFailure, err)
	case err != nil:
		return nil, authorizerFault(typeAuthorizerConfigurationError, err)
	case functionError != "":
		return nil, refusalOf(functionError, result)
	}
	v, err := parseVerdict(result)
	if err != nil {
		return nil, authorizerFault(typeAuthorizerConfigurationError, err)
	}
	return v, nil
}

// emptyNotNull replaces null maps: a REQUEST authorizer gets {} for them.
func emptyNotNull(part requestPart) requestPart {
	if part.QueryStringParameters == nil {
		part.QueryStringParameters = map[string]string{}
		part.MultiValueQueryStringParameters = map[string][]string{}
	}
	if part.PathParameters == nil {
		part.PathParameters = map[string]string{}
	}
	if part.StageVariables == nil {
		part.StageVariables = map[string]string{}
	}
	return part
}

func authorizerFault(kind string, cause error) *fault {
	f := newFault(kind)
	f.cause = fmt.Errorf("authorizer: %w", cause)
	return f
}

// refusalOf tells what a failed authorizer function meant: the error with the
// text "Unauthorized" is how it says 401; any other is its own failure.
func refusalOf(functionError string, result []byte) *fault {
	var failure struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if err := json.Unmarshal(result, &failure); err != nil {
		return authorizerFault(typeAuthorizerConfigurationError, fmt.Errorf("the function failed: %s", functionError))
	}
	if failure.Message == "Unauthorized" {
		return newFault(typeUnauthorized)
	}
	return authorizerFault(typeAuthorizerConfigurationError, fmt.Errorf("the function failed: %s: %s", functionError, failure.Type))
}

// parseVerdict reads an authorizer function's answer.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
func parseVerdict(data []byte) (*verdict, error) {
	var answer struct {
		PrincipalID        string                     `json:"principalId"`
		PolicyDocument     json.RawMessage            `json:"policyDocument"`
		Context            map[string]json.RawMessage `json:"context"`
		UsageIdentifierKey string                     `json:"usageIdentifierKey"`
	}
	if err := unmarshalStrict(data, &answer); err != nil {
		return nil, fmt.Errorf("the answer: %w", err)
	}
	if answer.PrincipalID == "" {
		return nil, errors.New("the answer has no principalId")
	}
	parsed, err := parsePolicy(answer.PolicyDocument)
	if err != nil {
		return nil, err
	}
	v := &verdict{principal: answer.PrincipalID, policy: parsed, context: make(map[string]string, len(answer.Context))}
	for name, value := range answer.Context {
		if v.context[name], err = contextString(value); err != nil {
			return nil, fmt.Errorf("context %s: %w", name, err)
		}
	}
	return v, nil
}

// contextString makes text of a string, a number or a boolean; nothing else can
// stand in an authorizer's context.
func contextString(value json.RawMessage) (string, error) {
	var decoded any
	if err := json.Unmarshal(value, &decoded); err != nil {
		return "", err
	}
	switch v := decoded.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return string(value), nil
	}
	return "", errors.New("it is not a string, a number or a boolean")
}
