package dynamodb

import (
	"bufio"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// childPath, when set, makes the test binary a DynamoDB server on that file, for a test to kill.
const childPath = "DYNAMODB_TEST_CHILD_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		serveUntilKilled(path)
	}
	os.Exit(m.Run())
}

func serveUntilKilled(path string) {
	s, err := Open(path, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(httptest.NewServer(s).URL)
	_, _ = bufio.NewReader(os.Stdin).ReadByte() // until the parent kills this process, or ends itself
	os.Exit(0)
}

func TestEverythingIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	clock := newClock()
	first, err := Open(path, Options{Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, first)
	createWithIndex(t, c)
	it := attributes{"id": str("a"), "group": str("g"), "n": num("1.5")}
	put(t, c, "durable", it)
	if _, err := c.UpdateTimeToLive(t.Context(), &sdk.UpdateTimeToLiveInput{TableName: aws.String("durable"), TimeToLiveSpecification: &types.TimeToLiveSpecification{
		AttributeName: aws.String("expires"), Enabled: aws.Bool(true),
	}}); err != nil {
		t.Fatal(err)
	}
	put(t, c, "durable", attributes{"id": str("expired"), "expires": num(clock.now().Unix() - 1)})
	transact := &sdk.TransactWriteItemsInput{ClientRequestToken: aws.String("once"), TransactItems: []types.TransactWriteItem{{Update: &types.Update{
		TableName: aws.String("durable"), Key: attributes{"id": str("counter")}, UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: attributes{":one": num(1)},
	}}}}
	if _, err := c.TransactWriteItems(t.Context(), transact); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	_, err = c.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("durable"), Item: it})
	wantRefused(t, err, "InternalServerError", "Internal server error")

	second := openTestServer(t, path, clock)
	c = newClient(t, second)
	wantItem(t, get(t, c, "durable", attributes{"id": str("a")}), it)
	if got := groupMembers(t, c, "g"); len(got) != 1 || got[0] != "a" {
		t.Errorf("the index has %v", got)
	}
	if n, err := second.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d, want 1 (%v)", n, err)
	}
	if _, err := c.TransactWriteItems(t.Context(), transact); err != nil {
		t.Fatal(err)
	}
	wantItem(t, get(t, c, "durable", attributes{"id": str("counter")}), attributes{"id": str("counter"), "n": num(1)})
}

func createWithIndex(t *testing.T, c *sdk.Client) {
	t.Helper()
	createTable(t, c, "durable", []string{"id:S"}, []string{"group:S"}, func(in *sdk.CreateTableInput) {
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-group"), KeySchema: keySchema("group"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}}
	})
}

func groupMembers(t *testing.T, c *sdk.Client, group string) []string {
	t.Helper()
	var ids []string
	paginator := sdk.NewQueryPaginator(c, &sdk.QueryInput{
		TableName: aws.String("durable"), IndexName: aws.String("by-group"), KeyConditionExpression: aws.String("#g = :g"),
		ExpressionAttributeNames: map[string]string{"#g": "group"}, ExpressionAttributeValues: attributes{":g": str(group)},
	})
	for paginator.HasMorePages() {
		page, err := paginator.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			ids = append(ids, it["id"].(*types.AttributeValueMemberS).Value)
		}
	}
	return ids
}

func TestAcknowledgedWritesSurviveAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childPath+"="+path)
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	c := clientFor(strings.TrimSpace(url))
	createWithIndex(t, c)

	// Eight writers put pairs, of which each is one transaction, until the server dies under them.
	const enough = 400
	var acknowledged sync.Map
	var count atomic.Int64
	var writers sync.WaitGroup
	for writer := range 8 {
		writers.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", writer, i)
				if err := putPair(t, c, id); err != nil {
					return
				}
				acknowledged.Store(id, true)
				if count.Add(1) == enough {
					if err := child.Process.Kill(); err != nil {
						t.Errorf("kill: %v", err)
					}
				}
			}
		})
	}
	writers.Wait()
	if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
	if count.Load() < enough {
		t.Fatalf("only %d pairs were acknowledged before the server failed", count.Load())
	}

	c = newClient(t, openTestServer(t, path, newClock()))
	indexed := map[string]bool{}
	for _, id := range groupMembers(t, c, "g") {
		indexed[id] = true
	}
	acknowledged.Range(func(id, _ any) bool {
		for _, half := range []string{"left-", "right-"} {
			if name := half + id.(string); !indexed[name] || get(t, c, "durable", attributes{"id": str(name)}) == nil {
				t.Errorf("%s was acknowledged and is lost", name)
			}
		}
		return true
	})
	for name := range indexed {
		if left, ok := strings.CutPrefix(name, "left-"); ok && !indexed["right-"+left] {
			t.Errorf("half of the transaction %s is there", left)
		}
	}
	out, err := c.Scan(t.Context(), &sdk.ScanInput{TableName: aws.String("durable"), Select: types.SelectCount})
	if err != nil || int(out.Count) != len(indexed) {
		t.Errorf("%d items but %d in the index (%v)", out.Count, len(indexed), err)
	}
}

func putPair(t *testing.T, c *sdk.Client, id string) error {
	var actions []types.TransactWriteItem
	for _, half := range []string{"left-", "right-"} {
		actions = append(actions, types.TransactWriteItem{Put: &types.Put{
			TableName: aws.String("durable"), Item: attributes{"id": str(half + id), "group": str("g")},
		}})
	}
	_, err := c.TransactWriteItems(t.Context(), &sdk.TransactWriteItemsInput{TransactItems: actions})
	return err
}

func TestAPanicInAWriteIsOnlyThatWritesError(t *testing.T) {
	s := newTestServer(t)
	c := newClient(t, s)
	createTable(t, c, "tbl", []string{"id:S"}, nil, nil)
	if err := s.store.write(func(*transaction) error { panic("on purpose") }); err == nil || !strings.Contains(err.Error(), "on purpose") {
		t.Errorf("error is %v", err)
	}
	put(t, c, "tbl", attributes{"id": str("a")})
	wantItem(t, get(t, c, "tbl", attributes{"id": str("a")}), attributes{"id": str("a")})
}

func TestAFileOfALaterVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.writer.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "layout version 99") {
		t.Errorf("error is %v", err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "no such folder", "db"), Options{})
	if err == nil || !strings.Contains(err.Error(), "no such folder") {
		t.Errorf("error is %v", err)
	}
	notSQLite := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notSQLite, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(notSQLite, Options{}); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

func TestAPathMayHaveAnyCharacters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space ? # % é.db")
	s := openTestServer(t, path, newClock())
	createTable(t, newClient(t, s), "tbl", []string{"id:S"}, nil, nil)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
