package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/fotograma/fotograma/internal/frames"
	"github.com/fotograma/fotograma/pkg/client"
)

// extract is what the command extract was told.
type extract struct {
	app        *app
	extraction client.Extraction
	output     string
	force      bool
	threads    int
	memory     string // sizes, for people
	archive    string
	duration   time.Duration
}

func (a *app) extractCommand() *cobra.Command {
	x := &extract{app: a}
	limits := frames.DefaultLimits()
	cmd := &cobra.Command{
		Use:   "extract FILE…",
		Short: "Take frames out of videos on this machine, without a server",
		Long: `Take frames out of videos on this machine, without a server: each video gives a ZIP
with its frames and a manifest.json that has the time and hash of each.

The ZIP goes beside the video, or where --output says: a ZIP of one video, or a
folder. “-” reads a video from standard input, which is kept in a temporary file
meanwhile, since videos are not read from front to back; --output - writes the ZIP
to standard output.

--json prints a line for each video: {"file", "archive", "frames", "size", "sha256",
"media", "warnings"}, or {"file", "error": {"code", "message"}}.`,
		Example: `  fotograma extract holiday.mp4
  fotograma extract holiday.mp4 --interval 10 --width 640 -o frames.zip
  fotograma extract *.mp4 --scenes --format webp -o out/
  curl -s https://example.com/a.mp4 | fotograma extract - --keyframes -o - > frames.zip`,
		Args: cobra.MinimumNArgs(1),
		RunE: x.run,
	}
	extractionFlags(cmd, &x.extraction)
	flags := cmd.Flags()
	flags.StringVarP(&x.output, "output", "o", "", "the ZIP, a folder for ZIPs, or - for standard output")
	flags.BoolVarP(&x.force, "force", "f", false, "replace ZIPs that are there")
	flags.IntVar(&x.threads, "threads", 0, "CPUs to use; all if not given")
	flags.StringVar(&x.memory, "max-memory", humanize.IBytes(uint64(limits.Memory)), "how much memory decoding may take")
	flags.StringVar(&x.archive, "max-archive", humanize.IBytes(uint64(limits.Output)), "how large a ZIP may get")
	flags.DurationVar(&x.duration, "max-duration", limits.Duration, "how long a video may last")
	files(cmd, "output")
	a.jsonFlag(cmd)
	return cmd
}

func (x *extract) run(cmd *cobra.Command, files []string) error {
	extraction, err := checkExtraction(cmd.Flags(), x.extraction)
	if err != nil {
		return err
	}
	jobs, err := x.jobs(cmd, files)
	if err != nil {
		return err
	}
	engine, err := x.engine()
	if err != nil {
		return err
	}
	b := x.app.board(cmd)
	for _, j := range jobs {
		if cmd.Context().Err() != nil {
			break
		}
		e := extracting{engine: engine, extraction: extraction, job: j, force: x.force, board: b, cmd: cmd}
		result, err := e.do(cmd.Context())
		if err != nil {
			b.failed(j.video, err, failedFile{j.video, x.app.describe(err)})
			continue
		}
		if j.zip == "-" {
			continue
		}
		b.done(extracted{j.video, j.zip, result.Frames, result.Size, result.SHA256, result.Media, append([]frames.Warning{}, result.Warnings...)}, result.line(j))
	}
	return errors.Join(b.wait(), cmd.Context().Err())
}

func (x *extract) engine() (*frames.Engine, error) {
	limits := frames.DefaultLimits()
	limits.Duration = x.duration
	for _, l := range []struct {
		flag, text string
		to         *int64
	}{{"max-memory", x.memory, &limits.Memory}, {"max-archive", x.archive, &limits.Output}} {
		n, err := humanize.ParseBytes(l.text)
		if err != nil {
			return nil, usageError("--%s: %q is not a size such as 4GiB", l.flag, l.text)
		}
		*l.to = int64(n)
	}
	if err := limits.Validate(); err != nil {
		return nil, exit{err, exitUsage}
	}
	engine, err := frames.New(frames.Config{Limits: limits, Threads: x.threads})
	if err != nil {
		return nil, fmt.Errorf("%w: install it beside this program or in PATH (make frames builds it)", err)
	}
	return engine, nil
}

// job is one video, and where its frames go.
type job struct{ video, zip string }

// jobs finds out where each video's frames go.
func (x *extract) jobs(cmd *cobra.Command, files []string) ([]job, error) {
	info, err := os.Stat(x.output)
	folder := err == nil && info.IsDir() || strings.HasSuffix(x.output, string(filepath.Separator)) || len(files) > 1 && x.output != ""
	switch {
	case x.output == "-" && len(files) > 1:
		return nil, usageError("standard output takes the frames of one video, not of %d", len(files))
	case x.output == "-" && x.app.json:
		return nil, usageError("--json and --output - both want standard output")
	case x.output == "-" && isTerminal(cmd.OutOrStdout()):
		return nil, usageError("a ZIP is nothing for a terminal: send it to a file or a program")
	}
	var jobs []job
	taken := names{}
	for _, file := range files {
		zip := x.output
		switch {
		case folder:
			zip = filepath.Join(x.output, zipName(file))
		case x.output == "" && file == "-":
			return nil, usageError("say with --output where the frames of standard input go")
		case x.output == "":
			zip = filepath.Join(filepath.Dir(file), zipName(file))
		}
		jobs = append(jobs, job{file, taken.free(zip)})
	}
	return jobs, nil
}

// zipName is how the ZIP of a video is called.
func zipName(video string) string {
	if video == "-" {
		return "stdin.zip"
	}
	name := filepath.Base(video)
	return strings.TrimSuffix(name, filepath.Ext(name)) + ".zip"
}

// names are those that were given away.
type names map[string]bool

// free gives a name like the wanted one that was not given away.
func (n names) free(wanted string) string {
	name := wanted
	for i := 2; n[name]; i++ {
		ext := filepath.Ext(wanted)
		name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(wanted, ext), i, ext)
	}
	n[name] = true
	return name
}

// extracted is what scripts are told of a video.
type extracted struct {
	File     string           `json:"file"`
	Archive  string           `json:"archive"`
	Frames   int              `json:"frames"`
	Size     int64            `json:"size"`
	SHA256   string           `json:"sha256"`
	Media    frames.Media     `json:"media"`
	Warnings []frames.Warning `json:"warnings"`
}

// failedFile is what scripts are told of a file that failed.
type failedFile struct {
	File  string  `json:"file"`
	Error failure `json:"error"`
}

// extracting is one video under way.
type extracting struct {
	engine     *frames.Engine
	extraction frames.Extraction
	job        job
	force      bool
	board      *board
	cmd        *cobra.Command
}

type extraction struct{ frames.Result }

func (e extraction) line(j job) string {
	lines := make([]string, 0, 1+len(e.Warnings))
	lines = append(lines, fmt.Sprintf("%s: %s, %s → %s", j.video, frameCount(e.Frames), size(e.Size), j.zip))
	for _, w := range e.Warnings {
		lines = append(lines, "  "+w.Message)
	}
	return strings.Join(lines, "\n")
}

func (e *extracting) do(ctx context.Context) (extraction, error) {
	file, err := e.open(ctx)
	if err != nil {
		return extraction{}, err
	}
	defer file.Close()
	source, err := frames.FileSource(file)
	if err != nil {
		return extraction{}, err
	}
	name := filepath.Base(e.job.video)
	if e.job.video == "-" {
		name = "stdin"
	}
	bar := e.board.share(name)
	defer bar.end()
	hash := hashing(ctx, source)
	var result frames.Result
	err = e.write(func(w io.Writer) error {
		result, err = e.engine.Extract(ctx, source, e.extraction, frames.ExtractOptions{
			Filename: name, SourceSHA256: hash,
			Progress: func(done float64, _ int) { bar.set(done) },
		}, w)
		return err
	})
	return extraction{result}, err
}

// open opens the video. Standard input is kept in a temporary file that has no
// name any more.
func (e *extracting) open(ctx context.Context) (*os.File, error) {
	if e.job.video != "-" {
		return os.Open(e.job.video)
	}
	file, err := os.CreateTemp("", "fotograma-*")
	if err != nil {
		return nil, fmt.Errorf("keep standard input: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("keep standard input: %w", err), file.Close())
	}
	kept := make(chan error, 1)
	go func() {
		_, err := io.Copy(file, e.cmd.InOrStdin())
		kept <- err
	}()
	select {
	case <-ctx.Done(): // the other end of a pipe may have nothing to say for long
		return nil, ctx.Err()
	case err := <-kept:
		if err != nil {
			return nil, errors.Join(fmt.Errorf("keep standard input: %w", err), file.Close())
		}
		return file, nil
	}
}

// write has the ZIP written, which appears under its name when it is complete.
func (e *extracting) write(do func(io.Writer) error) error {
	if e.job.zip == "-" {
		return do(e.cmd.OutOrStdout())
	}
	return writeFile(e.job.zip, e.force, do)
}

// writeFile has a file written, which appears under its name when it is complete.
func writeFile(name string, force bool, do func(io.Writer) error) error {
	if err := mayWrite(name, force); err != nil {
		return err
	}
	unfinished := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text()[:8])
	file, err := os.OpenFile(unfinished, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // the umask decides
	if err != nil {
		return fmt.Errorf("write %s: %w", name, cause(err))
	}
	err = do(file)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// mayWrite makes the folder of a file, and refuses to replace what is there unless
// that is a file and it is wanted.
func mayWrite(name string, force bool) error {
	switch info, err := os.Stat(name); {
	case err != nil: // it is not there, or what follows fails too
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file that could be replaced", name)
	case !force:
		return fmt.Errorf("%s is there already; --force replaces it", name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // as mkdir does; the umask decides
		return fmt.Errorf("make the folder of %s: %w", name, err)
	}
	return nil
}

// hashing works out the SHA-256 of a video beside other work.
func hashing(ctx context.Context, source frames.Source) func() (string, error) {
	done := make(chan error, 1)
	hash := sha256.New()
	go func() {
		buffer := make([]byte, 1<<20)
		for at := int64(0); at < source.Size(); {
			n, err := source.ReadAt(buffer, at)
			hash.Write(buffer[:n])
			at += int64(n)
			if err = errors.Join(ctx.Err(), err); err != nil && !errors.Is(err, io.EOF) || n == 0 {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return func() (string, error) {
		err := <-done
		return hex.EncodeToString(hash.Sum(nil)), err
	}
}
