package dynamodb

import (
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// exchange is one HTTP request and what has to come back.
type exchange struct {
	name, target, body string
	status             int
	answer             string // the whole body
}

func TestErrorBodies(t *testing.T) {
	s := newTestServer(t)
	createTable(t, newClient(t, s), "tbl", []string{"id:S"}, nil, nil)
	const validation = `{"__type":"com.amazon.coral.validate#ValidationException","message":`
	const serialization = `{"Message":`
	for _, tt := range []exchange{
		{"a call that is not supported", "DynamoDB_20120810.ExecuteStatement", `{}`, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		{"no target", "", `{}`, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		{"another API's version", "DynamoDB_20111205.GetItem", `{}`, 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		{"no JSON", "DynamoDB_20120810.GetItem", `{"TableName":`, 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
		{"a number for a string", "DynamoDB_20120810.GetItem", `{"TableName":1}`, 400, serialization + `"NUMBER_VALUE cannot be converted to String","__type":"com.amazon.coral.service#SerializationException"}`},
		{"a list for a string", "DynamoDB_20120810.GetItem", `{"TableName":[]}`, 400, serialization + `"Unrecognized collection type class java.lang.String","__type":"com.amazon.coral.service#SerializationException"}`},
		{"a string for a number", "DynamoDB_20120810.Scan", `{"TableName":"tbl","Limit":"1"}`, 400, serialization + `"STRING_VALUE cannot be converted to Long","__type":"com.amazon.coral.service#SerializationException"}`},
		{"a number inside S", "DynamoDB_20120810.GetItem", `{"TableName":"tbl","Key":{"id":{"S":1}}}`, 400, serialization + `"NUMBER_VALUE cannot be converted to String","__type":"com.amazon.coral.service#SerializationException"}`},
		{"bad base64", "DynamoDB_20120810.GetItem", `{"TableName":"tbl","Key":{"id":{"B":"abc"}}}`, 400, serialization + `"Base64 encoded length is expected a multiple of 4 bytes but found: 3","__type":"com.amazon.coral.service#SerializationException"}`},
		{"a string for an attribute value", "DynamoDB_20120810.GetItem", `{"TableName":"tbl","Key":{"id":"1"}}`, 400, serialization + `"Unexpected value type in payload","__type":"com.amazon.coral.service#SerializationException"}`},
		{"several violations", "DynamoDB_20120810.GetItem", `{"TableName":"a!"}`, 400, validation + `"3 validation errors detected: Value 'a!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'a!' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3; Value null at 'key' failed to satisfy constraint: Member must not be null"}`},
		{"an empty attribute value", "DynamoDB_20120810.GetItem", `{"TableName":"tbl","Key":{"id":{}}}`, 400, validation + `"Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"}`},
		{"two types in one value", "DynamoDB_20120810.GetItem", `{"TableName":"tbl","Key":{"id":{"S":"a","N":"1"}}}`, 400, validation + `"Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"}`},
		{"a false NULL", "DynamoDB_20120810.PutItem", `{"TableName":"tbl","Item":{"id":{"S":"a"},"n":{"NULL":false}}}`, 400, validation + `"One or more parameter values were invalid: Null attribute value types must have the value of true"}`},
		{"an empty set", "DynamoDB_20120810.PutItem", `{"TableName":"tbl","Item":{"id":{"S":"a"},"n":{"L":[{"SS":[]}]}}}`, 400, validation + `"One or more parameter values were invalid: An string set  may not be empty"}`},
		{"a repeated set member", "DynamoDB_20120810.PutItem", `{"TableName":"tbl","Item":{"id":{"S":"a"},"n":{"SS":["x","x"]}}}`, 400, validation + `"One or more parameter values were invalid: Input collection [x, x] contains duplicates."}`},
		{"a repeated number in a set", "DynamoDB_20120810.PutItem", `{"TableName":"tbl","Item":{"id":{"S":"a"},"n":{"NS":["1","1.0"]}}}`, 400, validation + `"Input collection contains duplicates"}`},
		{"a failed condition", "DynamoDB_20120810.DeleteItem", `{"TableName":"tbl","Key":{"id":{"S":"a"}},"ConditionExpression":"attribute_exists(id)"}`, 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`},
		{"an unknown table", "DynamoDB_20120810.DescribeTable", `{"TableName":"none"}`, 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found: Table: none not found"}`},
		{"a cancelled transaction", "DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"ConditionCheck":{"TableName":"tbl","Key":{"id":{"S":"a"}},"ConditionExpression":"attribute_exists(id)"}}]}`, 400, `{"CancellationReasons":[{"Code":"ConditionalCheckFailed","Message":"The conditional request failed"}],"Message":"Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed]","__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException"}`},
		{"a legacy parameter", "DynamoDB_20120810.PutItem", `{"TableName":"tbl","Item":{"id":{"S":"a"}},"Expected":{"id":{"Exists":false}}}`, 400, validation + `"The legacy parameter Expected is not supported by this endpoint: use ConditionExpression"}`},
		{"an item that is not there", "DynamoDB_20120810.GetItem", `{"TableName":"tbl","Key":{"id":{"S":"a"}}}`, 200, `{}`},
		{"unknown members are ignored", "DynamoDB_20120810.GetItem", `{"TableName":"tbl","Key":{"id":{"S":"a","X":{"y":[1,{"z":null}]}}},"New":true}`, 200, `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(tt.body))
			r.Header.Set("X-Amz-Target", tt.target)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if got := w.Body.String(); w.Code != tt.status || got != tt.answer {
				t.Errorf("answered %d %s\nwant %d %s", w.Code, got, tt.status, tt.answer)
			}
			if want := strconv.FormatUint(uint64(crc32.ChecksumIEEE(w.Body.Bytes())), 10); w.Header().Get("X-Amz-Crc32") != want {
				t.Errorf("x-amz-crc32 is %q, want %s", w.Header().Get("X-Amz-Crc32"), want)
			}
			if w.Header().Get("X-Amzn-Requestid") == "" || w.Header().Get("Content-Type") != "application/x-amz-json-1.0" {
				t.Errorf("headers are %v", w.Header())
			}
		})
	}
}

func TestTooLargeARequestIsRefused(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", io.LimitReader(endless{}, maxRequest+1))
	newTestServer(t).ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", w.Code)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestHealth(t *testing.T) {
	w := httptest.NewRecorder()
	newTestServer(t).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != http.StatusOK || w.Body.String() != "healthy: dynamodb.us-east-1.amazonaws.com " {
		t.Errorf("answered %d %q", w.Code, w.Body)
	}
}
