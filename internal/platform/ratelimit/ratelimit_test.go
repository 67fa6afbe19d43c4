package ratelimit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fotograma/fotograma/internal/local/localtest"
	"github.com/fotograma/fotograma/internal/platform/ratelimit"
)

var (
	noon  = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	limit = ratelimit.Limit{Allowed: 3, Window: time.Hour}
)

func newCounter(t *testing.T) *ratelimit.Counter {
	t.Helper()
	cloud := localtest.Start(t)
	return &ratelimit.Counter{DB: dynamodb.NewFromConfig(cloud.Config), Table: cloud.Env(t, "AuthFunction")["AUTH_TABLE"]}
}

// count counts one attempt and checks how long it has to wait.
func count(t *testing.T, c *ratelimit.Counter, what, subject string, at time.Time, want time.Duration) {
	t.Helper()
	wait, err := c.Count(t.Context(), what, subject, limit, at)
	if err != nil {
		t.Fatal(err)
	}
	if wait != want {
		t.Errorf("%s of %s at %s waits %s, want %s", what, subject, at.Format(time.TimeOnly), wait, want)
	}
}

func TestAWindowTakesWhatIsAllowed(t *testing.T) {
	c := newCounter(t)
	for i := range 3 {
		count(t, c, "login", "ana", noon.Add(time.Duration(i)*time.Minute), 0)
	}
	count(t, c, "login", "ana", noon.Add(10*time.Minute), 50*time.Minute)
	count(t, c, "login", "bia", noon.Add(10*time.Minute), 0)
	count(t, c, "reset", "ana", noon.Add(10*time.Minute), 0)

	count(t, c, "login", "ana", noon.Add(time.Hour-time.Second), time.Second)
	for range 3 {
		count(t, c, "login", "ana", noon.Add(time.Hour), 0) // another window
	}
	count(t, c, "login", "ana", noon.Add(time.Hour), time.Hour)
}

func TestWhatIsForgottenBeginsAnew(t *testing.T) {
	c := newCounter(t)
	for range 3 {
		count(t, c, "login", "ana", noon, 0)
	}
	if err := c.Forget(t.Context(), "login", "ana"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		count(t, c, "login", "ana", noon, 0)
	}
	count(t, c, "login", "ana", noon, time.Hour)
}

func TestAtOneMomentNoMoreThanAllowedAreMade(t *testing.T) {
	c := newCounter(t)
	var made atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			wait, err := c.Count(t.Context(), "login", "ana", limit, noon)
			if err != nil {
				t.Error(err)
			}
			if wait == 0 {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if got := made.Load(); got != 3 {
		t.Errorf("%d attempts were made, want 3", got)
	}
}

func TestANetworkIsWhatOnePersonMayHave(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.7":               "203.0.113.7",
		"::ffff:203.0.113.7":        "203.0.113.7",
		"2001:db8:1:2:aaaa::1":      "2001:db8:1:2::/64",
		"2001:DB8:1:2:0:0:0:2":      "2001:db8:1:2::/64",
		"fe80::1%eth0":              "fe80::/64",
		"no address, as nobody has": "no address, as nobody has",
	} {
		if got := ratelimit.Network(address); got != want {
			t.Errorf("%s is in network %s, want %s", address, got, want)
		}
	}
}
