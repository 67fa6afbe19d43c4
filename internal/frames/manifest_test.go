package frames

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"
	"unicode/utf8"
)

// entryName is all that an entry of an archive may be called.
var entryName = regexp.MustCompile(`^(frames/\d{6,}\.(jpg|png|webp)|sprites/\d{6}\.jpg|sprites\.vtt|manifest\.json)$`)

// A video's name is data in the manifest, and no part of any path.
func TestEntriesHaveNamesOfTheirOwn(t *testing.T) {
	for _, filename := range []string{"../../etc/passwd", `..\..\windows\system32`, "/etc/passwd", "a\x00b", "frames/000001.jpg", "C:\\a.mp4", ""} {
		for _, format := range []string{FormatJPEG, FormatPNG, FormatWebP} {
			var out bytes.Buffer
			result, err := engine(t, Config{}).Extract(t.Context(), open(t, made("one.mp4")), Extraction{Format: format, Sprite: true}, ExtractOptions{Filename: filename}, &out)
			if err != nil {
				t.Fatal(err)
			}
			u := unpack(t, result, out.Bytes())
			for _, name := range u.names {
				if !entryName.MatchString(name) {
					t.Errorf("%q gives an entry %q", filename, name)
				}
			}
			if u.manifest.Video.Filename != filename {
				t.Errorf("the manifest calls %q %q", filename, u.manifest.Video.Filename)
			}
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add("a.mp4", "h264")
	f.Add("\"},\n\"frames\": [", "</script>")
	f.Add("\u2028\x00", "\\")
	f.Fuzz(func(t *testing.T, filename, codec string) {
		m := Manifest{Video: Video{Filename: filename, Media: Media{Codec: codec}}, Frames: []Frame{{Index: 1, File: "frames/000001.jpg"}}}
		var out bytes.Buffer
		if err := m.encode(&out); err != nil {
			t.Fatal(err)
		}
		var again Manifest
		if err := json.Unmarshal(out.Bytes(), &again); err != nil {
			t.Fatalf("%v in %s", err, out.Bytes())
		}
		if len(again.Frames) != 1 || utf8.ValidString(filename) && utf8.ValidString(codec) && (again.Video.Filename != filename || again.Video.Media.Codec != codec) {
			t.Errorf("%q is read as %+v", filename, again)
		}
	})
}
