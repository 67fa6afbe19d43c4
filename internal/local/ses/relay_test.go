package ses

import (
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ses/types"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/local/smtptest"
)

// waitRelay waits until the mail's relaying has an outcome.
func (e *endpoint) waitRelay(t *testing.T, id string, until func(relayStatus) bool) relayStatus {
	t.Helper()
	var status relayStatus
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if status = e.message(t, id).Relay; until(status) {
			return status
		}
	}
	t.Fatalf("the relaying came to no outcome: %+v", status)
	return status
}

func settled(s relayStatus) bool { return s.State != relayPending }

func startRelaying(t *testing.T, smtpURL string) *endpoint {
	t.Helper()
	e := startAt(t, filepath.Join(t.TempDir(), "ses.db"), Options{SMTPURL: smtpURL, RelayRetry: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	e.verify(t, sender)
	return e
}

func TestRelay(t *testing.T) {
	server := smtptest.Start(t, "127.0.0.1:0", nil)
	e := startRelaying(t, "smtp://ana:p%40ss@"+server.Address())
	raw := "From: " + sender + "\r\nTo: ana@example.com\r\nBcc: bo@example.com\r\nSubject: hi\r\n\r\n.a line that begins with a dot\r\nümläut\r\n"
	id, err := e.sendRaw(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if status := e.waitRelay(t, id, settled); status != (relayStatus{State: relayDone, Attempts: 1}) {
		t.Errorf("status %+v", status)
	}
	_, source := e.get(t, InboxPath+"mails/"+id+"/source")
	want := []smtptest.Mail{{From: sender, To: []string{"ana@example.com", "bo@example.com"}, Data: source}}
	if diff := cmp.Diff(want, server.Mails()); diff != "" {
		t.Errorf("relayed (-want +got):\n%s", diff)
	}
	if strings.Contains(source, "bo@example.com") {
		t.Error("the blind copy left the machine in the header")
	}
	if want := []string{"|ana|p@ss"}; !slices.Equal(server.Logins(), want) {
		t.Errorf("logins %q, want %q", server.Logins(), want)
	}
}

func TestRelayTriesAgain(t *testing.T) {
	var mu sync.Mutex
	failures := []string{"MAIL 451 busy", "RCPT 450 later", "DATA 452 full", "END 421 going down"}
	server := smtptest.Start(t, "127.0.0.1:0", func(command string) string {
		mu.Lock()
		defer mu.Unlock()
		if len(failures) == 0 {
			return ""
		}
		verb, answer, _ := strings.Cut(failures[0], " ")
		if !strings.HasPrefix(command, verb) {
			return ""
		}
		failures = failures[1:]
		return answer
	})
	e := startRelaying(t, "smtp://"+server.Address())
	id := e.send(t, "ana@example.com", "patience", types.Body{Text: text("t")})
	if status := e.waitRelay(t, id, settled); status != (relayStatus{State: relayDone, Attempts: 5}) {
		t.Errorf("status %+v", status)
	}
	if got := server.Mails(); len(got) != 1 {
		t.Errorf("%d mails relayed, want 1", len(got))
	}
}

func TestRelayGivesUp(t *testing.T) {
	for name, tc := range map[string]struct {
		verb, answer string
		attempts     int
	}{
		"at once when a recipient is refused":        {"RCPT", "550 5.1.1 no such user", 1},
		"at once when the content is refused":        {"END", "554 5.7.1 spam", 1},
		"after six attempts at what may yet go well": {"MAIL", "451 busy", maxRelayAttempts},
		"after six attempts at a refused login":      {"AUTH", "535 wrong password", maxRelayAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			server := smtptest.Start(t, "127.0.0.1:0", func(command string) string {
				if strings.HasPrefix(command, tc.verb) {
					return tc.answer
				}
				return ""
			})
			e := startRelaying(t, "smtp://ana:pass@"+server.Address())
			id := e.send(t, "ana@example.com", "s", types.Body{Text: text("t")})
			status := e.waitRelay(t, id, settled)
			_, reason, _ := strings.Cut(tc.answer, " ")
			if status.State != relayFailed || status.Attempts != tc.attempts || !strings.Contains(status.Error, reason) {
				t.Errorf("status %+v", status)
			}
			if _, page := e.get(t, InboxPath+"mails/"+id); !strings.Contains(page, "not relayed") || !strings.Contains(page, reason) {
				t.Error("the failure does not show on the mail")
			}
			if len(server.Mails()) != 0 {
				t.Error("the mail was relayed all the same")
			}
		})
	}
}

// TestRelayGoesOnAfterARestart sends while nobody listens.
func TestRelayGoesOnAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ses.db")
	server := smtptest.Start(t, "127.0.0.1:0", nil)
	address := server.Address()
	server.Close()
	opts := Options{SMTPURL: "smtp://" + address, RelayRetry: 300 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
	var id string
	t.Run("before", func(t *testing.T) {
		e := startAt(t, path, opts)
		e.verify(t, sender)
		id = e.send(t, "ana@example.com", "s", types.Body{Text: text("t")})
		status := e.waitRelay(t, id, func(s relayStatus) bool { return s.Attempts > 0 })
		if status.State != relayPending || !strings.Contains(status.Error, "connect to "+address) {
			t.Errorf("status %+v", status)
		}
	})
	again := smtptest.Start(t, address, nil)
	t.Run("after", func(t *testing.T) {
		e := startAt(t, path, opts)
		if status := e.waitRelay(t, id, settled); status.State != relayDone || status.Error != "" {
			t.Errorf("status %+v", status)
		}
	})
	if got := again.Mails(); len(got) != 1 {
		t.Errorf("%d mails relayed, want 1", len(got))
	}
}

func TestCloseDoesNotWaitForASilentServer(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	accepted := make(chan struct{})
	go func() {
		conn, err := listener.Accept() // and never a word
		if err != nil {
			return
		}
		close(accepted)
		_, _ = conn.Read(make([]byte, 1))
	}()
	e := startRelaying(t, "smtp://"+listener.Addr().String())
	e.send(t, "ana@example.com", "s", types.Body{Text: text("t")})
	<-accepted
	began := time.Now()
	if err := e.server.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("closing took %s", took)
	}
}

func TestParseSMTPURL(t *testing.T) {
	for text, want := range map[string]*smtpTarget{
		"smtp://mail.example.com":             {host: "mail.example.com", port: 25},
		"smtp://u:p%20w@mail.example.com":     {host: "mail.example.com", port: 587, user: "u", password: "p w"},
		"smtps://u:p@mail.example.com":        {host: "mail.example.com", port: 465, user: "u", password: "p", tls: true},
		"smtp://127.0.0.1:1025":               {host: "127.0.0.1", port: 1025},
		"http://mail.example.com":             nil,
		"smtp://":                             nil,
		"smtp://mail.example.com:0":           nil,
		"mail.example.com:25":                 nil,
		"smtp://u:hunter2@mail.example.com:x": nil,
		"smtp://u:hunter2@:25":                nil,
	} {
		t.Run(text, func(t *testing.T) {
			got, err := parseSMTPURL(text)
			if want == nil {
				if err == nil || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if err != nil || *got != *want {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "ses.db"), Options{SMTPURL: "nonsense"}); err == nil {
		t.Error("opened with nonsense as SMTP URL")
	}
}
