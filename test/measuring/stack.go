package measuring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
)

// Stack is a running `fotograma up`.
type Stack struct {
	Web, AWS string // URLs
	process  *exec.Cmd
}

// StackOptions say how to run a stack.
type StackOptions struct {
	Root       string   // of the repository; empty for the current folder
	Dir        string   // of its data, and its log: stack.log
	AWSAddr    string   // where its AWS services listen; empty for a free port
	Functions  string   // folder with the functions; empty for build/functions
	Parameters []string // of the template: NAME=VALUE; of several of a name the last counts
	Flags      []string // of `fotograma up`, beside these
	Env        []string // beside this program's own
}

// Unlimited are the parameters without which the limits of people and networks would
// end a measurement: it is one network, and few people do much.
var Unlimited = []string{
	"MaxVideosPerMinute=100000", "MaxVideosPerDay=100000", "MaxVideosAtOnce=100000",
	"MaxMinutesPerDay=1000000", "MaxStoredBytes=10000000000000",
	"RegistrationsPerNetwork=100000", "LoginsPerNetwork=100000",
}

// StartStack starts a stack, and returns once it answers.
func StartStack(ctx context.Context, o StackOptions) (*Stack, error) {
	web, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	aws := o.AWSAddr
	if aws == "" {
		if aws, err = FreeAddress(ctx); err != nil {
			return nil, err
		}
	}
	log, err := os.OpenFile(filepath.Join(o.Dir, "stack.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := append([]string{"up", "--addr", web, "--aws-addr", aws, "--data-dir", filepath.Join(o.Dir, "data")}, o.Flags...)
	if o.Functions != "" {
		args = append(args, "--functions", o.Functions)
	}
	for _, p := range o.Parameters {
		args = append(args, "-p", p)
	}
	s := &Stack{Web: "http://" + web, AWS: "http://" + aws}
	s.process = exec.CommandContext(ctx, "bin/fotograma", args...)
	s.process.Dir, s.process.Env = o.Root, append(os.Environ(), o.Env...)
	s.process.Stdout, s.process.Stderr = log, log
	s.process.Cancel = func() error { return syscall.Kill(-s.process.Process.Pid, syscall.SIGINT) }
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the stack (make build?): %w", err)
	}
	if err := s.answers(ctx); err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, errors.Join(fmt.Errorf("start the stack: %w: %s", err, text), s.Stop())
	}
	return s, nil
}

func (s *Stack) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	api := client.New(s.Web)
	for api.Health(ctx) != nil {
		select {
		case <-ctx.Done():
			return errors.New("it does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// PID is the process of the stack; the functions are its descendants.
func (s *Stack) PID() int { return s.process.Process.Pid }

// Stop ends the stack and what it has started, as Ctrl-C does.
func (s *Stack) Stop() error { return errors.Join(s.process.Cancel(), s.process.Wait()) }
