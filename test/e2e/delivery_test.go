package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/problem"
	"github.com/fotograma/fotograma/pkg/client"
)

// long is an extraction of Big Buck Bunny that takes a worker seconds: every
// picture of it.
const (
	long       = `{"mode":"fps","fps":24,"format":"jpeg","quality":95}`
	longFrames = 720
)

// state is all that an event of S3 that comes again must not change.
type state struct {
	Video    client.Video
	Archives map[string]string // ETag and time by key
	Mails    []mail
}

func (p *person) state(id string) state {
	p.t.Helper()
	video, err := p.Video(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	s := state{Video: *video, Archives: map[string]string{}, Mails: p.mails()}
	bucket := p.stack.bucketName(archivesBucket)
	for _, key := range p.stack.objects(p.t, archivesBucket, p.id+"/"+id) {
		head, err := p.stack.s3().HeadObject(p.t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			p.t.Fatal(err)
		}
		s.Archives[key] = *head.ETag + head.LastModified.String()
	}
	return s
}

func TestEventsThatComeAgainChangeNothing(t *testing.T) {
	t.Parallel()
	s := ownStack(t)
	p := s.person(t, "en")
	uploaded := time.Now()
	video := p.upload("bunny.mp4", read(t, bunny), long)
	again := func(times int, at time.Time) {
		for range times {
			for _, name := range []string{"ObjectCreated:Post", "ObjectCreated:CompleteMultipartUpload"} {
				s.send(t, processingQueue, s.s3Event(p.id, video.ID, name, at))
			}
		}
	}

	s.extracting(t)
	again(5, uploaded) // duplicates, while it is processed
	p.completed(video.ID)
	ended := time.Now()
	p.waitMails(1)
	s.settled(t)
	before := p.state(video.ID)
	if len(before.Archives) != 2 {
		t.Fatalf("the archives bucket has %v, want the ZIP and its manifest", before.Archives)
	}
	again(10, uploaded) // duplicates
	until(t, "the worker's lease is over", func() bool { return time.Since(ended) > lease })
	again(5, uploaded.Add(-time.Hour))    // reordered: S3 says that they are older
	again(5, time.Now().Add(time.Minute)) // late: S3 says that they are newer
	s.settled(t)
	if diff := cmp.Diff(before, p.state(video.ID)); diff != "" {
		t.Errorf("after the same event again (-before +after):\n%s", diff)
	}

	if err := p.Retry(t.Context(), video.ID, json.RawMessage(`{"mode":"fps","fps":1}`)); err != nil {
		t.Fatal(err)
	}
	again(3, uploaded) // the first run's, while the second goes on
	p.waitFor(video.ID, func(v *client.Video) bool { return v.Status == client.Completed && v.Archive.Frames == 30 })
	p.waitMails(2)
	again(3, uploaded) // and after it
	s.settled(t)
	after := p.state(video.ID)
	if after.Video.Archive.Frames != 30 || len(after.Archives) != 2 || len(after.Mails) != 2 {
		t.Errorf("after the first run's event came in the second: %+v", after)
	}
	p.checkArchive(&after.Video, p.download(video.ID), read(t, bunny))

	if err := p.Delete(t.Context(), video.ID); err != nil {
		t.Fatal(err)
	}
	again(3, time.Now())
	s.settled(t)
	p.call("GET", "/v1/videos/"+video.ID, nil).refused(t, 404, "not_found")
	if left := s.objects(t, archivesBucket, ""); len(left) > 0 {
		t.Errorf("an event of a deleted video has left %v", left)
	}
	if n := len(p.mails()); n != 2 {
		t.Errorf("%d mails after an event of a deleted video, want 2", n)
	}
}

func TestAKilledWorkersVideoIsFinishedByAnother(t *testing.T) {
	for _, c := range []struct {
		name  string
		kills int
		group bool // its decoder too, as when the machine is gone
	}{
		{"killed once, alone", 1, false},
		{"killed twice, with its decoder", 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := ownStack(t)
			p := s.person(t, "en")
			file := read(t, bunny)
			video := p.upload("bunny.mp4", file, long)
			for range c.kills {
				worker, decoder := s.extracting(t)
				worker.kill(t)
				if c.group {
					decoder.kill(t)
				}
				allEnd(t, []process{worker, decoder})
			}
			p.rightAndOnce(p.completed(video.ID), file)
		})
	}
}

// rightAndOnce checks that a video of the long extraction ended in one correct
// archive and one mail, and left nothing else behind.
func (p *person) rightAndOnce(video *client.Video, file []byte) {
	t, s := p.t, p.stack
	t.Helper()
	a := p.download(video.ID)
	p.checkArchive(video, a, file)
	if len(a.manifest.Frames) != longFrames || len(a.manifest.Warnings) > 0 {
		t.Errorf("%d frames, want %d; warnings %v", len(a.manifest.Frames), longFrames, a.manifest.Warnings)
	}
	for i, f := range a.manifest.Frames {
		if f.PTS != int64(512*i) { // 24 a second at a time base of 1/12288
			t.Fatalf("frame %d is at %d, want %d", i+1, f.PTS, 512*i)
		}
	}
	p.waitMails(1)
	s.settled(t)
	if keys := s.objects(t, archivesBucket, ""); len(keys) != 2 {
		t.Errorf("the archives bucket has %v, want the ZIP and its manifest", keys)
	}
}

// poisonous makes a decoding program which, for a file of one size, kills the
// worker that asked it: a video that crashes whoever touches it.
func poisonous(t *testing.T, size int) (dir string) {
	t.Helper()
	decoder, err := filepath.Abs(root + "/bin/fotograma-frames")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	// The decoder takes the script's place: its pipes must close when it ends.
	script := fmt.Sprintf("#!/bin/sh\nread -r first\n[ \"$first\" != size=%d ] || { kill -9 $PPID; sleep 10; }\n"+
		"rest=$(mktemp -u '%s/rest.XXXXXX')\nmkfifo \"$rest\"\nexec 5<&0\n"+
		"{ echo \"$first\"; exec cat <&5; } >\"$rest\" 2>/dev/null 3>&- 4>&- &\n"+
		"exec '%s' <\"$rest\" 5<&-\n", size, dir, decoder)
	if err := os.WriteFile(filepath.Join(dir, "fotograma-frames"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAPoisonMessageEndsAsFailed(t *testing.T) {
	if executor == "docker" {
		t.Skip("an image brings its decoding program along, so that this test cannot put another in its place")
	}
	t.Parallel()
	dir := t.TempDir()
	s := newStack(t, dir)
	small := func(size int) []byte {
		return film(t, "mp4", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx64:rate=10:duration=1", size), "-pix_fmt", "yuv420p")
	}
	poisoned := small(66)
	s.env = append(s.env, "PATH="+poisonous(t, len(poisoned))+":"+os.Getenv("PATH"))
	s.run(t, "LeaseSeconds=3")
	ana, bia := s.person(t, "en"), s.person(t, "pt-BR")

	garbage := []string{"hello", `{"Records":[{"s3":{"object":{"key":"no-slash"}}}]}`, `{"specversion":"1.0","type":"x"}`}
	for _, body := range garbage {
		s.send(t, processingQueue, body)
	}
	poison := ana.upload("poison.mp4", poisoned, "")
	harmless := bia.upload("harmless.mp4", small(64), "")

	bia.completed(harmless.ID)
	video := ana.wait(poison.ID)
	if video.Status != client.Failed || video.Error == nil || video.Error.Code != string(problem.ProcessingFailed) {
		t.Errorf("the poison ended as %s: %+v", video.Status, video.Error)
	}
	mail := ana.waitMails(1)[0]
	if sentence := problem.ProcessingFailed.In(locale.English).Detail; !strings.Contains(mail.Text, sentence) || !strings.Contains(mail.Subject, "poison.mp4") {
		t.Errorf("the mail does not tell what happened: %+v", mail)
	}
	bia.waitMails(1)
	// An alarm looks at the garbage; nothing else is left.
	until(t, "the garbage is in the dead-letter queue", func() bool { return s.waiting(t, processingDLQ) == len(garbage) })
	s.settled(t)
	if keys := s.objects(t, archivesBucket, ""); slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, poison.ID) }) {
		t.Errorf("the poison left %v", keys)
	}
	bia.completed(bia.upload("after.mp4", small(64), "").ID)
	s.wantTraced(t, poison.ID, step{"VideoFunction", "POST /v1/videos"}, step{"DeadLetterFunction", "process processing-dead-letters"}, step{"NotifyFunction", "SES/SendRawEmail"})
}
