// Command samlocal runs the functions under `sam local`, AWS' own stand-in for
// Lambda and API Gateway, against the AWS services of `fotograma up`: every function
// with an event of events/, and the API from a new account to a login.
//
//	make sam-local
//
// It needs a Docker engine on this Linux machine, the SAM CLI, what `sam build` has
// made (make sam-build), and the images that functions are run in, or stand-ins for
// them (infra/docker/stand-ins).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "samlocal:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cli := flag.String("sam", "sam", "the SAM CLI")
	architecture := flag.String("architecture", "x86_64", "what was built for, arm64 or x86_64")
	all := flag.Bool("all", false, "invoke every function with all of its events, not one")
	flag.Parse()

	dir, err := os.MkdirTemp("", "fotograma-samlocal-")
	if err != nil {
		return fmt.Errorf("make a folder for the stack: %w", err)
	}
	defer os.RemoveAll(dir)
	stack, err := startStack(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { _ = stack.Stop() }() // if it has ended, that is what is wanted

	if err := buildRootImage(ctx); err != nil {
		return err
	}
	template, err := localTemplate(stack.AWS)
	if err != nil {
		return err
	}
	sam := samCLI{path: *cli, template: builtLocal, architecture: *architecture}
	return errors.Join(invokeAll(ctx, sam, template, *all), walk(ctx, sam))
}
