// Command function is the Lambda function of package lambda's tests. It does what
// its event tells it to.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string `json:"do"`
	Value string `json:"value"`
	Ms    int    `json:"ms"`
}

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Fprintln(os.Stderr, "read the environment: NAME is missing")
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	case "second":
		// fails when it is done for the first time
		if _, err := os.Stat(os.Getenv("MARK")); err != nil {
			_ = os.WriteFile(os.Getenv("MARK"), nil, 0o600)
			os.Exit(1)
		}
	}
	var options []lambda.Option
	if file := os.Getenv("ON_SIGTERM"); file != "" {
		options = append(options, lambda.WithEnableSIGTERM(func() { _ = os.WriteFile(file, []byte("ended"), 0o600) }))
	}
	lambda.StartWithOptions(handle, options...)
}

func handle(ctx context.Context, e event) (any, error) {
	do, ok := actions[e.Do]
	if !ok {
		return nil, errors.New("unknown action " + e.Do)
	}
	return do(ctx, e)
}

var actions = map[string]func(context.Context, event) (any, error){
	"echo":  func(_ context.Context, e event) (any, error) { return e.Value, nil },
	"pid":   func(context.Context, event) (any, error) { return os.Getpid(), nil },
	"env":   func(context.Context, event) (any, error) { return os.Environ(), nil },
	"error": func(_ context.Context, e event) (any, error) { return nil, errors.New(e.Value) },
	"panic": func(_ context.Context, e event) (any, error) { panic(e.Value) },
	"sleep": func(_ context.Context, e event) (any, error) {
		time.Sleep(time.Duration(e.Ms) * time.Millisecond)
		return os.Getpid(), nil
	},
	"exit": func(_ context.Context, e event) (any, error) {
		os.Exit(e.Ms)
		return nil, nil
	},
	"context": func(ctx context.Context, _ event) (any, error) {
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		wd, err := os.Getwd()
		return map[string]any{
			"request_id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "left_ms": time.Until(deadline).Milliseconds(),
			"trace": os.Getenv("_X_AMZN_TRACE_ID"), "dir": wd, "custom": lc.ClientContext.Custom,
		}, err
	},
	"tmp": func(_ context.Context, e event) (any, error) {
		err := os.WriteFile(os.TempDir()+"/"+e.Value, nil, 0o600)
		return os.TempDir(), err
	},
	"read": func(_ context.Context, e event) (any, error) {
		text, err := os.ReadFile(e.Value)
		return string(text), err
	},
	"write": func(_ context.Context, e event) (any, error) { return nil, os.WriteFile(e.Value, nil, 0o600) },
	"big":   func(_ context.Context, e event) (any, error) { return strings.Repeat("x", e.Ms), nil },
	"log": func(_ context.Context, e event) (any, error) {
		log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
		log.Warn(e.Value, "n", 7, slog.Group("media", "codec", "h264"))
		fmt.Fprintln(os.Stderr, "plain", e.Value)
		fmt.Println(`{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"T","Dimensions":[[]],"Metrics":[{"Name":"N"}]}]},"N":1}`)
		return nil, nil
	},
	"broken stream": func(context.Context, event) (any, error) {
		return io.MultiReader(strings.NewReader(`"half`), failing{}), nil
	},
	// spawn starts a program that would outlive everybody, and gives its process
	// ID to the file.
	"spawn": func(_ context.Context, e event) (any, error) {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		if err := os.WriteFile(e.Value, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(e.Ms) * time.Millisecond)
		return json.Number(strconv.Itoa(os.Getpid())), nil
	},
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }
