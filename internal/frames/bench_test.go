package frames

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// hdVideo makes 20 s of 1080p H.264 with x264's defaults and returns its path.
func hdVideo(b *testing.B) string {
	b.Helper()
	path := filepath.Join(media, "hd.mp4")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	made := path + ".part.mp4"
	out, err := exec.Command("ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "mandelbrot=size=1920x1080:rate=30", "-t", "20",
		"-vf", "noise=alls=4:allf=t", "-c:v", "libx264", "-pix_fmt", "yuv420p", made).CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	if err := os.Rename(made, path); err != nil {
		b.Fatal(err)
	}
	return path
}

// store is a Source that answers as S3 does: 30 ms a request, 100 MB/s.
type store struct{ Source }

func (s store) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(storeTime(len(p)))
	return s.Source.ReadAt(p, off)
}

func storeTime(n int) time.Duration {
	return 30*time.Millisecond + time.Duration(n)*time.Second/100_000_000
}

// naive downloads the video, has FFmpeg write a file per frame, packs them and
// uploads the archive.
func naive(b *testing.B, src Source, x Extraction) {
	b.Helper()
	dir := b.TempDir()
	video := filepath.Join(dir, "video.mp4")
	f, err := os.Create(video)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(f, io.NewSectionReader(src, 0, src.Size())); err != nil {
		b.Fatal(err)
	}
	_ = f.Close()
	time.Sleep(storeTime(int(src.Size())))
	pattern := filepath.Join(dir, "%06d."+extensions[x.Format])
	if out, err := exec.Command("ffmpeg", "-loglevel", "error", "-i", video, "-vf", fmt.Sprintf("fps=%g", x.FPS), "-q:v", "3", pattern).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*."+extensions[x.Format]))
	if err != nil {
		b.Fatal(err)
	}
	var size int
	packed := zip.NewWriter(writerFunc(func(p []byte) (int, error) { size += len(p); return len(p), nil }))
	for _, name := range files {
		entry, err := packed.Create(filepath.Base(name))
		if err != nil {
			b.Fatal(err)
		}
		content, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := entry.Write(content); err != nil {
			b.Fatal(err)
		}
	}
	if err := packed.Close(); err != nil {
		b.Fatal(err)
	}
	time.Sleep(storeTime(size))
}

// BenchmarkExtract runs the engine and the naive way in turn and reports how
// many times faster the engine is ("times-naive").
func BenchmarkExtract(b *testing.B) {
	for _, x := range []Extraction{
		{FPS: 1, Format: FormatJPEG},
		{FPS: 1, Format: FormatPNG},
		{FPS: 10, Format: FormatJPEG},
	} {
		b.Run(fmt.Sprintf("%gfps-%s", x.FPS, x.Format), func(b *testing.B) {
			src := open(b, hdVideo(b))
			e := engine(b, Config{})
			var ours, theirs time.Duration
			for b.Loop() {
				began := time.Now()
				if _, err := e.Extract(context.Background(), store{src}, x, ExtractOptions{}, io.Discard); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(began)
				began = time.Now()
				naive(b, src, x)
				theirs += time.Since(began)
			}
			b.ReportMetric(ours.Seconds()/float64(b.N), "s/extract")
			b.ReportMetric(theirs.Seconds()/float64(b.N), "s/naive")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "times-naive")
		})
	}
}
