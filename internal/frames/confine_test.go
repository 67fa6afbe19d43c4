package frames

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/frames/framestest"
)

// confined runs the program that tries what fotograma-frames may not do.
func confined(t *testing.T, args ...string) (map[string]string, error) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("system calls are filtered on Linux only")
	}
	path, err := framestest.Confined()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, args...).Output()
	said := map[string]string{}
	for line := range strings.Lines(string(out)) {
		what, came, _ := strings.Cut(strings.TrimSpace(line), ": ")
		said[what] = came
	}
	return said, err
}

func TestWhoeverTakesTheProgramOverReachesNothing(t *testing.T) {
	said, err := confined(t)
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{"take memory": true, "start a thread": true}
	if len(said) < 20 {
		t.Fatalf("it tried %v", said)
	}
	for what, came := range said {
		if done := came == "done"; done != allowed[what] {
			t.Errorf("%s: %s", what, came)
		}
	}
}

func TestComputingEndsWithItsTime(t *testing.T) {
	_, err := confined(t, "and compute")
	if !endedBy(err, syscall.SIGXCPU) {
		t.Errorf("it ended with %v", err)
	}
}

// What holds while the program reads a video is asked of the kernel.
func TestProgramIsConfinedBeforeItReadsTheVideo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the kernel is asked through /proc")
	}
	limits := DefaultLimits()
	limits.Memory, limits.CPU = 1<<30, 90*time.Second
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var pids []string
	src := hookSource{open(t, footage(bunny)), func(off int64) {
		if off < 2<<20 { // what is read ahead of the program's own start
			return
		}
		if pids = children(t); len(pids) > 0 {
			checkConfined(t, pids)
			cancel()
		}
	}}
	var out bytes.Buffer
	_, err := engine(t, Config{Limits: limits}).Extract(ctx, src, Extraction{FPS: 24}, ExtractOptions{}, &out)
	if !errors.Is(err, context.Canceled) || len(pids) == 0 {
		t.Errorf("the program was not seen: %v", err)
	}
}

// children returns the numbers of the programs that this process runs.
func children(t *testing.T) []string {
	t.Helper()
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, path := range statuses {
		status, err := os.ReadFile(path)
		if err == nil && bytes.Contains(status, fmt.Appendf(nil, "\nPPid:\t%d\n", os.Getpid())) && bytes.HasPrefix(status, []byte("Name:\tfotograma-frame")) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

func checkConfined(t *testing.T, pids []string) {
	t.Helper()
	for _, pid := range pids {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			t.Error(err)
		}
		for _, line := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !bytes.Contains(status, []byte(line+"\n")) {
				t.Errorf("%q is not in\n%s", line, status)
			}
		}
		bounds, err := os.ReadFile("/proc/" + pid + "/limits")
		if err != nil {
			t.Error(err)
		}
		for _, line := range []string{
			`Max cpu time +90 +100 +seconds`, `Max file size +0 +0 +bytes`, `Max data size +1073741824 +1073741824 +bytes`,
			`Max core file size +0 +0 +bytes`, `Max open files +5 +5 +files`,
		} {
			if !regexp.MustCompile(line).Match(bounds) {
				t.Errorf("no %s in\n%s", line, bounds)
			}
		}
		files, err := os.ReadDir("/proc/" + pid + "/fd")
		if err != nil || len(files) != 5 {
			t.Errorf("open are %v, %v", files, err)
		}
	}
}

func TestLimitsOfMachinesRefuse(t *testing.T) {
	limits := func(change func(*Limits)) Config {
		l := DefaultLimits()
		change(&l)
		return Config{Limits: l, Threads: 2}
	}
	for _, c := range []struct {
		name, file string
		config     Config
		x          Extraction
		code       string // "" if it must succeed
	}{
		// 60 s of 1000 pictures a second, of which every one is decoded.
		{"too much computing", "rapid.mkv", limits(func(l *Limits) { l.CPU = time.Second }), Extraction{Mode: ModeScenes}, CodeTooMuchCPU},
		{"just enough computing", "one.mp4", limits(func(l *Limits) { l.CPU = time.Second }), Extraction{}, ""},
		{"too much memory", "8k.mp4", limits(func(l *Limits) { l.Memory = 512 << 20 }), Extraction{}, CodeTooMuchMemory},
		{"just enough memory", "8k.mp4", Config{Threads: 2}, Extraction{}, ""},
		{"too large an archive", "noise.mp4", limits(func(l *Limits) { l.Output = 3_000_000 }), Extraction{FPS: 25, Format: FormatPNG}, CodeOutputTooLarge},
		{"a small archive of the same", "noise.mp4", limits(func(l *Limits) { l.Output = 3_000_000 }), Extraction{FPS: 1, Format: FormatJPEG}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.code != "" {
				refused(t, engine(t, c.config), open(t, made(c.file)), c.x, c.code)
				return
			}
			if _, err := tryExtract(t, engine(t, c.config), open(t, made(c.file)), c.x); err != nil {
				t.Error(err)
			}
		})
	}
}

// Segments are counted together when the archive is put together.
func TestArchiveOfSegmentsIsBoundedAsAWhole(t *testing.T) {
	src := open(t, made("noise.mp4"))
	x := Extraction{FPS: 5, Format: FormatPNG}
	e := engine(t, Config{})
	plan, err := e.Plan(t.Context(), src, x, PlanOptions{Work: 1, MaxSegments: 2})
	if err != nil || len(plan.Segments) != 2 {
		t.Fatalf("%d segments, %v", len(plan.Segments), err)
	}
	var runs []Run
	var size int64
	for i := range plan.Segments {
		var out bytes.Buffer
		run, err := e.ExtractSegment(t.Context(), src, plan, i, nil, ExtractOptions{}, &out)
		if err != nil {
			t.Fatal(err)
		}
		runs, size = append(runs, run), size+run.Size
	}
	limits := DefaultLimits()
	limits.Output = size - 1 // each is smaller
	var end bytes.Buffer
	_, err = engine(t, Config{Limits: limits}).Finish(plan, runs, ExtractOptions{}, &end)
	if !errors.Is(err, &Error{Code: CodeOutputTooLarge}) || end.Len() > 0 {
		t.Errorf("got %v, and %d bytes", err, end.Len())
	}
}

// Wherever memory ends, that is what is said: no frame is left out for it, and the
// video is not called damaged.
func TestWantOfMemoryIsNeverHidden(t *testing.T) {
	for _, mebibytes := range []int64{96, 200, 300, 400, 700, 1000, 2000} {
		limits := DefaultLimits()
		limits.Memory = mebibytes << 20
		u, err := tryExtract(t, engine(t, Config{Limits: limits, Threads: 2}), open(t, made("8k.mp4")), Extraction{EveryNth: 1})
		switch {
		case err != nil && !errors.Is(err, &Error{Code: CodeTooMuchMemory}):
			t.Errorf("%d MiB: %v", mebibytes, err)
		case err == nil && (u.result.Frames != 5 || len(u.manifest.Warnings) > 0):
			t.Errorf("%d MiB: %d frames, %v", mebibytes, u.result.Frames, u.manifest.Warnings)
		}
	}
}
