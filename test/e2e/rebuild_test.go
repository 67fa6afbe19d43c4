package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/pkg/client"
)

// readModel gives all rows of StatusTable that events have made, by their keys and
// without what counts how they came to be.
func (s *stack) readModel(t testing.TB) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for _, item := range s.statusRows(t) {
		delete(item, "revision")
		raw, err := json.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		if key := text(item["pk"]) + " " + text(item["sk"]); !strings.HasPrefix(key, "queries#") {
			rows[key] = string(raw)
			if strings.HasSuffix(key, " erased") { // its end is counted from when it was written
				rows[key] = ""
			}
		}
	}
	return rows
}

func text(v ddbtypes.AttributeValue) string { return v.(*ddbtypes.AttributeValueMemberS).Value }

func (s *stack) statusRows(t testing.TB) []map[string]ddbtypes.AttributeValue {
	t.Helper()
	var rows []map[string]ddbtypes.AttributeValue
	pages := dynamodb.NewScanPaginator(dynamodb.NewFromConfig(s.awsConfig()), &dynamodb.ScanInput{TableName: aws.String("fotograma-status")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page.Items...)
	}
	return rows
}

// dropReadModel deletes every row of StatusTable.
func (s *stack) dropReadModel(t testing.TB) {
	t.Helper()
	db := dynamodb.NewFromConfig(s.awsConfig())
	for _, item := range s.statusRows(t) {
		_, err := db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: aws.String("fotograma-status"), Key: map[string]ddbtypes.AttributeValue{"pk": item["pk"], "sk": item["sk"]},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// rebuild asks for the read model to be made again, as an operator does.
func (s *stack) rebuild(t *testing.T, flags ...string) {
	t.Helper()
	code, _, stderr := s.fotograma(t, append([]string{"rebuild-status", "--aws-addr", s.aws}, flags...)...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
}

func TestTheReadModelIsMadeAgainWhileVideosAreProcessed(t *testing.T) {
	s := ownStack(t)
	ana, leaving := s.person(t, "en"), s.person(t, "en")
	film, err := os.ReadFile(bottles)
	if err != nil {
		t.Fatal(err)
	}
	small := ana.upload("férias.mp4", film, `{"mode":"count","count":2}`)
	broken := ana.upload("broken.mp4", []byte("no film at all"), "")
	retried := ana.upload("retried.mp4", film, `{"mode":"count","count":2}`)
	deleted := ana.upload("deleted.mp4", film, `{"mode":"count","count":2}`)
	theirs := leaving.upload("theirs.mp4", film, `{"mode":"count","count":2}`)
	ana.create("awaited.mp4", film)
	for _, v := range []*client.Video{small, retried, deleted} {
		ana.completed(v.ID)
	}
	ana.wait(broken.ID)
	leaving.completed(theirs.ID)
	if err := ana.Retry(t.Context(), retried.ID, json.RawMessage(`{"mode":"count","count":3}`)); err != nil {
		t.Fatal(err)
	}
	ana.waitFor(retried.ID, func(v *client.Video) bool { return v.Archive != nil && v.Archive.Frames == 3 })
	if err := ana.Delete(t.Context(), deleted.ID); err != nil {
		t.Fatal(err)
	}
	leaving.call("DELETE", "/v1/auth/me", map[string]string{"password": leaving.password})
	until(t, "who leaves has left", func() bool {
		return slices.Contains(keysOf(s.readModel(t)), "user#"+leaving.id+" erased")
	})
	s.settled(t)

	t.Run("to the last attribute", func(t *testing.T) {
		before := s.readModel(t)
		s.dropReadModel(t)
		s.rebuild(t)
		until(t, "the rows are there again", func() bool { return cmp.Equal(before, s.readModel(t)) })
		s.rebuild(t) // once more
		s.rebuild(t, "--from-scratch")
		s.settled(t)
		if diff := cmp.Diff(before, s.readModel(t)); diff != "" {
			t.Errorf("asked for again (-before +after):\n%s", diff)
		}
	})

	t.Run("in the middle of the work", func(t *testing.T) {
		before := s.readModel(t)
		var busy []*client.Video
		for i := range 4 {
			busy = append(busy, ana.upload(fmt.Sprintf("busy-%d.mp4", i), film, `{"mode":"fps","fps":10}`))
		}
		ana.waitFor(busy[0].ID, func(v *client.Video) bool { return v.Status != client.AwaitingUpload })
		s.dropReadModel(t)
		s.rebuild(t, "--from-scratch")
		for _, v := range busy {
			ana.completed(v.ID)
		}
		s.settled(t)
		after := s.readModel(t)
		for key, row := range before {
			if after[key] != row {
				t.Errorf("%s is\n%s\nnot\n%s", key, after[key], row)
			}
		}
		if len(after) != len(before)+len(busy) {
			t.Errorf("%d rows, want %d", len(after), len(before)+len(busy))
		}
		s.rebuild(t)
		s.settled(t)
		if diff := cmp.Diff(after, s.readModel(t)); diff != "" {
			t.Errorf("what came in between was not right (-then +told again):\n%s", diff)
		}
	})

	if found := s.traces(t, theirs.ID, "theirs.mp4"); len(found) > 0 {
		t.Errorf("of somebody who has left there is %q", found)
	}
}

func keysOf(rows map[string]string) []string {
	var keys []string
	for key := range rows {
		keys = append(keys, key)
	}
	return keys
}
