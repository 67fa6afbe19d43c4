package dynamodb

import (
	"context"
	"encoding/json"
	"slices"
)

type updateTableInput struct {
	tableInput

	AttributeDefinitions        []attributeDefinition
	BillingMode                 string
	ProvisionedThroughput       *throughput
	GlobalSecondaryIndexUpdates []indexUpdate
	SSESpecification            *encryptionSpec
	TableClass                  string
	DeletionProtectionEnabled   *bool
	StreamSpecification         json.RawMessage
	ReplicaUpdates              json.RawMessage
}

// indexUpdate is one of three changes to a global secondary index.
type indexUpdate struct {
	Create *indexSpec
	Update *struct {
		IndexName             string
		ProvisionedThroughput *throughput
	}
	Delete *struct{ IndexName string }
}

// name is "" when the update has none of its members.
func (u indexUpdate) name() string {
	switch {
	case u.Create != nil:
		return u.Create.IndexName
	case u.Update != nil:
		return u.Update.IndexName
	case u.Delete != nil:
		return u.Delete.IndexName
	}
	return ""
}

func (in *updateTableInput) check() error {
	if err := in.tableInput.check(); err != nil {
		return err
	}
	if in.StreamSpecification != nil || in.ReplicaUpdates != nil {
		return validationError("StreamSpecification and ReplicaUpdates are not supported by this endpoint")
	}
	if err := in.violations(); err != nil {
		return err
	}
	switch {
	case in.isEmpty():
		return validationError("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
	case in.BillingMode == provisioned && in.ProvisionedThroughput == nil:
		return invalidParameter("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
	case in.ProvisionedThroughput != nil:
		if err := in.ProvisionedThroughput.check(); err != nil {
			return err
		}
	}
	return in.checkIndexUpdates()
}

func (in *updateTableInput) isEmpty() bool {
	return in.BillingMode == "" && in.ProvisionedThroughput == nil && len(in.GlobalSecondaryIndexUpdates) == 0 &&
		in.SSESpecification == nil && in.TableClass == "" && in.DeletionProtectionEnabled == nil
}

func (in *updateTableInput) violations() error {
	var v violations
	checkDefinitions(&v, in.AttributeDefinitions)
	v.oneOf(in.BillingMode, "billingMode", provisioned, onDemand)
	in.ProvisionedThroughput.violations(&v, "provisionedThroughput")
	for i, u := range in.GlobalSecondaryIndexUpdates {
		if u.Create != nil {
			u.Create.violations(&v, member("globalSecondaryIndexUpdates", i)+".create")
		}
	}
	return v.err()
}

func (in *updateTableInput) checkIndexUpdates() error {
	seen := map[string]bool{}
	for _, u := range in.GlobalSecondaryIndexUpdates {
		switch name := u.name(); {
		case name == "":
			return invalidParameter("One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null")
		case seen[name]:
			return invalidParameter("Only one global secondary index update per index is allowed simultaneously. Index: %s", name)
		default:
			seen[name] = true
		}
	}
	return nil
}

func (s *Server) updateTable(ctx context.Context, in *updateTableInput) (*tableOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t, err := s.change(*in.TableName, noNamedTable(*in.TableName), in.apply)
	if err != nil {
		return nil, err
	}
	return s.tableOutput(ctx, t)
}

// apply changes a definition. All index updates are checked before the first changes entries.
func (in *updateTableInput) apply(a *alteration, t *table) error {
	present := slices.Clone(t.Indexes)
	if err := in.applyIndexes(t); err != nil {
		return err
	}
	switch in.BillingMode {
	case onDemand:
		t.Throughput = nil
	case provisioned:
		t.Throughput = in.ProvisionedThroughput
	}
	if in.BillingMode != "" {
		t.BillingMode = in.BillingMode
	}
	if in.ProvisionedThroughput != nil {
		t.Throughput = in.ProvisionedThroughput
	}
	if in.SSESpecification != nil {
		t.Encrypted = in.SSESpecification.Enabled
	}
	if in.TableClass != "" {
		t.TableClass = in.TableClass
	}
	if in.DeletionProtectionEnabled != nil {
		t.DeletionProtection = *in.DeletionProtectionEnabled
	}
	return alterEntries(a, t, present)
}

// alterEntries drops the entries of indexes that are no longer there and makes those of new ones.
func alterEntries(a *alteration, t *table, before []*index) error {
	for _, ix := range before {
		if t.index(ix.Name) == nil {
			if err := a.dropIndex(t, ix); err != nil {
				return err
			}
		}
	}
	for _, ix := range t.Indexes {
		isNew := !slices.ContainsFunc(before, func(old *index) bool { return old.ID == ix.ID })
		if isNew {
			if err := a.fillIndex(t, ix); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in *updateTableInput) applyIndexes(t *table) error {
	for _, definition := range in.AttributeDefinitions {
		switch known := t.kindOf(definition.AttributeName); {
		case known == kindNone:
			t.Attributes = append(t.Attributes, definition)
		case known != kindOf(definition.AttributeType):
			return invalidParameter("Table attribute %s is already defined with type %s", definition.AttributeName, known)
		}
	}
	for _, u := range in.GlobalSecondaryIndexUpdates {
		if err := u.apply(t); err != nil {
			return err
		}
	}
	t.Attributes = slices.DeleteFunc(t.Attributes, func(d attributeDefinition) bool { return !t.isKey(d.AttributeName) })
	return nil
}

// isKey says whether an attribute is a key of the table or of an index.
func (t *table) isKey(name string) bool {
	return t.Keys.has(name) || slices.ContainsFunc(t.Indexes, func(ix *index) bool { return ix.Keys.has(name) })
}

func (u indexUpdate) apply(t *table) error {
	if u.Create != nil {
		return u.create(t)
	}
	at := slices.IndexFunc(t.Indexes, func(ix *index) bool { return ix.Global && ix.Name == u.name() })
	if at < 0 {
		return newError(codeNotFound, "Requested resource not found")
	}
	if u.Delete != nil {
		t.Indexes = slices.Delete(t.Indexes, at, at+1)
		return nil
	}
	changed := *t.Indexes[at]
	changed.Throughput = u.Update.ProvisionedThroughput
	t.Indexes[at] = &changed
	return nil
}

func (u indexUpdate) create(t *table) error {
	if t.index(u.Create.IndexName) != nil {
		return validationError("Attempting to create an index which already exists")
	}
	if err := u.Create.KeySchema.check(definedNames(t.Attributes)); err != nil {
		return err
	}
	if err := u.Create.checkNew(map[string]bool{}); err != nil {
		return err
	}
	t.addIndex(*u.Create, true)
	global := 0
	for _, ix := range t.Indexes {
		if ix.Global {
			global++
		}
	}
	if global > maxGlobalIndexes {
		return invalidParameter("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobalIndexes)
	}
	return nil
}
