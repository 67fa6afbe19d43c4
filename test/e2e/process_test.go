package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// process is a process of this machine. Its start tells it from another that
// has got its number.
type process struct {
	pid, parent int
	name, start string
}

// readProcess reads /proc/<pid>/stat (proc(5)).
func readProcess(pid int) (process, bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	text := string(raw)
	open, shut := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	fields := strings.Fields(text[shut+1:])
	if state := fields[0]; state == "Z" || state == "X" { // ended, and not fetched by its parent
		return process{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	return process{pid: pid, parent: parent, name: text[open+1 : shut], start: fields[19]}, err == nil
}

func (p process) lives() bool {
	now, ok := readProcess(p.pid)
	return ok && now.start == p.start
}

// children gives the processes that the stack has started, and those that they
// have started.
func (s *stack) children(t testing.TB) []process {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	byParent := map[int][]process{}
	next := []int{s.process.Process.Pid}
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := readProcess(pid); ok {
			byParent[p.parent] = append(byParent[p.parent], p)
			if executor == "docker" && s.contains(p) {
				next = append(next, p.parent)
			}
		}
	}
	var all []process
	for ; len(next) > 0; next = next[1:] {
		for _, p := range byParent[next[0]] {
			all = append(all, p)
			next = append(next, p.pid)
		}
	}
	return all
}

// contains tells whether a process is a worker in a container. Its parent is of the
// engine's and there for that container alone, so they count as the stack's.
func (s *stack) contains(p process) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid))
	return err == nil && p.name == "bootstrap" && strings.Contains(string(environment), "AWS_ENDPOINT_URL=http://"+s.aws+"\x00")
}

// extracting waits until a worker of the process function is in the middle of a
// video: until its decoding program has written more than a megabyte of frames.
// It gives the two.
func (s *stack) extracting(t testing.TB) (worker, decoder process) {
	t.Helper()
	until(t, "a video is decoded", func() bool {
		for _, p := range s.children(t) {
			// Linux keeps 15 characters of a name.
			if p.name == "fotograma-frame" && p.written() > 1<<20 {
				decoder = p
				var ok bool
				worker, ok = readProcess(p.parent)
				return ok && (worker.name == "process" || worker.name == "bootstrap")
			}
		}
		return false
	})
	return worker, decoder
}

// written gives how many bytes a process has written.
func (p process) written() int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.pid))
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(raw)) {
		if text, ok := strings.CutPrefix(line, "wchar: "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			if err == nil {
				return n
			}
		}
	}
	return 0
}

func (p process) kill(t testing.TB) {
	t.Helper()
	if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %s: %v", p.name, err)
	}
}

// allEnd waits until none of the processes is left.
func allEnd(t testing.TB, all []process) {
	t.Helper()
	for _, p := range all {
		until(t, fmt.Sprintf("%s (%d) has ended", p.name, p.pid), func() bool { return !p.lives() })
	}
}
