package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
	"github.com/fotograma/fotograma/test/measuring"
)

// film is a video of one picture.
const film = "cmd/fotograma/doctor.mp4"

// stack is a running `fotograma up` that runs one of the images, with somebody who
// is logged in.
type stack struct {
	*measuring.Stack
	api   *client.Client
	video []byte
}

// startStack starts the stack with the image processfunction:<tag>.
func startStack(ctx context.Context, dir, tag string) (*stack, error) {
	template, err := templateWith(dir, tag)
	if err != nil {
		return nil, err
	}
	video, err := os.ReadFile(film)
	if err != nil {
		return nil, fmt.Errorf("read the video: %w", err)
	}
	running, err := measuring.StartStack(ctx, measuring.StackOptions{Dir: dir, Flags: []string{"--template", template, "--process-executor", "docker"}})
	if err != nil {
		return nil, err
	}
	s := &stack{Stack: running, api: client.New(running.Web), video: video}
	if err := s.enter(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// templateWith writes the template with another tag of the image.
func templateWith(dir, tag string) (string, error) {
	text, err := os.ReadFile("template.yaml")
	if err != nil {
		return "", fmt.Errorf("read the template: %w", err)
	}
	path := filepath.Join(dir, "template.yaml")
	return path, os.WriteFile(path, bytes.Replace(text, []byte("DockerTag: process"), []byte("DockerTag: "+tag), 1), 0o600) //nolint:gosec // into a folder of ours
}

// enter logs somebody in.
func (s *stack) enter(ctx context.Context) error {
	email, password := strings.ToLower(rand.Text())+"@example.com", rand.Text()
	if _, err := s.api.Register(ctx, client.NewUser{Email: email, Password: password, Name: "Bench"}); err != nil {
		return err
	}
	return s.api.Login(ctx, email, password)
}

// frame uploads the video, and tells how long after that its archive is there.
func (s *stack) frame(ctx context.Context) (time.Duration, error) {
	v := client.NewVideo{Filename: "one.mp4", Size: int64(len(s.video)), ContentType: "video/mp4", Extraction: json.RawMessage(`{"fps":1}`)}
	video, err := s.api.Upload(ctx, bytes.NewReader(s.video), v, nil)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for {
		now, err := s.api.Video(ctx, video.ID)
		switch {
		case err != nil && !client.IsCode(err, "not_found"): // what one reads follows what one wrote, but not at once
			return 0, err
		case err == nil && now.Status == client.Completed:
			return time.Since(began), nil
		case err == nil && now.Ended():
			return 0, fmt.Errorf("the video ended as %s: %+v", now.Status, now.Error)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
