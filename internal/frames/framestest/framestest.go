// Package framestest gives tests the program that package frames runs.
package framestest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// Program returns the path of fotograma-frames: FRAMES_PROGRAM's, if that is set
// in the environment, as for the functions. Otherwise it is built if its source
// has changed, which needs make, a C compiler, pkg-config and FFmpeg's libraries.
var Program = sync.OnceValues(func() (string, error) {
	if program := os.Getenv("FRAMES_PROGRAM"); program != "" {
		return filepath.Abs(program)
	}
	return build("fotograma-frames")
})

// Sanitized is Program with the compiler's checks of memory and arithmetic: what
// is wrong ends it with a signal or a code. It cannot be run in little address space.
var Sanitized = sync.OnceValues(func() (string, error) {
	checks := "-fsanitize=address,undefined -fno-sanitize-recover=all"
	return build("fotograma-frames-sanitized", "CFLAGS=-O1 -g "+checks, "LDFLAGS="+checks)
})

// Confined is a program that tries what fotograma-frames may not do, and says what
// came of it; with an argument it computes for ever after that.
var Confined = sync.OnceValues(func() (string, error) {
	return build("fotograma-confined", "CONFINED=yes")
})

func build(name string, settings ...string) (string, error) {
	_, self, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(self), "..", "..", "..")
	program := filepath.Join(root, "bin", name)
	arguments := append([]string{"-s", "-C", filepath.Join(root, "layers", "ffmpeg", "frames"), "OUT=" + program}, settings...)
	if out, err := exec.CommandContext(context.Background(), "make", arguments...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", name, err, out)
	}
	return program, nil
}
