package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// awsPort is where AWS services are on one machine, by custom.
const awsPort = "4566"

// stack is a running `fotograma up`.
type stack struct {
	aws     string // URL of its AWS services
	process *exec.Cmd
}

// startStack starts the stack with its AWS services where containers reach them: at
// this machine's address in Docker's own network.
func startStack(ctx context.Context, dir string) (*stack, error) {
	gateway, err := gatewayOfContainers(ctx)
	if err != nil {
		return nil, fmt.Errorf("find this machine in Docker's network: %w", err)
	}
	web, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "stack.log"))
	if err != nil {
		return nil, fmt.Errorf("keep the stack's log: %w", err)
	}
	defer log.Close()
	address := net.JoinHostPort(gateway, awsPort)
	s := &stack{aws: "http://" + address}
	s.process = exec.CommandContext(context.WithoutCancel(ctx), "bin/fotograma", "up", "--addr", web, "--aws-addr", address, "--data-dir", filepath.Join(dir, "data"))
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the stack (make build?): %w", err)
	}
	if err := answers(ctx, "http://"+web+"/v1/health"); err != nil {
		s.stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start the stack: %w\n%s", err, text)
	}
	return s, nil
}

// gatewayOfContainers gives this machine's address in Docker's own network, which is
// a bridge on Linux.
func gatewayOfContainers(ctx context.Context) (string, error) {
	name, err := output(ctx, "docker", "network", "inspect", "bridge", "--format", `{{index .Options "com.docker.network.bridge.name"}}`)
	if err != nil {
		return "", err
	}
	bridge, err := net.InterfaceByName(name)
	if err != nil {
		return "", fmt.Errorf("find the bridge %s: %w", name, err)
	}
	addresses, err := bridge.Addrs()
	if err != nil {
		return "", fmt.Errorf("find the addresses of %s: %w", name, err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil {
			return network.IP.String(), nil
		}
	}
	return "", fmt.Errorf("%s has no IPv4 address", name)
}

func (s *stack) stop() {
	_ = s.process.Process.Signal(syscall.SIGINT) // if it has ended, that is what is wanted
	_ = s.process.Wait()
}

// answers waits until an address answers well.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", url, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// output runs a program and gives what it writes. The error has what it said.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if status, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s: %w: %s", cmd, status, &said)
	}
	return strings.TrimSpace(string(out)), err
}
