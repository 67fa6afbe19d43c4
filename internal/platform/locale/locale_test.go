package locale_test

import (
	"testing"

	"github.com/fotograma/fotograma/internal/platform/locale"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		preference string
		want       locale.Locale
	}{
		{"", locale.English},
		{"pt-BR", locale.Portuguese},
		{"pt", locale.Portuguese},
		{"pt-PT,en;q=0.5", locale.Portuguese},
		{"en-GB,pt;q=0.9", locale.English},
		{"de,pt;q=0.5", locale.Portuguese},
		{"de", locale.English},
		{"*", locale.English},
		{"not a language;;;q=", locale.English},
	} {
		if got := locale.Match(c.preference); got != c.want {
			t.Errorf("Accept-Language %q gives %s, want %s", c.preference, got, c.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("pt-BR,en;q=0.5")
	f.Add("*;q=0")
	f.Add("x-\x00;q=1e999")
	f.Fuzz(func(t *testing.T, preference string) {
		if l := locale.Match(preference); l != locale.English && l != locale.Portuguese {
			t.Errorf("%q gives %q", preference, l)
		}
	})
}
