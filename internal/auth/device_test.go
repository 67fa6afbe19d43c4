package auth

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/event"
)

const (
	firefox    = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	firefox141 = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
	chrome     = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

// loginFrom logs Ana in from a network with a program.
func (w *world) loginFrom(network, agent string) answer {
	w.t.Helper()
	w.network = network
	a := w.call(http.MethodPost, "/v1/auth/login", encode(w.t, map[string]string{"email": anaEmail, "password": anaPassword}), "", "User-Agent", agent)
	if a.status != http.StatusOK {
		w.t.Fatalf("login: %d %s", a.status, a.raw)
	}
	return a
}

// newLogins gives the new logins that were told of since it was last asked.
func (w *world) newLogins() []event.NewLogin {
	w.t.Helper()
	var all []event.NewLogin
	for _, e := range w.published() {
		if e.Type() != (event.NewLogin{}).EventType() {
			continue
		}
		data, err := event.As[event.NewLogin](e)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

func TestALoginFromElsewhereIsToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.registerAna()
	told := func(device, network string) []event.NewLogin {
		return []event.NewLogin{{UserID: id, Device: device, Network: network, At: w.clock.now()}}
	}
	for _, c := range []struct {
		name, network, agent string
		want                 []event.NewLogin
	}{
		{"the first of all", "203.0.113.7", firefox, nil},
		{"from there again", "203.0.113.7", firefox, nil},
		{"with a newer version", "203.0.113.7", firefox141, nil},
		{"with another browser", "203.0.113.7", chrome, told("Chrome, Linux", "203.0.113.7")},
		{"from another network", "198.51.100.4", firefox, told("Firefox, Linux", "198.51.100.4")},
		{"by IPv6", "2001:db8:1:2::7", firefox, told("Firefox, Linux", "2001:db8:1:2::/64")},
		{"with another address of that network", "2001:db8:1:2::8", firefox, nil},
		{"with what nobody knows", "203.0.113.7", "Verify your account at evil.example", told("", "203.0.113.7")},
		{"from the second one again", "198.51.100.4", firefox, nil},
	} {
		w.loginFrom(c.network, c.agent)
		if diff := cmp.Diff(c.want, w.newLogins()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestADeviceIsKnownAfterALogout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	first := w.loginFrom("203.0.113.7", firefox)
	if a := w.call(http.MethodPost, "/v1/auth/logout", "", first.access()); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	w.clock.advance(100 * 24 * time.Hour)
	w.loginFrom("203.0.113.7", firefox)
	if got := w.newLogins(); len(got) != 0 {
		t.Errorf("told of %+v", got)
	}
}

func TestALoginThatIsRefusedIsNoNewLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.registerAna()
	w.loginFrom("203.0.113.7", firefox)
	w.network = "198.51.100.4"
	if a := w.login(anaEmail, "another horse of staples"); a.status != http.StatusUnauthorized {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	if got := w.newLogins(); len(got) != 0 {
		t.Errorf("told of %+v", got)
	}
	w.loginFrom("198.51.100.4", firefox)
	if got := w.newLogins(); len(got) != 1 {
		t.Errorf("a refused login made the network known: %+v", got)
	}
}
