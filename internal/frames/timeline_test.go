package frames

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entry is one frame of an archive: an instant and the picture displayed then.
type entry struct{ Instant, PTS int64 }

// play runs timestamps through a timeline, as FFmpeg's pictures would, and
// returns what ends up in the archive.
func play(line *timeline, stamps []int64, declaredEnd *int64) []entry {
	var out []entry
	add := func(p picked, ok bool) {
		for k := range p.count {
			if ok {
				out = append(out, entry{p.first + k, p.pts})
			}
		}
	}
	for _, pts := range stamps {
		add(line.add(pts, true))
	}
	add(line.finish(declaredEnd))
	return out
}

// look finds, for each instant in turn, the picture on display by looking at
// all of them.
func look(x Extraction, base timeBase, stamps []int64) []entry {
	end := stamps[len(stamps)-1] + 1
	for i := len(stamps) - 2; i >= 0; i-- {
		if gap := stamps[len(stamps)-1] - stamps[i]; gap > 0 {
			end = stamps[len(stamps)-1] + gap
			break
		}
	}
	var out []entry
	for k := int64(0); x.MaxFrames == 0 || k < int64(x.MaxFrames); k++ {
		// In units of the time base, counted from the first picture.
		t := new(big.Rat).Quo(new(big.Rat).SetInt64(k), x.rate())
		t.Add(t, rational(deref(x.Start)))
		if x.End != nil && t.Cmp(rational(*x.End)) >= 0 {
			return out
		}
		t.Quo(t, big.NewRat(base.num, base.den))
		t.Add(t, new(big.Rat).SetInt64(stamps[0]))
		if t.Cmp(new(big.Rat).SetInt64(end)) >= 0 {
			return out
		}
		on := stamps[0]
		for _, pts := range stamps {
			if new(big.Rat).SetInt64(pts).Cmp(t) <= 0 {
				on = pts
			}
		}
		out = append(out, entry{k, on})
	}
	return out
}

func TestTimelineShowsWhatIsOnDisplay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rates := []float64{0.1, 0.5, 1, 7.0 / 3, 12.5, 23.976, 24000.0 / 1001, 29.97, 30000.0 / 1001, 60, 240}
	bases := []timeBase{{1, 90000}, {1, 1000}, {1, 12288}, {1001, 30000}, {1, 25}, {1, 1_000_000_000}}
	for i := range 3000 {
		base := bases[random.IntN(len(bases))]
		second := max(base.den/base.num, 1)
		x := Extraction{FPS: rates[random.IntN(len(rates))]}
		if random.IntN(2) == 0 {
			x.Start = new(float64(random.IntN(300)) / 100)
		}
		if random.IntN(2) == 0 {
			x.End = new(deref(x.Start) + float64(1+random.IntN(300))/100)
		}
		if random.IntN(3) == 0 {
			x.MaxFrames = 1 + random.IntN(20)
		}
		x = x.WithDefaults()
		stamps := []int64{random.Int64N(2*second) - second}
		for range random.IntN(40) {
			gap := random.Int64N(max(second/5, 2))
			if random.IntN(2) == 0 {
				gap = max(second/25, 1)
			}
			stamps = append(stamps, stamps[len(stamps)-1]+gap)
		}
		want := look(x, base, stamps)
		for _, every := range []bool{false, true} {
			line := &timeline{grid: newGrid(x, base), every: every}
			if diff := cmp.Diff(want, play(line, stamps, nil)); diff != "" {
				t.Fatalf("case %d, every=%v: %+v in %v of %v (-want +got):\n%s", i, every, x, base, stamps, diff)
			}
		}
	}
}

func TestTimelineDoesNotDriftOverTwoHours(t *testing.T) {
	// Pictures at exactly 7/3 and 30000/1001 per second, sampled at their own rate
	// as JSON gives it: every instant falls exactly on a picture.
	for _, c := range []struct {
		name string
		fps  float64
		base timeBase
		step int64
	}{
		{"7/3 fps", 7.0 / 3, timeBase{1, 7000}, 3000},
		{"NTSC", 30000.0 / 1001, timeBase{1, 30000}, 1001},
		{"a third of a second", 3, timeBase{1, 90000}, 30000},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := &timeline{grid: newGrid(Extraction{FPS: c.fps}.WithDefaults(), c.base)}
			pictures := 7200 * c.base.den / c.step
			for i := range pictures {
				done, ok := line.add(i*c.step, true)
				if ok != (i > 0) || ok && (done.first != i-1 || done.count != 1 || done.pts != (i-1)*c.step) {
					t.Fatalf("picture %d of %d completes %+v, %v", i, pictures, done, ok)
				}
			}
		})
	}
}

func TestTimelineOfOddTimestamps(t *testing.T) {
	base := timeBase{1, 10}
	type stamp struct {
		pts   int64
		known bool
	}
	at := func(pts int64) stamp { return stamp{pts, true} }
	missing := stamp{}
	end := int64(50)
	for _, c := range []struct {
		name     string
		stamps   []stamp
		declared *int64
		want     []entry
	}{
		{"none at all", nil, nil, nil},
		{"one picture is there for an instant", []stamp{at(7)}, nil, []entry{{0, 7}}},
		{"one picture with a declared end", []stamp{at(7)}, &end, []entry{{0, 7}, {1, 7}, {2, 7}, {3, 7}, {4, 7}}},
		{"of equal timestamps the last counts", []stamp{at(0), at(10), at(10), at(20)}, nil, []entry{{0, 0}, {1, 10}, {2, 20}}},
		{"a timestamp that goes back counts as its predecessor's", []stamp{at(0), at(10), at(4), at(20)}, nil, []entry{{0, 0}, {1, 4}, {2, 20}}},
		{"a missing timestamp counts as its predecessor's", []stamp{at(0), at(10), missing, at(20)}, nil, []entry{{0, 0}, {1, 10}, {2, 20}}},
		{"missing at first", []stamp{missing, missing, at(30), at(40)}, nil, []entry{{0, 30}, {1, 40}}},
		{"a pause repeats the picture", []stamp{at(0), at(1), at(32), at(33)}, nil, []entry{{0, 0}, {1, 1}, {2, 1}, {3, 1}}},
		{"a declared end before the last picture is not believed", []stamp{at(0), at(50), at(60)}, &end, []entry{{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 50}, {6, 60}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := &timeline{grid: newGrid(Extraction{}.WithDefaults(), base)}
			var got []entry
			add := func(p picked, ok bool) {
				for k := range p.count {
					if ok {
						got = append(got, entry{p.first + k, p.pts})
					}
				}
			}
			for _, s := range c.stamps {
				add(line.add(s.pts, s.known))
			}
			add(line.finish(c.declared))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSelectionIsLeftToTheTimelineWhereFloatsWouldRound(t *testing.T) {
	rate := func(fps int64) *big.Rat { return big.NewRat(fps, 1) }
	for _, c := range []struct {
		name  string
		fps   float64
		start float64
		base  timeBase
		rate  *big.Rat
		every bool
	}{
		{"ordinary", 1, 0, timeBase{1, 90000}, rate(25), false},
		{"decimal rate and start", 29.97, 12.345, timeBase{1, 90000}, rate(60), false},
		{"source rate unknown", 1, 0, timeBase{1, 1000}, nil, false},
		{"as dense as the source", 25, 0, timeBase{1, 90000}, rate(25), true},
		{"denser than the source", 60, 0, timeBase{1, 90000}, rate(25), true},
		{"nanoseconds and odd decimals", 29.97, 12.3456789, timeBase{1, 1_000_000_000}, rate(25), true},
		{"a time base with large terms", 1, 0, timeBase{1_000_003, 2_000_000_011}, rate(25), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := Extraction{FPS: c.fps, Start: &c.start}.WithDefaults()
			got := newSelection(newGrid(x, c.base), Media{base: c.base, averageRate: c.rate}, 12*3600)
			if got.every != c.every {
				t.Errorf("every = %v, filters %s", got.every, got.filters)
			}
		})
	}
}
