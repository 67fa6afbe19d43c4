package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fotograma/fotograma/internal/frames"
)

// quality is FFmpeg's step of JPEG quality that stands for 90, the engine's
// default: docs/extraction.md.
const quality = "3"

// every gives the seconds between two wanted frames of a mode with instants.
func every(x frames.Extraction) float64 {
	if x.Mode == frames.ModeInterval {
		return x.Interval
	}
	return 1 / x.FPS
}

// stock gives FFmpeg's arguments for the frames that the engine gives.
//
// fps=1 alone would give the pictures of 0.5 s, 1.5 s and so on at the same cost;
// with round=up it gives those that are on display at 0 s, 1 s and so on.
func stock(input string, x frames.Extraction) []string {
	args := []string{"-nostdin", "-loglevel", "error"}
	if x.End != nil {
		args = append(args, "-t", fmt.Sprint(*x.End))
	}
	if x.Mode == frames.ModeKeyframes {
		args = append(args, "-skip_frame", "nokey", "-i", input)
	} else {
		args = append(args, "-i", input, "-vf", fmt.Sprintf("fps=fps=1/%g:round=up", every(x)))
	}
	return append(args, "-an", "-fps_mode", "passthrough", "-q:v", quality)
}

// naive downloads the video, has FFmpeg write a file per frame, packs the files
// with Go's ZIP writer as it is, and uploads the pack.
func naive(ctx context.Context, r *run) error {
	client := r.s3()
	return r.measure(func() error { return r.naively(ctx, client, videosBucket, archivesBucket) })
}

// naivePNG is the naive system that knows no JPEG.
func naivePNG(ctx context.Context, r *run) error {
	r.Extraction.Format = frames.FormatPNG
	return naive(ctx, r)
}

func (r *run) naively(ctx context.Context, client *s3.Client, from, to string) error {
	dir, err := os.MkdirTemp("", "naive-")
	if err != nil {
		return err
	}
	video, pack := filepath.Join(dir, "video"), filepath.Join(dir, "frames.zip")
	if err := download(ctx, client, from, r.Key, video); err != nil {
		return err
	}
	pattern := filepath.Join(dir, "%06d."+extension(r.Extraction.Format))
	if err := ffmpeg(ctx, append(stock(video, r.Extraction), pattern), nil); err != nil {
		return err
	}
	images, err := filepath.Glob(filepath.Join(dir, "0*."+extension(r.Extraction.Format)))
	if err != nil {
		return err
	}
	if err := deflate(images, pack); err != nil {
		return err
	}
	file, err := os.Open(pack)
	if err != nil {
		return err
	}
	defer file.Close()
	r.note()
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &to, Key: aws.String(archiveKey), Body: file})
	return err
}

func extension(format string) string {
	if format == frames.FormatPNG {
		return "png"
	}
	return "jpg"
}

func download(ctx context.Context, client *s3.Client, bucket, key, path string) error {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, out.Body)
	return errors.Join(err, file.Close())
}

func deflate(images []string, pack string) error {
	file, err := os.Create(pack)
	if err != nil {
		return err
	}
	defer file.Close()
	w := zip.NewWriter(file)
	for _, name := range images {
		entry, err := w.Create("frames/" + filepath.Base(name))
		if err != nil {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := entry.Write(content); err != nil {
			return err
		}
	}
	return w.Close()
}

// streaming is stock FFmpeg at its best: it reads S3 itself, and its images are
// stored in a ZIP that is uploaded while it grows.
func streaming(ctx context.Context, r *run) error {
	objects := r.objects()
	return r.measure(func() error {
		return r.upload(ctx, objects, func(w io.Writer) error {
			return r.pack(w, func(out io.Writer) error {
				return ffmpeg(ctx, append(stock(r.url(), r.Extraction), pipe(r.Extraction.Format)...), out)
			})
		})
	})
}

// pipe are FFmpeg's arguments for images one after the other on its output.
func pipe(format string) []string {
	codec := "mjpeg"
	if format == frames.FormatPNG {
		codec = "png"
	}
	return []string{"-c:v", codec, "-f", "image2pipe", "-"}
}

// null has FFmpeg decode every picture of the video in S3, or every keyframe if
// those are wanted, and does nothing with them.
func null(ctx context.Context, r *run) error {
	if r.Extraction.Mode == frames.ModeKeyframes {
		return nullBut(ctx, r, "nokey")
	}
	return nullBut(ctx, r, "default")
}

// references has FFmpeg decode the pictures that others need, and does nothing
// with them.
func references(ctx context.Context, r *run) error { return nullBut(ctx, r, "noref") }

// nullBut has FFmpeg decode the video but for what skip names.
func nullBut(ctx context.Context, r *run, skip string) error {
	return r.measure(func() error {
		return ffmpeg(ctx, []string{
			"-nostdin", "-loglevel", "error", "-skip_frame", skip, "-i", r.url(), "-an", "-f", "null", "-",
		}, nil)
	})
}

// seeks has FFmpeg look for each frame by itself.
func seeks(ctx context.Context, r *run) error {
	end := r.Seconds
	if r.Extraction.End != nil {
		end = *r.Extraction.End
	}
	step := every(r.Extraction)
	objects := r.objects()
	return r.measure(func() error {
		return r.upload(ctx, objects, func(w io.Writer) error {
			return r.pack(w, func(out io.Writer) error {
				for k := range int(math.Ceil(end / step)) {
					args := slices.Concat([]string{
						"-nostdin", "-loglevel", "error", "-ss", fmt.Sprint(float64(k) * step), "-i", r.url(),
						"-an", "-frames:v", "1", "-q:v", quality,
					}, pipe(r.Extraction.Format))
					if err := ffmpeg(ctx, args, out); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
}

// pack stores the images that produce writes one after the other in a ZIP.
func (r *run) pack(w io.Writer, produce func(io.Writer) error) error {
	source, sink := io.Pipe()
	go func() { sink.CloseWithError(produce(sink)) }()
	defer source.Close()
	pack := zip.NewWriter(w)
	images := bufio.NewScanner(source)
	images.Buffer(make([]byte, 1<<20), 64<<20)
	images.Split(splitAt(ending[r.Extraction.Format]))
	for n := 1; images.Scan(); n++ {
		name := fmt.Sprintf("frames/%06d.%s", n, extension(r.Extraction.Format))
		entry, err := pack.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return err
		}
		if _, err := entry.Write(images.Bytes()); err != nil {
			return err
		}
		if err := pack.Flush(); err != nil {
			return err
		}
	}
	if err := images.Err(); err != nil {
		return err
	}
	return pack.Close()
}

// ending is how an image of a format ends; nothing else in it looks like that.
var ending = map[string][]byte{
	frames.FormatJPEG: {0xff, 0xd9},
	frames.FormatPNG:  []byte("IEND\xaeB`\x82"),
}

// splitAt cuts after each occurrence of an ending.
func splitAt(ending []byte) bufio.SplitFunc {
	return func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.Index(data, ending); i >= 0 {
			return i + len(ending), data[:i+len(ending)], nil
		}
		if atEOF && len(data) > 0 {
			return 0, nil, io.ErrUnexpectedEOF
		}
		return 0, nil, nil
	}
}

// ffmpeg runs stock FFmpeg.
func ffmpeg(ctx context.Context, args []string, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "ffmpeg", args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ffmpeg: %w: %s", err, &log)
	}
	return nil
}
