package main

import (
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// memory is what the processes of a stack had, over time.
type memory struct {
	steady time.Time // since when the load was steady

	mu    sync.Mutex
	looks []look
}

// look is what they had at one time.
type look struct {
	at    time.Time
	parts map[string]part // by program
}

// part is all processes of one program.
type part struct {
	processes int
	bytes     int // resident; what they share counts for each
}

// watch looks at a process and all its descendants now and then, until stop is called.
func (m *memory) watch(pid int, every time.Duration) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case now := <-tick.C:
				m.mu.Lock()
				m.looks = append(m.looks, look{now, residents(pid)})
				m.mu.Unlock()
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(end)
		<-ended
	})
}

// residents gives the memory of a process and its descendants, by program.
func residents(root int) map[string]part {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil
	}
	parents, stats := map[int]int{}, map[int]procfs.ProcStat{}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil { // else it has ended meanwhile
			parents[stat.PID], stats[stat.PID] = stat.PPID, stat
		}
	}
	parts := map[string]part{}
	for pid, stat := range stats {
		for at := pid; at != 0; at = parents[at] {
			if at == root {
				p := parts[stat.Comm]
				parts[stat.Comm] = part{p.processes + 1, p.bytes + stat.ResidentMemory()}
				break
			}
		}
	}
	return parts
}

// of gives the looks at one program under the steady load, without the first third, in
// which what is new warms up: seconds since the first look, and bytes.
func (m *memory) of(program string) (seconds, bytes []float64) {
	if len(m.looks) == 0 {
		return nil, nil
	}
	last := m.looks[len(m.looks)-1].at
	warm := m.steady.Add(last.Sub(m.steady) / 3)
	for _, l := range m.looks {
		if l.at.After(warm) {
			seconds = append(seconds, l.at.Sub(m.looks[0].at).Seconds())
			bytes = append(bytes, float64(l.parts[program].bytes))
		}
	}
	return seconds, bytes
}

// slope is that of the line that fits best (least squares), in units of y for one of x;
// 0 for less than two points.
func slope(x, y []float64) float64 {
	n, sumX, sumY, sumXX, sumXY := float64(len(x)), 0.0, 0.0, 0.0, 0.0
	for i := range x {
		sumX += x[i]
		sumY += y[i]
		sumXX += x[i] * x[i]
		sumXY += x[i] * y[i]
	}
	if d := n*sumXX - sumX*sumX; d != 0 {
		return (n*sumXY - sumX*sumY) / d
	}
	return 0
}
