package frames

import (
	"bytes"
	"slices"

	"github.com/gabriel-vasile/mimetype"
)

const (
	// sniffed is how much of a file's beginning is looked at, in bytes.
	sniffed = 4 << 10

	// searched is how much FFmpeg reads at most to find out what a file is, in bytes.
	searched = 1 << 20
)

// strangers are the types of files that FFmpeg need not see: texts with all that
// are made of text (playlists, scripts, web pages, vector graphics), archives and
// what is packed in them, pictures, documents and programs. Types that are told by
// two or three bytes, which a video may begin with, are not among them.
var strangers = []string{
	"text/plain", "application/vnd.apple.mpegurl", "application/pdf", "application/postscript",
	"application/zip", "application/x-7z-compressed", "application/vnd.rar", "application/x-xz", "application/zstd",
	"application/gzip", "application/x-tar", "application/x-ole-storage", "application/vnd.sqlite3", "application/x-elf",
	"image/png", "image/jpeg", "image/gif", "image/webp", "image/tiff",
}

// boxes are the kinds with which a file of the MP4 family may begin.
var boxes = []string{
	"ftyp", "styp", "moov", "moof", "mdat", "free", "skip", "wide", "junk", "pnot", "pict", "udta", "uuid", "sidx", "prfl", "jP  ",
}

// stranger returns the type of a file that is certainly none that the program
// reads, and "" for all others. src is read as far as FFmpeg would, unless the
// first bytes tell.
func stranger(c *cache) (string, error) {
	head, err := beginning(c, sniffed)
	if err != nil || isBox(head) {
		return "", err
	}
	kind := mimetype.Detect(head)
	for at := kind; ; at = at.Parent() {
		if at == nil {
			return "", nil
		}
		if slices.ContainsFunc(strangers, at.Is) {
			break
		}
	}
	// FFmpeg finds a stream of MPEG behind whatever stands before it.
	head, err = beginning(c, searched)
	if err != nil || hasTransportStream(head) || hasProgramStream(head) {
		return "", err
	}
	return kind.String(), nil
}

// beginning returns the first n bytes, or fewer of a file that has no more.
func beginning(c *cache, n int64) ([]byte, error) {
	head := make([]byte, min(n, c.src.Size()))
	n2, err := c.ReadAt(head, 0)
	if n2 == len(head) {
		err = nil
	}
	return head[:n2], err
}

func isBox(head []byte) bool {
	return len(head) >= 8 && slices.Contains(boxes, string(head[4:8]))
}

// hasTransportStream reports whether there are packets of MPEG-TS one after the
// other: of 188 bytes, or with 4 more before or 16 more after each
// (ISO/IEC 13818-1, 2.4.3.2).
func hasTransportStream(data []byte) bool {
	const sync, packets = 0x47, 4
	for _, size := range []int{188, 192, 204} {
		for at := 0; at+(packets-1)*size < len(data); at++ {
			next := bytes.IndexByte(data[at:], sync)
			if next < 0 {
				break
			}
			at += next
			n := 1
			for n < packets && at+n*size < len(data) && data[at+n*size] == sync {
				n++
			}
			if n == packets {
				return true
			}
		}
	}
	return false
}

// hasProgramStream reports whether there is a start code of MPEG's program
// streams or of their packets (ISO/IEC 13818-1, tables 2-22 and 2-39).
func hasProgramStream(data []byte) bool {
	for {
		at := bytes.Index(data, []byte{0, 0, 1})
		if at < 0 || at+3 >= len(data) {
			return false
		}
		if code := data[at+3]; code >= 0xBA && code <= 0xEF {
			return true
		}
		data = data[at+3:]
	}
}
