package measuring

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// Table is a table of Markdown.
type Table struct{ strings.Builder }

// NewTable begins a table with the titles of its columns.
func NewTable(head ...string) *Table {
	t := &Table{}
	t.Row(head...)
	t.WriteString(strings.Repeat("| --- ", len(head)) + "|\n")
	return t
}

// Row adds a row.
func (t *Table) Row(cells ...string) { t.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

// Replace gives a document with a text in place of what stood between two lines of it.
func Replace(document, begin, end, text string) ([]byte, error) {
	old, err := os.ReadFile(document)
	if err != nil {
		return nil, err
	}
	before, rest, opened := bytes.Cut(old, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !opened || !closed {
		return nil, fmt.Errorf("%s has no place for what was measured", document)
	}
	return fmt.Appendf(nil, "%s%s%s%s%s", before, begin, text, end, after), nil
}
