package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fotograma/fotograma/test/measuring"
)

// sample is one run of one pipeline. What is not known of it is 0.
type sample struct {
	outcome
	traffic

	Memory  int64 // bytes; the most that all its processes had at once
	Disk    int64 // bytes; the most that lay in its folder for temporary files
	archive []byte
}

// look is how often a run's memory and disk are looked at.
const look = 20 * time.Millisecond

// measure runs a job in a child. With a stack, what that used meanwhile counts as
// the run's.
func (b *bench) measure(ctx context.Context, j job, running *measuring.Stack) (sample, error) {
	dir, err := os.MkdirTemp(b.work, "run-")
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	if running != nil {
		j.API, j.Store, j.Keep = running.Web, running.AWS, filepath.Join(b.work, "stack.zip")
	}
	arg, err := json.Marshal(j)
	if err != nil {
		return sample{}, err
	}
	var out, log bytes.Buffer
	cmd := exec.CommandContext(ctx, b.self, childCommand, string(arg)) //nolint:gosec // G204: it is this program
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "GOGC=15")           // as template.yaml sets it for the worker
	cmd.Stdout, cmd.Stderr = &out, &log
	b.store.take()
	roots, before := []int{}, time.Duration(0)
	if running != nil {
		roots, before = append(roots, running.PID()), used(running.PID())
	}
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	var s sample
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = s.watch(append(roots, cmd.Process.Pid), dir, ended)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w: %s", j.Pipeline, err, &log)
	}
	if err := json.Unmarshal(out.Bytes(), &s.outcome); err != nil {
		return sample{}, fmt.Errorf("read the outcome of %s: %w", j.Pipeline, err)
	}
	s.traffic, s.archive = b.store.take()
	if running != nil {
		s.CPU += used(running.PID()) - before
		s.archive, err = os.ReadFile(j.Keep)
	}
	return s, err
}

// watch looks at the processes and the folder until the run has ended.
func (s *sample) watch(roots []int, dir string, ended <-chan error) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	seen := descent{}
	for {
		select {
		case err := <-ended:
			s.Disk = max(s.Disk, folderSize(dir))
			return err
		case <-tick.C:
			s.Memory = max(s.Memory, peaks(seen.tree(roots...)))
			s.Disk = max(s.Disk, folderSize(dir))
		}
	}
}

// descent knows the processes of this machine by their parents. A process that it
// has seen it does not look at again, so that looking often costs little.
type descent map[int]int

// tree gives processes and all that they have started, and so on.
func (parents descent) tree(roots ...int) []int {
	entries, _ := os.ReadDir("/proc") // as many as there are; none where there is no such folder
	children := map[int][]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if _, seen := parents[pid]; !seen {
			stat := readStat(pid)
			if stat == nil {
				continue
			}
			parents[pid], _ = strconv.Atoi(stat[1])
		}
		children[parents[pid]] = append(children[parents[pid]], pid)
	}
	all := slices.Clone(roots)
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// peaks adds up the peaks (VmHWM of proc(5)) of processes. A process' own peak
// cannot be missed between two looks, only a process that ends between them; that
// the peaks may not have been at the same moment makes it an upper bound.
func peaks(pids []int) int64 {
	var sum int64
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it has ended
		}
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		if fields := strings.Fields(peak); len(fields) > 0 {
			kilobytes, _ := strconv.ParseInt(fields[0], 10, 64)
			sum += kilobytes << 10
		}
	}
	return sum
}

// used is the CPU time of a process, its descendants, and those of them that have
// ended.
func used(root int) time.Duration {
	const tick = time.Second / 100 // USER_HZ is 100 on all that Go runs on
	var sum time.Duration
	for _, pid := range (descent{}).tree(root) {
		stat := readStat(pid)
		if stat == nil {
			continue
		}
		for _, field := range stat[11:15] { // utime, stime, cutime, cstime
			ticks, _ := strconv.ParseInt(field, 10, 64)
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}

// readStat gives the fields of /proc/<pid>/stat (proc(5)) after the process'
// name, or nil if it has ended.
func readStat(pid int) []string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

// folderSize adds up the files of a folder.
func folderSize(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil // what cannot be looked at was removed meanwhile
	})
	return sum
}
