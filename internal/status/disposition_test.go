package status

import (
	"mime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestArchiveNamesAreSafeEverywhere(t *testing.T) {
	for filename, want := range map[string]string{
		"holiday.mp4":                     "holiday-frames.zip",
		"no ending":                       "no ending-frames.zip",
		"two.dots.mp4":                    "two.dots-frames.zip",
		"férias ☀.mp4":                    "férias ☀-frames.zip",
		"../../etc/passwd.mp4":            "_.._etc_passwd-frames.zip",
		`C:\Windows\a.mp4`:                "C__Windows_a-frames.zip",
		"a\r\nSet-Cookie: x=1.mp4":        "a__Set-Cookie_ x=1-frames.zip",
		"a\x00b\x1bc.mp4":                 "a_b_c-frames.zip",
		"gpj.\u202e4pm.exe.mp4":           "gpj._4pm.exe-frames.zip", // would show backwards
		"zero\u200bwidth.mp4":             "zero_width-frames.zip",
		`quotes"and*stars?.mp4`:           "quotes_and_stars_-frames.zip",
		".mp4":                            "video-frames.zip",
		"...":                             "video-frames.zip",
		" . .mp4":                         "video-frames.zip",
		"":                                "video-frames.zip",
		"CON.mp4":                         "_CON-frames.zip",
		"con.txt.mp4":                     "_con.txt-frames.zip",
		"lpt1.mp4":                        "_lpt1-frames.zip",
		"COM¹.x.mp4":                      "_COM¹.x-frames.zip",
		"console.mp4":                     "console-frames.zip",
		"trailing .mp4":                   "trailing-frames.zip",
		"\xff\xfe.mp4":                    "_-frames.zip",
		strings.Repeat("a", 255):          strings.Repeat("a", 180) + "-frames.zip",
		strings.Repeat("é", 120) + ".mp4": strings.Repeat("é", 90) + "-frames.zip",
	} {
		if got := archiveName(filename, "-frames.zip"); got != want {
			t.Errorf("%q gives %q, want %q", filename, got, want)
		}
	}
}

func TestAttachmentHoldsTheNameTwice(t *testing.T) {
	for name, want := range map[string]string{
		"a b.zip":    `attachment; filename="a b.zip"; filename*=UTF-8''a%20b.zip`,
		"férias.zip": `attachment; filename="f_rias.zip"; filename*=UTF-8''f%C3%A9rias.zip`,
		"100%.zip":   `attachment; filename="100_.zip"; filename*=UTF-8''100%25.zip`,
		"a';b.zip":   `attachment; filename="a';b.zip"; filename*=UTF-8''a%27%3Bb.zip`,
	} {
		if got := attachment(name); got != want {
			t.Errorf("%q gives %s, want %s", name, got, want)
		}
	}
}

func FuzzAttachment(f *testing.F) {
	for _, name := range []string{"a.mp4", "../..", "a\r\nb", "\u202eabc", "NUL.x", "\"; filename=x", "%00", "\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, filename string) {
		name := archiveName(filename, "-frames.zip")
		if !utf8.ValidString(name) || len(name) > 255 || strings.ContainsAny(name, `<>:"/\|?*`) || device.MatchString(name) ||
			strings.HasPrefix(name, ".") || !strings.HasSuffix(name, "-frames.zip") {
			t.Errorf("%q gives %q", filename, name)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) }) {
			t.Errorf("%q gives %q, which does not show", filename, name)
		}
		header := attachment(name)
		if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q gives the header %q", filename, header)
		}
		disposition, parameters, err := mime.ParseMediaType(header)
		if err != nil || disposition != "attachment" || parameters["filename"] != name {
			t.Errorf("%q gives the header %s, which is read as %v, %v", filename, header, parameters, err)
		}
	})
}
