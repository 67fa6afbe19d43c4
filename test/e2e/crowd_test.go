package e2e

import (
	"bytes"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/fotograma/fotograma/pkg/client"
)

// TestManyVideosOfManyPeopleAtOnce: ten people upload twenty videos each, at the
// same time. Each person's are of a colour of their own, and each video asks for
// another number of frames, so that it shows whose archive is whose.
func TestManyVideosOfManyPeopleAtOnce(t *testing.T) {
	const people, each = 10, 20
	s := newStack(t, t.TempDir())
	s.run(t, "DigestSeconds=20")
	type member struct {
		*person
		film   []byte
		colour [3]byte
		ids    []string
	}
	crowd := make([]*member, people)
	for i := range crowd {
		m := &member{person: s.person(t, "en"), colour: [3]byte{byte(25 * i), byte(250 - 25*i), byte(60 * (i % 4))}}
		m.film = film(t, "mp4", "-f", "lavfi", "-i",
			fmt.Sprintf("color=0x%02X%02X%02X:size=64x64:rate=25:duration=1", m.colour[0], m.colour[1], m.colour[2]),
			"-pix_fmt", "yuv420p", "-qp", "1", "-metadata", fmt.Sprintf("title=%d", i))
		crowd[i] = m
	}

	// fps of a person's n-th video, and so the number of its frames.
	frames := func(n int) int { return n%5 + 1 }
	var uploading sync.WaitGroup
	failures := make(chan error, people*each)
	for _, m := range crowd {
		uploading.Go(func() {
			for n := range each {
				video, err := m.Upload(t.Context(), bytes.NewReader(m.film), client.NewVideo{
					Filename: fmt.Sprintf("%d.mp4", n), Size: int64(len(m.film)), ContentType: "video/mp4",
					Extraction: []byte(fmt.Sprintf(`{"fps":%d,"format":"png"}`, frames(n))),
				}, nil)
				if err != nil {
					failures <- fmt.Errorf("video %d of %s: %w", n, m.email, err)
					return
				}
				m.ids = append(m.ids, video.ID)
			}
		})
	}
	uploading.Wait()
	close(failures)
	for err := range failures {
		t.Fatal(err)
	}

	for i, m := range crowd {
		stranger := crowd[(i+1)%people]
		for n, id := range m.ids {
			video := m.completed(id)
			a := m.download(id)
			checkFrames(t, a)
			if v := a.manifest.Video; v.SHA256 != sum(m.film) || v.Filename != fmt.Sprintf("%d.mp4", n) || len(a.manifest.Frames) != frames(n) {
				t.Errorf("video %d of person %d: the archive is of %s, %s, and has %d frames", n, i, v.Filename, v.SHA256, len(a.manifest.Frames))
			}
			for _, f := range a.manifest.Frames {
				rgb, _ := pixels(t, f.File, a.files[f.File])
				for c, want := range m.colour {
					if math.Abs(float64(rgb[c])-float64(want)) > 8 { // colours are rounded on their way through YUV
						t.Fatalf("video %d of person %d: %s is %v, want %v", n, i, f.File, rgb[:3], m.colour)
					}
				}
			}
			if n == 0 {
				stranger.mustNotReach(video.ID)
				m.completed(id) // and nothing of it had an effect
			}
		}
		m.mustList(m.ids)
		m.waitTold(m.ids)
	}
}

// mustNotReach checks that a video is not found on any route.
func (p *person) mustNotReach(id string) {
	p.t.Helper()
	for _, route := range []struct {
		method, path string
		body         any
	}{
		{"GET", "", nil},
		{"GET", "/download", nil},
		{"GET", "/manifest", nil},
		{"GET", "/parts", nil},
		{"POST", "/parts", map[string]any{"part_numbers": []int{1}}},
		{"POST", "/complete", map[string]any{}},
		{"POST", "/retry", map[string]any{"extraction": map[string]any{"fps": 2}}},
		{"POST", "/cancel", nil},
		{"DELETE", "", nil},
	} {
		p.call(route.method, "/v1/videos/"+id+route.path, route.body).refused(p.t, 404, "not_found")
	}
}

// mustList checks that exactly these videos are listed, newest first, page by
// page and by status; ids are oldest first.
func (p *person) mustList(ids []string) {
	t := p.t
	t.Helper()
	for _, status := range []string{"", client.Completed} {
		var listed []client.Video
		pages := 0
		for cursor := ""; ; pages++ {
			page, err := p.Videos(t.Context(), status, cursor, 7)
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, page.Videos...)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
			if len(page.Videos) != 7 {
				t.Errorf("a page of %d that is not the last, want 7", len(page.Videos))
			}
		}
		if len(listed) != len(ids) || pages != (len(ids)-1)/7 {
			t.Fatalf("status %q: %d videos on %d pages, want %d", status, len(listed), pages+1, len(ids))
		}
		last := time.Now()
		for i, v := range listed {
			if want := ids[len(ids)-1-i]; v.ID != want || v.CreatedAt.After(last) {
				t.Errorf("status %q: video %d is %s of %s, want %s", status, i, v.ID, v.CreatedAt, want)
			}
			last = v.CreatedAt
		}
	}
	page, err := p.Videos(t.Context(), client.Failed, "", 0)
	if err != nil || len(page.Videos) != 0 {
		t.Errorf("failed videos: %v, %v; want none", page, err)
	}
}
