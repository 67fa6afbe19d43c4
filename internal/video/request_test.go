package video

import (
	"errors"
	"mime"
	"strings"
	"testing"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

func FuzzRequest(f *testing.F) {
	f.Add("a.mp4", "video/mp4", int64(5))
	f.Add("../a.mp4", "video/mp4; codecs=\"avc1\"", int64(-1))
	f.Add("a.MKV", "application/octet-stream", int64(1<<62))
	f.Add("\u202e4pm.exe", "video/\r\nx", int64(0))
	f.Fuzz(func(t *testing.T, filename, contentType string, size int64) {
		r := Request{Filename: filename, ContentType: contentType, Size: size}
		limits := Limits{UploadBytes: 1 << 30}
		if err := r.check(limits); err != nil {
			if _, ok := errors.AsType[*problem.Error](err); !ok {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if strings.ContainsAny(filename, "/\\\x00\r\n") || len(filename) > maxFilename || size > limits.UploadBytes {
			t.Errorf("%q of %d bytes was accepted", filename, size)
		}
		if media, _, err := mime.ParseMediaType(contentType); err != nil || strings.ContainsAny(contentType, "\r\n") || strings.HasPrefix(media, "text/") {
			t.Errorf("type %q was accepted", contentType)
		}
		v := Video{Size: size, PartSize: multipart(size)}
		var sum int64
		for n := 1; n <= v.Parts(); n++ {
			sum += v.partBytes(n)
		}
		if v.PartSize > 0 && (sum != size || v.Parts() > maxParts) {
			t.Errorf("%d bytes make %d parts of %d bytes in all", size, v.Parts(), sum)
		}
	})
}
