package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fotograma/fotograma/internal/local/mailbox"
	"github.com/fotograma/fotograma/test/measuring"
)

// A load of seconds goes the whole way, and all that it makes is right.
func TestASmallLoad(t *testing.T) {
	t.Chdir("../..")
	text, err := measure(t.Context(), plan{
		people: 3, busy: 2, look: 2 * time.Second,
		attacks: []attack{{"sustained", 10, 2 * time.Second}, {"burst", 30, time.Second}},
		queued:  6, life: time.Second,
		steady: steady{attack{"steady", 5, 0}, 2, time.Second},
	}, t.TempDir())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{
		"| burst: 30/s for 1s | **all** | 30 |",
		"| no cache |", "| in each process (default) |", "| shared: redis-server |",
		"| frames | 16 |", "| `fotograma` |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if !regexp.MustCompile(`exactly one mail \| (\d+) of \d+ \|`).MatchString(text) {
		t.Errorf("mails:\n%s", text)
	}
	cells := strings.Split(regexp.MustCompile(`(?m)^\| no cache \|.*$`).FindString(text), "|")
	if len(cells) < 11 {
		t.Fatalf("the row is %q", cells)
	}
	// What was under way when they stopped looking was read, and is no answer.
	if reads, err := strconv.ParseFloat(strings.TrimSpace(cells[9]), 64); err != nil || reads < 1 {
		t.Errorf("without a cache a request is not a read: %q", cells)
	}
}

// constant gives a number that web/app/src has under a name or in a piece of code.
func constant(t *testing.T, file, pattern string) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../web/app/src", file))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no %s", file, pattern)
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(string(found[1]), "_", ""), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBrowsersAskAsTheWebAppDoes(t *testing.T) {
	for _, c := range []struct {
		file, pattern string
		want          float64
	}{
		{"poll.ts", `least: ([0-9_]+)`, float64(leastPause.Milliseconds())},
		{"poll.ts", `most: ([0-9_]+)`, float64(mostPause.Milliseconds())},
		{"poll.ts", `: this\.slower\(([0-9.]+)\)`, slower},
		{"poll.ts", `= this\.slower\(([0-9.]+)\); // who asks has shown it`, slowerFailing},
		{"list.ts", `single = ([0-9]+)`, single},
		{"list.ts", `listAge = ([0-9_]+)`, float64(listAge.Milliseconds())},
	} {
		if got := constant(t, c.file, c.pattern); got != c.want {
			t.Errorf("%s: %s is %v there, %v here", c.file, c.pattern, got, c.want)
		}
	}
	if want := "limit=" + strconv.Itoa(int(constant(t, "list.ts", `pageSize = ([0-9]+)`))); !strings.HasSuffix(firstPage, want) {
		t.Errorf("%s, want %s", firstPage, want)
	}
}

// asked is a server that has some videos under way, and the paths that a browser asks.
func asked(t *testing.T, videos map[string]string) (b *browser, paths func() []string) {
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all = append(all, r.URL.Path)
		id, one := strings.CutPrefix(r.URL.Path, "/v1/videos/")
		if one {
			_, _ = w.Write([]byte(`{"id":"` + id + `","status":"` + videos[id] + `"}`))
			return
		}
		var rows []string
		for id, status := range videos {
			rows = append(rows, `{"id":"`+id+`","status":"`+status+`"}`)
		}
		_, _ = w.Write([]byte(`{"videos":[` + strings.Join(rows, ",") + `]}`))
	}))
	t.Cleanup(server.Close)
	b = &browser{person: newPerson(server.URL), web: server.URL, http: caller(), note: func(string, time.Time, int) {}}
	return b, func() []string {
		seen := slices.Sorted(slices.Values(all))
		all = nil
		return seen
	}
}

func TestABrowserAsksForEachVideoUnderWayUntilItHasEnded(t *testing.T) {
	videos := map[string]string{"a": "processing", "b": "completed"}
	b, paths := asked(t, videos)
	for i, want := range [][]string{{"/v1/videos"}, {"/v1/videos/a"}, {"/v1/videos/a"}, nil} {
		if i == 2 {
			videos["a"] = "completed"
		}
		soon, err := b.ask(t.Context())
		if err != nil || soon != (i < 2) {
			t.Errorf("question %d: soon %v, %v", i, soon, err)
		}
		if got := paths(); !slices.Equal(got, want) {
			t.Errorf("question %d was %q, want %q", i, got, want)
		}
	}
	b.listed = b.listed.Add(-listAge)
	if _, err := b.ask(t.Context()); err != nil || len(paths()) != 1 {
		t.Errorf("the list was not asked for again: %v", err)
	}
}

func TestABrowserAsksForTheListWhenManyAreUnderWay(t *testing.T) {
	b, paths := asked(t, map[string]string{"a": "queued", "b": "queued", "c": "queued", "d": "queued", "e": "queued", "f": "queued"})
	for range 2 {
		if _, err := b.ask(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := paths(); !slices.Equal(got, []string{"/v1/videos"}) {
			t.Errorf("asked for %q", got)
		}
	}
}

func TestWhatIsKnownIsAskedForWithItsETag(t *testing.T) {
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("If-None-Match"))
		w.Header().Set("ETag", `"1"`)
	}))
	defer server.Close()
	client := caller()
	for _, token := range []string{"ana", "ana", "bob"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = bearer(token)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if want := []string{"", `"1"`, ""}; !slices.Equal(sent, want) {
		t.Errorf("%q, want %q", sent, want)
	}
}

func TestTheSharesAreAHundred(t *testing.T) {
	drawn := map[string]int{}
	for n := range 100 {
		drawn[draw(n)]++
	}
	sum := 0
	for _, s := range shares {
		sum += s.share
		if drawn[s.kind] != s.share {
			t.Errorf("%s: %d of 100, want %d", s.kind, drawn[s.kind], s.share)
		}
	}
	if sum != 100 {
		t.Errorf("together %d", sum)
	}
}

func TestAMailTellsOfEachFileOnce(t *testing.T) {
	a, b := strings.Repeat("a", 26)+".mp4", strings.Repeat("b", 26)+".mp4"
	told := tellings([]mailbox.Mail{
		{To: []string{"Ana@example.com"}, Text: a + " and " + b + ", " + a},
		{To: []string{"ana@example.com"}, Text: b},
		{To: []string{"bob@example.com"}, Text: "welcome"},
	})
	if told["ana@example.com "+a] != 1 || told["ana@example.com "+b] != 2 || len(told) != 2 {
		t.Errorf("%v", told)
	}
}

func TestTheSlopeIsThatOfTheBestLine(t *testing.T) {
	for _, c := range []struct {
		y    []float64
		want float64
	}{
		{nil, 0},
		{[]float64{7}, 0},
		{[]float64{5, 5, 5}, 0},
		{[]float64{1, 3, 5, 7}, 2},
		{[]float64{0, 3, 0, 3}, 0.6},
	} {
		x := make([]float64, len(c.y))
		for i := range x {
			x[i] = float64(i)
		}
		if got := slope(x, c.y); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v: %v, want %v", c.y, got, c.want)
		}
	}
}

func TestTheDocumentHasAPlaceForTheResults(t *testing.T) {
	if _, err := measuring.Replace("../../docs/load.md", begin, end, ""); err != nil {
		t.Error(err)
	}
}

// Answers come from DynamoDB before the proxy has seen the end of what was asked.
func TestTheCounterPassesEverythingOn(t *testing.T) {
	answer := strings.Repeat("x", 5000)
	dynamo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength) // and not to its end
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(dynamo.Close)
	c := &counter{}
	c.to(dynamo.URL)
	c.serve()
	t.Cleanup(c.server.Close)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8)) // so that they meet
	var group errgroup.Group
	group.SetLimit(32)
	for range 20_000 {
		group.Go(func() error {
			resp, err := http.Post(c.server.URL, "application/x-amz-json-1.0", strings.NewReader(`{"TableName":"t"}`))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err == nil && string(got) != answer {
				err = fmt.Errorf("%d bytes", len(got))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if n := c.writes.Load(); n != 20_000 {
		t.Errorf("it counted %d", n)
	}
}
