package sam

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Error is one thing in a template that is wrong or that this package does not
// understand.
type Error struct {
	File    string // as Config.Path has it
	Line    int    // from 1; 0 where the file has no line for it
	Message string
}

// Error gives "template.yaml:12: message", which editors can follow.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// problems collects the errors of one file. Globals are looked at once for
// every resource that they reach and names are resolved more than once, so
// equal errors count once.
type problems struct {
	file string
	seen map[Error]bool
}

func (p *problems) addf(line int, format string, args ...any) {
	if p.seen == nil {
		p.seen = map[Error]bool{}
	}
	p.seen[Error{File: p.file, Line: line, Message: fmt.Sprintf(format, args...)}] = true
}

// err joins all errors, sorted by line; nil if there are none.
func (p *problems) err() error {
	list := make([]*Error, 0, len(p.seen))
	for e := range p.seen {
		list = append(list, &e)
	}
	slices.SortFunc(list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
	errs := make([]error, len(list))
	for i, e := range list {
		errs[i] = e
	}
	return errors.Join(errs...)
}
