package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fotograma/fotograma/internal/frames"
)

func TestTheStoreCountsWhatThePipelinesAsk(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.mp4"), bytes.Repeat([]byte("video"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	r := &run{job: job{Store: s.url, Key: "a.mp4"}}
	objects := r.objects()

	src, err := objects.Find(t.Context(), r.Key)
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 5)
	if _, err := src.ReadAt(piece, 4990); err != nil || string(piece) != "video" {
		t.Fatalf("read %q, %v", piece, err)
	}
	if got, archive := s.take(); got != (traffic{Gets: 2, Sent: 5}) || archive != nil {
		t.Errorf("counted %+v, and an archive of %d bytes", got, len(archive))
	}

	sent := bytes.Repeat([]byte("frames"), 3<<20) // more than a part
	err = r.upload(t.Context(), objects, func(w io.Writer) error {
		_, err := w.Write(sent)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, archive := s.take(); got.Puts < 4 || got.Gets+int(got.Sent) > 0 || !bytes.Equal(archive, sent) {
		t.Errorf("counted %+v, and an archive of %d bytes", got, len(archive))
	}
	if r.FirstByte == 0 {
		t.Error("the first byte was not noted")
	}
}

func TestALineIsAsSlowAsItShouldBe(t *testing.T) {
	var line pace
	began := time.Now()
	for range 100 {
		line.wait(lineRate / 1000)
	}
	if took := time.Since(began); took < 98*time.Millisecond {
		t.Errorf("a tenth of a second's bytes took %v", took)
	}
}

func TestImagesAreCutWhereTheyEnd(t *testing.T) {
	images := bufio.NewScanner(strings.NewReader("\xff\xd8one\xff\xd9\xff\xd8two\xff\xd9"))
	images.Split(splitAt(ending[frames.FormatJPEG]))
	var all []string
	for images.Scan() {
		all = append(all, images.Text())
	}
	if fmt.Sprintf("%q", all) != `["\xff\xd8one\xff\xd9" "\xff\xd8two\xff\xd9"]` || images.Err() != nil {
		t.Errorf("%q, %v", all, images.Err())
	}
	cut := bufio.NewScanner(strings.NewReader("\xff\xd8one"))
	cut.Split(splitAt(ending[frames.FormatJPEG]))
	if cut.Scan() || cut.Err() == nil {
		t.Error("an image without an end is taken")
	}
}

func TestNeededBytesEndWithTheLastWantedPictureOfAGroup(t *testing.T) {
	packets := []packet{ // I P B B, twice; shown from 2 s on, one a second
		{2, 1000, true}, {5, 100, false}, {3, 10, false}, {4, 1, false},
		{6, 1000, true}, {9, 100, false}, {7, 10, false}, {8, 1, false},
	}
	for step, want := range map[float64]int64{
		1: 1111 + 1111,
		2: 1111 + 1111, // the pictures of 2, 4, 6 and 8 s
		4: 1000 + 1000,
		5: 1000 + 1110,
		9: 1000,
	} {
		if got := sumNeeded(packets, step); got != want {
			t.Errorf("one every %g s: %d bytes, not %d", step, got, want)
		}
	}
}

func TestOnlyTheSameFramesAgree(t *testing.T) {
	one, two := picture(t, 1), picture(t, 2)
	for name, c := range map[string]struct {
		a, b []byte
		ok   bool
	}{
		"the same":       {pack(t, one, two), pack(t, one, two), true},
		"another order":  {pack(t, one, two), pack(t, two, one), false},
		"one less":       {pack(t, one, two), pack(t, one), false},
		"none":           {pack(t), pack(t), false},
		"not an archive": {pack(t, one), one, false},
	} {
		if err := (agreement{}).check(c.a, c.b); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func picture(t *testing.T, shade uint8) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	draw.Draw(img, img.Rect, image.Black, image.Point{}, draw.Src)
	img.Set(3, 3, color.Gray{shade})
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pack(t *testing.T, images ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i, img := range images {
		entry, err := w.Create(fmt.Sprintf("frames/%06d.png", i+1))
		if err == nil {
			_, err = entry.Write(img)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAChildMeasuresWhatItDoesAlone(t *testing.T) {
	r := &run{job: job{Twice: true}}
	calls := 0
	err := r.measure(func() error {
		calls++
		r.note()
		time.Sleep(10 * time.Millisecond)
		return nil
	})
	if err != nil || calls != 2 || r.Wall < 10*time.Millisecond || r.FirstByte > r.Wall {
		t.Errorf("%v: %d calls, %+v", err, calls, r.outcome)
	}
}

func TestMemoryOfDescendantsCounts(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc")
	}
	if self := peaks((descent{}).tree(os.Getpid())); self < 1<<20 {
		t.Errorf("this process has %d bytes", self)
	}
}

func TestRatiosAreOfPairs(t *testing.T) {
	r := &row{}
	for _, seconds := range [][2]float64{{1, 3}, {2, 4}, {10, 100}} {
		var p pair
		p.ours.Wall, p.theirs.Wall = time.Duration(seconds[0]*1e9), time.Duration(seconds[1]*1e9)
		r.pairs = append(r.pairs, p)
	}
	if s, ok := r.times(wall); !ok || s != (spread{2, 3, 10}) {
		t.Errorf("%+v, %v", s, ok)
	}
	if _, ok := r.times(disk); ok {
		t.Error("there is a ratio of nothing")
	}
	for _, c := range []struct {
		target
		verdict string
	}{{atLeast(wall, 3), "met"}, {atLeast(wall, 3.1), "**not met**"}, {atMost(wall, 0.3), "**not met**"}, {atLeast(disk, 1), "not measured"}} {
		if got := c.target.verdict(c.of(r)); got != c.verdict {
			t.Errorf("%s %s: %s", c.what, c.asked(), got)
		}
	}
}

func TestResultsGoBetweenTheirLines(t *testing.T) {
	s := newSuite(false)
	for _, r := range s.rows {
		r.needed = 1
		var p pair
		p.ours.Wall, p.theirs.Wall = time.Second, 2*time.Second
		r.pairs = []pair{p}
	}
	m := &model{clip: 62, perSecond: 0.1, plan: 0.2, open: 0.2, pieces: [pieces]float64{1, 1, 1, 1, 1, 1}, stock: 0.2, naive: 0.3}
	document := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(document, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := publish(document, report(s, m, machine(context.Background())), s, m); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "before\n"+begin) || !strings.HasSuffix(got, end+"after\n") || strings.Contains(got, "old") || !strings.Contains(got, "| 2.00× |") {
		t.Error(got)
	}
	for _, chart := range []string{targetsSVG, workersSVG} {
		svg, err := os.ReadFile(filepath.Join(filepath.Dir(document), chart))
		if err != nil || !bytes.HasPrefix(svg, []byte("<svg")) {
			t.Errorf("%s: %.40s, %v", chart, svg, err)
		}
	}
}

func TestMoreWorkersAreFaster(t *testing.T) {
	m := &model{clip: 60, perSecond: 0.1, plan: 0.2, open: 0.2, pieces: [pieces]float64{1, 1, 2, 1, 1, 1}}
	if once := m.predict(1).warm; once != 720 {
		t.Errorf("one worker takes %g s", once)
	}
	for _, c := range []struct {
		workers int
		slowest float64 // in proportion to the mean
	}{{60, 1}, {120, 1}, {720, 12.0 / 7}} {
		if got := m.slowest(c.workers) * float64(c.workers) / 720; math.Abs(got-c.slowest) > 1e-6 {
			t.Errorf("of %d segments the slowest takes %g times the mean, not %g", c.workers, got, c.slowest)
		}
	}
	for workers := 8; workers <= 120; workers += 8 {
		before, _ := m.speedUp(workers - 7)
		warm, cold := m.speedUp(workers)
		if warm <= before || warm > float64(workers) || cold >= warm {
			t.Errorf("%d workers are %g times faster, new ones %g times", workers, warm, cold)
		}
	}
}
