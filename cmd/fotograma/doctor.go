package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/internal/local"
	"github.com/fotograma/fotograma/pkg/client"
)

// finding is what one examination found.
type finding struct {
	Check   string `json:"check"`
	Status  string `json:"status"` // "ok", "warning" or "failed"
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
}

// Statuses of a finding.
const (
	fine    = "ok"
	warning = "warning"
	broken  = "failed"
)

func (a *app) doctorCommand() *cobra.Command {
	var o local.Options
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong, and say what to do",
		Long: `Find out what is wrong, and say what to do: with extracting on this machine, with
the API and your session, and with running Fotograma here. The exit code is 1 if
something is broken; a warning is about what only some commands need.

--json prints {"checks": [{"check", "status", "message", "advice"}]}; status is ok,
warning or failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := a.examine(cmd.Context(), o)
			err := a.print(cmd, map[string]any{"checks": findings}, func(w io.Writer) { printFindings(w, findings) })
			for _, f := range findings {
				if f.Status == broken {
					return errors.Join(err, exit{errTold, exitFailure})
				}
			}
			return err
		},
	}
	a.apiFlags(cmd)
	stackFlags(cmd, &o)
	return cmd
}

func printFindings(w io.Writer, findings []finding) {
	marks := map[string]string{fine: "✓", warning: "!", broken: "✗"}
	for _, f := range findings {
		fmt.Fprintf(w, "%s %s\t%s\n", marks[f.Status], f.Check, f.Message)
		if f.Advice != "" {
			fmt.Fprintf(w, "\t→ %s\n", f.Advice)
		}
	}
}

func (a *app) examine(ctx context.Context, o local.Options) []finding {
	api := a.examineAPI(ctx)
	return []finding{
		examineEngine(ctx), api, a.examineSession(ctx, api.Status == fine), examineDisk(o.DataDir), examineBuild(o),
		examinePort(ctx, "port of the API", "--addr", o.WebAddr, "/v1/health"), examinePort(ctx, "port of AWS", "--aws-addr", o.AWSAddr, local.InboxPath),
	}
}

// sample is a video of one picture.
//
//go:embed doctor.mp4
var sample []byte

// examineEngine takes a frame out of a video.
func examineEngine(ctx context.Context) finding {
	f := finding{Check: "extraction"}
	engine, err := frames.New(frames.Config{})
	if err != nil {
		f.Status, f.Message = broken, err.Error()
		f.Advice = "Put fotograma-frames beside this program or in PATH; “make frames” builds it."
		return f
	}
	result, err := engine.Extract(ctx, bytes.NewReader(sample), frames.Extraction{}, frames.ExtractOptions{}, io.Discard)
	if e, ok := errors.AsType[*frames.Error](err); ok && e.Code == frames.CodeEngineFailed {
		f.Status, f.Message = broken, "fotograma-frames does not run: "+e.Detail
		f.Advice = "“make frames” builds it anew, and installs FFmpeg's libraries where they are missing."
		return f
	}
	if err != nil || result.Frames != 1 {
		f.Status, f.Message = broken, fmt.Sprintf("fotograma-frames runs, but takes %d frames out of a video of one: %v", result.Frames, err)
		f.Advice = "Build it anew with “make frames”: its libraries may have been updated."
		return f
	}
	f.Status, f.Message = fine, "FFmpeg "+result.Manifest.Engine.FFmpeg+" takes frames out of a video"
	return f
}

func (a *app) examineAPI(ctx context.Context) finding {
	f := finding{Check: "API", Status: fine, Message: a.server + " answers"}
	if err := a.anonymous().Health(ctx); err != nil {
		f.Status, f.Message = broken, fmt.Sprintf("%s does not answer: %v", a.server, cause(err))
		if _, ok := errors.AsType[*client.Problem](err); ok {
			f.Message = a.describe(err).Message
		}
		f.Advice = "Start it with “fotograma up”, or say where it is with --server or FOTOGRAMA_SERVER."
	}
	return f
}

func (a *app) examineSession(ctx context.Context, answers bool) finding {
	f := finding{Check: "session", Status: fine}
	c, err := a.client()
	switch {
	case errors.Is(err, errNotLoggedIn):
		f.Status, f.Message, f.Advice = warning, "you are not logged in at "+a.server, "“fotograma login”, or set FOTOGRAMA_API_KEY."
		return f
	case err != nil:
		f.Status, f.Message, f.Advice = broken, err.Error(), "Remove the file, and log in again."
		return f
	}
	if store, err := a.store(); err == nil {
		if info, err := os.Stat(store.path()); err == nil && info.Mode().Perm()&0o077 != 0 {
			f.Status, f.Message, f.Advice = broken, store.path()+" can be read by others", "chmod 600 "+store.path()
			return f
		}
	}
	if !answers {
		f.Status, f.Message = warning, "cannot be tried: the API does not answer"
		return f
	}
	if _, err := c.Videos(ctx, "", "", 1); err != nil {
		f.Status, f.Message, f.Advice = broken, a.describe(err).Message, "Log in again, or use an API key with the scope videos:read."
		return f
	}
	f.Message = "is good at " + a.server
	return f
}

// leastDisk is how much should be free, in bytes: a video and its frames take some
// gigabytes.
const leastDisk = 2 << 30

func examineDisk(dir string) finding {
	f := finding{Check: "disk", Status: fine}
	path, err := filepath.Abs(dir)
	for err == nil && !exists(path) && path != filepath.Dir(path) {
		path = filepath.Dir(path)
	}
	var stat unix.Statfs_t
	if err == nil {
		err = unix.Statfs(path, &stat)
	}
	if err != nil {
		f.Status, f.Message = broken, fmt.Sprintf("cannot look at %s: %v", dir, err)
		return f
	}
	free := int64(stat.Bavail) * int64(stat.Bsize) //nolint:unconvert // their types differ between systems
	f.Message = fmt.Sprintf("%s free for %s", size(free), dir)
	if free < leastDisk {
		f.Status, f.Advice = warning, "Free some space, or choose another folder with --data-dir."
	}
	return f
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// examineBuild looks for what “fotograma up” needs.
func examineBuild(o local.Options) finding {
	var missing []string
	for _, path := range []string{o.Template, o.Functions} {
		if !exists(path) {
			missing = append(missing, path)
		}
	}
	if len(missing) > 0 {
		return finding{"build", warning, strings.Join(missing, " and ") + " not found, which only “up”, “invoke” and “demo” need", "Run them in Fotograma's source folder after “make build”."}
	}
	return finding{Check: "build", Status: fine, Message: o.Template + " and " + o.Functions + " are there"}
}

// examinePort tells who has a port; a Fotograma answers there at path.
func examinePort(ctx context.Context, name, flag, addr, path string) finding {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err == nil {
		_ = listener.Close()
		return finding{Check: name, Status: fine, Message: addr + " is free"}
	}
	if answers(ctx, "http://"+addr+path) {
		return finding{Check: name, Status: fine, Message: addr + " is a Fotograma's that runs"}
	}
	return finding{name, warning, fmt.Sprintf("%s cannot be had: %v", addr, cause(err)), "Stop what runs there, or choose another with " + flag + "."}
}
