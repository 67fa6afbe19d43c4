package dynamodb

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// kind is the data type of an attribute value.
type kind uint8

const (
	kindNone kind = iota // no value: an attribute that does not exist
	kindS
	kindN
	kindB
	kindBOOL
	kindNULL
	kindSS
	kindNS
	kindBS
	kindL
	kindM
	kindInvalid // a value DynamoDB refuses; text says why
)

var kindNames = [...]string{"", "S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M", ""}

// kindWords are the names that messages about operands use.
var kindWords = [...]string{"", "STRING", "NUMBER", "BINARY", "BOOLEAN", "NULL", "STRING_SET", "NUMBER_SET", "BINARY_SET", "LIST", "MAP", ""}

func (k kind) String() string { return kindNames[k] }

func kindOf(name string) kind {
	for k := kindS; k <= kindM; k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return kindNone
}

// elementKind is the kind of a set's members, and kindNone for what is not a set.
func (k kind) elementKind() kind {
	switch k {
	case kindSS:
		return kindS
	case kindNS:
		return kindN
	case kindBS:
		return kindB
	}
	return kindNone
}

// value is one attribute value. The zero value is an attribute that does not exist.
type value struct {
	kind   kind
	text   string   // S; N as canonical decimal; B as raw bytes
	flag   bool     // BOOL
	set    []string // members of SS, NS and BS, each as text is
	list   []value  // L
	fields item     // M
}

// item is a DynamoDB item, or the content of a map attribute: values by attribute name.
type item map[string]value

const (
	maxItemSize     = 400 * 1024
	maxNestingLevel = 32
)

// validate says why the service would refuse the item's values, or nil.
func (it item) validate() error {
	for _, name := range slices.Sorted(maps.Keys(it)) {
		if err := it[name].validate(); err != nil {
			return err
		}
	}
	return nil
}

func (v value) validate() error {
	if reason := v.problem(1); reason != "" {
		return validationError("%s", reason)
	}
	return nil
}

// problem is the reason why the service refuses v at a nesting level, or "".
func (v value) problem(level int) string {
	if level > maxNestingLevel {
		return "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
	}
	switch v.kind {
	case kindInvalid:
		return v.text
	case kindL:
		for _, element := range v.list {
			if reason := element.problem(level + 1); reason != "" {
				return reason
			}
		}
	case kindM:
		for _, name := range slices.Sorted(maps.Keys(v.fields)) {
			if reason := v.fields[name].problem(level + 1); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func numberValue(n number) value { return value{kind: kindN, text: n.String()} }

// number is the parsed N value; its text was checked when the value was read.
func (v value) number() number {
	n, _ := scanNumber(v.text)
	return n
}

// equal is DynamoDB's equality: same type, sets without order, documents deep.
func (v value) equal(w value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case kindBOOL:
		return v.flag == w.flag
	case kindSS, kindNS, kindBS:
		return equalSets(v.set, w.set)
	case kindL:
		return slices.EqualFunc(v.list, w.list, value.equal)
	case kindM:
		return maps.EqualFunc(v.fields, w.fields, value.equal)
	}
	return v.text == w.text
}

func equalSets(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, member := range a {
		if !slices.Contains(b, member) {
			return false
		}
	}
	return true
}

// compare orders two values of the same scalar type: S and B by bytes, N by value.
// ok is false when the values have no order between them.
func (v value) compare(w value) (order int, ok bool) {
	if v.kind != w.kind {
		return 0, false
	}
	switch v.kind {
	case kindN:
		return v.number().compare(w.number()), true
	case kindS, kindB:
		return strings.Compare(v.text, w.text), true
	}
	return 0, false
}

// clone is a deep copy, so that an update does not reach into the item it starts from.
func (v value) clone() value {
	switch v.kind {
	case kindSS, kindNS, kindBS:
		v.set = slices.Clone(v.set)
	case kindL:
		list := make([]value, len(v.list))
		for i, element := range v.list {
			list[i] = element.clone()
		}
		v.list = list
	case kindM:
		v.fields = v.fields.clone()
	}
	return v
}

func (it item) clone() item {
	copied := make(item, len(it))
	for name, v := range it {
		copied[name] = v.clone()
	}
	return copied
}

// size is what the service counts against the 400 KB item limit, in bytes
// (developer guide, "DynamoDB item sizes and formats").
func (it item) size() int {
	size := 0
	for name, v := range it {
		size += len(name) + v.size()
	}
	return size
}

func (v value) size() int {
	switch v.kind {
	case kindS, kindB:
		return len(v.text)
	case kindN:
		return v.number().size()
	case kindBOOL, kindNULL:
		return 1
	case kindSS, kindNS, kindBS:
		size := 0
		for _, member := range v.set {
			size += value{kind: v.kind.elementKind(), text: member}.size()
		}
		return size
	case kindL:
		size := 3
		for _, element := range v.list {
			size += 1 + element.size()
		}
		return size
	case kindM:
		return 3 + len(v.fields) + v.fields.size()
	}
	return 0
}

// length is what the size() function of expressions answers; ok is false for types that have none.
func (v value) length() (length int, ok bool) {
	switch v.kind {
	case kindS:
		return utf8.RuneCountInString(v.text), true
	case kindB:
		return len(v.text), true
	case kindSS, kindNS, kindBS:
		return len(v.set), true
	case kindL:
		return len(v.list), true
	case kindM:
		return len(v.fields), true
	}
	return 0, false
}

// appendJSON appends v in DynamoDB JSON, such as {"S":"text"}.
func (v value) appendJSON(b []byte) []byte {
	b = append(b, `{"`...)
	b = append(b, v.kind.String()...)
	b = append(b, `":`...)
	b = v.appendDatum(b)
	return append(b, '}')
}

func (v value) appendDatum(b []byte) []byte {
	switch v.kind {
	case kindBOOL:
		return fmt.Appendf(b, "%t", v.flag)
	case kindNULL:
		return append(b, "true"...)
	case kindSS, kindNS, kindBS:
		return v.appendSet(b)
	case kindL:
		b = append(b, '[')
		for i, element := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = element.appendJSON(b)
		}
		return append(b, ']')
	case kindM:
		return v.fields.appendJSON(b)
	}
	return appendText(b, v.kind, v.text)
}

func (v value) appendSet(b []byte) []byte {
	b = append(b, '[')
	for i, member := range v.set {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, v.kind.elementKind(), member)
	}
	return append(b, ']')
}

func appendText(b []byte, k kind, text string) []byte {
	if k == kindB {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, []byte(text))
		return append(b, '"')
	}
	return appendQuoted(b, text)
}

// appendJSON appends the item as a JSON object of attribute values, in order of their names:
// equal requests then have equal texts, and a person reading finds things.
func (it item) appendJSON(b []byte) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(it)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, name)
		b = append(b, ':')
		b = it[name].appendJSON(b)
	}
	return append(b, '}')
}

// MarshalJSON writes DynamoDB JSON.
func (it item) MarshalJSON() ([]byte, error) { return it.appendJSON(nil), nil }

// MarshalJSON writes DynamoDB JSON.
func (v value) MarshalJSON() ([]byte, error) { return v.appendJSON(nil), nil }

const hexDigits = "0123456789abcdef"

// appendQuoted appends text, which is valid UTF-8, as a JSON string.
func appendQuoted(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[start:i]...)
		start = i + 1
		if c >= ' ' {
			b = append(b, '\\', c)
		} else {
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, text[start:]...)
	return append(b, '"')
}
