package httpapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fotograma/fotograma/internal/platform/httpapi"
	"github.com/fotograma/fotograma/internal/platform/problem"
)

func FuzzCursor(f *testing.F) {
	f.Add("", "")
	f.Add(httpapi.MakeCursor("01J00000000000000000000000"), "")
	f.Add(httpapi.MakeCursor("audit#2026"), "audit#")
	f.Add(httpapi.MakeCursor("profile"), "audit#")
	f.Add("djE6", "")
	f.Add("djE6YQ==", "")
	f.Add("e30", "")
	f.Fuzz(func(t *testing.T, cursor, prefix string) {
		key, err := httpapi.ParseCursor(cursor, prefix)
		if _, ok := errors.AsType[*problem.Error](err); err != nil && !ok {
			t.Errorf("refused with %v", err)
		}
		if err == nil && ((key == "") != (cursor == "") || key != "" && !strings.HasPrefix(key, prefix)) {
			t.Errorf("%q is %q", cursor, key)
		}
		if again, err := httpapi.ParseCursor(httpapi.MakeCursor(key), prefix); key != "" && (err != nil || again != key) {
			t.Errorf("%q became %q, %v", key, again, err)
		}
	})
}
