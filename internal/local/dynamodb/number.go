package dynamodb

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// Limits of a DynamoDB number, from "Supported data types and naming rules" in the developer guide:
// 38 significant digits, magnitudes from 1E-130 to 9.9…E+125.
const (
	maxNumberDigits   = 38
	maxNumberExponent = 125
	minNumberExponent = -130
)

var (
	errNumberOverflow  = errors.New("Number overflow. Attempting to store a number with magnitude larger than supported range")   //nolint:staticcheck // the service's wording
	errNumberUnderflow = errors.New("Number underflow. Attempting to store a number with magnitude smaller than supported range") //nolint:staticcheck // the service's wording
	errNumberPrecision = errors.New("Attempting to store more than 38 significant digits in a Number")                            //nolint:staticcheck // the service's wording
	errNotANumber      = errors.New("The parameter cannot be converted to a numeric value")                                       //nolint:staticcheck // the service's wording
)

// number is a decimal: digits d1d2d3… without leading or trailing zeros stand for d1.d2d3… × 10^exponent.
// Zero has no digits.
type number struct {
	negative bool
	digits   string
	exponent int
}

// parseNumber reads the text of an N attribute value. The errors carry the service's wording.
func parseNumber(text string) (number, error) {
	if text == "" {
		return number{}, errNotANumber
	}
	n, ok := scanNumber(text)
	if !ok {
		return number{}, notANumberError(text)
	}
	return n, n.check()
}

type notANumberError string

func (e notANumberError) Error() string { return errNotANumber.Error() + ": " + string(e) }

// check says whether DynamoDB can hold n.
func (n number) check() error {
	switch {
	case n.digits == "":
		return nil
	case n.exponent > maxNumberExponent:
		return errNumberOverflow
	case n.exponent < minNumberExponent:
		return errNumberUnderflow
	case len(n.digits) > maxNumberDigits:
		return errNumberPrecision
	}
	return nil
}

func scanNumber(text string) (number, bool) {
	var n number
	rest := text
	if rest[0] == '-' || rest[0] == '+' {
		n.negative = rest[0] == '-'
		rest = rest[1:]
	}
	mantissa, power, ok := cutExponent(rest)
	if !ok {
		return number{}, false
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return number{}, false
	}
	digits := whole + fraction
	trimmed := strings.TrimLeft(digits, "0")
	n.exponent = power + len(whole) - 1 - (len(digits) - len(trimmed))
	n.digits = strings.TrimRight(trimmed, "0")
	if n.digits == "" {
		return number{}, true
	}
	return n, true
}

// cutExponent splits "12.5e3" into "12.5" and 3.
func cutExponent(text string) (mantissa string, power int, ok bool) {
	at := strings.IndexAny(text, "eE")
	if at < 0 {
		return text, 0, true
	}
	sign := strings.TrimLeft(text[at+1:], "+-")
	if sign == "" || !allDigits(sign) {
		return "", 0, false
	}
	power, err := strconv.Atoi(text[at+1:])
	if errors.Is(err, strconv.ErrRange) || power > 1e6 || power < -1e6 {
		// Far outside what a number may be; kept small so that the sums below cannot overflow.
		power = 1_000_000
		if text[at+1] == '-' {
			power = -1_000_000
		}
		return text[:at], power, true
	}
	return text[:at], power, err == nil
}

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// String is the canonical text: plain notation, no exponent, as the service returns it.
func (n number) String() string {
	if n.digits == "" {
		return "0"
	}
	var b strings.Builder
	if n.negative {
		b.WriteByte('-')
	}
	whole := n.exponent + 1
	switch {
	case whole <= 0:
		b.WriteString("0.")
		b.WriteString(strings.Repeat("0", -whole))
		b.WriteString(n.digits)
	case whole >= len(n.digits):
		b.WriteString(n.digits)
		b.WriteString(strings.Repeat("0", whole-len(n.digits)))
	default:
		b.WriteString(n.digits[:whole])
		b.WriteByte('.')
		b.WriteString(n.digits[whole:])
	}
	return b.String()
}

func (n number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// compare is -1, 0 or 1 as n is less than, equal to or greater than m.
func (n number) compare(m number) int {
	if n.sign() != m.sign() {
		return cmpInt(n.sign(), m.sign())
	}
	magnitude := cmpInt(n.exponent, m.exponent)
	if magnitude == 0 {
		magnitude = strings.Compare(n.digits, m.digits)
	}
	if n.negative {
		return -magnitude
	}
	return magnitude
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (n number) negate() number {
	n.negative = !n.negative && n.digits != ""
	return n
}

// add is n + m, or an error when the sum needs more digits or a larger exponent than DynamoDB has.
func (n number) add(m number) (number, error) {
	if n.digits == "" {
		return m, nil
	}
	if m.digits == "" {
		return n, nil
	}
	// Both as integers in units of the smaller last digit.
	unit := min(n.exponent-len(n.digits), m.exponent-len(m.digits)) + 1
	sum := new(big.Int).Add(n.scaled(unit), m.scaled(unit))
	var total number
	total.negative = sum.Sign() < 0
	digits := sum.Abs(sum).String()
	if digits == "0" {
		return number{}, nil
	}
	total.exponent = unit + len(digits) - 1
	total.digits = strings.TrimRight(digits, "0")
	return total, total.check()
}

// scaled is n / 10^unit, which must be whole.
func (n number) scaled(unit int) *big.Int {
	zeros := n.exponent - len(n.digits) + 1 - unit
	i, _ := new(big.Int).SetString(n.digits+strings.Repeat("0", zeros), 10)
	if n.negative {
		i.Neg(i)
	}
	return i
}

// size is the number of bytes the service counts for n: a byte for each two digits, one more, one for the sign.
func (n number) size() int {
	if n.digits == "" {
		return 1
	}
	size := 1 + (len(n.digits)+1)/2
	if len(n.digits)%2 == 0 && n.exponent%2 == 0 {
		size++
	}
	if n.negative {
		size++
	}
	return size
}
