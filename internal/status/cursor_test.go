package status

import (
	"errors"
	"testing"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(makeCursor("01J00000000000000000000000"))
	f.Add("djE6")
	f.Add("djE6YQ==")
	f.Add("e30")
	f.Fuzz(func(t *testing.T, cursor string) {
		id, err := parseCursor(cursor)
		if _, ok := errors.AsType[*problem.Error](err); err != nil && !ok {
			t.Errorf("refused with %v", err)
		}
		if err == nil && (id == "") != (cursor == "") {
			t.Errorf("%q is %q", cursor, id)
		}
		if again, err := parseCursor(makeCursor(id)); id != "" && (err != nil || again != id) {
			t.Errorf("%q became %q, %v", id, again, err)
		}
	})
}
