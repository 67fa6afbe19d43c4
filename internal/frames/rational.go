package frames

import (
	"math"
	"math/big"
)

// rational reads a decimal number that a person wrote, and that JSON turned
// into the nearest float64, as the fraction that was meant: of all fractions
// that round to this very float64, the one with the smallest denominator.
//
// 29.97 is 2997/100, 2.3333333333333335 is 7/3, 29.97002997002997 is
// 30000/1001. Instants computed from such fractions do not drift, however long
// the video is; computed from the float64 itself they would miss, by less than
// a nanosecond, the frames that start exactly on an instant.
//
// f must be less than 2^1023 in magnitude.
func rational(f float64) *big.Rat {
	if f < 0 {
		r := rational(-f)
		return r.Neg(r)
	}
	if f == 0 {
		return new(big.Rat)
	}
	value := new(big.Rat).SetFloat64(f)
	half := big.NewRat(1, 2)
	below := new(big.Rat).SetFloat64(math.Nextafter(f, 0))
	above := new(big.Rat).SetFloat64(math.Nextafter(f, math.Inf(1)))
	lo := new(big.Rat).Mul(half, below.Add(below, value))
	hi := new(big.Rat).Mul(half, above.Add(above, value))
	return simplest(lo, hi)
}

// simplest returns the fraction with the smallest denominator strictly between
// lo and hi, where 0 <= lo < hi. It walks down the continued fraction that the
// two bounds share.
func simplest(lo, hi *big.Rat) *big.Rat {
	floor := new(big.Int).Quo(lo.Num(), lo.Denom())
	next := new(big.Rat).SetInt(new(big.Int).Add(floor, big.NewInt(1)))
	if next.Cmp(hi) < 0 {
		return next
	}
	whole := new(big.Rat).SetInt(floor)
	a := new(big.Rat).Sub(lo, whole)
	b := new(big.Rat).Sub(hi, whole)
	if a.Sign() == 0 {
		// lo is whole and hi at most one more: the simplest is lo + 1/n for the
		// smallest n that stays under hi.
		n := new(big.Int).Quo(b.Denom(), b.Num())
		n.Add(n, big.NewInt(1))
		return whole.Add(whole, new(big.Rat).SetFrac(big.NewInt(1), n))
	}
	rest := simplest(b.Inv(b), a.Inv(a))
	return whole.Add(whole, rest.Inv(rest))
}
