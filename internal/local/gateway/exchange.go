package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// requestTimeLayout is the Common Log Format's.
const requestTimeLayout = "02/Jan/2006:15:04:05 -0700"

// exchange is one request on its way through the gateway, and what is known of
// it so far.
type exchange struct {
	r          *http.Request
	start      time.Time
	requestID  string
	extendedID string
	trace      string // value of X-Amzn-Trace-Id
	sourceIP   string

	path    string // normalized, percent-encoded
	headers http.Header
	query   url.Values

	// Of the route, once it is found.
	resource *resource
	method   *method
	params   map[string]string

	// grant is what the authorizer allowed, fault what went wrong.
	grant *grant
	fault *fault
}

// open begins an exchange.
func (g *Gateway) open(r *http.Request) *exchange {
	x := &exchange{
		r:         r,
		start:     g.now(),
		requestID: g.newID(),
		path:      normalize(r.URL.EscapedPath()),
		query:     parseQuery(r.URL.RawQuery),
		sourceIP:  r.RemoteAddr,
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		x.sourceIP = host
	}
	sum := sha256.Sum256([]byte(x.requestID))
	x.extendedID = base64.StdEncoding.EncodeToString(sum[:11])
	x.trace = traceHeader(r.Header.Get("X-Amzn-Trace-Id"), x.start, sum[11:])
	x.headers = requestHeaders(x)
	return x
}

// eventPath is the path as functions see it: as it came, but for slashes in
// front.
func (x *exchange) eventPath() string {
	return "/" + strings.TrimLeft(x.r.URL.EscapedPath(), "/")
}

// parseQuery decodes a query string. API Gateway splits at semicolons too, and
// leaves what cannot be decoded as it is.
func parseQuery(raw string) url.Values {
	values := url.Values{}
	for _, pair := range strings.FieldsFunc(raw, func(c rune) bool { return c == '&' || c == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		values[name] = append(values[name], value)
	}
	return values
}

func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// traceHeader completes the X-Ray trace header that a client sent, or makes
// one. random is what new IDs are made of: 20 bytes or more.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func traceHeader(sent string, now time.Time, random []byte) string {
	fields := map[string]string{}
	for field := range strings.SplitSeq(sent, ";") {
		if name, value, ok := strings.Cut(field, "="); ok {
			fields[strings.TrimSpace(name)] = value
		}
	}
	root := cmp.Or(fields["Root"], fmt.Sprintf("1-%08x-%s", now.Unix(), hex.EncodeToString(random[:12])))
	parent := cmp.Or(fields["Parent"], hex.EncodeToString(random[12:20]))
	// Nothing collects traces here.
	sampled := cmp.Or(fields["Sampled"], "0")
	return "Root=" + root + ";Parent=" + parent + ";Sampled=" + sampled
}

// lastValues reduces every list to its last value, as API Gateway does where
// only one has room. An empty map becomes nil, which is null in JSON.
func lastValues(lists map[string][]string) map[string]string {
	if len(lists) == 0 {
		return nil
	}
	single := make(map[string]string, len(lists))
	for name, values := range lists {
		if len(values) > 0 {
			single[name] = values[len(values)-1]
		}
	}
	return single
}
