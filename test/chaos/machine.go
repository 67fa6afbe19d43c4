package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// errCannot is why a scenario cannot be played on a machine.
var errCannot = errors.New("cannot be done here")

// diskSize is the size of the disk that becomes full, in bytes.
const diskSize = 64 << 20

// smallDisk puts the folder of the AWS services on a disk of its own, which takes the
// right to mount.
func smallDisk(s *system, dir string) error {
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(diskSize))
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("%w: it takes the right to mount a disk", errCannot)
	}
	if err != nil {
		return fmt.Errorf("mount a disk: %w", err)
	}
	s.ends = append(s.ends, func() error { return syscall.Unmount(dir, syscall.MNT_DETACH) })
	return nil
}

// diskFull uploads videos while the disk is full.
func diskFull(ctx context.Context, d *drive) error {
	ballast := filepath.Join(d.system.dir, "aws", "ballast")
	if err := fill(ballast); err != nil {
		return err
	}
	var failed atomic.Int64
	d.system.layer.set(func(call) answer {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&watched{ResponseWriter: w, failed: &failed}, r)
		}
	})
	var removed error
	over := time.AfterFunc(d.length, func() {
		d.system.layer.set(nil)
		removed = os.Remove(ballast)
	})
	defer over.Stop()
	err := d.crowd(ctx)
	d.disturbed = int(failed.Load())
	return errors.Join(err, removed)
}

// fill writes a file until there is no room for more.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer file.Close()
	block := make([]byte, 4096)
	for range 2 * diskSize / len(block) {
		if _, err := file.Write(block); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
	return errors.New("fill the disk: it does not become full")
}

// watched counts answers that tell of a service's own failure.
type watched struct {
	http.ResponseWriter

	failed *atomic.Int64
}

func (w *watched) WriteHeader(status int) {
	if status >= http.StatusInternalServerError {
		w.failed.Add(1)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find what is within.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// skew is by how much clocks are wrong at most: nearly as much as AWS' signatures allow
// (five minutes). None is ahead: Lambda tells a function by the clock when its time is up.
const skew = 4 * time.Minute

// untimely is a rule that counts the calls of processes whose clock is wrong, and leaves
// them alone.
func untimely(c call) answer {
	if caller := c.conn.caller(); caller.function == "" || caller.pid%clocks == 0 {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }
}

// clocks is how many there are: a process has the one of its number, modulo this.
const clocks = 3

var nowBody = regexp.MustCompile(`(?m)^(func Now\(\) Time \{\n\tsec, nsec, mono := runtimeNow\(\)\n)`)

// skewed builds the functions with a standard library whose clock is wrong, differently
// in each process: programs that are linked statically cannot be told another time from
// outside. Nothing of ours is built differently.
func skewed(ctx context.Context, s *system) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("%w: it takes Go, to build the functions with another clock", errCannot)
	}
	original := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return "", fmt.Errorf("read Go's clock: %w", err)
	}
	wrong := nowBody.ReplaceAll(text, []byte("${1}\tsec += wrong\n"))
	if len(wrong) == len(text) {
		return "", errors.New("the clock of this Go is made otherwise: see nowBody")
	}
	wrong = append(wrong, fmt.Sprintf("\nvar wrong = -%d * int64(syscall.Getpid()%%%d)\n", int(skew.Seconds())/(clocks-1), clocks)...)
	wrong = []byte(strings.Replace(string(wrong), "import (", "import (\n\t\"syscall\"", 1))

	work := filepath.Join(s.root, "build", "chaos") // nothing in it may be named as a package of this module
	functions := filepath.Join(work, "functions-of-another-time")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: filepath.Join(work, "time.txt")}})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	err = errors.Join(
		os.MkdirAll(functions, 0o700),
		os.WriteFile(filepath.Join(work, "time.txt"), wrong, 0o600), //nolint:gosec // below this repository's build
		os.WriteFile(filepath.Join(work, "overlay.json"), overlay, 0o600),
	)
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-overlay", filepath.Join(work, "overlay.json"), //nolint:gosec // below this repository's build
		"-trimpath", "-tags=lambda.norpc", "-o", functions+"/", "./functions/...")
	build.Dir, build.Env = s.root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the functions: %w: %s", err, text)
	}
	return functions, nil
}
