package frames

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestArchiveIsOneThatUnzipReads(t *testing.T) {
	u := extract(t, footage(bottle), Extraction{FPS: 0.5, Format: FormatJPEG})
	path := filepath.Join(t.TempDir(), "frames.zip")
	if err := os.WriteFile(path, u.bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("unzip", "-t", path).CombinedOutput(); err != nil || !strings.Contains(string(out), "No errors") {
		t.Errorf("unzip: %v: %s", err, out)
	}
	if bytes.Contains(u.bytes, []byte("PK\x07\x08")) {
		t.Error("the archive has data descriptors")
	}
	reader, err := zip.NewReader(bytes.NewReader(u.bytes), int64(len(u.bytes)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range reader.File {
		if f.Method != zip.Store || f.Modified.Format("2006-01-02 15:04:05") != "1980-01-01 00:00:00" || f.Mode() != 0o644 {
			t.Errorf("%s: method %d, modified %v, mode %v", f.Name, f.Method, f.Modified, f.Mode())
		}
	}
}

func TestManifestSaysWhatIsInTheArchive(t *testing.T) {
	u := extract(t, footage(bottle), Extraction{Interval: 7, Width: 100})
	if diff := cmp.Diff(u.result.Manifest, u.manifest, cmpopts.IgnoreUnexported(Media{})); diff != "" {
		t.Errorf("the result's manifest differs from the archive's (-result +archive):\n%s", diff)
	}
	sum := sha256.Sum256(u.bytes)
	if u.result.SHA256 != hex.EncodeToString(sum[:]) || u.result.Size != int64(len(u.bytes)) || u.result.Frames != len(u.manifest.Frames) {
		t.Errorf("the result says %d frames, %d bytes, %s", u.result.Frames, u.result.Size, u.result.SHA256)
	}
	var names []string
	for i, frame := range u.manifest.Frames {
		names = append(names, frame.File)
		file := u.files[frame.File]
		sum := sha256.Sum256(file)
		if frame.Index != i+1 || frame.File != fmt.Sprintf("frames/%06d.jpg", i+1) {
			t.Errorf("frame %d is %d in %s", i, frame.Index, frame.File)
		}
		if frame.Size != int64(len(file)) || frame.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has other content than the manifest says", frame.File)
		}
		if frame.Width != 100 || frame.Height != 56 {
			t.Errorf("%s is %d by %d", frame.File, frame.Width, frame.Height)
		}
		if want := float64(frame.PTS) / 11456; frame.Time != want {
			t.Errorf("%s is at %v s, want %v", frame.File, frame.Time, want)
		}
	}
	if diff := cmp.Diff(append(names, manifestName), u.names); diff != "" || len(names) != 6 {
		t.Errorf("%d frames; entries differ (-manifest +archive):\n%s", len(names), diff)
	}
	m := u.manifest
	if m.Video.Filename != "clip" || m.Video.SHA256 != "" || m.Engine.Name != "fotograma" || m.Engine.FFmpeg == "" {
		t.Errorf("the manifest says %+v and %+v", m.Video, m.Engine)
	}
	want := Media{
		Duration: 456576.0 / 11456, Width: 640, Height: 360, FrameRate: 179.0 / 6, Codec: "h264", Container: "mov,mp4,m4a,3gp,3g2,mj2",
		PixelFormat: "yuv420p", TimeBase: "1/11456",
	}
	if diff := cmp.Diff(want, m.Video.Media, cmpopts.IgnoreUnexported(Media{})); diff != "" {
		t.Errorf("media (-want +got):\n%s", diff)
	}
}

func TestArchiveIsTheSameEveryTime(t *testing.T) {
	x := Extraction{FPS: 2, End: new(5.0)}
	first, err := tryExtract(t, engine(t, Config{Threads: 1}), open(t, footage(bottle)), x)
	if err != nil {
		t.Fatal(err)
	}
	second, err := tryExtract(t, engine(t, Config{Threads: 4}), open(t, footage(bottle)), x)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.bytes, second.bytes) {
		t.Error("two archives of the same extraction differ")
	}
}

func TestArchiveWithMoreEntriesThanZIPOnceCouldHold(t *testing.T) {
	var out bytes.Buffer
	a := newArchive(&out, 1<<40)
	const entries = 70_000
	for i := range entries {
		content := []byte{byte(i), byte(i >> 8)}
		if err := a.add(fmt.Sprintf("frames/%06d.jpg", i+1), crc32.ChecksumIEEE(content), content); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.close(&Manifest{}); err != nil {
		t.Fatal(err)
	}
	reader, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if len(reader.File) != entries+1 {
		t.Fatalf("%d entries", len(reader.File))
	}
	f, err := reader.File[entries-1].Open()
	if err != nil {
		t.Fatal(err)
	}
	last, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(last, []byte{(entries - 1) & 0xFF, (entries - 1) >> 8 & 0xFF}) {
		t.Errorf("the last entry is %v, %v", last, err)
	}
}

func TestArchiveLargerThanZIPOnceCouldHold(t *testing.T) {
	// Only what a reader of the end needs is kept: the rest is gigabytes.
	var tail tailBuffer
	a := newArchive(&tail, 1<<40)
	content := bytes.Repeat([]byte("fotograma"), 30<<20)
	crc := crc32.ChecksumIEEE(content)
	a.sum = crc32.NewIEEE() // SHA-256 of gigabytes takes seconds where it has no instructions
	for i := range 16 {
		if err := a.add(fmt.Sprintf("frames/%06d.png", i+1), crc, content); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.close(&Manifest{}); err != nil {
		t.Fatal(err)
	}
	if a.size < 1<<32 {
		t.Fatalf("only %d bytes", a.size)
	}
	reader, err := zip.NewReader(&tail, a.size)
	if err != nil {
		t.Fatal(err)
	}
	f, err := reader.Open(manifestName)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil || !bytes.Contains(text, []byte(`"frames"`)) {
		t.Errorf("the manifest beyond 4 GiB is %q, %v", text, err)
	}
}

// tailBuffer keeps the last megabyte of what is written to it.
type tailBuffer struct {
	kept []byte
	size int64
}

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.size += int64(len(p))
	b.kept = append(b.kept, p[max(0, len(p)-1<<20):]...)
	b.kept = b.kept[max(0, len(b.kept)-1<<20):]
	return len(p), nil
}

func (b *tailBuffer) ReadAt(p []byte, off int64) (int, error) {
	start := b.size - int64(len(b.kept))
	if off < start {
		return 0, errors.New("not kept")
	}
	return bytes.NewReader(b.kept).ReadAt(p, off-start)
}
