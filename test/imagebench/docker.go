package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// docker runs Docker's command line, and gives what it writes.
func docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, &said)
	}
	return strings.TrimSpace(string(out)), nil
}

func removeContainers(ctx context.Context, image string) error {
	names, err := docker(ctx, "ps", "--all", "--quiet", "--filter", "ancestor="+image)
	if err != nil || names == "" {
		return err
	}
	_, err = docker(ctx, append([]string{"rm", "--force"}, strings.Fields(names)...)...)
	return err
}

// imageSize gives the bytes of an image's layers.
func imageSize(ctx context.Context, image string) (int64, error) {
	text, err := docker(ctx, "image", "inspect", "--format", "{{.Size}}", image)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// compressedSize gives about what a registry keeps of an image and passes on.
func compressedSize(ctx context.Context, image string) (int64, error) {
	cmd := exec.CommandContext(ctx, "docker", "save", image)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var size counter
	compressor := gzip.NewWriter(&size)
	_, err = io.Copy(compressor, out)
	return int64(size), errors.Join(err, compressor.Close(), cmd.Wait())
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
