package frames

import (
	"fmt"
	"math/big"
	"strings"
)

// Keys of the frame metadata that FFmpeg is made to print (see trace.go): for
// every decoded picture its timestamp, and what became of it.
const (
	traceDecoded  = "fotograma_decoded"
	traceSelected = "fotograma_selected"
)

// selection is how FFmpeg's filter graph chooses the pictures that become
// images, so that it need not encode the others.
//
// A picture is wanted if an instant lies between its timestamp and the next
// picture's, so the choice needs the next one. The setpts filter counts, for
// each picture, how many images come before its own (its rank): one more
// whenever an instant has passed since the picture before. That rank becomes
// the timestamp of a stream in which the fps filter then keeps, of all pictures
// with the same rank, the last: the one on display when the instant passed.
// Each becomes exactly one image, even if it is displayed at many instants.
// Once all instants have passed every picture gets a rank of its own: encoders
// that work on several images at once hold back the last ones until more come.
//
// Ranks are doubled and one is added, and fps rounds them down again, except
// for the end of the stream, which it rounds up: that always lets the last
// picture through, whatever FFmpeg believes about its duration, because setpts
// applies the same expression to the end's timestamp. (So do FFmpeg 5.1, 7.0 and
// 7.1; one that did not would lack an image, and the job would fail.)
//
// setpts computes with float64. The numbers that it divides are integers; as
// long as they stay below 2^53 the rounded-up quotient is exact. When they
// could exceed that, and when about every picture is wanted anyway, all
// pictures become images, numbered in their order, and the timeline alone
// chooses.
type selection struct {
	every   bool
	filters string
}

// exactFloat is the bound below which every integer is a float64.
const exactFloat = 1 << 53

// newSelection plans for a video of a length of at most span seconds.
func newSelection(g grid, m Media, span float64) selection {
	all := selection{every: true, filters: printTimestamp(traceDecoded) + ",setpts=N"}
	if m.averageRate != nil && g.x.rate().Cmp(m.averageRate) >= 0 {
		return all
	}
	ticks := new(big.Int).SetInt64(int64(span/m.base.seconds(1)) + 1)
	largest := ticks.Mul(ticks, g.a)
	largest.Add(largest, g.b).Add(largest, g.c)
	if largest.CmpAbs(big.NewInt(exactFloat)) >= 0 {
		return all
	}
	// One tick of the rank stream is two units of the time base. fps is told its
	// rate as a float64 and finds the fraction again if its terms are small.
	rate := big.NewRat(m.base.den, 2*m.base.num)
	terms := new(big.Int).Mul(rate.Num(), rate.Denom())
	if terms.Cmp(big.NewInt(exactFloat>>3)) >= 0 {
		return all
	}
	return selection{filters: strings.Join([]string{
		printTimestamp(traceDecoded),
		"setpts='" + rankExpression(g) + "'",
		printTimestamp(traceSelected),
		fmt.Sprintf("fps=fps=%s/%s:round=down:eof_action=pass", rate.Num(), rate.Denom()),
	}, ",")}
}

// rankExpression returns setpts's expression. Variable 0 holds the number of
// instants that have passed, 1 the rank.
func rankExpression(g grid) string {
	passed := fmt.Sprintf("max(0,ceil(((PTS-STARTPTS)*%s-%s)/%s))", g.a, g.b, g.c)
	next := "gt(ld(2),ld(0))"
	if g.most >= 0 {
		passed = fmt.Sprintf("min(%d,%s)", g.most, passed)
		next += fmt.Sprintf("+gte(ld(2),%d)", g.most)
	}
	return "st(2,if(isnan(PTS),ld(0),max(ld(0)," + passed + ")));" +
		"if(" + next + ",st(1,ld(1)+1));" +
		"st(0,ld(2));" +
		"2*ld(1)+1"
}

// rankTimestamp is the timestamp that setpts gives to pictures of a rank.
func rankTimestamp(rank int64) int64 { return 2*rank + 1 }

// printTimestamp returns the filters that print each picture's timestamp, under
// a key, to file descriptor 3.
func printTimestamp(key string) string {
	return fmt.Sprintf(`metadata=mode=add:key=%s:value=1,metadata=mode=print:key=%[1]s:file='pipe\:3':direct=1`, key)
}
