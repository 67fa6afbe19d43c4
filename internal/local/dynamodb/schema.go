package dynamodb

import (
	"maps"
	"slices"
	"strings"
)

// indexSpec is a secondary index in CreateTable and UpdateTable.
type indexSpec struct {
	IndexName             string
	KeySchema             schema
	Projection            *projectionSpec
	ProvisionedThroughput *throughput
}

const (
	onDemand         = "PAY_PER_REQUEST"
	provisioned      = "PROVISIONED"
	maxLocalIndexes  = 5
	maxGlobalIndexes = 20
	maxCapacity      = 1_000_000_000_000
)

// checkSchema checks what CreateTable gives as a whole: names defined, types known, indexes sound.
func (in *createTableInput) checkSchema() error {
	if err := in.checkBilling(); err != nil {
		return err
	}
	defined := definedNames(in.AttributeDefinitions)
	if len(in.KeySchema) > len(defined) {
		return validationError("Invalid KeySchema: Some index key attribute have no definition")
	}
	if err := in.KeySchema.check(defined); err != nil {
		return err
	}
	if err := in.checkLocalIndexes(defined); err != nil {
		return err
	}
	if err := in.checkGlobalIndexes(defined); err != nil {
		return err
	}
	return in.checkDefinitionsUsed()
}

func definedNames(definitions []attributeDefinition) []string {
	names := make([]string, len(definitions))
	for i, definition := range definitions {
		names[i] = definition.AttributeName
	}
	return names
}

func (in *createTableInput) checkBilling() error {
	t := in.ProvisionedThroughput
	switch {
	case in.BillingMode == onDemand && t != nil:
		return invalidParameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case in.BillingMode == onDemand:
		return nil
	case t == nil:
		return invalidParameter("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	return t.check()
}

func (t *throughput) check() error {
	if t.ReadCapacityUnits > maxCapacity {
		return validationError("Given value %d for ReadCapacityUnits is out of bounds", t.ReadCapacityUnits)
	}
	if t.WriteCapacityUnits > maxCapacity {
		return validationError("Given value %d for WriteCapacityUnits is out of bounds", t.WriteCapacityUnits)
	}
	return nil
}

// check checks a key schema against the attributes that are defined.
func (s schema) check(defined []string) error {
	names := s.names()
	for _, name := range names {
		if !slices.Contains(defined, name) {
			return invalidParameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
				strings.Join(names, ", "), strings.Join(defined, ", "))
		}
	}
	switch {
	case len(s) == 2 && names[0] == names[1]:
		return validationError("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	case s[0].KeyType != "HASH":
		return validationError("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	case len(s) == 2 && s[1].KeyType != "RANGE":
		return validationError("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	return nil
}

func (in *createTableInput) checkLocalIndexes(defined []string) error {
	switch {
	case in.LocalSecondaryIndexes == nil:
		return nil
	case len(in.LocalSecondaryIndexes) == 0:
		return invalidParameter("List of LocalSecondaryIndexes is empty")
	case len(in.KeySchema) != 2:
		return invalidParameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	}
	seen := map[string]bool{}
	for _, ix := range in.LocalSecondaryIndexes {
		if err := ix.KeySchema.check(defined); err != nil {
			return err
		}
		if len(ix.KeySchema) != 2 {
			return invalidParameter("Index KeySchema does not have a range key for index: %s", ix.IndexName)
		}
		if ix.KeySchema.hash() != in.KeySchema.hash() {
			return invalidParameter("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s",
				ix.IndexName, ix.KeySchema.hash(), in.KeySchema.hash())
		}
		if err := ix.checkNew(seen); err != nil {
			return err
		}
	}
	if len(in.LocalSecondaryIndexes) > maxLocalIndexes {
		return invalidParameter("Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocalIndexes)
	}
	return nil
}

func (in *createTableInput) checkGlobalIndexes(defined []string) error {
	if in.GlobalSecondaryIndexes == nil {
		return nil
	}
	if len(in.GlobalSecondaryIndexes) == 0 {
		return invalidParameter("List of GlobalSecondaryIndexes is empty")
	}
	seen := map[string]bool{}
	for _, ix := range in.LocalSecondaryIndexes {
		seen[ix.IndexName] = true
	}
	for _, ix := range in.GlobalSecondaryIndexes {
		if err := ix.KeySchema.check(defined); err != nil {
			return err
		}
		if in.BillingMode == onDemand && ix.ProvisionedThroughput != nil {
			return invalidParameter("ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", ix.IndexName)
		}
		if err := ix.checkNew(seen); err != nil {
			return err
		}
	}
	if len(in.GlobalSecondaryIndexes) > maxGlobalIndexes {
		return invalidParameter("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobalIndexes)
	}
	return nil
}

// checkNew checks an index's projection, and that its name is not yet among those seen.
func (ix indexSpec) checkNew(seen map[string]bool) error {
	p := ix.Projection
	switch {
	case p.ProjectionType == "":
		return invalidParameter("Unknown ProjectionType: null")
	case p.NonKeyAttributes != nil && p.ProjectionType != "INCLUDE":
		return invalidParameter("ProjectionType is %s, but NonKeyAttributes is specified", p.ProjectionType)
	case p.NonKeyAttributes == nil && p.ProjectionType == "INCLUDE":
		return invalidParameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case seen[ix.IndexName]:
		return invalidParameter("Duplicate index name: %s", ix.IndexName)
	}
	seen[ix.IndexName] = true
	return nil
}

// checkDefinitionsUsed refuses definitions of attributes that are no keys.
func (in *createTableInput) checkDefinitionsUsed() error {
	used := map[string]bool{}
	for _, name := range in.KeySchema.names() {
		used[name] = true
	}
	for _, ix := range slices.Concat(in.LocalSecondaryIndexes, in.GlobalSecondaryIndexes) {
		for _, name := range ix.KeySchema.names() {
			used[name] = true
		}
	}
	if len(used) == len(in.AttributeDefinitions) {
		return nil
	}
	if in.LocalSecondaryIndexes == nil && in.GlobalSecondaryIndexes == nil {
		return invalidParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return invalidParameter("Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]",
		strings.Join(definedNames(in.AttributeDefinitions), ", "), strings.Join(slices.Sorted(maps.Keys(used)), ", "))
}

// violations of the members' own constraints.

func (in *createTableInput) violations() error {
	var v violations
	v.required(in.AttributeDefinitions != nil, "attributeDefinitions")
	checkDefinitions(&v, in.AttributeDefinitions)
	in.checkCharacters(&v)
	v.oneOf(in.BillingMode, "billingMode", provisioned, onDemand)
	in.ProvisionedThroughput.violations(&v, "provisionedThroughput")
	in.KeySchema.violations(&v, "keySchema")
	for i, ix := range in.LocalSecondaryIndexes {
		ix.violations(&v, member("localSecondaryIndexes", i))
	}
	for i, ix := range in.GlobalSecondaryIndexes {
		ix.violations(&v, member("globalSecondaryIndexes", i))
	}
	return v.err()
}

func checkDefinitions(v *violations, definitions []attributeDefinition) {
	for i, definition := range definitions {
		at := member("attributeDefinitions", i)
		v.required(definition.AttributeName != "", at+".attributeName")
		v.required(definition.AttributeType != "", at+".attributeType")
		v.oneOf(definition.AttributeType, at+".attributeType", "B", "N", "S")
	}
}

func (t *throughput) violations(v *violations, at string) {
	if t != nil {
		v.atLeast(&t.WriteCapacityUnits, 1, at+".writeCapacityUnits")
		v.atLeast(&t.ReadCapacityUnits, 1, at+".readCapacityUnits")
	}
}

func (s schema) violations(v *violations, at string) {
	v.required(s != nil, at)
	if s != nil {
		v.check(len(s) >= 1, "'[]'", at, "Member must have length greater than or equal to 1")
	}
	v.check(len(s) <= 2, "'["+strings.Join(s.names(), ", ")+"]'", at, "Member must have length less than or equal to 2")
	for i, element := range s {
		v.required(element.AttributeName != "", member(at, i)+".attributeName")
		v.required(element.KeyType != "", member(at, i)+".keyType")
		v.oneOf(element.KeyType, member(at, i)+".keyType", "HASH", "RANGE")
	}
}

func (ix indexSpec) violations(v *violations, at string) {
	v.name(ix.IndexName, at+".indexName")
	ix.KeySchema.violations(v, at+".keySchema")
	v.required(ix.Projection != nil, at+".projection")
	if ix.Projection != nil {
		v.oneOf(ix.Projection.ProjectionType, at+".projection.projectionType", "ALL", "INCLUDE", "KEYS_ONLY")
		v.check(ix.Projection.NonKeyAttributes == nil || len(ix.Projection.NonKeyAttributes) > 0, "'[]'", at+".projection.nonKeyAttributes",
			"Member must have length greater than or equal to 1")
	}
	ix.ProvisionedThroughput.violations(v, at+".provisionedThroughput")
}
