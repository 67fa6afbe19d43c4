// Package framestest gives tests the program that package frames runs.
package framestest

import (
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
	_, self, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(self), "..", "..", "..")
	program := filepath.Join(root, "bin", "fotograma-frames")
	out, err := exec.Command("make", "-s", "-C", filepath.Join(root, "layers", "ffmpeg", "frames"), "OUT="+program).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building fotograma-frames: %w: %s", err, out)
	}
	return program, nil
})
