package frames

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sniff tells what kind of stranger a file is.
func sniff(t testing.TB, file []byte) string {
	t.Helper()
	kind, err := stranger(newCache(bytes.NewReader(file), func() {}))
	if err != nil {
		t.Fatal(err)
	}
	return kind
}

func TestStrangersAreKnown(t *testing.T) {
	var zipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	w, _ := z.Create("video.mp4")
	_, _ = w.Write(read(t, "sound.mp4"))
	_ = z.Close()
	var gzipped bytes.Buffer
	g := gzip.NewWriter(&gzipped)
	_, _ = g.Write(bytes.Repeat([]byte{0}, 1<<20))
	_ = g.Close()
	for name, c := range map[string]struct{ file, kind string }{
		"text":            {strings.Repeat("This is not a video.\n", 10), "text/plain"},
		"one letter":      {"x", "text/plain"},
		"HLS":             {"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1/a.ts\n", "application/vnd.apple.mpegurl"},
		"DASH":            {`<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>`, "text/xml"},
		"concat":          {"ffconcat version 1.0\nfile /etc/passwd\n", "text/plain"},
		"SDP":             {"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n", "text/plain"},
		"a web page":      {"<!DOCTYPE html><script>alert(1)</script>", "text/html"},
		"a shell script":  {"#!/bin/sh\nrm -rf /\n", "text/x-shellscript"},
		"vector graphics": {`<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>`, "image/svg+xml"},
		"a picture":       {string(read(t, "cover.jpg")), "image/jpeg"},
		"a zipped video":  {zipped.String(), "application/zip"},
		"a gzip bomb":     {gzipped.String(), "application/gzip"},
		"PDF":             {"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"},
		"a program":       {"\x7fELF\x02\x01\x01\x00" + strings.Repeat("\x00", 60), "application/x-elf"},
	} {
		if kind := sniff(t, []byte(c.file)); !strings.HasPrefix(kind, c.kind) {
			t.Errorf("%s is %q, want %s", name, kind, c.kind)
		}
	}
}

// What FFmpeg reads must come to FFmpeg.
func TestNoVideoIsAStranger(t *testing.T) {
	videos, err := filepath.Glob(filepath.Join(media, "*.*"))
	if err != nil || len(videos) < 50 {
		t.Fatalf("%d videos, %v", len(videos), err)
	}
	for _, path := range append(videos, footage(bunny), footage(bottle)) {
		if ext := filepath.Ext(path); ext == ".txt" || ext == ".jpg" {
			continue
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if kind := sniff(t, file); kind != "" {
			t.Errorf("%s is taken for %s", filepath.Base(path), kind)
		}
	}
	jpeg, ts, ps := read(t, "cover.jpg"), read(t, "sound.ts"), read(t, "mpeg2.mpg")
	mdat := append([]byte("PK\x03\x04mdat"), read(t, "sound.mov")...)
	for name, file := range map[string][]byte{
		"a stream behind a text":            append(bytes.Repeat([]byte("junk\n"), 2000), ts...),
		"a stream behind a picture":         append(jpeg, ts...),
		"a program stream behind a text":    append(bytes.Repeat([]byte("junk\n"), 2000), ps...),
		"pictures before the index, no box": mdat,
		"nothing that is known":             content(5000),
	} {
		if kind := sniff(t, file); kind != "" {
			t.Errorf("%s is taken for %s", name, kind)
		}
	}
}

// A stream behind a text is a video for FFmpeg, which is why it is not refused.
func TestStreamBehindATextIsExtracted(t *testing.T) {
	file := append(bytes.Repeat([]byte("junk\n"), 2000), read(t, "sound.ts")...)
	if _, err := tryExtract(t, engine(t, Config{}), bytes.NewReader(file), Extraction{}); err != nil {
		t.Error(err)
	}
}

func TestStrangersDoNotMeetTheProgram(t *testing.T) {
	met := filepath.Join(t.TempDir(), "met")
	e := engine(t, Config{Program: script(t, "touch "+met+"; exit 1")})
	refused(t, e, strings.NewReader("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n"), Extraction{}, CodeNotAVideo)
	if _, err := os.Stat(met); err == nil {
		t.Error("the program was started")
	}
}

func FuzzStranger(f *testing.F) {
	f.Add([]byte("#EXTM3U\n"))
	f.Add([]byte("\x00\x00\x00\x18ftypisom"))
	f.Add([]byte("PK\x03\x04 and \x00\x00\x01\xba"))
	f.Add(bytes.Repeat(append([]byte{0x47}, make([]byte, 187)...), 6))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) == 0 {
			t.Skip()
		}
		kind, err := stranger(newCache(bytes.NewReader(file), func() {}))
		if err != nil {
			t.Fatal(err)
		}
		if kind == "" {
			return
		}
		// Whatever it is, a transport stream behind it is a video.
		packets := bytes.Repeat(append([]byte{0x47}, make([]byte, 187)...), 6)
		if sniff(t, append(bytes.Clone(file), packets...)) != "" && len(file) < searched-len(packets) {
			t.Errorf("%s hides a stream", kind)
		}
	})
}
