package frames

import (
	"encoding/binary"
	"math/big"
)

// instants are the wanted moments of the modes that name moments, counted from
// the video's first picture.
type instants interface {
	// len returns how many there are, -1 if that depends on the video's end.
	len() int64
	// tick returns the last moment in time base units that is not after instant
	// k. A picture is on display at instant k exactly if it is at that moment.
	tick(k int64) int64
}

// grid is evenly spaced instants: number k is at start + k/rate, and tick(k) is
// (a + k*b) / c, rounded down. All arithmetic is exact.
type grid struct {
	a, b, c *big.Int
	n       int64
}

func newGrid(start, rate *big.Rat, n int64, base timeBase) grid {
	num, den := big.NewInt(base.num), big.NewInt(base.den)
	product := func(factors ...*big.Int) *big.Int {
		p := big.NewInt(1)
		for _, f := range factors {
			p.Mul(p, f)
		}
		return p
	}
	return grid{
		a: product(start.Num(), rate.Num(), den),
		b: product(rate.Denom(), start.Denom(), den),
		c: product(start.Denom(), rate.Num(), num),
		n: n,
	}
}

func (g grid) len() int64 { return g.n }

func (g grid) tick(k int64) int64 {
	t := new(big.Int).Mul(big.NewInt(k), g.b)
	return saturated(t.Add(t, g.a).Quo(t, g.c))
}

// list is instants one by one, in seconds.
type list struct {
	seconds []float64
	base    timeBase
}

func (l list) len() int64 { return int64(len(l.seconds)) }

func (l list) tick(k int64) int64 { return l.base.floor(rational(l.seconds[k])) }

// saturated returns n, or the largest int64 if it is larger: no video lasts so long.
func saturated(n *big.Int) int64 {
	if !n.IsInt64() {
		return 1<<62 - 1
	}
	return min(n.Int64(), 1<<62-1)
}

// floor returns how many whole units a time that is not negative has.
func (b timeBase) floor(seconds *big.Rat) int64 {
	ticks := new(big.Rat).Mul(seconds, big.NewRat(b.den, b.num))
	return saturated(new(big.Int).Quo(ticks.Num(), ticks.Denom()))
}

// ceil returns the first moment that is not before a time.
func (b timeBase) ceil(seconds *big.Rat) int64 {
	return saturated(ceil(new(big.Rat).Mul(seconds, big.NewRat(b.den, b.num))))
}

// ticks returns the moments of instants first to end (exclusive) as the program
// reads them.
func ticks(i instants, first, end int64) []byte {
	b := make([]byte, 0, 8*max(0, end-first))
	for k := first; k < end; k++ {
		b = binary.LittleEndian.AppendUint64(b, uint64(i.tick(k)))
	}
	return b
}

// newInstants returns the moments that x wants, nil for modes that name pictures
// instead. length is how long the video lasts, needed for mode "count" alone.
func newInstants(x Extraction, base timeBase, length *big.Rat) instants {
	start := rational(deref(x.Start))
	most := x.most()
	if x.Dedupe {
		most = x.instants() // frames that are left out do not count
	}
	switch x.Mode {
	case ModeFPS, ModeInterval:
		return newGrid(start, x.rate(), most, base)
	case ModeTimestamps:
		return list{x.Timestamps[:most], base}
	case ModeCount:
		end := length
		if x.End != nil && rational(*x.End).Cmp(end) < 0 {
			end = rational(*x.End)
		}
		span := new(big.Rat).Sub(end, start)
		if span.Sign() <= 0 {
			return list{nil, base}
		}
		rate := new(big.Rat).SetInt64(int64(x.Count))
		return newGrid(start, rate.Quo(rate, span), most, base)
	default:
		return nil
	}
}
