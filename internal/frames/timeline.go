package frames

import "math/big"

// grid is the wanted instants, counted from the video's first picture: instant
// k is at start + k/rate. All arithmetic is exact.
//
// With timestamps in units of num/den seconds, and d of them since the first
// picture, the number of instants before that moment is ceil((d*a - b) / c).
type grid struct {
	a, b, c *big.Int
	most    int64 // instants there are at most, -1 for no such bound
	x       Extraction
}

func newGrid(x Extraction, base timeBase) grid {
	rate, start := x.rate(), rational(deref(x.Start))
	num, den := big.NewInt(base.num), big.NewInt(base.den)
	product := func(factors ...*big.Int) *big.Int {
		p := big.NewInt(1)
		for _, f := range factors {
			p.Mul(p, f)
		}
		return p
	}
	g := grid{
		a:    product(num, start.Denom(), rate.Num()),
		b:    product(start.Num(), den, rate.Num()),
		c:    product(den, start.Denom(), rate.Denom()),
		most: x.most(),
		x:    x,
	}
	common := new(big.Int).GCD(nil, nil, g.a, g.c)
	if g.b.Sign() != 0 {
		common.GCD(nil, nil, common, g.b)
	}
	for _, n := range []*big.Int{g.a, g.b, g.c} {
		n.Quo(n, common)
	}
	return g
}

// before returns how many instants lie before the moment d time base units
// after the first picture. That is also the number of the first instant that
// does not.
func (g *grid) before(d int64) int64 {
	n := new(big.Int).Mul(big.NewInt(d), g.a)
	n.Sub(n, g.b)
	if n.Sign() <= 0 {
		return 0
	}
	n.Add(n, g.c).Sub(n, big.NewInt(1)).Quo(n, g.c)
	if g.most >= 0 && (!n.IsInt64() || n.Int64() > g.most) {
		return g.most
	}
	return n.Int64()
}

// picked is one image that FFmpeg writes, and what it is for: the instants from
// first on, count of them. A count of 0 means that nobody wants it.
type picked struct {
	pts          int64
	first, count int64
}

// timeline follows the pictures' timestamps in display order and decides for
// each at which of the wanted instants it is on display: those from its own
// timestamp up to, but not including, the next picture's.
//
// A picture's timestamp is taken to be at least its predecessor's; one that has
// none is taken to have its predecessor's. Of pictures with equal timestamps
// the last one is displayed.
type timeline struct {
	grid  grid
	every bool // every picture becomes an image, wanted or not; else, until all instants have passed, only those that are

	pictures int64 // how many there were
	timed    bool  // whether one of them had a timestamp
	origin   int64 // timestamp of the first that had
	now      int64 // timestamp of the latest, never going back
	gap      int64 // time between the two latest pictures that differ in time; 0 if there is no such pair
	passed   int64 // instants before now
	rank     int64 // images that come before the latest picture's
	latest   struct{ pts int64 }
}

// add takes the next picture's timestamp, and whether it has one, and returns
// the image that this completes, if any.
func (t *timeline) add(pts int64, known bool) (picked, bool) {
	t.pictures++
	switch {
	case known && !t.timed:
		t.timed = true
		t.origin, t.now = pts, pts
	case known && pts > t.now:
		t.gap = pts - t.now
		t.now = pts
	case !known:
		pts = t.now
	}
	var done picked
	var complete bool
	if t.pictures > 1 {
		done, complete = t.pass(t.grid.before(t.now - t.origin))
	}
	t.latest.pts = pts
	return done, complete
}

// pass moves on to where n instants have passed.
func (t *timeline) pass(n int64) (picked, bool) {
	n = max(n, t.passed)
	over := t.grid.most >= 0 && n >= t.grid.most
	if n == t.passed && !t.every && !over {
		return picked{}, false
	}
	done := picked{pts: t.latest.pts, first: t.passed, count: n - t.passed}
	t.passed = n
	t.rank++
	return done, true
}

// finish ends the video and returns the last picture's image. declaredEnd is
// the timestamp at which the file says that the picture ends, nil if it does
// not or cannot be believed; then the last picture is displayed for as long as
// the one before it, and a video's only picture for an instant.
func (t *timeline) finish(declaredEnd *int64) (picked, bool) {
	if t.pictures == 0 {
		return picked{}, false
	}
	end := t.end()
	if declaredEnd != nil && *declaredEnd > t.now {
		end = *declaredEnd
	}
	n := max(t.grid.before(end-t.origin), t.passed)
	done := picked{pts: t.latest.pts, first: t.passed, count: n - t.passed}
	t.passed = n
	return done, true
}

// end returns the timestamp at which the latest picture would end if it were
// displayed for as long as the one before.
func (t *timeline) end() int64 { return t.now + max(t.gap, 1) }
