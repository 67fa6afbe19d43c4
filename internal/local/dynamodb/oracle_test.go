//go:build oracle

package dynamodb

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The differential test sends the same random calls to this package and to dynalite, an independent DynamoDB whose own
// tests were run against the real service, and compares every answer. It needs node and npm:
//
//	go test -tags oracle ./internal/local/dynamodb/
var (
	oracleSeed  = flag.Uint64("oracle.seed", 1, "seed of the random calls")
	oracleCalls = flag.Int("oracle.calls", 6000, "number of random calls")
)

func TestAgreesWithDynalite(t *testing.T) {
	oracle := startDynalite(t)
	server := newTestServer(t)
	local := httptest.NewServer(server)
	t.Cleanup(local.Close)

	pair := &oraclePair{t: t, local: local.URL, oracle: oracle}
	for _, table := range oracleTables {
		pair.call("CreateTable", table)
	}
	pair.waitActive()
	g := &generator{r: rand.New(rand.NewPCG(*oracleSeed, 0))}
	counts := map[string]int{}
	for i := range *oracleCalls {
		name, request := g.call()
		answer, ok := pair.compare(i, name, request)
		counts[name]++
		if ok {
			counts[name+" accepted"]++
		}
		for page := 0; ok && answer["LastEvaluatedKey"] != nil && page < 5; page++ {
			request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
			answer, ok = pair.compare(i, name+" next page", request)
			counts["pages"]++
		}
	}
	t.Logf("compared: %v", counts)
	for name, total := range counts {
		// A generator that only makes mistakes would compare nothing but error messages.
		if accepted, found := counts[name+" accepted"]; found && accepted*4 < total {
			t.Errorf("only %d of %d %s calls were accepted", accepted, total, name)
		}
	}
}

// TestMistakesAgreeWithDynalite compares the answers to calls that are wrong in ways the random calls are not.
func TestMistakesAgreeWithDynalite(t *testing.T) {
	oracle := startDynalite(t)
	local := httptest.NewServer(newTestServer(t))
	t.Cleanup(local.Close)
	pair := &oraclePair{t: t, local: local.URL, oracle: oracle}
	for _, table := range oracleTables {
		pair.call("CreateTable", table)
	}
	pair.waitActive()
	for i, line := range strings.Split(strings.TrimSpace(oracleMistakes), "\n") {
		name, body, _ := strings.Cut(line, " ")
		var request object
		if err := json.Unmarshal([]byte(body), &request); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if _, ok := pair.compare(i, name, request); ok {
			t.Errorf("dynalite sees no mistake in %s", line)
		}
	}
}

const oracleMistakes = `
CreateTable {}
CreateTable {"TableName":"ab"}
CreateTable {"TableName":"abc"}
CreateTable {"TableName":"abc;","BillingMode":"FREE","AttributeDefinitions":[],"KeySchema":[]}
CreateTable {"TableName":"abc","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"X"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}]}
CreateTable {"TableName":"abc","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1},"AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"b","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"},{"AttributeName":"b","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"},{"AttributeName":"a","KeyType":"RANGE"}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"RANGE"}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"},{"AttributeName":"b","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"},{"AttributeName":"b","KeyType":"HASH"}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"},{"AttributeName":"b","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"GlobalSecondaryIndexes":[]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"GlobalSecondaryIndexes":[{"IndexName":"abc","KeySchema":[{"AttributeName":"x","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"GlobalSecondaryIndexes":[{"IndexName":"abc","KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"Projection":{}}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"GlobalSecondaryIndexes":[{"IndexName":"abc","KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL","NonKeyAttributes":["x"]}}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"LocalSecondaryIndexes":[]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"LocalSecondaryIndexes":[{"IndexName":"abc","KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}]}
CreateTable {"TableName":"abc","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"},{"AttributeName":"b","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"},{"AttributeName":"b","KeyType":"RANGE"}],"LocalSecondaryIndexes":[{"IndexName":"abc","KeySchema":[{"AttributeName":"b","KeyType":"HASH"},{"AttributeName":"a","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}}]}
DescribeTable {}
DescribeTable {"TableName":"ab"}
DescribeTable {"TableName":"a;c"}
DescribeTable {"TableName":"nothing"}
DeleteTable {"TableName":"nothing"}
DescribeTimeToLive {"TableName":"nothing"}
UpdateTable {"TableName":"plain"}
UpdateTable {"TableName":"plain","BillingMode":"PROVISIONED"}
UpdateTable {"TableName":"plain","GlobalSecondaryIndexUpdates":[{}]}
ListTables {"Limit":0}
ListTables {"Limit":101}
ListTables {"ExclusiveStartTableName":"a;"}
GetItem {"TableName":"plain","Key":{}}
GetItem {"TableName":"plain","Key":{"k":{"N":"1"}}}
GetItem {"TableName":"plain","Key":{"k":{"S":""}}}
GetItem {"TableName":"plain","Key":{"k":{"S":"a"},"x":{"S":"a"}}}
GetItem {"TableName":"nothing","Key":{"k":{"S":"a"}}}
GetItem {"TableName":"plain","Key":{"k":{"S":"a"}},"ReturnConsumedCapacity":"x"}
GetItem {"TableName":"plain","Key":{"k":{"S":"a"}},"ExpressionAttributeNames":{"#a":"a"}}
GetItem {"TableName":"plain","Key":{"k":{"S":"a"}},"ProjectionExpression":"k.a"}
PutItem {"TableName":"plain"}
PutItem {"TableName":"plain","Item":{}}
PutItem {"TableName":"plain","Item":{"k":{"S":""}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"N":""}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"N":"1 "}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"N":"1e126"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"N":"1e-131"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"N":"1.234567890123456789012345678901234567891"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"NS":["1","x"]}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"NS":[]}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"BS":[]}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"BS":["AA==","AA=="]}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"L":[{"M":{"y":{"SS":["a","a"]}}}]}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"S":"a","N":"1"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"B":"a"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"B":"a==="}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"B":1}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"S":true}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"S":{}}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"SS":"a"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"L":{}}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"BOOL":1}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":{"BOOL":"perhaps"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":[]}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"},"x":"a"}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"}},"ReturnValues":"ALL"}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"}},"ExpressionAttributeValues":{":a":{"S":"a"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"}},"ConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"a"}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"}},"ConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"NS":["1","1"]}}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"}},"ConditionExpression":"a = :a","ExpressionAttributeValues":{}}
PutItem {"TableName":"plain","Item":{"k":{"S":"a"}},"ConditionExpression":"#a = :a","ExpressionAttributeNames":{"a":"a"},"ExpressionAttributeValues":{":a":{"S":"a"}}}
Query {"TableName":"indexed"}
Query {"TableName":"indexed","KeyConditionExpression":"k = :k AND r = :r AND h = :r","ExpressionAttributeValues":{":k":{"S":"a"},":r":{"N":"1"}}}
Query {"TableName":"indexed","KeyConditionExpression":"k = :k","ExpressionAttributeValues":{":k":{"S":"a"}},"ExclusiveStartKey":{"k":{"S":"a"}}}
Query {"TableName":"indexed","KeyConditionExpression":"k = :k","ExpressionAttributeValues":{":k":{"S":"a"}},"ExclusiveStartKey":{"k":{"S":"b"},"r":{"N":"1"}}}
Query {"TableName":"indexed","KeyConditionExpression":"k = :k AND r > :r","ExpressionAttributeValues":{":k":{"S":"a"},":r":{"N":"1"}},"ExclusiveStartKey":{"k":{"S":"a"},"r":{"N":"0"}}}
Query {"TableName":"indexed","KeyConditionExpression":"k = :k","ExpressionAttributeValues":{":k":{"S":"a"}},"ExclusiveStartKey":{"k":{"S":"a"},"r":{"S":"0"}}}
Query {"TableName":"indexed","IndexName":"by-gh","KeyConditionExpression":"g = :k","ExpressionAttributeValues":{":k":{"S":"a"}},"ExclusiveStartKey":{"k":{"S":"a"},"r":{"N":"0"}}}
Query {"TableName":"indexed","IndexName":"by-none","KeyConditionExpression":"g = :k","ExpressionAttributeValues":{":k":{"S":"a"}}}
Query {"TableName":"indexed","IndexName":"by-gh","ConsistentRead":true,"KeyConditionExpression":"g = :k","ExpressionAttributeValues":{":k":{"S":"a"}}}
Query {"TableName":"indexed","IndexName":"by-g","Select":"ALL_ATTRIBUTES","KeyConditionExpression":"g = :k","ExpressionAttributeValues":{":k":{"S":"a"}}}
Query {"TableName":"indexed","KeyConditionExpression":"k = :k","FilterExpression":"r = :k","ExpressionAttributeValues":{":k":{"S":"a"}}}
Query {"TableName":"indexed","KeyConditionExpression":"k = :k","Limit":0,"Select":"x","ExpressionAttributeValues":{":k":{"S":"a"}}}
Scan {"TableName":"plain","Segment":1}
Scan {"TableName":"plain","TotalSegments":1}
Scan {"TableName":"plain","Segment":1,"TotalSegments":1}
Scan {"TableName":"plain","ExclusiveStartKey":{"x":{"S":"a"}}}
Scan {"TableName":"plain","ExclusiveStartKey":{"k":{"S":"a"},"x":{"S":"a"}}}
Scan {"TableName":"plain","ExclusiveStartKey":{"k":{"N":"x"}}}
Scan {"TableName":"plain","ExclusiveStartKey":{"k":{}}}
Scan {"TableName":"plain","Segment":1,"TotalSegments":4096,"ExclusiveStartKey":{"k":{"S":"a"}}}
BatchGetItem {}
BatchGetItem {"RequestItems":{}}
BatchGetItem {"RequestItems":{"plain":{"Keys":[]}}}
BatchGetItem {"RequestItems":{"nothing":{"Keys":[{"k":{"S":"a"}}]}}}
BatchGetItem {"RequestItems":{"plain":{"Keys":[{"k":{"N":"1"}}]}}}
BatchWriteItem {}
BatchWriteItem {"RequestItems":{"plain":[{"PutRequest":{"Item":{"x":{"S":"a"}}}}]}}
BatchWriteItem {"RequestItems":{"plain":[{"DeleteRequest":{"Key":{"x":{"S":"a"}}}}]}}
BatchWriteItem {"RequestItems":{"plain":[{"PutRequest":{"Item":{"k":{"S":"a"}}}},{"DeleteRequest":{"Key":{"k":{"S":"a"}}}}]}}
ExecuteStatement {}
`

// startDynalite installs dynalite, once per lock file, and starts it.
func startDynalite(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("the differential test needs %s in PATH (Debian, Ubuntu: apt-get install nodejs npm; macOS: brew install node): %v", program, err)
		}
	}
	source := filepath.Join("testdata", "dynalite")
	lock, err := os.ReadFile(filepath.Join(source, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "fotograma", "dynalite-"+hex.EncodeToString(sum[:6]))
	installed := filepath.Join(dir, "installed")
	if _, err := os.Stat(installed); err != nil {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"package.json", "package-lock.json"} {
			copyFile(t, filepath.Join(source, name), filepath.Join(dir, name))
		}
		npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			t.Fatalf("npm ci of dynalite: %v\n%s", err, out)
		}
		if err := os.WriteFile(installed, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, filepath.Join(source, "server.js"), filepath.Join(dir, "server.js"))

	node := exec.Command("node", "server.js")
	node.Dir = dir
	node.Stderr = os.Stderr
	stdin, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = node.Wait()
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("dynalite did not start: %v", err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

type object = map[string]any

var oracleTables = []object{
	{
		"TableName":            "plain",
		"BillingMode":          "PAY_PER_REQUEST",
		"AttributeDefinitions": []any{object{"AttributeName": "k", "AttributeType": "S"}},
		"KeySchema":            []any{object{"AttributeName": "k", "KeyType": "HASH"}},
	},
	{
		"TableName":   "indexed",
		"BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []any{
			object{"AttributeName": "k", "AttributeType": "S"}, object{"AttributeName": "r", "AttributeType": "N"},
			object{"AttributeName": "g", "AttributeType": "S"}, object{"AttributeName": "h", "AttributeType": "N"},
			object{"AttributeName": "l", "AttributeType": "S"},
		},
		"KeySchema": keySchemaJSON("k", "r"),
		"GlobalSecondaryIndexes": []any{
			object{"IndexName": "by-gh", "KeySchema": keySchemaJSON("g", "h"), "Projection": object{"ProjectionType": "ALL"}},
			object{"IndexName": "by-g", "KeySchema": keySchemaJSON("g"), "Projection": object{"ProjectionType": "KEYS_ONLY"}},
		},
		"LocalSecondaryIndexes": []any{
			object{"IndexName": "by-l", "KeySchema": keySchemaJSON("k", "l"), "Projection": object{"ProjectionType": "INCLUDE", "NonKeyAttributes": []any{"a", "m"}}},
		},
	},
	{
		"TableName":            "binary",
		"BillingMode":          "PAY_PER_REQUEST",
		"AttributeDefinitions": []any{object{"AttributeName": "k", "AttributeType": "N"}, object{"AttributeName": "r", "AttributeType": "B"}},
		"KeySchema":            keySchemaJSON("k", "r"),
	},
}

func keySchemaJSON(names ...string) []any {
	var elements []any
	for i, name := range names {
		elements = append(elements, object{"AttributeName": name, "KeyType": []string{"HASH", "RANGE"}[i]})
	}
	return elements
}

// oraclePair is the two endpoints.
type oraclePair struct {
	t             *testing.T
	local, oracle string
	mismatches    int
}

func (p *oraclePair) call(name string, request object) {
	p.t.Helper()
	for _, endpoint := range []string{p.local, p.oracle} {
		if status, answer := p.post(endpoint, name, request); status != http.StatusOK {
			p.t.Fatalf("%s on %s: %v", name, endpoint, answer)
		}
	}
}

func (p *oraclePair) waitActive() {
	for _, table := range oracleTables {
		for {
			_, answer := p.post(p.oracle, "DescribeTable", object{"TableName": table["TableName"]})
			if answer["Table"].(object)["TableStatus"] == "ACTIVE" {
				break
			}
		}
	}
}

func (p *oraclePair) post(endpoint, name string, request object) (int, object) {
	p.t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+name)
	r.Header.Set("X-Amz-Date", "20260101T000000Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var answer object
	if err := json.Unmarshal(text, &answer); err != nil {
		p.t.Fatalf("%s answered %q to %s: %v", endpoint, text, body, err)
	}
	return response.StatusCode, answer
}

// compare makes a call on both and reports what differs. It returns dynalite's answer and whether it was a success.
func (p *oraclePair) compare(i int, label string, request object) (object, bool) {
	p.t.Helper()
	name, _, _ := strings.Cut(label, " ")
	status, got := p.post(p.local, name, request)
	wantStatus, want := p.post(p.oracle, name, request)
	next := object{"LastEvaluatedKey": want["LastEvaluatedKey"]}
	normalize(got)
	normalize(want)
	diff := cmp.Diff(want, got)
	if status != wantStatus || diff != "" {
		p.mismatches++
		body := asJSON(request)
		p.t.Errorf("call %d, %s %s\nstatus %d, dynalite %d\n-dynalite +ours:\n%s", i, label, body, status, wantStatus, diff)
		if p.mismatches >= 5 {
			p.t.Fatal("too many differences")
		}
	}
	return next, wantStatus == http.StatusOK
}

// normalize takes out what need not agree.
func normalize(answer object) {
	if message, ok := answer["message"].(string); ok {
		// dynalite has the wording from before the service added this.
		before, _, _ := strings.Cut(message, ", typeSet:")
		// Its syntax errors are those of its parser generator.
		if head, _, isSyntax := strings.Cut(before, "Syntax error;"); isSyntax {
			before = head + "Syntax error"
		}
		answer["message"] = before
	}
	// The service omits what is empty; dynalite does so only sometimes.
	if attributes, ok := answer["Attributes"].(object); ok && len(attributes) == 0 {
		delete(answer, "Attributes")
	}
	// A read that finds nothing costs the minimum; dynalite counts nothing.
	if answer["ScannedCount"] == 0.0 {
		delete(answer, "ConsumedCapacity")
	}
	// BatchGetItem answers in no particular order.
	if responses, ok := answer["Responses"].(object); ok {
		for _, items := range responses {
			sortByJSON(items.([]any))
		}
	}
	sortSets(answer)
}

// asJSON is v as JSON, with the members of objects in order.
func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func sortByJSON(list []any) {
	slices.SortFunc(list, func(a, b any) int {
		return strings.Compare(asJSON(a), asJSON(b))
	})
}

// sortSets brings the members of all sets into order.
func sortSets(v any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			sortSets(element)
		}
	case object:
		for name, inner := range v {
			if list, ok := inner.([]any); ok && (name == "SS" || name == "NS" || name == "BS") {
				sortByJSON(list)
			}
			sortSets(inner)
		}
	}
}

// generator makes random calls. Attributes come from a small pool, so that calls meet each other's items.
type generator struct {
	r     *rand.Rand
	names object
	vals  object
}

func pick[T any](g *generator, from ...T) T { return from[g.r.IntN(len(from))] }

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func (g *generator) call() (string, object) {
	g.names, g.vals = object{}, object{}
	table := pick(g, "plain", "indexed", "indexed", "binary")
	request := object{"TableName": table}
	name := pick(g, "PutItem", "PutItem", "UpdateItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Query", "Scan", "BatchGetItem", "BatchWriteItem")
	switch name {
	case "PutItem":
		request["Item"] = g.item(table)
		g.maybe(request, 40, "ConditionExpression", g.condition)
		g.maybe(request, 50, "ReturnValues", func() string { return pick(g, "NONE", "ALL_OLD", "ALL_OLD", "ALL_NEW") })
	case "UpdateItem":
		request["Key"] = g.key(table)
		g.maybe(request, 95, "UpdateExpression", g.update)
		g.maybe(request, 20, "ConditionExpression", g.condition)
		g.maybe(request, 90, "ReturnValues", func() string { return pick(g, "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW") })
	case "DeleteItem":
		request["Key"] = g.key(table)
		g.maybe(request, 40, "ConditionExpression", g.condition)
		g.maybe(request, 50, "ReturnValues", func() string { return pick(g, "NONE", "ALL_OLD") })
	case "GetItem":
		request["Key"] = g.key(table)
		request["ConsistentRead"] = g.chance(50)
		g.maybe(request, 50, "ProjectionExpression", g.projection)
	case "Query":
		g.query(table, request)
	case "Scan":
		g.scan(table, request)
	case "BatchGetItem":
		keys := object{}
		for range 1 + g.r.IntN(6) {
			keys[fmt.Sprint(g.r.IntN(50))] = g.key(table)
		}
		request = object{"RequestItems": object{table: object{"Keys": distinct(keys), "ConsistentRead": g.chance(50)}}}
	case "BatchWriteItem":
		writes := object{}
		for range 1 + g.r.IntN(6) {
			if g.chance(60) {
				it := g.item(table)
				writes[keyJSON(table, it)] = object{"PutRequest": object{"Item": it}}
			} else {
				key := g.key(table)
				writes[keyJSON(table, key)] = object{"DeleteRequest": object{"Key": key}}
			}
		}
		request = object{"RequestItems": object{table: sortedValues(writes)}}
	}
	if table != "indexed" { // dynalite does not count what indexes cost
		g.maybe(request, 30, "ReturnConsumedCapacity", func() string { return pick(g, "NONE", "TOTAL", "INDEXES") })
	}
	if len(g.names) > 0 {
		request["ExpressionAttributeNames"] = g.names
	}
	if len(g.vals) > 0 {
		request["ExpressionAttributeValues"] = g.vals
	}
	return name, request
}

func distinct(keys object) []any {
	byJSON := object{}
	for _, key := range keys {
		byJSON[asJSON(key)] = key
	}
	return sortedValues(byJSON)
}

func keyJSON(table string, it object) string {
	names := []string{"k", "r"}
	if table == "plain" {
		names = names[:1]
	}
	var b strings.Builder
	for _, name := range names {
		b.WriteString(asJSON(it[name]))
	}
	return b.String()
}

func sortedValues(m object) []any {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	var values []any
	for _, name := range names {
		values = append(values, m[name])
	}
	return values
}

func (g *generator) maybe(request object, percent int, parameter string, choose func() string) {
	if g.chance(percent) {
		request[parameter] = choose()
	}
}

var oracleNumbers = []string{
	"0", "1", "-1", "2", "9", "10", "11", "99", "100", "-9", "-10", "-11", "0.5", "-0.5", "1.05", "1.5", "-1.05", "1e3", "1000.0",
	"-99.1", "1e-3", "123456789012345678901234567890", "-123456789012345678901234567891", "1e125", "-1e125", "1e-130", "-1e-130",
	"12345678901234567890123456789012345678", "-1234567890123456789.0123456789012345678", "0001.500",
}

func (g *generator) keyPart(kind string) object {
	switch kind {
	case "N":
		return object{"N": pick(g, oracleNumbers...)}
	case "B":
		raw := make([]byte, 1+g.r.IntN(3))
		for i := range raw {
			raw[i] = pick(g, byte(0), 1, 0x7f, 0x80, 0xff, 'a')
		}
		return object{"B": base64.StdEncoding.EncodeToString(raw)}
	}
	return object{"S": pick(g, "a", "b", "ab", "abc", "A", "z", "é", "ée", "a\x00", "a\x00b", "ß")}
}

var oracleKeys = map[string][]string{"plain": {"S"}, "indexed": {"S", "N"}, "binary": {"N", "B"}}

func (g *generator) key(table string) object {
	key := object{}
	for i, kind := range oracleKeys[table] {
		name := []string{"k", "r"}[i]
		key[name] = g.keyPart(kind)
		if name == "k" && kind == "S" && g.chance(70) {
			key[name] = object{"S": pick(g, "a", "b")} // so that partitions hold several items
		}
		if name == "k" && kind == "N" && g.chance(70) {
			key[name] = object{"N": pick(g, "1", "-1")}
		}
	}
	if g.chance(1) {
		key["k"] = object{"BOOL": true}
	}
	return key
}

func (g *generator) item(table string) object {
	it := g.key(table)
	for _, name := range []string{"a", "b", "n", "s", "m", "t"} {
		if g.chance(60) || (name == "m" || name == "t") && g.chance(80) {
			it[name] = g.attribute(name)
		}
	}
	if table == "indexed" {
		for _, name := range []string{"g", "h", "l"} {
			if g.chance(75) {
				it[name] = g.keyPart(map[string]string{"g": "S", "h": "N", "l": "S"}[name])
			}
		}
		if g.chance(2) {
			it["g"] = object{"N": "1"}
		}
	}
	return it
}

// attribute is a value of the type that the attribute mostly has.
func (g *generator) attribute(name string) object {
	if g.chance(5) {
		return g.scalar()
	}
	switch name {
	case "n":
		return object{"N": pick(g, "0", "1", "2", "10", "-3", "2.5", "100")}
	case "s":
		return g.set()
	case "m":
		return object{"M": object{"x": g.scalar(), "y": object{"N": pick(g, "1", "2")}, "list": g.list(), "deep": object{"M": object{"z": g.scalar()}}}}
	case "t":
		return g.list()
	}
	return g.scalar()
}

func (g *generator) scalar() object {
	return pick(g, object{"S": pick(g, "a", "ab", "abc", "b", "é")}, object{"N": pick(g, "0", "1", "-1", "2.50", "99", "-0.5")},
		object{"B": pick(g, "AA==", "AAE=", "/w==")}, object{"BOOL": true}, object{"NULL": true}) // dynalite takes false for absent
}

func (g *generator) set() object {
	members := func(from ...string) []any {
		var chosen []any
		for _, member := range from {
			if g.chance(50) {
				chosen = append(chosen, member)
			}
		}
		if len(chosen) == 0 {
			chosen = []any{from[0]}
		}
		return chosen
	}
	return pick(g, object{"SS": members("a", "b", "c")}, object{"NS": members("1", "2", "3")}, object{"BS": members("AA==", "/w==")})
}

func (g *generator) list() object {
	elements := []any{}
	for range g.r.IntN(4) {
		elements = append(elements, g.scalar())
	}
	return object{"L": elements}
}

// name is an attribute name in an expression, sometimes as a placeholder.
func (g *generator) name(name string) string {
	if g.chance(50) {
		return name
	}
	placeholder := "#" + name
	g.names[placeholder] = name
	return placeholder
}

func (g *generator) value(v object) string {
	placeholder := fmt.Sprintf(":v%d", len(g.vals))
	g.vals[placeholder] = v
	return placeholder
}

// path is a document path that mostly exists.
func (g *generator) path() string {
	return pick(g,
		func() string { return g.name(pick(g, "a", "b", "n", "s", "m", "t")) },
		func() string { return g.name("m") + "." + g.name(pick(g, "x", "y", "list", "none")) },
		func() string { return g.name("m") + "." + g.name("deep") + "." + g.name("z") },
		func() string { return g.name("m") + ".list[" + pick(g, "0", "1", "7") + "]" },
		func() string { return g.name("t") + "[" + pick(g, "0", "1", "7") + "]" },
	)()
}

func (g *generator) condition() string { return g.conditionOn(g.path, 3) }

func (g *generator) conditionOn(path func() string, depth int) string {
	if depth > 0 && g.chance(35) {
		inner := func() string { return g.conditionOn(path, depth-1) }
		return pick(g,
			func() string { return inner() + " AND " + inner() },
			func() string { return inner() + " or " + inner() },
			func() string { return "NOT (" + inner() + ")" },
			func() string {
				return "(" + g.conditionOn(path, 0) + " OR " + inner() + ") AND " + g.conditionOn(path, 0)
			},
		)()
	}
	if g.chance(2) {
		return g.mistake(path)
	}
	literal := func() string { return g.value(g.scalar()) }
	ordered := func() string {
		return g.value(pick(g, object{"S": pick(g, "a", "ab", "b")}, object{"N": pick(g, oracleNumbers...)}, object{"B": "AAE="}))
	}
	return pick(g,
		func() string { return path() + " " + pick(g, "=", "<>") + " " + literal() },
		func() string { return path() + " = " + g.value(g.set()) },
		func() string { return path() + " " + pick(g, "<", "<=", ">", ">=") + " " + ordered() },
		func() string { return ordered() + " " + pick(g, "<", ">=") + " " + path() },
		func() string {
			return path() + " BETWEEN " + g.value(object{"N": pick(g, "-5", "0")}) + " AND " + g.value(object{"N": pick(g, "1", "50")})
		},
		func() string { return path() + " IN (" + literal() + ", " + literal() + ")" },
		func() string { return "attribute_exists(" + path() + ")" },
		func() string { return "attribute_not_exists(" + path() + ")" },
		func() string {
			return "attribute_type(" + path() + ", " + g.value(object{"S": pick(g, "S", "N", "SS", "L", "M", "BOOL", "NULL")}) + ")"
		},
		func() string {
			return "begins_with(" + path() + ", " + g.value(pick(g, object{"S": pick(g, "a", "ab")}, object{"B": "AA=="})) + ")"
		},
		func() string { return "contains(" + path() + ", " + ordered() + ")" },
		func() string {
			return "size(" + path() + ") " + pick(g, "=", "<", ">") + " " + g.value(object{"N": pick(g, "0", "1", "2", "3")})
		},
	)()
}

// mistake is a condition that is refused.
func (g *generator) mistake(path func() string) string {
	return pick(g,
		func() string { return path() + " = :undefined" },
		func() string { return "#undefined = " + g.value(g.scalar()) },
		func() string { return path() + " = " },
		func() string { return path() + " == " + g.value(g.scalar()) },
		func() string { return "((" + path() + " = " + g.value(g.scalar()) + "))" },
		func() string { return "status = " + g.value(g.scalar()) },
		func() string { return "exists(" + path() + ")" },
		func() string { return "attribute_exists(" + path() + ", " + path() + ")" },
		func() string { return "attribute_exists(" + g.value(g.scalar()) + ")" },
		func() string { return "begins_with(" + path() + ", " + g.value(object{"N": "1"}) + ")" },
		func() string { return "attribute_type(" + path() + ", " + g.value(object{"S": "X"}) + ")" },
		func() string { return "size(" + path() + ")" },
		func() string { return "contains(" + path() + ", " + path() + ") = " + g.value(g.scalar()) },
		func() string {
			return path() + " BETWEEN " + g.value(object{"N": "9"}) + " AND " + g.value(object{"N": "1"})
		},
		func() string {
			return path() + " BETWEEN " + g.value(object{"N": "9"}) + " AND " + g.value(object{"S": "1"})
		},
	)()
}

func (g *generator) update() string {
	if g.chance(3) {
		return g.updateMistake()
	}
	// One action for each of some disjoint paths.
	targets := []string{"a", "b", "n", "s", "m.x", "m.y", "m.list[1]", "m.deep", "t[0]", "t[9]", "new", "g", "h"}
	g.r.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	sections := map[string][]string{}
	lists := map[string]bool{}
	for _, target := range targets[:pick(g, 1, 1, 1, 2, 3)] {
		list, _, isElement := strings.Cut(target, "[")
		if isElement && lists[list] {
			continue
		}
		lists[list] = true
		verb, action := g.action(target)
		sections[verb] = append(sections[verb], action)
	}
	var parts []string
	for _, verb := range []string{"SET", "REMOVE", "ADD", "DELETE"} {
		if sections[verb] != nil {
			parts = append(parts, pick(g, verb, strings.ToLower(verb))+" "+strings.Join(sections[verb], ", "))
		}
	}
	return strings.Join(parts, " ")
}

func (g *generator) action(target string) (verb, action string) {
	small := func() string { return g.value(object{"N": pick(g, "1", "2", "-3", "0.5")}) }
	name := target
	if !strings.ContainsAny(target, ".[") {
		name = g.name(target)
	}
	kind := pick(g, "value", "value", "REMOVE", "REMOVE", "if_not_exists", "if_not_exists", "number", "set", "append")
	switch target {
	case "g":
		return "SET", name + " = " + g.value(pick(g, object{"S": "a"}, object{"S": "b"}, object{"S": "c"}, object{"N": "1"}))
	case "h":
		return "SET", name + " = " + g.value(object{"N": pick(g, oracleNumbers...)})
	case "n":
		kind = pick(g, "number", "number", "value", "REMOVE")
	case "s":
		kind = pick(g, "set", "set", "value", "REMOVE")
	case "m.list[1]", "t[0]", "t[9]":
		kind = pick(g, "value", "REMOVE", "value", "append")
	}
	switch kind {
	case "REMOVE":
		return "REMOVE", name
	case "if_not_exists":
		return "SET", name + " = if_not_exists(" + name + ", " + g.value(g.scalar()) + ")"
	case "number":
		return pick(g,
			func() (string, string) { return "ADD", name + " " + small() },
			func() (string, string) { return "SET", name + " = " + name + pick(g, " + ", " - ", "+") + small() },
			func() (string, string) {
				return "SET", name + " = if_not_exists(" + name + ", " + small() + ") + " + small()
			},
			func() (string, string) { return "SET", name + " = " + small() + " - " + name },
		)()
	case "set":
		return pick(g, "ADD", "DELETE"), name + " " + g.value(g.set())
	case "append":
		return "SET", name + " = list_append(" + pick(g, "t", g.value(g.list())) + ", " + g.value(g.list()) + ")"
	}
	return "SET", name + " = " + g.value(g.attribute(target))
}

func (g *generator) updateMistake() string {
	v := func() string { return g.value(g.scalar()) }
	return pick(g,
		func() string { return "SET k = " + v() },
		func() string { return "SET a = " + v() + " SET b = " + v() },
		func() string { return "SET a = " + v() + ", a = " + v() },
		func() string { return "SET m.x = " + v() + ", m = " + v() },
		func() string { return "SET m.x = " + v() + ", m[0] = " + v() },
		func() string { return "SET a = :undefined" },
		func() string { return "SET #undefined = " + v() },
		func() string { return "SET a " + v() },
		func() string { return "" },
		func() string { return "SET a = b" },
		func() string { return "SET none.x = " + v() },
		func() string { return "REMOVE none.x" },
		func() string { return "SET value = " + v() },
		func() string { return "ADD a " + g.value(object{"S": "a"}) },
		func() string { return "DELETE a " + g.value(object{"N": "1"}) },
		func() string { return "SET a = list_append(b, " + g.value(object{"N": "1"}) + ")" },
		func() string { return "SET a = b + " + g.value(object{"S": "1"}) },
		func() string { return "SET a = if_not_exists(b)" },
		func() string { return "SET a = upper(b)" },
	)()
}

func (g *generator) projection() string {
	if g.chance(5) {
		return pick(g, "a, a", "m.x, m", "m.x, m[0]", "name", "#undefined", "a,", "")
	}
	// Paths that do not overlap.
	all := []string{"a", "b", "n", "s", "m.x", "m.y", "m.list[0]", "m.list[1]", "t[1]", "t[0]", "k"}
	g.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return strings.Join(all[:1+g.r.IntN(4)], ", ")
}

// readFrom chooses table or index, and returns the key attributes with their types.
func (g *generator) readFrom(table string, request object) (hash, sortKey, hashKind, sortKind string) {
	kinds := append(slices.Clone(oracleKeys[table]), "")
	hash, hashKind, sortKind = "k", kinds[0], kinds[1]
	if sortKind != "" {
		sortKey = "r"
	}
	if table == "indexed" && g.chance(60) {
		index := pick(g, "by-gh", "by-g", "by-l")
		request["IndexName"] = index
		switch index {
		case "by-gh":
			return "g", "h", "S", "N"
		case "by-g":
			return "g", "", "S", ""
		}
		return "k", "l", "S", "S"
	}
	return hash, sortKey, hashKind, sortKind
}

func (g *generator) query(table string, request object) {
	hash, sortKey, hashKind, sortKind := g.readFrom(table, request)
	part := g.keyPart(hashKind)
	if g.chance(80) {
		part = object{hashKind: map[string]string{"S": pick(g, "a", "b"), "N": pick(g, "1", "-1")}[hashKind]}
	}
	expression := g.name(hash) + " = " + g.value(part)
	if sortKey != "" && g.chance(70) {
		condition := g.sortCondition(sortKey, sortKind)
		expression = pick(g, expression+" AND "+condition, condition+" AND "+expression)
	}
	if g.chance(3) {
		expression = pick(g, "a = "+g.value(g.scalar()), hash+" > "+g.value(part), expression+" OR a = "+g.value(g.scalar()), expression+" AND b = "+g.value(g.scalar()))
	}
	request["KeyConditionExpression"] = expression
	g.readOptions(request)
	if g.chance(60) {
		request["ScanIndexForward"] = g.chance(50)
	}
}

func (g *generator) sortCondition(name, kind string) string {
	name = g.name(name)
	a, b := g.keyPart(kind), g.keyPart(kind)
	var first, second value
	_ = json.Unmarshal([]byte(asJSON(a)), &first)
	_ = json.Unmarshal([]byte(asJSON(b)), &second)
	if order, _ := first.compare(second); order > 0 {
		a, b = b, a
	}
	if kind != "N" && g.chance(25) {
		return "begins_with(" + name + ", " + g.value(a) + ")"
	}
	if g.chance(25) {
		return name + " BETWEEN " + g.value(a) + " AND " + g.value(b)
	}
	return name + " " + pick(g, "=", "<", "<=", ">", ">=") + " " + g.value(a)
}

func (g *generator) readOptions(request object) {
	if g.chance(60) {
		request["Limit"] = 1 + g.r.IntN(6)
	}
	filterPath := func() string {
		// Not into what an index may not have: the service and dynalite see that differently.
		if request["IndexName"] != nil {
			return g.name("a")
		}
		return g.path()
	}
	if g.chance(30) {
		request["FilterExpression"] = g.conditionOn(filterPath, 2)
	}
	switch {
	case g.chance(15):
		request["Select"] = "COUNT"
	case request["IndexName"] == nil && g.chance(30):
		request["ProjectionExpression"] = g.projection()
	}
	if request["IndexName"] != "by-gh" && request["IndexName"] != "by-g" && g.chance(30) {
		request["ConsistentRead"] = true
	}
}

func (g *generator) scan(table string, request object) {
	g.readFrom(table, request)
	g.readOptions(request)
	delete(request, "ConsistentRead") // which dynalite's Scan ignores
	if g.chance(30) {
		total := 1 + g.r.IntN(5)
		request["TotalSegments"] = total
		request["Segment"] = g.r.IntN(total)
	}
}
