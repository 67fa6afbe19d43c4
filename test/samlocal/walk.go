package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
	"github.com/fotograma/fotograma/test/measuring"
)

// walk goes through the API under `sam local start-api`: health, a new account, a
// login, and what only somebody who is logged in may read.
func walk(ctx context.Context, cli samCLI) (err error) {
	address, err := measuring.FreeAddress(ctx)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	cmd := cli.command(serving, "start-api", "--port", port)
	cmd.WaitDelay = time.Minute
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		stop()
		return fmt.Errorf("sam local start-api: %w", err)
	}
	defer func() {
		stop()
		_ = cmd.Wait() // it was ended
		if err != nil {
			fmt.Fprintln(os.Stderr, said.String())
		}
	}()
	if err := answers(ctx, "http://"+address+"/v1/health"); err != nil {
		return err
	}
	fmt.Println("sam local start-api: GET /v1/health ok")
	return visit(ctx, client.New("http://"+address))
}

func visit(ctx context.Context, api *client.Client) error {
	email, password := strings.ToLower(rand.Text())+"@example.com", rand.Text()
	steps := []struct {
		what string
		do   func() error
	}{
		{"POST /v1/auth/register", func() error {
			_, err := api.Register(ctx, client.NewUser{Email: email, Password: password, Name: "Sam"})
			return err
		}},
		{"POST /v1/auth/login", func() error { return api.Login(ctx, email, password) }},
		{"GET /v1/auth/me", func() error {
			me, err := api.Account(ctx)
			if err == nil && me.Email != email {
				err = errors.New("it is somebody else: " + me.Email)
			}
			return err
		}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("sam local start-api: %s: %w", step.what, err)
		}
		fmt.Printf("sam local start-api: %s ok\n", step.what)
	}
	return nil
}
