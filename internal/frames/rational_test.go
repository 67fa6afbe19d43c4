package frames

import (
	"math"
	"math/big"
	"strconv"
	"testing"
)

func TestRationalReadsWhatWasMeant(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"0", "0/1"},
		{"1", "1/1"},
		{"25", "25/1"},
		{"0.5", "1/2"},
		{"0.1", "1/10"},
		{"29.97", "2997/100"},
		{"23.976", "2997/125"},
		{"29.97002997002997", "30000/1001"},
		{"23.976023976023978", "24000/1001"},
		{"59.94005994005994", "60000/1001"},
		{"2.3333333333333335", "7/3"},
		{"0.3333333333333333", "1/3"},
		{"0.333", "333/1000"},
		{"12.345678", "6172839/500000"},
		{"-1.5", "-3/2"},
		{"86400", "86400/1"},
	} {
		f, err := strconv.ParseFloat(c.text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := rational(f).String(); got != c.want {
			t.Errorf("rational(%s) = %s, want %s", c.text, got, c.want)
		}
	}
}

func FuzzRational(f *testing.F) {
	for _, seed := range []float64{1, 29.97, 1.0 / 3, 1e-300, 5e-324, 1e300, 1 << 53, 0.1 + 0.2} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value float64) {
		if !(math.Abs(value) < 0x1p1023) {
			return
		}
		r := rational(value)
		if back, _ := r.Float64(); back != value {
			t.Fatalf("rational(%g) = %s, which is %g", value, r, back)
		}
		// Nothing simpler may round to it: no fraction with half the denominator.
		if half := new(big.Int).Rsh(r.Denom(), 1); half.Sign() > 0 {
			n := new(big.Rat).SetInt(half)
			n.Mul(n, new(big.Rat).SetFloat64(value))
			nearest := new(big.Rat).SetFrac(ceil(n), half)
			if back, _ := nearest.Float64(); back == value && nearest.Denom().Cmp(r.Denom()) < 0 {
				t.Fatalf("rational(%g) = %s, but %s is simpler", value, r, nearest)
			}
		}
	})
}
