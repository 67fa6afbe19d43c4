package status

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// maxStem is how much of a video's name a download's name keeps, in bytes: with
// what is added it fits on every file system.
const maxStem = 180

// archiveName is what the ZIP of a video is called: "holiday.mp4" gives
// "holiday-frames.zip". It is a name that every system can give a file, whatever
// the video is called.
func archiveName(filename, suffix string) string {
	name := strings.Map(plain, strings.ToValidUTF8(filename, "_"))
	stem := strings.TrimLeft(strings.TrimSuffix(name, path.Ext(name)), ". ")
	if len(stem) > maxStem {
		stem = strings.ToValidUTF8(stem[:maxStem], "")
	}
	stem = strings.TrimRight(stem, ". ")
	if stem == "" {
		stem = "video"
	}
	if device.MatchString(stem) {
		stem = "_" + stem
	}
	return stem + suffix
}

// device matches the names that mean no file on Windows, whatever follows a dot.
var device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)`)

// plain replaces what is no part of a file's name: what Windows does not allow,
// and what shows a name as another than it is (characters that turn the direction
// of text, and others that do not show).
func plain(r rune) rune {
	if strings.ContainsRune(`<>:"/\|?*`, r) || !unicode.IsPrint(r) {
		return '_'
	}
	return r
}

// attachment is a Content-Disposition by which a browser saves a download under a
// name. It holds the name twice, as RFC 6266 (appendix D) advises: in ASCII for old
// readers, and as it is in the encoding of RFC 8187.
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || strings.ContainsRune(`"\%`, r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, ascii, percent(name))
}

// percent writes a value as RFC 8187 (3.2.1) does: all but attr-char in percent.
func percent(value string) string {
	var out strings.Builder
	for _, b := range []byte(value) {
		if b < 0x80 && (unicode.IsLetter(rune(b)) || unicode.IsDigit(rune(b)) || strings.IndexByte("!#$&+-.^_`|~", b) >= 0) {
			out.WriteByte(b)
			continue
		}
		fmt.Fprintf(&out, "%%%02X", b)
	}
	return out.String()
}
