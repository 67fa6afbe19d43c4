package dynamodb

import (
	"maps"
	"slices"
)

// projection is a parsed ProjectionExpression: a set of document paths.
type projection struct {
	paths []path
	root  *branch
}

// branch is the part of a projection below one value.
type branch struct {
	whole   bool // a path ends here: everything below is wanted
	names   map[string]*branch
	indexes map[int]*branch
}

func parseProjection(source string, h *placeholders) (*projection, error) {
	p := newParser(source, h)
	paths := []path{p.path()}
	for p.accept(",") {
		paths = append(paths, p.path())
	}
	p.checkPaths(paths)
	parsed := newProjection(paths)
	return &parsed, p.finish(mistakeReserved, mistakeUndefined, mistakeOverlap, mistakeConflict)
}

func newProjection(paths []path) projection {
	root := &branch{}
	for _, p := range paths {
		b := root
		for _, s := range p {
			b = b.child(s)
		}
		b.whole = true
	}
	return projection{paths: paths, root: root}
}

func (b *branch) child(s step) *branch {
	if s.isIndex {
		return childOf(&b.indexes, s.index)
	}
	return childOf(&b.names, s.name)
}

func childOf[K comparable](children *map[K]*branch, key K) *branch {
	if *children == nil {
		*children = map[K]*branch{}
	}
	if (*children)[key] == nil {
		(*children)[key] = &branch{}
	}
	return (*children)[key]
}

// of is the projected part of an item. A nil projection is the whole item.
func (p *projection) of(it item) item {
	if p == nil {
		return it
	}
	picked := p.root.pick(value{kind: kindM, fields: it})
	if picked.fields == nil {
		return item{}
	}
	return picked.fields
}

// pick is the wanted part of v, and kindNone when v has nothing of it.
func (b *branch) pick(v value) value {
	switch {
	case b.whole || v.kind == kindNone:
		return v
	case v.kind == kindM:
		fields := item{}
		for name, below := range b.names {
			if part := below.pick(v.fields[name]); part.kind != kindNone {
				fields[name] = part
			}
		}
		if len(fields) > 0 {
			return value{kind: kindM, fields: fields}
		}
	case v.kind == kindL:
		var list []value
		for _, index := range slices.Sorted(maps.Keys(b.indexes)) {
			if index >= len(v.list) {
				break
			}
			if part := b.indexes[index].pick(v.list[index]); part.kind != kindNone {
				list = append(list, part)
			}
		}
		if len(list) > 0 {
			return value{kind: kindL, list: list}
		}
	}
	return value{}
}
