package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/sam"
)

func TestContractIsWhatTheCodeSays(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is not what the code says (run make api):\n%s", file, cmp.Diff(string(have), string(want)))
	}
}

// A route must be in the template, at the function that has the handler, and
// open to everybody in both or in neither.
func TestTemplateRoutesWhatIsHandled(t *testing.T) {
	template, err := sam.Load(sam.Config{Path: "../template.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	routed := map[string][]string{}
	for _, r := range template.APIs[0].Routes {
		routed[r.Function] = append(routed[r.Function], describe(r.Method, r.Path, r.Authorizer == ""))
	}
	handled := map[string][]string{}
	for function, register := range services() {
		api := newAPI()
		register(api)
		for path, item := range api.OpenAPI().Paths {
			for method, op := range map[string]*huma.Operation{
				"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete,
			} {
				if op != nil {
					handled[function] = append(handled[function], describe(method, path, len(op.Security) == 0))
				}
			}
		}
	}
	for _, routes := range []map[string][]string{routed, handled} {
		for _, list := range routes {
			slices.Sort(list)
		}
	}
	if diff := cmp.Diff(handled, routed); diff != "" {
		t.Errorf("handlers (-) and template.yaml (+) disagree:\n%s", diff)
	}
}

func describe(method, path string, open bool) string {
	if open {
		return method + " " + path + " open"
	}
	return method + " " + path
}

func TestEveryProblemIsDocumented(t *testing.T) {
	api := newAPI()
	for _, register := range services() {
		register(api)
	}
	for path, item := range api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil || path == "/v1/health" {
				continue
			}
			for status, response := range op.Responses {
				if strings.HasPrefix(status, "2") || strings.HasPrefix(status, "3") {
					continue
				}
				if _, ok := response.Content["application/problem+json"]; !ok {
					t.Errorf("%s: %s is not a problem", op.OperationID, status)
				}
			}
			if len(op.Responses) < 2 {
				t.Errorf("%s: no problem is documented", op.OperationID)
			}
		}
	}
}
