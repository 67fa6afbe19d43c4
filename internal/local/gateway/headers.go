package gateway

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// What becomes of headers that are about the connection or about API Gateway
// itself; all others pass. The table is that of
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
// for Lambda, but for Content-Length and X-Amzn-RequestId of an answer, which
// AWS was seen to remap.

// requestDropped tells whether a header of a request does not reach Lambda.
func requestDropped(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Content-Md5", "Expect", "Max-Forwards",
		"Proxy-Authenticate", "Server", "Te", "Trailer", "Transfer-Encoding",
		"Upgrade", "Www-Authenticate":
		return true
	}
	return false
}

// responseDropped tells whether a header of a function's answer does not reach
// the client.
func responseDropped(name string) bool {
	switch name {
	case "Expect", "Host", "Proxy-Authenticate", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Via":
		return true
	}
	return false
}

// responseName gives the name under which a header of a function's answer
// reaches the client.
func responseName(name string) string {
	switch name {
	case "Authorization", "Connection", "Content-Length", "Content-Md5", "Date",
		"Max-Forwards", "Server", "User-Agent", "Www-Authenticate", "X-Amzn-Requestid":
		return "X-Amzn-Remapped-" + name
	}
	return name
}

// checkHead refuses a request whose URL, or whose header values together, are
// larger than API Gateway takes.
func checkHead(r *http.Request) error {
	if len(r.RequestURI) > maxURLBytes {
		return &fault{kind: typeDefault4XX, status: http.StatusRequestURITooLong, message: uriTooLong}
	}
	size := 0
	for _, values := range r.Header {
		for _, value := range values {
			size += len(value)
		}
	}
	if size > maxHeaderBytes {
		return &fault{
			kind:    typeDefault4XX,
			status:  http.StatusRequestHeaderFieldsTooLarge,
			message: "HTTP header is larger than 10240 bytes.",
		}
	}
	return nil
}

// requestHeaders gives the headers that functions see. Names are in Go's
// canonical form, because net/http does not keep how the client wrote them.
func requestHeaders(x *exchange) http.Header {
	headers := make(http.Header, len(x.r.Header)+5)
	for name, values := range x.r.Header {
		if !requestDropped(name) {
			headers[name] = values
		}
	}
	// A signature is for API Gateway, not for the function.
	if strings.HasPrefix(headers.Get("Authorization"), "AWS4-HMAC-SHA256") {
		headers.Del("Authorization")
	}
	headers["Host"] = []string{x.r.Host}
	headers["X-Amzn-Trace-Id"] = []string{x.trace}
	headers["X-Forwarded-For"] = []string{forwardedFor(x)}
	proto, port := forwardedVia(x.r)
	headers["X-Forwarded-Proto"] = []string{proto}
	headers["X-Forwarded-Port"] = []string{port}
	return headers
}

// forwardedFor adds the peer to what proxies before us have said.
func forwardedFor(x *exchange) string {
	return strings.Join(slices.Concat(x.r.Header.Values("X-Forwarded-For"), []string{x.sourceIP}), ", ")
}

// forwardedVia gives the protocol and the port on which the client came in.
func forwardedVia(r *http.Request) (proto, port string) {
	proto, port = "http", "80"
	if r.TLS != nil {
		proto, port = "https", "443"
	}
	if _, given, err := net.SplitHostPort(r.Host); err == nil {
		port = given
	}
	return proto, port
}
