package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fotograma/fotograma/internal/local/sam"
)

// preflightBody is what the mock integration that SAM makes answers with.
const preflightBody = "{}\n"

// addPreflights gives every resource the OPTIONS method that SAM makes for it,
// unless the template has one of its own. It asks no authorizer: a browser
// sends none of the headers that one would need.
func addPreflights(rt *router, cors *sam.CORS) {
	if cors == nil {
		return
	}
	for _, res := range rt.resources {
		if res.methods[http.MethodOptions] == nil {
			res.methods[http.MethodOptions] = &method{preflight: preflightHeader(cors, res)}
		}
	}
}

func preflightHeader(cors *sam.CORS, res *resource) http.Header {
	header := http.Header{
		"Content-Type":                 {"application/json"},
		"Access-Control-Allow-Origin":  {"*"},
		"Access-Control-Allow-Methods": {allowedMethods(res)},
	}
	set := func(name, value string) {
		if value != "" {
			header.Set(name, value)
		}
	}
	set("Access-Control-Allow-Origin", cors.AllowOrigin)
	set("Access-Control-Allow-Methods", cors.AllowMethods)
	set("Access-Control-Allow-Headers", cors.AllowHeaders)
	set("Access-Control-Max-Age", cors.MaxAge)
	if cors.AllowCredentials {
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	return header
}

// allowedMethods is SAM's AllowMethods where the template gives none: the
// methods that the resource has, and OPTIONS.
func allowedMethods(res *resource) string {
	names := slices.Collect(maps.Keys(res.methods))
	if slices.Contains(names, anyMethod) {
		names = []string{
			http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch,
			http.MethodPost, http.MethodPut,
		}
	}
	names = append(names, http.MethodOptions)
	slices.Sort(names)
	return strings.Join(names, ",")
}
