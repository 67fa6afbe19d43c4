package auth

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func someRefreshToken(t testing.TB) refreshToken {
	t.Helper()
	token, err := newRefreshToken(someUser, someSession, bytes.NewReader(bytes.Repeat([]byte{0xa5}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRefreshTokensAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	token := someRefreshToken(t)
	if n := len(token.encode()); n != 86 {
		t.Errorf("the token has %d characters, want 86", n)
	}
	got, err := parseRefreshToken(token.encode())
	if err != nil || got != token {
		t.Errorf("read as %+v, %v; want %+v", got, err, token)
	}
	if got.user.String() != someUser || got.session.String() != someSession {
		t.Errorf("it is of %s, %s", got.user, got.session)
	}
	other := token
	other.secret[31] ^= 1
	if other.hash() == token.hash() || len(token.hash()) != 64 || strings.Contains(token.hash(), "a5a5a5") {
		t.Errorf("hashes are %s and %s", token.hash(), other.hash())
	}
}

func TestRefreshTokensNeedTheirParts(t *testing.T) {
	t.Parallel()
	full := func() *bytes.Reader { return bytes.NewReader(make([]byte, 32)) }
	if _, err := newRefreshToken("ana", someSession, full()); err == nil {
		t.Error("a user ID that is no UUID is taken")
	}
	if _, err := newRefreshToken(someUser, "", full()); err == nil {
		t.Error("a session ID that is no UUID is taken")
	}
	if _, err := newRefreshToken(someUser, someSession, bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("31 random bytes are enough")
	}
}

func TestParseRefreshTokenRefuses(t *testing.T) {
	t.Parallel()
	good := someRefreshToken(t).encode()
	for name, s := range map[string]string{
		"nothing":           "",
		"a character less":  good[:85],
		"a character more":  good + "A",
		"padding":           good + "==",
		"a line break":      good[:40] + "\n" + good[40:],
		"a space":           good + " ",
		"other base64":      strings.Repeat("+", 86),
		"stray bits at end": good[:85] + "R",
		"an access token":   "eyJhbGciOiJIUzI1NiJ9.e30.x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseRefreshToken(s); !errors.Is(err, errBadRefreshToken) {
				t.Errorf("%q gives %v", s, err)
			}
		})
	}
}

func FuzzParseRefreshToken(f *testing.F) {
	f.Add(someRefreshToken(f).encode())
	f.Add("")
	f.Add(strings.Repeat("A", 86))
	f.Add(strings.Repeat("A", 85) + "\n")
	f.Add(strings.Repeat("_", 86))
	f.Fuzz(func(t *testing.T, s string) {
		token, err := parseRefreshToken(s)
		if err != nil {
			if !errors.Is(err, errBadRefreshToken) {
				t.Errorf("%q gives %v", s, err)
			}
			return
		}
		if token.encode() != s {
			t.Errorf("%q is also written %q", s, token.encode())
		}
	})
}
