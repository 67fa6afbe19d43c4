// Package measuring is what the programs share that run Fotograma, measure it and write
// down what came of it.
package measuring

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Machine names what was measured, where and when: "2026-11-26: …, 2 CPUs, …".
func Machine(ctx context.Context) string {
	return fmt.Sprintf("%s: %s, %d CPUs, %s of memory, %s, %s, Fotograma %s",
		time.Now().Format(time.DateOnly), procValue("/proc/cpuinfo", "model name"), runtime.NumCPU(), memorySize(),
		Output(ctx, "uname", "-sr"), runtime.Version(), Output(ctx, "git", "describe", "--always", "--dirty"))
}

// Output is what a program prints, without the space around it; "unknown" if it fails.
func Output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func memorySize() string {
	var kilobytes float64
	if _, err := fmt.Sscanf(procValue("/proc/meminfo", "MemTotal"), "%f", &kilobytes); err != nil {
		return "unknown size"
	}
	return fmt.Sprintf("%.0f GB", kilobytes/1e6)
}

// procValue gives what stands after a name in a file of /proc.
func procValue(file, name string) string {
	text, _ := os.ReadFile(filepath.Clean(file)) // there is none on other systems
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
