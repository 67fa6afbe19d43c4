package auth

import (
	"strings"
	"testing"
)

func TestNormaliseEmail(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		raw, want string // want is empty if it is refused
	}{
		"an address":             {"ana@example.com", "ana@example.com"},
		"in capitals":            {"Ana.Souza@EXAMPLE.Com", "ana.souza@example.com"},
		"space around":           {" \tana@example.com\n", "ana@example.com"},
		"dots and tags stay":     {"a.n.a+videos@example.com", "a.n.a+videos@example.com"},
		"all characters":         {"!#$%&'*+-/=?^_`{|}~9@example.com", "!#$%&'*+-/=?^_`{|}~9@example.com"},
		"a domain with accents":  {"ana@Pão.example", "ana@xn--po-sia.example"},
		"the same in ASCII":      {"ana@xn--po-sia.example", "ana@xn--po-sia.example"},
		"64 bytes before the @":  {strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 64) + "@example.com"},
		"65 bytes before the @":  {strings.Repeat("a", 65) + "@example.com", ""},
		"255 bytes":              {"ana@" + strings.Repeat("a.", 124) + "com", ""},
		"254 bytes":              {"an@" + strings.Repeat("a.", 124) + "com", "an@" + strings.Repeat("a.", 124) + "com"},
		"nothing":                {"", ""},
		"no @":                   {"ana.example.com", ""},
		"nobody":                 {"@example.com", ""},
		"no domain":              {"ana@", ""},
		"a domain without dot":   {"ana@localhost", ""},
		"a dot at the end":       {"ana@example.com.", ""},
		"two dots":               {"ana..souza@example.com", ""},
		"two addresses":          {"ana@example.com, bia@example.com", ""},
		"a display name":         {"Ana <ana@example.com>", ""},
		"brackets":               {"<ana@example.com>", ""},
		"a comment":              {"ana@example.com (Ana)", ""},
		"a quoted part":          {`"ana souza"@example.com`, ""},
		"a needlessly quoted":    {`"ana"@example.com`, ""},
		"a domain literal":       {"ana@[127.0.0.1]", ""},
		"an underscore":          {"ana@exa_mple.com", ""},
		"a header":               {"ana@example.com\r\nBcc: bia@example.com", ""},
		"a zero byte":            {"ana\x00@example.com", ""},
		"a local part of others": {"ána@example.com", ""},
		"invalid UTF-8":          {"ana\xff@example.com", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := normaliseEmail(test.raw)
			if got != test.want || (err != nil) != (test.want == "") {
				t.Errorf("normaliseEmail(%q) gives %q, %v; want %q", test.raw, got, err, test.want)
			}
		})
	}
}

func FuzzNormaliseEmail(f *testing.F) {
	for _, seed := range []string{"Ana@Example.com", "ana@pão.example", `"a b"@x.y`, "a@[1.2.3.4]", "ana@K.example", "a@b.c\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		address, err := normaliseEmail(raw)
		if err != nil {
			return
		}
		if again, err := normaliseEmail(address); err != nil || again != address {
			t.Errorf("%q becomes %q, and that %q, %v", raw, address, again, err)
		}
		if other, err := normaliseEmail(strings.ToUpper(address)); err != nil || other != address {
			t.Errorf("%q in capitals becomes %q, %v", address, other, err)
		}
		if len(address) > maxAddress || strings.Count(address, "@") != 1 || strings.ContainsFunc(address, notPrintableASCII) {
			t.Errorf("%q becomes %q", raw, address)
		}
	})
}
