package dynamodb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestItemsThatAreRefused(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "tbl", []string{"p:S", "r:B"}, []string{"g:S", "h:N"}, func(in *sdk.CreateTableInput) {
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-g"), KeySchema: keySchema("g", "h"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}}
	})
	deep := str("x")
	for range 32 {
		deep = list(deep)
	}
	for name, tt := range map[string]struct {
		edit    attributes
		message string // "" when the item is accepted
	}{
		"nothing special":               {attributes{}, ""},
		"missing partition key":         {attributes{"p": nil}, "One or more parameter values were invalid: Missing the key p in the item"},
		"missing sort key":              {attributes{"r": nil}, "Missing the key r in the item"},
		"partition key of another type": {attributes{"p": num(1)}, "Type mismatch for key p expected: S actual: N"},
		"empty partition key":           {attributes{"p": str("")}, "The AttributeValue for a key attribute cannot contain an empty string value. Key: p"},
		"empty sort key":                {attributes{"r": binary([]byte{}...)}, "The AttributeValue for a key attribute cannot contain an empty binary value. Key: r"},
		"longest partition key":         {attributes{"p": str(strings.Repeat("x", 2048))}, ""},
		"too long partition key":        {attributes{"p": str(strings.Repeat("x", 2049))}, "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
		"longest sort key":              {attributes{"r": binary(make([]byte, 1024)...)}, ""},
		"too long sort key":             {attributes{"r": binary(make([]byte, 1025)...)}, "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"},
		"index key of another type":     {attributes{"g": num(1)}, "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g"},
		"empty index key":               {attributes{"g": str("")}, "IndexName: by-g, IndexKey: g"},
		"empty string elsewhere":        {attributes{"x": str("")}, ""},
		"400 KB":                        {attributes{"x": str(strings.Repeat("x", 400*1024-8))}, ""}, // p, its 2 bytes, r, its 3, x
		"a byte more than 400 KB":       {attributes{"x": str(strings.Repeat("x", 400*1024-7))}, "Item size has exceeded the maximum allowed size"},
		"31 lists in each other":        {attributes{"x": deep.(*types.AttributeValueMemberL).Value[0]}, ""},
		"32 lists in each other":        {attributes{"x": deep}, "Nesting Levels have exceeded supported limits"},
	} {
		it := attributes{"p": str("pp"), "r": binary(1, 2, 3)}
		for attribute, v := range tt.edit {
			it[attribute] = v
			if v == nil {
				delete(it, attribute)
			}
		}
		_, err := c.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("tbl"), Item: it})
		switch {
		case tt.message != "":
			t.Run(name, func(t *testing.T) { wantRefused(t, err, "ValidationException", tt.message) })
		case err != nil:
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUpdatesThatAreRefused(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "tbl", []string{"id:S"}, []string{"g:S"}, func(in *sdk.CreateTableInput) {
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-g"), KeySchema: keySchema("g"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}}
	})
	before := attributes{"id": str("1"), "g": str("group"), "n": num(1), "big": str(strings.Repeat("x", 300_000))}
	put(t, c, "tbl", before)
	all := attributes{":s": str("x"), ":n": num(1), ":empty": str(""), ":big": str(strings.Repeat("y", 200_000))}
	for expression, message := range map[string]string{
		"SET id = :s":        "Cannot update attribute id. This attribute is part of the key",
		"REMOVE id":          "Cannot update attribute id. This attribute is part of the key",
		"SET g = :n":         "Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g",
		"SET g = n":          "The update expression attempted to update the secondary index key to unsupported type",
		"SET g = :empty":     "IndexName: by-g, IndexKey: g",
		"SET g.x = :s":       "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: g",
		"SET more = :big":    "Item size to update has exceeded the maximum allowed size",
		"SET n = n + :s":     "Incorrect operand type for operator or function; operator or function: +, operand type: S",
		"SET n = :s, #n = n": "An expression attribute name used in the document path is not defined",
		"SET more = id.x":    "Key attributes must be scalars",
	} {
		values := attributes{}
		for name, v := range all {
			if strings.Contains(expression, name) {
				values[name] = v
			}
		}
		in := &sdk.UpdateItemInput{TableName: aws.String("tbl"), Key: attributes{"id": str("1")}, UpdateExpression: &expression}
		if len(values) > 0 {
			in.ExpressionAttributeValues = values
		}
		_, err := c.UpdateItem(t.Context(), in)
		t.Run(expression, func(t *testing.T) { wantRefused(t, err, "ValidationException", message) })
	}
	wantItem(t, get(t, c, "tbl", attributes{"id": str("1")}), before)
}

func TestQueriesThatAreRefused(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "tbl", []string{"p:S", "r:N"}, nil, nil)
	values := attributes{":p": str("x"), ":n": num(1), ":e": str(""), ":t": &types.AttributeValueMemberBOOL{Value: true}}
	for condition, message := range map[string]string{
		"r = :n":                        "Query condition missed key schema element: p",
		"p > :p":                        "Query key condition not supported",
		"p = :n":                        "Condition parameter type does not match schema type",
		"p = :e":                        "cannot contain an empty string value. Key: p",
		"p = :t":                        "ComparisonOperator EQ is not valid for BOOL AttributeValue type",
		"p = :p AND x = :n":             "Query condition missed key schema element: r",
		"p = :p AND r = :n AND x = :n":  "Conditions can be of length 1 or 2 only",
		"p = :p OR r = :n":              "Invalid operator used in KeyConditionExpression: OR",
		"NOT p = :p":                    "Invalid operator used in KeyConditionExpression: NOT",
		"p = :p AND r <> :n":            "Invalid operator used in KeyConditionExpression: <>",
		"p = :p AND r IN (:n)":          "Invalid operator used in KeyConditionExpression: IN",
		"p = :p AND contains(r, :n)":    "Invalid operator used in KeyConditionExpression: contains",
		"p = :p AND size(r) = :n":       "KeyConditionExpressions cannot contain nested operations",
		"p = :p AND r = p":              "Multiple attribute names used in one condition",
		"p = :p AND :n = :n":            "No key attribute specified",
		"p = :p AND p = :p":             "KeyConditionExpressions must only contain one condition per key",
		"p.x = :p":                      "KeyConditionExpressions cannot have conditions on nested attributes",
		"p = :p AND :n BETWEEN r AND r": "BETWEEN operator must have the key attribute as its first operand",
		"p = :p AND begins_with(r, :p)": "Condition parameter type does not match schema type",
	} {
		in := &sdk.QueryInput{TableName: aws.String("tbl"), KeyConditionExpression: &condition, ExpressionAttributeValues: attributes{}}
		for name, v := range values {
			if strings.Contains(condition, name) {
				in.ExpressionAttributeValues[name] = v
			}
		}
		_, err := c.Query(t.Context(), in)
		t.Run(condition, func(t *testing.T) { wantRefused(t, err, "ValidationException", message) })
	}
	for name, tt := range map[string]struct {
		edit    func(*sdk.QueryInput)
		message string
	}{
		"filter on a key":        {func(in *sdk.QueryInput) { in.FilterExpression = aws.String("r > p") }, "Filter Expression can only contain non-primary key attributes: Primary key attribute: r"},
		"limit 0":                {func(in *sdk.QueryInput) { in.Limit = aws.Int32(0) }, "Member must have value greater than or equal to 1"},
		"no key condition":       {func(in *sdk.QueryInput) { in.KeyConditionExpression, in.ExpressionAttributeValues = nil, nil }, "Either the KeyConditions or KeyConditionExpression parameter must be specified"},
		"unknown index":          {func(in *sdk.QueryInput) { in.IndexName = aws.String("none") }, "The table does not have the specified index: none"},
		"unknown select":         {func(in *sdk.QueryInput) { in.Select = "count" }, "Value 'count' at 'select' failed to satisfy constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"},
		"count with projection":  {func(in *sdk.QueryInput) { in.Select, in.ProjectionExpression = "COUNT", aws.String("a") }, "Cannot specify the ProjectionExpression when choosing to get only the Count"},
		"all with projection":    {func(in *sdk.QueryInput) { in.Select, in.ProjectionExpression = "ALL_ATTRIBUTES", aws.String("a") }, "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES"},
		"projected of a table":   {func(in *sdk.QueryInput) { in.Select = "ALL_PROJECTED_ATTRIBUTES" }, "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"},
		"specific without paths": {func(in *sdk.QueryInput) { in.Select = "SPECIFIC_ATTRIBUTES" }, "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"},
		"start key incomplete":   {func(in *sdk.QueryInput) { in.ExclusiveStartKey = attributes{"p": str("x")} }, "The provided starting key is invalid"},
		"start key elsewhere":    {func(in *sdk.QueryInput) { in.ExclusiveStartKey = attributes{"p": str("y"), "r": num(1)} }, "outside query boundaries"},
		"start key of bad type":  {func(in *sdk.QueryInput) { in.ExclusiveStartKey = attributes{"p": str("x"), "r": str("1")} }, "The provided key element does not match the schema"},
		"legacy parameter":       {func(in *sdk.QueryInput) { in.AttributesToGet = []string{"a"} }, "The legacy parameter AttributesToGet is not supported by this endpoint: use ProjectionExpression"},
	} {
		in := &sdk.QueryInput{TableName: aws.String("tbl"), KeyConditionExpression: aws.String("p = :p"), ExpressionAttributeValues: attributes{":p": str("x")}}
		tt.edit(in)
		_, err := c.Query(t.Context(), in)
		t.Run(name, func(t *testing.T) { wantRefused(t, err, "ValidationException", tt.message) })
	}
	_, err := c.Scan(t.Context(), &sdk.ScanInput{TableName: aws.String("tbl"), Segment: aws.Int32(2), TotalSegments: aws.Int32(2)})
	wantRefused(t, err, "ValidationException", "Segment: 2 is not less than TotalSegments: 2")
	_, err = c.Scan(t.Context(), &sdk.ScanInput{TableName: aws.String("tbl"), Segment: aws.Int32(1)})
	wantRefused(t, err, "ValidationException", "The TotalSegments parameter is required")
}

func TestTablesThatAreRefused(t *testing.T) {
	c := newClient(t, newTestServer(t))
	index := func(name string, keys ...string) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{IndexName: &name, KeySchema: keySchema(keys...), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}}
	}
	for name, tt := range map[string]struct {
		edit    func(*sdk.CreateTableInput)
		message string
	}{
		"no throughput": {func(in *sdk.CreateTableInput) { in.BillingMode = types.BillingModeProvisioned }, "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"},
		"throughput as well": {func(in *sdk.CreateTableInput) {
			in.ProvisionedThroughput = &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)}
		}, "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"},
		"short name":    {func(in *sdk.CreateTableInput) { in.TableName = aws.String("ab") }, "TableName must be at least 3 characters long and at most 255 characters long"},
		"odd name":      {func(in *sdk.CreateTableInput) { in.TableName = aws.String("a b c") }, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		"undefined key": {func(in *sdk.CreateTableInput) { in.KeySchema = keySchema("other") }, "Some index key attributes are not defined in AttributeDefinitions. Keys: [other], AttributeDefinitions: [id]"},
		"unused definition": {func(in *sdk.CreateTableInput) {
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("x"), AttributeType: "S"})
		}, "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"},
		"same key twice": {func(in *sdk.CreateTableInput) {
			in.KeySchema = keySchema("id", "id")
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("x"), AttributeType: "S"})
		}, "Both the Hash Key and the Range Key element in the KeySchema have the same name"},
		"range first":  {func(in *sdk.CreateTableInput) { in.KeySchema[0].KeyType = types.KeyTypeRange }, "The first KeySchemaElement is not a HASH key type"},
		"unknown type": {func(in *sdk.CreateTableInput) { in.AttributeDefinitions[0].AttributeType = "X" }, "Member must satisfy enum value set: [B, N, S]"},
		"index named twice": {func(in *sdk.CreateTableInput) {
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{index("abc", "id"), index("abc", "id")}
		}, "Duplicate index name: abc"},
		"local index without sort key": {func(in *sdk.CreateTableInput) {
			in.LocalSecondaryIndexes = []types.LocalSecondaryIndex{{IndexName: aws.String("abc"), KeySchema: keySchema("id"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}}}
		}, "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"},
		"a stream": {func(in *sdk.CreateTableInput) {
			in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage}
		}, "streams are not supported"},
	} {
		in := &sdk.CreateTableInput{
			TableName: aws.String("tbl"), BillingMode: types.BillingModePayPerRequest, KeySchema: keySchema("id"),
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: "S"}},
		}
		tt.edit(in)
		_, err := c.CreateTable(t.Context(), in)
		t.Run(name, func(t *testing.T) { wantRefused(t, err, "ValidationException", tt.message) })
	}
}

// randomNumber has up to 38 digits and any exponent.
func randomNumber(r *rand.Rand) number {
	digits := make([]byte, 1+r.IntN(maxNumberDigits))
	for i := range digits {
		digits[i] = byte('0' + r.IntN(10))
	}
	exponent := r.IntN(maxNumberExponent+1-minNumberExponent) + minNumberExponent
	if r.IntN(2) == 0 {
		exponent = r.IntN(4) - 2 // so that many are near each other
	}
	text := fmt.Sprintf("%s.%se%d", digits[:1], digits[1:], exponent)
	if r.IntN(2) == 0 {
		text = "-" + text
	}
	n, err := parseNumber(text)
	if err != nil {
		return number{} // an underflow by leading zeros
	}
	return n
}

func TestNumberEncodingKeepsTheOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		n, m := randomNumber(r), randomNumber(r)
		key := func(n number) string { return string(appendPart(nil, string(encodeNumber(n)))) }
		if order := strings.Compare(key(n), key(m)); order != n.compare(m) {
			t.Fatalf("%s and %s: keys compare as %d, numbers as %d", n, m, order, n.compare(m))
		}
		if back, err := parseNumber(n.String()); err != nil || back != n {
			t.Fatalf("%s reads as %v (%v)", n, back, err)
		}
	}
}

func TestNumberAddition(t *testing.T) {
	for _, tt := range []struct{ a, b, sum string }{
		{"1", "2", "3"}, {"1", "-1", "0"}, {"0.1", "0.2", "0.3"}, {"-5", "2", "-3"}, {"1e20", "1", "100000000000000000001"}, {"99", "1", "100"},
		{"1e-130", "1e-130", "0." + strings.Repeat("0", 129) + "2"}, {"0", "-7", "-7"}, {"12345678901234567890.5", "-0.5", "12345678901234567890"},
	} {
		a, _ := scanNumber(tt.a)
		b, _ := scanNumber(tt.b)
		if sum, err := a.add(b); err != nil || sum.String() != tt.sum {
			t.Errorf("%s + %s is %s (%v), want %s", tt.a, tt.b, sum, err, tt.sum)
		}
	}
	large, _ := scanNumber("9e125")
	if _, err := large.add(large); err == nil {
		t.Error("an overflow went unnoticed")
	}
}

func TestKeyPartsKeepTheOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	part := func() string {
		b := make([]byte, r.IntN(5))
		for i := range b {
			b[i] = []byte{0, 1, 0x7f, 0xfe, 0xff}[r.IntN(5)]
		}
		return string(b)
	}
	for range 50_000 {
		a, b, c, d := part(), part(), part(), part()
		x, y := appendPart(appendPart(nil, a), b), appendPart(appendPart(nil, c), d)
		if got, want := slices.Compare(x, y), slices.Compare([]string{a, b}, []string{c, d}); got != want {
			t.Fatalf("%q %q and %q %q: keys compare as %d, want %d", a, b, c, d, got, want)
		}
		prefix := appendPartPrefix(nil, a)
		whole := appendPart(nil, b)
		inRange := slices.Compare(whole, prefix) >= 0 && slices.Compare(whole, after(prefix)) < 0
		if inRange != strings.HasPrefix(b, a) {
			t.Fatalf("%q begins with %q is not what the range of keys says", b, a)
		}
	}
}
