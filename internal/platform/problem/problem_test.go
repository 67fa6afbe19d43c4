package problem_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fotograma/fotograma/internal/platform/locale"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

func TestEveryCodeSpeaksEveryLanguage(t *testing.T) {
	seen := map[string]problem.Code{}
	for _, code := range problem.Codes() {
		for _, l := range locale.All() {
			text := code.In(l)
			if text.Title == "" || !strings.HasSuffix(text.Detail, ".") {
				t.Errorf("%s in %s: %+v is not a title and a sentence", code, l, text)
			}
		}
		if code.In(locale.English) == code.In(locale.Portuguese) {
			t.Errorf("%s was not translated", code)
		}
		if strings.ToLower(string(code)) != string(code) {
			t.Errorf("%s is not in lower case", code)
		}
		detail := code.In(locale.English).Detail
		if other, ok := seen[detail]; ok {
			t.Errorf("%s and %s say the same", code, other)
		}
		seen[detail] = code
	}
}

func TestUnknownCodeIsAnInternalError(t *testing.T) {
	unknown := problem.Code("no_such_code")
	if slices.Contains(problem.Codes(), unknown) {
		t.Error("an unknown code is known")
	}
	if got := problem.Status(unknown); got != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", got)
	}
	if got, want := unknown.In(locale.English), problem.Internal.In(locale.English); got != want {
		t.Errorf("text %+v, want %+v", got, want)
	}
}

func TestReasonsAreTranslated(t *testing.T) {
	for _, c := range []struct{ en, pt string }{
		{`goes with mode "interval", not with mode "fps"`, `é do modo "interval", não do modo "fps"`},
		{"must be 0 to 1", "deve ser de 0 a 1"},
		{"must be 0.001 to 86400 seconds", "deve ser de 0.001 a 86400 segundos"},
		{"must be 0 to 1000000 seconds each", "devem ser de 0 a 1000000 segundos cada"},
		{"part 7 has 2 bytes, not 4194305", "a parte 7 tem 2 bytes, não 4194305"},
		{"expected number > 0", "deve ser maior que 0"},
		{`expected value to be one of "jpeg, png, webp"`, `deve ser um destes: "jpeg, png, webp"`},
		{"must have the scope videos:read", "deve ter o escopo videos:read"},
		{"nobody has translated this", "nobody has translated this"},
	} {
		if got := problem.ReasonIn(locale.Portuguese, c.en); got != c.pt {
			t.Errorf("%q became %q, want %q", c.en, got, c.pt)
		}
		if got := problem.ReasonIn(locale.English, c.en); got != c.en {
			t.Errorf("%q became %q in English", c.en, got)
		}
	}
}

func TestErrorKeepsItsCauseForTheLogOnly(t *testing.T) {
	cause := errors.New("the disk is full")
	err := fmt.Errorf("while saving: %w", problem.Wrap("write row", cause))
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if !problem.Is(err, problem.Internal) || problem.Is(err, problem.NotFound) {
		t.Errorf("%v has not exactly the code %s", err, problem.Internal)
	}
	if strings.Contains(problem.Internal.In(locale.English).Detail, "disk") {
		t.Error("the cause is told")
	}
}
