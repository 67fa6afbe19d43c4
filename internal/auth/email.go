package auth

import (
	"errors"
	"net/mail"
	"strings"

	"golang.org/x/net/idna"
)

// Limits of an address, in bytes: RFC 5321, section 4.5.3.1. The whole of it
// stands between angle brackets in a path of at most 256.
const (
	maxAddress   = 254
	maxLocalPart = 64
)

var errBadEmail = errors.New("must be an e-mail address such as ana@example.com")

// normaliseEmail gives the one form of an e-mail address under which a person
// is known: without surrounding space, in lower case, the domain in its ASCII
// form (IDNA 2008).
//
// Only the domain is free of case by RFC 5321; the local part may by section
// 2.4 differ in it. But no provider hands addresses that differ only in case to
// two people, while people do type "Ana@" today and "ana@" tomorrow, and must
// find their account, and nobody else must be able to open a second one that
// looks the same. Dots and "+tags" stay: what they mean is the provider's
// affair, and they can be two people's.
//
// Refused are a display name, quoted local parts, domain literals, domains
// without a dot, and local parts that are not ASCII, which SES cannot deliver
// to.
func normaliseEmail(raw string) (string, error) {
	raw = strings.ToLower(strings.TrimSpace(raw))
	parsed, err := mail.ParseAddress(raw)
	if err != nil || parsed.Name != "" || parsed.Address != raw {
		return "", errBadEmail
	}
	at := strings.LastIndexByte(raw, '@')
	local, domain := raw[:at], raw[at+1:]
	if len(local) > maxLocalPart || strings.ContainsFunc(local, notPrintableASCII) {
		return "", errBadEmail
	}
	domain, err = idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") {
		return "", errBadEmail
	}
	address := local + "@" + domain
	if len(address) > maxAddress {
		return "", errBadEmail
	}
	return address, nil
}

func notPrintableASCII(r rune) bool { return r <= ' ' || r > '~' }
