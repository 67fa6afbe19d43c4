package dynamodb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The shapes of the table calls' JSON. A table keeps them as they came, so that DescribeTable can give them back.
type (
	attributeDefinition struct {
		AttributeName string
		AttributeType string
	}
	keyElement struct {
		AttributeName string
		KeyType       string
	}
	projectionSpec struct {
		ProjectionType   string   `json:",omitempty"`
		NonKeyAttributes []string `json:",omitempty"`
	}
	throughput struct {
		ReadCapacityUnits  int64
		WriteCapacityUnits int64
	}
	tag struct {
		Key   string
		Value string
	}
)

// table is the definition of a table. It is immutable once it is in the catalogue: a change makes a new one.
type table struct {
	ID                 int64 `json:"-"` // the row in SQLite, never used again for another table
	Name               string
	UUID               string
	Created            time.Time
	Attributes         []attributeDefinition
	Keys               schema
	Indexes            []*index
	NextIndex          int64
	BillingMode        string
	Throughput         *throughput `json:",omitempty"`
	TableClass         string      `json:",omitempty"`
	DeletionProtection bool
	Encrypted          bool
	TTLAttribute       string // "" while TTL is disabled
	RecoveryEnabled    bool
	RecoveryDays       int64
	RecoverySince      time.Time
	Tags               []tag
}

// encode is the definition as it is stored.
func (t *table) encode() (string, error) {
	encoded, err := json.Marshal(t) //nolint:musttag // field names are what is stored; renaming one needs a new layoutVersion
	if err != nil {
		return "", fmt.Errorf("encode table %s: %w", t.Name, err)
	}
	return string(encoded), nil
}

// index is a secondary index. Its entries point to the items; what the projection leaves out is left out when reading.
type index struct {
	ID         int64 // unique within the table, never used again for another index
	Name       string
	Global     bool
	Keys       schema
	Projection projectionSpec
	Throughput *throughput `json:",omitempty"`
}

// schema is a key schema: the partition key, and the sort key if there is one.
type schema []keyElement

func (s schema) hash() string { return s[0].AttributeName }

// sortKey is "" when there is none.
func (s schema) sortKey() string {
	if len(s) < 2 {
		return ""
	}
	return s[1].AttributeName
}

func (s schema) names() []string {
	names := make([]string, len(s))
	for i, element := range s {
		names[i] = element.AttributeName
	}
	return names
}

func (s schema) has(name string) bool { return slices.Contains(s.names(), name) }

// kindOf is the declared type of a key attribute.
func (t *table) kindOf(attribute string) kind {
	for _, definition := range t.Attributes {
		if definition.AttributeName == attribute {
			return kindOf(definition.AttributeType)
		}
	}
	return kindNone
}

// index finds a secondary index by name, or nil.
func (t *table) index(name string) *index {
	for _, ix := range t.Indexes {
		if ix.Name == name {
			return ix
		}
	}
	return nil
}

// checkItem checks an item's key and index key attributes.
func (t *table) checkItem(it item) error {
	for i, name := range t.Keys.names() {
		v, wanted := it[name], t.kindOf(name)
		switch {
		case v.kind == kindNone:
			return invalidParameter("Missing the key %s in the item", name)
		case v.kind != wanted:
			return invalidParameter("Type mismatch for key %s expected: %s actual: %s", name, wanted, v.kind)
		case isEmptyKey(v):
			return validationError("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", emptyWord(v), name)
		}
		if err := checkKeySize(v, i == 0); err != nil {
			return err
		}
	}
	return t.checkIndexKeys(it, func(ix *index, name string, wanted, actual kind) error {
		return invalidParameter("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", name, wanted, actual, ix.Name)
	})
}

func isEmptyKey(v value) bool { return v.text == "" && v.kind != kindN }

func emptyWord(v value) string {
	if v.kind == kindB {
		return "binary"
	}
	return "string"
}

// checkIndexKeys checks the attributes that are keys of secondary indexes; mismatch makes the error for a wrong type.
func (t *table) checkIndexKeys(it item, mismatch func(ix *index, name string, wanted, actual kind) error) error {
	for _, ix := range t.Indexes {
		for i, name := range ix.Keys.names() {
			v, wanted := it[name], t.kindOf(name)
			switch {
			case v.kind == kindNone:
				continue
			case v.kind != wanted:
				return mismatch(ix, name, wanted, v.kind)
			case isEmptyKey(v):
				return validationError("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", emptyWord(v), ix.Name, name)
			}
			if err := checkKeySize(v, i == 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkKeySize(v value, isHash bool) error {
	switch {
	case v.kind == kindN:
		return nil
	case isHash && len(v.text) > maxPartitionKey:
		return invalidParameter("Size of hashkey has exceeded the maximum size limit of2048 bytes") // the service's spacing
	case !isHash && len(v.text) > maxSortKey:
		return invalidParameter("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
	}
	return nil
}

var errKeySchema = validationError("The provided key element does not match the schema")

// checkKey checks the Key of a request: all key attributes and nothing else.
func (t *table) checkKey(key item) error {
	if len(key) != len(t.Keys) {
		return errKeySchema
	}
	return t.checkKeyParts(key, t.Keys)
}

// checkKeyParts checks the attributes of one key schema.
func (t *table) checkKeyParts(key item, s schema) error {
	for i, name := range s.names() {
		v := key[name]
		switch {
		case v.kind == kindNone || v.kind != t.kindOf(name):
			return errKeySchema
		case isEmptyKey(v):
			return invalidParameter("The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", emptyWord(v), name)
		}
		if err := checkKeySize(v, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// itemKey is the stored key of an item whose key attributes were checked.
func (t *table) itemKey(it item) []byte { return partition(t.Keys, it, true) }

// partition is the stored form of a key: its partition, and with the sort key when whole.
func partition(s schema, it item, whole bool) []byte {
	hash := keyBytes(it[s.hash()])
	key := appendPart(slot(hash), hash)
	if whole && s.sortKey() != "" {
		key = appendPart(key, keyBytes(it[s.sortKey()]))
	}
	return key
}

// entryKey is the stored key of an item's entry in an index, or nil when the index does not have the item.
func (t *table) entryKey(ix *index, it item, itemKey []byte) []byte {
	for i, name := range ix.Keys.names() {
		v := it[name]
		if v.kind == kindNone || v.kind != t.kindOf(name) || isEmptyKey(v) || checkKeySize(v, i == 0) != nil {
			return nil
		}
	}
	return t.appendTie(partition(ix.Keys, it, true), it, itemKey)
}

// appendTie appends what tells entries with the same index key apart.
func (t *table) appendTie(key []byte, it item, itemKey []byte) []byte {
	parts := make([]string, len(t.Keys))
	for i, name := range t.Keys.names() {
		parts[i] = keyBytes(it[name])
	}
	return append(append(key, slot(parts...)...), itemKey...)
}

// projects says whether an index has an attribute.
func (t *table) projects(ix *index, name string) bool {
	return ix.Projection.ProjectionType == "ALL" || slices.Contains(t.projected(ix), name)
}

// projected is the attributes of an index that does not project all.
func (t *table) projected(ix *index) []string {
	return slices.Concat(ix.Keys.names(), t.Keys.names(), ix.Projection.NonKeyAttributes)
}

// project is the part of an item that an index has.
func (t *table) project(ix *index, it item) item {
	if ix == nil || ix.Projection.ProjectionType == "ALL" {
		return it
	}
	part := item{}
	for _, name := range t.projected(ix) {
		if v, ok := it[name]; ok {
			part[name] = v
		}
	}
	return part
}

// startKey is the attributes of ExclusiveStartKey and LastEvaluatedKey: the table's keys, then the index's.
func (t *table) startKey(ix *index) []string {
	names := t.Keys.names()
	if ix != nil {
		for _, name := range ix.Keys.names() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// pick is the item reduced to some attributes.
func (it item) pick(names []string) item {
	part := item{}
	for _, name := range names {
		part[name] = it[name]
	}
	return part
}

// checkKeyPaths refuses paths into key attributes, which are scalars.
func (t *table) checkKeyPaths(each func(func(path))) error {
	var err error
	each(func(p path) {
		if err != nil || len(p) == 1 {
			return
		}
		const reason = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
		if t.Keys.has(p.head()) {
			err = validationError(reason+"Key: %s", p.head())
		}
		for _, ix := range t.Indexes {
			if err == nil && ix.Keys.has(p.head()) {
				err = validationError(reason+"IndexKey: %s", p.head())
			}
		}
	})
	return err
}

// TTL attributes hold seconds since 1970. What is more than five years past is not an expiry time but something
// else, and stays (developer guide, "Using time to live").
const ttlHorizon = 5 * 365 * 24 * time.Hour

// expires is the item's expiry time in seconds since 1970, or nil when it has none.
func (t *table) expires(it item) any {
	v := it[t.TTLAttribute]
	if t.TTLAttribute == "" || v.kind != kindN {
		return nil
	}
	n := v.number()
	const maxSecondsDigits = 12
	if n.negative || n.exponent < 0 || n.exponent > maxSecondsDigits {
		return nil
	}
	seconds := int64(0)
	for i := range n.exponent + 1 {
		seconds *= 10
		if i < len(n.digits) {
			seconds += int64(n.digits[i] - '0')
		}
	}
	return seconds
}

// mutation is one item before and after a write; nil when there is none.
type mutation struct {
	table    *table
	key      []byte
	old, new item
}

// entryChange is what a mutation does to one index: the entry to take out and the one to put in, nil for none.
type entryChange struct {
	index    *index
	old, new []byte
}

func (m mutation) entryChanges() []entryChange {
	var changes []entryChange
	for _, ix := range m.table.Indexes {
		var c entryChange
		if m.old != nil {
			c.old = m.table.entryKey(ix, m.old, m.key)
		}
		if m.new != nil {
			c.new = m.table.entryKey(ix, m.new, m.key)
		}
		if !bytes.Equal(c.old, c.new) {
			c.index = ix
			changes = append(changes, c)
		}
	}
	return changes
}
