package e2e

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/fotograma/fotograma/pkg/client"
)

// created is the answer of POST /v1/videos.
type created struct {
	Video  client.Video `json:"video"`
	Upload struct {
		Method   string            `json:"method"`
		URL      string            `json:"url"`
		Fields   map[string]string `json:"fields"`
		PartSize int               `json:"part_size"`
	} `json:"upload"`
}

type part struct {
	Number int    `json:"part_number"`
	ETag   string `json:"etag"`
	Size   int    `json:"size,omitempty"`
}

// create registers a video without our client.
func (p *person) create(name string, file []byte, headers ...string) created {
	p.t.Helper()
	var c created
	p.call("POST", "/v1/videos", map[string]any{"filename": name, "size": len(file), "content_type": "video/mp4", "sha256": sum(file)}, headers...).into(p.t, 201, &c)
	return c
}

// post uploads a file in one presigned request.
func (c created) post(t testing.TB, file []byte, headers ...string) *http.Response {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(c.Upload.Fields)) {
		_ = form.WriteField(name, c.Upload.Fields[name])
	}
	field, err := form.CreateFormFile("file", c.Video.Filename)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = field.Write(file)
	_ = form.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", c.Upload.URL, &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp
}

// sign has parts of a multipart upload signed, and gives their addresses.
func (p *person) sign(c created, numbers ...int) []string {
	p.t.Helper()
	var signed struct {
		Parts []struct {
			URL string `json:"url"`
		} `json:"parts"`
	}
	p.call("POST", "/v1/videos/"+c.Video.ID+"/parts", map[string]any{"part_numbers": numbers}).into(p.t, 200, &signed)
	var addresses []string
	for _, part := range signed.Parts {
		addresses = append(addresses, part.URL)
	}
	return addresses
}

// part gives the bytes of a part, 1 being the first.
func (c created) part(file []byte, number int) []byte {
	begin := (number - 1) * c.Upload.PartSize
	return file[begin:min(begin+c.Upload.PartSize, len(file))]
}

// putParts uploads some parts of a multipart upload.
func (p *person) putParts(c created, file []byte, numbers ...int) []part {
	p.t.Helper()
	var parts []part
	for i, address := range p.sign(c, numbers...) {
		piece := c.part(file, numbers[i])
		req, err := http.NewRequestWithContext(p.t.Context(), "PUT", address, bytes.NewReader(piece))
		if err != nil {
			p.t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			p.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 {
			p.t.Fatalf("part %d: %s", numbers[i], resp.Status)
		}
		parts = append(parts, part{Number: numbers[i], ETag: resp.Header.Get("ETag"), Size: len(piece)})
	}
	return parts
}

// putHalf uploads half of a part, and returns while the rest is awaited. It must
// be told when the rest is not to come.
func (p *person) putHalf(c created, file []byte, number int) (end func()) {
	p.t.Helper()
	piece := c.part(file, number)
	body, sink := io.Pipe()
	req, err := http.NewRequestWithContext(p.t.Context(), "PUT", p.sign(c, number)[0], body)
	if err != nil {
		p.t.Fatal(err)
	}
	req.ContentLength = int64(len(piece))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			p.t.Errorf("half of a part was answered by %s", resp.Status)
		}
	}()
	if _, err := sink.Write(piece[:len(piece)/2]); err != nil {
		p.t.Fatal(err)
	}
	return func() {
		_ = sink.CloseWithError(io.ErrUnexpectedEOF)
		<-ended
	}
}

// large makes a video too large for one request: behind the film comes a box of
// free space (ISO/IEC 14496-12, 8.1.2).
func large(film []byte) []byte {
	free := make([]byte, 101<<20)
	binary.BigEndian.PutUint32(free, uint32(len(free)))
	copy(free[4:], "free")
	return append(bytes.Clone(film), free...)
}

func TestAKilledStackLosesNothing(t *testing.T) {
	t.Parallel()
	s := ownStack(t)
	p := s.person(t, "en")
	session := p.login()
	p.token = session.Access
	finished := p.completed(p.upload("bottles.mp4", read(t, bottles), `{"fps":1}`).ID)
	p.waitMails(1)
	s.settled(t)
	before := p.state(finished.ID)
	queue := "survivor"
	if _, err := s.sqs().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &queue}); err != nil {
		t.Fatal(err)
	}
	s.send(t, queue, "still here")
	file := large(read(t, bunny))
	video := p.create("large.mp4", file, "Traceparent: "+traceparent)
	if video.Upload.Method != "MULTIPART" {
		t.Fatalf("%d bytes are to be sent by %s", len(file), video.Upload.Method)
	}
	sent := p.putParts(video, file, 2, 1, 4)
	endHalf := p.putHalf(video, file, 5)

	s.kill()
	endHalf()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}

	var me client.User
	p.call("GET", "/v1/auth/me", nil).into(t, 200, &me)
	if me.ID != p.id || me.Email != p.email {
		t.Errorf("the token of before is of %+v", me)
	}
	var renewed tokens
	s.call(t, "POST", "/v1/auth/refresh", map[string]string{"refresh_token": session.Refresh}).into(t, 200, &renewed)
	if diff := cmp.Diff(before, p.state(finished.ID)); diff != "" {
		t.Errorf("the finished video (-before +after):\n%s", diff)
	}
	p.checkArchive(finished, p.download(finished.ID), read(t, bottles))
	received, err := s.sqs().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: s.queueURL(t, queue), WaitTimeSeconds: 1})
	if err != nil || len(received.Messages) != 1 || *received.Messages[0].Body != "still here" {
		t.Errorf("received %+v, %v", received, err)
	}

	var there struct {
		Parts []part `json:"parts"`
	}
	p.call("GET", "/v1/videos/"+video.Video.ID+"/parts", nil).into(t, 200, &there)
	slices.SortFunc(sent, func(a, b part) int { return a.Number - b.Number })
	if diff := cmp.Diff(sent, there.Parts); diff != "" {
		t.Fatalf("parts (-sent +there):\n%s", diff)
	}
	missing := p.putParts(video, file, 3, 5, 6, 7)
	all := slices.SortedFunc(slices.Values(append(sent, missing...)), func(a, b part) int { return a.Number - b.Number })
	for i := range all {
		all[i].Size = 0
	}
	p.call("POST", "/v1/videos/"+video.Video.ID+"/complete", map[string]any{"parts": all}).into(t, 202, &struct{}{})
	done := p.completed(video.Video.ID)
	a := p.download(done.ID)
	p.checkArchive(done, a, file)
	if len(a.manifest.Frames) != 30 {
		t.Errorf("%d frames, want 30", len(a.manifest.Frames))
	}
	p.waitMails(2)
	// The upload has carried its trace through the crash.
	s.wantTraced(t, traceID, step{"ProcessFunction", "process processing"}, step{"NotifyFunction", "SES/SendRawEmail"})
	if n := s.unfinished(t, uploadsBucket); n > 0 {
		t.Errorf("%d multipart uploads are left", n)
	}
}

func TestAKilledStackGoesOnWithAVideo(t *testing.T) {
	needsBuiltIn(t, heldBack)
	t.Parallel()
	s := ownStack(t)
	p := s.person(t, "en")
	file := read(t, bunny)
	video := p.upload("bunny.mp4", file, long)
	s.extracting(t)
	children := s.children(t)
	s.kill()
	allEnd(t, children)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	p.rightAndOnce(p.completed(video.ID), file)
}

func TestAnUploadIsNotForgottenWhenTheStackIsKilledAtOnce(t *testing.T) {
	needsBuiltIn(t, heldBack)
	t.Parallel()
	s := ownStack(t)
	p := s.person(t, "en")
	file := read(t, bottles)
	const rounds = 3
	for round := range rounds {
		video := p.create("bottles.mp4", file)
		resp := video.post(t, file)
		s.kill()
		if resp.StatusCode != 201 {
			t.Fatal(resp.Status)
		}
		time.Sleep(time.Duration(round) * time.Second / 4)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		done := p.completed(video.Video.ID)
		p.checkArchive(done, p.download(done.ID), file)
		p.waitMails(round + 1)
	}
}

func TestTheStackStopsAtOnceAndGoesOnLater(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			s := ownStack(t)
			p := s.person(t, "en")
			file := read(t, bunny)
			video := p.upload("bunny.mp4", file, long)
			s.extracting(t)
			children := s.children(t)
			started := time.Now()
			if err := s.end(signal); err != nil {
				t.Error(err)
			}
			allEnd(t, children) // FFmpeg ends when it finds that nobody reads its frames
			took := time.Since(started)
			t.Logf("it ended after %s", took)
			if took > 3*time.Second {
				t.Error("that is more than three seconds")
			}
			if err := s.start(); err != nil {
				t.Fatal(err)
			}
			p.rightAndOnce(p.completed(video.ID), file)
		})
	}
}

func TestTheStackRefusesToShare(t *testing.T) {
	t.Parallel()
	data := func(s *stack) string { return filepath.Join(s.dir, "data") }
	for _, c := range []struct {
		name          string
		dir, web, aws string
		want          string
	}{
		{"the data folder", data(shared), freeAddress(), freeAddress(), "another stack uses " + data(shared)},
		{"the API's address", t.TempDir(), shared.web, freeAddress(), shared.web},
		{"the address of the AWS services", t.TempDir(), freeAddress(), shared.aws, shared.aws},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.aws == shared.aws {
				needsBuiltIn(t, "nothing listens there")
			}
			cmd := exec.CommandContext(t.Context(), "bin/fotograma", "up", "--data-dir", c.dir, "--addr", c.web, "--aws-addr", c.aws)
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), c.want) {
				t.Errorf("%v\n%s\nwant it to tell of %s", err, out, c.want)
			}
			if lines := strings.Count(strings.TrimSpace(string(out)), "\n"); lines > 3 {
				t.Errorf("that takes %d lines:\n%s", lines+1, out)
			}
		})
	}
	if err := shared.client().Health(t.Context()); err != nil {
		t.Errorf("the stack that was there: %v", err)
	}
}
