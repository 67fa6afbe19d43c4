package frames

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// refused extracts from a source and expects an [*Error] of a code.
func refused(t *testing.T, e *Engine, src Source, x Extraction, code string) {
	t.Helper()
	var out bytes.Buffer
	result, err := e.Extract(context.Background(), src, x, ExtractOptions{}, &out)
	if !errors.Is(err, &Error{Code: code}) {
		t.Errorf("got %d frames and %v, want %s", result.Frames, err, code)
	}
}

func TestFilesThatHaveNoFrames(t *testing.T) {
	text := func(s string) Source { return strings.NewReader(s) }
	for _, c := range []struct {
		name string
		src  Source
		code string
	}{
		{"zero bytes", text(""), CodeEmptyFile},
		{"one byte", text("x"), CodeNotAVideo},
		{"text", text(strings.Repeat("This is not a video.\n", 1000)), CodeNotAVideo},
		{"noise", bytes.NewReader(content(300_000)), CodeNotAVideo},
		{"a picture", open(t, made("cover.jpg")), CodeNotAVideo},
		{"a song", open(t, made("song.m4a")), CodeNoVideoStream},
		{"a song with a cover picture", open(t, made("song.mp3")), CodeNoVideoStream},
		{"an MP4 cut off before its index", open(t, made("cut-sound.mp4")), CodeUndecodable},
		{"an MP4 without samples", headOnly(t), CodeUndecodable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			refused(t, engine(t, Config{}), c.src, Extraction{}, c.code)
			if c.code == CodeUndecodable {
				return
			}
			if _, err := engine(t, Config{}).Probe(context.Background(), c.src); !errors.Is(err, &Error{Code: c.code}) {
				t.Errorf("Probe: %v", err)
			}
		})
	}
}

// headOnly returns an MP4 with its index, but nothing of what that points to.
func headOnly(t *testing.T) Source {
	t.Helper()
	whole, err := os.ReadFile(made("faststart.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.Index(whole, []byte("mdat"))
	return bytes.NewReader(whole[:end+4])
}

func TestDamagedFilesGiveWhatDecodes(t *testing.T) {
	for _, c := range []struct {
		file    string
		frames  int // at 5 per second, at least
		most    int
		warning string
	}{
		{"cut-faststart.mp4", 11, 13, WarnTruncated},
		{"cut-sound.mkv", 12, 14, WarnTruncated},
		{"cut-sound.ts", 12, 16, WarnDamaged},
		{"cut-mpeg4.avi", 8, 11, WarnDamaged},
		{"holed.ts", 18, 21, WarnDamaged},
		{"holed.mkv", 9, 21, WarnDamaged},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			u := extract(t, made(c.file), Extraction{FPS: 5})
			if n := u.result.Frames; n < c.frames || n > c.most {
				t.Errorf("%d frames, want %d to %d", n, c.frames, c.most)
			}
			if len(u.manifest.Warnings) != 1 || u.manifest.Warnings[0].Code != c.warning || u.manifest.Warnings[0].Message == "" {
				t.Errorf("warnings are %v, want %s", u.manifest.Warnings, c.warning)
			}
			if u.result.Log == "" {
				t.Error("nothing for the operator")
			}
		})
	}
}

func TestPlaylistsReachNothing(t *testing.T) {
	var asked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	secret := filepath.Join(t.TempDir(), "secret.ts")
	video, err := os.ReadFile(made("sound.ts"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, video, 0o600); err != nil {
		t.Fatal(err)
	}
	before := accessed(t, secret)
	for name, text := range map[string]string{
		"HLS of a file":        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://" + secret + "\n#EXT-X-ENDLIST\n",
		"HLS of an address":    "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + elsewhere.URL + "/a.ts\n#EXT-X-ENDLIST\n",
		"HLS with a key":       "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"" + elsewhere.URL + "/key\"\n#EXTINF:10,\n" + elsewhere.URL + "/a.ts\n",
		"concat of a file":     "ffconcat version 1.0\nfile '" + secret + "'\n",
		"concat of an address": "ffconcat version 1.0\nfile " + elsewhere.URL + "/a.ts\n",
		"DASH": `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static"><Period>` +
			`<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>` + elsewhere.URL + `/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`,
		"SDP":       "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
		"subtitles": "#!UTF8\n# VobSub index file, v7\nid: en, index: 0\n" + secret,
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, engine(t, Config{}), strings.NewReader(text), Extraction{}, CodeNotAVideo)
		})
	}
	t.Run("QuickTime reference", func(t *testing.T) {
		// A movie whose data is said to be in another file: an alias as the data
		// reference, in place of "in this file".
		movie, err := os.ReadFile(made("faststart.mp4"))
		if err != nil {
			t.Fatal(err)
		}
		movie = bytes.Replace(movie, []byte("url \x00\x00\x00\x01"), []byte("url \x00\x00\x00\x00"), 1)
		result, err := engine(t, Config{}).Extract(context.Background(), bytes.NewReader(movie), Extraction{}, ExtractOptions{}, io.Discard)
		if err == nil && result.Frames != 4 {
			t.Errorf("%d frames", result.Frames)
		}
	})
	if n := asked.Load(); n > 0 {
		t.Errorf("another server was asked %d times", n)
	}
	if after := accessed(t, secret); after != before {
		t.Error("the other file was read")
	}
}

// accessed returns when a file was last read.
func accessed(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(info.Sys())
}

func TestLimitsRefuse(t *testing.T) {
	limits := func(change func(*Limits)) Config {
		l := DefaultLimits()
		change(&l)
		return Config{Limits: l}
	}
	for _, c := range []struct {
		name, file string
		config     Config
		x          Extraction
		code       string // "" if it must succeed
	}{
		{"too long by its header", "sound.mp4", limits(func(l *Limits) { l.Duration = 3 * time.Second }), Extraction{}, CodeTooLong},
		{"too long when decoded", "unknown-length.mkv", limits(func(l *Limits) { l.Duration = 3 * time.Second }), Extraction{}, CodeTooLong},
		{"just long enough", "sound.mp4", limits(func(l *Limits) { l.Duration = 4 * time.Second }), Extraction{}, ""},
		{"too many pixels", "sound.mp4", limits(func(l *Limits) { l.Pixels = 192*108 - 1 }), Extraction{}, CodeTooManyPixels},
		{"just enough pixels", "sound.mp4", limits(func(l *Limits) { l.Pixels = 192 * 108 }), Extraction{}, ""},
		{"frames of too many pixels", "sound.mp4", limits(func(l *Limits) { l.Pixels = 192 * 108 }), Extraction{Width: 200}, CodeTooManyPixels},
		{"too many frames by the header", "sound.mp4", limits(func(l *Limits) { l.Frames = 39 }), Extraction{FPS: 10}, CodeTooManyFrames},
		{"too many frames when decoded", "unknown-length.mkv", limits(func(l *Limits) { l.Frames = 39 }), Extraction{FPS: 10}, CodeTooManyFrames},
		{"just enough frames", "sound.mp4", limits(func(l *Limits) { l.Frames = 40 }), Extraction{FPS: 10}, ""},
		{"a hundred thousand frames and one", "sound.mp4", Config{}, Extraction{FPS: 1000, MaxFrames: 100_001}, ""},
		{"cut by request", "sound.mp4", limits(func(l *Limits) { l.Frames = 39 }), Extraction{FPS: 10, MaxFrames: 39}, ""},
		{"end within the limit", "sound.mp4", limits(func(l *Limits) { l.Frames = 20 }), Extraction{FPS: 10, End: new(2.0)}, ""},
		{"begins after the end", "sound.mp4", Config{}, Extraction{Start: new(4.0)}, CodeNoFrames},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.code != "" {
				refused(t, engine(t, c.config), open(t, made(c.file)), c.x, c.code)
				return
			}
			if _, err := tryExtract(t, engine(t, c.config), open(t, made(c.file)), c.x); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLimitsAreValidated(t *testing.T) {
	for _, change := range []func(*Limits){
		func(l *Limits) { l.Duration = 0 },
		func(l *Limits) { l.Pixels = -1 },
		func(l *Limits) { l.Pixels = 1 << 40 },
		func(l *Limits) { l.Frames = 0 },
		func(l *Limits) { l.Silence = 0 },
	} {
		l := DefaultLimits()
		change(&l)
		if _, err := New(Config{Limits: l}); err == nil {
			t.Errorf("%+v was accepted", l)
		}
	}
	if _, err := New(Config{Program: "/nowhere/fotograma-frames"}); err == nil {
		t.Error("a program that is not there was accepted")
	}
}

// script writes a program that stands in for the engine's.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStalledProgramIsKilledWithItsChildren(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	limits := DefaultLimits()
	limits.Silence = 700 * time.Millisecond
	e := engine(t, Config{Program: script(t, "sleep 600 & echo $$ $! >"+pids+"; wait"), Limits: limits})
	refused(t, e, open(t, made("sound.mp4")), Extraction{}, CodeStalled)
	expectGone(t, pids)
}

// expectGone waits until the processes whose numbers are in a file are gone.
func expectGone(t *testing.T, pids string) {
	t.Helper()
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("process %d is gone", pid), func() bool {
			if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
				// Where nobody reaps orphans, a dead one stays as a zombie.
				return strings.Contains(string(state), ") Z ")
			}
			return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
		})
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Errorf("not so after 5 s: %s", what)
}

func TestBrokenProgramIsTheEnginesFailure(t *testing.T) {
	record := func(kind byte, data string) string {
		text := []byte{kind, 0, 0, 0, byte(len(data)), 0, 0, 0}
		var escaped strings.Builder
		for _, b := range append(text, data...) {
			fmt.Fprintf(&escaped, `\%03o`, b)
		}
		return "printf '" + escaped.String() + "'\n"
	}
	media := record('M', `{"format":{},"streams":[{"codec_type":"video","decodable":true,"width":2,"height":2,"time_base":"1/25"}]}`)
	for name, text := range map[string]string{
		"exits":                 "exit 1",
		"is killed":             "kill -9 $$",
		"writes rubbish":        "echo rubbish, and more of it",
		"stops in a record":     `printf 'M\0\0\0\377\0\0\0{'`,
		"asks for rubbish":      media + "printf 'rubbish, and more of it, and yet more' >&3",
		"says what nobody does": media + record('Q', ""),
		"gives up twice":        media + record('R', "\x00\x00\x00\x00\x00\x00\x00\x00"),
		"has no encoder":        media + record('X', "engine_failed\nno encoder libwebp"),
		"describes nothing":     record('M', "{"),
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, engine(t, Config{Program: script(t, text)}), open(t, made("sound.mp4")), Extraction{}, CodeEngineFailed)
		})
	}
}

func TestProgramGetsNoSecrets(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush")
	dump := filepath.Join(t.TempDir(), "env")
	e := engine(t, Config{Program: script(t, "env >"+dump+"; pwd >>"+dump+"; exit 1")})
	refused(t, e, open(t, made("sound.mp4")), Extraction{}, CodeEngineFailed)
	text, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	if !slices.Contains(lines, "/") || strings.Contains(string(text), "hush") {
		t.Errorf("the program's environment and directory: %s", text)
	}
}

func TestCancelEndsEverything(t *testing.T) {
	idle := runtime.NumGoroutine()
	for _, c := range []struct {
		name   string
		config Config
		src    func(context.CancelFunc) Source
		w      func(context.CancelFunc) io.Writer
	}{
		{name: "while reading", src: func(cancel context.CancelFunc) Source {
			return hookSource{open(t, footage(bunny)), func(off int64) {
				if off > 1<<20 {
					cancel()
				}
			}}
		}},
		{name: "while writing", w: func(cancel context.CancelFunc) io.Writer {
			return writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
		}},
		{name: "while the program hangs", config: Config{Program: script(t, "kill -USR1 "+strconv.Itoa(os.Getpid())+"; sleep 600")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			src, w := open(t, footage(bunny)), io.Discard
			if c.src != nil {
				src = c.src(cancel)
			}
			if c.w != nil {
				w = c.w(cancel)
			}
			if c.config.Program != "" {
				cancelOnSignal(t, cancel)
			}
			if _, err := engine(t, c.config).Extract(ctx, src, Extraction{FPS: 24}, ExtractOptions{}, w); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= idle+2 })
	eventually(t, "no child is left", func() bool {
		_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		return errors.Is(err, syscall.ECHILD)
	})
}

// hookSource calls a function at every read.
type hookSource struct {
	Source

	hook func(off int64)
}

func (s hookSource) ReadAt(p []byte, off int64) (int, error) {
	s.hook(off)
	return s.Source.ReadAt(p, off)
}

func TestFailuresOfSourceAndWriterArePassedOn(t *testing.T) {
	whole, err := os.ReadFile(footage(bunny))
	if err != nil {
		t.Fatal(err)
	}
	for name, failAt := range map[string]int64{"at once": 1, "while decoding": 3 << 20} {
		t.Run("source "+name, func(t *testing.T) {
			_, err := engine(t, Config{}).Extract(context.Background(), &remote{content: whole, failAt: failAt}, Extraction{FPS: 0.5}, ExtractOptions{}, io.Discard)
			if !errors.Is(err, errRemote) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("writer", func(t *testing.T) {
		broken := writerFunc(func([]byte) (int, error) { return 0, net.ErrClosed })
		_, err := engine(t, Config{}).Extract(context.Background(), bytes.NewReader(whole), Extraction{}, ExtractOptions{}, broken)
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestHashOfTheSourceGoesIntoTheManifest(t *testing.T) {
	hash := func(sum string, err error) ExtractOptions {
		return ExtractOptions{SourceSHA256: func() (string, error) { return sum, err }}
	}
	x := Extraction{MaxFrames: 1}
	var out bytes.Buffer
	result, err := engine(t, Config{}).Extract(context.Background(), open(t, made("sound.mp4")), x, hash("abc", nil), &out)
	if err != nil {
		t.Fatal(err)
	}
	if got := unpack(t, result, out.Bytes()).manifest.Video.SHA256; got != "abc" {
		t.Errorf("the manifest has %q", got)
	}
	_, err = engine(t, Config{}).Extract(context.Background(), open(t, made("sound.mp4")), x, hash("", errRemote), io.Discard)
	if !errors.Is(err, errRemote) {
		t.Errorf("a hash that fails: %v", err)
	}
}

func TestSlowWriterIsNotAStall(t *testing.T) {
	limits := DefaultLimits()
	limits.Silence = 500 * time.Millisecond
	slow := writerFunc(func(p []byte) (int, error) {
		time.Sleep(700 * time.Millisecond) // longer than FFmpeg may be silent
		return len(p), nil
	})
	_, err := engine(t, Config{Limits: limits}).Extract(context.Background(), open(t, footage(bottle)), Extraction{MaxFrames: 3}, ExtractOptions{}, slow)
	if err != nil {
		t.Error(err)
	}
}

func TestProgressOnlyGrows(t *testing.T) {
	type step struct {
		done   float64
		frames int
	}
	var steps []step
	_, err := engine(t, Config{}).Extract(context.Background(), open(t, footage(bottle)), Extraction{FPS: 2},
		ExtractOptions{Progress: func(done float64, frames int) { steps = append(steps, step{done, frames}) }}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(steps); n < 50 || n > 102 || steps[n-1] != (step{1, 80}) {
		t.Fatalf("%d steps, the last %v", n, steps[n-1])
	}
	for i := 1; i < len(steps); i++ {
		if steps[i].done <= steps[i-1].done || steps[i].frames < steps[i-1].frames {
			t.Errorf("%v comes after %v", steps[i], steps[i-1])
		}
	}
}

// cancelOnSignal calls cancel when this process gets SIGUSR1, by which a script
// says that it has started.
func cancelOnSignal(t *testing.T, cancel context.CancelFunc) {
	t.Helper()
	started := make(chan os.Signal, 1)
	signal.Notify(started, syscall.SIGUSR1)
	t.Cleanup(func() { signal.Stop(started) })
	go func() {
		<-started
		cancel()
	}()
}
