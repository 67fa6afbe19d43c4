package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/pkg/client"
)

func TestBadFilesEndWithAReason(t *testing.T) {
	t.Parallel()
	var visits atomic.Int32
	tempting := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	t.Cleanup(func() {
		tempting.Close()
		if n := visits.Load(); n > 0 {
			t.Errorf("a playlist made FFmpeg visit an address %d times", n)
		}
	})
	moving := []string{"-f", "lavfi", "-i", "testsrc2=size=192x108:rate=25:duration=6", "-pix_fmt", "yuv420p"}
	faststart := film(t, "mp4", append(moving, "-movflags", "+faststart")...)
	indexAtEnd := film(t, "mp4", moving...)
	matroska := film(t, "mkv", moving...)

	for _, c := range []struct {
		name, extension string
		file            []byte
		code            problem.Code // of the failure, or of the warning
		frames          int          // that there must be at least; 0: the video fails
	}{
		{"an empty file", "mp4", nil, problem.EmptyFile, 0},
		{"a text", "mp4", []byte(strings.Repeat("This is no video. ", 100)), problem.NotAVideo, 0},
		{"noise", "mp4", film(t, "raw", "-f", "lavfi", "-i", "anoisesrc=duration=1", "-f", "u8"), problem.NotAVideo, 0},
		{"a song", "mp4", film(t, "mp4", "-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac"), problem.NoVideoStream, 0},
		{"a picture", "mp4", film(t, "png", "-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1"), problem.NotAVideo, 0},
		{"a playlist of local files", "mp4", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n" +
			"#EXTINF:10,\n" + tempting.URL + "/segment.ts\n#EXT-X-ENDLIST\n"), problem.NotAVideo, 0},
		{"a list of files to join", "mp4", []byte("ffconcat version 1.0\nfile /etc/passwd\nfile " + tempting.URL + "/a.mp4\n"), problem.NotAVideo, 0},
		{"MP4 cut off before its index", "mp4", indexAtEnd[:len(indexAtEnd)/2], problem.Undecodable, 0},
		{"MP4 cut in half after its index", "mp4", faststart[:len(faststart)/2], problem.Truncated, 2},
		{"Matroska cut in half", "mkv", matroska[:len(matroska)/2], problem.Truncated, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, l := range []locale.Locale{locale.English, locale.Portuguese} {
				p := shared.person(t, string(l))
				name := "film." + c.extension
				video := p.wait(p.upload(name, c.file, "").ID)
				sentence := c.code.In(l).Detail

				subject := map[locale.Locale]string{locale.English: "We could not process ", locale.Portuguese: "Não conseguimos processar "}[l] + name
				if c.frames > 0 {
					subject = map[locale.Locale]string{locale.English: "Your frames are ready: ", locale.Portuguese: "Seus quadros estão prontos: "}[l] + name
					p.checkPartial(video, c.file, c.frames)
				} else if video.Status != client.Failed || video.Archive != nil {
					t.Errorf("it is %s: %+v", video.Status, video)
				}
				if mail := p.waitMails(1)[0]; mail.Subject != subject || !strings.Contains(mail.Text, sentence) {
					t.Errorf("mail in %s: %q\n%s\nwant %q\n%s", l, mail.Subject, mail.Text, subject, sentence)
				}
				// The page is in the language of the browser, whatever the account's.
				for _, shown := range []locale.Locale{locale.English, locale.Portuguese} {
					p.checkReason(video.ID, shown, c.code, c.frames > 0)
				}
			}
		})
	}
}

// checkReason checks the code and the sentence of a video's failure or warning.
func (p *person) checkReason(id string, l locale.Locale, code problem.Code, warning bool) {
	t := p.t
	t.Helper()
	var video client.Video
	p.call("GET", "/v1/videos/"+id, nil, "Accept-Language: "+string(l)).into(t, 200, &video)
	reasons := video.Warnings
	if !warning && video.Error != nil {
		reasons = []client.Notice{*video.Error}
	}
	if want := (client.Notice{Code: string(code), Message: code.In(l).Detail}); len(reasons) != 1 || reasons[0] != want {
		t.Errorf("in %s: %+v, want %+v", l, reasons, want)
	}
}

// checkPartial checks an archive of what could be decoded of a file.
func (p *person) checkPartial(video *client.Video, file []byte, atLeast int) {
	t := p.t
	t.Helper()
	if video.Status != client.Completed {
		t.Fatalf("it is %s: %+v", video.Status, video.Error)
	}
	a := p.download(video.ID)
	p.checkArchive(video, a, file)
	if n := len(a.manifest.Frames); n < atLeast || n > 5 {
		t.Errorf("%d frames of a film of six seconds that was cut in half", n)
	}
	var found []string
	for _, w := range a.manifest.Warnings {
		found = append(found, w.Code)
	}
	if fmt.Sprint(found) != "[truncated]" {
		t.Errorf("the manifest warns of %v", found)
	}
}
