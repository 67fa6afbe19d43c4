package dynamodb

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// UnmarshalJSON reads an item in DynamoDB JSON.
func (it *item) UnmarshalJSON(data []byte) error {
	r := reader{data: data}
	if r.null() {
		return nil
	}
	read, err := r.item()
	*it = read
	return err
}

// UnmarshalJSON reads one attribute value in DynamoDB JSON.
func (v *value) UnmarshalJSON(data []byte) error {
	r := reader{data: data}
	read, err := r.value()
	*v = read
	return err
}

// reader reads attribute values from JSON in one pass. encoding/json would look at every nesting level again,
// and lose what the service tells apart: the wrong JSON type (a SerializationException) and a value
// that DynamoDB refuses (a ValidationException, kept as kindInvalid until somebody uses the value).
type reader struct {
	data []byte
	pos  int
}

func (r *reader) peek() byte {
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; c {
		case ' ', '\t', '\r', '\n':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

// next consumes c if it comes next.
func (r *reader) next(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.pos++
	return true
}

func (r *reader) null() bool { return r.word("null") }

func (r *reader) word(word string) bool {
	r.peek()
	if !strings.HasPrefix(string(r.data[r.pos:min(len(r.data), r.pos+len(word))]), word) {
		return false
	}
	r.pos += len(word)
	return true
}

var errMalformed = serializationError("Unexpected token received from parser")

// object calls each for every member, positioned at its value.
func (r *reader) object(each func(name string) error) error {
	switch {
	case r.peek() == '[':
		return serializationError("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue")
	case !r.next('{'):
		return serializationError("Unexpected value type in payload")
	case r.next('}'):
		return nil
	}
	for {
		name, err := r.text()
		if err != nil {
			return err
		}
		if !r.next(':') {
			return errMalformed
		}
		if err := each(name); err != nil {
			return err
		}
		if r.next('}') {
			return nil
		}
		if !r.next(',') {
			return errMalformed
		}
	}
}

// array calls each for every element.
func (r *reader) array(each func() error) error {
	switch {
	case r.peek() == '{':
		return serializationError("Start of structure or map found where not expected")
	case !r.next('['):
		return serializationError("Unexpected field type")
	case r.next(']'):
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if r.next(']') {
			return nil
		}
		if !r.next(',') {
			return errMalformed
		}
	}
}

// text reads a string.
func (r *reader) text() (string, error) {
	if r.peek() != '"' {
		return "", r.notText("String")
	}
	start := r.pos
	plain := true
	for r.pos++; r.pos < len(r.data) && r.data[r.pos] != '"'; r.pos++ {
		if r.data[r.pos] == '\\' {
			plain = false
			r.pos++
		}
	}
	if r.pos >= len(r.data) {
		return "", errMalformed
	}
	r.pos++
	raw := r.data[start:r.pos]
	if plain && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", errMalformed
	}
	return text, nil
}

// notText is the error for a JSON value that is not the string it should be.
func (r *reader) notText(wanted string) error {
	switch r.peek() {
	case '{':
		return serializationError("Start of structure or map found where not expected")
	case '[':
		return serializationError("Unrecognized collection type class java.lang.%s", wanted)
	case 't':
		return serializationError("TRUE_VALUE cannot be converted to %s", wanted)
	case 'f':
		return serializationError("FALSE_VALUE cannot be converted to %s", wanted)
	}
	return serializationError("NUMBER_VALUE cannot be converted to %s", wanted)
}

// skip passes over one JSON value of any type.
func (r *reader) skip() error {
	switch r.peek() {
	case '{':
		return r.object(func(string) error { return r.skip() })
	case '[':
		return r.array(r.skip)
	case '"':
		_, err := r.text()
		return err
	}
	start := r.pos
	for r.pos < len(r.data) && !strings.ContainsRune(",]} \t\r\n", rune(r.data[r.pos])) {
		r.pos++
	}
	if r.pos == start {
		return errMalformed
	}
	return nil
}

func (r *reader) item() (item, error) {
	it := item{}
	err := r.object(func(name string) error {
		v, err := r.value()
		it[name] = v
		return err
	})
	return it, err
}

const (
	reasonEmptyValue = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
	reasonManyTypes  = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
)

func invalid(reason string) value { return value{kind: kindInvalid, text: reason} }

// value reads {"<type>": …}.
func (r *reader) value() (value, error) {
	var v value
	if r.null() {
		return invalid(reasonEmptyValue), nil
	}
	err := r.object(func(name string) error {
		k := kindOf(name)
		if k == kindNone {
			return r.skip()
		}
		if r.null() {
			return nil
		}
		read, err := r.datum(k)
		if v.kind != kindNone && v.kind != kindInvalid && read.kind != kindInvalid {
			read = invalid(reasonManyTypes)
		}
		if v.kind != kindInvalid {
			v = read
		}
		return err
	})
	if v.kind == kindNone {
		v = invalid(reasonEmptyValue)
	}
	return v, err
}

func (r *reader) datum(k kind) (value, error) {
	switch k {
	case kindN:
		text, err := r.text()
		return readNumber(text), err
	case kindB:
		text, err := r.blob()
		return value{kind: kindB, text: text}, err
	case kindBOOL:
		flag, err := r.boolean()
		return value{kind: kindBOOL, flag: flag}, err
	case kindNULL:
		flag, err := r.boolean()
		if err == nil && !flag {
			return invalid("One or more parameter values were invalid: Null attribute value types must have the value of true"), nil
		}
		return value{kind: kindNULL}, err
	case kindSS, kindNS, kindBS:
		return r.set(k)
	case kindL:
		list := []value{}
		err := r.array(func() error {
			element, err := r.value()
			list = append(list, element)
			return err
		})
		return value{kind: kindL, list: list}, err
	case kindM:
		fields, err := r.item()
		return value{kind: kindM, fields: fields}, err
	}
	text, err := r.text()
	return value{kind: k, text: text}, err
}

func readNumber(text string) value {
	n, err := parseNumber(text)
	if err != nil {
		return invalid(err.Error())
	}
	return numberValue(n)
}

func (r *reader) boolean() (bool, error) {
	switch {
	case r.word("true"):
		return true, nil
	case r.word("false"):
		return false, nil
	case r.peek() != '"':
		return false, r.notText("Boolean")
	}
	text, err := r.text()
	if err != nil {
		return false, err
	}
	flag, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		return false, errMalformed
	}
	return flag, nil
}

func (r *reader) blob() (string, error) {
	if c := r.peek(); c == 't' || c == 'f' || c == '-' || c >= '0' && c <= '9' {
		return "", serializationError("only base-64-encoded strings are convertible to bytes")
	}
	text, err := r.text()
	if err != nil {
		return "", err
	}
	if len(text)%4 != 0 {
		return "", serializationError("Base64 encoded length is expected a multiple of 4 bytes but found: %d", len(text))
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", serializationError("Invalid last non-pad Base64 character dectected") // the service's spelling
	}
	return string(raw), nil
}

// set reads the members of SS, NS or BS.
func (r *reader) set(k kind) (value, error) {
	v := value{kind: k}
	reason := ""
	err := r.array(func() error {
		member, err := r.datum(k.elementKind())
		if member.kind == kindInvalid && reason == "" {
			reason = member.text
		}
		v.set = append(v.set, member.text)
		return err
	})
	if err == nil && reason == "" {
		reason = setProblem(v)
	}
	if reason != "" {
		return invalid(reason), err
	}
	return v, err
}

// setProblem is the reason why the service refuses a set, or "".
func setProblem(v value) string {
	const preamble = "One or more parameter values were invalid: "
	if len(v.set) == 0 {
		return preamble + map[kind]string{
			kindSS: "An string set  may not be empty",
			kindNS: "An number set  may not be empty",
			kindBS: "Binary sets should not be empty",
		}[v.kind]
	}
	seen := make(map[string]bool, len(v.set))
	for _, member := range v.set {
		if seen[member] {
			return duplicateMember(v)
		}
		seen[member] = true
	}
	return ""
}

func duplicateMember(v value) string {
	const preamble = "One or more parameter values were invalid: Input collection "
	members := v.set
	switch v.kind {
	case kindNS:
		return "Input collection contains duplicates"
	case kindBS:
		encoded := make([]string, len(members))
		for i, member := range members {
			encoded[i] = base64.StdEncoding.EncodeToString([]byte(member))
		}
		return preamble + "[" + strings.Join(encoded, ", ") + "]of type BS contains duplicates."
	}
	return preamble + "[" + strings.Join(members, ", ") + "] contains duplicates."
}
