// Package mailcode makes the single-use codes that are mailed to people.
//
// A code must get from the service that checks it to the one that mails it, and
// secrets travel in no event. So both make it of what the event says and of a key
// that only they can read.
package mailcode

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/fotograma/fotograma/internal/event"
)

// Length is that of a code as people see it: two groups of four characters, 40
// bits. That is enough where few attempts are allowed, and only there.
const Length = 9

// alphabet is Crockford's base 32: no letter that looks like a digit.
var alphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// Code makes the code of a request. The key has at least 32 bytes.
func Code(key []byte, r event.CodeRequested) string {
	code := alphabet.EncodeToString(MAC(key, r.Purpose, r.UserID, r.Email, r.Nonce)[:5])
	return code[:4] + "-" + code[4:]
}

// MAC is the HMAC-SHA-256 of a purpose, which sets it apart from those of others, and
// of members, each with a zero byte after it.
func MAC(key []byte, purpose string, members ...string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, member := range append([]string{purpose}, members...) {
		mac.Write([]byte(member))
		mac.Write([]byte{0})
	}
	return mac.Sum(nil)
}

// Canonical makes one code of the ways in which people write it: in small
// letters, without the dash, with the letters that look like digits.
func Canonical(typed string) string {
	code := strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(typed))
	if len(code) != Length-1 {
		return ""
	}
	return code[:4] + "-" + code[4:]
}
