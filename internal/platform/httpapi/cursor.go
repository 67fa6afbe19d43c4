package httpapi

import (
	"encoding/base64"
	"strings"

	"github.com/fotograma/fotograma/internal/platform/problem"
)

// MakeCursor makes a cursor: where the next page of a list begins, which is after
// key. It is dressed so that nobody builds upon what is in it.
func MakeCursor(key string) string { return base64.RawURLEncoding.EncodeToString([]byte("v1:" + key)) }

// ParseCursor gives the key of a cursor, which begins with prefix; empty for the
// first page, which has no cursor. The error is problem.InvalidRequest.
func ParseCursor(cursor, prefix string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	key, ok := strings.CutPrefix(string(raw), "v1:")
	if err != nil || !ok || key == "" || !strings.HasPrefix(key, prefix) {
		return "", problem.In(problem.InvalidRequest, "query.cursor", "must be next_cursor of a page before")
	}
	return key, nil
}
