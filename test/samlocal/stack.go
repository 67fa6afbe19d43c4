package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/fotograma/fotograma/test/measuring"
)

// awsPort is where AWS services are on one machine, by custom.
const awsPort = "4566"

// startStack starts the stack with its AWS services where containers reach them: at
// this machine's address in Docker's own network.
func startStack(ctx context.Context, dir string) (*measuring.Stack, error) {
	gateway, err := gatewayOfContainers(ctx)
	if err != nil {
		return nil, fmt.Errorf("find this machine in Docker's network: %w", err)
	}
	return measuring.StartStack(ctx, measuring.StackOptions{Dir: dir, AWSAddr: net.JoinHostPort(gateway, awsPort)})
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
