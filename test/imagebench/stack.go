package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
)

// film is a video of one picture.
const film = "cmd/fotograma/doctor.mp4"

// stack is a running `fotograma up` that runs one of the images, with somebody who
// is logged in.
type stack struct {
	api     *client.Client
	process *exec.Cmd
	video   []byte
}

// startStack starts the stack with the image processfunction:<tag>.
func startStack(ctx context.Context, dir, tag string) (*stack, error) {
	template, err := templateWith(dir, tag)
	if err != nil {
		return nil, err
	}
	web, aws, err := freeAddresses(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "stack.log"))
	if err != nil {
		return nil, fmt.Errorf("keep the stack's log: %w", err)
	}
	defer log.Close()
	s := &stack{api: client.New("http://" + web)}
	if s.video, err = os.ReadFile(film); err != nil {
		return nil, fmt.Errorf("read the video: %w", err)
	}
	s.process = exec.CommandContext(context.WithoutCancel(ctx), "bin/fotograma", "up", "--template", template, "--process-executor", "docker",
		"--addr", web, "--aws-addr", aws, "--data-dir", filepath.Join(dir, "data"))
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the stack (make build?): %w", err)
	}
	if err := s.enter(ctx); err != nil {
		s.stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start the stack: %w\n%s", err, text)
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

// enter waits for the stack, and logs somebody in.
func (s *stack) enter(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for s.api.Health(waiting) != nil {
		select {
		case <-waiting.Done():
			return errors.New("it does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
	email, password := strings.ToLower(rand.Text())+"@example.com", rand.Text()
	if _, err := s.api.Register(ctx, client.NewUser{Email: email, Password: password, Name: "Bench"}); err != nil {
		return err
	}
	return s.api.Login(ctx, email, password)
}

func (s *stack) stop() {
	_ = s.process.Process.Signal(syscall.SIGINT) // if it has ended, that is what is wanted
	_ = s.process.Wait()
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

func freeAddresses(ctx context.Context) (web, aws string, err error) {
	var addresses []string
	for range 2 {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", fmt.Errorf("look for a port: %w", err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses[0], addresses[1], nil
}
