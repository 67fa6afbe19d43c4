package localtest

import (
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Redis is a redis-server of one test.
type Redis struct {
	t       testing.TB
	addr    string
	process *exec.Cmd
}

// StartRedis starts a redis-server, which the test ends.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Redis{t: t, addr: listener.Addr().String()}
	_ = listener.Close()
	r.Start()
	t.Cleanup(r.Kill)
	return r
}

// URL is its address.
func (r *Redis) URL() string { return "redis://" + r.addr }

// Start starts it, empty, and returns once it answers.
func (r *Redis) Start() {
	r.t.Helper()
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.process = exec.CommandContext(r.t.Context(), "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", r.t.TempDir())
	if err := r.process.Start(); err != nil {
		r.t.Fatalf("%v (infra/install redis-server)", err)
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(r.t.Context(), "tcp", r.addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Kill ends it at once.
func (r *Redis) Kill() {
	if r.process != nil {
		_ = r.process.Process.Kill()
		_ = r.process.Wait()
		r.process = nil
	}
}

// Pause makes it do nothing, with all connections open, until Continue.
func (r *Redis) Pause() { r.signal(syscall.SIGSTOP) }

// Continue lets it go on, with what has come meanwhile.
func (r *Redis) Continue() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.process.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}
