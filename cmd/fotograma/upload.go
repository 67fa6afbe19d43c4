package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/fotograma/fotograma/pkg/client"
)

// uploads is what the command upload was told.
type uploads struct {
	app        *app
	extraction client.Extraction
	wait       bool
	download   string // folder
	force      bool
	parallel   int
	rate       string

	client    *client.Client
	board     *board
	downloads *downloads
	pending   *pending
	limit     *rate.Limiter // nil: as fast as it goes
}

func (a *app) uploadCommand() *cobra.Command {
	u := &uploads{app: a}
	cmd := &cobra.Command{
		Use:   "upload FILE|DIR…",
		Short: "Upload videos, and fetch their frames",
		Long: `Upload videos: several at once, large ones in parts, of a folder all that are in it
and below. With --download it waits for the frames and fetches them.

After it was broken off, the same command goes on: what has arrived is not sent again.

--json prints a line for each video, when it is done: {"file", "video": {…},
"bytes_sent", "archive"}, or {"file", "video", "error": {"code", "message"}}; archive
is the ZIP that was fetched, video is absent where none was made.`,
		Example: `  fotograma upload holiday.mp4 --fps 2
  fotograma upload videos/ --scenes --format webp --download frames/`,
		Args: cobra.MinimumNArgs(1),
		RunE: u.run,
	}
	extractionFlags(cmd, &u.extraction)
	flags := cmd.Flags()
	flags.BoolVar(&u.wait, "wait", false, "wait until the frames are there")
	flags.StringVar(&u.download, "download", "", "wait, and download the frames to this folder")
	flags.BoolVarP(&u.force, "force", "f", false, "replace ZIPs that are there")
	flags.IntVar(&u.parallel, "parallel", 3, "how many videos at once")
	flags.StringVar(&u.rate, "limit-rate", "", "how much to send a second at most, such as 5MB")
	files(cmd)
	folder(cmd, "download")
	return a.apiFlags(cmd)
}

func (u *uploads) run(cmd *cobra.Command, args []string) error {
	if _, err := checkExtraction(cmd.Flags(), u.extraction); err != nil {
		return err
	}
	if u.parallel < 1 {
		return usageError("--parallel must be at least 1")
	}
	if u.rate != "" {
		n, err := humanize.ParseBytes(strings.TrimSuffix(u.rate, "/s"))
		if err != nil || n == 0 {
			return usageError("--limit-rate: %q is not a size such as 5MB", u.rate)
		}
		u.limit = rate.NewLimiter(rate.Limit(n), burst)
	}
	videos, err := find(args)
	if err != nil {
		return err
	}
	if u.client, err = u.app.client(); err != nil {
		return err
	}
	if u.pending, err = u.app.pending(); err != nil {
		return err
	}
	u.board = u.app.board(cmd)
	u.downloads = &downloads{client: u.client, board: u.board, force: u.force}
	var group errgroup.Group
	group.SetLimit(u.parallel)
	taken := names{}
	for _, v := range videos {
		zip := ""
		if u.download != "" {
			zip = taken.free(filepath.Join(u.download, filepath.Dir(v.below), zipName(v.path)))
		}
		group.Go(func() error {
			u.one(cmd.Context(), v.path, zip)
			return nil
		})
	}
	_ = group.Wait() // each tells what became of it
	return u.board.wait()
}

// found is a video that was found.
type found struct {
	path  string
	below string // the path below the folder that was given
}

// extensions are those of files that are taken out of a folder.
var extensions = []string{
	".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv",
}

// find finds the videos: files that are given, and those of folders.
func find(paths []string) ([]found, error) {
	var videos []found
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			videos = append(videos, found{path, filepath.Base(path)})
			continue
		}
		before := len(videos)
		err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && name != path && strings.HasPrefix(entry.Name(), ".") {
				return filepath.SkipDir
			}
			if entry.Type().IsRegular() && slices.Contains(extensions, strings.ToLower(filepath.Ext(name))) {
				below, _ := filepath.Rel(path, name)
				videos = append(videos, found{name, below})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(videos) == before {
			return nil, fmt.Errorf("there are no videos in %s (files that end in %s)", path, strings.Join(extensions, " "))
		}
	}
	return videos, nil
}

// uploaded is what scripts are told of a video.
type uploaded struct {
	File    string        `json:"file"`
	Video   *client.Video `json:"video,omitempty"`
	Sent    int64         `json:"bytes_sent"`
	Archive string        `json:"archive,omitempty"`
	Error   *failure      `json:"error,omitempty"`
}

// one takes one video all the way, and tells what became of it.
func (u *uploads) one(ctx context.Context, path, zip string) {
	result := uploaded{File: path}
	err := ctx.Err()
	if err == nil && zip != "" {
		err = mayWrite(zip, u.force)
	}
	if err == nil {
		err = u.send(ctx, path, &result)
	}
	if err == nil && (u.wait || zip != "") {
		err = u.await(ctx, zip, &result)
	}
	if err != nil {
		result.Error = new(u.app.describe(err))
		u.board.failed(path, err, result)
		return
	}
	u.board.done(result, result.line())
}

func (r *uploaded) line() string {
	line := fmt.Sprintf("%s: %s, video %s", r.File, r.Video.Status, r.Video.ID)
	if r.Video.Archive != nil {
		line += ", " + frameCount(r.Video.Archive.Frames)
	}
	if r.Archive != "" {
		line += " → " + r.Archive
	}
	return line
}

// send uploads one file, from where it was broken off if it was.
func (u *uploads) send(ctx context.Context, path string, result *uploaded) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	kept, err := u.pending.begin(path, info, string(u.extraction.JSON()))
	if err != nil {
		return err
	}
	err = u.upload(ctx, file, info, kept.Key, result)
	if kept.again && outOfDate(err) {
		if kept, err = u.pending.renew(kept); err != nil {
			return err
		}
		err = u.upload(ctx, file, info, kept.Key, result)
	}
	if err != nil {
		return err
	}
	return u.pending.end(kept)
}

// outOfDate tells whether an upload cannot go on: its time is over, its video was
// deleted, or its file has changed.
func outOfDate(err error) bool {
	return client.IsCode(err, "upload_closed") || client.IsCode(err, "not_found") || client.IsCode(err, "idempotency_key_reused")
}

// burst is how many bytes are read at once where the rate is limited.
const burst = 64 << 10

func (u *uploads) upload(ctx context.Context, file *os.File, info fs.FileInfo, key string, result *uploaded) error {
	bar := u.board.bytes("↑ "+info.Name(), info.Size())
	defer bar.end()
	var sent atomic.Int64
	video, err := u.client.Upload(ctx, file, client.NewVideo{
		Filename: info.Name(), Size: info.Size(), ContentType: contentType(info.Name()),
		Extraction: u.extraction.JSON(), IdempotencyKey: key,
	}, &client.UploadOptions{
		Stored: bar.had,
		Sent:   func(n int) { sent.Add(int64(n)); bar.grow(n) },
		Body:   func(r io.Reader) io.Reader { return u.slow(ctx, r) },
	})
	result.Video, result.Sent = video, sent.Load()
	return err
}

// slow has a reader read no faster than is wanted.
func (u *uploads) slow(ctx context.Context, r io.Reader) io.Reader {
	if u.limit == nil {
		return r
	}
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p[:min(len(p), burst)])
		if waitErr := u.limit.WaitN(ctx, n); waitErr != nil {
			return n, waitErr
		}
		return n, err // io.EOF as it is
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// await waits for the frames, and fetches them to zip unless that is empty.
func (u *uploads) await(ctx context.Context, zip string, result *uploaded) error {
	bar := u.board.share("⚙ " + filepath.Base(result.File))
	defer bar.end()
	video, err := u.client.Wait(ctx, result.Video.ID, func(v *client.Video) { bar.set(v.Progress) })
	if err != nil {
		return err
	}
	result.Video = video
	if video.Status != client.Completed {
		return endedBadly(video)
	}
	if zip == "" {
		return nil
	}
	bar.end()
	got, err := u.downloads.get(ctx, video, zip)
	if err != nil {
		return err
	}
	result.Archive = got.File
	return nil
}
