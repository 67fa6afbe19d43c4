package gateway

import (
	"strings"
	"testing"
)

func FuzzVerdict(f *testing.F) {
	f.Add([]byte(`{"principalId":"u","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]},"context":{"a":1}}`))
	f.Add([]byte(`{"principalId":"u","policyDocument":{"Statement":{"Action":["*"],"Effect":"Deny","Resource":["arn:*","a?"]}}}`))
	f.Add([]byte(`{"principalId":"u","policyDocument":null}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		v, err := parseVerdict(answer)
		if err != nil {
			return
		}
		if v.principal == "" || len(v.policy.Statement) == 0 {
			t.Errorf("%s says nothing", answer)
		}
		allowed := v.policy.decide("arn:aws:execute-api:us-east-1:000000000000:api/stage/GET/v1/videos") == allow
		if allowed && !strings.Contains(string(answer), "Allow") && !strings.Contains(string(answer), `\u`) {
			t.Errorf("%s allows", answer)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{"message":$context.error.messageString,"id":"$context.requestId"}`)
	f.Add("$stageVariables.a")
	f.Add("$context.authorizer.x ${method.request.header.Origin} $$")
	f.Fuzz(func(_ *testing.T, template string) {
		_, _ = parseTemplate(template, map[string]string{"a": "b"})
		_, _ = parseMapping(template, nil)
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("status=queued&tag=x&tag=y+z&empty;bad=%zz")
	f.Add("=&==&%")
	f.Fuzz(func(t *testing.T, raw string) {
		for name, values := range parseQuery(raw) {
			if len(values) == 0 {
				t.Errorf("%q has no value in %q", name, raw)
			}
		}
	})
}
