package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/sam"
	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/problem"
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

// API Gateway's own refusals are written in the template; they must say what the
// catalogue says.
func TestGatewaySpeaksTheCatalogue(t *testing.T) {
	template, err := sam.Load(sam.Config{Path: "../template.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for kind, response := range template.APIs[0].GatewayResponses {
		var said struct {
			Code   problem.Code `json:"code"`
			Title  string       `json:"title"`
			Detail string       `json:"detail"`
			Status int          `json:"status"`
		}
		if err := json.Unmarshal([]byte(response.Templates["application/json"]), &said); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if want := said.Code.In(locale.English); !slices.Contains(problem.Codes(), said.Code) || said.Title != want.Title || said.Detail != want.Detail {
			t.Errorf("%s says %+v, the catalogue %+v", kind, said, want)
		}
		if response.StatusCode != said.Status || (said.Status != 0 && said.Status != problem.Status(said.Code)) {
			t.Errorf("%s: status %d, in the body %d, in the catalogue %d", kind, response.StatusCode, said.Status, problem.Status(said.Code))
		}
	}
}

// And they must have the headers of ours.
func TestGatewayRefusalsHaveTheSecurityHeaders(t *testing.T) {
	template, err := sam.Load(sam.Config{Path: "../template.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	want := httpapi.SecurityHeaders()
	want["Content-Security-Policy"] = "sandbox" // see the template
	want["Content-Type"] = "application/problem+json"
	want["Access-Control-Allow-Origin"] = template.APIs[0].CORS.AllowOrigin
	for kind, response := range template.APIs[0].GatewayResponses {
		for name, value := range want {
			if got := strings.Trim(response.Headers[name], "'"); got != value {
				t.Errorf("%s: %s is %q, want %q", kind, name, got, value)
			}
		}
	}
}

// One origin, the web app's, may use the API and the buckets from a browser, and
// none may send its cookies there.
func TestTheWebAppAloneIsLetIn(t *testing.T) {
	const origin = "https://app.example"
	template, err := sam.Load(sam.Config{Path: "../template.yaml", Parameters: map[string]string{"WebOrigin": origin}})
	if err != nil {
		t.Fatal(err)
	}
	if cors := template.APIs[0].CORS; cors.AllowOrigin != origin || cors.AllowCredentials {
		t.Errorf("the API lets in %q, with credentials: %v", cors.AllowOrigin, cors.AllowCredentials)
	}
	for _, bucket := range template.Buckets {
		var defined struct {
			CORS struct {
				Rules []struct {
					Origins []string `json:"AllowedOrigins"`
				} `json:"CorsRules"`
			} `json:"CorsConfiguration"`
		}
		if err := json.Unmarshal(bucket.Definition, &defined); err != nil {
			t.Fatal(err)
		}
		if len(defined.CORS.Rules) == 0 {
			t.Errorf("%s lets nobody in", bucket.LogicalID)
		}
		for _, rule := range defined.CORS.Rules {
			if diff := cmp.Diff([]string{origin}, rule.Origins); diff != "" {
				t.Errorf("%s lets others in (-want +got):\n%s", bucket.LogicalID, diff)
			}
		}
	}
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
