package sqs

import (
	"cmp"
	"crypto/md5" //nolint:gosec // the protocol's checksum, not a protection
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const maxMessageAttributes = 10

var attributeName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,256}$`)

// attributeValue is a message attribute as the protocol writes it. BinaryValue
// travels as base64, which encoding/json does by itself.
type attributeValue struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`

	// Lists are in the model and refused by the service.
	StringListValues []string `json:",omitempty"`
	BinaryListValues [][]byte `json:",omitempty"`
}

// binary says whether the value is bytes rather than text.
func (v attributeValue) binary() bool { return v.baseType() == "Binary" }

// baseType is the data type without the caller's own label: "Number.int" is a Number.
func (v attributeValue) baseType() string {
	base, _, _ := strings.Cut(v.DataType, ".")
	return base
}

func (v attributeValue) bytes() []byte {
	if v.binary() {
		return v.BinaryValue
	}
	if v.StringValue == nil {
		return nil
	}
	return []byte(*v.StringValue)
}

// messageAttributes by name.
type messageAttributes map[string]attributeValue

// size is what the attributes add to the size of their message, in bytes.
func (m messageAttributes) size() int {
	n := 0
	for name, v := range m {
		n += len(name) + len(v.DataType) + len(v.bytes())
	}
	return n
}

// check refuses attributes that break the documented rules.
func (m messageAttributes) check() error {
	if len(m) > maxMessageAttributes {
		return errInvalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(m), maxMessageAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if err := checkMessageAttributeName(name); err != nil {
			return err
		}
		if err := m[name].check(name); err != nil {
			return err
		}
	}
	return nil
}

func checkMessageAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case !attributeName.MatchString(name):
		return errInvalidParameter("Invalid message attribute name %q: it may have 1 to 256 of A-Z, a-z, 0-9, underscore, hyphen and period.", name)
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "."), strings.Contains(name, ".."):
		return errInvalidParameter("Invalid message attribute name %q: it must not start or end with a period, nor have two in succession.", name)
	case strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."):
		return errInvalidParameter("Invalid message attribute name %q: the prefixes AWS. and Amazon. are reserved.", name)
	}
	return nil
}

func (v attributeValue) check(name string) error {
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return errUnsupported("Message attribute list values in SendMessage operation are not supported.")
	}
	if v.DataType == "" {
		return errInvalidParameter("The message attribute '%s' must contain a non-empty message attribute type.", name)
	}
	if len(v.DataType) > 256 {
		return errInvalidParameter("The message attribute '%s' has a type that is longer than 256 bytes.", name)
	}
	return v.checkValue(name)
}

func (v attributeValue) checkValue(name string) error {
	base := v.baseType()
	if base != "String" && base != "Number" && base != "Binary" {
		return errInvalidParameter("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	if v.binary() && v.StringValue != nil || !v.binary() && v.BinaryValue != nil {
		return errInvalidParameter("The message attribute '%s' with type '%s' must use field '%s'.", name, base, valueField(v))
	}
	if len(v.bytes()) == 0 {
		return errInvalidParameter("The message attribute '%s' must contain a non-empty message attribute value for message attribute type '%s'.", name, base)
	}
	if base == "Number" && !validNumber(*v.StringValue) {
		return errInvalidParameter("Can't cast the value of message (user) attribute '%s' to a number.", name)
	}
	if !v.binary() && !validText(*v.StringValue) {
		return errMessageContents()
	}
	return nil
}

func valueField(v attributeValue) string {
	if v.binary() {
		return "BinaryValue"
	}
	return "StringValue"
}

// validNumber accepts what fits the documented range of -10^128 to 10^126.
func validNumber(text string) bool {
	n, err := strconv.ParseFloat(text, 64)
	return err == nil && n >= -1e128 && n <= 1e126 && !strings.ContainsAny(text, "xX_")
}

// validText says whether a text has only the characters that a message may have.
func validText(text string) bool {
	for _, r := range text {
		ok := r == 0x9 || r == 0xA || r == 0xD ||
			r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
		if !ok {
			return false
		}
	}
	return true
}

// selected gives the attributes that ReceiveMessage asked for: by name, by prefix
// ("bar.*"), or all of them ("All" or ".*").
func (m messageAttributes) selected(wanted []string) messageAttributes {
	chosen := make(messageAttributes)
	for name, v := range m {
		if slices.ContainsFunc(wanted, func(w string) bool { return selects(w, name) }) {
			chosen[name] = v
		}
	}
	return chosen
}

func selects(wanted, name string) bool {
	if wanted == "All" || wanted == name {
		return true
	}
	prefix, ok := strings.CutSuffix(wanted, ".*")
	return ok && (prefix == "" || name == prefix || strings.HasPrefix(name, prefix+"."))
}

// md5 is the digest that clients compare with their own, in hex; empty without
// attributes. The developer guide gives the algorithm under "Calculating the MD5
// message digest for message attributes".
func (m messageAttributes) md5() string {
	if len(m) == 0 {
		return ""
	}
	var buf []byte
	field := func(b []byte) {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(b)))
		buf = append(buf, b...)
	}
	for _, name := range slices.SortedFunc(maps.Keys(m), cmp.Compare[string]) {
		v := m[name]
		field([]byte(name))
		field([]byte(v.DataType))
		transport := byte(1)
		if v.binary() {
			transport = 2
		}
		buf = append(buf, transport)
		field(v.bytes())
	}
	return md5Hex(buf)
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // the protocol's checksum, not a protection
	return hex.EncodeToString(sum[:])
}
