package e2e

import (
	"testing"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
)

// sharing starts a stack that shares out what others have one worker do.
func sharing(t *testing.T) *stack {
	t.Helper()
	s := newStack(t, t.TempDir())
	s.run(t, "SegmentWork=100", "MaxSegments=8")
	return s
}

// settledInSegments waits until all is over, and checks that the run was shared
// out and has left nothing.
func (s *stack) settledInSegments(t *testing.T, keys int) {
	t.Helper()
	s.settled(t)
	if len(s.rows(t, `segment#1#0004`)) == 0 {
		t.Error("the video was not shared out")
	}
	if left := s.objects(t, archivesBucket, ""); len(left) != keys {
		t.Errorf("the archives bucket has %v, want %d objects", left, keys)
	}
	if n := s.unfinished(t, archivesBucket); n > 0 {
		t.Errorf("%d unfinished uploads", n)
	}
}

func TestALongVideoIsSharedOutAmongWorkers(t *testing.T) {
	t.Parallel()
	s := sharing(t)
	p := s.person(t, "en")
	file := read(t, bunny)
	id := p.upload("bunny.mp4", file, long).ID
	var before float64
	video := p.waitFor(id, func(v *client.Video) bool {
		if v.Progress < before {
			t.Errorf("progress went from %g back to %g", before, v.Progress)
		}
		before = v.Progress
		return v.Status == client.Completed
	})
	if video.Archive.SHA256 != "" {
		t.Errorf("an archive of parts has the hash %s", video.Archive.SHA256)
	}
	p.rightAndOnce(video, file)
	s.settledInSegments(t, 2)

	// Alone, a worker makes the same.
	alone := ownStack(t)
	q := alone.person(t, "en")
	if whole := q.download(q.completed(q.upload("bunny.mp4", file, long).ID).ID); sum(whole.raw) != sum(p.download(id).raw) {
		t.Error("the archive is another than that of one worker")
	}
}

func TestAKilledWorkersSegmentIsDoneByAnother(t *testing.T) {
	t.Parallel()
	s := sharing(t)
	p := s.person(t, "en")
	file := read(t, bunny)
	video := p.upload("bunny.mp4", file, long)
	for range 2 {
		worker, decoder := s.extracting(t)
		worker.kill(t)
		allEnd(t, []process{worker, decoder})
	}
	p.rightAndOnce(p.completed(video.ID), file)
	s.settledInSegments(t, 2)
}

func TestAKilledStackGoesOnWithSegments(t *testing.T) {
	needsBuiltIn(t, heldBack)
	t.Parallel()
	s := sharing(t)
	p := s.person(t, "en")
	file := read(t, bunny)
	video := p.upload("bunny.mp4", file, long)
	s.extracting(t)
	children := s.children(t)
	s.kill()
	allEnd(t, children)
	if err := s.start("SegmentWork=100", "MaxSegments=3"); err != nil { // what was planned stays so
		t.Fatal(err)
	}
	p.rightAndOnce(p.completed(video.ID), file)
	s.settledInSegments(t, 2)
}

func TestASharedOutVideoThatIsCancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sharing(t)
	p := s.person(t, "en")
	id := p.upload("bunny.mp4", read(t, bunny), `{"fps":24,"format":"png","width":2560}`).ID
	_, decoder := s.extracting(t)
	asked := time.Now()
	if err := p.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	until(t, "decoding has stopped", func() bool { return !decoder.lives() })
	if took := time.Since(asked); took > 5*time.Second {
		t.Errorf("decoding stopped %s after that was asked for", took)
	}
	if v := p.wait(id); v.Status != client.Cancelled {
		t.Errorf("it is %s", v.Status)
	}
	s.settledInSegments(t, 0)
}
