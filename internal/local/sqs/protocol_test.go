package sqs

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// exchange posts one request as it travels and gives the answer.
func exchange(t *testing.T, url, target, contentType, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res, string(out)
}

func TestProtocolErrors(t *testing.T) {
	e := start(t)
	for name, tc := range map[string]struct {
		target, contentType, body string
		queryError, inBody        string
	}{
		"a refusal has the shape in the body and the old code in the header": {
			"AmazonSQS.GetQueueUrl", contentType, `{"QueueName":"absent"}`,
			"AWS.SimpleQueueService.NonExistentQueue;Sender",
			`{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`,
		},
		"an unknown action": {
			"AmazonSQS.Frobnicate", contentType, `{}`, "InvalidAction;Sender", "UnknownOperationException",
		},
		"a body that is no JSON": {
			"AmazonSQS.ListQueues", contentType, `{`, "MalformedInput;Sender", "SerializationException",
		},
		"a number where text belongs": {
			"AmazonSQS.ListQueues", contentType, `{"QueueNamePrefix":7}`, "MalformedInput;Sender", "SerializationException",
		},
		"a body that is not UTF-8": {
			"AmazonSQS.ListQueues", contentType, "{\"QueueNamePrefix\":\"\xff\"}", "MalformedInput;Sender", "not valid UTF-8",
		},
		"a body beyond all limits": {
			"AmazonSQS.ListQueues", contentType, strings.Repeat(" ", maxRequestBytes+1), "RequestEntityTooLarge;Sender", "larger than",
		},
		"no queue URL": {
			"AmazonSQS.PurgeQueue", contentType, `{}`, "MissingParameter;Sender", "QueueUrl",
		},
		"the query protocol is refused in XML": {
			"", "application/x-www-form-urlencoded", "Action=ListQueues&Version=2012-11-05",
			"", "<Code>UnsupportedProtocol</Code>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := exchange(t, e.url, tc.target, tc.contentType, tc.body)
			if res.StatusCode != http.StatusBadRequest {
				t.Errorf("status %d, want 400", res.StatusCode)
			}
			if got := res.Header.Get("X-Amzn-Query-Error"); got != tc.queryError {
				t.Errorf("x-amzn-query-error %q, want %q", got, tc.queryError)
			}
			if !strings.Contains(body, tc.inBody) {
				t.Errorf("body %s, want %s", body, tc.inBody)
			}
			if res.Header.Get("X-Amzn-Requestid") == "" {
				t.Error("no request id")
			}
		})
	}
}

// The Go SDK leaves a timeout of zero out, boto3 sends it.
func TestReceiveWithoutHiding(t *testing.T) {
	e := start(t)
	url := e.create(t, "jobs")
	e.put(t, url, "x")
	for receives := range 3 {
		_, body := exchange(t, e.url, "AmazonSQS.ReceiveMessage", contentType,
			`{"QueueUrl":"`+url+`","VisibilityTimeout":0,"AttributeNames":["ApproximateReceiveCount"]}`)
		var out receiveResponse
		if err := json.Unmarshal([]byte(body), &out); err != nil || len(out.Messages) != 1 {
			t.Fatalf("receive %d: %s, %v", receives, body, err)
		}
	}
	if m := e.takeOne(t, url); m.Attributes["ApproximateReceiveCount"] != "4" {
		t.Errorf("receive count %s, want 4", m.Attributes["ApproximateReceiveCount"])
	}
}

func TestBaseURLOverridesTheHost(t *testing.T) {
	s, err := Open(t.TempDir()+"/sqs.db", Options{BaseURL: "http://sqs.test:4566/", Region: "sa-east-1", AccountID: "123456789012"})
	if err != nil {
		t.Fatal(err)
	}
	e := serve(t, s)
	url := e.create(t, "jobs")
	if url != "http://sqs.test:4566/123456789012/jobs" {
		t.Errorf("URL %s", url)
	}
	if got := e.attributes(t, url)["QueueArn"]; got != "arn:aws:sqs:sa-east-1:123456789012:jobs" {
		t.Errorf("ARN %s", got)
	}
}

func TestClosedServerAnswersAnError(t *testing.T) {
	e := start(t)
	url := e.create(t, "jobs")
	if err := e.server.Close(); err != nil {
		t.Fatal(err)
	}
	res, body := exchange(t, e.url, "AmazonSQS.SendMessage", contentType, `{"QueueUrl":"`+url+`","MessageBody":"x"}`)
	if res.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "InternalFailure") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func FuzzParseAttributes(f *testing.F) {
	f.Add("VisibilityTimeout", "30")
	f.Add("DelaySeconds", "-0")
	f.Add("RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dlq","maxReceiveCount":"3"}`)
	f.Add("RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["a"]}`)
	f.Add("Policy", `{"Statement":[]}`)
	f.Add("SqsManagedSseEnabled", "true")
	f.Add("FifoQueue", "true")
	f.Fuzz(func(t *testing.T, name, value string) {
		parsed, err := parseAttributes(map[string]string{name: value})
		if err != nil {
			if !refused(err) {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		// What was accepted is canonical: parsing it again changes nothing.
		again, err := parseAttributes(parsed)
		if err != nil || again[name] != parsed[name] {
			t.Fatalf("%q became %q, then %q, %v", value, parsed[name], again[name], err)
		}
		n := attributes{}.with(parsed).number(attrVisibility)
		if n < 0 || n > maxVisibilitySeconds {
			t.Fatalf("visibility timeout %d", n)
		}
	})
}

func FuzzMessageAttributes(f *testing.F) {
	f.Add(`{"a":{"DataType":"String","StringValue":"v"}}`)
	f.Add(`{"a.b":{"DataType":"Number.int","StringValue":"1e3"}}`)
	f.Add(`{"a":{"DataType":"Binary","BinaryValue":"AAEC"},"B":{"DataType":"String","StringValue":"\u65e5"}}`)
	f.Add(`{"a":{"DataType":"String","BinaryValue":"AA=="}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var attrs messageAttributes
		if json.Unmarshal([]byte(text), &attrs) != nil || attrs.check() != nil {
			return
		}
		if (attrs.md5() == "") != (len(attrs) == 0) || attrs.size() < 2*len(attrs) {
			t.Fatalf("%s: digest %q, size %d", text, attrs.md5(), attrs.size())
		}
		// What is stored is what was sent.
		stored, err := encode(attrs)
		if err != nil {
			t.Fatal(err)
		}
		var back messageAttributes
		if err := json.Unmarshal([]byte(stored), &back); err != nil || back.md5() != attrs.md5() {
			t.Fatalf("%s came back as %s", text, stored)
		}
	})
}

func FuzzReceiptHandle(f *testing.F) {
	f.Add(receipt{queue: 1, message: 2, secret: "S"}.String())
	f.Add("MSAyIA==")
	f.Fuzz(func(t *testing.T, handle string) {
		r, err := parseReceipt(&queue{id: 1}, handle)
		if err != nil {
			return
		}
		again, err := parseReceipt(&queue{id: 1}, r.String())
		if err != nil || again != r {
			t.Fatalf("%q: %+v, then %+v, %v", handle, r, again, err)
		}
	})
}
