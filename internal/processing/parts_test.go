package processing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// shelf takes parts, and puts them together in the order of their numbers.
type shelf struct {
	mu    sync.Mutex
	parts map[int32][]byte
}

func (s *shelf) put(_ context.Context, number int32, data []byte) (Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = map[int32][]byte{}
	}
	s.parts[number] = bytes.Clone(data)
	return Part{Number: number, ETag: fmt.Sprint(len(data))}, nil
}

func (s *shelf) joined(all []Part) []byte {
	var out []byte
	for _, part := range all {
		out = append(out, s.parts[part.Number]...)
	}
	return out
}

func noise(seed uint64, size int) []byte {
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	data := make([]byte, size)
	_, _ = random.Read(data)
	return data
}

// writeAll writes in pieces whose sizes have nothing to do with parts.
func writeAll(t *testing.T, w io.Writer, data []byte) {
	t.Helper()
	for piece := range slices.Chunk(data, 1_234_567) {
		if n, err := w.Write(piece); n != len(piece) || err != nil {
			t.Fatalf("wrote %d of %d, %v", n, len(piece), err)
		}
	}
}

func TestARunIsCutIntoAHeadAndPartsThatS3Takes(t *testing.T) {
	for _, size := range []int{
		0, 1, minPart - 1, minPart, minPart + 1, 2*minPart - 1, 2 * minPart, 2*minPart + 1,
		minPart + partSizes[0], 2*minPart + partSizes[0], 2*minPart + partSizes[0] + 1, 3*minPart + 2*partSizes[0] + 77, 90 << 20,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := noise(1, size)
			var s shelf
			out := &run{parts: newParts(t.Context(), numbers{101, 9}, minPart, s.put)}
			writeAll(t, out, data)
			all, err := out.parts.close()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(append(slices.Clip(out.head), s.joined(all)...), data) {
				t.Error("the head and the parts are not what was written")
			}
			if len(out.head) < min(size, minPart) || len(out.head) > 2*minPart {
				t.Errorf("a head of %d bytes", len(out.head))
			}
			for i, part := range all {
				if part.Number != int32(101+i) || len(s.parts[part.Number]) < minPart {
					t.Errorf("part %d of %d bytes at place %d", part.Number, len(s.parts[part.Number]), i)
				}
			}
		})
	}
}

func TestEqualRunsAreCutAlike(t *testing.T) {
	data := noise(2, 60<<20)
	var cuts [2][]Part
	for i, piece := range []int{1 << 10, 9 << 20} {
		var s shelf
		out := &run{parts: newParts(t.Context(), numbers{1, 20}, minPart, s.put)}
		for b := range slices.Chunk(data, piece) {
			if _, err := out.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if cuts[i], err = out.parts.close(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(cuts[0], cuts[1]) {
		t.Errorf("%v and %v", cuts[0], cuts[1])
	}
}

// A hundred thousand PNG of 3 MB are 300 GB.
func TestPartNumbersAreEnough(t *testing.T) {
	const archive = 300_000_000_000
	for _, segments := range []int{2, 3, 24, 100, 333, mostSegments} {
		p := &planned{Block: block(segments)}
		room := 0
		for i := range p.numbers(0).count {
			room += p.numbers(0).size(i)
		}
		if want := archive / segments * 3 / 2; room < want {
			t.Errorf("%d segments: room for %d bytes each, want half as much again as their %d", segments, room, archive/segments)
		}
		last := p.numbers(segments - 1)
		if end := p.head(segments); last.first+last.count != end || end > maxParts {
			t.Errorf("%d segments: the last one's parts end before %d, and the end begins with %d", segments, last.first+last.count, end)
		}
	}
	whole := numbers{1, maxParts}
	room := 0
	for i := range whole.count {
		if size := whole.size(i); size < minPart || size > largest {
			t.Fatalf("part %d is of %d bytes", i, size)
		}
		room += whole.size(i)
	}
	if room < 2*archive {
		t.Errorf("one upload has room for %d bytes", room)
	}
}

func TestWhatFitsIntoNoPartIsTooMuch(t *testing.T) {
	var s shelf
	p := newParts(t.Context(), numbers{1, 1}, 1, s.put)
	data := make([]byte, partSizes[0]+2)
	_, err := p.Write(data)
	if known, ok := errors.AsType[*problem.Error](err); !ok || known.Code != problem.OutputTooLarge {
		t.Errorf("error %v", err)
	}
	if _, err := p.close(); err == nil {
		t.Error("it was closed as if all were there")
	}
}

func TestAnUploadThatFailsEndsTheWriting(t *testing.T) {
	broken := errors.New("S3 is down")
	p := newParts(t.Context(), numbers{1, 100}, 1, func(context.Context, int32, []byte) (Part, error) { return Part{}, broken })
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		_, err = p.Write(make([]byte, 1<<20))
	}
	if err == nil {
		_, err = p.close()
	}
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, err := p.close(); !errors.Is(err, broken) {
		t.Errorf("error %v when closed", err)
	}
}
