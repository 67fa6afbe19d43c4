package dynamodb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// tableInput is the part of a table call that names the table.
type tableInput struct {
	TableName *string
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// member is the name of a list's element in a violation.
func member(list string, i int) string { return fmt.Sprintf("%s.%d.member", list, i+1) }

// check checks the name as the table calls do, which differs from the item calls.
func (in *tableInput) check() error {
	if err := in.checkLength(); err != nil {
		return err
	}
	var v violations
	in.checkCharacters(&v)
	return v.err()
}

func (in *tableInput) checkLength() error {
	name := deref(in.TableName)
	switch {
	case in.TableName == nil:
		return validationError("The parameter 'TableName' is required but was not present in the request")
	case len(name) < 3 || len(name) > 255:
		return validationError("TableName must be at least 3 characters long and at most 255 characters long")
	}
	return nil
}

func (in *tableInput) checkCharacters(v *violations) {
	name := deref(in.TableName)
	v.check(validName(name), "'"+name+"'", "tableName", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
}

type streamSpec struct{ StreamEnabled bool }

type encryptionSpec struct{ Enabled bool }

type createTableInput struct {
	tableInput

	AttributeDefinitions      []attributeDefinition
	KeySchema                 schema
	LocalSecondaryIndexes     []indexSpec
	GlobalSecondaryIndexes    []indexSpec
	BillingMode               string
	ProvisionedThroughput     *throughput
	StreamSpecification       *streamSpec
	SSESpecification          *encryptionSpec
	TableClass                string
	DeletionProtectionEnabled bool
	Tags                      []tag
}

type tableOutput struct {
	TableDescription *tableDescription
}

func (in *createTableInput) check() error {
	if err := in.checkLength(); err != nil {
		return err
	}
	if err := in.violations(); err != nil {
		return err
	}
	if in.StreamSpecification != nil && in.StreamSpecification.StreamEnabled {
		return validationError("StreamSpecification: streams are not supported by this endpoint")
	}
	return in.checkSchema()
}

func (s *Server) createTable(ctx context.Context, in *createTableInput) (*tableOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t := in.table(s.options.NewID(), s.options.Now())
	err := s.store.alter(func(a *alteration) error {
		if a.tables[t.Name] != nil {
			return newError(codeInUse, "Table already exists: %s", t.Name)
		}
		return a.create(t)
	})
	if err != nil {
		return nil, err
	}
	return s.tableOutput(ctx, t)
}

// table is the definition that the input asks for.
func (in *createTableInput) table(id string, now time.Time) *table {
	t := &table{
		Name:               *in.TableName,
		UUID:               id,
		Created:            now,
		Attributes:         in.AttributeDefinitions,
		Keys:               in.KeySchema,
		BillingMode:        in.BillingMode,
		Throughput:         in.ProvisionedThroughput,
		TableClass:         in.TableClass,
		DeletionProtection: in.DeletionProtectionEnabled,
		Encrypted:          deref(in.SSESpecification).Enabled,
		Tags:               in.Tags,
	}
	for _, spec := range in.LocalSecondaryIndexes {
		t.addIndex(spec, false)
	}
	for _, spec := range in.GlobalSecondaryIndexes {
		t.addIndex(spec, true)
	}
	return t
}

func (t *table) addIndex(spec indexSpec, global bool) {
	t.NextIndex++
	t.Indexes = append(t.Indexes, &index{
		ID: t.NextIndex, Name: spec.IndexName, Global: global,
		Keys: spec.KeySchema, Projection: *spec.Projection, Throughput: spec.ProvisionedThroughput,
	})
}

func (s *Server) describeTable(ctx context.Context, in *tableInput) (*struct{ Table *tableDescription }, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t := s.store.table(*in.TableName)
	if t == nil {
		return nil, noNamedTable(*in.TableName)
	}
	out, err := s.tableOutput(ctx, t)
	if err != nil {
		return nil, err
	}
	return &struct{ Table *tableDescription }{out.TableDescription}, nil
}

func (s *Server) deleteTable(ctx context.Context, in *tableInput) (*tableOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t := s.store.table(*in.TableName)
	if t == nil {
		return nil, noNamedTable(*in.TableName)
	}
	out, err := s.tableOutput(ctx, t)
	if err != nil {
		return nil, err
	}
	err = s.store.alter(func(a *alteration) error {
		t := a.tables[*in.TableName]
		switch {
		case t == nil:
			return noNamedTable(*in.TableName)
		case t.DeletionProtection:
			return validationError("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
		}
		return a.drop(t)
	})
	out.TableDescription.TableStatus = "DELETING"
	return out, err
}

type listTablesInput struct {
	Limit                   *int64
	ExclusiveStartTableName string
}

type listTablesOutput struct {
	TableNames             []string
	LastEvaluatedTableName string `json:",omitempty"`
}

const maxListTables = 100

func (s *Server) listTables(_ context.Context, in *listTablesInput) (*listTablesOutput, error) {
	var v violations
	v.atLeast(in.Limit, 1, "limit")
	limit := maxListTables
	if in.Limit != nil {
		v.check(*in.Limit <= maxListTables, fmt.Sprintf("'%d'", *in.Limit), "limit", "Member must have value less than or equal to 100")
		limit = int(min(*in.Limit, maxListTables))
	}
	if in.ExclusiveStartTableName != "" {
		v.name(in.ExclusiveStartTableName, "exclusiveStartTableName")
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(*s.store.catalogue.Load()))
	from, found := slices.BinarySearch(names, in.ExclusiveStartTableName)
	if found {
		from++
	}
	out := &listTablesOutput{TableNames: append([]string{}, names[from:]...)}
	if len(out.TableNames) > limit {
		out.TableNames = out.TableNames[:limit]
		out.LastEvaluatedTableName = out.TableNames[limit-1]
	}
	return out, nil
}

// change makes a new definition from the table's present one and stores it; edit may refuse.
func (s *Server) change(name string, missing *apiError, edit func(a *alteration, t *table) error) (*table, error) {
	var changed *table
	err := s.store.alter(func(a *alteration) error {
		t := a.tables[name]
		if t == nil {
			return missing
		}
		copied := *t
		copied.Tags = slices.Clone(t.Tags)
		copied.Indexes = slices.Clone(t.Indexes)
		copied.Attributes = slices.Clone(t.Attributes)
		changed = &copied
		if err := edit(a, changed); err != nil {
			return err
		}
		return a.replace(changed)
	})
	return changed, err
}

type updateTTLInput struct {
	tableInput

	TimeToLiveSpecification *ttlSpec
}

type ttlSpec struct {
	AttributeName string
	Enabled       bool
}

func (s *Server) updateTimeToLive(_ context.Context, in *updateTTLInput) (*struct{ TimeToLiveSpecification *ttlSpec }, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	spec := in.TimeToLiveSpecification
	var v violations
	v.required(spec != nil, "timeToLiveSpecification")
	v.required(spec == nil || spec.AttributeName != "", "timeToLiveSpecification.attributeName")
	if err := v.err(); err != nil {
		return nil, err
	}
	_, err := s.change(*in.TableName, noNamedTable(*in.TableName), func(a *alteration, t *table) error {
		switch {
		case spec.Enabled && t.TTLAttribute == spec.AttributeName:
			return validationError("TimeToLive is already enabled")
		case spec.Enabled && t.TTLAttribute != "":
			return validationError("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.TTLAttribute)
		case !spec.Enabled && t.TTLAttribute == "":
			return validationError("TimeToLive is already disabled")
		}
		t.TTLAttribute = ""
		if spec.Enabled {
			t.TTLAttribute = spec.AttributeName
		}
		return a.refreshExpiry(t)
	})
	return &struct{ TimeToLiveSpecification *ttlSpec }{spec}, err
}

type ttlDescription struct {
	TimeToLiveStatus string
	AttributeName    string `json:",omitempty"`
}

func (s *Server) describeTimeToLive(_ context.Context, in *tableInput) (*struct{ TimeToLiveDescription ttlDescription }, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t := s.store.table(*in.TableName)
	if t == nil {
		return nil, noNamedTable(*in.TableName)
	}
	d := ttlDescription{TimeToLiveStatus: "DISABLED", AttributeName: t.TTLAttribute}
	if t.TTLAttribute != "" {
		d.TimeToLiveStatus = "ENABLED"
	}
	return &struct{ TimeToLiveDescription ttlDescription }{d}, nil
}

type recoverySpec struct {
	PointInTimeRecoveryEnabled bool
	RecoveryPeriodInDays       int64
}

type updateBackupsInput struct {
	tableInput

	PointInTimeRecoverySpecification *recoverySpec
}

type backupsOutput struct {
	ContinuousBackupsDescription backupsDescription
}

type backupsDescription struct {
	ContinuousBackupsStatus        string
	PointInTimeRecoveryDescription recoveryDescription
}

type recoveryDescription struct {
	PointInTimeRecoveryStatus  string
	RecoveryPeriodInDays       int64   `json:",omitempty"`
	EarliestRestorableDateTime float64 `json:",omitempty"`
	LatestRestorableDateTime   float64 `json:",omitempty"`
}

const defaultRecoveryDays = 35

// updateContinuousBackups remembers the setting; there is nothing to restore from.
func (s *Server) updateContinuousBackups(_ context.Context, in *updateBackupsInput) (*backupsOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	spec := in.PointInTimeRecoverySpecification
	var v violations
	v.required(spec != nil, "pointInTimeRecoverySpecification")
	if err := v.err(); err != nil {
		return nil, err
	}
	missing := newError(codeTableNotFound, "Table not found: %s", *in.TableName)
	t, err := s.change(*in.TableName, missing, func(_ *alteration, t *table) error {
		if spec.PointInTimeRecoveryEnabled && !t.RecoveryEnabled {
			t.RecoverySince = s.options.Now()
		}
		t.RecoveryEnabled = spec.PointInTimeRecoveryEnabled
		t.RecoveryDays = spec.RecoveryPeriodInDays
		if t.RecoveryDays == 0 {
			t.RecoveryDays = defaultRecoveryDays
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.backupsOutput(t), nil
}

func (s *Server) describeContinuousBackups(_ context.Context, in *tableInput) (*backupsOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t := s.store.table(*in.TableName)
	if t == nil {
		return nil, newError(codeTableNotFound, "Table not found: %s", *in.TableName)
	}
	return s.backupsOutput(t), nil
}

func (s *Server) backupsOutput(t *table) *backupsOutput {
	d := backupsDescription{ContinuousBackupsStatus: "ENABLED", PointInTimeRecoveryDescription: recoveryDescription{PointInTimeRecoveryStatus: "DISABLED"}}
	if t.RecoveryEnabled {
		d.PointInTimeRecoveryDescription = recoveryDescription{
			PointInTimeRecoveryStatus:  "ENABLED",
			RecoveryPeriodInDays:       t.RecoveryDays,
			EarliestRestorableDateTime: epoch(t.RecoverySince),
			LatestRestorableDateTime:   epoch(s.options.Now()),
		}
	}
	return &backupsOutput{d}
}

// epoch is a time as the protocol has it: seconds since 1970.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

type tagsInput struct {
	ResourceArn string
	Tags        []tag
	TagKeys     []string
}

type empty struct{}

// taggedTable is the name of the table that an ARN names.
func (s *Server) taggedTable(arn string) (string, error) {
	name, found := strings.CutPrefix(arn, s.arn(""))
	switch {
	case arn == "":
		return "", validationError("Invalid TableArn")
	case !found || !validName(name):
		return "", validationError("Invalid TableArn: Invalid ResourceArn provided as input %s", arn)
	}
	return name, nil
}

func (s *Server) arn(tableName string) string {
	return fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", s.options.Region, s.options.AccountID, tableName)
}

func (s *Server) changeTags(in *tagsInput, edit func(t *table)) (*empty, error) {
	name, err := s.taggedTable(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	missing := newError(codeNotFound, "Requested resource not found: ResourcArn: %s not found", in.ResourceArn)
	_, err = s.change(name, missing, func(_ *alteration, t *table) error {
		edit(t)
		return nil
	})
	return &empty{}, err
}

func (s *Server) tagResource(_ context.Context, in *tagsInput) (*empty, error) {
	if len(in.Tags) == 0 {
		return nil, validationError("Atleast one Tag needs to be provided as Input.") // the service's spelling
	}
	return s.changeTags(in, func(t *table) {
		for _, added := range in.Tags {
			t.Tags = slices.DeleteFunc(t.Tags, func(present tag) bool { return present.Key == added.Key })
			t.Tags = append(t.Tags, added)
		}
	})
}

func (s *Server) untagResource(_ context.Context, in *tagsInput) (*empty, error) {
	if len(in.TagKeys) == 0 {
		return nil, validationError("Atleast one Tag Key needs to be provided as Input.") // the service's spelling
	}
	return s.changeTags(in, func(t *table) {
		t.Tags = slices.DeleteFunc(t.Tags, func(present tag) bool { return slices.Contains(in.TagKeys, present.Key) })
	})
}

func (s *Server) listTagsOfResource(_ context.Context, in *tagsInput) (*struct{ Tags []tag }, error) {
	name, err := s.taggedTable(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	t := s.store.table(name)
	if t == nil {
		return nil, newError(codeNotFound, "Requested resource not found: ResourcArn: %s not found", in.ResourceArn)
	}
	return &struct{ Tags []tag }{append([]tag{}, t.Tags...)}, nil
}
