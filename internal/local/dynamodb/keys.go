package dynamodb

import (
	"bytes"
	"crypto/md5" //nolint:gosec // spreads keys over partitions, protects nothing
	"strings"
)

// Keys are stored as byte strings whose order in SQLite is the order DynamoDB reads them in:
//
//	item:        slot(partition key) ‖ partition key ‖ [sort key]
//	index entry: slot(index partition key) ‖ index partition key ‖ [index sort key] ‖ slot(item key) ‖ item's key
//
// The slot is a hash, so that a Scan goes over partitions in no meaningful order and a parallel Scan can divide
// them. Each key part ends with a terminator that sorts below every continuation. dynalite found that the service's
// slot is the MD5 of "Outliers" and the key; sharing it lets the differential test compare the order of scans.

// slotBytes is the length of a slot.
const slotBytes = 3

// partLimits, in bytes.
const (
	maxPartitionKey = 2048
	maxSortKey      = 1024
)

func slot(parts ...string) []byte {
	h := md5.New() //nolint:gosec // see the import
	h.Write([]byte("Outliers"))
	for _, part := range parts {
		h.Write([]byte(part))
	}
	return h.Sum(nil)[:slotBytes]
}

// keyBytes is the content of a key attribute's value with the value's order: S and B as they are,
// N in an encoding whose bytes sort as the numbers do.
func keyBytes(v value) string {
	if v.kind == kindN {
		return string(encodeNumber(v.number()))
	}
	return v.text
}

// appendPart appends one key part. A zero byte inside becomes 00 FF, so that the terminator 00 00 is unmistakable
// and sorts below everything that goes on.
func appendPart(key []byte, content string) []byte {
	return append(appendPartPrefix(key, content), 0, 0)
}

// appendPartPrefix is appendPart without the terminator: the beginning of every key part that begins with content.
func appendPartPrefix(key []byte, content string) []byte {
	if strings.IndexByte(content, 0) < 0 {
		return append(key, content...)
	}
	return append(key, strings.ReplaceAll(content, "\x00", "\x00\xff")...)
}

// maxKey is greater than every key: a key has a terminator, which is not FF, before this length.
var maxKey = bytes.Repeat([]byte{0xff}, slotBytes+maxPartitionKey+1)

// after is the smallest key greater than every key that begins with prefix.
func after(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			next := append([]byte(nil), prefix[:i+1]...)
			next[i]++
			return next
		}
	}
	return maxKey
}

const (
	zeroByte            = 0x80
	negativeTerminator  = 102
	maxNumberPairs      = (maxNumberDigits + 2) / 2
	exponentBias        = 64
	negativePairMinuend = 101
)

// encodeNumber is an order-preserving encoding: a byte for sign and exponent, then one for each two digits;
// for a negative number all complemented, with a terminator so that more digits sort lower.
func encodeNumber(n number) []byte {
	if n.digits == "" {
		return []byte{zeroByte}
	}
	// The value as 0.p1p2… × 100^power, with pairs of digits p.
	digits := n.digits
	power := n.exponent + 1
	if power%2 != 0 {
		digits = "0" + digits
		power++
	}
	if len(digits)%2 != 0 {
		digits += "0"
	}
	lead := byte(power/2 - exponentBias) // -128 to -1: wraps to 0x80 to 0xff as it should
	if n.negative {
		lead = ^lead
	}
	encoded := append(make([]byte, 0, len(digits)/2+2), lead)
	for i := 0; i < len(digits); i += 2 {
		pair := (digits[i]-'0')*10 + digits[i+1] - '0'
		if n.negative {
			encoded = append(encoded, negativePairMinuend-pair)
		} else {
			encoded = append(encoded, pair+1)
		}
	}
	if n.negative && len(digits)/2 < maxNumberPairs {
		encoded = append(encoded, negativeTerminator)
	}
	return encoded
}
