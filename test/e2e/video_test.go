package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
)

func TestAVideoIsRegisteredOncePerIdempotencyKey(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	file := read(t, bottles)
	key := "Idempotency-Key: " + rand.Text()
	first, again := p.create("a.mp4", file, key), p.create("a.mp4", file, key)
	if first.Video.ID != again.Video.ID {
		t.Errorf("videos %s and %s", first.Video.ID, again.Video.ID)
	}
	if other := p.create("a.mp4", file); other.Video.ID == first.Video.ID {
		t.Error("without a key it is the same video")
	}
	p.call("POST", "/v1/videos", map[string]any{"filename": "b.mp4", "size": 1, "content_type": "video/mp4"}, key).
		refused(t, 422, "idempotency_key_reused")
	bia := shared.person(t, "en")
	if hers := bia.create("a.mp4", file, key); hers.Video.ID == first.Video.ID {
		t.Error("another person's key is the same")
	}
	again.post(t, file)
	p.completed(first.Video.ID)
}

func TestUploadsAreHeldToWhatWasSigned(t *testing.T) {
	notWith(t, "moto", "it checks neither signatures nor policies")
	t.Parallel()
	p := shared.person(t, "en")
	file := read(t, bottles)
	for name, change := range map[string]func(c *created, file *[]byte){
		"a longer file":      func(_ *created, file *[]byte) { *file = append(bytes.Clone(*file), 0) },
		"a shorter file":     func(_ *created, file *[]byte) { *file = (*file)[1:] },
		"another key":        func(c *created, _ *[]byte) { c.Upload.Fields["key"] += "x" },
		"another extraction": func(c *created, _ *[]byte) { c.Upload.Fields["x-amz-meta-fotograma"] = "e30" },
		"another trace":      func(c *created, _ *[]byte) { c.Upload.Fields["x-amz-meta-traceparent"] = traceparent },
		"no signature":       func(c *created, _ *[]byte) { delete(c.Upload.Fields, "X-Amz-Signature") },
	} {
		t.Run(name, func(t *testing.T) {
			video, sent := p.create("bottles.mp4", file), file
			video.Upload.Fields = maps.Clone(video.Upload.Fields)
			change(&video, &sent)
			if resp := video.post(t, sent); resp.StatusCode/100 != 4 {
				t.Errorf("S3 answered %s", resp.Status)
			}
			p.call("POST", "/v1/videos/"+video.Video.ID+"/complete", map[string]any{}).refused(t, 409, "upload_missing")
		})
	}

	// What was announced by its hash is held to that, too.
	var video created
	p.call("POST", "/v1/videos", map[string]any{
		"filename": "bottles.mp4", "size": len(file), "content_type": "video/mp4", "sha256": sum(file[1:]),
	}).into(t, 201, &video)
	video.post(t, file)
	if v := p.wait(video.Video.ID); v.Status != client.Failed || v.Error.Code != "checksum_mismatch" {
		t.Errorf("a file of another hash ended as %s: %+v", v.Status, v.Error)
	}
}

func TestAVideoIsNotSentAgainWhenItHasNotChanged(t *testing.T) {
	t.Parallel()
	p := shared.person(t, "en")
	id := p.completed(p.upload("bottles.mp4", read(t, bottles), `{"fps":0.2}`).ID).ID
	etag := p.call("GET", "/v1/videos/"+id, nil).header.Get("ETag")
	if same := p.call("GET", "/v1/videos/"+id, nil, "If-None-Match: "+etag); same.status != 304 || len(same.body) > 0 {
		t.Errorf("unchanged: %d with %d bytes", same.status, len(same.body))
	}
	if err := p.Retry(t.Context(), id, json.RawMessage(`{"fps":0.1}`)); err != nil {
		t.Fatal(err)
	}
	p.waitFor(id, func(v *client.Video) bool { return v.Status == client.Completed && v.Archive.Frames == 4 })
	if changed := p.call("GET", "/v1/videos/"+id, nil, "If-None-Match: "+etag); changed.status != 200 {
		t.Errorf("changed: %d", changed.status)
	}
}

// TestCancelRetryDelete takes one video through all that a person can do with it.
func TestCancelRetryDelete(t *testing.T) {
	t.Parallel()
	s := ownStack(t)
	p := s.person(t, "en")
	file := read(t, bunny)
	name := strings.ToLower(rand.Text()) + ".mp4"
	// Every picture as a large PNG takes far longer than the test waits.
	id := p.upload(name, file, `{"fps":24,"format":"png","width":2560}`).ID

	worker, decoder := s.extracting(t)
	p.call("GET", "/v1/videos/"+id+"/download", nil).refused(t, 409, "not_ready")
	asked := time.Now()
	if err := p.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if v := p.wait(id); v.Status != client.Cancelled {
		t.Fatalf("it is %s", v.Status)
	}
	until(t, "decoding has stopped", func() bool { return !decoder.lives() })
	if took := time.Since(asked); took > 5*time.Second {
		t.Errorf("decoding stopped %s after that was asked for", took)
	}
	s.settled(t)
	if !worker.lives() {
		t.Error("the worker died of it")
	}
	if left, parts := s.objects(t, archivesBucket, ""), s.unfinished(t, archivesBucket); len(left) > 0 || parts > 0 {
		t.Errorf("the archives bucket has %v and %d unfinished uploads", left, parts)
	}

	if err := p.Retry(t.Context(), id, json.RawMessage(`{"mode":"interval","interval":5,"format":"png","width":160}`)); err != nil {
		t.Fatal(err)
	}
	video := p.waitFor(id, func(v *client.Video) bool { return v.Status == client.Completed })
	a := p.download(id)
	p.checkArchive(video, a, file)
	if f := a.manifest.Frames; len(f) != 6 || f[0].Width != 160 || f[0].Height != 90 || f[1].Time != 5 {
		t.Errorf("after the retry: %+v", f)
	}
	p.waitMails(1) // none told of the cancellation
	p.call("POST", "/v1/videos/"+id+"/cancel", nil)
	s.settled(t)
	if v := p.wait(id); v.Status != client.Completed {
		t.Errorf("what had completed became %s", v.Status)
	}

	if err := p.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.settled(t)
	p.mustNotReach(id)
	for _, bucket := range []string{uploadsBucket, archivesBucket} {
		if left := s.objects(t, bucket, ""); len(left) > 0 {
			t.Errorf("%s has %v", bucket, left)
		}
	}
	if left := s.rows(t, "outbox#"); len(left) > 0 {
		t.Errorf("events that were not sent: %v", left)
	}
	// What is kept is that there was a video of this ID, so that events of it that
	// come late change nothing; nothing of what it was.
	for _, text := range []string{name, sum(file), video.Archive.SHA256, `"h264"`} {
		if left := s.rows(t, text); text != "" && len(left) > 0 { // an archive may have no hash
			t.Errorf("%s is still in %v", text, left)
		}
	}
	for _, row := range s.rows(t, id) {
		if !strings.Contains(row, "deleted") && !strings.HasPrefix(row, "fotograma-notification ") {
			t.Errorf("left: %s", row)
		}
	}
	page, err := p.Videos(t.Context(), "", "", 0)
	if err != nil || len(page.Videos) > 0 {
		t.Errorf("listed: %+v, %v", page, err)
	}
}
