package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// attributes is an item as the SDK has it.
type attributes = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(n any) types.AttributeValue    { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }

func list(values ...types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberL{Value: values}
}
func document(m attributes) types.AttributeValue { return &types.AttributeValueMemberM{Value: m} }
func stringSet(members ...string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: members}
}

func newClient(t testing.TB, s *Server) *sdk.Client {
	t.Helper()
	endpoint := httptest.NewServer(s)
	t.Cleanup(endpoint.Close)
	return clientFor(endpoint.URL)
}

func clientFor(url string) *sdk.Client {
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(url),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	})
}

// createTable makes an on-demand table; keys are "name:type", the partition key first. More "name:type" attributes are
// those that the indexes need.
func createTable(t testing.TB, c *sdk.Client, name string, keys []string, more []string, edit func(*sdk.CreateTableInput)) {
	t.Helper()
	in := &sdk.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: keySchema(keys...)}
	for _, attribute := range slices.Concat(keys, more) {
		name, kind, _ := strings.Cut(attribute, ":")
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: &name, AttributeType: types.ScalarAttributeType(kind),
		})
	}
	if edit != nil {
		edit(in)
	}
	if _, err := c.CreateTable(context.Background(), in); err != nil {
		t.Fatalf("create table %s: %v", name, err)
	}
}

func keySchema(keys ...string) []types.KeySchemaElement {
	var elements []types.KeySchemaElement
	for i, key := range keys {
		name, _, _ := strings.Cut(key, ":")
		elements = append(elements, types.KeySchemaElement{
			AttributeName: &name, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i],
		})
	}
	return elements
}

func put(t testing.TB, c *sdk.Client, table string, it attributes) {
	t.Helper()
	if _, err := c.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: it}); err != nil {
		t.Fatalf("put: %v", err)
	}
}

func get(t testing.TB, c *sdk.Client, table string, key attributes) attributes {
	t.Helper()
	out, err := c.GetItem(t.Context(), &sdk.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return out.Item
}

// wantItem compares items; the SDK's types have unexported members.
func wantItem(t testing.TB, got, want attributes) {
	t.Helper()
	if diff := cmp.Diff(want, got, ignoreNoSmithy, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("item differs (-want +got):\n%s", diff)
	}
}

var ignoreNoSmithy = cmpopts.IgnoreUnexported(
	types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberBOOL{},
	types.AttributeValueMemberNULL{}, types.AttributeValueMemberL{}, types.AttributeValueMemberM{}, types.AttributeValueMemberSS{},
	types.AttributeValueMemberNS{}, types.AttributeValueMemberBS{})

// wantRefused checks an error's code and a part of its message.
func wantRefused(t testing.TB, err error, code, message string) {
	t.Helper()
	var refused smithy.APIError
	if !errors.As(err, &refused) {
		t.Errorf("error is %v, want %s: %s", err, code, message)
		return
	}
	if refused.ErrorCode() != code || !strings.Contains(refused.ErrorMessage(), message) {
		t.Errorf("error is %s: %s\nwant %s: …%s…", refused.ErrorCode(), refused.ErrorMessage(), code, message)
	}
}

func TestEveryTypeComesBackAsItWent(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "things", []string{"id:S"}, nil, nil)
	it := attributes{
		"id":     str("é \" \\ \u2028 \x01 <>&"),
		"number": num("-12345678901234567890.123456789"),
		"zero":   num("0"),
		"binary": &types.AttributeValueMemberB{Value: []byte{0, 1, 0xff}},
		"yes":    &types.AttributeValueMemberBOOL{Value: true},
		"no":     &types.AttributeValueMemberBOOL{Value: false},
		"null":   &types.AttributeValueMemberNULL{Value: true},
		"empty":  str(""),
		"none":   &types.AttributeValueMemberB{Value: []byte{}},
		"ss":     stringSet("a", "", "b"),
		"ns":     &types.AttributeValueMemberNS{Value: []string{"1", "-2.5"}},
		"bs":     &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2, 0}}},
		"list":   list(str("x"), list(), document(attributes{})),
		"map":    document(attributes{"a.b": num(1), "": str("no name")}),
	}
	put(t, c, "things", it)
	wantItem(t, get(t, c, "things", attributes{"id": it["id"]}), it)
	wantItem(t, get(t, c, "things", attributes{"id": str("other")}), nil)
}

func TestNumbersAreStoredCanonically(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "numbers", []string{"n:N"}, nil, nil)
	for given, want := range map[string]string{
		"1.50": "1.5", "-0": "0", "0.0": "0", "1e3": "1000", "+7": "7", "0012": "12", ".5": "0.5",
		"1E-130": "0." + strings.Repeat("0", 129) + "1", "9.9e125": "99" + strings.Repeat("0", 124),
		"12345678901234567890123456789012345678": "12345678901234567890123456789012345678",
	} {
		put(t, c, "numbers", attributes{"n": num(given)})
		wantItem(t, get(t, c, "numbers", attributes{"n": num(want)}), attributes{"n": num(want)})
	}
	for given, message := range map[string]string{
		"":      "cannot be converted to a numeric value",
		"abc":   "The parameter cannot be converted to a numeric value: abc",
		"1e":    "cannot be converted",
		"1e126": "Number overflow", "-1e126": "Number overflow", "1e99999999999999999999": "Number overflow",
		"1e-131": "Number underflow", "1e-99999999999999999999": "Number underflow",
		"123456789012345678901234567890123456789": "more than 38 significant digits",
	} {
		_, err := c.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("numbers"), Item: attributes{"n": num(given)}})
		wantRefused(t, err, "ValidationException", message)
	}
}

func TestTableLifeCycle(t *testing.T) {
	s := newTestServer(t)
	c := newClient(t, s)
	ctx := t.Context()
	name := aws.String("videos")
	_, err := c.DescribeTable(ctx, &sdk.DescribeTableInput{TableName: name})
	wantRefused(t, err, "ResourceNotFoundException", "Requested resource not found: Table: videos not found")
	_, err = c.PutItem(ctx, &sdk.PutItemInput{TableName: name, Item: attributes{"id": str("1")}})
	wantRefused(t, err, "ResourceNotFoundException", "Requested resource not found")

	createTable(t, c, "videos", []string{"owner:S", "id:S"}, []string{"status:S"}, func(in *sdk.CreateTableInput) {
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-status"), KeySchema: keySchema("status"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"size"}},
		}}
		in.SSESpecification = &types.SSESpecification{Enabled: aws.Bool(true)}
		in.Tags = []types.Tag{{Key: aws.String("project"), Value: aws.String("fotograma")}}
		in.DeletionProtectionEnabled = aws.Bool(true)
	})
	put(t, c, "videos", attributes{"owner": str("a"), "id": str("1"), "status": str("queued")})
	put(t, c, "videos", attributes{"owner": str("a"), "id": str("2")})

	out, err := c.DescribeTable(ctx, &sdk.DescribeTableInput{TableName: name})
	if err != nil {
		t.Fatal(err)
	}
	d := out.Table
	if d.TableStatus != types.TableStatusActive || *d.ItemCount != 2 || *d.GlobalSecondaryIndexes[0].ItemCount != 1 ||
		*d.TableArn != "arn:aws:dynamodb:us-east-1:000000000000:table/videos" || d.BillingModeSummary.BillingMode != types.BillingModePayPerRequest ||
		!d.CreationDateTime.Equal(time.Unix(1_760_000_000, 0)) || d.SSEDescription.Status != types.SSEStatusEnabled {
		t.Errorf("described as %+v", d)
	}
	if err := sdk.NewTableExistsWaiter(c).Wait(ctx, &sdk.DescribeTableInput{TableName: name}, time.Second); err != nil {
		t.Errorf("wait for the table: %v", err)
	}
	_, err = c.CreateTable(ctx, &sdk.CreateTableInput{
		TableName: name, BillingMode: types.BillingModePayPerRequest, KeySchema: keySchema("id"),
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
	})
	wantRefused(t, err, "ResourceInUseException", "Table already exists: videos")

	_, err = c.DeleteTable(ctx, &sdk.DeleteTableInput{TableName: name})
	wantRefused(t, err, "ValidationException", "protected against deletion")
	if _, err := c.UpdateTable(ctx, &sdk.UpdateTableInput{TableName: name, DeletionProtectionEnabled: aws.Bool(false)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteTable(ctx, &sdk.DeleteTableInput{TableName: name}); err != nil {
		t.Fatal(err)
	}
	createTable(t, c, "videos", []string{"owner:S", "id:S"}, nil, nil)
	wantItem(t, get(t, c, "videos", attributes{"owner": str("a"), "id": str("1")}), nil)
}

func TestListTablesInPages(t *testing.T) {
	c := newClient(t, newTestServer(t))
	var want []string
	for i := range 5 {
		name := fmt.Sprintf("table-%d", i)
		createTable(t, c, name, []string{"id:S"}, nil, nil)
		want = append(want, name)
	}
	var got []string
	pages := sdk.NewListTablesPaginator(c, &sdk.ListTablesInput{Limit: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.TableNames) > 2 {
			t.Errorf("page of %d names", len(page.TableNames))
		}
		got = append(got, page.TableNames...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTagsAndBackupsAreRemembered(t *testing.T) {
	c := newClient(t, newTestServer(t))
	ctx := t.Context()
	createTable(t, c, "tagged", []string{"id:S"}, nil, nil)
	arn := aws.String("arn:aws:dynamodb:us-east-1:000000000000:table/tagged")
	for _, value := range []string{"one", "two"} {
		if _, err := c.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("k"), Value: &value}, {Key: aws.String("gone"), Value: &value}}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"gone"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := c.ListTagsOfResource(ctx, &sdk.ListTagsOfResourceInput{ResourceArn: arn})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Value != "two" {
		t.Errorf("tags are %v, %v", tags, err)
	}
	_, err = c.ListTagsOfResource(ctx, &sdk.ListTagsOfResourceInput{ResourceArn: aws.String(*arn + "-other")})
	wantRefused(t, err, "ResourceNotFoundException", "not found")

	before, err := c.DescribeContinuousBackups(ctx, &sdk.DescribeContinuousBackupsInput{TableName: aws.String("tagged")})
	if err != nil || before.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusDisabled {
		t.Errorf("before: %v, %v", before, err)
	}
	_, err = c.UpdateContinuousBackups(ctx, &sdk.UpdateContinuousBackupsInput{
		TableName:                        aws.String("tagged"),
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.DescribeContinuousBackups(ctx, &sdk.DescribeContinuousBackupsInput{TableName: aws.String("tagged")})
	if err != nil || after.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusEnabled {
		t.Errorf("after: %v, %v", after, err)
	}
}

func TestUpdateTableAddsAndRemovesAnIndex(t *testing.T) {
	c := newClient(t, newTestServer(t))
	ctx := t.Context()
	name := aws.String("growing")
	createTable(t, c, "growing", []string{"id:S"}, nil, nil)
	for i := range 1200 { // more than the index is filled with at a time
		it := attributes{"id": str(fmt.Sprint(i)), "group": str(fmt.Sprint(i % 3))}
		if i == 7 {
			it["group"] = num(1) // not of the index's type, so not in the index
		}
		put(t, c, "growing", it)
	}
	_, err := c.UpdateTable(ctx, &sdk.UpdateTableInput{
		TableName:            name,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("group"), AttributeType: types.ScalarAttributeTypeS}},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
			IndexName: aws.String("by-group"), KeySchema: keySchema("group"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	query := &sdk.QueryInput{
		TableName: name, IndexName: aws.String("by-group"), KeyConditionExpression: aws.String("#g = :g"),
		ExpressionAttributeNames: map[string]string{"#g": "group"}, ExpressionAttributeValues: attributes{":g": str("1")},
	}
	if out, err := c.Query(ctx, query); err != nil || out.Count != 399 {
		t.Errorf("the new index has %d items, want 399 (%v)", out.Count, err)
	}
	_, err = c.UpdateTable(ctx, &sdk.UpdateTableInput{TableName: name, GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{
		{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String("by-group")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Query(ctx, query)
	wantRefused(t, err, "ValidationException", "The table does not have the specified index: by-group")
	_, err = c.UpdateTable(ctx, &sdk.UpdateTableInput{TableName: name, GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{
		{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String("by-group")}},
	}})
	wantRefused(t, err, "ResourceNotFoundException", "Requested resource not found")
}

func TestConditionFailureReturnsTheItem(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "guarded", []string{"id:S"}, nil, nil)
	it := attributes{"id": str("1"), "version": num(3)}
	put(t, c, "guarded", it)
	_, err := c.PutItem(t.Context(), &sdk.PutItemInput{
		TableName: aws.String("guarded"), Item: attributes{"id": str("1")},
		ConditionExpression:                 aws.String("attribute_not_exists(id)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		t.Fatalf("error is %v", err)
	}
	wantItem(t, failed.Item, it)
	wantItem(t, get(t, c, "guarded", attributes{"id": str("1")}), it)
}

func TestConcurrentConditionalWritesLinearise(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "counters", []string{"id:S"}, nil, nil)
	put(t, c, "counters", attributes{"id": str("n"), "value": num(0), "sum": num(0)})
	const workers, increments = 16, 25
	var wg sync.WaitGroup
	var winners sync.Map
	for worker := range workers {
		wg.Go(func() {
			// One of all workers may create each name.
			for i := range increments {
				_, err := c.PutItem(t.Context(), &sdk.PutItemInput{
					TableName: aws.String("counters"), Item: attributes{"id": str(fmt.Sprint("name-", i)), "worker": num(worker)},
					ConditionExpression: aws.String("attribute_not_exists(id)"),
				})
				if err == nil {
					if before, taken := winners.LoadOrStore(i, worker); taken {
						t.Errorf("name-%d was created by %v and by %d", i, before, worker)
					}
				}
			}
			// Compare and swap, and an unconditional addition.
			for range increments {
				for !compareAndSwap(t, c) {
				}
				_, err := c.UpdateItem(t.Context(), &sdk.UpdateItemInput{
					TableName: aws.String("counters"), Key: attributes{"id": str("n")},
					UpdateExpression: aws.String("ADD #s :one"), ExpressionAttributeNames: map[string]string{"#s": "sum"},
					ExpressionAttributeValues: attributes{":one": num(1)},
				})
				if err != nil {
					t.Errorf("add: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i := range increments {
		winner, found := winners.Load(i)
		if !found {
			t.Errorf("nobody created name-%d", i)
			continue
		}
		name := str(fmt.Sprint("name-", i))
		wantItem(t, get(t, c, "counters", attributes{"id": name}), attributes{"id": name, "worker": num(winner)})
	}
	wantItem(t, get(t, c, "counters", attributes{"id": str("n")}),
		attributes{"id": str("n"), "value": num(workers * increments), "sum": num(workers * increments)})
}

func compareAndSwap(t *testing.T, c *sdk.Client) bool {
	before := get(t, c, "counters", attributes{"id": str("n")})["value"]
	_, err := c.UpdateItem(t.Context(), &sdk.UpdateItemInput{
		TableName: aws.String("counters"), Key: attributes{"id": str("n")},
		UpdateExpression: aws.String("SET #v = #v + :one"), ConditionExpression: aws.String("#v = :before"),
		ExpressionAttributeNames: map[string]string{"#v": "value"}, ExpressionAttributeValues: attributes{":one": num(1), ":before": before},
	})
	var failed *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &failed) {
		t.Errorf("compare and swap: %v", err)
		return true
	}
	return err == nil
}

func TestSortKeysAreOrderedByTheirType(t *testing.T) {
	c := newClient(t, newTestServer(t))
	for kind, sorted := range map[string][]types.AttributeValue{
		"N": {
			num("-1e125"), num("-123456789012345678901234567891"), num("-123456789012345678901234567890"), num("-100"), num("-99.9"), num("-99"), num("-1.05"), num("-1"),
			num("-0.5"), num("-1e-130"), num("0"), num("1e-130"), num("0.5"), num("1"), num("1.05"), num("1.5"), num("2"), num("9"), num("10"), num("99"),
			num("99.9"), num("100"), num("101"), num("12345678901234567890123456789012345677"), num("12345678901234567890123456789012345678"), num("1e125"),
		},
		"S": {str("A"), str("a"), str("a\x00"), str("a\x00b"), str("a\x01"), str("ab"), str("b"), str("ß"), str("é"), str("\U0001F600")},
		"B": {binary(0), binary(0, 0), binary(0, 1), binary(0, 255), binary(1), binary(127), binary(128), binary(255), binary(255, 0), binary(255, 255)},
	} {
		table := "sorted-" + kind
		createTable(t, c, table, []string{"p:S", "r:" + kind}, nil, nil)
		for i := range sorted { // not in their order
			put(t, c, table, attributes{"p": str("x"), "r": sorted[(i*7)%len(sorted)]})
		}
		for _, forward := range []bool{true, false} {
			out, err := c.Query(t.Context(), &sdk.QueryInput{
				TableName: &table, KeyConditionExpression: aws.String("p = :p"), ExpressionAttributeValues: attributes{":p": str("x")}, ScanIndexForward: &forward,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(sorted)
			if !forward {
				slices.Reverse(want)
			}
			var got []types.AttributeValue
			for _, it := range out.Items {
				got = append(got, canonicalNumber(it["r"]))
			}
			for i := range want {
				want[i] = canonicalNumber(want[i])
			}
			if diff := cmp.Diff(want, got, ignoreNoSmithy); diff != "" {
				t.Errorf("%s, forward %t (-want +got):\n%s", kind, forward, diff)
			}
		}
	}
}

func binary(b ...byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

func canonicalNumber(v types.AttributeValue) types.AttributeValue {
	if n, ok := v.(*types.AttributeValueMemberN); ok {
		parsed, _ := scanNumber(n.Value)
		return num(parsed)
	}
	return v
}

func TestPagesEndAtOneMegabyteBeforeTheFilter(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "large", []string{"p:S", "r:N"}, nil, nil)
	const count = 40
	for i := range count {
		put(t, c, "large", attributes{"p": str("x"), "r": num(i), "data": str(strings.Repeat("x", 100_000)), "even": num(i % 2)})
	}
	in := &sdk.QueryInput{
		TableName: aws.String("large"), KeyConditionExpression: aws.String("p = :p"), FilterExpression: aws.String("even = :zero"),
		ExpressionAttributeValues: attributes{":p": str("x"), ":zero": num(0)}, ProjectionExpression: aws.String("r"), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	pages, scanned, found := 0, 0, 0
	for paginator := sdk.NewQueryPaginator(c, in); paginator.HasMorePages(); pages++ {
		page, err := paginator.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if page.ScannedCount > 11 {
			t.Errorf("page %d looked at %d items of 100 kB", pages, page.ScannedCount)
		}
		if pages == 0 && *page.ConsumedCapacity.CapacityUnits != 134.5 { // 11 × 100,011 bytes, 8 KB each half a unit of 4
			t.Errorf("the page cost %v", *page.ConsumedCapacity.CapacityUnits)
		}
		scanned += int(page.ScannedCount)
		for _, it := range page.Items {
			if want := num(found * 2); !cmp.Equal(it["r"], want, ignoreNoSmithy) {
				t.Errorf("item %d is %v, want %v", found, it["r"], want)
			}
			found++
		}
	}
	if pages != 4 || scanned != count || found != count/2 {
		t.Errorf("%d pages, %d scanned, %d found; want 4, %d, %d", pages, scanned, found, count, count/2)
	}
}

func TestIndexes(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "videos", []string{"owner:S", "id:S"}, []string{"status:S", "at:N", "name:S"}, func(in *sdk.CreateTableInput) {
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-status"), KeySchema: keySchema("status", "at"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"size"}},
		}}
		in.LocalSecondaryIndexes = []types.LocalSecondaryIndex{{
			IndexName: aws.String("by-name"), KeySchema: keySchema("owner", "name"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}}
	})
	for i := range 10 {
		it := attributes{
			"owner": str("a"), "id": str(fmt.Sprint(i)), "at": num(i / 2), "name": str(fmt.Sprint(9 - i)), "size": num(i * 100), "secret": str("x"),
		}
		if i != 5 { // the index is sparse
			it["status"] = str("queued")
		}
		put(t, c, "videos", it)
	}
	byStatus := func(status string) []string {
		t.Helper()
		var ids []string
		paginator := sdk.NewQueryPaginator(c, &sdk.QueryInput{
			TableName: aws.String("videos"), IndexName: aws.String("by-status"), Limit: aws.Int32(2), KeyConditionExpression: aws.String("#s = :s"),
			ExpressionAttributeNames: map[string]string{"#s": "status"}, ExpressionAttributeValues: attributes{":s": str(status)},
		})
		for paginator.HasMorePages() {
			page, err := paginator.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range page.Items {
				if it["secret"] != nil || it["size"] == nil {
					t.Errorf("the projection is %v", it)
				}
				ids = append(ids, it["id"].(*types.AttributeValueMemberS).Value)
			}
			if page.LastEvaluatedKey != nil && len(page.LastEvaluatedKey) != 4 {
				t.Errorf("LastEvaluatedKey is %v", page.LastEvaluatedKey)
			}
		}
		slices.Sort(ids) // items with the same index key come in no particular order
		return ids
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "6", "7", "8", "9"}, byStatus("queued")); diff != "" {
		t.Error(diff)
	}
	updateItem(t, c, "videos", attributes{"owner": str("a"), "id": str("3")}, "SET #s = :v", map[string]string{"#s": "status"}, attributes{":v": str("done")})
	updateItem(t, c, "videos", attributes{"owner": str("a"), "id": str("4")}, "REMOVE #s", map[string]string{"#s": "status"}, nil)
	if _, err := c.DeleteItem(t.Context(), &sdk.DeleteItemInput{TableName: aws.String("videos"), Key: attributes{"owner": str("a"), "id": str("0")}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "2", "6", "7", "8", "9"}, byStatus("queued")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"3"}, byStatus("done")); diff != "" {
		t.Error(diff)
	}

	local := &sdk.QueryInput{
		TableName: aws.String("videos"), IndexName: aws.String("by-name"), ConsistentRead: aws.Bool(true), Limit: aws.Int32(1),
		KeyConditionExpression: aws.String("#o = :o"), ExpressionAttributeNames: map[string]string{"#o": "owner"}, ExpressionAttributeValues: attributes{":o": str("a")},
	}
	out, err := c.Query(t.Context(), local)
	if err != nil {
		t.Fatal(err)
	}
	wantItem(t, out.Items[0], attributes{"owner": str("a"), "id": str("9"), "name": str("0")})
	local.ProjectionExpression = aws.String("secret") // fetched from the table
	if out, err = c.Query(t.Context(), local); err != nil {
		t.Fatal(err)
	}
	wantItem(t, out.Items[0], attributes{"secret": str("x")})

	global := &sdk.QueryInput{
		TableName: aws.String("videos"), IndexName: aws.String("by-status"), KeyConditionExpression: aws.String("#s = :s"),
		ExpressionAttributeNames: map[string]string{"#s": "status"}, ExpressionAttributeValues: attributes{":s": str("queued")},
	}
	global.ConsistentRead = aws.Bool(true)
	_, err = c.Query(t.Context(), global)
	wantRefused(t, err, "ValidationException", "Consistent reads are not supported on global secondary indexes")
	global.ConsistentRead = nil
	global.ProjectionExpression = aws.String("secret, id")
	_, err = c.Query(t.Context(), global)
	wantRefused(t, err, "ValidationException", "Global secondary index by-status does not project [secret]")
	global.ProjectionExpression, global.Select = nil, types.SelectAllAttributes
	_, err = c.Query(t.Context(), global)
	wantRefused(t, err, "ValidationException", "Select type ALL_ATTRIBUTES is not supported for global secondary index by-status")
}

func updateItem(t testing.TB, c *sdk.Client, table string, key attributes, expression string, names map[string]string, values attributes) attributes {
	t.Helper()
	out, err := c.UpdateItem(t.Context(), &sdk.UpdateItemInput{
		TableName: &table, Key: key, UpdateExpression: &expression, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		ReturnValues: types.ReturnValueAllNew,
	})
	if err != nil {
		t.Fatalf("update %q: %v", expression, err)
	}
	return out.Attributes
}

func TestParallelScanReadsEachItemOnce(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "many", []string{"id:N"}, nil, nil)
	const count, segments = 300, 7
	for i := range count {
		put(t, c, "many", attributes{"id": num(i)})
	}
	seen := map[string]int{}
	used := 0
	for segment := range int32(segments) {
		paginator := sdk.NewScanPaginator(c, &sdk.ScanInput{TableName: aws.String("many"), Segment: aws.Int32(segment), TotalSegments: aws.Int32(segments), Limit: aws.Int32(11)})
		before := len(seen)
		for paginator.HasMorePages() {
			page, err := paginator.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range page.Items {
				seen[it["id"].(*types.AttributeValueMemberN).Value]++
			}
		}
		if len(seen) > before {
			used++
		}
	}
	if len(seen) != count || used != segments {
		t.Errorf("%d items in %d segments, want %d in %d", len(seen), used, count, segments)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("item %s came %d times", id, times)
		}
	}
}

func TestTransactWriteIsAllOrNothing(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "accounts", []string{"id:S"}, nil, nil)
	createTable(t, c, "outbox", []string{"id:S"}, nil, nil)
	put(t, c, "accounts", attributes{"id": str("a"), "balance": num(10)})
	put(t, c, "accounts", attributes{"id": str("locked")})
	transfer := func(amount int, token *string) error {
		_, err := c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{ClientRequestToken: token, TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: aws.String("outbox"), Item: attributes{"id": str("event"), "amount": num(amount)}}},
			{Update: &types.Update{
				TableName: aws.String("accounts"), Key: attributes{"id": str("a")},
				UpdateExpression: aws.String("SET balance = balance - :n"), ConditionExpression: aws.String("balance >= :n"),
				ExpressionAttributeValues:           attributes{":n": num(amount)},
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}},
			{ConditionCheck: &types.ConditionCheck{TableName: aws.String("accounts"), Key: attributes{"id": str("closed")}, ConditionExpression: aws.String("attribute_not_exists(id)")}},
			{Delete: &types.Delete{TableName: aws.String("accounts"), Key: attributes{"id": str("locked")}}},
		}})
		return err
	}
	err := transfer(11, nil)
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		t.Fatalf("error is %v", err)
	}
	if want := "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, None, None]"; cancelled.ErrorMessage() != want {
		t.Errorf("message is %q", cancelled.ErrorMessage())
	}
	reason := cancelled.CancellationReasons[1]
	if *reason.Code != "ConditionalCheckFailed" || *reason.Message != "The conditional request failed" {
		t.Errorf("reason is %v", reason)
	}
	wantItem(t, reason.Item, attributes{"id": str("a"), "balance": num(10)})
	wantItem(t, get(t, c, "outbox", attributes{"id": str("event")}), nil)
	wantItem(t, get(t, c, "accounts", attributes{"id": str("locked")}), attributes{"id": str("locked")})

	if err := transfer(4, nil); err != nil {
		t.Fatal(err)
	}
	out, err := c.TransactGetItems(t.Context(), &sdk.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
		{Get: &types.Get{TableName: aws.String("accounts"), Key: attributes{"id": str("a")}}},
		{Get: &types.Get{TableName: aws.String("accounts"), Key: attributes{"id": str("locked")}}},
		{Get: &types.Get{TableName: aws.String("outbox"), Key: attributes{"id": str("event")}, ProjectionExpression: aws.String("amount")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []attributes{{"id": str("a"), "balance": num(6)}, nil, {"amount": num(4)}} {
		wantItem(t, out.Responses[i].Item, want)
	}
}

func TestTransactWriteIsIdempotentByToken(t *testing.T) {
	clock := newClock()
	c := newClient(t, openTestServer(t, t.TempDir()+"/db", clock))
	createTable(t, c, "counters", []string{"id:S"}, nil, nil)
	add := func(n int) error {
		_, err := c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{
			ClientRequestToken: aws.String("token"),
			TransactItems: []types.TransactWriteItem{{Update: &types.Update{
				TableName: aws.String("counters"), Key: attributes{"id": str("a")},
				UpdateExpression: aws.String("ADD n :n"), ExpressionAttributeValues: attributes{":n": num(n)},
			}}},
		})
		return err
	}
	for range 2 {
		if err := add(1); err != nil {
			t.Fatal(err)
		}
	}
	wantItem(t, get(t, c, "counters", attributes{"id": str("a")}), attributes{"id": str("a"), "n": num(1)})
	wantRefused(t, add(2), "IdempotentParameterMismatchException", "different parameters")
	clock.advance(11 * time.Minute)
	if err := add(2); err != nil {
		t.Errorf("after the token has expired: %v", err)
	}
	wantItem(t, get(t, c, "counters", attributes{"id": str("a")}), attributes{"id": str("a"), "n": num(3)})
}

func TestTransactionRefusals(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "tbl", []string{"id:S"}, nil, nil)
	putAction := func(it attributes) types.TransactWriteItem {
		return types.TransactWriteItem{Put: &types.Put{TableName: aws.String("tbl"), Item: it}}
	}
	many := make([]types.TransactWriteItem, 101)
	for i := range many {
		many[i] = putAction(attributes{"id": str(fmt.Sprint(i))})
	}
	large := make([]types.TransactWriteItem, 11)
	for i := range large {
		large[i] = putAction(attributes{"id": str(fmt.Sprint(i)), "data": str(strings.Repeat("x", 400_000))})
	}
	for name, tt := range map[string]struct {
		actions       []types.TransactWriteItem
		code, message string
	}{
		"same item twice": {
			[]types.TransactWriteItem{putAction(attributes{"id": str("a")}), putAction(attributes{"id": str("a"), "x": num(1)})},
			"ValidationException", "Transaction request cannot include multiple operations on one item",
		},
		"missing key":     {[]types.TransactWriteItem{putAction(attributes{"x": str("a")})}, "TransactionCanceledException", "[ValidationError]"},
		"no actions":      {[]types.TransactWriteItem{}, "ValidationException", "Member must have length greater than or equal to 1"},
		"too many":        {many, "ValidationException", "Member must have length less than or equal to 100"},
		"too large":       {large, "ValidationException", "exceeded the maximum allowed size"},
		"two in one":      {[]types.TransactWriteItem{{Put: putAction(attributes{"id": str("a")}).Put, Delete: &types.Delete{TableName: aws.String("tbl"), Key: attributes{"id": str("b")}}}}, "ValidationException", "can only contain one of"},
		"unknown table":   {[]types.TransactWriteItem{{Put: &types.Put{TableName: aws.String("none"), Item: attributes{"id": str("a")}}}}, "ResourceNotFoundException", "Requested resource not found"},
		"wrong operand":   {[]types.TransactWriteItem{{Update: &types.Update{TableName: aws.String("tbl"), Key: attributes{"id": str("n")}, UpdateExpression: aws.String("SET a = b")}}}, "TransactionCanceledException", "[ValidationError]"},
		"faulty syntax":   {[]types.TransactWriteItem{{Update: &types.Update{TableName: aws.String("tbl"), Key: attributes{"id": str("n")}, UpdateExpression: aws.String("SET a")}}}, "ValidationException", "Syntax error"},
		"no check at all": {[]types.TransactWriteItem{{ConditionCheck: &types.ConditionCheck{TableName: aws.String("tbl"), Key: attributes{"id": str("n")}, ConditionExpression: aws.String("")}}}, "ValidationException", "The expression can not be empty;"},
	} {
		_, err := c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: tt.actions})
		t.Run(name, func(t *testing.T) { wantRefused(t, err, tt.code, tt.message) })
	}
	if out, err := c.Scan(t.Context(), &sdk.ScanInput{TableName: aws.String("tbl")}); err != nil || out.Count != 0 {
		t.Errorf("%d items were written (%v)", out.Count, err)
	}
}

func TestBatches(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "first", []string{"id:N"}, nil, nil)
	createTable(t, c, "second", []string{"id:N"}, nil, nil)
	for at := 0; at < 100; at += 25 {
		var writes []types.WriteRequest
		for i := at; i < at+25; i++ {
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: attributes{"id": num(i), "data": str(strings.Repeat("x", 300_000))}}})
		}
		out, err := c.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"first": writes}})
		if err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("batch: %v, %v", out, err)
		}
	}
	put(t, c, "second", attributes{"id": num(1)})
	_, err := c.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{
		"first":  {{DeleteRequest: &types.DeleteRequest{Key: attributes{"id": num(0)}}}},
		"second": {{DeleteRequest: &types.DeleteRequest{Key: attributes{"id": num(1)}}}, {PutRequest: &types.PutRequest{Item: attributes{"id": num(2)}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	// 30 MB in all: the response has room for 16, the caller asks again for the rest.
	wanted := map[string]types.KeysAndAttributes{"second": {Keys: []attributes{{"id": num(1)}, {"id": num(2)}}}}
	first := types.KeysAndAttributes{}
	for i := range 98 {
		first.Keys = append(first.Keys, attributes{"id": num(i)})
	}
	wanted["first"] = first
	found := map[string]int{}
	rounds := 0
	for ; len(wanted) > 0 && rounds < 5; rounds++ {
		out, err := c.BatchGetItem(t.Context(), &sdk.BatchGetItemInput{RequestItems: wanted})
		if err != nil {
			t.Fatal(err)
		}
		for table, items := range out.Responses {
			found[table] += len(items)
		}
		wanted = out.UnprocessedKeys
	}
	if diff := cmp.Diff(map[string]int{"first": 97, "second": 1}, found); diff != "" || rounds != 2 {
		t.Errorf("in %d rounds:\n%s", rounds, diff)
	}
}

func TestRepeatedKeysInABatchAreRefused(t *testing.T) {
	c := newClient(t, newTestServer(t))
	createTable(t, c, "tbl", []string{"id:N"}, nil, nil)
	_, err := c.BatchWriteItem(t.Context(), &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"tbl": {
		{PutRequest: &types.PutRequest{Item: attributes{"id": num("1")}}}, {DeleteRequest: &types.DeleteRequest{Key: attributes{"id": num("1.0")}}},
	}}})
	wantRefused(t, err, "ValidationException", "Provided list of item keys contains duplicates")
	_, err = c.BatchGetItem(t.Context(), &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"tbl": {Keys: []attributes{{"id": num(1)}, {"id": num("1.0")}}}}})
	wantRefused(t, err, "ValidationException", "Provided list of item keys contains duplicates")
}

func TestSweepDeletesWhatHasExpired(t *testing.T) {
	clock := newClock()
	s := openTestServer(t, t.TempDir()+"/db", clock)
	c := newClient(t, s)
	ctx := t.Context()
	createTable(t, c, "sessions", []string{"id:S"}, []string{"owner:S"}, func(in *sdk.CreateTableInput) {
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-owner"), KeySchema: keySchema("owner"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}}
	})
	now := clock.now().Unix()
	for name, expires := range map[string]types.AttributeValue{
		"in an hour":      num(now + 3600),
		"an hour ago":     num(now - 3600),
		"not a number":    str(fmt.Sprint(now - 3600)),
		"six years ago":   num(now - 6*365*24*3600),
		"in a fraction":   num(fmt.Sprintf("%d.5", now-1)),
		"in milliseconds": num((now - 3600) * 1000),
	} {
		put(t, c, "sessions", attributes{"id": str(name), "expires": expires, "owner": str("a")})
	}
	put(t, c, "sessions", attributes{"id": str("never"), "owner": str("a")})
	for i := range 250 {
		put(t, c, "sessions", attributes{"id": str(fmt.Sprint("old ", i)), "expires": num(now - 60), "owner": str("b")})
	}
	sweep := func(want int) {
		t.Helper()
		if n, err := s.Sweep(ctx); err != nil || n != want {
			t.Errorf("swept %d, want %d (%v)", n, want, err)
		}
	}
	sweep(0) // TTL is not enabled
	ttl := func(enabled bool) error {
		_, err := c.UpdateTimeToLive(ctx, &sdk.UpdateTimeToLiveInput{TableName: aws.String("sessions"), TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String("expires"), Enabled: &enabled,
		}})
		return err
	}
	wantRefused(t, ttl(false), "ValidationException", "TimeToLive is already disabled")
	if err := ttl(true); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, ttl(true), "ValidationException", "TimeToLive is already enabled")
	if out, err := c.DescribeTimeToLive(ctx, &sdk.DescribeTimeToLiveInput{TableName: aws.String("sessions")}); err != nil ||
		out.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusEnabled || *out.TimeToLiveDescription.AttributeName != "expires" {
		t.Errorf("described as %v (%v)", out, err)
	}
	sweep(252)
	sweep(0)
	updateItem(t, c, "sessions", attributes{"id": str("never")}, "SET expires = :e", nil, attributes{":e": num(now + 7200)})
	clock.advance(time.Hour)
	sweep(1)
	out, err := c.Query(ctx, &sdk.QueryInput{
		TableName: aws.String("sessions"), IndexName: aws.String("by-owner"), KeyConditionExpression: aws.String("#o = :o"),
		ExpressionAttributeNames: map[string]string{"#o": "owner"}, ExpressionAttributeValues: attributes{":o": str("a")},
	})
	if err != nil || out.Count != 4 {
		t.Errorf("%d items of a are left, want 4 (%v)", out.Count, err)
	}
	if err := ttl(false); err != nil {
		t.Fatal(err)
	}
	clock.advance(24 * time.Hour)
	sweep(0)
}
