package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

const (
	someUser    = "019ca96a-0000-7000-8000-0000000000aa"
	someSession = "019ca96a-0000-7000-8000-0000000000bb"
)

func newAccessTokens(c *clock, secrets SecretReader) *AccessTokens {
	return &AccessTokens{
		Keys:     &Keys{Secrets: secrets, Secret: "fotograma/signing", Now: c.now},
		Lifetime: 15 * time.Minute,
		Now:      c.now,
	}
}

// goodClaims are those of a token that was issued now.
func goodClaims(now time.Time) jwt.MapClaims {
	return jwt.MapClaims{
		"iss": "fotograma", "aud": []string{"fotograma-api"}, "sub": someUser, "sid": someSession,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(15 * time.Minute).Unix(),
	}
}

func sign(t *testing.T, method jwt.SigningMethod, kid, key any, c jwt.Claims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestAnAccessTokenSaysWhatIsPromised(t *testing.T) {
	t.Parallel()
	c := newClock()
	token, err := newAccessTokens(c, newSecrets()).issue(t.Context(), identity{someUser, someSession})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	var header, body map[string]any
	for i, into := range []*map[string]any{&header, &body} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]any{"alg": "HS256", "typ": "JWT", "kid": keyID("version-1")}, header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	now := float64(c.now().Unix())
	want := map[string]any{
		"iss": "fotograma", "aud": []any{"fotograma-api"}, "sub": someUser, "sid": someSession,
		"iat": now, "nbf": now, "exp": now + 900,
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if strings.Contains(token, "version-1") {
		t.Error("the version's ID is in the token")
	}
}

func TestVerifyAcceptsOnlyGoodAccessTokens(t *testing.T) {
	t.Parallel()
	c := newClock()
	now := c.now()
	kid, secret := keyID("version-1"), []byte(firstSecret)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, value any) jwt.MapClaims {
		claims := goodClaims(now)
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
		return claims
	}
	hs256 := func(claims jwt.Claims) string { return sign(t, jwt.SigningMethodHS256, kid, secret, claims) }
	good := hs256(goodClaims(now))
	parts := strings.Split(good, ".")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

	tests := map[string]struct {
		token string
		good  bool
	}{
		"a good one":                                 {good, true},
		"audience as a string":                       {hs256(with("aud", "fotograma-api")), true},
		"our audience among others":                  {hs256(with("aud", []string{"x", "fotograma-api"})), true},
		"expires now, within the clocks' difference": {hs256(with("exp", now.Unix()-4)), true},
		"expired":                            {hs256(with("exp", now.Unix()-6)), false},
		"never expires":                      {hs256(with("exp", nil)), false},
		"not valid yet":                      {hs256(with("nbf", now.Unix()+6)), false},
		"without a beginning":                {hs256(with("nbf", nil)), false},
		"issued in the future":               {hs256(with("iat", now.Unix()+6)), false},
		"issued never":                       {hs256(with("iat", nil)), false},
		"another issuer":                     {hs256(with("iss", "somebody")), false},
		"no issuer":                          {hs256(with("iss", nil)), false},
		"another audience":                   {hs256(with("aud", "somebody")), false},
		"no audience":                        {hs256(with("aud", nil)), false},
		"nobody":                             {hs256(with("sub", nil)), false},
		"no session":                         {hs256(with("sid", nil)), false},
		"a session that is no text":          {hs256(with("sid", 7)), false},
		"times that are texts":               {hs256(with("exp", "tomorrow")), false},
		"signed with another key":            {sign(t, jwt.SigningMethodHS256, kid, []byte(secondSecret), goodClaims(now)), false},
		"signed with an empty key":           {sign(t, jwt.SigningMethodHS256, kid, []byte{}, goodClaims(now)), false},
		"an unknown key":                     {sign(t, jwt.SigningMethodHS256, "0123456789ab", secret, goodClaims(now)), false},
		"an unknown key and an empty secret": {sign(t, jwt.SigningMethodHS256, "0123456789ab", []byte{}, goodClaims(now)), false},
		"a key ID that is no text":           {sign(t, jwt.SigningMethodHS256, 7, secret, goodClaims(now)), false},
		"another algorithm of the same kind": {sign(t, jwt.SigningMethodHS512, kid, secret, goodClaims(now)), false},
		"another kind of algorithm":          {sign(t, jwt.SigningMethodRS256, kid, rsaKey, goodClaims(now)), false},
		"no algorithm":                       {sign(t, jwt.SigningMethodNone, kid, jwt.UnsafeAllowNoneSignatureType, goodClaims(now)), false},
		"no algorithm, but a signature":      {encode(`{"alg":"none","kid":"`+kid+`"}`) + "." + parts[1] + "." + parts[2], false},
		"algorithm in other letters":         {encode(`{"alg":"hs256","kid":"`+kid+`"}`) + "." + parts[1] + "." + parts[2], false},
		"other claims under the signature":   {parts[0] + "." + encode(`{"sub":"root"}`) + "." + parts[2], false},
		"no signature":                       {parts[0] + "." + parts[1] + ".", false},
		"half a signature":                   {good[:len(good)-20], false},
		"a changed signature":                {good[:len(good)-8] + "AAAAAAAA", false},
		"two parts":                          {parts[0] + "." + parts[1], false},
		"four parts":                         {good + "." + parts[2], false},
		"a very long one":                    {hs256(with("more", strings.Repeat("x", 4000))), false},
		"nothing":                            {"", false},
		"dots":                               {"..", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, err := newAccessTokens(c, newSecrets()).verify(t.Context(), test.token)
			if !test.good {
				if !errors.Is(err, errBadToken) || who != (identity{}) {
					t.Errorf("verify gives %v, %v; want errBadToken", who, err)
				}
				return
			}
			if want := (identity{someUser, someSession}); err != nil || who != want {
				t.Errorf("verify gives %v, %v; want %v", who, err, want)
			}
		})
	}
}

// Secrets Manager being away is no reason to tell people that they are logged
// out.
func TestVerifyTellsABadTokenFromATrouble(t *testing.T) {
	t.Parallel()
	c, secrets := newClock(), newSecrets()
	secrets.fail(errors.New("no network"))
	token := sign(t, jwt.SigningMethodHS256, keyID("version-1"), []byte(firstSecret), goodClaims(c.now()))
	_, err := newAccessTokens(c, secrets).verify(t.Context(), token)
	if err == nil || errors.Is(err, errBadToken) {
		t.Errorf("error is %v, want the trouble", err)
	}
}

func TestParseBearer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header, token string
	}{
		"a token":               {"Bearer abc.DEF-1_~+/", "abc.DEF-1_~+/"},
		"scheme in small":       {"bearer abc", "abc"},
		"scheme in capitals":    {"BEARER abc", "abc"},
		"several spaces":        {"Bearer   abc", "abc"},
		"padding":               {"Bearer abc==", "abc=="},
		"nothing":               {"", ""},
		"no token":              {"Bearer", ""},
		"a space":               {"Bearer ", ""},
		"padding only":          {"Bearer ==", ""},
		"another scheme":        {"Basic abc", ""},
		"no space":              {"Bearerabc", ""},
		"a tab":                 {"Bearer\tabc", ""},
		"two tokens":            {"Bearer abc def", ""},
		"two schemes":           {"Bearer Bearer abc", ""},
		"a space at the end":    {"Bearer abc ", ""},
		"a space at the start":  {" Bearer abc", ""},
		"padding in the middle": {"Bearer a=bc", ""},
		"not ASCII":             {"Bearer abcé", ""},
		"a list":                {"Bearer abc, Bearer def", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, ok := parseBearer(test.header)
			if token != test.token || ok != (test.token != "") {
				t.Errorf("parseBearer(%q) gives %q, %t; want %q", test.header, token, ok, test.token)
			}
		})
	}
}

func FuzzParseBearer(f *testing.F) {
	for _, seed := range []string{"Bearer abc.def.ghi", "bearer  x==", "Basic eDp5", "", "Bearer =", "Bearer a b", "Bearer \x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, ok := parseBearer(header)
		if !ok {
			if token != "" {
				t.Errorf("%q is refused, but gives %q", header, token)
			}
			return
		}
		if !strings.HasSuffix(header, token) || !strings.EqualFold(strings.TrimRight(strings.TrimSuffix(header, token), " "), "bearer") {
			t.Errorf("%q is not the token of %q", token, header)
		}
		if again, ok := parseBearer("Bearer " + token); !ok || again != token {
			t.Errorf("the token %q reads as %q, %t", token, again, ok)
		}
		for _, r := range token {
			if r <= ' ' || r > '~' || strings.ContainsRune(`"',;\(){}[]<>@:?`, r) {
				t.Errorf("the token %q holds %q", token, r)
			}
		}
	})
}

// Whatever is sent as a token, it is refused: nobody can sign.
func FuzzVerify(f *testing.F) {
	c := newClock()
	tokens := newAccessTokens(c, newSecrets())
	good, err := tokens.issue(f.Context(), identity{someUser, someSession})
	if err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(good, ".")
	f.Add(parts[0], parts[1], "")
	f.Add(parts[0], "e30", parts[2])
	f.Add("eyJhbGciOiJub25lIn0", parts[1], "")
	f.Add("e30", "e30", "e30")
	f.Fuzz(func(t *testing.T, header, body, signature string) {
		token := header + "." + body + "." + signature
		who, err := tokens.verify(t.Context(), token)
		if token == good {
			return
		}
		if !errors.Is(err, errBadToken) || who != (identity{}) {
			t.Errorf("verify(%q) gives %v, %v", token, who, err)
		}
	})
}
